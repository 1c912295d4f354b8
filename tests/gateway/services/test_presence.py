"""Greetings after a start: those we deal with, a few at a time, and no host many times."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.base import Endpoint
from adapters.replies import Reply
from gateway.services import presence
from gateway.services.dealings import DEALT_WITH, PER_HOST
from gateway.storage import peers
from gateway.storage.database import Transaction
from tests.world import World

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
