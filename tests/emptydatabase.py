"""Tables made once for a whole run: a new home gets a copy of an empty database, not its own migration.

What stands in for ``upgrade`` gives what it would have given: a file that is not there becomes a copy of one
that the real migration made, one at the newest revision is left alone, and everything else, any older or
damaged file and every PostgreSQL database, goes to the real one. ``tests/gateway/storage/test_migrate.py``
tests that itself.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path

from gateway.storage.engines import parse_url, sqlite_path
from gateway.storage.migrate import Upgrade, upgrade


class EmptyDatabase:
    """An SQLite file with all tables, made when it is first needed in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "empty.db"
        self._made: Upgrade | None = None

    async def upgrade(self, url: str, *, runtime_role: str | None = None) -> Upgrade:
        """Do what ``gateway.storage.migrate.upgrade`` does."""
        parsed = parse_url(url)
        path = sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None
        if path is not None:
            if self._made is None:
                self._made = await upgrade(f"sqlite:///{self._path}")
            if not path.exists() and path.parent.is_dir():
                shutil.copy(self._path, path)
                return self._made
            if _revision(path) == self._made.after:
                return Upgrade(before=self._made.after, after=self._made.after)
        return await upgrade(url, runtime_role=runtime_role)


def _revision(path: Path) -> str | None:
    """Return the revision that stands in a file; ``None`` where it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])
