"""One shared transaction for everything that waits: buffers, flush, COMMIT, and replay after an error.

Knows neither loop nor thread nor engine: it is handed a synchronous connection. No savepoints: they
cost more than the units they protect. When anything fails before COMMIT the whole group is rolled
back and every unit runs again in a transaction of its own, so a bad unit meets its own error and its
neighbours never notice. When COMMIT itself fails nobody can know what was kept: nothing is replayed.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from gateway.errors import StorageUnavailable
from gateway.storage.engines import driver_of
from gateway.storage.faults import is_transient, storage_fault
from gateway.storage.prepared import run_many
from gateway.storage.rows import TableRow

if TYPE_CHECKING:
    from gateway.model.audit import AuditEntry, PendingAuditEntry

T = TypeVar("T")
Row = dict[str, Any]
#: An INSERT, the columns it gives, and the rows.
_Batch = tuple[Insert, tuple[str, ...], Sequence[Row] | Sequence[TableRow]]


class GroupHook(Protocol):
    """The audit log's place in every group: leaves become durable with what they record.

    The calls of one group come in order, from one thread at a time, never two groups at once:
    ``begin``, ``append`` per entry, ``flush``, ``committed``; or ``rolled_back`` after any of them.
    """

    def begin(self, connection: Connection) -> None:
        """Start a group: take the sequencer's lock; read the frontier unless it is known to be current."""

    def append(self, entry: "PendingAuditEntry") -> "AuditEntry":
        """Give an entry its index and keep its leaf for ``flush``."""

    def flush(self, connection: Connection) -> None:
        """Write the leaves and sign the checkpoint, just before COMMIT; after all buffered rows."""

    def rolled_back(self) -> None:
        """Forget the group. COMMIT may have been kept all the same: the next ``begin`` reads the frontier."""

    def committed(self) -> None:
        """The group is durable."""


