"""Bring a database to the newest tables, from a program: ``init`` and ``doctor`` use it.

Safe to run twice at once: the second waits for the first and then finds nothing to do. On PostgreSQL the
role that upgrades owns the tables; the role that the gateway runs under gets only what it needs, so it can
neither alter a table nor drop a trigger.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from gateway.storage.engines import parse_url, postgresql_engine, sqlite_path, sqlite_writer
from gateway.storage.faults import raise_as_ours

#: Number of the advisory lock that upgrades take; ours alone within a database.
_LOCK = 0x526F6761


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Which revision was found and which one stands now; ``before`` is ``None`` for an empty database."""

    before: str | None
    after: str


def migrations_folder() -> Path:
    """Return where the migrations lie: inside an installed package, else beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError("this installation has no migrations; install it again")


async def upgrade(url: str, *, runtime_role: str | None = None) -> Upgrade:
    """Create or upgrade all tables and triggers; durable when it returns, and all or nothing.

    Args:
        url: As for ``Database.open``. On PostgreSQL: as the role that is to own the tables.
        runtime_role: PostgreSQL: the existing role the gateway runs under, if it is not the owner.

    Raises:
        StorageUnavailable: The database cannot be reached; nothing was changed.
        ValueError: The role's name is none.
    """
    if runtime_role is not None and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", runtime_role):
        raise ValueError("a role's name is lower-case letters, digits and underscores")
    parsed = parse_url(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            return await asyncio.to_thread(_upgrade_sqlite, sqlite_path(parsed))
        engine = postgresql_engine(parsed, poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(_upgrade, runtime_role)
        finally:
            await engine.dispose()
    except Exception as error:
        raise_as_ours(error)


def head() -> str:
    """Return the revision this program needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def current(connection: Connection) -> str | None:
    """Return the revision a database is at; ``None`` if it was never upgraded."""
    return MigrationContext.configure(connection).get_current_revision()


def may_alter_audit_log(connection: Connection) -> bool:
    """Say whether this connection's role could switch off what protects the log; true on SQLite.

    ``doctor`` warns then: the audit log still shows any change, but nothing hinders it.
    """
    if connection.dialect.name != "postgresql":
        return True
    found = connection.execute(
        text(
            "SELECT rolsuper OR pg_has_role(current_user, relowner, 'USAGE') FROM pg_roles, pg_class"
            " WHERE rolname = current_user AND pg_class.oid = to_regclass('audit_leaf')"
        )
    )
    return bool(found.scalar())


def _upgrade_sqlite(path: Path) -> Upgrade:
    engine = sqlite_writer(path)
    try:
        with engine.begin() as connection:
            return _upgrade(connection, None)
    finally:
        engine.dispose()


def _upgrade(connection: Connection, runtime_role: str | None) -> Upgrade:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    before = current(connection)
    command.upgrade(_config(connection=connection, runtime_role=runtime_role), "head")
    after = current(connection)
    assert after is not None
    return Upgrade(before=before, after=after)


def _config(**attributes: Any) -> Config:
    config = Config()
    # alembic reads % as interpolation.
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config
