"""A container that waits at a peer is fetched once, however often the line breaks or the process dies."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.replies import Reply
from gateway.services.arrivals import fetch
from gateway.services.arrivals.intake import Intake
from gateway.storage import uploads
from tests.world import Faults, World, sample_request

EG, TN = "eg-ppo", "tn-mj"
SIZE = 3 * 1024**2


class Cut(Exception):
    """The line broke."""


class Line:
    """The puller's line to the peer: notes where every fetch began, and breaks where it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begun_at: list[int] = []
        self.cut_after: int | None = None
        self.is_dead = False
        self.lay()

    def lay(self) -> None:
        """Stand between the puller that runs now and its peer."""
        wire: Any = self.world[TN].pull._fetcher._adapter
        real = wire.fetch

        async def fetched(endpoint: Any, bid: str, *, offset: int, sink: Any, urgent: bool = False) -> Reply:
            if self.is_dead:
                return Reply(status=0)
            self.begun_at.append(offset)
            taken = 0

            async def counted(piece: bytes) -> None:
                nonlocal taken
                await sink(piece)
                taken += len(piece)
                if self.cut_after is not None and taken >= self.cut_after:
                    raise Cut

            try:
                reply: Reply = await real(endpoint, bid, offset=offset, sink=counted, urgent=urgent)
            except Cut:
                self.cut_after, self.is_dead = None, True
                return Reply(status=0, offset=offset + taken)
            return reply

        wire.fetch = fetched


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A large request of Egypt waits for Tunisia, which only calls out."""
    async with World.create(tmp_path, EG, TN, pull_only=(TN,)) as world:
        form, documents = sample_request(5, size=SIZE)
        await world.submit(EG, form, documents)
        yield Line(world)


async def held(world: World) -> list[uploads.UploadRow]:
    return await world[TN].database.read(uploads.all_uploads)


async def arrived(line: Line) -> None:
    """The rest comes, once, and nothing unfinished is left."""
    await line.world.run()
    await line.world.check()
    assert await held(line.world) == []


async def test_a_fetch_goes_on_at_the_next_poll_from_where_the_line_broke(line: Line) -> None:
    line.cut_after = SIZE // 2
    await line.world.step()
    (row,) = await held(line.world)
    assert row.offset_bytes >= SIZE // 2
    line.is_dead = False
    await arrived(line)
    assert line.begun_at == [0, row.offset_bytes]


async def test_a_fetch_goes_on_after_the_gateway_was_stopped(line: Line) -> None:
    line.cut_after = SIZE // 2
    await line.world.step()
    (row,) = await held(line.world)
    await line.world.restart(TN)
    line.is_dead = False
    line.lay()
    await arrived(line)
    assert line.begun_at == [0, row.offset_bytes]


async def test_a_long_fetch_keeps_what_came_before_the_process_dies(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def died(self: Intake) -> None:
        await self.let_go()
        raise Cut

    monkeypatch.setattr(fetch, "KEPT_EVERY", SIZE // 8)
    line.cut_after = SIZE // 2 + SIZE // 16
    with monkeypatch.context() as dying:
        dying.setattr(Intake, "suspend", died)
        with pytest.raises(Cut):
            await line.world.step()
    (row,) = await held(line.world)
    assert SIZE // 4 <= row.offset_bytes < SIZE
    await line.world.crash(TN)
    line.is_dead = False
    line.lay()
    await arrived(line)
    assert line.begun_at == [0, row.offset_bytes]


async def test_a_container_that_was_all_there_when_the_process_died_is_not_fetched_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def died(self: Intake) -> None:
        raise Cut

    monkeypatch.setattr(fetch, "KEPT_EVERY", SIZE // 8)
    with monkeypatch.context() as dying:
        dying.setattr(Intake, "finish", died)
        with pytest.raises(Cut):
            await line.world.step()
    (row,) = await held(line.world)
    assert row.offset_bytes < row.size_bytes, "its last part has ended since"
    await line.world.crash(TN)
    line.lay()
    await arrived(line)
    assert line.begun_at == [0]


async def test_another_envelope_is_begun_anew(line: Line) -> None:
    line.cut_after = SIZE // 2
    await line.world.step()
    (row,) = await held(line.world)
    line.is_dead = False
    pull = line.world[TN].pull
    endpoint = pull._endpoint(EG)
    assert endpoint is not None
    answer = await pull._fetcher.fetch(endpoint, row.bid, envelope="0" * 64, urgent=False)
    assert answer is not None
    assert answer.status == 201
    assert line.begun_at == [0, 0]
    # What is left of the first one goes with all that nobody went on with.
    await line.world[TN].acceptor.drop_expired_uploads(row.next_action_at)
    await arrived(line)


async def test_what_was_kept_of_a_damaged_container_is_not_gone_on_from(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "KEPT_EVERY", SIZE // 8)
    line.world.faults[TN] = Faults(flip_byte=1, flip_at=SIZE // 2)
    await line.world.step()
    assert line.begun_at == [0]
    await line.world.run_for(timedelta(hours=1), step=timedelta(minutes=5))
    await arrived(line)
    assert line.begun_at == [0, 0]
