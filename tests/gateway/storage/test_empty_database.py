"""What stands in for the migration of every new home does what the migration does."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.util import CommandError

from gateway.storage.migrate import Upgrade, head, upgrade
from tests.emptydatabase import EmptyDatabase


def tables(path: Path) -> list[tuple[str, str]]:
    """Return name and text of everything in a file's schema."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
        return [(str(name), str(sql)) for name, sql in found]


@pytest.mark.slow
async def test_a_copy_is_what_the_migration_makes_and_is_opened_again_as_it_is(tmp_path: Path) -> None:
    real, copy = tmp_path / "real.db", tmp_path / "copy.db"
    empty = EmptyDatabase(tmp_path)
    made = await upgrade(f"sqlite:///{real}")
    assert await empty.upgrade(f"sqlite:///{copy}") == made
    assert tables(copy) == tables(real)
    assert (copy.stat().st_mode, _mode_of_journal(copy)) == (real.stat().st_mode, _mode_of_journal(real))
    assert await empty.upgrade(str(copy)) == await upgrade(str(real)) == Upgrade(before=head(), after=head())


@pytest.mark.slow
async def test_a_file_that_is_anything_else_goes_to_the_migration(tmp_path: Path) -> None:
    empty, path = EmptyDatabase(tmp_path), tmp_path / "home.db"
    path.touch()
    assert (await empty.upgrade(str(path))).before is None
    assert tables(path)
    newer = shutil.copy(path, tmp_path / "newer.db")
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(CommandError):
        await empty.upgrade(str(newer))


def _mode_of_journal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