class Transaction:
    """What a unit writes through. Shared by the units of one group, each of which runs to its end first.

    Buffered rows go to the database before any ``execute``, and at the end: inserts in order of foreign keys,
    then updates, each kind in the order of its first use. So two statements that are given to ``later`` by
    the same group must not depend on each other's rows; whoever needs an order uses ``execute``.
    """

    __slots__ = ("_callbacks", "_hook", "_inserts", "_rows", "_touched", "_updates", "connection")

    def __init__(self, connection: Connection, hook: GroupHook | None) -> None:
        self.connection = connection
        self._hook = hook
        self._inserts: dict[tuple[Insert, tuple[str, ...]], list[Row]] = {}
        self._rows: dict[tuple[Table, type[TableRow]], list[TableRow]] = {}
        self._updates: dict[Executable, list[Row]] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._touched: set[Hashable] = set()

    def view(self, subject: Hashable) -> Connection:
        """Return the connection to read and then change what concerns ``subject``, such as one case.

        It sees what earlier units of this group did to the same subject. What they did to others stays
        buffered, so that reading units still share one flush. From now on the subject counts as changed.
        """
        if subject in self._touched:
            self.flush()
        self._touched.add(subject)
        return self.connection

    def has_touched(self, subject: Hashable) -> bool:
        """Tell whether a unit of this group has buffered changes that concern ``subject``."""
        return subject in self._touched

    def insert(self, table: Table, **values: Any) -> None:
        """Add a row. A broken constraint shows at the flush and reaches this unit's caller all the same."""
        self._inserts.setdefault((_plain_insert(table), tuple(values)), []).append(values)

    def add(self, table: Table, row: TableRow) -> None:
        """Add a row like ``insert``, from a struct; fields that are no columns of the table are left out."""
        self._rows.setdefault((table, type(row)), []).append(row)

    def insert_once(self, table: Table, **values: Any) -> None:
        """Add a row unless its key is there already: for rows whose key is the digest of their content."""
        key = (_quiet_insert(table, self.connection.dialect.name), tuple(values))
        self._inserts.setdefault(key, []).append(values)

    def later(self, statement: Executable, **parameters: Any) -> None:
        """Run an UPDATE by primary key at the flush, with all others of the same statement object."""
        self._updates.setdefault(statement, []).append(parameters)

    def execute(self, statement: Executable, parameters: Row | None = None) -> CursorResult[Any]:
        """Run a statement now. It sees everything that this group has written before."""
        self.flush()
        return self.connection.execute(statement, parameters)

    def audit(self, entry: "PendingAuditEntry") -> "AuditEntry":
        """Make an entry of the audit log, durable with this transaction, and return it with its index."""
        if self._hook is None:
            raise RuntimeError("this database was opened without an audit log")
        return self._hook.append(entry)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back in the event loop once the transaction is durable; never after a failure."""
        self._callbacks.append(callback)

    def flush(self) -> None:
        """Send the buffered rows to the database. Units need not call it."""
        # What was touched stays so: the unit that flushes in its midst may write more about it afterwards.
        if self._inserts or self._rows:
            batches: list[_Batch] = [(*how, rows) for how, rows in self._inserts.items()]
            batches += [(*_row_insert(*kind), rows) for kind, rows in self._rows.items()]
            self._inserts, self._rows = {}, {}
            for statement, columns, rows in sorted(batches, key=_foreign_key_order):
                run_many(self.connection, statement, rows, columns)
        if self._updates:
            changes, self._updates = self._updates, {}
            for change, rows in changes.items():
                run_many(self.connection, change, rows)

    def take_callbacks(self) -> list[Callable[[], None]]:
        """Return what ``after_commit`` collected since the last call."""
        taken, self._callbacks = self._callbacks, []
        return taken


@dataclass(slots=True)
class Outcome:
    """How one unit ended: a value, or the error its caller gets."""

    value: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] = field(default_factory=list)


Unit = Callable[[Transaction], Any]
Commit = Callable[[Connection], None]


class _CommitFailed(Exception):
    """COMMIT raised: whether the group was kept is unknown."""


def commit_now(connection: Connection) -> None:
    """Make the transaction durable. Tests put a failure in its place, before or after the real thing."""
    connection.commit()


def run_group(
    connection: Connection, units: Sequence[Unit], hook: GroupHook | None, commit: Commit = commit_now
) -> list[Outcome]:
    """Run the units in one transaction; on an error, each in its own. Returns one outcome per unit, in order.

    Args:
        connection: Not in a transaction; is in none afterwards.
        units: At least one. Each may run up to three times.
        hook: The audit log, if there is one.
        commit: Makes the transaction durable.
    """
    try:
        return _attempt_twice(connection, units, hook, commit)
    except _CommitFailed as failure:
        return [Outcome(error=_unknown(failure)) for _ in units]
    except Exception as error:
        if len(units) == 1 or is_transient(error):
            return [Outcome(error=_reported(error)) for _ in units]
    outcomes: list[Outcome] = []
    for unit in units:
        outcomes.extend(run_group(connection, [unit], hook, commit))
    return outcomes


def _attempt_twice(
    connection: Connection, units: Sequence[Unit], hook: GroupHook | None, commit: Commit
) -> list[Outcome]:
    try:
        return _attempt(connection, units, hook, commit)
    except Exception as error:
        # An idle connection the server has dropped since, or a deadlock: certainly not kept.
        if isinstance(error, _CommitFailed) or not is_transient(error):
            raise
    return _attempt(connection, units, hook, commit)


def _attempt(
    connection: Connection, units: Sequence[Unit], hook: GroupHook | None, commit: Commit
) -> list[Outcome]:
    try:
        connection.begin()
        if hook is not None:
            hook.begin(connection)
        tx = Transaction(connection, hook)
        outcomes = []
        for unit in units:
            value = unit(tx)
            outcomes.append(Outcome(value=value, callbacks=tx.take_callbacks()))
        tx.flush()
        if hook is not None:
            hook.flush(connection)
        try:
            commit(connection)
        except Exception as error:
            raise _CommitFailed from error
    except BaseException:
        _roll_back(connection)
        if hook is not None:
            hook.rolled_back()
        raise
    if hook is not None:
        hook.committed()
    return outcomes


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
        if connection.dialect.name == "sqlite":
            # After a COMMIT that failed SQLAlchemy has nothing to undo, but SQLite may have: the next group
            # would join it and keep it.
            driver_of(connection).rollback()
    except Exception:
        # The server is gone and has rolled back by itself; the error that led here is the one to report.
        connection.invalidate()
        connection.rollback()


def _reported(error: BaseException) -> BaseException:
    fault = storage_fault(error)
    if fault is None or fault is error:
        return error
    fault.__cause__ = error
    return fault


def _unknown(failure: _CommitFailed) -> BaseException:
    cause = failure.__cause__
    fault = (None if cause is None else storage_fault(cause)) or StorageUnavailable()
    # Each caller gets an instance of its own, because a raised exception collects its raiser's traceback.
    mine = type(fault)()
    mine.__cause__ = cause
    return mine


@lru_cache(maxsize=256)
def _plain_insert(table: Table) -> Insert:
    # One statement object per table, so that SQLAlchemy compiles it once.
    return table.insert().inline()


@lru_cache(maxsize=256)
def _row_insert(table: Table, kind: type[TableRow]) -> tuple[Insert, tuple[str, ...]]:
    return _plain_insert(table), tuple(name for name in kind.__struct_fields__ if name in table.c)


@lru_cache(maxsize=256)
def _quiet_insert(table: Table, dialect: str) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing().inline()
    return sqlite.insert(table).on_conflict_do_nothing().inline()


@lru_cache(maxsize=256)
def _rank(table: Table) -> int:
    return table.metadata.sorted_tables.index(table)


def _foreign_key_order(batch: _Batch) -> int:
    table = batch[0].table
    return _rank(table) if isinstance(table, Table) else 0
