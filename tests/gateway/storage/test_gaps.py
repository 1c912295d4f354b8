"""Gaps in chains of receipts, on both engines: noted once, pulled under a lease, never without a clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.storage import queue
from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.gaps import end_gap, gap_later, is_any_left, leave_gap, note_gap, numbers_of
from gateway.storage.queue import GapClaim, LeaseLost, claim_gaps, hold_gap, is_gap_due, release_leases
from gateway.storage.receipts import ReceiptRow, add_receipt, receipts_of, standing_of
from gateway.storage.schema import bundle, envelope, message, receipt_gap

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=10)
CHAIN = ("ke-ag", "a" * 32, "sg-agc")


def row(n: int, digest: str, **changes: Any) -> ReceiptRow:
    values: dict[str, Any] = {
        "jws_sha256": digest,
        "sender": CHAIN[0],
        "bid": CHAIN[1],
        "iss": CHAIN[2],
        "to_aid": CHAIN[0],
        "type": "consignment",
        "n": n,
        "at": NOW,
        "reason": None,
        "jws": f"jws of {digest}",
        "own": False,
        "stored_at": NOW,
    }
    return ReceiptRow(**{**values, **changes})


async def note(database: Database, *chains: tuple[str, str, str]) -> None:
    def unit(tx: Transaction) -> None:
        for chain in chains:
            note_gap(tx, chain, lane="routine", now=NOW, at=SOON)

    await database.write(unit)


async def claim(database: Database, at: datetime = SOON) -> list[GapClaim]:
    return await database.write(
        lambda tx: claim_gaps(
            tx, lane="routine", now=at, until=at + timedelta(minutes=2), worker="w", limit=4
        )
    )


async def test_a_gap_is_due_at_its_time_and_claimed_once(database: Database) -> None:
    await note(database, CHAIN)
    await note(database, CHAIN)
    assert not await database.read(lambda c: is_gap_due(c, "routine", NOW))
    assert not await database.read(lambda c: is_gap_due(c, "urgent", SOON))
    assert await database.read(lambda c: is_gap_due(c, "routine", SOON))
    assert await claim(database, NOW) == []
    (held,) = await claim(database)
    assert (held.chain, held.attempts, held.since) == (CHAIN, 0, NOW)
    assert await claim(database) == []

    await database.write(lambda tx: gap_later(tx, held, at=SOON + timedelta(seconds=20)))
    assert await claim(database) == []
    (again,) = await claim(database, SOON + timedelta(seconds=20))
    assert again.attempts == 1
    with pytest.raises(LeaseLost):
        await database.write(lambda tx: hold_gap(tx, held))


async def test_what_a_dead_process_had_claimed_is_due_again(database: Database) -> None:
    await note(database, CHAIN)
    (held,) = await claim(database)
    assert await database.write(lambda tx: release_leases(tx, SOON)) == 1
    (again,) = await claim(database)
    assert again.lease_owner != held.lease_owner


async def test_a_gap_that_ended_is_held_by_nobody(database: Database) -> None:
    await note(database, CHAIN)
    (held,) = await claim(database)
    assert await database.write(lambda tx: end_gap(tx, CHAIN)) == "open"
    assert await database.write(lambda tx: end_gap(tx, CHAIN)) is None
    with pytest.raises(LeaseLost):
        await database.write(lambda tx: hold_gap(tx, held))


async def test_what_is_left_to_a_person_stays_and_is_not_due(database: Database) -> None:
    await note(database, CHAIN)
    (held,) = await claim(database)
    await database.write(
        lambda tx: tx.insert(
            message,
            sender=CHAIN[0],
            bid=CHAIN[1],
            thread_id="t1",
            peer=CHAIN[2],
            side="requesting",
            message_type="request",
            seq=1,
            seen=0,
            facts="{}",
            effect="moved",
            made_at=NOW,
            stored_at=NOW,
            is_linked=False,
        )
    )
    assert not await database.read(lambda c: is_any_left(c, CHAIN[2], "t1"))
    await database.write(lambda tx: leave_gap(tx, held))
    assert await database.read(lambda c: is_any_left(c, CHAIN[2], "t1"))
    assert not await database.read(lambda c: is_any_left(c, CHAIN[2], "t2"))
    assert not await database.read(lambda c: is_any_left(c, "gh-ag", "t1"))
    await note(database, CHAIN)
    assert await claim(database, NOW + timedelta(days=400)) == []
    assert await database.write(lambda tx: end_gap(tx, CHAIN)) == "left"


async def test_no_gap_is_without_a_clock(database: Database) -> None:
    await note(database, CHAIN)
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.execute(receipt_gap.update().values(next_action_at=None)))
    assert len(await claim(database)) == 1


async def test_two_receipts_with_one_number_are_both_kept_and_seen(database: Database) -> None:
    held = [row(n, digest) for n, digest in ((1, "a"), (2, "b"), (2, "c"), (3, "d"), (5, "e"))]
    others = [row(2, "x", iss="gh-ag"), row(2, "y", bid="b" * 32), row(2, "z", sender="br-mj")]

    def unit(tx: Transaction) -> None:
        tx.insert(
            bundle,
            sender=CHAIN[0],
            bid=CHAIN[1],
            direction="out",
            state="sealed",
            rev=0,
            envelope_sha256="e0",
            manifest_sha256="m0",
            lane="routine",
            size_bytes=1,
            created_at=NOW,
            expires_at=NOW,
            stored_at=NOW,
        )
        for rev in (0, 1):
            tx.insert(
                envelope,
                sender=CHAIN[0],
                bid=CHAIN[1],
                rev=rev,
                sha256=f"e{rev}",
                jws=b"",
                stored_at=NOW,
            )
        for one in (*held, *others):
            add_receipt(tx, one)

    await database.write(unit)
    assert await database.write(lambda tx: numbers_of(tx, CHAIN)) == [1, 2, 3, 5]
    assert len(await database.read(lambda c: receipts_of(c, CHAIN[0], CHAIN[1]))) == len(held) + 1

    def standing(n: int, digest: str, envelope_sha256: str = "e1") -> Any:
        return database.read(
            lambda c: standing_of(
                c,
                sender=CHAIN[0],
                bid=CHAIN[1],
                envelope_sha256=envelope_sha256,
                iss=CHAIN[2],
                n=n,
                jws_sha256=digest,
            )
        )

    for n, near in ((1, "abc"), (2, "abcd"), (3, "bcd"), (4, "de"), (6, "e"), (7, ""), (1_000_000, "")):
        found = await standing(n, "new")
        assert (found.is_stored, sorted(digest for _, digest, _ in found.near)) == (False, list(near)), n
        assert all(jws == f"jws of {digest}" for _, digest, jws in found.near)
    assert (await standing(2, "c")).is_stored
    assert (await standing(7, "new", "e0")).manifest_sha256 == "m0"
    assert await standing(1, "new", "e2") is None


@pytest.mark.slow
async def test_gaps_and_neighbours_stay_on_their_index(database: Database) -> None:
    from sqlalchemy import text

    from gateway.storage import gaps, receipts
    from tests.gateway.storage.test_queue import HISTORY, plan

    fill = (
        "INSERT INTO receipt_gap (sender, bid, iss, state, lane, attempts, since, next_action_at) {numbers}"
        " SELECT 'ke-ag', CAST(n AS TEXT), 'sg-agc', CASE WHEN n > 200 THEN 'left' ELSE 'open' END,"
        " 'routine', 0, 0, n * 1000 FROM g",
        "INSERT INTO receipt (jws_sha256, sender, bid, iss, to_aid, type, n, at, jws, own, stored_at)"
        " {numbers} SELECT CAST(n AS TEXT), 'ke-ag', CAST(n / 3 AS TEXT), 'sg-agc', 'ke-ag', 'relay',"
        " n % 3 + 1, 0, '', {false}, 0 FROM g",
    )

    def unit(tx: Transaction) -> None:
        is_sqlite = database.dialect == "sqlite"
        numbers = HISTORY[database.dialect].format(rows=20_000)
        for statement in fill:
            plain = statement.replace("{false}", "0" if is_sqlite else "false")
            plain = plain.replace("{numbers}", "" if is_sqlite else numbers)
            tx.execute(text(f"{numbers} {plain}" if is_sqlite else plain))
        tx.execute(text("ANALYZE"))

    await database.write(unit)
    values: dict[str, Any] = {
        "b_state": "open",
        "b_lane": "routine",
        "b_now": NOW,
        "b_limit": 4,
        "b_sender": "ke-ag",
        "b_bid": "77",
        "b_iss": "sg-agc",
        "b_envelope": "e",
        "b_receipt": "77",
        "b_first": 1,
        "b_last": 3,
    }
    for statement in (queue.DUE[receipt_gap], queue.NEXT_GAP, gaps._NUMBERS, receipts._ABOUT_OURS):
        found = await database.read(lambda c, s=statement: plan(c, s, values))  # type: ignore[misc]
        assert "SCAN" not in found, found
        assert "Seq Scan on receipt" not in found, found
        assert "TEMP B-TREE" not in found, found
