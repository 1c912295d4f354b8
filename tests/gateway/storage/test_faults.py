"""A database that goes away and comes back, a full disk, a locked file, a damaged one."""

import asyncio
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import StorageDamaged, StorageFull, StorageUnavailable
from gateway.storage import engines
from gateway.storage.database import Database, Transaction
from gateway.storage.faults import storage_fault
from gateway.storage.migrate import upgrade
from gateway.storage.schema import blob, meta
from tests.postgres import Cluster, binaries


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that a test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="rogatory-pg-"))
    cluster = Cluster(folder, binaries())
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
async def test_a_server_that_goes_away_is_retryable_and_works_again_once_back(own_cluster: Cluster) -> None:
    await own_cluster.run("CREATE DATABASE away")
    url = own_cluster.url("away")
    await upgrade(url)
    database = await Database.open(url)
    await database.write(lambda tx: tx.insert(meta, key="before", value=""))
    await database.read(lambda c: c.execute(select(meta)).all())
    await asyncio.to_thread(own_cluster.stop)
    for call in (
        database.write(lambda tx: tx.insert(meta, key="while", value="")),
        database.read(lambda c: c.execute(select(meta)).all()),
        database.read_slow(lambda c: c.execute(select(meta)).all()),
        database.write(lambda tx: tx.insert(meta, key="while", value="")),
    ):
        with pytest.raises(StorageUnavailable) as caught:
            await call
        assert caught.value.retryable
    await asyncio.to_thread(own_cluster.start)
    await database.write(lambda tx: tx.insert(meta, key="after", value=""))
    keys = await database.read(lambda c: set(c.scalars(select(meta.c.key))))
    assert keys == {"before", "after"}
    await database.aclose()


@pytest.fixture
async def on_postgresql(postgresql_url: str) -> AsyncIterator[Database]:
    database = await Database.open(postgresql_url)
    yield database
    await database.aclose()


async def test_connections_broken_by_the_server_are_replaced_unnoticed(
    on_postgresql: Database, postgresql_cluster: Cluster
) -> None:
    await on_postgresql.write(lambda tx: tx.insert(meta, key="a", value=""))
    await on_postgresql.read(lambda c: c.execute(select(meta)).all())
    await postgresql_cluster.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rogatory'"
    )
    await on_postgresql.write(lambda tx: tx.insert(meta, key="b", value=""))
    assert len(await on_postgresql.read(lambda c: c.execute(select(meta)).all())) == 2


async def test_a_connection_that_breaks_inside_a_unit_is_tried_once_more(on_postgresql: Database) -> None:
    runs = []

    def unit(tx: Transaction) -> None:
        runs.append(1)
        if len(runs) == 1:
            tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        tx.insert(meta, key="a", value="")

    await on_postgresql.write(unit)
    assert len(runs) == 2
    assert await on_postgresql.read(lambda c: c.scalars(select(meta.c.key)).all()) == ["a"]


async def test_a_server_that_is_not_there_yet_does_not_hinder_the_start(tmp_path: Path) -> None:
    database = await Database.open(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: None)
    await database.aclose()


async def test_a_full_disk_is_retryable_and_keeps_nothing(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)

    def limit(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")

    await database.write(limit)
    big = {"sha256": "0" * 64, "size_bytes": 100_000, "data": bytes(100_000)}
    with pytest.raises(StorageFull) as caught:
        await database.write(lambda tx: tx.insert(blob, **big))
    assert caught.value.retryable
    assert await database.read(lambda c: c.execute(select(blob)).all()) == []
    await database.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA max_page_count=1073741823"))
    await database.write(lambda tx: tx.insert(blob, **big))
    await database.aclose()


async def test_a_full_disk_hits_only_the_unit_that_needs_the_room(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)

    def limit(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")

    await database.write(limit)
    results = await asyncio.gather(
        database.write(lambda tx: tx.insert(meta, key="small", value="")),
        database.write(lambda tx: tx.insert(blob, sha256="0" * 64, size_bytes=9, data=bytes(100_000))),
        return_exceptions=True,
    )
    assert results[0] is None
    assert isinstance(results[1], StorageFull)
    await database.aclose()


async def test_a_locked_file_is_retryable(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.01)
    database = await Database.open(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: tx.insert(meta, key="a", value=""))
    other.execute("ROLLBACK")
    other.close()
    await database.write(lambda tx: tx.insert(meta, key="a", value=""))
    await database.aclose()


async def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"this is text, not a database. " * 100)
    with pytest.raises(StorageDamaged) as caught:
        await Database.open(f"sqlite:///{tmp_path / 'gateway.db'}")
    assert not caught.value.retryable


def test_disk_errors_are_told_apart() -> None:
    assert isinstance(storage_fault(OSError(errno.ENOSPC, "full")), StorageFull)
    assert isinstance(storage_fault(OSError(errno.EDQUOT, "quota")), StorageFull)
    assert type(storage_fault(OSError(errno.EIO, "io"))) is StorageUnavailable
    assert storage_fault(ValueError()) is None


class _Answer(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("53100", StorageFull),
        ("53300", StorageUnavailable),
        ("57P03", StorageUnavailable),
        ("08006", StorageUnavailable),
        ("40P01", StorageUnavailable),
        ("XX001", StorageDamaged),
        ("42P01", type(None)),
        ("23505", type(None)),
    ],
)
def test_postgresql_answers_are_told_apart(sqlstate: str, expected: type) -> None:
    error = DBAPIError("SELECT 1", None, _Answer(sqlstate))
    assert type(storage_fault(error)) is expected


def test_an_sqlite_error_without_a_code_is_the_callers_own() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("SELECT nonsense"))
    engine.dispose()
    assert storage_fault(caught.value) is None
