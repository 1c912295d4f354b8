"""Routine work makes room while urgent work is about and keeps a way on; urgent work waits for none of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from gateway.services.lanes import Gate, Lanes
from gateway.storage.lane import is_urgent, working_for


class Ticks:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_routine_is_narrow_while_urgent_work_is_about_and_a_moment_after() -> None:
    ticks = Ticks()
    lanes = Lanes(monotonic=ticks, processors=2)
    assert lanes.room("routine", 16) == 16
    with lanes.working("routine"):
        assert lanes.room("routine", 16) == 16
    with lanes.working("urgent"):
        assert lanes.room("routine", 16) == 4
        assert lanes.room("urgent", 8) == 8
    ticks.at += 0.9
    assert lanes.room("routine", 16) == 4
    ticks.at += 0.2
    assert lanes.room("routine", 16) == 16


def test_routine_always_keeps_a_place() -> None:
    lanes = Lanes(processors=1)
    with lanes.working("urgent"):
        assert lanes.room("routine", 1) == 1


def test_a_task_says_its_lane_once_and_leaves_none_behind() -> None:
    lanes = Lanes()
    with lanes.working("urgent"):
        assert is_urgent()
        with working_for("routine"):
            assert not is_urgent()
        assert is_urgent()
    assert not is_urgent()


async def test_what_an_urgent_task_starts_is_urgent_and_its_neighbours_are_not() -> None:
    async def look() -> bool:
        await asyncio.sleep(0)
        return is_urgent()

    with working_for("urgent"):
        inner = asyncio.create_task(look())
    outer = asyncio.create_task(look())
    assert (await inner, await outer) == (True, False)


async def test_a_gate_lets_urgent_work_pass_and_routine_work_by_turns() -> None:
    ticks = Ticks()
    lanes = Lanes(monotonic=ticks, processors=1)
    gate = Gate(lanes, routine=8)
    order: list[int] = []
    go = asyncio.Event()

    async def routine(n: int) -> None:
        async with gate.passing("routine"):
            order.append(n)
            await go.wait()

    with lanes.working("urgent"):
        tasks = [asyncio.create_task(routine(n)) for n in range(6)]
        await asyncio.sleep(0)
        assert order == [0, 1]
        async with gate.passing("urgent"):
            pass
    ticks.at += 5
    go.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4, 5]


async def test_whoever_leaves_the_queue_of_a_gate_gives_the_turn_on() -> None:
    lanes = Lanes(processors=1)
    gate = Gate(lanes, routine=1)
    entered: list[str] = []

    async def enter(name: str) -> None:
        async with gate.passing("routine"):
            entered.append(name)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gate.passing("routine"))
        first, second = asyncio.create_task(enter("first")), asyncio.create_task(enter("second"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    await asyncio.wait_for(second, 1)
    assert entered == ["second"]


async def test_a_large_transfer_hands_the_loop_over_while_urgent_work_is_about() -> None:
    lanes = Lanes(processors=2)
    data = bytes(range(256)) * 4096

    async def read(offset: int) -> AsyncGenerator[bytes, None]:
        yield data[offset:]

    async def pieces(offset: int) -> list[bytes]:
        return [piece async for piece in lanes.paced(read, offset)]

    assert await pieces(5) == [data[5:]]
    with lanes.working("urgent"):
        small = await pieces(5)
    assert b"".join(small) == data[5:]
    assert max(len(piece) for piece in small) == 128 * 1024


async def test_what_is_read_in_part_is_closed_with_its_reader_and_leaves_the_loop_nothing_to_do() -> None:
    closed = []

    async def read(offset: int) -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            yield b"second"
        finally:
            closed.append(offset)

    pieces = Lanes(processors=2).paced(read, 7)
    assert await anext(pieces) == b"first"
    await pieces.aclose()
    assert closed == [7]
