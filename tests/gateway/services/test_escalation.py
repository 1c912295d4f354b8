"""Nobody is left alone at night: people are called until one of them has signed for it, whatever breaks."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.app import App
from gateway.config import HomePaths, parse_settings
from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.model.escalation import Stage
from gateway.services.followers import Added
from gateway.storage import audit, cases, escalations, paging, transmissions
from gateway.storage.escalations import EscalationRow
from tests.people import enrolled, signed
from tests.postgres import Cluster, postgresql_cluster
from tests.world import START, FakeClock, Faults, World, make_lab_home, sample_request, submit_to

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow
RO, US = "ro-diicot", "us-ccips"
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def night(
    folder: Path, *, level: str = "urgent", away: bool = False
) -> AsyncIterator[tuple[World, str]]:
    """A preservation request that Romania's duty officer sends at night; ``away``: every channel is dead."""
    async with World.create(folder, RO, US) as world:
        if away:
            world.faults[RO] = Faults(lose_request=10**6)
        form, documents = sample_request(3)
        form["urgency"]["level"] = level
        sent = await world.submit(RO, form, documents)
        await world.step()
        yield world, sent.bid


async def ladder(world: World, bid: str, of: str = RO) -> EscalationRow:
    row = await world[of].database.read(lambda c: escalations.find_escalation(c, (RO, bid, US)))
    assert row is not None
    return row


async def called(app: App, peer: str) -> set[tuple[str, str, str]]:
    """Return audience, reason and level of everything that is on an open page about a peer."""

    def query(connection: Any) -> set[tuple[str, str, str]]:
        found = set()
        for audience in ("duty", "backup", "shift_leader"):
            page = paging.open_page(connection, peer, audience)
            if page is not None:
                matters = paging.matters_of(connection, page.id)
                found |= {(audience, m.reason, page.level) for m in matters if m.settled_at is None}
        return found

    return await app.database.read(query)


async def entered(app: App, prefix: str) -> list[str]:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    said = [b for b in bodies if b["ev"].startswith(prefix)]
    return [
        b["ev"].partition(".")[2] + ":" + (b.get("stage") or b.get("code") or b.get("assurance") or "-")
        for b in said
    ]


async def codes(world: World, bid: str, of: str = RO) -> list[str]:
    return [task.code for task in (await world[of].cases.status(bid)).tasks]


async def answered(world: World, bid: str, assurance: str, *, of: str = RO) -> None:
    """Let the acknowledgement that is here count as if a person had vouched for it like this."""
    app = world[of]
    peer = US if of == RO else RO

    def query(connection: Any) -> tuple[cases.CaseRow | None, cases.MessageRow]:
        row = cases.find_message(connection, RO, bid)
        assert row is not None
        said = cases.messages_of(connection, row.thread_id, peer)
        return cases.find_case(connection, row.thread_id, peer), said[-1]

    case, row = await app.database.read(query)
    assert case is not None
    assert row.message_type == "preservation_acknowledgement"
    added = Added(
        case=case,
        row=replace(row, assurance=assurance),
        form={},
        is_ours=of == US,
        now=world.clock.now(),
    )
    await app.database.write(lambda tx: app.ladder._end(tx, added))


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


