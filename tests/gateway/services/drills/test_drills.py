"""Drills: tests through every channel, up to the person; apart from cases, and no way to wake or flood."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal
from gateway.model.codes import Side
from gateway.model.drills import TAKEN_PER_DAY, TestState, Verdict
from gateway.model.message import Place, ThreadParties
from gateway.services.drills.book import DrillBook
from gateway.services.sending.submit import Submission
from gateway.storage import drills, paging, peers
from tests.people import enrolled, signed
from tests.storedcases import all_cases
from tests.world import World

US, RO, GB = "us-ccips", "ro-diicot", "gb-nca"
MAIL = "email_sealed"
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # 09:00 UTC: day in Bucharest and London, night in Washington.
    async with World.create(tmp_path, US, RO, schemes=(MAIL,)) as made:
        made.box(RO, MAIL)
        made.box(US, MAIL)
        yield made


async def ring_matters(world: World, aid: str, peer: str) -> int:
    rows = await world[aid].database.read(lambda c: paging.open_matters(c, peer))
    return sum(1 for row in rows if row.reason == "drill")


async def waiting(world: World, aid: str) -> list[drills.ReceivedRow]:
    return await world[aid].desk.trust.drills.received()


async def run_drill(world: World, aid: str = US) -> str:
    card = await world[aid].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    peer = RO if aid == US else US
    await world.empty_box(peer, MAIL)
    await world.run()
    return card.drill_id


async def answered(world: World, aid: str, peer: str) -> Submission:
    sent = await world[aid].desk.trust.drills.acknowledge(peer, officer="D-9")
    assert isinstance(sent, Submission)
    await world.run()
    return sent


async def test_every_channel_of_every_point_is_tested_up_to_the_person_who_answers(world: World) -> None:
    drill = await run_drill(world)
    card = await world[US].desk.trust.drills.report(drill)
    (point,) = card.points
    assert point.authority_id == RO
    scores = {score.channel: score.state for score in point.channels}
    assert scores["gateway_https"] is TestState.ARRIVED
    assert scores[MAIL] is TestState.ARRIVED
    assert scores["interpol"] is TestState.BY_HAND
    assert point.verdict is Verdict.RUNNING, "no person has answered yet"
    world.advance(timedelta(minutes=7))
    assert len(await waiting(world, RO)) == 2
    await answered(world, RO, US)
    assert await waiting(world, RO) == [], "one answer stands for all channels of a drill"
    (point,) = (await world[US].desk.trust.drills.report()).points
    assert (point.person_took, point.unsigned_took) == (None, timedelta(minutes=7))
    assert (point.assurance, point.verdict) == ("local_operator", Verdict.UNSIGNED), "nobody signed it"
    await world.check()


async def test_a_signed_answer_counts_after_an_unsigned_one_and_never_the_other_way_round(
    world: World,
) -> None:
    drill = await run_drill(world)
    first, *_ = await waiting(world, RO)
    await answered(world, RO, US)
    phone = await enrolled(world[RO], "ro-do-01")
    for minutes in (10, 20):
        world.advance(timedelta(minutes=minutes))
        await sign_answer(world, first, phone)
        (point,) = (await world[US].desk.trust.drills.report(drill)).points
        assert (point.person_took, point.unsigned_took) == (timedelta(minutes=10), None)
        assert (point.assurance, point.verdict) == ("passkey", Verdict.READY)
    await world.check()


async def test_a_signed_answer_that_comes_too_late_leaves_the_unsigned_one_in_the_scorecard(
    world: World,
) -> None:
    await run_drill(world)
    first, *_ = await waiting(world, RO)
    await answered(world, RO, US)
    phone = await enrolled(world[RO], "ro-do-01")
    world.advance(25 * HOUR)
    await sign_answer(world, first, phone)
    (point,) = (await world[US].desk.trust.drills.report()).points
    assert (point.person_took, point.unsigned_took) == (None, timedelta())
    assert point.verdict is Verdict.UNSIGNED


async def test_an_answer_that_comes_after_the_drills_end_is_none(world: World) -> None:
    drill = await run_drill(world)
    phone = await enrolled(world[RO], "ro-do-01")
    first, *_ = await waiting(world, RO)
    world.advance(25 * HOUR)
    await sign_answer(world, first, phone)
    (point,) = (await world[US].desk.trust.drills.report(drill)).points
    assert (point.person_took, point.unsigned_took, point.verdict) == (None, None, Verdict.PARTLY)


async def sign_answer(world: World, row: drills.ReceivedRow, phone: SoftPasskeys) -> None:
    """Let the officer in Bucharest answer a test that was answered before."""
    app = world[RO]
    parties, place = _answer(world, row, RO, bid=secrets.token_hex(16))
    form = app.desk.trust.drills._form(
        parties, place, {"drill_id": row.drill_id, "answer_wanted": False}, officer="ro-do-01"
    )
    await signed(app, await app.acts.perform(form, officer="ro-do-01"), phone)
    await world.run()


async def test_a_drill_is_no_case_no_message_and_no_item_of_the_inbox(world: World) -> None:
    await run_drill(world)
    await answered(world, RO, US)
    for aid in (US, RO):
        app = world[aid]
        assert await app.database.read(lambda c: all_cases(c, 10)) == []
        assert await app.cases.inbox() == []
        assert await app.database.read(lambda c: peers.open_tasks_about(c)) == []


async def test_each_test_goes_by_its_own_channel_and_by_no_other(world: World) -> None:
    await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    rows = await world[US].database.read(lambda c: drills.tests_of(c, _newest(c)))
    assert sorted(row.channel for row in rows) == [MAIL, "gateway_https"]
    # The mail lies in the box still: the gateway that was reached by HTTPS does not count for it.
    (point,) = (await world[US].desk.trust.drills.report()).points
    scores = {score.channel: score.state for score in point.channels}
    assert (scores["gateway_https"], scores[MAIL]) == (TestState.ARRIVED, TestState.UNDER_WAY)


async def test_a_dead_channel_is_silent_in_the_end_and_wakes_nobody_at_home(world: World) -> None:
    await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    await answered(world, RO, US)
    for _ in range(5):
        world.advance(6 * HOUR)
        await world.run()
        await world[US].watch.look()
    (point,) = (await world[US].desk.trust.drills.report()).points
    scores = {score.channel: score.state for score in point.channels}
    assert scores[MAIL] is TestState.SILENT
    assert point.verdict is Verdict.PARTLY
    assert await world[US].database.read(lambda c: peers.open_tasks_about(c)) == []


async def test_at_night_a_peers_drill_waits_for_the_morning(world: World) -> None:
    await run_drill(world, RO)
    assert await ring_matters(world, US, RO) == 0, "04:00 in Washington"
    assert all(row.paged_at is None for row in await waiting(world, US))
    world.advance(4 * HOUR - timedelta(minutes=1))
    await world[US].watch.look()
    assert await ring_matters(world, US, RO) == 0
    world.advance(timedelta(minutes=1))
    await world[US].watch.look()
    assert await ring_matters(world, US, RO) == 2, "08:00, both tests on one page"


async def test_by_day_it_rings_at_once(world: World) -> None:
    await run_drill(world, US)
    assert await ring_matters(world, RO, US) == 1, "the second test of a drill rings no more"


async def test_a_drill_that_was_agreed_rings_at_night(tmp_path: Path) -> None:
    async with World.create(tmp_path, US, RO) as world:
        _agree(world[US]._trust.drills, RO)
        await world[RO].desk.trust.drills.run("bilateral", officer="L-1")
        await world.run()
        assert await ring_matters(world, US, RO) == 1


async def test_one_peer_rings_once_a_day_however_many_drills_it_runs(world: World) -> None:
    for _ in range(3):
        await run_drill(world, US)
        await answered_or_nothing(world)
        world.advance(2 * HOUR)
    rows = await world[RO].database.read(drills.open_received)
    rung = {row.drill_id for row in rows if row.paged_at is not None}
    assert rung == set(), "the first was answered, the others wait for tomorrow"
    assert len({row.drill_id for row in rows}) == 2


async def answered_or_nothing(world: World) -> None:
    rows = await waiting(world, RO)
    if any(row.paged_at is not None for row in rows):
        await answered(world, RO, US)


async def test_more_tests_than_a_day_has_room_for_are_rejected(world: World) -> None:
    drill = await run_drill(world, US)
    (first, *_) = await waiting(world, RO)

    def fill(tx: Any) -> None:
        for n in range(TAKEN_PER_DAY - 2):
            drills.add_received(tx, _copy(first, n))

    await world[RO].database.write(fill)
    world.advance(HOUR)
    await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    (point,) = (await world[US].desk.trust.drills.report()).points
    scores = {score.channel: score.state for score in point.channels}
    assert scores["gateway_https"] is TestState.REFUSED
    assert len(await waiting(world, RO)) == TAKEN_PER_DAY
    world.advance(24 * HOUR)
    await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    (point,) = (await world[US].desk.trust.drills.report()).points
    assert TestState.ARRIVED in {score.state for score in point.channels}, "the next day has room again"
    assert drill != ""


async def test_nobody_else_answers_for_a_point(tmp_path: Path) -> None:
    async with World.create(tmp_path, US, RO, GB) as world:
        await world[US].desk.trust.drills.run("bilateral", officer="L-1")
        await world.run()
        (ours,) = await waiting(world, GB)
        (theirs,) = await waiting(world, RO)
        # The point in London answers with what was sent to Bucharest.
        desk = world[GB].desk.trust.drills
        form = desk._form(
            *_answer(world, theirs, GB), {"drill_id": ours.drill_id, "answer_wanted": False}, officer="D-1"
        )
        await world[GB].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=(), officer="D-1")
        await world.run()
        card = await world[US].desk.trust.drills.report()
        assert [point.person_took for point in card.points] == [None, None]
        assert [point.unsigned_took for point in card.points] == [None, None]


async def test_a_network_is_not_drilled_twice_within_the_hour(world: World) -> None:
    await run_drill(world)
    before = len(await waiting(world, RO))
    with pytest.raises(GatewayRefusal, match="drill-too-soon"):
        await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    assert len(await waiting(world, RO)) == before


async def test_what_cannot_be_drilled_is_refused(world: World) -> None:
    desk = world[US].desk.trust.drills
    with pytest.raises(GatewayRefusal, match="network-unknown"):
        await desk.run("no-such-network", officer="L-1")
    with pytest.raises(GatewayRefusal, match="drill-unknown"):
        await desk.report()
    with pytest.raises(GatewayRefusal, match="drill-nothing"):
        await desk.acknowledge(RO, officer="D-1")


async def test_a_test_that_nobody_answered_is_let_go_of_after_a_week(world: World) -> None:
    await run_drill(world, US)
    world.advance(timedelta(days=7))
    await world[RO].watch.look()
    assert await waiting(world, RO) == []
    assert await ring_matters(world, RO, US) == 0


def _agree(book: DrillBook, peer: str) -> None:
    book._agreed = frozenset({peer})


def _newest(connection: Any) -> str:
    return drills.newest_drills(connection, 1)[0].id


def _copy(row: drills.ReceivedRow, n: int) -> drills.ReceivedRow:
    return replace(row, bid=f"{n:032x}")


def _answer(world: World, row: drills.ReceivedRow, own: str, *, bid: str = "ab" * 16) -> tuple[Any, Any]:
    parties = ThreadParties(
        thread_id=row.thread_id,
        requesting=US,
        requested=own,
        reference_requesting="DRILL/1",
        reference_requested=None,
    )
    place = Place(bid=bid, side=Side.REQUESTED, seq=1, seen=1, in_reply_to=f"{row.sender}/{row.bid}")
    return parties, place
