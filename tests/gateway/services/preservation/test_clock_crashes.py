"""The crash table's rows about the ends of preserved data: whatever a power cut leaves, each is told once."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from tests.gateway.services.preservation.night import DAY, RO, US, iso
from tests.gateway.services.preservation.test_clock import NOTICE, clocks, logged, look, preserved, stored
from tests.gateway.services.test_crashes import Fuse
from tests.world import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize("step", ["warned", "lapsed", "held by a follow-up"])
async def test_after_a_power_cut_each_end_is_told_once_and_both_sides_agree(
    tmp_path: Path, step: str, is_kept: bool
) -> None:
    async with World.create(tmp_path, RO, US) as world:
        ref, end = await preserved(world)
        moments = {
            "warned": end - DAY,
            "lapsed": end + timedelta(seconds=1),
            "held by a follow-up": end - DAY,
        }
        world.clock.at = moments[step]
        victim = US
        if step == "held by a follow-up":
            await look(world)
            sent = {**NOTICE, "sent_at": iso(world.clock.now())}
            await world[RO].desk.preservation.act(ref, "mla_follow_up_notice", sent, officer="night-01")
        fuse = world.commits[victim] = Fuse(1, is_kept)
        with suppress(GatewayError):
            await (
                world.step()
                if step == "held by a follow-up"
                else world[US]._casework.clock.look(moments[step])
            )
        assert fuse.blown, "the step names a COMMIT that does not happen"
        await world.crash(victim)
        await world.run_for(timedelta(minutes=5), step=timedelta(minutes=1))
        after = {
            "warned": "preserved",
            "lapsed": "preservation_lapsed",
            "held by a follow-up": "held_pending_decision",
        }
        assert await stored(world) == (after[step],) * 2
        assert len(await logged(world, US, "preservation.warned")) == (0 if step == "lapsed" else 1)
        assert len(await logged(world, US, "preservation.lapsed")) == (2 if step == "lapsed" else 0)
        due = {row.due for row in await clocks(world, US)}
        assert due == ({"end"} if step == "warned" else {"none"})
        await world.check()
