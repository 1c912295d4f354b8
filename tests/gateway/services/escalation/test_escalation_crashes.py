"""The crash table's rows of the urgent lane: each COMMIT of a ladder fails, or is kept but reported failed.

The process is then lost and started again. Whatever the row, the ladder ends where it would have: every step
taken once, every person called, and nobody called once somebody signed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StorageUnavailable
from gateway.storage.database import Connection
from tests.ladders import find_ladder
from tests.nights import MINUTE, RO, US, answered, called, entered, ladder
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow


class PowerCut(Exception):
    """Stands for the process ending at a COMMIT."""


@dataclass(slots=True)
class Fuse:
    """Fails the next COMMIT, once."""

    is_kept: bool
    is_blown: bool = False

    def __call__(self, connection: Connection) -> None:
        if self.is_blown or self.is_kept:
            connection.commit()
        if not self.is_blown:
            self.is_blown = True
            raise PowerCut


async def cut(world: World, victim: str, is_kept: bool, work: Callable[[], Awaitable[object]]) -> None:
    """Let the next COMMIT of a gateway end its process, start it again, and do the work once more."""
    fuse = world.commits[victim] = Fuse(is_kept=is_kept)
    with pytest.raises(StorageUnavailable):
        await work()
    assert fuse.is_blown
    del world.commits[victim]
    await world.crash(victim)


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_step_is_taken_once_and_everybody_is_called(tmp_path: Path, is_kept: bool) -> None:
    async with World.create(tmp_path, RO, US) as world:
        world.faults[RO] = Faults(lose_request=10**6)
        sent = await world.submit(RO, *sample_request(3))
        world.advance(5 * MINUTE)
        await cut(world, RO, is_kept, lambda: world[RO].escalation.look())
        row = await ladder(world, sent.bid)
        assert row.stage == ("not_consigned" if is_kept else "waiting")
        await world[RO].escalation.look()
        assert await called(world[RO], US) == {("duty", "not-consigned", "urgent")}
        assert await entered(world[RO], "escalation.") == ["started:-", "stepped:not_consigned"]
        tasks = (await world[RO].cases.status(sent.bid)).tasks
        assert [task.code for task in tasks] == ["no-receipt"]


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_ladder_is_there_if_and_only_if_its_bundle_is(tmp_path: Path, is_kept: bool) -> None:
    async with World.create(tmp_path, RO, US) as world:
        form, documents = sample_request(3)
        bid = form["thread"]["message_id"].partition("/")[2]

        async def submit() -> Any:
            sent = await world.submit(RO, form, documents)
            # A COMMIT that was kept is found to be: the officer is told the truth.
            raise StorageUnavailable if is_kept and sent.bid == bid else AssertionError

        await cut(world, RO, is_kept, submit)
        row = await world[RO].database.read(lambda c: find_ladder(c, (RO, bid, US)))
        assert (row is not None) is is_kept
        if not is_kept:
            await world.submit(RO, form, documents)
        await world.run()
        for aid in (RO, US):
            assert (await ladder(world, bid, of=aid)).stopped_at is None
            assert (await entered(world[aid], "escalation."))[:1] == ["started:-"]


@pytest.mark.parametrize("is_kept", [False, True])
async def test_what_arrives_at_night_is_paged_once_whatever_became_of_the_first_answer(
    tmp_path: Path, is_kept: bool
) -> None:
    async with World.create(tmp_path, RO, US) as world:
        sent = await world.submit(RO, *sample_request(3))
        world.commits[US] = Fuse(is_kept=is_kept)
        await world.step()
        del world.commits[US]
        await world.crash(US)
        await world.run_for(2 * MINUTE, step=MINUTE)
        assert (await ladder(world, sent.bid)).consigned_at is not None
        assert await called(world[US], RO) == {("duty", "arrived", "urgent")}
        assert await entered(world[US], "escalation.") == ["started:-"]
        await world.check()


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_signed_acknowledgement_stops_it_once(tmp_path: Path, is_kept: bool) -> None:
    async with World.create(tmp_path, RO, US) as world:
        sent = await world.submit(RO, *sample_request(3))
        await world.run_for(40 * MINUTE, step=5 * MINUTE)
        await world[US].cases.acknowledge(f"{RO}/{sent.bid}", officer="duty-9")
        await world.run()
        await cut(world, RO, is_kept, lambda: answered(world, sent.bid, "passkey"))
        assert ((await ladder(world, sent.bid)).stopped_at is not None) is is_kept
        await answered(world, sent.bid, "passkey")
        assert (await entered(world[RO], "escalation.")).count("stopped:passkey") == 1
        assert await called(world[RO], US) == set()
