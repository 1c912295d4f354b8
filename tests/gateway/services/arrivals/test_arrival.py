"""Containers that came without a connection: taken once, their receipts pushed, a repeat answered again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.arrivals.arrival import Read, read_head
from gateway.services.container import load_container
from gateway.storage import transmissions
from tests.hostile import unchanged
from tests.storedcases import all_cases
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


def reading(data: bytes, *, piece: int = 1000) -> Read:
    async def read(offset: int) -> AsyncIterator[bytes]:
        for at in range(offset, len(data), piece):
            yield data[at : at + piece]

    return read


@asynccontextmanager
async def sent(folder: Path) -> AsyncIterator[tuple[World, str, bytes]]:
    """A request that was sealed in Kenya and whose container somebody carries."""
    async with World.create(folder, KE, SG) as world:
        form, documents = sample_request(1)
        bid = (await world.submit(KE, form, documents)).bid
        source = await load_container(world[KE].database, world[KE].blobs, KE, bid)
        yield world, bid, b"".join([chunk async for chunk in source.stream(0)])


async def state(world: World, bid: str) -> str:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row.state


async def test_a_container_that_was_carried_is_taken_in_and_its_receipt_is_pushed(tmp_path: Path) -> None:
    async with sent(tmp_path) as (world, bid, container):
        came = await world[SG].arrivals.take(size=len(container), read=reading(container))
        assert not came.is_repeat
        assert (came.head.sender, came.head.bid, came.head.size) == (KE, bid, len(container))
        assert len(came.body["receipts"]) == 1
        assert len(await world[SG].database.read(lambda c: all_cases(c, 10))) == 1

        assert await world[SG].pusher.push_due() == 1
        assert await state(world, bid) == "CONSIGNED"
        await world.check()


async def test_a_repeat_gets_the_same_receipt_which_goes_out_once_more(tmp_path: Path) -> None:
    async with sent(tmp_path) as (world, _, container):
        door = world[SG].arrivals
        first = await door.take(size=len(container), read=reading(container))
        await world[SG].pusher.push_due()
        assert await world[SG].pusher.push_due() == 0

        again = await door.take(size=len(container), read=reading(container))
        assert again.is_repeat
        assert again.body["receipts"][0]["jws"] == first.body["receipts"][0]["jws"]
        assert await world[SG].pusher.push_due() == 0

        await door.push_again(again.head)
        await door.push_again(again.head)
        assert await world[SG].pusher.push_due() == 1
        assert len(await world[SG].database.read(lambda c: all_cases(c, 10))) == 1
        await world.check()


async def test_what_came_first_over_a_connection_is_answered_by_a_push_when_it_comes_again(
    tmp_path: Path,
) -> None:
    async with sent(tmp_path) as (world, bid, container):
        intake = await world[SG].acceptor.begin(caller=KE, jti=None, exp=None, sender=KE, bid=bid)
        await intake.feed(container)
        await intake.finish()
        assert await world[SG].pusher.push_due() == 0

        door = world[SG].arrivals
        came = await door.take(size=len(container), read=reading(container))
        assert came.is_repeat
        await door.push_again(came.head)
        assert await world[SG].pusher.push_due() == 1
        assert await state(world, bid) == "CONSIGNED"
        await world.check()


@pytest.mark.parametrize(
    ("defect", "code"),
    [("cut", "incomplete"), ("longer", "malformed"), ("flipped", "part-digest"), ("none", "incomplete")],
)
async def test_a_damaged_container_changes_nothing(tmp_path: Path, defect: str, code: str) -> None:
    async with sent(tmp_path) as (world, _, container):
        damaged = {
            "cut": container[:-7],
            "longer": container + b"x",
            "flipped": container[:-9] + bytes([container[-9] ^ 1]) + container[-8:],
            "none": b"",
        }[defect]
        async with unchanged(world[SG]):
            with pytest.raises(GatewayRefusal) as refused:
                await world[SG].arrivals.take(size=len(damaged), read=reading(damaged))
            assert refused.value.code == code
        # The undamaged one is taken afterwards.
        await world[SG].arrivals.take(size=len(container), read=reading(container))


async def test_a_container_of_our_own_is_refused(tmp_path: Path) -> None:
    async with sent(tmp_path) as (world, _, container), unchanged(world[KE]):
        with pytest.raises(GatewayRefusal, match="not-for-us"):
            await world[KE].arrivals.take(size=len(container), read=reading(container))


async def test_the_head_is_read_without_the_rest(tmp_path: Path) -> None:
    async with sent(tmp_path) as (_, bid, container):
        given = 0

        async def read(offset: int) -> AsyncIterator[bytes]:
            nonlocal given
            for at in range(offset, len(container), 500):
                given += 1
                yield container[at : at + 500]

        assert (await read_head(read)).bid == bid
        assert given < len(container) // 500
