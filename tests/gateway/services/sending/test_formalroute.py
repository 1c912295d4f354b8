"""Where another route is required: an advance copy, a task from the submission on, and a person's word."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.services.sending.formalroute import routes_by_hand
from gateway.services.sending.way import Ways
from gateway.storage import audit
from tests.sampledata import entry
from tests.world import World, sample_request

SN, FR = "sn-mj", "fr-mae"


def extradition(to: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    form, documents = sample_request(2)
    row = entry(to)
    form["requested_authority"] = {**form["requested_authority"], "authority_id": to, "state": row["state"]}
    return form, documents


async def entered(world: World, event: str) -> list[dict[str, Any]]:
    rows = await world[SN].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return [body for body in (json.loads(row.body) for row in rows) if body["ev"] == event]


async def waiting(world: World, bid: str) -> list[str]:
    return [task.code for task in (await world[SN].cases.status(bid)).tasks]


@pytest.mark.slow
async def test_the_advance_copy_goes_and_the_formal_route_waits_until_a_person_confirms_it(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, SN, FR) as world:
        form, documents = extradition(FR)
        sent = await world.submit(SN, form, documents)
        assert sent.channel == "gateway_https"
        assert await waiting(world, sent.bid) == ["formal-route"]
        await world.run()
        # The copy has arrived; the formal route still has to be confirmed.
        assert (await world[SN].cases.status(sent.bid)).state == "delivered"
        assert await waiting(world, sent.bid) == ["formal-route"]
        desk = world[SN].desk.routes
        for wrong in ("paper-original", "nonsense"):
            with pytest.raises(GatewayRefusal, match="route-not-open"):
                await desk.confirm(sent.bid, wrong, officer="op-17")
        assert await waiting(world, sent.bid) == ["formal-route"]
        done = await desk.confirm(sent.bid, "formal-route", officer="op-17")
        assert (done.to, done.waiting, await waiting(world, sent.bid)) == (FR, (), [])
        said = await entered(world, "route.confirmed")
        assert [(body["bid"], body["to"], body["code"]) for body in said] == [(sent.bid, FR, "formal-route")]
        assert (await entered(world, "person.acted"))[-1]["officer"] == "op-17"
        with pytest.raises(GatewayRefusal, match="route-not-open"):
            await desk.confirm(sent.bid, "formal-route", officer="op-17")
        assert len(await entered(world, "route.confirmed")) == 1
        # Who received it cannot confirm the sender's route, and no answer needs one.
        with pytest.raises(GatewayRefusal, match="route-not-open"):
            await world[FR].desk.routes.confirm(f"{SN}/{sent.bid}", "formal-route", officer="op-1")
        await world.check()


@pytest.mark.slow
async def test_a_request_that_needs_no_other_route_raises_no_task(tmp_path: Path) -> None:
    async with World.create(tmp_path, SN, "ma-mj") as world:
        form, documents = sample_request(2)
        sent = await world.submit(SN, form, documents)
        assert await waiting(world, sent.bid) == []


@pytest.mark.parametrize(
    ("aid", "codes"),
    [
        ("fr-mae", ("formal-route",)),
        ("gb-hmrc", ("paper-original",)),
        ("sg-agc", ()),
    ],
)
def test_the_record_says_what_a_person_does(aid: str, codes: tuple[str, ...]) -> None:
    assert routes_by_hand(parse_entry(entry(aid)), "routine", ()) == codes


def test_a_required_channel_that_the_gateway_drives_needs_nobody() -> None:
    row = {**entry("sg-agc")}
    row["channels"] = [{**row["channels"][0], "status": "required"}]
    parsed = parse_entry(row)
    assert routes_by_hand(parsed, "routine", parsed.channels) == ()
    assert routes_by_hand(parsed, "routine", ()) == ("formal-route",)


def test_what_a_person_does_follows_the_record_in_force_and_the_lane() -> None:
    row = entry("sg-agc")
    before = parse_entry(row)
    after = parse_entry({**row, "channels": [{**row["channels"][0], "status": "required"}]})
    listed = SimpleNamespace(entry=before)
    driven = {"routine": after.channels, "urgent": ()}
    ways = Ways(
        directory=SimpleNamespace(lookup=lambda to: listed),  # type: ignore[arg-type]
        failover=SimpleNamespace(channels=lambda to, lane: driven[lane]),  # type: ignore[arg-type]
        clock=SimpleNamespace(),
        max_message_bytes=0,
    )
    assert (ways.by_hand("sg-agc", "routine"), ways.by_hand("sg-agc", "urgent")) == ((), ())
    listed.entry = after
    assert ways.by_hand("sg-agc", "routine") == ()
    assert ways.by_hand("sg-agc", "urgent") == ("formal-route",)
    listed.entry = None
    assert ways.by_hand("sg-agc", "urgent") == ()
