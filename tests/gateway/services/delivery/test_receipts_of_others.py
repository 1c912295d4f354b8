"""Answers whose receipts move nothing: a transmission goes on as if none had come."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Outcome, Verdict
from gateway.services.arrivals import release
from gateway.services.arrivals.accept import Acceptor
from gateway.storage import transmissions
from gateway.storage.transmissions import TransmissionRow
from tests.hostile import Members, receipt_from
from tests.lostreceipts import said
from tests.world import World, sample_request

KE, SG = "ke-ag", "sg-agc"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG) as made:
        yield made


async def a_transmission(world: World) -> Members:
    """Submit a request that does not leave, and return what a receipt about it must name."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    sent = await world.submit(KE, form, documents)
    claims = said((await world[KE].cases.receipts(sent.bid))[0].jws)
    return {"sender": claims["from"], **{name: claims[name] for name in ("bid", "envelope", "manifest")}}


async def row_of(world: World, about: Members) -> TransmissionRow:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, about["bid"], SG))
    assert row is not None
    return row


async def turns(world: World, about: Members, number: int) -> list[timedelta]:
    """Let so many attempts be made as they fall due; return how long each wait was."""
    waits = []
    for _ in range(number):
        row = await row_of(world, about)
        if row.next_action_at is None:
            break
        waits.append(row.next_action_at - world.clock.now())
        world.clock.at = max(row.next_action_at, world.clock.at)
        for job in await world[KE].courier.claim("routine", 16):
            await world[KE].courier.attempt(job)
    return waits


async def a_fortnight(world: World, about: Members) -> None:
    """Let the time pass after which a routine bundle is given up that no carrier could take."""
    world.advance(timedelta(days=14))
    await turns(world, about, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another bundle", "another issuer", "another envelope"])
async def test_receipts_that_are_not_its_own_keep_no_transmission_from_other_ways_and_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    about, other = await a_transmission(world), await a_transmission(world)
    jws = {
        "another bundle": receipt_from(world[SG], **other),
        "another issuer": receipt_from(world[KE], **about),
        "another envelope": receipt_from(world[SG], **{**about, "envelope": other["envelope"]}),
    }[kind]

    async def deliver(*_: Any) -> Outcome:
        return Outcome(verdict=Verdict.ACCEPTED, receipts=({"jws": jws},))

    monkeypatch.setattr(world[KE].courier._adapters["gateway_https"], "deliver", deliver)
    await world.run()
    assert (await row_of(world, about)).state == "QUEUED"
    # An answer that says nothing of this bundle settles nothing, and is no success.
    key = (KE, about["bid"], SG)
    [attempt] = await world[KE].database.read(lambda c: transmissions.attempts_of(c, *key))
    assert attempt.verdict == ("accepted" if kind == "another envelope" else "retry")
    waits = await turns(world, about, 20)
    await a_fortnight(world, about)
    assert (await row_of(world, about)).carried_since is not None
    assert [task.code for task in (await world[KE].cases.status(about["bid"])).tasks] == ["carrier-needed"]
    # The waits grow as after any failure; a lease that ran out is no schedule.
    assert max(waits) > timedelta(minutes=5)


@pytest.mark.slow
async def test_a_peer_that_relays_and_never_opens_does_not_keep_a_transmission_from_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Acceptor, _key: object, work: Any) -> None:
        work.close()

    async def none(_: Acceptor) -> int:
        return 0

    monkeypatch.setattr(release, "OPENING_PATIENCE_S", 0)
    monkeypatch.setattr(release, "_INLINE_OPENING_BYTES", 0)
    monkeypatch.setattr(Acceptor, "_guarded", never)
    monkeypatch.setattr(Acceptor, "resume_relayed", none)
    about = await a_transmission(world)
    await world.run()
    assert (await row_of(world, about)).state == "RELAYED"
    await turns(world, about, 10)
    await a_fortnight(world, about)
    assert (await row_of(world, about)).state == "FAILED"
    # It was asked again and again, and what it said each time is no news.
    assert [row.n for row in await world[KE].cases.receipts(about["bid"]) if row.iss == SG] == [1]
