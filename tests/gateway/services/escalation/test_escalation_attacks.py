"""Ladders against a peer that means harm, and against a thread in which more than one request is urgent."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.duty.desk import DutyDesk
from gateway.storage.escalations import EscalationRow
from gateway.wiring.urgent import periods_of
from tests.hostile import craft, send, verdict
from tests.ladders import find_ladder
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"
#: What only the requesting side may say.
WITHDRAWAL = {
    "item_nos": [1, 2, 3],
    "coverage": "all",
    "stop_immediately": True,
    "collected_material": "Destroy it.",
}


async def ladder(world: World, bid: str, of: str) -> EscalationRow:
    row = await world[of].database.read(lambda c: find_ladder(c, (KE, bid, SG)))
    assert row is not None
    return row


def supplement(form: dict[str, Any]) -> dict[str, Any]:
    """Return a request that asks for more in the thread of another one."""
    made = json.loads(json.dumps(form))
    made["thread"] |= {
        "message_type": "supplementary_request",
        "message_id": f"{KE}/{secrets.token_hex(16)}",
        "in_reply_to": form["thread"]["message_id"],
        "seq": 2,
        "seen": 1,
    }
    for number, item in enumerate(made["assistance"], start=1):
        item["item_no"] = number + len(form["assistance"])
    return dict(made)


async def test_what_an_urgent_request_asks_for_later_is_acknowledged_by_itself(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        phone = await enrolled(world[SG], "sg-do-1")
        form, documents = sample_request(1, size=300)
        form["urgency"]["level"] = "urgent"
        first = await world.submit(KE, form, documents)
        await world.run()
        act = await world[SG].cases.acknowledge(f"{KE}/{first.bid}", officer="sg-do-1")
        await signed(world[SG], act, phone)
        await world.run()
        assert (await ladder(world, first.bid, KE)).stopped_at is not None
        further = await world.submit(KE, supplement(form), documents)
        await world.run()
        for aid in (KE, SG):
            assert (await ladder(world, further.bid, aid)).stopped_at is None
        again = await world[SG].cases.acknowledge(f"{KE}/{further.bid}", officer="sg-do-1")
        await signed(world[SG], again, phone)
        await world.run()
        for aid in (KE, SG):
            assert (await ladder(world, further.bid, aid)).stopped_at is not None
        for ref in (first.bid, further.bid):
            with pytest.raises(GatewayRefusal, match="acknowledged already"):
                await world[SG].cases.acknowledge(f"{KE}/{ref}", officer="sg-do-1")
        await world.check()


async def test_whoever_asked_cannot_say_that_it_was_acknowledged(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        ke, sg = world[KE], world[SG]
        form, documents = sample_request(1, size=300)
        form["urgency"]["level"] = "urgent"
        sent = await world.submit(KE, form, documents)
        await world.run()
        said, _ = await sg.cases._acknowledgement(f"{KE}/{sent.bid}", "x", None, None, None, signs=True)
        await sg.cases.acknowledge(f"{KE}/{sent.bid}", officer="desk")
        await world.run()
        forged = json.loads(json.dumps(said)) | {"message_id": f"{KE}/{secrets.token_hex(16)}"}
        forged["author"]["authority_id"], forged["addressee"]["authority_id"] = KE, SG
        forged |= {"side": "requesting", "seq": 2, "seen": 1}
        two = {"assurance": "second_person_telephone", "officer": "sg-do-1", "second_officer": "sg-do-2"}
        crafted = craft(
            ke,
            sg,
            forged,
            {},
            context=await ke.submitter._casebook.context(form["thread"]["thread_id"], SG),
            change_manifest=lambda m: m.update(human=two),
        )
        assert verdict(await send(sg, crafted)) == ("rejection", "form-invalid")
        assert (await ladder(world, sent.bid, SG)).stopped_at is None
        desk = DutyDesk(
            database=sg.database,
            directory=sg.directory,
            authority_id=SG,
            periods=periods_of(sg.settings),
            acknowledger=sg.cases,
            clock=world.clock,
        )
        shown = (await desk.case(KE, sent.bid)).acknowledgement
        assert shown is not None
        assert (shown.officer, shown.stops_clock) == ("desk", False)


async def test_whoever_is_asked_cannot_take_the_request_back(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        ke, sg = world[KE], world[SG]
        form, documents = sample_request(1, size=300)
        form["urgency"]["level"] = "urgent"
        sent = await world.submit(KE, form, documents)
        await world.run()
        said, _ = await sg.cases._acknowledgement(f"{KE}/{sent.bid}", "x", None, None, None, signs=True)
        forged = json.loads(json.dumps(said)) | {
            "message_type": "withdrawal",
            "side": "requesting",
            "content": WITHDRAWAL,
        }
        parties = forged["thread"]
        parties["requesting"], parties["requested"] = parties["requested"], parties["requesting"]
        parties["requesting"]["reference"] = parties["requesting"]["reference"] or "SG/1"
        two = {"assurance": "second_person_telephone", "officer": "sg-do-1", "second_officer": "sg-do-2"}
        context = await sg.submitter._casebook.context(parties["thread_id"], KE)
        crafted = craft(sg, ke, forged, {}, context=context, change_manifest=lambda m: m.update(human=two))
        before = await ke.cases.status(sent.bid)
        assert verdict(await send(ke, crafted)) == ("rejection", "form-invalid")
        after = await ke.cases.status(sent.bid)
        assert after.state == before.state
        assert (await ladder(world, sent.bid, KE)).stopped_at is None
