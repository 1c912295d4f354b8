"""The write-ahead log is folded beside the writer, not inside COMMIT."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.storage import checkpoints, engines
from gateway.storage.checkpoints import Checkpointer
from gateway.storage.database import Database, Transaction
from gateway.storage.schema import meta

#: Longer than any COMMIT here takes; a pause of the machine must not fail a test.
_PATIENCE_S = 20


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def put(key: str) -> Callable[[Transaction], None]:
    """A unit that adds one row of a page or so."""
    return lambda tx: tx.insert(meta, key=key, value="v" * 4000)


def folded(path: Path, folder: Path) -> int:
    """How many rows the database file alone holds, without its log."""
    alone = shutil.copy(path, folder / "alone.db")
    connection = sqlite3.connect(f"file:{alone}?mode=ro&immutable=1", uri=True)
    (count,) = connection.execute("SELECT count(*) FROM meta WHERE key LIKE 'k%'").fetchone()
    connection.close()
    return int(count)


def until_folded(path: Path, folder: Path, count: int) -> None:
    """Wait until the database file alone holds so many rows."""
    end = time.monotonic() + _PATIENCE_S
    while folded(path, folder) < count:
        assert time.monotonic() < end, "not folded in time"
        time.sleep(0.01)


async def test_what_was_committed_is_folded_in_while_the_database_stays_open(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.01)
    database = await Database.open(str(path))
    await database.write(put("k1"))
    until_folded(path, tmp_path, 1)
    await database.write(put("k2"))
    until_folded(path, tmp_path, 2)
    await database.aclose()


async def test_commit_leaves_the_database_file_alone(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_S", 3600)
    database = await Database.open(str(path))
    # More pages than SQLite's own bound, 1000.
    await asyncio.gather(*(database.write(put(f"k{number}")) for number in range(1500)))
    await database.write(put("k"))
    assert folded(path, tmp_path) == 0
    await database.aclose()
    assert folded(path, tmp_path) == 1501


async def test_commit_folds_from_the_ceiling_on(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_S", 3600)
    monkeypatch.setattr(engines, "CEILING_PAGES", 100)
    database = await Database.open(str(path))
    await asyncio.gather(*(database.write(put(f"k{number}")) for number in range(150)))
    await database.write(put("k"))
    assert folded(path, tmp_path) >= 150
    await database.aclose()


def test_a_checkpoint_that_fails_is_tried_again_after_the_next_commit(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        """Refuses once, as a full disk does."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.asked = 0
            self._connection = connection

        def execute(self, statement: str) -> sqlite3.Cursor:
            self.asked += 1
            if self.asked == 1:
                raise sqlite3.OperationalError("database or disk is full")
            return self._connection.execute(statement)

        def close(self) -> None:
            self._connection.close()

    monkeypatch.setattr(checkpoints, "EVERY_S", 0.01)
    writer = sqlite3.connect(path, isolation_level=None)
    checkpointer = Checkpointer(path)
    checkpointer._connection = failing = Failing(checkpointer._connection)  # type: ignore[assignment]
    for number in (1, 2):
        writer.execute("INSERT INTO meta (key, value) VALUES (?, '')", (f"k{number}",))
        checkpointer.written()
        end = time.monotonic() + _PATIENCE_S
        while failing.asked < number:
            assert time.monotonic() < end, "not asked in time"
            time.sleep(0.01)
    until_folded(path, tmp_path, 2)
    checkpointer.close()
    writer.close()


async def test_a_database_for_reading_only_has_no_such_thread(path: Path) -> None:
    database = await Database.open(str(path), read_only=True)
    await database.read(lambda c: c.execute(select(meta.c.key)).all())
    assert database._backend._checkpointer is None  # type: ignore[attr-defined]
    await database.aclose()
