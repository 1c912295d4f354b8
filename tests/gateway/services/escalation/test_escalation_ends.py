"""What ends a ladder and what does not: a person's signature does, and no machine's word."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import GatewayRefusal
from gateway.model.escalation import Stage
from gateway.services.casework.followers import Added
from gateway.storage import cases, transmissions
from tests.ladders import find_ladder
from tests.nights import MINUTE, RO, US, answered, called, codes, entered, ladder, night
from tests.people import enrolled, signed
from tests.world import START, Faults

pytestmark = pytest.mark.slow


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


async def test_an_acknowledgement_of_ours_that_does_not_arrive_calls_somebody_too(tmp_path: Path) -> None:
    async with night(tmp_path) as (world, bid):
        await world.run()
        world.faults[US] = Faults(lose_request=10**6)
        sent = await world[US].cases.acknowledge(f"{RO}/{bid}", officer="duty-9")
        await world.run_for(5 * MINUTE, step=MINUTE)
        assert ("duty", "not-consigned", "urgent") in await called(world[US], RO)
        world.faults[US] = Faults()
        await world.run_for(5 * MINUTE, step=MINUTE)
        row = await world[US].database.read(lambda c: find_ladder(c, (US, sent.bid, RO)))
        assert row is not None
        assert (row.awaits, row.stopped_by) == ("consignment", "consignment")
        # Nobody acknowledges an acknowledgement, and it wakes nobody where it arrives.
        assert ("duty", "arrived", "urgent") not in await called(world[RO], US)


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
