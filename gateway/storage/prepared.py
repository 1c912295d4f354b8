"""Statements compiled once and given to SQLite's driver directly: those that every exchange runs.

SQLAlchemy still writes the SQL and says how values become the driver's and back; what is left out is the
work it does again for every call, most of the time of a small statement. PostgreSQL takes SQLAlchemy's own
way: there the round trip counts. Results and errors are the same either way.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, Executable, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from gateway.storage.engines import driver_of
from gateway.storage.rows import TableRow

_DIALECT = sqlite.dialect()

_Convert = Callable[[Any], Any]
_Row = Mapping[str, Any] | TableRow


class _Prepared:
    """One statement in SQLite's own form: the text, and where values need converting."""

    __slots__ = ("_fields", "_given", "_own", "_pick", "_read", "sql")

    def __init__(self, statement: Any, columns: tuple[str, ...] | None) -> None:
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns)
        self.sql = str(compiled)
        names: tuple[str, ...] = tuple(compiled.positiontup)
        #: What the statement itself says, where no row does.
        self._own = {name: compiled.params[name] for name in names if not compiled.binds[name].required}
        self._pick = _picker(itemgetter, names)
        self._fields = _picker(attrgetter, names)
        self._given = _that_convert(
            compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT) for name in names
        )
        results = statement.selected_columns if isinstance(statement, Select) else ()
        self._read = _that_convert(
            column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in results
        )

    def values(self, row: _Row) -> Sequence[Any]:
        """Return the driver's values for one row, in the statement's order."""
        if isinstance(row, TableRow):
            picked = self._fields(row)
        else:
            picked = self._pick({**self._own, **row} if self._own else row)
        if not self._given:
            return picked
        values = list(picked)
        for at, convert in self._given:
            values[at] = convert(values[at])
        return values

    def result(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the values of a row that the driver gave."""
        if not self._read:
            return row
        values = list(row)
        for at, convert in self._read:
            if values[at] is not None:
                values[at] = convert(values[at])
        return tuple(values)


def _picker(getter: Callable[..., Any], names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes the values of these names out of a row, by ``itemgetter`` or ``attrgetter``."""
    if len(names) > 1:
        return getter(*names)  # type: ignore[no-any-return]
    one_by_one = [getter(name) for name in names]
    return lambda row: tuple(get(row) for get in one_by_one)


def _that_convert(converts: Iterable[_Convert | None]) -> list[tuple[int, _Convert]]:
    return [(at, convert) for at, convert in enumerate(converts) if convert is not None]


@lru_cache(maxsize=256)
def _prepared(statement: Any, columns: tuple[str, ...] | None) -> _Prepared:
    return _Prepared(statement, columns)


def run_many(
    connection: Connection,
    statement: Executable,
    rows: Sequence[_Row],
    columns: tuple[str, ...] | None = None,
) -> None:
    """Run a statement that returns nothing once for every row.

    Args:
        statement: A lasting object: it is known again by its identity.
        rows: By name of parameter or column, or as the structs of the table.
        columns: Those that an INSERT gives; every row has them all.

    Raises:
        DBAPIError: As SQLAlchemy raises it, ``IntegrityError`` among them.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(statement, [_mapping(row, columns or ()) for row in rows])
        return
    prepared = _prepared(statement, columns)
    try:
        driver_of(connection).executemany(prepared.sql, [prepared.values(row) for row in rows])
    except sqlite3.Error as error:
        raise _as_sqlalchemy(prepared.sql, error) from error


def _mapping(row: _Row, columns: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: getattr(row, name) for name in columns} if isinstance(row, TableRow) else row


def fetch(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT, each a tuple in the order of its columns.

    Raises:
        DBAPIError: As SQLAlchemy raises it.
    """
    if connection.dialect.name != "sqlite":
        return [tuple(row) for row in connection.execute(statement, values)]
    prepared = _prepared(statement, None)
    try:
        found = driver_of(connection).execute(prepared.sql, prepared.values(values)).fetchall()
    except sqlite3.Error as error:
        raise _as_sqlalchemy(prepared.sql, error) from error
    return [prepared.result(row) for row in found]


def _as_sqlalchemy(sql: str, error: sqlite3.Error) -> BaseException:
    # Without the values: they are content.
    return DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True, dialect=_DIALECT)
