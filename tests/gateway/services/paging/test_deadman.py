"""Alarms that would not ring are found: deaf services, dead paths, empty rosters, a pager that was away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.alarm import NoticeKind
from gateway.model.paging import Audience
from gateway.services.paging.deadman import BEAT
from gateway.storage import alarms
from tests.gateway.services.paging.contactpoint import (
    NIGHT,
    OWN,
    ContactPoint,
    code_in,
    contact_point,
    staffed_point,
)
from tests.world import FakeClock

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def point(tmp_path: Path) -> AsyncIterator[ContactPoint]:
    async with staffed_point(tmp_path) as made:
        yield made


def heard_tests(point: ContactPoint) -> list[str]:
    """Return whose paths were tested, in order."""
    return [t.partition("@")[0] for t, n in point.mail.heard if n.kind is NoticeKind.TEST]


async def silent(point: ContactPoint) -> set[str]:
    """Return the officers with a silent path."""
    return {path.officer for path in await point.paths.listed() if path.silent_since is not None}


async def answer_tests(point: ContactPoint, *officers: str) -> None:
    """Let people answer the tests that were heard."""
    for target, notice in point.mail.heard:
        if target.partition("@")[0] in officers and notice.kind is NoticeKind.TEST:
            await point.pager.answer(code_in(notice))


async def test_each_path_is_tested_every_week_and_an_answer_is_all_it_takes(point: ContactPoint) -> None:
    point.clock.at += timedelta(days=7)
    await point.look()
    await point.look()
    assert sorted(heard_tests(point)) == ["backup", "duty", "leader"]
    assert "test" in point.last().text.lower()
    await answer_tests(point, "duty", "backup", "leader")
    await point.run_for(HOUR, step=MINUTE)
    assert await silent(point) == set()
    assert len(heard_tests(point)) == 3


async def test_a_service_that_says_yes_and_does_nothing_is_found_and_others_are_paged(
    point: ContactPoint,
) -> None:
    point.clock.at += timedelta(days=7)
    await point.look()
    await point.look()
    # The server of the duty officer took the test; nobody heard it.
    await answer_tests(point, "backup", "leader")
    point.mail.heard.clear()
    await point.run_for(timedelta(minutes=29), step=MINUTE)
    assert (await silent(point), point.rung()) == (set(), [])
    await point.run_for(2 * MINUTE, step=MINUTE)
    assert await silent(point) == {"us.duty"}
    assert point.rung() == ["backup"]
    assert await point.tasks() == {"alarm-silent"}
    (page,) = await point.pager.waiting()
    assert (page.peer, page.audience, page.reasons) == (OWN, Audience.BACKUP, ("alarm-silent",))
    assert len(point.journal.of("alarm.silent")) == 1


async def test_a_test_that_cannot_even_leave_is_a_silent_path(point: ContactPoint) -> None:
    point.mail.is_down = True
    point.clock.at += timedelta(days=7)
    await point.run_for(timedelta(minutes=32), step=MINUTE)
    assert await silent(point) == {"us.duty", "us.backup", "us.leader"}
    # One call about all of them.
    (page,) = await point.pager.waiting()
    assert page.count == 3


async def test_a_silent_path_still_rings_and_is_well_again_once_a_person_answers(
    point: ContactPoint,
) -> None:
    point.clock.at += timedelta(days=7)
    await point.run_for(timedelta(minutes=32), step=MINUTE)
    assert await silent(point) == {"us.duty", "us.backup", "us.leader"}
    point.mail.heard.clear()
    for officer in ("us.duty", "us.backup", "us.leader"):
        (path,) = [path for path in await point.paths.listed() if path.officer == officer]
        await point.pager.test(path.id)
        await point.look()
        await point.pager.answer(code_in(point.last()))
    assert (await silent(point), await point.tasks(), await point.pager.waiting()) == (set(), set(), [])


async def test_a_silent_path_is_tested_again_after_a_day(point: ContactPoint) -> None:
    point.clock.at += timedelta(days=7)
    await point.run_for(timedelta(minutes=32), step=MINUTE)
    before = len(heard_tests(point))
    await point.run_for(DAY, step=HOUR)
    assert len(heard_tests(point)) > before


async def test_an_officer_who_sleeps_is_tested_by_day(tmp_path: Path) -> None:
    clock = FakeClock(NIGHT + timedelta(hours=7))  # 03:00 in New York
    async with staffed_point(tmp_path, clock=clock) as point:
        clock.at += timedelta(days=7)
        await point.look()
        await point.look()
        assert heard_tests(point) == []
        await point.run_for(timedelta(hours=5), step=timedelta(minutes=20))
        assert sorted(heard_tests(point)) == ["backup", "duty", "leader"]
        assert clock.at.hour >= 12


async def test_an_officer_who_is_off_duty_is_not_tested(tmp_path: Path) -> None:
    async with contact_point(tmp_path) as point:
        await point.add_turn("us.duty")
        await point.paths.add_mail("us.off", "off@us.example", by="us.admin")
        await point.run_for(2 * HOUR, step=timedelta(minutes=20))
        assert heard_tests(point) == []


async def test_a_person_may_ask_for_a_test_at_any_hour_and_the_last_one_counts(point: ContactPoint) -> None:
    point.clock.at += timedelta(hours=7)  # 03:00 in New York
    (path,) = [path for path in await point.paths.listed() if path.officer == "us.duty"]
    for _ in range(2):
        await point.pager.test(path.id)
        await point.look()
    assert heard_tests(point) == ["duty", "duty"]
    await point.pager.answer(code_in(point.last()))
    await point.run_for(HOUR, step=MINUTE)
    assert await silent(point) == set()


async def test_a_clock_set_back_calls_no_path_silent_and_waits_no_longer(point: ContactPoint) -> None:
    (path,) = [path for path in await point.paths.listed() if path.officer == "us.duty"]
    await point.pager.test(path.id)
    await point.look()
    point.clock.at -= 5 * HOUR
    await point.run_for(timedelta(minutes=20), step=MINUTE)
    assert await silent(point) == set()
    await point.run_for(timedelta(minutes=15), step=MINUTE)
    assert await silent(point) == {"us.duty"}


async def test_nobody_on_duty_is_said_once_and_settled_when_somebody_is(tmp_path: Path) -> None:
    async with contact_point(tmp_path) as point:
        # 08:00 to 20:00 in New York; it is 20:00 there.
        await point.add_turn("us.day", ends="20:00", further_days=0)
        await point.add_turn("us.leader", part="shift_leader")
        await point.paths.add_mail("us.leader", "leader@us.example", by="us.admin")
        await point.run_for(timedelta(minutes=3), step=MINUTE)
        assert "no-one-on-duty" in await point.tasks()
        (page,) = await point.pager.waiting()
        assert (page.reasons, page.audience) == (("no-one-on-duty",), Audience.SHIFT_LEADER)
        assert NoticeKind.PAGE in {notice.kind for _, notice in point.mail.heard}
        await point.add_turn("us.night", begins="20:00", ends="08:00")
        await point.run_for(timedelta(minutes=3), step=MINUTE)
        assert "no-one-on-duty" not in await point.tasks()
        assert await point.pager.waiting() == []


async def test_an_authority_without_a_roster_is_not_told_that_nobody_is_there(tmp_path: Path) -> None:
    async with contact_point(tmp_path) as point:
        await point.run_for(timedelta(minutes=5), step=MINUTE)
        assert (await point.tasks(), await point.pager.waiting()) == (set(), [])


async def run_briefly(point: ContactPoint) -> None:
    """Let the pager start as the service does, and look once."""
    running = asyncio.create_task(point.pager.run())
    for _ in range(200):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await point.pager.idle()


async def test_a_pager_that_was_away_says_so_to_the_officer_on_duty(tmp_path: Path) -> None:
    clock = FakeClock(NIGHT)
    async with staffed_point(tmp_path, clock=clock) as point:
        await point.look()
    clock.at += timedelta(minutes=40)
    async with contact_point(tmp_path, clock=clock) as point:
        await run_briefly(point)
        assert point.rung() == ["duty"]
        assert point.journal.of("alarm.away") == [{"seconds": 2400}]
        await point.pager.answer(code_in(point.last()))
        assert await point.pager.waiting() == []
    async with contact_point(tmp_path, clock=clock) as point:
        await run_briefly(point)
        assert point.journal.of("alarm.away") == []


async def test_a_short_stop_is_nothing_to_wake_somebody_for(tmp_path: Path) -> None:
    clock = FakeClock(NIGHT)
    async with staffed_point(tmp_path, clock=clock) as point:
        await point.look()
    clock.at += timedelta(minutes=9)
    async with contact_point(tmp_path, clock=clock) as point:
        await run_briefly(point)
        assert point.rung() == []


async def test_the_pager_says_every_minute_that_it_is_there(point: ContactPoint) -> None:
    await point.run_for(timedelta(minutes=5))
    beat = await point.database.read(lambda c: alarms.beat(c, BEAT))
    assert beat is not None
    assert point.clock.now() - beat <= MINUTE
