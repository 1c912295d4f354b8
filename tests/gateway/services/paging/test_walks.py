"""Random nights: whatever happens in whatever order, nothing that waits is left without a call."""

import random
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.base import Outcome, Verdict
from gateway.errors import GatewayRefusal
from gateway.model.paging import Audience, PageReason
from gateway.storage import alarms, paging
from gateway.storage.database import Connection
from tests.gateway.services.paging.contactpoint import (
    OTHER,
    PEER,
    TIMES,
    ContactPoint,
    code_in,
    staffed_point,
)

pytestmark = pytest.mark.slow
LEVELS = ("routine", "urgent", "emergency")


def everything(connection: Connection) -> list[tuple[paging.PageRow, int]]:
    """Return every page that is not settled, with how much waits on it."""
    return [(row, paging.count_matters(connection, row.id)) for row in paging.waiting_pages(connection)]


async def check(point: ContactPoint, expected: set[tuple[str, str, str]]) -> None:
    """Assert that all that was raised and not settled waits on a page with a clock or a person's name."""
    now, longest = point.clock.now(), TIMES.latest
    pages = await point.database.read(everything)
    matters = [
        matter
        for peer in (PEER, OTHER)
        for matter in await point.database.read(lambda c, peer=peer: paging.open_matters(c, peer))
    ]
    assert expected <= {(matter.peer, matter.bid, matter.reason) for matter in matters}
    assert {matter.page_id for matter in matters} <= {row.id for row, _ in pages}
    open_keys = [(row.peer, row.audience, row.kind) for row, _ in pages if row.is_open]
    assert len(open_keys) == len(set(open_keys)), "two pages ring for one peer and audience"
    for row, count in pages:
        assert count > 0
        if row.is_open:
            assert row.next_action_at is not None
            assert row.next_action_at <= now + longest
        else:
            assert row.acknowledged_by is not None


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_that_waits_is_left_without_a_call(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    async with staffed_point(tmp_path) as point:
        waiting: set[tuple[str, str, str]] = set()
        for _ in range(60):
            peer, bid = rng.choice((PEER, OTHER)), f"{rng.randrange(6):032x}"
            match rng.randrange(8):
                case 0 | 1 | 2:
                    reason = rng.choice((PageReason.ARRIVED, PageReason.TARGET_PASSED, PageReason.DRILL))
                    audience, level = rng.choice(list(Audience)), rng.choice(LEVELS)
                    await point.raise_(peer=peer, bid=bid, reason=reason, audience=audience, level=level)
                    waiting.add((peer, bid, reason))
                case 3:
                    await point.settle(peer=peer, bid=bid)
                    waiting = {entry for entry in waiting if entry[:2] != (peer, bid)}
                case 4:
                    if point.mail.heard:
                        await _answer(point, rng)
                case 5:
                    point.mail.is_down = not point.mail.is_down
                case 6:
                    point.mail.answers = [Outcome(verdict=Verdict.RETRY, code="no-answer")] * rng.randrange(4)
                case _:
                    # At times the clock is set back.
                    point.clock.at += timedelta(minutes=rng.choice((1, 3, 7, -40)))
            await point.look()
            await check(point, waiting)
        # In the end paths are well again: everything that nobody has taken rings within a period.
        point.mail.is_down, point.mail.answers = False, []
        since = point.clock.now()
        await point.run_for(TIMES.climb.urgent + timedelta(minutes=3), step=timedelta(seconds=30))
        ringing = [row for row, _ in await point.database.read(everything) if row.is_open]
        for row in ringing:
            notices = await point.database.read(lambda c, row=row: alarms.notices_of(c, row.id))
            assert any(notice.sent_at is not None and notice.sent_at > since for notice in notices)


async def _answer(point: ContactPoint, rng: random.Random) -> None:
    # Used or a day old: refused, and nothing is changed.
    with suppress(GatewayRefusal):
        await point.pager.answer(code_in(rng.choice(point.mail.heard)[1]))
