"""Acts in a preservation by passkey: the duty officer alone; a refusal drafted by one, signed by another."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.acts.acts import PreparedAct
from gateway.storage import audit, cases
from tests.gateway.services.preservation.night import RO, US, asked, states
from tests.gateway.services.preservation.test_desk import REFUSAL, SAID_OF_ALL
from tests.people import enrolled, signed
from tests.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US) as world:
        yield world


async def test_a_report_waits_for_the_duty_officers_passkey_and_is_then_sent(world: World) -> None:
    phone = await enrolled(world[US], "us-do-05")
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    act = await world[US].desk.preservation.act(ref, "preservation_report", SAID_OF_ALL, officer="us-do-05")
    await world.run()
    assert await states(world, ref) == ("preservation_requested",) * 2
    sent = await signed(world[US], act, phone)
    await world.run()
    assert await states(world, ref) == ("preserved",) * 2
    row = await world[RO].database.read(lambda c: cases.find_message(c, US, sent.bid))
    assert row is not None
    assert (row.assurance, row.officer) == ("passkey", "us-do-05")


async def test_a_refusal_is_drafted_by_the_duty_officer_and_signed_by_the_approver(world: World) -> None:
    await enrolled(world[US], "us-do-05")
    phone = await enrolled(world[US], "us-ap-01", role="approver")
    ref = await asked(world)
    desk = world[US].desk.preservation
    act = await desk.act(ref, "refusal", REFUSAL, officer="us-do-05", approver="us-ap-01")
    assert isinstance(act, PreparedAct)
    assert act.officer == "us-ap-01"
    await signed(world[US], act, phone)
    await world.run()
    assert await states(world, ref) == ("preservation_refused",) * 2
    rows = await world[US].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    noted = [body for row in rows if (body := json.loads(row.body))["ev"] == "person.drafted"]
    assert [(body["bid"], body["officer"]) for body in noted] == [(act.bid, "us-do-05")]


async def test_a_duty_officer_is_no_approver(world: World) -> None:
    await enrolled(world[US], "us-do-05")
    await enrolled(world[US], "us-do-06")
    ref = await asked(world)
    with pytest.raises(GatewayRefusal) as refused:
        await world[US].desk.preservation.act(
            ref, "refusal", REFUSAL, officer="us-do-05", approver="us-do-06"
        )
    assert refused.value.code == "human-role"
    assert await states(world, ref) == ("preservation_requested",) * 2
