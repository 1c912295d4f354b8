"""Bundles are sealed a few at a time, so that the first ones travel while others are still being sealed."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.services.sealing.signing import _SEALED_AT_ONCE
from gateway.storage import transmissions
from gateway.storage.group import commit_now
from tests.world import World, sample_request

pytestmark = pytest.mark.slow


async def test_requests_that_come_together_are_made_durable_in_several_groups(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        await world.run()
        stored: list[int] = []

        def commit(connection: Connection) -> None:
            commit_now(connection)
            stored.append(connection.exec_driver_sql("select count(*) from transmission").scalar_one())
            connection.rollback()

        world.commits["ke-ag"] = commit
        forms = [sample_request(1) for _ in range(3 * _SEALED_AT_ONCE)]
        await asyncio.gather(*(world.submit("ke-ag", *one) for one in forms))
        steps = [later - sooner for sooner, later in zip([0, *stored], stored, strict=False)]
        assert sum(steps) == len(forms)
        assert max(steps) <= _SEALED_AT_ONCE
        del world.commits["ke-ag"]
        await world.run()
        await world.check()


async def test_an_urgent_request_waits_for_no_turn_of_the_routine_lane(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ro-diicot", "us-ccips") as world:
        signing = world["ro-diicot"].signing
        form, documents = sample_request(3)
        async with AsyncExitStack() as stack:
            for _ in range(_SEALED_AT_ONCE):
                await stack.enter_async_context(signing.turn("routine"))
            async with asyncio.timeout(10):
                sent = await world.submit("ro-diicot", form, documents)
        key: Any = ("ro-diicot", sent.bid, "us-ccips")
        row = await world["ro-diicot"].database.read(lambda c: transmissions.find_transmission(c, *key))
        assert row is not None
        assert row.lane == "urgent"
