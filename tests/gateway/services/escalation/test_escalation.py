"""Nobody is left alone at night: people are called until one of them has signed for it, whatever breaks."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.config import HomePaths, parse_settings
from gateway.errors import StorageUnavailable
from gateway.model.escalation import Stage
from gateway.storage import escalations
from tests.nights import MINUTE, RO, US, answered, called, codes, entered, ladder, night
from tests.postgres import Cluster, postgresql_cluster
from tests.world import START, FakeClock, World, make_lab_home, sample_request, submit_to

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow


async def test_with_every_channel_dead_people_are_called_within_the_periods_and_on_and_on(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, away=True) as (world, bid):
        ro = world[RO]
        await world.run_for(5 * MINUTE - timedelta(seconds=10), step=timedelta(seconds=10))
        assert await called(ro, US) == set()
        assert await codes(world, bid) == []

        await world.run_for(timedelta(seconds=10), step=timedelta(seconds=10))
        assert await called(ro, US) == {("duty", "not-consigned", "urgent")}
        (task,) = (await world[RO].cases.status(bid)).tasks
        assert (task.code, task.owner) == ("no-receipt", "duty_officer")
        # The number comes from the directory: whom to call, and nothing of the case.
        assert "+999 131 0001 (duty)" in task.sentence

        await world.run_for(25 * MINUTE, step=MINUTE)
        assert ("shift_leader", "not-consigned", "urgent") in await called(ro, US)

        await world.run_for(90 * MINUTE, step=5 * MINUTE)
        (task,) = (await world[RO].cases.status(bid)).tasks
        assert (task.code, task.owner) == ("target-passed", "shift_leader")
        assert "INTERPOL (NCB US)" in task.sentence
        assert ("shift_leader", "target-passed", "urgent") in await called(ro, US)
        assert await entered(ro, "escalation.") == [
            "started:-",
            "stepped:not_consigned",
            "stepped:reminded",
            "stepped:target_passed",
        ]
        await world.run_for(timedelta(hours=5), step=timedelta(minutes=30))
        assert (await entered(ro, "escalation.")).count("stepped:target_passed") == 6
        assert (await ladder(world, bid)).stopped_at is None
        await world.check()


@pytest.fixture
def postgresql_url(postgresql_cluster: Cluster) -> Iterator[str]:
    with postgresql_cluster.database() as name:
        yield postgresql_cluster.url(name)


async def test_a_night_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    async with World.create(tmp_path, RO, US, urls={RO: postgresql_url}) as world:
        sent = await world.submit(RO, *sample_request(3))
        await world.run_for(35 * MINUTE, step=5 * MINUTE)
        assert "not-acknowledged" in await codes(world, sent.bid)
        await world[US].cases.acknowledge(f"{RO}/{sent.bid}", officer="duty-9")
        await world.run()
        await answered(world, sent.bid, "passkey")
        assert (await ladder(world, sent.bid)).stopped_at == world.clock.now()
        assert await called(world[RO], US) == set()


async def test_in_an_emergency_the_periods_are_shorter(tmp_path: Path) -> None:
    async with night(tmp_path, level="emergency", away=True) as (world, bid):
        await world.run_for(2 * MINUTE, step=timedelta(seconds=20))
        assert await called(world[RO], US) == {("duty", "not-consigned", "emergency")}
        await world.run_for(28 * MINUTE, step=MINUTE)
        assert await codes(world, bid) == ["target-passed"]


async def test_what_comes_at_night_calls_the_own_officers_one_after_another(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        us = world[US]
        assert await called(us, RO) == {("duty", "arrived", "urgent")}
        await world.run_for(10 * MINUTE, step=MINUTE)
        assert ("backup", "not-acknowledged", "urgent") in await called(us, RO)
        assert await codes(world, bid, of=US) == ["to-acknowledge"]
        await world.run_for(20 * MINUTE, step=MINUTE)
        assert ("shift_leader", "not-acknowledged", "urgent") in await called(us, RO)
        assert await entered(us, "escalation.") == ["started:-", "stepped:backup", "stepped:reminded"]


async def test_routine_traffic_neither_reads_nor_writes_anything_of_the_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        for name in ("open_of_thread", "add_escalation", "lock_escalation", "store_escalation"):
            monkeypatch.setattr(escalations, name, None)
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        assert sent.lane == "routine"
        await world.run()
        await world["sg-agc"].cases.acknowledge(f"ke-ag/{sent.bid}", officer="op-1")
        await world.run()
        assert (await world["ke-ag"].cases.status(sent.bid)).state == "received"


async def test_a_clock_that_is_set_back_makes_no_period_longer(tmp_path: Path) -> None:
    async with night(tmp_path, away=True) as (world, bid):
        app, ticks = world[RO], [0.0]
        app.escalation._monotonic = lambda: ticks[0]
        await world.run_for(10 * MINUTE, step=MINUTE)
        before = await ladder(world, bid)
        # Three hours back, as between two looks; then 20 minutes pass.
        ticks[0] += (world.clock.at - START).total_seconds()
        app.escalation._last = (world.clock.at, ticks[0])
        world.clock.at -= timedelta(hours=3)
        ticks[0] += 1
        await app.escalation.look()
        row = await ladder(world, bid)
        assert before.next_action_at is not None
        assert row.next_action_at is not None
        moved = timedelta(hours=3, seconds=1)
        assert before.next_action_at - row.next_action_at == moved
        assert (await entered(app, "escalation.clock"))[-1:] == ["clock_set_back:-"]
        world.advance(20 * MINUTE)
        ticks[0] += 20 * 60
        assert await app.escalation.look() == 1
        assert (await ladder(world, bid)).stage == Stage.REMINDED

        # The same after a restart, when nobody knows how much time really passed.
        world.clock.at -= timedelta(days=1)
        app.escalation._last = None
        await app.escalation.look()
        row = await ladder(world, bid)
        assert row.stage_at <= world.clock.now()
        assert row.next_action_at is not None
        assert row.next_action_at - world.clock.now() <= timedelta(minutes=90)


async def test_a_step_that_two_take_at_once_is_taken_once(tmp_path: Path) -> None:
    async with night(tmp_path, away=True) as (world, _):
        world.advance(5 * MINUTE)
        app = world[RO]
        await asyncio.gather(app.escalation.look(), app.escalation.look())
        assert (await entered(app, "escalation.stepped")) == ["stepped:not_consigned"]


async def test_a_database_that_is_away_delays_a_step_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with night(tmp_path, away=True) as (world, _):
        world.advance(5 * MINUTE)
        app = world[RO]
        write = app.database.write

        async def away(unit: Any) -> Any:
            raise StorageUnavailable

        monkeypatch.setattr(app.database, "write", away)
        with pytest.raises(StorageUnavailable):
            await app.escalation.look()
        monkeypatch.setattr(app.database, "write", write)
        assert await app.escalation.look() == 1
        assert await called(app, US) == {("duty", "not-consigned", "urgent")}


async def test_in_real_time_a_person_is_called_within_the_configured_seconds(tmp_path: Path) -> None:
    """Once with the machine's own clock and the loop that runs in service; every channel is dead."""
    for aid in (RO, US):
        await make_lab_home(tmp_path / aid, aid, clock=FakeClock(datetime.now(START.tzinfo)))
    settings = HomePaths(tmp_path / RO).settings
    text = settings.read_text()
    assert "urgent_receipt_s = 300.0" in text
    text = text.replace("urgent_receipt_s = 300.0", "urgent_receipt_s = 1.0")
    text = text.replace("backup_s = 600.0", "backup_s = 1.0").replace(
        "reminder_s = 1800.0", "reminder_s = 2.0"
    )
    settings.write_text(text.replace("target_s = 7200.0", "target_s = 3.0"))
    async with App.open(tmp_path / RO) as app:
        app.directory.enrol(HomePaths(tmp_path / US).enrolment.read_bytes(), now=datetime.now(START.tzinfo))
        running = [asyncio.create_task(run()) for run in (app.courier.run, app.escalation.run)]
        loop = asyncio.get_running_loop()
        form, documents = sample_request(3)
        form["urgency"]["level"] = "urgent"
        began = loop.time()
        await submit_to(app, form, documents)
        seen: dict[str, float] = {}
        while len(seen) < 3:
            for audience, reason, _ in await called(app, US):
                seen.setdefault(f"{audience} {reason}", loop.time() - began)
            seen.pop("shift_leader target-passed", None)
            assert loop.time() - began < 12
            await asyncio.sleep(0.02)
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    # Never before its time, and no second after it.
    assert 1.0 <= seen["duty not-consigned"] < 2.0
    assert 2.0 <= seen["shift_leader not-consigned"] < 3.0
    assert 3.0 <= seen["duty target-passed"] < 4.0


def test_settings_whose_steps_do_not_ascend_are_refused(tmp_path: Path) -> None:
    base = '[authority]\nid = "ro-diicot"\nstate = "RO"\nname = "x"\nnetwork = "lab"\n'
    assert parse_settings(base).escalation.urgent.target_s == 7200.0
    given = parse_settings(base + "[escalation.emergency]\ntarget_s = 1200.0\n")
    assert (given.escalation.emergency.target_s, given.escalation.emergency.reminder_s) == (1200.0, 600.0)
    for wrong in ("reminder_s = 9000.0", "backup_s = 2000.0", "reminder_s = 200.0"):
        with pytest.raises(ValueError, match="each step comes after the one before it"):
            parse_settings(base + f"[escalation.urgent]\n{wrong}\n")
