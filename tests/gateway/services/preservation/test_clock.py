"""The end of preserved data in both gateways: warned, lapsed, undone by what was in time; clocks set back."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.storage import cases, paging, peers, preservation
from tests.gateway.services.preservation.night import DAY, RO, US, asked, iso, reported, say
from tests.storedcases import all_cases
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
NOTICE = {
    "mla_reference": "RO-MJ/1",
    "from_authority": "ro-mj",
    "to_authority": "us-oia",
    "channel": "gateway_https",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US) as world:
        yield world


async def case_of(world: World, aid: str) -> cases.CaseRow:
    """Return the one preservation of an authority."""
    held = await world[aid].database.read(lambda c: all_cases(c, 10))
    return next(case for case in held if case.track == "preservation")


async def stored(world: World) -> tuple[str, str]:
    """Return the stored state on both sides."""
    return (await case_of(world, RO)).state, (await case_of(world, US)).state


async def clocks(world: World, aid: str) -> list[preservation.ClockRow]:
    case = await case_of(world, aid)
    return await world[aid].database.read(lambda c: preservation.clocks_of(c, case.thread_id, case.peer))


async def tasks(world: World, aid: str) -> dict[str, str]:
    """Return the open tasks about ends, by code, with their sentences."""
    case = await case_of(world, aid)

    def query(connection: Any) -> dict[str, str]:
        found = peers.open_tasks_about(
            connection, kind="preservation", sender=case.peer, thread_id=case.thread_id
        )
        found += peers.open_tasks_about(connection, kind="clock", sender=aid)
        return {task.code: task.sentence for task in found}

    return await world[aid].database.read(query)


async def logged(world: World, aid: str, event: str) -> list[dict[str, Any]]:
    """Return the bodies of an event in the log."""
    from sqlalchemy import select

    from gateway.storage.schema import audit_body

    rows = await world[aid].database.read(lambda c: c.execute(select(audit_body.c.body)).scalars().all())
    bodies = [json.loads(row) for row in rows]
    return [body for body in bodies if body["ev"] == event]


async def pass_to(world: World, moment: datetime) -> None:
    """Let the clocks of everybody show an instant, and everybody look."""
    world.clock.at = moment
    await look(world)


async def look(world: World) -> None:
    for aid in (RO, US):
        await world[aid].watch.look()
    await world.run()


async def preserved(world: World) -> tuple[str, datetime]:
    """Ask for a preservation, have it reported, and return its reference and end."""
    ref = await asked(world)
    world.advance(HOUR)
    await reported(world, ref, ends_at=iso(world.clock.now() + 61 * DAY))
    assert await stored(world) == ("preserved", "preserved")
    return ref, (await clocks(world, RO))[0].ends_at


async def test_every_item_has_a_row_that_falls_due_on_both_sides(world: World) -> None:
    _, end = await preserved(world)
    for aid in (RO, US):
        rows = await clocks(world, aid)
        assert [(row.item_no, row.standing, row.ends_at, row.due) for row in rows] == [
            (n, "running", end, "warning") for n in (1, 2)
        ]
        assert {row.next_action_at for row in rows} == {end - 30 * DAY}
        assert {row.zone for row in rows} == {"America/New_York"}
        assert (await case_of(world, aid)).next_action_at == end


async def test_both_sides_are_warned_at_thirty_fourteen_seven_three_and_one_days_and_once_each(
    world: World,
) -> None:
    _, end = await preserved(world)
    for n, days in enumerate((30, 14, 7, 3, 1), start=1):
        await pass_to(world, end - days * DAY - timedelta(seconds=1))
        assert len(await logged(world, RO, "preservation.warned")) == n - 1
        await pass_to(world, end - days * DAY)
        for aid in (RO, US):
            warned = await logged(world, aid, "preservation.warned")
            assert [body["days"] for body in warned][-1] == days
            assert len(warned) == n
            sentence = (await tasks(world, aid))["preservation-ending"]
            assert f"end: {end:%Y-%m-%d %H:%M} UTC" in sentence
            pages = await world[aid].database.read(
                lambda c, aid=aid: paging.open_matters(c, {RO: US, US: RO}[aid])
            )
            ends = [page for page in pages if page.reason == "preservation-ending"]
            assert bool(ends) == (days <= 7)
        await look(world)
        assert len(await logged(world, US, "preservation.warned")) == n
    assert "send the request" in (await tasks(world, RO))["preservation-ending"]
    assert "preservation warn-end" in (await tasks(world, US))["preservation-ending"]


async def test_a_gateway_that_was_away_says_the_nearest_warning_only(world: World) -> None:
    _, end = await preserved(world)
    await pass_to(world, end - 5 * DAY)
    assert [body["days"] for body in await logged(world, RO, "preservation.warned")] == [7]
    assert (await clocks(world, RO))[0].next_action_at == end - 3 * DAY


async def test_the_end_lapses_it_on_both_sides_by_themselves_and_their_people_are_told(world: World) -> None:
    _, end = await preserved(world)
    await pass_to(world, end)
    assert await stored(world) == ("preserved", "preserved")
    await pass_to(world, end + timedelta(seconds=1))
    assert await stored(world) == ("preservation_lapsed",) * 2
    for aid in (RO, US):
        assert [body["item"] for body in await logged(world, aid, "preservation.lapsed")] == [1, 2]
        assert [body["state"] for body in await logged(world, aid, "case.timed")] == ["preservation_lapsed"]
        assert [row.due for row in await clocks(world, aid)] == ["none", "none"]
        assert "preservation-ending" not in await tasks(world, aid)
    assert "ask anew" in (await tasks(world, RO))["preservation-lapsed"]
    assert "empty every channel" in (await tasks(world, US))["preservation-lapsed"]
    await pass_to(world, end + 40 * DAY)
    assert len(await logged(world, RO, "preservation.lapsed")) == 2
    await world.check()


async def test_a_follow_up_that_was_there_in_time_undoes_a_lapse_entered_meanwhile(world: World) -> None:
    ref, end = await preserved(world)
    world.clock.at = end - HOUR
    # It arrives, and its receipt is lost until after the end: the sender cannot know that it is there.
    world.faults.setdefault(RO, Faults()).lose_answer = 1
    world.faults.setdefault(US, Faults()).lose_request = 3
    sent = {**NOTICE, "sent_at": iso(world.clock.now())}
    await world[RO].desk.preservation.act(ref, "mla_follow_up_notice", sent, officer="night-01")
    await world.step()
    assert await stored(world) == ("preserved", "held_pending_decision")
    world.clock.at = end + timedelta(seconds=1)
    await world[RO].watch.look()
    assert await stored(world) == ("preservation_lapsed", "held_pending_decision")
    assert "preservation-lapsed" in await tasks(world, RO)
    await world.run_for(HOUR, step=timedelta(minutes=5))
    assert await stored(world) == ("held_pending_decision",) * 2
    assert [body["item"] for body in await logged(world, RO, "preservation.restored")] == [1, 2]
    assert await tasks(world, RO) == {}
    await pass_to(world, end + 90 * DAY)
    assert await stored(world) == ("held_pending_decision",) * 2
    assert len(await logged(world, RO, "preservation.lapsed")) == 2
    await world.check()


async def test_a_follow_up_that_comes_after_the_end_moves_nothing_and_both_sides_see_it(world: World) -> None:
    ref, end = await preserved(world)
    world.clock.at = end - HOUR
    world.faults.setdefault(RO, Faults()).lose_request = 25
    sent = {**NOTICE, "sent_at": iso(world.clock.now())}
    await world[RO].desk.preservation.act(ref, "mla_follow_up_notice", sent, officer="night-01")
    await world.run_for(4 * HOUR, step=timedelta(minutes=3))
    assert await stored(world) == ("preservation_lapsed",) * 2
    for aid in (RO, US):
        case = await case_of(world, aid)
        rows = await world[aid].database.read(
            lambda c, case=case: cases.messages_of(c, case.thread_id, case.peer)
        )
        assert [row.effect for row in rows if row.message_type == "mla_follow_up_notice"] == ["out_of_state"]
    await world.check()


async def test_an_extension_that_nobody_answers_keeps_the_data_and_is_shown_daily(world: World) -> None:
    ref, end = await preserved(world)
    await say(world, RO, ref, "preservation_extension_request", {"reason": "Translation."})
    await pass_to(world, end + timedelta(seconds=1))
    assert await stored(world) == ("preserved", "preserved")
    for day in range(1, 4):
        for aid in (RO, US):
            assert "not answered" in (await tasks(world, aid))["preservation-unanswered"]
        await pass_to(world, end + day * DAY + timedelta(minutes=1))
    raised = [
        body for body in await logged(world, US, "task.raised") if body["code"] == "preservation-unanswered"
    ]
    assert len(raised) == 4
    await say(
        world, US, ref, "preservation_extension_report", {"granted": False, "reason": "The law ends it."}
    )
    assert await stored(world) == ("preservation_lapsed",) * 2
    assert set(await tasks(world, US)) == {"preservation-lapsed"}
    await world.check()


async def test_a_longer_end_starts_its_own_warnings(world: World) -> None:
    ref, end = await preserved(world)
    await pass_to(world, end - 10 * DAY)
    await say(world, RO, ref, "preservation_extension_request", {"reason": "Translation."})
    assert "ring the other authority" not in (await tasks(world, RO)).get("preservation-ending", "")
    await say(world, US, ref, "preservation_extension_report", {"granted": True})
    assert await stored(world) == ("preservation_extended",) * 2
    for aid in (RO, US):
        rows = await clocks(world, aid)
        assert {row.ends_at for row in rows} == {end + 90 * DAY}
        assert {row.next_action_at for row in rows} == {end + 60 * DAY}
        assert await tasks(world, aid) == {}


async def test_a_clock_set_back_takes_nothing_back_repeats_nothing_and_says_so(world: World) -> None:
    _, end = await preserved(world)
    await pass_to(world, end - 14 * DAY)
    await pass_to(world, end + timedelta(seconds=1))
    before = {aid: [row.standing for row in await clocks(world, aid)] for aid in (RO, US)}
    told = len(await logged(world, RO, "preservation.warned"))
    await pass_to(world, end - 20 * DAY)
    assert await stored(world) == ("preservation_lapsed",) * 2
    assert {aid: [row.standing for row in await clocks(world, aid)] for aid in (RO, US)} == before
    assert len(await logged(world, RO, "preservation.warned")) == told
    for aid in (RO, US):
        assert "time service" in (await tasks(world, aid))["clock-set-back"]
        # The end is watched again although it was entered as lapsed: it lies ahead by the present clock.
        assert {row.next_action_at for row in await clocks(world, aid)} == {end - 14 * DAY}
    await pass_to(world, end - 1 * DAY)
    assert len(await logged(world, RO, "preservation.warned")) == told + 1
    await pass_to(world, end + timedelta(seconds=1))
    assert len(await logged(world, RO, "preservation.lapsed")) == 2


async def test_an_hour_back_is_the_service_of_time_at_work(world: World) -> None:
    _, end = await preserved(world)
    await pass_to(world, end - 14 * DAY)
    await pass_to(world, end - 14 * DAY - HOUR)
    assert "clock-set-back" not in await tasks(world, RO)
    await pass_to(world, end - 14 * DAY + timedelta(minutes=1))
    assert len(await logged(world, RO, "preservation.warned")) == 1


async def test_a_lapse_undone_in_time_does_not_come_back_with_a_clock_that_is_set_back(world: World) -> None:
    ref, end = await preserved(world)
    await pass_to(world, end - 2 * DAY)
    await say(world, RO, ref, "mla_follow_up_notice", {**NOTICE, "sent_at": iso(world.clock.now())})
    await pass_to(world, end + 2 * DAY)
    await pass_to(world, end - 2 * DAY)
    await pass_to(world, end + 2 * DAY)
    assert await stored(world) == ("held_pending_decision",) * 2
    assert await logged(world, RO, "preservation.lapsed") == []


async def test_the_last_day_of_asking_for_a_renewal_counts_whole_in_the_other_states_time(
    world: World,
) -> None:
    ref = await asked(world)
    await reported(world, ref, renewable=True, renewal_must_be_requested_by="2027-01-31")
    midnight = datetime.fromisoformat("2027-02-01T05:00:00+00:00")
    await pass_to(world, midnight - 7 * DAY)
    sentence = (await tasks(world, RO))["preservation-renewal"]
    assert "2027-01-31 (America/New_York)" in sentence
    assert "preservation-renewal" not in await tasks(world, US)
    await pass_to(world, midnight - timedelta(seconds=1))
    assert "until the last day only" in (await tasks(world, RO))["preservation-renewal"]
    await pass_to(world, midnight)
    assert "has passed" in (await tasks(world, RO))["preservation-renewal"]


async def test_a_preservation_that_arrives_after_a_later_message_of_its_thread_is_one_on_both_sides(
    world: World,
) -> None:
    form, documents = sample_request(3)
    form["created_at"] = iso(world.clock.now())
    world.faults.setdefault(RO, Faults()).lose_request = 1
    await world.submit(RO, form, documents)
    await world.step()
    question = {"question": "Is it with you?"}
    await world[RO].desk.preservation.act(
        form["reference_requesting"], "status_query", question, officer="night-01"
    )
    await world.step()
    early = await world[US].database.read(lambda c: all_cases(c, 10))
    assert [(case.request_kind, case.next_action) for case in early] == [("unknown", "ask_for_missing")]
    await world.run_for(timedelta(minutes=3), step=timedelta(seconds=30))
    assert await stored(world) == ("preservation_requested",) * 2
    assert (await case_of(world, US)).request_kind == "preservation"
    await world.check()
