"""Pages: one for each peer, ringing by path and person until somebody answers, never dropped."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.alarm import NoticeKind
from adapters.base import Outcome, Verdict
from gateway.errors import GatewayRefusal
from gateway.model.paging import Audience, PageReason
from gateway.services.paging.bell import Bell
from gateway.services.paging.deadman import DeadMan
from gateway.storage import alarms, officers, paging
from gateway.storage.database import Transaction
from gateway.storage.officers import OfficerRow
from tests.gateway.services.paging.contactpoint import (
    OTHER,
    PEER,
    ContactPoint,
    code_in,
    contact_point,
    staffed_point,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def point(tmp_path: Path) -> AsyncIterator[ContactPoint]:
    async with staffed_point(tmp_path) as made:
        yield made


async def test_the_officer_on_duty_is_rung_at_once_and_told_no_case(point: ContactPoint) -> None:
    await point.raise_(level="emergency")
    await point.look()
    assert point.rung() == ["duty"]
    notice = point.last()
    assert (notice.level, notice.count, notice.link) == ("emergency", 1, "https://duty.us.example/")
    told = f"{notice.title} {notice.text}"
    assert "EMERGENCY" in told
    assert code_in(notice) == notice.code
    # Neither the peer, nor the bundle, nor the reason.
    assert not any(word in told.lower() for word in (PEER, "ccips", "aaaa", "arrived"))


async def test_while_nobody_answers_it_rings_the_next_person_and_begins_again(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    await point.run_for(timedelta(minutes=26))
    assert point.rung() == ["duty", "backup", "leader", "duty", "backup", "leader"]
    ids = [notice.id for _, notice in point.mail.heard]
    assert len(set(ids)) == 6
    # One code for each path: whichever notice is answered.
    assert len({notice.code for _, notice in point.mail.heard}) == 3
    assert len(point.journal.of("page.rung")) == len(point.journal.of("page.sent")) == 6


@pytest.mark.slow
async def test_it_goes_on_for_days(point: ContactPoint) -> None:
    await point.raise_()
    await point.run_for(timedelta(days=3), step=timedelta(hours=1))
    assert len(point.rung()) == 3 * 24


async def test_an_emergency_climbs_by_the_minute_and_rings_all_paths_of_an_officer(
    point: ContactPoint,
) -> None:
    await point.paths.add_webhook("us.duty", "http://localhost:1/x", by="us.admin")
    await point.raise_(level="emergency")
    await point.look()
    assert point.rung() == ["duty"]
    assert NoticeKind.PAGE in {notice.kind for _, notice in point.webhook.heard}
    await point.run_for(MINUTE)
    assert point.rung() == ["duty", "backup"]


async def test_a_path_that_fails_lets_the_next_one_ring_at_once_and_is_tried_again(
    point: ContactPoint,
) -> None:
    point.mail.answers = [Outcome(verdict=Verdict.RETRY, code="no-answer")] * 2
    await point.raise_()
    for _ in range(3):
        await point.look()
    # Both attempts failed within one look each; the shift leader is the first who can be reached.
    assert point.rung() == ["leader"]
    assert [body["code"] for body in point.journal.of("page.unsent")] == ["no-answer", "no-answer"]
    await point.run_for(timedelta(seconds=10), step=timedelta(seconds=5))
    assert sorted(point.rung()) == ["backup", "duty", "leader"]
    (duty,) = {n.id for t, n in point.mail.heard if t.startswith("duty")}
    assert duty.endswith("-1")


@pytest.mark.slow
async def test_when_every_path_fails_the_page_stays_and_rings_when_one_is_back(point: ContactPoint) -> None:
    point.mail.is_down = True
    await point.raise_()
    await point.run_for(timedelta(hours=2), step=MINUTE)
    assert point.rung() == []
    point.mail.is_down = False
    await point.run_for(timedelta(minutes=2))
    assert set(point.rung()) == {"duty", "backup", "leader"}


async def test_a_defect_in_a_path_silences_nobody(point: ContactPoint) -> None:
    async def broken(_target: str, _notice: object) -> Outcome:
        raise ZeroDivisionError

    taken, point.mail.ring = point.mail.ring, broken  # type: ignore[method-assign]
    await point.raise_()
    await point.look()
    assert [body["code"] for body in point.journal.of("page.unsent")] == ["defect"]
    point.mail.ring = taken  # type: ignore[method-assign]
    await point.run_for(timedelta(seconds=30))
    assert "duty" in point.rung()


async def test_neither_a_page_that_cannot_be_rung_nor_the_watch_silences_the_others(
    point: ContactPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    climb = Bell._climb

    def climbs(self: Bell, tx: Transaction, *, row: paging.PageRow, now: datetime) -> None:
        if row.peer == PEER:
            broken()
        climb(self, tx, row=row, now=now)

    monkeypatch.setattr(Bell, "_climb", climbs)
    monkeypatch.setattr(DeadMan, "look", broken)
    await point.raise_()
    await point.raise_(peer=OTHER)
    await point.look()
    assert point.rung() == ["duty"]
    monkeypatch.undo()
    await point.look()
    assert point.rung() == ["duty", "duty"]


async def test_things_of_one_peer_are_one_page_and_none_is_left_out(point: ContactPoint) -> None:
    for n in range(40):
        await point.raise_(bid=f"{n:032x}")
    await point.raise_(bid=f"{0:032x}")
    await point.look()
    assert (point.rung(), point.last().count) == (["duty"], 40)
    await point.raise_(peer=OTHER)
    await point.look()
    assert point.rung() == ["duty", "duty"]
    assert len(await point.pager.waiting()) == 2


async def test_raised_at_the_same_moment_they_are_still_one_page(point: ContactPoint) -> None:
    await asyncio.gather(*(point.raise_(bid=f"{n:032x}") for n in range(20)))
    (page,) = await point.pager.waiting()
    assert page.count == 20


async def test_a_higher_level_lets_the_page_ring_again_at_once(point: ContactPoint) -> None:
    await point.raise_(level="urgent")
    await point.look()
    await point.raise_(level="emergency", bid="b" * 32)
    await point.look()
    assert point.rung() == ["duty", "backup"]
    assert (point.last().level, point.last().count) == ("emergency", 2)


async def test_another_audience_has_a_page_of_its_own(point: ContactPoint) -> None:
    await point.raise_()
    await point.raise_(audience=Audience.SHIFT_LEADER, reason=PageReason.TARGET_PASSED)
    await point.look()
    assert sorted(point.rung()) == ["duty", "leader"]


async def test_an_answer_by_code_ends_the_ringing_and_proves_the_path(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    code = code_in(point.last())
    answer = await point.pager.answer(f"  my code: {code.lower().replace('-', ' ')} ")
    assert answer.officer == "us.duty"
    await point.run_for(timedelta(hours=1), step=MINUTE)
    assert point.rung() == ["duty"]
    (page,) = await point.pager.waiting()
    assert (page.acknowledged_by, page.next_ring_at, page.count) == ("us.duty", None, 1)
    assert [b["source"] for b in point.journal.of("page.acknowledged")] == ["code"]
    (path,) = [p for p in await point.paths.listed() if p.officer == "us.duty"]
    assert path.proved_at == page.acknowledged_at


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "page-code-unknown"),
        ("AAAA-AAAA-AAAA-AAAA", "page-code-unknown"),
        ("x" * 10_000, "page-code-unknown"),
        ("../../etc", "page-code-unknown"),
    ],
)
async def test_a_code_that_no_notice_carried_changes_nothing(
    point: ContactPoint, text: str, code: str
) -> None:
    await point.raise_()
    await point.look()
    before = len(point.journal.entries)
    with pytest.raises(GatewayRefusal) as refused:
        await point.pager.answer(text)
    assert refused.value.code == code
    assert len(point.journal.entries) == before
    (page,) = await point.pager.waiting()
    assert page.acknowledged_at is None


async def test_a_code_is_good_once_and_for_a_day(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    code = code_in(point.last())
    await point.pager.answer(code)
    with pytest.raises(GatewayRefusal) as used:
        await point.pager.answer(code)
    assert used.value.code == "page-code-used"
    await point.raise_(peer=OTHER)
    await point.look()
    old = code_in(point.last())
    await point.settle(peer=OTHER)
    point.clock.at += timedelta(days=1, seconds=1)
    before = len(point.journal.entries)
    with pytest.raises(GatewayRefusal) as refused:
        await point.pager.answer(old)
    assert refused.value.code == "page-code-old"
    assert len(point.journal.entries) == before


async def test_whoever_answers_later_proves_the_path_and_is_told_who_was_quicker(
    point: ContactPoint,
) -> None:
    await point.raise_()
    await point.run_for(timedelta(minutes=6))
    first, second = (code_in(notice) for _, notice in point.mail.heard)
    await point.pager.answer(second)
    late = await point.pager.answer(first)
    assert late.officer == "us.backup"
    assert len(point.journal.of("page.acknowledged")) == 1
    proved = {p.officer for p in await point.paths.listed() if p.proved_at == point.clock.now()}
    assert proved == {"us.duty", "us.backup"}


async def test_the_duty_page_takes_a_page_and_a_repeat_changes_nothing(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    (page,) = await point.pager.waiting()
    await point.pager.acknowledge(page.id, "us.backup")
    again = await point.pager.acknowledge(page.id, "us.duty")
    assert again.officer == "us.backup"
    assert len(point.journal.of("page.acknowledged")) == 1
    with pytest.raises(GatewayRefusal) as refused:
        await point.pager.acknowledge("f" * 32, "us.duty")
    assert refused.value.code == "page-unknown"


async def test_what_is_settled_rings_no_more_once_nothing_is_left(point: ContactPoint) -> None:
    await point.raise_()
    await point.raise_(bid="b" * 32)
    await point.look()
    await point.settle()
    await point.run_for(timedelta(minutes=6))
    assert (point.rung(), point.last().count) == (["duty", "backup"], 1)
    await point.settle(bid="b" * 32)
    await point.run_for(timedelta(minutes=30), step=MINUTE)
    assert point.rung() == ["duty", "backup"]
    assert [body["by"] for body in point.journal.of("page.settled")] == ["us.duty"]
    assert await point.pager.waiting() == []
    unfinished = await point.database.read(
        lambda c: alarms.due_notices(c, point.clock.now() + timedelta(days=9), point.clock.now())
    )
    assert unfinished == []


async def test_settling_one_peer_leaves_the_pages_of_others(point: ContactPoint) -> None:
    await point.raise_()
    await point.raise_(peer=OTHER)
    await point.settle(bid=None)
    (page,) = await point.pager.waiting()
    assert page.peer == OTHER


async def test_after_an_answer_the_same_peer_is_quiet_for_two_minutes_unless_it_gets_worse(
    point: ContactPoint,
) -> None:
    await point.raise_()
    await point.look()
    await point.pager.answer(code_in(point.last()))
    await point.raise_(bid="b" * 32)
    await point.run_for(timedelta(seconds=110))
    assert point.rung() == ["duty"]
    await point.run_for(timedelta(seconds=10))
    assert point.rung() == ["duty", "duty"]
    await point.pager.answer(code_in(point.last()))
    await point.raise_(bid="c" * 32, level="emergency")
    await point.look()
    assert (point.rung(), point.last().level) == (["duty"] * 3, "emergency")


async def test_a_flood_from_one_peer_is_one_call_at_a_time_and_another_peer_rings_at_once(
    point: ContactPoint,
) -> None:
    for n in range(30):
        await point.raise_(bid=f"{n:032x}")
        await point.look()
        for page in await point.pager.waiting() if n % 10 == 5 else ():
            await point.pager.acknowledge(page.id, "us.duty")
        point.clock.at += timedelta(seconds=4)
    # Two minutes of a request every four seconds: two calls, not thirty.
    assert len(point.rung()) <= 2
    await point.raise_(peer=OTHER)
    await point.look()
    assert point.rung()[-1] == "duty"


async def test_a_drill_says_so_and_never_hides_what_is_real(point: ContactPoint) -> None:
    await point.raise_(reason=PageReason.DRILL, bid="d" * 32)
    await point.look()
    assert (point.last().kind, "DRILL" in point.last().title) == (NoticeKind.DRILL, True)
    await point.raise_()
    await point.look()
    assert (point.rung(), point.last().kind, point.last().count) == (["duty"] * 2, NoticeKind.PAGE, 1)
    # Whoever has just answered a drill is rung at once for what is real.
    for page in await point.pager.waiting():
        await point.pager.acknowledge(page.id, "us.duty")
    await point.settle(bid=None)
    point.clock.at += timedelta(minutes=3)
    await point.raise_(reason=PageReason.DRILL, bid="e" * 32)
    await point.look()
    await point.pager.answer(code_in(point.last()))
    await point.raise_(bid="b" * 32)
    await point.look()
    assert (point.rung(), point.last().kind) == (["duty"] * 4, NoticeKind.PAGE)


async def test_an_officer_who_is_suspended_is_not_rung(point: ContactPoint) -> None:
    now = point.clock.now()
    row = OfficerRow(
        pseudonym="us.duty",
        name="Fictional",
        role="duty_officer",
        time_zone="America/New_York",
        language="ar",
        status="suspended",
        user_id=b"x",
        invited_by="us.admin",
        created_at=now,
        changed_at=now,
        next_action_at=None,
    )
    await point.database.write(lambda tx: officers.add_officer(tx, row))
    await point.raise_()
    await point.look()
    assert point.rung() == ["backup"]
    await point.database.write(lambda tx: officers.store_officer(tx, replace(row, status="active")))
    await point.raise_(peer=OTHER)
    await point.look()
    assert point.rung() == ["backup", "duty"]
    assert "عاجل" in point.last().title


async def test_a_new_shift_takes_the_page_along(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    await point.rosters.cover(
        "us.duty",
        cover="us.relief",
        begins_at=point.clock.now() + MINUTE,
        ends_at=point.clock.now() + timedelta(hours=8),
        by="us.leader",
    )
    await point.paths.add_mail("us.relief", "relief@us.example", by="us.admin")
    await point.run_for(timedelta(minutes=6))
    assert point.rung() == ["duty", "relief"]


async def test_with_nobody_on_the_roster_whoever_has_a_path_is_rung(tmp_path: Path) -> None:
    async with contact_point(tmp_path) as point:
        await point.raise_()
        await point.look()
        assert point.rung() == []
        assert await point.tasks() == {"alarm-no-path"}
        await point.paths.add_mail("us.any", "any@us.example", by="us.admin")
        await point.run_for(timedelta(minutes=5))
        assert point.rung()[0] == "any"
        assert "alarm-no-path" not in await point.tasks()


async def test_a_clock_set_back_keeps_nobody_asleep(point: ContactPoint) -> None:
    await point.raise_()
    await point.look()
    point.clock.at -= timedelta(hours=6)
    await point.look()
    assert point.rung() == ["duty", "backup"]
    await point.run_for(timedelta(minutes=5))
    assert point.rung() == ["duty", "backup", "leader"]


async def test_a_path_that_hangs_does_not_hold_up_the_next(point: ContactPoint) -> None:
    held = asyncio.Event()
    taken = point.mail.ring

    async def hangs(target: str, notice: object) -> Outcome:
        if target.startswith("duty"):
            await held.wait()
        return await taken(target, notice)  # type: ignore[arg-type]

    point.mail.ring = hangs  # type: ignore[method-assign]
    await point.raise_()
    await point.pager.look()
    point.clock.at += timedelta(minutes=5)
    await point.pager.look()
    for _ in range(50):
        await asyncio.sleep(0)
    assert point.rung() == ["backup"]
    held.set()
    await point.pager.idle()
    assert point.rung() == ["backup", "duty"]


async def test_a_page_that_was_taken_while_a_notice_was_on_its_way_stays_taken(point: ContactPoint) -> None:
    point.mail.answers = [Outcome(verdict=Verdict.RETRY, code="no-answer")]
    await point.raise_()
    await point.pager.look()
    (page,) = await point.pager.waiting()
    await point.pager.acknowledge(page.id, "us.leader")
    await point.pager.idle()
    await point.run_for(timedelta(minutes=20), step=MINUTE)
    assert point.rung() == []
    row = await point.database.read(lambda c: paging.find_page(c, page.id))
    assert row is not None
    assert (row.next_action_at, row.acknowledged_by) == (None, "us.leader")
