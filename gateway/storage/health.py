"""How a database is seen by the doctor: its revision, the protection of its log, and our own rights."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.storage.database import Database
from gateway.storage.migrate import current, head, may_alter_audit_log

#: Tables whose rows may never change, and the bodies that may only be erased.
_PROTECTED = ("audit_leaf", "audit_tile", "audit_checkpoint", "audit_body")
_ERASABLE = frozenset({"audit_body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What one look at the database found."""

    engine: str
    is_current: bool
    missing_triggers: tuple[str, ...]
    owns_tables: bool


async def examine_database(database: Database) -> Health:
    """Return how the database stands. Raises ``StorageError`` where it does not answer."""
    return await database.read(_examine)


def _examine(connection: Connection) -> Health:
    is_sqlite = connection.dialect.name == "sqlite"
    found = set(
        connection.execute(
            text(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                if is_sqlite
                # 'A': enabled whatever session_replication_role says.
                else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
            )
        ).scalars()
    )
    return Health(
        engine="SQLite" if is_sqlite else "PostgreSQL",
        is_current=current(connection) == head(),
        missing_triggers=tuple(name for name in _wanted(is_sqlite) if name not in found),
        owns_tables=not is_sqlite and may_alter_audit_log(connection),
    )


def _wanted(is_sqlite: bool) -> list[str]:
    if not is_sqlite:
        return [f"{table}_append_only" for table in _PROTECTED]
    return [
        f"{table}_no_{event}"
        for table in _PROTECTED
        for event in ("update", "delete", "replace")
        if not (event == "delete" and table in _ERASABLE)
    ]
