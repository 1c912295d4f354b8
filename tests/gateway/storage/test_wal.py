"""The write-ahead log is folded beside the writer, not inside COMMIT."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.storage import engines, wal
from gateway.storage.database import Database, Transaction
from gateway.storage.schema import meta
from gateway.storage.wal import Checkpointer

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


class Watched:
    """The thread's connection; says when it was asked to fold, and may refuse once, as a full disk does."""

    def __init__(self, checkpointer: Checkpointer, *, refuses: bool = False) -> None:
        self._connection = checkpointer._connection
        self._refuses = refuses
        self._asked = threading.Event()
        checkpointer._connection = self  # type: ignore[assignment]

    def execute(self, statement: str) -> sqlite3.Cursor:
        """Fold, or refuse."""
        try:
            if self._refuses:
                self._refuses = False
                raise sqlite3.OperationalError("database or disk is full")
            return self._connection.execute(statement)
        finally:
            self._asked.set()

    def close(self) -> None:
        """Close."""
        self._connection.close()

    def next(self) -> None:
        """Wait until it was asked once more."""
        assert self._asked.wait(_PATIENCE_S), "not asked in time"
        self._asked.clear()


async def test_what_was_committed_is_folded_in_while_the_database_stays_open(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "EVERY_S", 0.01)
    database = await Database.open(str(path))
    watched = Watched(database._backend._checkpointer)  # type: ignore[attr-defined]
    for count in (1, 2):
        await database.write(put(f"k{count}"))
        watched.next()
        assert folded(path, tmp_path) == count
    await database.aclose()


async def test_commit_leaves_the_database_file_alone(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "EVERY_S", 3600)
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
    monkeypatch.setattr(wal, "EVERY_S", 3600)
    monkeypatch.setattr(engines, "CEILING_PAGES", 100)
    database = await Database.open(str(path))
    await asyncio.gather(*(database.write(put(f"k{number}")) for number in range(150)))
    await database.write(put("k"))
    assert folded(path, tmp_path) >= 150
    await database.aclose()


def test_a_checkpoint_that_fails_is_tried_again_after_the_next_commit(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "EVERY_S", 0.01)
    writer = sqlite3.connect(path, isolation_level=None)
    checkpointer = Checkpointer(path)
    watched = Watched(checkpointer, refuses=True)
    for number, found in ((1, 0), (2, 2)):
        writer.execute("INSERT INTO meta (key, value) VALUES (?, '')", (f"k{number}",))
        checkpointer.written()
        watched.next()
        assert folded(path, tmp_path) == found
    checkpointer.close()
    writer.close()


def test_an_end_that_comes_while_the_thread_turns_to_its_work_ends_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "EVERY_S", 0.01)
    checkpointer = Checkpointer(path)
    before, ending = checkpointer._written, checkpointer._ending

    class EndedMeanwhile(threading.Event):
        """What ``close`` sets is set after the thread looked for it and before it clears this."""

        def clear(self) -> None:
            ending.set()
            self.set()
            super().clear()

    checkpointer._written = EndedMeanwhile()
    before.set()
    checkpointer._thread.join(_PATIENCE_S)
    assert not checkpointer._thread.is_alive()
    checkpointer.close()


async def test_a_database_for_reading_only_has_no_such_thread(path: Path) -> None:
    database = await Database.open(str(path), read_only=True)
    await database.read(lambda c: c.execute(select(meta.c.key)).all())
    assert database._backend._checkpointer is None  # type: ignore[attr-defined]
    await database.aclose()