async def test_a_machines_receipts_stop_no_clock_and_neither_does_opening_it(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        row = await ladder(world, bid)
        assert (row.stage, row.consigned_at, row.stopped_at) == ("waiting", START, None)
        await world[US].cases.open(f"{RO}/{bid}", tmp_path / "opened")
        await world.run()
        held = await world[RO].database.read(lambda c: transmissions.find_transmission(c, RO, bid, US))
        assert held is not None
        assert held.state == "HANDED_OVER"
        await world.run_for(30 * MINUTE, step=5 * MINUTE)
        assert await called(world[RO], US) == {
            ("duty", "not-acknowledged", "urgent"),
            ("shift_leader", "not-acknowledged", "urgent"),
        }
        (task,) = (await world[RO].cases.status(bid)).tasks
        assert (task.code, task.owner) == ("not-acknowledged", "duty_officer")
        assert "+999 131 0001" in task.sentence


async def test_an_acknowledgement_nobody_signed_is_filed_and_the_clock_goes_on(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        await world[US].cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.run()
        status = await world[RO].cases.status(bid)
        assert status.state == "preservation_acknowledged"
        for aid in (RO, US):
            row = await ladder(world, bid, of=aid)
            assert (row.stopped_at, row.unsigned_at) == (None, START)
            assert "unsigned:local_operator" in await entered(world[aid], "escalation.")
        await world.run_for(30 * MINUTE, step=5 * MINUTE)
        assert "not-acknowledged" in await codes(world, bid)
        (task,) = [t for t in (await world[RO].cases.status(bid)).tasks if t.kind == "escalation"]
        assert "carries no person's signature" in task.sentence


@pytest.mark.parametrize("assurance", ["passkey", "token", "second_person_telephone"])
async def test_a_persons_signed_acknowledgement_stops_the_clock_on_both_sides(
    tmp_path: Path, assurance: str
) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run_for(40 * MINUTE, step=5 * MINUTE)
        await world[US].cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.run()
        for aid, peer in ((RO, US), (US, RO)):
            await answered(world, bid, assurance, of=aid)
            row = await ladder(world, bid, of=aid)
            assert row.next_action_at is None
            assert (row.stopped_at, (row.stopped_by or "").partition("/")[0]) == (world.clock.now(), US)
            assert await called(world[aid], peer) == set()
            assert (await entered(world[aid], "escalation."))[-1] == f"stopped:{assurance}"
            tasks = (await world[aid].cases.status(bid)).tasks
            assert [task.code for task in tasks if task.kind == "escalation"] == []
        await world.run_for(timedelta(hours=3), step=timedelta(minutes=30))
        assert (await entered(world[RO], "escalation."))[-1] == f"stopped:{assurance}"
        await world.check()


async def test_a_passkey_stops_what_a_sign_in_alone_did_not(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        us = world[US]
        await us.cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.run()
        with pytest.raises(GatewayRefusal, match="acknowledged already"):
            await us.cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        phone = await enrolled(us, "duty-9")
        sent = await signed(us, await us.cases.acknowledge(f"{RO}/{bid}", officer="duty-9"), phone)
        assert (await ladder(world, bid, of=US)).stopped_by == f"{US}/{sent.bid}"
        await world.run()
        row = await ladder(world, bid)
        assert (row.unsigned_at, row.stopped_by) == (START, f"{US}/{sent.bid}")
        assert (await entered(world[RO], "escalation."))[-1] == "stopped:passkey"
        assert (await world[RO].cases.status(bid)).state == "preservation_acknowledged"
        with pytest.raises(GatewayRefusal, match="acknowledged already"):
            await us.cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.check()


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


async def test_an_acknowledgement_of_ours_that_does_not_arrive_calls_somebody_too(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        world.faults[US] = Faults(lose_request=10**6)
        sent = await world[US].cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.run_for(5 * MINUTE, step=MINUTE)
        assert ("duty", "not-consigned", "urgent") in await called(world[US], RO)
        world.faults[US] = Faults()
        await world.run_for(5 * MINUTE, step=MINUTE)
        row = await world[US].database.read(lambda c: escalations.find_escalation(c, (US, sent.bid, RO)))
        assert row is not None
        assert (row.awaits, row.stopped_by) == ("consignment", "consignment")
        # Nobody acknowledges an acknowledgement, and it wakes nobody where it arrives.
        assert ("duty", "arrived", "urgent") not in await called(world[RO], US)


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


async def test_what_every_channel_gave_up_calls_somebody_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, away=True) as (world, bid):
        app = world[RO]
        await app.database.write(lambda tx: app.ladder.hurry(tx, (RO, bid, US), world.clock.now()))
        await app.escalation.look()
        # It is still under way: looked at, and left alone.
        assert await called(app, US) == set()

        def failed(tx: Any) -> None:
            row = transmissions.lock_transmission(tx.view((RO, bid)), RO, bid, US)
            assert row is not None
            transmissions.store_transmission(tx, app._book._onward.give_up(tx, row, None, world.clock.now()))

        await app.database.write(failed)
        assert await app.escalation.look() == 1
        assert await called(app, US) == {("duty", "not-consigned", "urgent")}
        # The transmission's own task tells why; a second one about the same would only be noise.
        assert await codes(world, bid) == ["unavailable"]
        assert (await ladder(world, bid)).stopped_at is None


async def test_it_stops_when_the_bundle_expires_and_says_so(tmp_path: Path) -> None:
    async with night(tmp_path, away=True) as (world, bid):
        await world.run_for(timedelta(hours=3), step=timedelta(minutes=30))
        held = await world[RO].database.read(lambda c: transmissions.find_transmission(c, RO, bid, US))
        assert held is not None
        world.clock.at = held.expires_at - MINUTE
        while await world[RO].escalation.look():
            pass
        assert (await ladder(world, bid)).stopped_at is None
        world.clock.at = held.expires_at
        while await world[RO].escalation.look():
            pass
        row = await ladder(world, bid)
        assert (row.stage, row.stopped_by, row.next_action_at) == (Stage.EXPIRED, "expired", None)
        assert "escalation-expired" in await codes(world, bid)
        assert ("shift_leader", "target-passed", "urgent") in await called(world[RO], US)


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


async def test_a_request_that_its_authority_takes_back_needs_nobody_any_more(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run_for(12 * MINUTE, step=MINUTE)
        app = world[US]
        case = await app.database.read(lambda c: cases.find_case(c, _thread(c, bid), RO))
        assert case is not None
        row = await app.database.read(lambda c: cases.find_message(c, RO, bid))
        assert row is not None
        added = Added(
            case=replace(case, state="preservation_released"),
            row=replace(row, message_type="preservation_release", seq=2, bid="f" * 32),
            form={},
            is_ours=False,
            now=world.clock.now(),
        )
        await app.database.write(lambda tx: app.ladder._end(tx, added))
        assert (await ladder(world, bid, of=US)).stopped_by == f"{RO}/{'f' * 32}"
        assert await called(app, RO) == set()


def _thread(connection: Any, bid: str) -> str:
    row = cases.find_message(connection, RO, bid)
    assert row is not None
    return row.thread_id


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
