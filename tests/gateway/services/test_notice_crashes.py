"""The crash table's rows about notices: whatever a power cut leaves, the key ends everywhere, once."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.keys import KeyUse
from gateway.app import App
from gateway.errors import GatewayError
from gateway.storage import audit
from gateway.storage import revocations as store
from tests.gateway.services.test_crashes import Fuse
from tests.world import World

pytestmark = pytest.mark.slow

OWNER, PEER = "ke-ag", "sg-agc"

#: Step, whose COMMIT is hit, in which stage, and which one of that stage.
STEPS = [
    ("notice taken", OWNER, "take", 1),
    ("own key replaced", OWNER, "take", 2),
    ("notice to be passed on: claim", OWNER, "tell", 1),
    ("notice taken from a peer", PEER, "tell", 1),
    ("notice passed on: filed", OWNER, "tell", 2),
]


async def entered(app: App, event: str) -> int:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return sum(json.loads(row.body)["ev"] == event for row in rows)


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize(("step", "victim", "stage", "nth"), STEPS, ids=[step[0] for step in STEPS])
async def test_after_a_power_cut_at_any_step_a_notice_ends_its_key_at_both_sides(
    tmp_path: Path, step: str, victim: str, stage: str, nth: int, is_kept: bool
) -> None:
    async with World.create(tmp_path, OWNER, PEER) as world:
        lost = world[OWNER].keyring.current(KeyUse.SIG, world.clock.now()).public.kid
        since = world.clock.now() - timedelta(days=1)
        data = world[OWNER].upkeep.make_notice(lost, reason="compromise", since=since)

        async def take() -> None:
            await world[OWNER].revocations.take(data)

        async def tell() -> None:
            await world[OWNER].revocations.tell_due()

        for name, act in (("take", take), ("tell", tell)):
            if name != stage:
                await act()
                continue
            fuse = world.commits[victim] = Fuse(nth, is_kept)
            with suppress(GatewayError):
                await act()
            assert fuse.blown, "the step names a COMMIT that does not happen"
            await world.crash(victim)
            # People repeat what they were told had failed; the rest goes on by itself.
            await act()
        for _ in range(3):
            world.advance(timedelta(minutes=5))
            await world.run()

        now = world.clock.now()
        for app in world.apps.values():
            assert [row.kid for row in await app.database.read(store.all_revocations)] == [lost]
            assert app.directory.key_in_force(OWNER, KeyUse.SIG, lost).status == "revoked"
            assert not await app.database.read(lambda c: store.is_notice_due(c, now))
            assert await entered(app, "key.revoked") == 1
        held = [key for key in world[OWNER].keyring.held if key.public.use == KeyUse.SIG]
        assert [key.status for key in held] == ["revoked", "active"]
        await world.check()
