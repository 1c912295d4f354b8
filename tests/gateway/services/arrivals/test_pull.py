"""Who is polled: those dealt with, by an authority that only calls out; and as the directory changes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.model.channels import HTTPS, PULL
from gateway.services.arrivals import pull
from gateway.services.arrivals.pull import PullWorkers
from gateway.services.following.dealings import PER_HOST
from gateway.storage import peers
from tests.world import World, sample_request

Poll = Callable[[PullWorkers, str], Awaitable[None]]


async def until(seen: list[Any], count: int) -> None:
    async with asyncio.timeout(2):
        while len(seen) < count:  # noqa: ASYNC110 - what is waited for is a list
            await asyncio.sleep(0)


@pytest.fixture
def wanted() -> dict[str, str]:
    return {"ke-ag": "https://old.example.org", "sg-agc": "https://sg.example.org"}


@pytest.fixture
def dealt() -> set[str]:
    return {"ke-ag", "sg-agc"}


@pytest.fixture
def by_hand() -> set[str]:
    return set()


@pytest.fixture
def own() -> list[str]:
    """The channels of the own record."""
    return [PULL]


@pytest.fixture
def workers(
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, str],
    dealt: set[str],
    by_hand: set[str],
    own: list[str],
) -> PullWorkers:
    async def known(directory: Any, database: Any, since: Any) -> set[str]:
        return set(dealt)

    nothing: Any = None
    directory: Any = SimpleNamespace(
        own=SimpleNamespace(channels=[SimpleNamespace(channel=channel) for channel in own])
    )
    monkeypatch.setattr(pull, "pullable", lambda directory, own: dict(wanted))
    monkeypatch.setattr(pull, "dealt_with", known)
    monkeypatch.setattr(pull, "enrolled_by_hand", lambda directory: set(by_hand))
    monkeypatch.setattr(pull, "_DIRECTORY_CHECK_S", 0)
    monkeypatch.setattr(pull, "_DEALINGS_CHECK_S", 0)
    return PullWorkers(
        database=nothing,
        directory=directory,
        acceptor=nothing,
        desk=nothing,
        adapter=nothing,
        revocations=nothing,
        authority_id="tn-mj",
        clock=SystemClock(),
        rng=random.Random(7),
    )


async def test_a_peer_whose_address_changed_is_polled_at_once_anew(
    monkeypatch: pytest.MonkeyPatch, workers: PullWorkers, wanted: dict[str, str]
) -> None:
    polled: list[tuple[str, str]] = []
    ended: list[str] = []

    async def poll(self: PullWorkers, aid: str) -> None:
        polled.append((aid, wanted[aid]))
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(aid)

    monkeypatch.setattr(PullWorkers, "_poll", poll)
    running = asyncio.create_task(workers.run())
    await until(polled, 2)
    wanted["ke-ag"] = "https://new.example.org"
    await until(polled, 3)
    assert ended == ["ke-ag"]
    assert polled[2] == ("ke-ag", "https://new.example.org")
    del wanted["sg-agc"]
    await until(ended, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert ended == ["ke-ag", "sg-agc", "ke-ag"]


async def test_only_those_dealt_with_are_polled_without_a_pause_and_the_others_are_looked_in_at(
    monkeypatch: pytest.MonkeyPatch, workers: PullWorkers, wanted: dict[str, str], dealt: set[str]
) -> None:
    polled: list[str] = []
    visited: list[str] = []
    dealt.remove("sg-agc")

    async def poll(self: PullWorkers, aid: str) -> None:
        polled.append(aid)
        await asyncio.Event().wait()

    async def visit(self: PullWorkers, aid: str) -> None:
        visited.append(aid)

    def begin(addresses: dict[str, str], now: float, *, under_way: list[str]) -> list[str]:
        return [aid for aid in addresses if aid not in visited]

    monkeypatch.setattr(PullWorkers, "_poll", poll)
    monkeypatch.setattr(PullWorkers, "_visit", visit)
    monkeypatch.setattr(workers._visits, "begin", begin)
    running = asyncio.create_task(workers.run())
    await until(visited, 1)
    assert (polled, visited) == (["ke-ag"], ["sg-agc"])
    # Somebody wrote to it, or it had something for us.
    dealt.add("sg-agc")
    await until(polled, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (polled, visited) == (["ke-ag", "sg-agc"], ["sg-agc"])


@pytest.mark.parametrize("own", [[], [HTTPS], [HTTPS, "email_sealed"]])
async def test_an_authority_that_takes_calls_polls_nobody(workers: PullWorkers) -> None:
    assert await workers._whom() == ({}, {})


async def test_one_host_gets_few_long_polls_except_for_those_a_person_enrolled(
    workers: PullWorkers, wanted: dict[str, str], dealt: set[str], by_hand: set[str]
) -> None:
    crowd = {f"us-sample{n}": f"https://one.example.org:{8000 + n}" for n in range(20)}
    wanted.update(crowd)
    dealt.update(crowd)
    closely, others = await workers._whom()
    assert len(crowd.keys() & closely.keys()) == PER_HOST
    assert closely | others == wanted
    by_hand.update(others)
    assert await workers._whom() == (wanted, {})


@pytest.mark.slow
async def test_a_visit_brings_the_first_request_of_a_stranger_who_is_then_dealt_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"]) as world:
        tn = world["tn-mj"]
        monkeypatch.setattr(pull, "enrolled_by_hand", lambda directory: set())
        monkeypatch.setattr("gateway.services.following.dealings.enrolled_by_hand", lambda directory: set())
        monkeypatch.setattr(pull, "_DEALINGS_CHECK_S", 0)
        closely, others = await tn.pull._whom()
        assert (set(closely), set(others)) == (set(), {"eg-ppo"})
        await tn.pull._visit("eg-ppo")
        # Nothing waited there: it stays a stranger.
        assert await tn.database.read(peers.all_heard) == {}
        await world.submit("eg-ppo", *sample_request(5, size=300))
        for job in await world["eg-ppo"].courier.claim("routine", 16):
            await world["eg-ppo"].courier.attempt(job)
        await tn.pull._visit("eg-ppo")
        assert len(await tn.cases.inbox()) == 1
        closely, others = await tn.pull._whom()
        assert (set(closely), set(others)) == ({"eg-ppo"}, set())
