"""Signs of life: greetings after a start, few and to few; each lets what waits be tried, the last one too."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.base import Endpoint
from adapters.replies import Reply
from gateway.services import presence
from gateway.services.following.dealings import DEALT_WITH, PER_HOST
from gateway.storage import peers
from gateway.storage.database import Connection, Transaction
from gateway.storage.transmissions import TransmissionRow, find_transmission
from tests.world import Faults, World, sample_request

KE, SG = "ke-ag", "sg-agc"


async def hear_of(world: World, authorities: Iterable[str], ago: timedelta = timedelta()) -> None:
    def unit(tx: Transaction) -> None:
        for aid in authorities:
            peers.set_heard(tx, aid, world.clock.now() - ago)

    await world[KE].database.write(unit)


async def greeted(
    world: World, monkeypatch: pytest.MonkeyPatch, addresses: Mapping[str, str]
) -> tuple[list[str], int]:
    """Greet as after a start; return who was greeted, in order, and how many at most at one time."""
    asked: list[str] = []
    running = most = 0

    async def hello(endpoint: Endpoint) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        asked.append(endpoint.authority_id)
        await presence.asyncio.sleep(0)
        running -= 1
        return Reply(status=0)

    monkeypatch.setattr(presence, "_GREETINGS_PAUSE_S", 0)
    monkeypatch.setattr(presence, "pullable", lambda directory, own: dict(addresses))
    monkeypatch.setattr(world[KE].adapter, "hello", hello)
    await world[KE].presence.greet()
    return asked, most


async def test_at_a_start_only_those_we_deal_with_are_greeted_the_latest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        listed = {f"us-sample{n}": f"https://gw{n}.example.org" for n in range(30)}
        await hear_of(world, ["us-sample3"], timedelta(days=2))
        await hear_of(world, ["us-sample7"])
        await hear_of(world, ["us-sample9"], DEALT_WITH + timedelta(seconds=1))
        addresses = {**listed, SG: "https://gw.sg-agc.example.org"}
        found, _ = await greeted(world, monkeypatch, addresses)
        # The last one was enrolled by hand and never called.
        assert found == ["us-sample7", "us-sample3", SG]


async def test_one_host_is_greeted_few_times_and_no_more_than_a_few_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, KE) as world:
        crowd = {f"us-sample{n}": f"https://ONE.example.org:{8000 + n}" for n in range(20)}
        others = {f"gb-sample{n}": f"https://gw{n}.example.org" for n in range(20)}
        await hear_of(world, [*crowd, *others])
        found, most = await greeted(world, monkeypatch, {**crowd, **others})
        assert len([aid for aid in found if aid in crowd]) == PER_HOST
        assert {aid for aid in found if aid not in crowd} == set(others)
        assert most == 8


async def in_back_off(world: World) -> str:
    """Send something that does not arrive; return its bid once it waits for the next attempt."""
    world.faults[KE] = Faults(lose_request=1)
    sent = await world.submit(KE, *sample_request(1))
    await world.run()
    assert await waits_for(world, sent.bid) > timedelta(0)
    return sent.bid


async def waits_for(world: World, bid: str) -> timedelta:
    """Return how long it is until the next attempt."""

    def query(connection: Connection) -> TransmissionRow | None:
        return find_transmission(connection, KE, bid, SG)

    row = await world[KE].database.read(query)
    assert row is not None
    assert (row.state, row.attempts) == ("QUEUED", 1)
    assert row.next_action_at is not None
    return row.next_action_at - world.clock.now()


async def test_what_waited_since_before_a_start_is_tried_at_once_if_its_peer_answers_the_greeting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        bid = await in_back_off(world)
        monkeypatch.setattr(
            presence, "pullable", lambda directory, own: {SG: "https://gw.sg-agc.example.org"}
        )
        peer = world.apps.pop(SG)
        await world[KE].presence.greet()
        assert await waits_for(world, bid) > timedelta(0)
        world.apps[SG] = peer
        await world[KE].presence.greet()
        assert await waits_for(world, bid) == timedelta(0)
        # That we called it is no word of its own: it must not be dealt with for ever because of our starts.
        assert await world[KE].database.read(peers.all_heard) == {}


async def test_a_peer_that_is_heard_of_again_soon_is_not_overheard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        own = world[KE].presence
        own.heard(SG, world.clock.now())
        await own.aclose()
        bid = await in_back_off(world)
        loop, later = asyncio.get_running_loop(), []

        def call_later(delay: float, callback: Callable[[str], None], aid: str) -> asyncio.TimerHandle:
            later.append((delay, callback, aid))
            return loop.call_at(loop.time() + 3600, callback, aid)

        monkeypatch.setattr(loop, "call_later", call_later)
        own.heard(SG, world.clock.now())
        own.heard(SG, world.clock.now())
        await own.aclose()
        assert await waits_for(world, bid) > timedelta(0)
        [(delay, callback, aid)] = later
        assert 0 < delay <= presence._HEARD_EVERY_S
        callback(aid)
        await own.aclose()
        assert await waits_for(world, bid) == timedelta(0)
