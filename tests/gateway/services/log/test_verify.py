"""Verification of a log: nothing may change unnoticed, and the report names the entry."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, delete, text

from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.encoding import sha256_hex
from gateway.model.audit import PendingAuditEntry
from gateway.services.log.headstore import read_head_file
from gateway.services.log.verify import AuditReport, verify_log
from gateway.storage.database import Transaction
from gateway.storage.schema import audit_body, receipt
from tests.gateway.services.log.loghome import ED, KEYS, NOW, ORIGIN, PQ, LogHome, lives

RECEIPT = "e30.e30.e30"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LogHome:
    """Twelve entries under four heads, one with a receipt of our own."""
    home = LogHome(tmp_path_factory.mktemp("small"))

    def with_receipt(tx: Transaction) -> None:
        digest = sha256_hex(RECEIPT.encode())
        body = {"from": "yy-moj", "bid": "0" * 32, "receipt": digest}
        entry = tx.audit(PendingAuditEntry(event="bundle.consigned", body=body, at=NOW))
        tx.insert(
            receipt,
            jws_sha256=digest,
            sender="yy-moj",
            bid="0" * 32,
            iss="xx-moj",
            to_aid="yy-moj",
            type="consignment",
            n=1,
            at=NOW,
            jws=RECEIPT,
            own=True,
            stored_at=NOW,
            leaf_index=entry.index,
        )

    async def fill() -> None:
        async with home.opened() as log:
            for _ in range(3):
                entries = await log.add(3)
                await log.sequencer.proof(entries[-1].index, 5)
            await log.database.write(with_receipt)
            await log.sequencer.proof(9, 5)
            await log.add(2)

    asyncio.run(fill())
    return home


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> LogHome:
    """Entries enough for two tiles."""
    home = LogHome(tmp_path_factory.mktemp("large"))
    asyncio.run(home.fill(600, group=150))
    return home


@pytest.fixture
def connection(small: LogHome) -> Iterator[Connection]:
    yield from _connected(small)


@pytest.fixture
def large_connection(large: LogHome) -> Iterator[Connection]:
    yield from _connected(large)


def _connected(home: LogHome) -> Iterator[Connection]:
    """A connection whose changes are taken back after the test."""
    engine = create_engine(f"sqlite:///{home.database}")
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def verify(connection: Connection, home: LogHome, **changes: object) -> AuditReport:
    arguments: dict[str, object] = {
        "origin": ORIGIN,
        "keys": lives(KEYS),
        "head_note": read_head_file(home.head_file),
    }
    return verify_log(connection, **{**arguments, **changes})  # type: ignore[arg-type]


def spoil(connection: Connection, column: str, where: str, position: int) -> None:
    """Change one byte of a value by SQL."""
    table, name = column.split(".")
    row = connection.execute(text(f"SELECT {name} FROM {table} WHERE {where}")).one()
    old = row[0] if isinstance(row[0], bytes) else row[0].encode()
    new = old[:position] + bytes([old[position] ^ 1]) + old[position + 1 :]
    value = new if isinstance(row[0], bytes) else new.decode(errors="replace")
    connection.execute(text(f"UPDATE {table} SET {name} = :v WHERE {where}"), {"v": value})


def test_an_untouched_log_is_verified_and_counted(connection: Connection, small: LogHome) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(connection, small, progress=lambda done, total: seen.append((done, total)))
    assert report.verified, report.problems
    assert (report.size, report.head_size, report.unsigned) == (12, 12, 0)
    assert (report.heads, report.receipts) == (5, 1)
    assert report.as_json()["verified"] is True
    assert seen == [(12, 12)]


def test_a_log_with_tiles_is_verified(large_connection: Connection, large: LogHome) -> None:
    report = verify(large_connection, large)
    assert report.verified, report.problems
    assert report.size == 601


def test_a_log_without_entries_is_verified(tmp_path: Path) -> None:
    home = LogHome(tmp_path)
    for connection in _connected(home):
        assert verify(connection, home).verified


@pytest.mark.parametrize("index", [0, 4, 9, 11])
@pytest.mark.parametrize("column", ["audit_leaf.leaf", "audit_body.salt", "audit_body.body"])
def test_any_changed_byte_of_an_entry_is_found_and_the_entry_named(
    connection: Connection, small: LogHome, column: str, index: int
) -> None:
    table, name = column.split(".")
    length = connection.execute(text(f"SELECT length({name}) FROM {table} WHERE idx = {index}")).scalar_one()
    for position in range(0, length, 1 if index == 4 else 7):
        spoil(connection, column, f"idx = {index}", position)
        report = verify(connection, small)
        assert not report.verified
        assert index in {problem.index for problem in report.problems}, position
        connection.rollback()


@pytest.mark.parametrize("size", [3, 10])
def test_any_changed_byte_of_a_signed_head_is_found(
    connection: Connection, small: LogHome, size: int
) -> None:
    note = connection.execute(text(f"SELECT note FROM audit_checkpoint WHERE size = {size}")).scalar_one()
    for position in [*range(70), *range(70, len(note), 61)]:
        spoil(connection, "audit_checkpoint.note", f"size = {size}", position)
        report = verify(connection, small)
        assert [problem.index for problem in report.problems] == [size - 1]
        connection.rollback()


@pytest.mark.parametrize("position", [0, 31, 32, 5000, 8191])
def test_any_changed_byte_of_a_tile_is_found_and_the_entry_named(
    large_connection: Connection, large: LogHome, position: int
) -> None:
    spoil(large_connection, "audit_tile.hashes", "level = 0 AND n = 1", position)
    report = verify(large_connection, large)
    assert [problem.index for problem in report.problems] == [256 + position // 32]


def test_a_changed_leaf_under_a_tile_is_named_even_if_its_body_was_erased(
    large_connection: Connection, large: LogHome
) -> None:
    large_connection.execute(text("DELETE FROM audit_body WHERE idx = 300"))
    large_connection.execute(
        text("UPDATE audit_leaf SET leaf = replace(leaf, '12:00:00', '12:00:01') WHERE idx = 300")
    )
    report = verify(large_connection, large)
    assert {problem.index for problem in report.problems} == {300}


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM audit_leaf WHERE idx = 4", 4),
        ("DELETE FROM audit_leaf WHERE idx = 11", 11),
        ("DELETE FROM audit_body WHERE idx = 4", 4),
        ("UPDATE audit_leaf SET idx = 40 WHERE idx = 4", 4),
        ("UPDATE audit_body SET idx = 40 WHERE idx = 4", 4),
        ("UPDATE audit_leaf SET leaf = CAST(x'ff' AS TEXT) WHERE idx = 4", 4),
        ("UPDATE audit_leaf SET leaf = 5 WHERE idx = 4", 4),
        ("UPDATE audit_leaf SET leaf = leaf || ' ' WHERE idx = 4", 4),
        ("UPDATE audit_leaf SET leaf = (SELECT leaf FROM audit_leaf WHERE idx = 5) WHERE idx = 4", 4),
        ("UPDATE audit_checkpoint SET size = 7 WHERE size = 6", 6),
        ("UPDATE audit_checkpoint SET note = x'ff' WHERE size = 6", 5),
        ("UPDATE receipt SET jws = 'e30.e30.e31'", 9),
        ("UPDATE receipt SET leaf_index = 4", 4),
        ("UPDATE receipt SET leaf_index = 400", 400),
        ("DELETE FROM receipt", 9),
        ("INSERT INTO audit_tile VALUES (0, 0, zeroblob(8192))", None),
        ("INSERT INTO audit_body VALUES (12, zeroblob(32), x'00')", 12),
    ],
)
def test_what_sql_can_do_to_a_log_is_found(
    connection: Connection, small: LogHome, statement: str, named: int | None
) -> None:
    connection.execute(text(statement))
    report = verify(connection, small)
    assert not report.verified
    assert named in {problem.index for problem in report.problems}


def test_yesterdays_copy_names_the_head_that_went_back(connection: Connection, small: LogHome) -> None:
    connection.execute(text("DELETE FROM audit_leaf WHERE idx > 8"))
    connection.execute(text("DELETE FROM audit_body WHERE idx > 8"))
    connection.execute(text("DELETE FROM audit_checkpoint WHERE size > 9"))
    connection.execute(text("DELETE FROM receipt"))
    report = verify(connection, small)
    assert [problem.index for problem in report.problems] == [9]
    assert "a signed head covers 12 entries, the database holds 9" in report.problems[0].sentence


def test_a_lawful_erasure_is_counted_and_a_claimed_one_is_a_problem(tmp_path: Path) -> None:
    home = LogHome(tmp_path)

    def erase(tx: Transaction) -> None:
        tx.execute(delete(audit_body).where(audit_body.c.idx == 1))
        tx.audit(PendingAuditEntry(event="body.erased", body={"index": 1, "basis": "court-order"}, at=NOW))

    def claim(tx: Transaction) -> None:
        tx.audit(PendingAuditEntry(event="body.erased", body={"index": 0, "basis": "court-order"}, at=NOW))

    async def story() -> None:
        async with home.opened() as log:
            await log.add(3)
            await log.database.write(erase)

    asyncio.run(story())
    for connection in _connected(home):
        report = verify(connection, home)
        assert (report.verified, report.erased) == (True, 1)

    async def lie() -> None:
        async with home.opened() as log:
            await log.database.write(claim)

    asyncio.run(lie())
    for connection in _connected(home):
        assert [problem.index for problem in verify(connection, home).problems] == [4]


def test_a_rewritten_log_contradicts_the_head_even_if_its_heads_are_gone(tmp_path: Path) -> None:
    (tmp_path / "forged").mkdir()
    home, forged = LogHome(tmp_path), LogHome(tmp_path / "forged")
    asyncio.run(home.fill(5))
    asyncio.run(forged.fill(5))
    for connection in _connected(forged):
        connection.execute(text("DELETE FROM audit_checkpoint"))
        report = verify(connection, forged, head_note=read_head_file(home.head_file))
        assert [problem.index for problem in report.problems] == [0]
        assert "has another root" in report.problems[0].sentence


def test_a_missing_or_foreign_head_is_a_problem(connection: Connection, small: LogHome) -> None:
    assert "no signed head" in verify(connection, small, head_note=None).problems[0].sentence
    foreign = sign_checkpoint(
        Checkpoint(origin="yy-moj/log", size=1, root=bytes(32)), ED.signer(), PQ.signer(), NOW
    )
    assert "cannot be used" in verify(connection, small, head_note=foreign).problems[0].sentence
    assert not verify(connection, small, keys=lives(KEYS[:1])).verified


def test_a_flood_of_problems_is_counted_not_kept(large_connection: Connection, large: LogHome) -> None:
    large_connection.execute(text("UPDATE audit_body SET salt = zeroblob(32)"))
    report = verify(large_connection, large)
    assert (len(report.problems), report.further_problems) == (200, 401)
