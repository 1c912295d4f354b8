"""Notices in force and who is still to be told, on both engines: a row each, with a time until done."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.storage import revocations as store
from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.queue import LeaseLost, claim_notices, hold_notice, release_leases, wake_peer
from gateway.storage.schema import revocation_push

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LEASE = timedelta(minutes=2)
KID = "k" * 43
ROW = store.RevocationRow(
    aid="ke-ag",
    kid=KID,
    reason="compromise",
    at=NOW,
    invalid_since=NOW - timedelta(days=1),
    by_state=True,
    notice="a.b.c\n",
    received_at=NOW,
)


async def kept(database: Database) -> None:
    """A notice that one peer has and another is to be told of."""

    def unit(tx: Transaction) -> None:
        store.put_revocation(tx, ROW)
        for peer in ("gh-ag", "sg-agc"):
            store.add_notice_push(tx, aid="ke-ag", kid=KID, to_aid=peer, at=NOW, known=peer == "gh-ag")

    await database.write(unit)


async def claimed(database: Database, at: datetime = NOW) -> list[str]:
    rows = await database.write(lambda tx: claim_notices(tx, now=at, until=at + LEASE, worker="w", limit=10))
    return [row.to_aid for row in rows]


async def test_a_notice_is_kept_as_it_came(database: Database) -> None:
    await kept(database)
    assert await database.read(store.all_revocations) == [ROW]
    assert await database.read(lambda c: store.find_revocation(c, "ke-ag", KID)) == ROW
    assert await database.read(lambda c: store.find_revocation(c, "gh-ag", KID)) is None


async def test_another_notice_about_the_key_replaces_it_and_everybody_is_told_anew(
    database: Database,
) -> None:
    await kept(database)
    other = replace(ROW, reason="superseded", invalid_since=None, by_state=False)
    await database.write(lambda tx: store.put_revocation(tx, other))
    assert await database.read(store.all_revocations) == [other]
    assert await database.read(store.addressed) == frozenset()


async def test_only_who_does_not_have_it_is_told_and_only_until_it_has(database: Database) -> None:
    await kept(database)
    assert await database.read(lambda c: store.notices_waiting(c, "sg-agc")) == [ROW]
    assert await database.read(lambda c: store.notices_waiting(c, "gh-ag")) == []
    assert await database.read(lambda c: store.is_notice_due(c, NOW))
    assert await claimed(database) == ["sg-agc"]
    assert await claimed(database) == [], "a leased row is nobody else's"
    await database.write(lambda tx: store.notice_told(tx, aid="ke-ag", kid=KID, to_aid="sg-agc"))
    assert not await database.read(lambda c: store.is_notice_due(c, NOW + timedelta(days=9)))
    assert {row[2] for row in await database.read(store.addressed)} == {"gh-ag", "sg-agc"}


async def test_who_could_not_be_told_is_tried_again_at_its_time_or_when_heard_of(database: Database) -> None:
    await kept(database)
    await claimed(database)
    later = NOW + timedelta(hours=1)
    await database.write(
        lambda tx: store.notice_later(tx, aid="ke-ag", kid=KID, to_aid="sg-agc", attempts=1, at=later)
    )
    assert await claimed(database, NOW + LEASE) == []
    assert await database.write(lambda tx: wake_peer(tx, "sg-agc", NOW + LEASE)) == 1
    assert await claimed(database, NOW + LEASE) == ["sg-agc"]


async def test_a_lease_that_ran_out_is_lost_and_the_row_falls_due(database: Database) -> None:
    await kept(database)
    (first,) = await database.write(
        lambda tx: claim_notices(tx, now=NOW, until=NOW + LEASE, worker="w", limit=1)
    )
    assert await claimed(database, NOW + LEASE) == ["sg-agc"]
    with pytest.raises(LeaseLost):
        await database.write(lambda tx: hold_notice(tx, first))


async def test_a_new_start_takes_up_what_was_leased(database: Database) -> None:
    await kept(database)
    await claimed(database)
    assert await database.write(lambda tx: release_leases(tx, NOW)) == 1
    assert await claimed(database) == ["sg-agc"]


async def test_nothing_waits_without_a_time(database: Database) -> None:
    row = {"aid": "ke-ag", "kid": KID, "to_aid": "gh-ag", "state": "pending", "lane": "urgent", "attempts": 0}
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.insert(revocation_push, **row, next_action_at=None))
