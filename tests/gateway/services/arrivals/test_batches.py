"""A batch of bundles at a real gateway: each is opened, stored and receipted as if it had come alone."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import StreamReader

from gateway.services.arrivals.peergate import Caller
from gateway.services.container import load_container
from gateway.storage import backends
from gateway.web.batch import answer_batch
from gateway.web.intake import PeerLimits, Places, Turns
from tests.hostile import unchanged
from tests.storedcases import all_cases
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"

Batch = list[tuple[str, bytes]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG) as world:
        yield world


async def sealed(world: World, number: int) -> Batch:
    """Submit so many requests and return their containers by ``bid``."""
    found = []
    for n in range(number):
        form, documents = sample_request(1, size=400)
        form["reference_requesting"] = f"KE/{n}"
        bid = (await world.submit(KE, form, documents)).bid
        source = await load_container(world[KE].database, world[KE].blobs, KE, bid)
        found.append((bid, b"".join([chunk async for chunk in source.stream(0)])))
    return found


class _Wire:
    """What a stream reader wants of the connection it reads from."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


async def post(
    world: World, batch: Batch, *, jti: str = "J" * 22, places: Places | None = None
) -> list[dict[str, Any]]:
    """Hand a batch over under one token and return the answers as they go out."""

    content = StreamReader(_Wire(), 2**20, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    content.feed_data(b"".join(container for _, container in batch))
    content.feed_eof()
    now, length = world.clock.now(), sum(len(container) for _, container in batch)
    answers = await answer_batch(
        content,
        [(bid, len(container)) for bid, container in batch],
        caller=Caller(aid=KE, jti=jti, exp=now + timedelta(minutes=3), bd=None, off=0, len=length),
        acceptor=world[SG].acceptor,
        places=places or Places(total=64, per_peer=64),
        turns=Turns(),
        limits=PeerLimits(),
    )
    told: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(answers))
    return told


def statuses(answers: Sequence[dict[str, Any]]) -> list[int]:
    return [answer["status"] for answer in answers]


async def test_every_bundle_of_a_batch_is_receipted_and_a_repeat_gets_the_same_receipts(world: World) -> None:
    batch = await sealed(world, 3)
    first = await post(world, batch)
    assert statuses(first) == [201, 201, 201]
    receipts = [answer["body"]["receipts"][0] for answer in first]
    assert all(receipt["proof"] for receipt in receipts)
    assert len({receipt["jws"] for receipt in receipts}) == 3
    async with unchanged(world[SG]):
        # Also under the token of the first time: what is stored is answered, and no token is spent on it.
        for jti in ("J" * 22, "K" * 22):
            again = await post(world, batch, jti=jti)
            assert statuses(again) == [200, 200, 200]
            assert [answer["body"]["receipts"][0]["jws"] for answer in again] == [r["jws"] for r in receipts]
    assert len(await world[SG].database.read(lambda c: all_cases(c, 10))) == 3


