"""A flood of urgent bundles from one peer takes neither the lane nor the officers away from the others."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.arrivals.admission import AdmissionLimits
from gateway.services.arrivals.intake import Intake
from gateway.services.container import load_container
from gateway.storage import cases, paging
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

US, RO, GB = "us-ccips", "ro-diicot", "gb-nca"
PLACES = AdmissionLimits(max_bundle_bytes=1).urgent_bundles_per_peer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, US, RO, GB) as made:
        yield made


async def submit(world: World, sender: str) -> str:
    form, documents = sample_request(3)
    form["requesting_authority"] |= {"authority_id": sender, "state": sender[:2].upper()}
    form["thread"]["message_id"] = f"{sender}/{secrets.token_hex(16)}"
    return (await world.submit(sender, form, documents)).bid


async def begun(world: World, sender: str, bid: str) -> Intake:
    """Bring a bundle as far as its envelope, and stop there."""
    source = await load_container(world[sender].database, world[sender].blobs, sender, bid)
    intake = await world[US].acceptor.begin(
        caller=sender, jti=secrets.token_urlsafe(16), exp=world.clock.now(), sender=sender, bid=bid
    )
    async for chunk in source.stream(0):
        await intake.feed(chunk)
        break
    return intake


async def test_while_one_peer_holds_all_its_places_another_peers_urgent_bundle_comes_in(world: World) -> None:
    flood = [await submit(world, RO) for _ in range(PLACES + 1)]
    held = [await begun(world, RO, bid) for bid in flood[:PLACES]]
    with pytest.raises(GatewayRefusal) as refused:
        await begun(world, RO, flood[PLACES])
    assert refused.value.code == "quota"
    assert refused.value.retryable, "what is too much now comes later, and is not lost"

    honest = await submit(world, GB)
    for job in await world[GB].courier.claim("urgent", 16):
        await world[GB].courier.attempt(job)
    assert await world[US].database.read(lambda c: cases.find_message(c, GB, honest)) is not None

    for intake in held:
        await intake.suspend()
    for bid in flood:
        assert await world[US].database.read(lambda c, bid=bid: cases.find_message(c, RO, bid)) is None
    # The places are free again, and every bundle of the flood is taken in its turn: none was lost.
    world.faults.clear()
    await world.run()
    for bid in flood:
        assert await world[US].database.read(lambda c, bid=bid: cases.find_message(c, RO, bid)) is not None
    await world.check()


async def test_a_flood_is_one_page_and_the_other_peers_request_is_a_page_of_its_own(world: World) -> None:
    for _ in range(12):
        await submit(world, RO)
    await submit(world, GB)
    await world.run()
    rows = await world[US].database.read(
        lambda c: [row for peer in (RO, GB) for row in paging.open_matters(c, peer)]
    )
    arrived = [(row.peer, row.page_id) for row in rows if row.reason == "arrived"]
    assert len(arrived) == 13, "nothing is left out of a page"
    assert len(set(arrived)) == 2, "and a flood rings once"


async def test_the_card_says_that_far_more_comes_than_ever(world: World) -> None:
    bids = []
    for _ in range(7):
        bids.append(await submit(world, RO))
        await world.run()
        world.advance(timedelta(seconds=1))
    first = await world[US].desk.trust.cards.card(bids[0])
    last = await world[US].desk.trust.cards.card(bids[-1])
    assert (first.last_day, last.last_day) == (1, 7)
    assert "rate-unusual" not in {mark.code for mark in first.marks}
    assert "rate-unusual" in {mark.code for mark in last.marks}
    assert last.weight == "warning"
