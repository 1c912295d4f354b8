"""What is special to SQLite: file mode, journal, durability, and where COMMIT runs."""

import asyncio
import os
import shutil
import stat
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, select
from sqlalchemy.exc import DBAPIError

from gateway.errors import StorageUnavailable
from gateway.storage.database import Database, Transaction
from gateway.storage.engines import driver_of, parse_url, sync_time_s
from gateway.storage.prepared import fetch
from gateway.storage.schema import meta, metadata

NOT_THERE = Table("is_not", MetaData(), Column("a", Integer))


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = f"sqlite:///{tmp_path / 'gateway.db'}"
    engine = create_engine(path)
    metadata.create_all(engine)
    engine.dispose()
    return path


async def test_every_commit_is_synced_and_constraints_are_on(url: str) -> None:
    database = await Database.open(url)

    def pragmas(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        return [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.write(pragmas) == ["wal", 2, 1, 1]
    await database.aclose()


async def test_a_new_file_and_its_side_files_are_private(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        database = await Database.open(f"sqlite:///{tmp_path / 'new.db'}")
        await database.write(lambda tx: metadata.create_all(tx.connection))
    finally:
        os.umask(previous)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
    await database.aclose()


@pytest.mark.parametrize("inline", [True, False])
async def test_commit_runs_where_it_was_told_to(url: str, inline: bool) -> None:
    database = await Database.open(url, inline=inline)
    ran_in = await database.write(lambda tx: threading.current_thread())
    assert (ran_in is threading.current_thread()) is inline is database.commits_in_loop
    await database.aclose()


async def test_a_slow_disk_gets_a_thread(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.backends.sync_time_s", lambda folder: 0.002)
    database = await Database.open(url)
    assert await database.write(lambda tx: threading.current_thread()) is not threading.current_thread()
    await database.aclose()


async def test_a_fast_disk_commits_in_the_loop(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.backends.sync_time_s", lambda folder: 0.0002)
    database = await Database.open(url)
    assert await database.write(lambda tx: threading.current_thread()) is threading.current_thread()
    await database.aclose()


def test_timing_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    assert sync_time_s(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


async def test_read_only_refuses_to_write_and_changes_nothing(url: str) -> None:
    database = await Database.open(url, read_only=True)
    with pytest.raises(RuntimeError, match="reading only"):
        await database.write(lambda tx: tx.insert(meta, key="a", value="b"))
    assert await database.read(lambda c: c.execute(select(meta)).all()) == []
    await database.aclose()


async def test_a_missing_folder_is_unavailable_storage(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        await Database.open(f"sqlite:///{tmp_path / 'none' / 'gateway.db'}")


async def test_a_file_moved_away_takes_nothing_until_it_is_back(url: str, tmp_path: Path) -> None:
    database = await Database.open(url)
    await database.write(lambda tx: tx.insert(meta, key="a", value="before"))
    path, away = tmp_path / "gateway.db", tmp_path / "away.db"
    path.rename(away)
    # Several at once: a group that fails is run again unit by unit.
    refused = await asyncio.gather(
        *(database.write(lambda tx, n=n: tx.insert(meta, key=str(n), value="lost")) for n in range(3)),
        return_exceptions=True,
    )
    assert [type(error) for error in refused] == [StorageUnavailable] * 3
    assert not path.exists()
    away.rename(path)
    await database.write(lambda tx: tx.insert(meta, key="b", value="after"))
    await database.aclose()
    again = await Database.open(url, read_only=True)
    assert await again.read(lambda c: [row.key for row in c.execute(select(meta))]) == ["a", "b"]
    await again.aclose()


async def test_a_file_put_in_place_of_the_one_in_use_is_left_alone_and_is_whole_afterwards(
    url: str, tmp_path: Path
) -> None:
    path, kept = tmp_path / "gateway.db", tmp_path / "kept.db"
    kept.write_bytes(path.read_bytes())
    database = await Database.open(url)
    for n in range(300):
        await database.write(lambda tx, n=n: tx.insert(meta, key=str(n), value="in the old one" * 50))
    shutil.copy(kept, tmp_path / "copy.db").replace(path)
    with pytest.raises(StorageUnavailable, match="remove the -wal and -shm"):
        await database.write(lambda tx: tx.insert(meta, key="b", value="nowhere"))
    # A connection that is opened now would lay the old log over the copy.
    with pytest.raises(StorageUnavailable, match="remove the -wal and -shm"):
        await database.read_slow(lambda c: c.execute(select(meta)).all())
    with pytest.raises(StorageUnavailable, match="remove the -wal and -shm"):
        database.check_in_place()
    assert path.read_bytes() == kept.read_bytes()
    await database.aclose()
    # An end in order leaves nothing behind that could be laid over it either.
    again = await Database.open(url)
    await again.write(lambda tx: tx.insert(meta, key="c", value="in the copy"))
    assert await again.read(lambda c: [row.key for row in c.execute(select(meta))]) == ["c"]
    assert await again.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
    await again.aclose()


async def test_what_was_committed_before_the_file_was_moved_away_is_in_it(url: str, tmp_path: Path) -> None:
    path, away = tmp_path / "gateway.db", tmp_path / "elsewhere" / "gateway.db"
    away.parent.mkdir()
    database = await Database.open(url)
    await database.write(lambda tx: tx.insert(meta, key="a", value="b"))
    path.rename(away)
    await database.aclose()
    again = await Database.open(str(away), read_only=True)
    assert await again.read(lambda c: [row.key for row in c.execute(select(meta))]) == ["a"]
    await again.aclose()


async def test_a_long_reader_does_not_hold_up_writers(url: str) -> None:
    database = await Database.open(url, inline=True)
    reading, written = threading.Event(), threading.Event()

    def slow(connection: object) -> tuple[int, int]:
        count = lambda: len(connection.execute(select(meta)).all())  # type: ignore[attr-defined]  # noqa: E731
        before = count()
        reading.set()
        assert written.wait(5)
        return before, count()

    reader = asyncio.create_task(database.read_slow(slow))
    await asyncio.to_thread(reading.wait, 5)
    await database.write(lambda tx: tx.insert(meta, key="a", value="b"))
    written.set()
    assert await reader == (0, 0), "one unchanging view"
    assert len(await database.read(lambda c: c.execute(select(meta)).all())) == 1
    await database.aclose()


def test_a_database_must_be_a_file_or_postgresql() -> None:
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://host/db"):
        with pytest.raises(ValueError, match="sqlite:////path"):
            parse_url(url)


async def test_what_a_failed_commit_left_open_is_not_kept_with_the_next_group(url: str) -> None:
    """SQLite leaves a transaction open whose COMMIT broke a constraint that is checked only then."""
    database = await Database.open(url)
    reference = "REFERENCES parent (a) DEFERRABLE INITIALLY DEFERRED"

    def run(sql: str, tx: Transaction) -> None:
        tx.connection.exec_driver_sql(sql)

    await database.write(partial(run, "CREATE TABLE parent (a INTEGER PRIMARY KEY)"))
    await database.write(partial(run, f"CREATE TABLE child (a INTEGER {reference})"))
    with pytest.raises(StorageUnavailable):
        await database.write(partial(run, "INSERT INTO child VALUES (9)"))
    await database.write(partial(run, "INSERT INTO parent VALUES (9)"))
    kept = await database.read(
        lambda c: [c.exec_driver_sql(f"SELECT * FROM {name}").all() for name in ("parent", "child")]
    )
    assert kept == [[(9,)], []]
    await database.aclose()


@pytest.mark.parametrize("joined", [True, False])
async def test_a_read_that_fails_leaves_its_connection_as_it_was(url: str, joined: bool) -> None:
    database = await Database.open(url)

    def broken(connection: Connection) -> None:
        if joined:
            connection.execute(select(meta.c.key))
        raise RuntimeError("a defect")

    def later(name: str, tx: Transaction) -> None:
        tx.insert(meta, key=name, value="1")

    for name in ("first", "second"):
        with pytest.raises(RuntimeError):
            await database.read(broken)
        with pytest.raises(DBAPIError):
            await database.read(lambda c: fetch(c, select(NOT_THERE.c.a), {}))
        await database.write(partial(later, name))
        assert name in await database.read(lambda c: c.scalars(select(meta.c.key)).all())
        reader = database._backend._reader  # type: ignore[attr-defined]
        assert not reader.in_transaction()
        assert not driver_of(reader).in_transaction
    await database.aclose()