@pytest.mark.parametrize("harm", ["one byte is another", "the last byte is missing", "one byte too many"])
async def test_a_damaged_bundle_is_sent_again_and_its_neighbours_are_receipted(
    world: World, harm: str
) -> None:
    batch = await sealed(world, 3)
    bid, whole = batch[1]
    damaged = {
        "one byte is another": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "the last byte is missing": whole[:-1],
        "one byte too many": whole + b"x",
    }[harm]
    code = {
        "one byte is another": "part-digest",
        "the last byte is missing": "incomplete",
        "one byte too many": "malformed",
    }[harm]
    answers = await post(world, [batch[0], (bid, damaged), batch[2]])
    assert [status // 100 for status in statuses(answers)] == [2, 4, 2]
    assert answers[1]["body"]["type"] == f"urn:gw:err:{code}"
    assert len(await world[SG].database.read(lambda c: all_cases(c, 10))) == 2
    # Nothing of the damaged one is in the way of the whole one, also under the token it came with.
    assert statuses(await post(world, batch)) == [200, 201, 200]


async def test_a_bundle_under_another_ones_name_is_refused_and_the_other_is_not_touched(
    world: World,
) -> None:
    (first, one), (second, two) = await sealed(world, 2)
    async with unchanged(world[SG]):
        answers = await post(world, [(first, two), (second, one)])
        assert statuses(answers) == [400, 400]
    assert statuses(await post(world, [(first, one), (second, two)])) == [201, 201]


async def test_the_token_of_a_batch_brings_no_further_bundle(world: World) -> None:
    batch = await sealed(world, 2)
    assert statuses(await post(world, batch[:1])) == [201]
    async with unchanged(world[SG]):
        answers = await post(world, batch[1:])
        assert (answers[0]["status"], answers[0]["body"]["type"]) == (409, "urn:gw:err:auth-replay")
    assert statuses(await post(world, batch[1:], jti="K" * 22)) == [201]


class _Stuck:
    """A paused upload whose file cannot be closed, or not soon."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.asked = asyncio.Event()

    async def let_go(self) -> None:
        self.asked.set()
        if self.fails:
            raise OSError("the disk went away")
        await asyncio.Event().wait()


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "is cancelled"])
async def test_a_bundle_whose_beginning_failed_is_not_busy_for_ever(world: World, fails: bool) -> None:
    batch = await sealed(world, 2)
    stuck = _Stuck(fails=fails)
    world[SG].acceptor._paused[KE, batch[0][0]] = stuck  # type: ignore[assignment]
    first = asyncio.create_task(post(world, batch))
    await stuck.asked.wait()
    if fails:
        assert statuses(await first) == [500, 201]
    else:
        # The server stops: everybody else's work ends in order, and this one's beginning with it.
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    again = await post(world, batch, jti="K" * 22)
    assert {status // 100 for status in statuses(again)} == {2}


async def test_a_batch_that_is_cancelled_at_any_turn_leaves_every_bundle_to_be_repeated(world: World) -> None:
    """The server stops in the midst: the repeat of each gets the stored receipt, or its first one."""
    acceptor, kept = world[SG].acceptor, {}
    for turns in (0, 1, 2, 3, 5, 8, 13, 21, 40):
        batch = await sealed(world, 3)
        places = Places(total=3, per_peer=3)
        task = asyncio.create_task(post(world, batch, jti=f"J{turns:021}", places=places))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not acceptor._running
        assert not acceptor._admission._arriving
        again = await post(world, batch, jti=f"K{turns:021}", places=places)
        assert {status // 100 for status in statuses(again)} == {2}
        kept.update(
            {bid: answer["body"]["receipts"][0]["jws"] for (bid, _), answer in zip(batch, again, strict=True)}
        )
        once_more = await post(world, batch, jti=f"L{turns:021}", places=places)
        assert [answer["body"]["receipts"][0]["jws"] for answer in once_more] == [
            kept[bid] for bid, _ in batch
        ]
    assert len(await world[SG].database.read(lambda c: all_cases(c, 100))) == len(kept)


async def test_the_same_bundles_in_several_batches_at_once_are_stored_once(world: World) -> None:
    batch = await sealed(world, 3)
    told = await asyncio.gather(*(post(world, batch, jti=f"{n:022}") for n in range(4)))
    assert {code for answers in told for code in statuses(answers)} <= {200, 201, 423}
    assert [sum(answers[n]["status"] == 201 for answers in told) for n in range(3)] == [1, 1, 1]
    assert statuses(await post(world, batch, jti="K" * 22)) == [200, 200, 200]
    assert len(await world[SG].database.read(lambda c: all_cases(c, 10))) == 3
    assert not world[SG].acceptor._running


async def test_no_damage_on_the_way_becomes_a_signed_rejection(world: World) -> None:
    batch = await sealed(world, 2)
    whole = b"".join(container for _, container in batch)
    rows = [(bid, len(container)) for bid, container in batch]
    chance = random.Random(24)
    async with unchanged(world[SG]):
        for n in range(60):
            at = chance.randrange(len(whole))
            damaged = bytearray(whole)
            damaged[at] ^= 1 << chance.randrange(8)
            if n % 3 == 0:
                # Moved: what was lost in the midst came at the end.
                damaged = damaged[:at] + damaged[at + 7 :] + damaged[at : at + 7]
            first, second = damaged[: rows[0][1]], damaged[rows[0][1] :]
            harmed = [n for n, part in enumerate((first, second)) if bytes(part) != batch[n][1]]
            parts = [(batch[n][0], bytes((first, second)[n])) for n in harmed]
            for answer in await post(world, parts, jti=f"{n:022}"):
                assert 400 <= answer["status"] < 500
                assert "receipts" not in answer["body"]
    assert statuses(await post(world, batch)) == [201, 201]


@pytest.mark.parametrize("sync_s", [0.0001, 0.01])
async def test_batches_take_turns_where_the_disk_is_fast(
    world: World, monkeypatch: pytest.MonkeyPatch, sync_s: float
) -> None:
    monkeypatch.setattr(backends, "sync_time_s", lambda _folder: sync_s)
    await world.restart(SG)
    assert world[SG].peer_limits.batches_in_turn is (sync_s < backends.SLOW_SYNC_S)
