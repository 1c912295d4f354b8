"""A prepared statement gives what SQLAlchemy's own way gives, results and errors alike, on both engines."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, bindparam, null, select, update

from gateway.errors import StorageError
from gateway.storage import cases, receipts, transmissions
from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.faults import storage_fault
from gateway.storage.prepared import fetch, run_many
from gateway.storage.schema import blob, meta, peer

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
_PEERS = select(peer).where(peer.c.authority_id != bindparam("b_not")).order_by(peer.c.authority_id)
_HEARD = (
    update(peer)
    .where(peer.c.authority_id == bindparam("b_id"))
    .values(heard_at=bindparam("v_at"), pull_cursor=7)
)


def two_peers(tx: Transaction) -> None:
    tx.insert(peer, authority_id="ke-ag", heard_at=NOW, pull_cursor=3)
    tx.insert(peer, authority_id="sg-agc", heard_at=None, pull_cursor=0)


async def test_rows_come_back_as_they_were_given(database: Database) -> None:
    await database.write(two_peers)
    prepared = await database.read(lambda c: fetch(c, _PEERS, {"b_not": "xx"}))
    usual = await database.read(lambda c: [tuple(row) for row in c.execute(_PEERS, {"b_not": "xx"})])
    assert prepared == usual == [("ke-ag", NOW, 3), ("sg-agc", None, 0)]


async def test_an_update_keeps_what_the_statement_itself_says(database: Database) -> None:
    await database.write(two_peers)
    later = NOW + timedelta(days=1)
    await database.write(
        lambda tx: run_many(
            tx.connection, _HEARD, [{"b_id": "ke-ag", "v_at": None}, {"b_id": "sg-agc", "v_at": later}]
        )
    )
    rows = await database.read(lambda c: fetch(c, _PEERS, {"b_not": "xx"}))
    assert rows == [("ke-ag", None, 7), ("sg-agc", later, 7)]


async def test_bytes_stay_bytes(database: Database) -> None:
    await database.write(lambda tx: tx.insert(blob, sha256="0" * 64, size_bytes=3, data=b"\x00\xff\x80"))
    rows = await database.read(lambda c: fetch(c, select(blob.c.data, null().label("absent")), {}))
    assert [(bytes(data), absent) for data, absent in rows] == [(b"\x00\xff\x80", None)]


async def test_a_broken_constraint_is_the_callers_own_error_without_the_values(database: Database) -> None:
    secret = "a value that no error text may show"
    await database.write(lambda tx: tx.insert(meta, key="k", value=secret))
    with pytest.raises(IntegrityError) as caught:
        await database.write(lambda tx: tx.insert(meta, key="k", value=secret))
    assert secret not in str(caught.value)
    assert storage_fault(caught.value) is None


async def test_a_statement_that_cannot_run_is_the_storages_trouble(database: Database) -> None:
    def unit(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("drop table meta")
        fetch(tx.connection, select(meta), {})

    with pytest.raises(Exception) as caught:
        await database.write(unit)
    assert not isinstance(caught.value, StorageError | IntegrityError)
    assert "meta" in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        (transmissions._LOCK, transmissions._COLUMNS),
        (cases._FIND, cases._CASE_COLUMNS),
        (cases._THREAD_OF, cases._CASE_COLUMNS + cases._MESSAGE_COLUMNS),
        (receipts._ABOUT_OURS, ("manifest_sha256", "jws_sha256", "proved", "n", "near", "jws")),
    ],
)
async def test_the_columns_of_the_prepared_reads_are_the_tables_own(
    database: Database, statement: object, columns: tuple[str, ...]
) -> None:
    def names(connection: Connection) -> tuple[str, ...]:
        return tuple(column.name for column in statement.selected_columns)  # type: ignore[attr-defined]

    assert await database.read(names) == columns
