"""Wrong clocks: ten minutes are said to be a matter of the clock and tried again; small ones do no harm."""

from datetime import timedelta
from pathlib import Path

import pytest

from crypto.errors import CODES, Action
from crypto.reqjwt import issue_request_token
from gateway.errors import GatewayRefusal
from gateway.model.channels import CARRIER
from gateway.services.arrivals.peergate import Caller
from gateway.services.home import publish_own_record
from gateway.storage import transmissions
from tests.hostile import craft, refused, restart_with_clock, send, unchanged, verdict
from tests.world import World, sample_request

KE, SG = "ke-ag", "sg-agc"
TEN = timedelta(minutes=10)
FOUR = timedelta(minutes=4)


async def row_of(world: World, bid: str) -> transmissions.TransmissionRow:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row


def call(world: World, caller: str, callee: str) -> Caller:
    """Make a request token by one clock and check it by the other, with the real gate."""
    sender, receiver = world[caller], world[callee]
    now = sender.clock.now()
    token = issue_request_token(
        sender.keyring.signer("req", now),
        iss=caller,
        aud=callee,
        method="GET",
        path_qs="/gw/v1/hello",
        now=now,
    )
    der = next(k.public.pub for k in receiver.directory.keys(caller, "tls"))
    return receiver.peer_gate.authenticate(
        authorization=f"GW {token}",
        method="GET",
        path_qs="/gw/v1/hello",
        peer_cert_der=der,
        now=receiver.clock.now(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("who", [KE, SG])
@pytest.mark.parametrize("skew", [-FOUR, FOUR])
async def test_four_minutes_on_either_side_do_a_bundle_no_harm(
    tmp_path: Path, who: str, skew: timedelta
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        await restart_with_clock(world, who, skew)
        sent = await world.submit(KE, *sample_request(1))
        await world.run()
        await world[SG].cases.acknowledge(sent.bid, officer="op-1")
        await world.run()
        assert (await row_of(world, sent.bid)).state == "CONSIGNED"
        assert (await world[KE].cases.status(sent.bid)).state == "received"
        await world.check()


@pytest.mark.slow
async def test_a_sender_ten_minutes_ahead_is_told_that_it_is_the_clock_and_delivers_once_it_is_right(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        await restart_with_clock(world, KE, TEN)
        sent = await world.submit(KE, *sample_request(1))
        async with unchanged(world[SG]):
            await world.run()
        row = await row_of(world, sent.bid)
        assert (row.state, row.last_code, row.next_action) == ("QUEUED", "clock", "attempt")
        assert row.next_action_at is not None
        assert row.next_action_at > world[KE].clock.now()
        shown = (await world[KE].cases.status(sent.bid)).transmissions[0]
        assert shown.last_code == "clock"
        assert "time service" in CODES["clock"].sentence
        # Nobody mended the clock, yet the sealed date is reached: then the same bundle passes.
        await world.run_for(timedelta(minutes=20), step=timedelta(minutes=1))
        assert (await row_of(world, sent.bid)).state == "CONSIGNED"
        await world.check()


@pytest.mark.slow
async def test_a_recipient_ten_minutes_behind_says_clock_and_takes_it_once_its_clock_is_right(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        await restart_with_clock(world, SG, -TEN)
        sent = await world.submit(KE, *sample_request(1))
        await world.run()
        assert (await row_of(world, sent.bid)).last_code == "clock"
        await world.restart(SG)
        await world.run_for(timedelta(minutes=3), step=timedelta(seconds=30))
        assert (await row_of(world, sent.bid)).state == "CONSIGNED"
        await world.check()


@pytest.mark.slow
@pytest.mark.parametrize(("who", "skew"), [(KE, -TEN), (SG, TEN)])
async def test_ten_minutes_the_other_way_end_in_a_delivery_that_both_sides_agree_on(
    tmp_path: Path, who: str, skew: timedelta
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        await restart_with_clock(world, who, skew)
        sent = await world.submit(KE, *sample_request(1))
        await world.run_for(timedelta(minutes=15), step=timedelta(minutes=1))
        assert (await row_of(world, sent.bid)).state == "CONSIGNED"
        assert (await world[KE].cases.status(sent.bid)).state == "delivered"
        await world.check()


@pytest.mark.slow
async def test_a_call_is_refused_for_the_clock_beyond_two_minutes_and_that_is_never_final(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        assert call(world, KE, SG).aid == KE
        for skew in (timedelta(minutes=2), timedelta(minutes=-2)):
            await restart_with_clock(world, KE, skew)
            assert call(world, KE, SG).aid == KE
        for skew in (TEN, -TEN, timedelta(days=300), timedelta(minutes=4)):
            await restart_with_clock(world, KE, skew)
            async with unchanged(world[SG]):
                with pytest.raises(GatewayRefusal) as caught:
                    call(world, KE, SG)
            assert caught.value.code == "clock"
            assert caught.value.retryable
        assert CODES["clock"].action is Action.RETRY


def without_medium(world: World, aid: str, *, known_to: str) -> None:
    """Let a record list no medium any more: what a carrier may bring has half a year."""
    app, now = world[aid], world.clock.now()
    kept = [row for row in app.directory.own.raw["channels"] if row["channel"] != CARRIER]
    app.directory.update_own({**app.directory.own.raw, "channels": kept}, now)
    publish_own_record(app.home, keyring=app.keyring, directory=app.directory, state=None, now=now)
    world[known_to].directory.enrol(app.home.enrolment.read_bytes(), now=now)


@pytest.mark.slow
async def test_a_clock_that_is_always_wrong_alarms_nobody_wrongly_and_ends_at_the_horizon_only(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        without_medium(world, SG, known_to=KE)
        await restart_with_clock(world, KE, timedelta(days=30))
        sent = await world.submit(KE, *sample_request(1))
        await world.run_for(timedelta(days=13), step=timedelta(hours=6))
        row = await row_of(world, sent.bid)
        assert (row.state, row.last_code) == ("QUEUED", "clock")
        await world.run_for(timedelta(days=2), step=timedelta(hours=6))
        assert (await row_of(world, sent.bid)).state == "FAILED"
        kinds = [(r.type, r.reason) for r in await world[KE].cases.receipts(sent.bid)]
        assert kinds == [("submission", None), ("failure", "clock")]


@pytest.mark.slow
async def test_a_bundle_first_delivered_on_day_13_is_accepted_and_one_after_its_date_is_not(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        late = craft(world[KE], world[SG], *sample_request(1))
        later = craft(world[KE], world[SG], *sample_request(1))
        world.advance(timedelta(days=13))
        assert verdict(await send(world[SG], late)) == ("consignment", None)
        world.advance(timedelta(days=47, seconds=1))
        async with refused("expired", world[SG]):
            await send(world[SG], later)
