"""The crash table's rows of officers and acts: each COMMIT fails once, or is kept but reported failed.

The process is then lost and started again, and the people do once more what they were told had failed.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.services.acts.acts import PreparedAct
from gateway.storage import acts, cases, peers
from tests.gateway.services.escalation.test_escalation_crashes import Fuse
from tests.people import enrolled, invited, read_out
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"
T = TypeVar("T")


async def cut(world: World, is_kept: bool, work: Callable[[], Awaitable[Any]]) -> None:
    """Let the next COMMIT end the process while ``work`` is done, and start it again."""
    fuse = world.commits[SG] = Fuse(is_kept=is_kept)
    with suppress(StorageUnavailable):
        await work()
    assert fuse.is_blown
    del world.commits[SG]
    await world.crash(SG)


async def known(work: Awaitable[T], code: str) -> T | None:
    """Do something again that may have been kept: done, or known to be done by this code."""
    try:
        return await work
    except GatewayRefusal as refusal:
        if refusal.code != code:
            raise
        return None


@pytest.mark.parametrize("is_kept", [False, True], ids=["failed", "kept"])
async def test_every_step_from_the_invitation_to_the_signed_act_is_taken_once(
    tmp_path: Path, is_kept: bool
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        sent = await world.submit(KE, *sample_request(1, size=300))
        await world.run()
        # Invited: a link nobody was shown opens nothing; inviting again gives one that does.
        await cut(world, is_kept, lambda: invited(world[SG], "sg-do-1"))
        token = await invited(world[SG], "sg-do-1")
        phone = SoftPasskeys(origin=world[SG].officers.party.origin)
        # Asked for a passkey: asked again, with another challenge.
        await cut(world, is_kept, lambda: world[SG].officers.begin_registration(token))
        options = (await world[SG].officers.begin_registration(token)).options
        # The passkey kept: answered again, or the link is used and the passkey is there.
        made = phone.create(options)
        await cut(world, is_kept, lambda: world[SG].officers.complete_registration(token, made))
        await known(world[SG].officers.complete_registration(token, made), "setup-link-invalid")
        assert len((await world[SG].officers.find("sg-do-1")).passkeys) == 1
        # Confirmed: said again, or nothing waits any more.
        (words,) = await read_out(world[SG], "sg-do-1")
        await cut(world, is_kept, lambda: world[SG].officers.confirm("sg-do-1", by="deputy", words=words))
        again = world[SG].officers.confirm("sg-do-1", by="deputy", words=words)
        await known(again, "officer-nothing-to-confirm")
        assert (await world[SG].officers.find("sg-do-1")).is_ready
        # Signed in: challenges die with the process, so it is done again with a new one.
        answer = phone.get(world[SG].officers.sign_in_options().options)
        await cut(world, is_kept, lambda: world[SG].officers.sign_in(answer))
        await world[SG].officers.sign_in(phone.get(world[SG].officers.sign_in_options().options))
        # Prepared: asking again gives the one that was kept, or a first one.
        ref = f"{KE}/{sent.bid}"
        await cut(world, is_kept, lambda: world[SG].cases.acknowledge(ref, officer="sg-do-1"))
        act = await world[SG].cases.acknowledge(ref, officer="sg-do-1")
        assert isinstance(act, PreparedAct)
        assert [each.id for each in await world[SG].acts.waiting()] == [act.id]
        # Signed: sent again, or the act is over; one message, vouched for by the passkey.
        good = phone.get(act.options)

        async def sign() -> None:
            await world[SG].acts.sign(act.id, officer="sg-do-1", assertion=good)

        await cut(world, is_kept, sign)
        row = await world[SG].database.read(lambda c: acts.find_act(c, act.id))
        assert row is not None
        assert row.state == ("sent" if is_kept else "waiting")
        await known(sign(), "act-over")
        await world.run()
        message = await world[KE].database.read(lambda c: cases.find_message(c, SG, act.bid))
        assert message is not None
        assert (message.assurance, message.officer) == ("passkey", "sg-do-1")
        # Suspended: said again; either way nobody signs any more.
        await cut(world, is_kept, lambda: world[SG].officers.suspend("sg-do-1", by="head"))
        await world[SG].officers.suspend("sg-do-1", by="head")
        assert not await world[SG].officers.anybody_is_ready()
        await world.check()


@pytest.mark.parametrize("is_kept", [False, True], ids=["failed", "kept"])
async def test_an_act_that_nobody_signs_ends_once(tmp_path: Path, is_kept: bool) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        sent = await world.submit(KE, *sample_request(1, size=300))
        await world.run()
        await enrolled(world[SG], "sg-do-1")
        act = await world[SG].cases.acknowledge(f"{KE}/{sent.bid}", officer="sg-do-1")
        assert isinstance(act, PreparedAct)
        world.advance(timedelta(days=7))
        await cut(world, is_kept, lambda: world[SG].acts.look(world.clock.now()))
        assert await world[SG].acts.look(world.clock.now()) == (0 if is_kept else 1)
        row = await world[SG].database.read(lambda c: acts.find_act(c, act.id))
        assert row is not None
        assert (row.state, row.form) == ("expired", None)
        assert [t.code for t in await world[SG].database.read(peers.open_tasks)].count("act-unsigned") == 1
