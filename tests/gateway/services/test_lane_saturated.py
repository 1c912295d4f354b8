"""With everything held that routine work can hold, an urgent request passes all the same, step by step."""

import asyncio
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Endpoint, Outcome, Parcel
from gateway.services.delivery.courier import LEASE
from gateway.services.lanes import working_for
from gateway.services.sealing.signing import _SEALED_AT_ONCE
from gateway.storage import transmissions
from gateway.storage.database import BESIDE_URGENT, Database, Transaction
from gateway.storage.disk import in_thread
from gateway.storage.migrate import upgrade
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


async def test_an_urgent_unit_goes_into_the_next_group_and_first_with_few_beside_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    await upgrade(url)
    database = await Database.open(url, inline=True)
    order: list[str] = []
    groups: list[int] = []
    run_now = database._backend.run_now

    def counted(units: Any) -> Any:
        groups.append(len(units))
        return run_now(units)

    database._backend.run_now = counted  # type: ignore[method-assign]

    async def write(name: str) -> None:
        def unit(tx: Transaction) -> None:
            order.append(name)

        await database.write(unit)

    async with asyncio.TaskGroup() as tasks:
        for n in range(60):
            tasks.create_task(write(f"routine {n}"))
        with working_for("urgent"):
            tasks.create_task(write("urgent"))
    assert order[0] == "urgent"
    assert groups[0] == 1 + BESIDE_URGENT
    assert sorted(order) == sorted(["urgent", *(f"routine {n}" for n in range(60))])
    await database.aclose()


async def test_urgent_work_has_threads_of_its_own() -> None:
    release, started = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        started.release()
        release.wait(20)

    # More than the loop has threads for, whatever the machine.
    held = [asyncio.create_task(in_thread(hold)) for _ in range(40)]
    await asyncio.sleep(0)
    assert started.acquire(timeout=5)
    try:
        with working_for("urgent"):
            assert await asyncio.wait_for(in_thread(lambda: "passed"), 5) == "passed"
    finally:
        release.set()
        await asyncio.gather(*held)


async def test_an_urgent_request_arrives_while_every_worker_and_every_turn_of_routine_is_held(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        app = world[KE]
        wire: Any = app.adapter
        deliver, hangs = wire.deliver, asyncio.Semaphore(0)
        held = asyncio.Event()
        count = 0

        async def slow(parcel: Parcel, endpoint: Endpoint) -> Outcome:
            nonlocal count
            if not parcel.urgent:
                count += 1
                if count == app.settings.delivery.routine_workers:
                    held.set()
                await hangs.acquire()
            done: Outcome = await deliver(parcel, endpoint)
            return done

        wire.deliver = slow
        running = asyncio.create_task(app.courier.run())
        try:
            for _ in range(app.settings.delivery.routine_workers + 4):
                await world.submit(KE, *sample_request(1))
            await asyncio.wait_for(held.wait(), 20)
            async with AsyncExitStack() as stack:
                for _ in range(_SEALED_AT_ONCE):
                    await stack.enter_async_context(app.signing.turn("routine"))
                form, documents = sample_request(1)
                form["urgency"]["level"] = "urgent"
                consigned = asyncio.Event()
                app.courier._on_recorded = lambda key: consigned.set()
                sent = await asyncio.wait_for(world.submit(KE, form, documents), 10)
                assert sent.lane == "urgent"
                await asyncio.wait_for(consigned.wait(), 10)
            row = await app.database.read(lambda c: transmissions.find_transmission(c, KE, sent.bid, SG))
            assert row is not None
            assert row.state == "CONSIGNED"
        finally:
            for _ in range(100):
                hangs.release()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await world.run_for(2 * LEASE, step=2 * LEASE)
        await world.check()
