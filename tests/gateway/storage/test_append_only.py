"""The audit log's rows cannot be changed by SQL, whoever asks: triggers on both engines.

The tests run as the tables' owner, so no missing right can stand in for a missing trigger.
"""

import sqlite3

import pytest
from sqlalchemy import Connection, text

from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.schema import audit_body, audit_checkpoint, audit_leaf, audit_tile

CHANGES = {
    "audit_leaf": [
        "UPDATE audit_leaf SET leaf = 'y'",
        "UPDATE audit_leaf SET idx = 7",
        "DELETE FROM audit_leaf",
        "DELETE FROM audit_leaf WHERE idx = 0",
        "INSERT INTO audit_leaf (idx, leaf) VALUES (0, 'y') ON CONFLICT (idx) DO UPDATE SET leaf = 'y'",
        "INSERT INTO audit_leaf (idx, leaf) VALUES (0, 'y')",
    ],
    "audit_tile": [
        "UPDATE audit_tile SET hashes = 'y'",
        "DELETE FROM audit_tile",
        "INSERT INTO audit_tile VALUES (0, 0, 'y') ON CONFLICT (level, n) DO UPDATE SET hashes = 'y'",
    ],
    "audit_checkpoint": [
        "UPDATE audit_checkpoint SET note = 'y'",
        "DELETE FROM audit_checkpoint",
        "INSERT INTO audit_checkpoint VALUES (1, 'y') ON CONFLICT (size) DO UPDATE SET note = 'y'",
    ],
    "audit_body": [
        "UPDATE audit_body SET body = 'y'",
        "INSERT INTO audit_body VALUES (0, 'y', 'y') ON CONFLICT (idx) DO UPDATE SET body = 'y'",
    ],
}
ONLY_SQLITE = [
    "INSERT OR REPLACE INTO audit_leaf (idx, leaf) VALUES (0, 'y')",
    "REPLACE INTO audit_tile VALUES (0, 0, 'y')",
    "REPLACE INTO audit_tile (rowid, level, n, hashes) VALUES (1, 5, 5, 'y')",
    "REPLACE INTO audit_checkpoint VALUES (1, 'y')",
    "REPLACE INTO audit_body VALUES (0, 'y', 'y')",
    "UPDATE OR REPLACE audit_leaf SET idx = 0",
]
ONLY_POSTGRESQL = [f"TRUNCATE {table}" for table in CHANGES] + [
    "TRUNCATE audit_leaf, audit_tile, audit_checkpoint, audit_body CASCADE"
]


async def fill(database: Database) -> None:
    def unit(tx: Transaction) -> None:
        tx.insert(audit_leaf, idx=0, leaf=b"x")
        tx.insert(audit_tile, level=0, n=0, hashes=b"x")
        tx.insert(audit_checkpoint, size=1, note="x")
        tx.insert(audit_body, idx=0, salt=b"x", body=b"x")

    await database.write(unit)


async def contents(database: Database) -> list[tuple[object, ...]]:
    def query(connection: Connection) -> list[tuple[object, ...]]:
        return [
            tuple(row)
            for table in (audit_leaf, audit_tile, audit_checkpoint, audit_body)
            for row in connection.execute(table.select())
        ]

    return await database.read(query)


async def refused(database: Database, statement: str) -> None:
    await fill(database)
    before = await contents(database)
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.execute(text(statement)))
    assert await contents(database) == before


@pytest.mark.parametrize("statement", [each for table in CHANGES.values() for each in table])
async def test_a_change_is_refused_and_nothing_changes(database: Database, statement: str) -> None:
    await refused(database, statement)


@pytest.mark.parametrize("statement", ONLY_SQLITE)
async def test_replacement_is_refused_on_sqlite(sqlite_url: str, statement: str) -> None:
    database = await Database.open(sqlite_url)
    try:
        await refused(database, statement)
    finally:
        await database.aclose()


@pytest.mark.parametrize("statement", ONLY_SQLITE)
async def test_replacement_is_refused_to_any_other_program(sqlite_url: str, statement: str) -> None:
    # A plain connection has recursive_triggers off, so only the INSERT trigger stands in the way.
    database = await Database.open(sqlite_url)
    await fill(database)
    before = await contents(database)
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    finally:
        connection.close()
    assert await contents(database) == before
    await database.aclose()


async def test_a_hidden_row_number_cannot_aim_past_the_key(sqlite_url: str) -> None:
    # The key is the row number, so there is nothing to aim at: at most a row is added.
    database = await Database.open(sqlite_url)
    await fill(database)
    before = await contents(database)
    replace = text("REPLACE INTO audit_leaf (rowid, idx, leaf) VALUES (0, 9, 'y')")
    await database.write(lambda tx: tx.execute(replace))
    assert set(before) < set(await contents(database))
    await database.aclose()


@pytest.mark.parametrize("statement", ONLY_POSTGRESQL)
async def test_truncation_is_refused_on_postgresql(postgresql_url: str, statement: str) -> None:
    database = await Database.open(postgresql_url)
    try:
        await refused(database, statement)
    finally:
        await database.aclose()


async def test_the_triggers_stay_on_for_a_replica_session(postgresql_url: str) -> None:
    database = await Database.open(postgresql_url)
    await fill(database)

    def unit(tx: Transaction) -> None:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("DELETE FROM audit_leaf"))

    with pytest.raises(IntegrityError):
        await database.write(unit)
    await database.aclose()


async def test_a_body_may_be_erased(database: Database) -> None:
    await fill(database)
    await database.write(lambda tx: tx.execute(text("DELETE FROM audit_body WHERE idx = 0")))
    assert await database.read(lambda c: c.execute(audit_body.select()).all()) == []


async def test_rows_may_be_added(database: Database) -> None:
    await fill(database)
    await database.write(lambda tx: tx.insert(audit_leaf, idx=1, leaf=b"z"))
    assert len(await contents(database)) == 5
