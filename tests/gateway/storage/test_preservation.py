"""Rows of the preservation clock and of links between threads, on both engines."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.storage import cases, preservation
from gateway.storage.database import Database, IntegrityError
from gateway.storage.preservation import ClockRow, LinkRow

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
THREAD, PEER = "a" * 32, "us-ccips"
CLOCK = ClockRow(
    thread_id=THREAD,
    peer=PEER,
    item_no=1,
    standing="running",
    ends_at=NOW + 60 * DAY,
    renew_by="2027-02-10",
    zone="America/New_York",
    told_at=None,
    passed_at=None,
    acted_at=NOW,
    due="warning",
    next_action_at=NOW + 30 * DAY,
)
LINK = LinkRow(
    sender="ro-mj",
    bid="b" * 32,
    thread_id=THREAD,
    peer=PEER,
    relation="follows_preservation",
    message_type="request",
    seq=2,
    seen=1,
    of_thread_id="c" * 32,
    of_reference=None,
    effect="",
    made_at=NOW,
    stored_at=NOW,
    consigned_at=None,
)


async def test_a_clock_is_found_when_it_is_due_and_when_it_was_ahead(database: Database) -> None:
    await database.write(lambda tx: preservation.add_clock(tx, CLOCK))
    assert await database.read(lambda c: preservation.due_clocks(c, NOW + 29 * DAY, 10)) == []
    assert await database.read(lambda c: preservation.due_clocks(c, NOW + 30 * DAY, 10)) == [CLOCK]
    assert await database.read(lambda c: preservation.clocks_ahead(c, NOW, 10)) == []
    assert await database.read(lambda c: preservation.clocks_ahead(c, NOW - DAY, 10)) == [CLOCK]
    over = replace(CLOCK, standing="lapsed", due="none", next_action_at=None, passed_at=CLOCK.ends_at)
    await database.write(lambda tx: preservation.store_clock(tx, over))
    assert await database.read(lambda c: preservation.clocks_of(c, THREAD, PEER)) == [over]


async def test_no_clock_waits_without_a_time(database: Database) -> None:
    for wrong in ({"next_action_at": None}, {"due": "none"}, {"due": "some day"}):
        with pytest.raises(IntegrityError):
            await database.write(lambda tx, wrong=wrong: preservation.add_clock(tx, replace(CLOCK, **wrong)))
    assert await database.read(lambda c: preservation.clocks_of(c, THREAD, PEER)) == []


async def test_a_link_is_a_message_of_the_thread_it_acts_on_and_a_notice_is_not(database: Database) -> None:
    notice = replace(LINK, bid="d" * 32, relation="notice", seq=0, of_thread_id=None, of_reference="RO/1")
    for row in (LINK, notice):
        await database.write(lambda tx, row=row: preservation.add_link(tx, row))
    (said,) = await database.read(lambda c: cases.messages_of(c, THREAD, PEER))
    assert (said.sender, said.seq, said.seen, said.relation) == ("ro-mj", 2, 1, "follows_preservation")
    found = await database.read(
        lambda c: [
            preservation.links_of(c, PEER, thread_id="c" * 32, reference=None),
            preservation.links_of(c, PEER, thread_id="f" * 32, reference="RO/1"),
            preservation.links_by(c, "ro-mj", "b" * 32),
        ]
    )
    assert found == [[LINK], [notice], [LINK]]
    await database.write(lambda tx: preservation.set_links_consigned(tx, "ro-mj", "b" * 32, NOW))
    await database.write(lambda tx: preservation.set_link_effect(tx, "ro-mj", "b" * 32, THREAD, "applied"))
    (said,) = await database.read(lambda c: cases.messages_of(c, THREAD, PEER))
    assert (said.consigned_at, said.effect) == (NOW, "applied")
