"""The rows of the crash table about paging: each COMMIT between a page and its answer fails, or is kept.

The process is lost there and started again; people repeat what they were told had failed. Whatever the
row, the end is the same: the officer was rung, under one identifier and one code, and took the page once.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.paging import Audience
from gateway.storage import alarms, paging
from gateway.storage.database import Connection
from tests.gateway.services.paging.contactpoint import (
    NIGHT,
    PEER,
    ContactPoint,
    code_in,
    contact_point,
    staffed_point,
)
from tests.world import FakeClock

#: What each COMMIT of the story makes durable, in order.
STEPS = ("raised", "beat", "rung", "sent", "answered")


class PowerCut(Exception):
    """Stands for the process ending at a COMMIT."""


@dataclass
class Fuse:
    """Fails the ``nth`` COMMIT; then every one, as a process that is gone commits nothing."""

    nth: int
    is_kept: bool

    def __call__(self, connection: Connection) -> None:
        self.nth -= 1
        if self.nth > 0 or (self.nth == 0 and self.is_kept):
            connection.commit()
        if self.nth <= 0:
            raise PowerCut


async def waits(point: ContactPoint) -> bool:
    """Tell whether a page of the peer is there."""
    row = await point.database.read(lambda c: paging.open_page(c, PEER, Audience.DUTY))
    return row is not None


async def story(point: ContactPoint, told: list[str]) -> None:
    """Go on from wherever the story stands; ``told`` are the codes that the officer has read."""
    if not told and not await waits(point):
        await point.raise_()
    await point.look()
    told += [code_in(notice) for _, notice in point.mail.heard]
    if told:
        with suppress(GatewayRefusal):
            await point.pager.answer(told[-1])


@pytest.mark.parametrize("is_kept", [False, True], ids=["failed", "kept"])
@pytest.mark.parametrize("step", STEPS)
async def test_whatever_commit_is_lost_the_officer_is_rung_and_takes_the_page_once(
    tmp_path: Path, step: str, is_kept: bool
) -> None:
    clock, told = FakeClock(NIGHT), list[str]()
    fuse: Callable[[Connection], None] = Fuse(STEPS.index(step) + 1, is_kept)
    heard = []
    async with staffed_point(tmp_path, clock=clock, commit=fuse) as point:
        with suppress(GatewayError, PowerCut):
            await story(point, told)
        heard += point.mail.heard
    told += [code_in(notice) for _, notice in heard if code_in(notice) not in told]
    clock.at += timedelta(seconds=20)
    async with contact_point(tmp_path, clock=clock) as point:
        for _ in range(2):
            await story(point, told)
        heard += point.mail.heard
        (page,) = await point.pager.waiting()
        assert (page.acknowledged_by, page.count, page.next_ring_at) == ("us.duty", 1, None)
        await point.run_for(timedelta(minutes=11), step=timedelta(minutes=1))
        held = await point.database.read(lambda c: alarms.notices_of(c, page.id))
    assert [target.partition("@")[0] for target, _ in heard] == ["duty"] * len(heard)
    assert 1 <= len(heard) <= 2
    assert {notice.id for _, notice in heard} == {f"{held[0].id}-1"}
    assert len(set(told)) == len(held) == 1
    assert held[0].ended_at is not None


async def test_two_that_take_a_page_at_once_are_one(tmp_path: Path) -> None:
    async with staffed_point(tmp_path) as point:
        await point.raise_()
        await point.look()
        code = code_in(point.last())
        (page,) = await point.pager.waiting()
        first = await point.pager.acknowledge(page.id, "us.leader")
        second = await point.pager.answer(code)
        assert (first.officer, second.officer) == ("us.leader", "us.leader")
        assert len(point.journal.of("page.acknowledged")) == 1
