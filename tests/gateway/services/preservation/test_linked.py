"""The request that follows a preservation, and what an officer may send at night although a rule fails."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.sending.submit import Submission
from gateway.storage import audit
from tests.gateway.services.preservation.night import RO, US, asked, iso, reported, say, states
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
MJ, OIA = "ro-mj", "us-oia"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US, MJ, OIA) as world:
        yield world


def request(sender: str, to: str, world: World) -> dict[str, Any]:
    """Return a request for assistance between two of the four, without documents. Fictional."""
    form, _ = sample_request(1)
    preservation, _ = sample_request(3)
    for member in ("offences", "proceeding", "facts_summary", "purpose", "persons"):
        form[member] = preservation[member]
    form["requesting_authority"] = {
        "authority_id": sender,
        "state": sender[:2].upper(),
        "name": sender,
        "function": "Central authority",
    }
    form["requested_authority"] = {
        "authority_id": to,
        "state": to[:2].upper(),
        "name": to,
        "function": "Central authority",
    }
    form["attachments"], form["created_at"] = [], iso(world.clock.now())
    form["reference_requesting"] = f"{sender.upper()}/2026/1"
    form.pop("thread")
    return form


async def submit(world: World, form: dict[str, Any], **how: Any) -> Submission:
    app = world[form["requesting_authority"]["authority_id"]]
    form_bytes = await app.desk.preservation.complete_request(json.dumps(form).encode(), **how)
    done = await app.desk.acts.submit(form_bytes=form_bytes, attachments=(), officer="night-01")
    assert isinstance(done, Submission)
    await world.run()
    return done


async def test_a_request_between_the_same_two_says_which_preservation_it_follows_and_holds_it(
    world: World,
) -> None:
    form, _ = sample_request(3)
    form["requesting_authority"]["authority_id"], form["requested_authority"]["authority_id"] = MJ, OIA
    form["thread"]["message_id"] = f"{MJ}/{form['thread']['message_id'].split('/')[1]}"
    form["attachments"] = []
    await submit(world, form)
    ref = form["reference_requesting"]
    world.advance(timedelta(hours=1))
    said = {"measure": "letter", "effected_at": iso(world.clock.now()), "custodian": "Example Hosting LLC"}
    await say(world, OIA, ref, "preservation_report", {**said, "custodian_reference": "EX-1"})
    asked_of_us = await submit(world, request(OIA, MJ, world))
    with pytest.raises(GatewayRefusal) as refused:
        await say(world, MJ, ref, "mla_follow_up_notice", {"mla": asked_of_us.bid})
    assert [item["code"] for item in refused.value.items] == ["follows_preservation"]
    done = await submit(world, request(MJ, OIA, world), follows=ref)
    for aid in (MJ, OIA):
        standing = await world[aid].desk.preservation.standing(ref)
        assert standing.view.state == "held_pending_decision"
        assert standing.rows[-1].bid == done.bid
    await world.check()


async def test_a_request_between_other_authorities_is_told_of_by_a_notice_that_names_it(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    await reported(world, ref)
    sent = await submit(world, request(MJ, OIA, world))
    assert await states(world, ref) == ("preserved",) * 2
    told = {
        "mla_reference": "RO-MJ/2026/1",
        "from_authority": MJ,
        "to_authority": OIA,
        "sent_at": iso(world.clock.now()),
        "channel": "gateway_https",
    }
    await say(world, RO, ref, "mla_follow_up_notice", told)
    assert await states(world, ref) == ("held_pending_decision",) * 2
    assert sent.to == OIA


async def test_a_notice_names_a_request_of_ours_by_its_reference_alone(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    await reported(world, ref)
    sent = await submit(world, request(RO, OIA, world))
    done = await say(world, RO, ref, "mla_follow_up_notice", {"mla": sent.bid})
    form = await world[US].desk.preservation.form_of(done.sender, done.bid)
    said = form["content"]
    assert (said["mla_reference"], said["from_authority"], said["to_authority"]) == (
        "RO-DIICOT/2026/1",
        RO,
        OIA,
    )
    assert await states(world, ref) == ("held_pending_decision",) * 2

    other = await asked(world, reference_requesting="RO-DIICOT/247/2026/0563")
    world.advance(timedelta(hours=1))
    await reported(world, other)
    with pytest.raises(GatewayRefusal) as refused:
        await say(world, RO, other, "mla_follow_up_notice", {"mla": other})
    assert [item["code"] for item in refused.value.items] == ["follows_preservation"]


def unread_language() -> dict[str, Any]:
    form, _ = sample_request(3)
    form["language"], form["attachments"] = "ro", []
    form.pop("thread")
    return form


async def test_one_officer_sends_at_night_in_another_language_and_says_why(world: World) -> None:
    with pytest.raises(GatewayRefusal) as refused:
        await submit(world, unread_language())
    assert (refused.value.code, {item["code"] for item in refused.value.items}) == (
        "contents-missing",
        {"V08"},
    )
    sent = await submit(world, unread_language(), override="No translator is on duty before eight.")
    form = await world[US].desk.preservation.form_of(sent.sender, sent.bid)
    said = form["special_circumstances"]["override"]
    assert said == {"rules": ["V08"], "reason": "No translator is on duty before eight."}
    rows = await world[RO].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    noted = [body for row in rows if (body := json.loads(row.body))["ev"] == "rule.overridden"]
    assert [(body["code"], body["officer"]) for body in noted] == [("V08", "night-01")]


async def test_nothing_stands_in_for_the_contents_of_29_2_and_a_routine_request_is_completed(
    world: World,
) -> None:
    incomplete, routine = unread_language(), request(RO, US, world)
    incomplete["kind_details"]["necessity"] = ""
    routine["language"] = "ro"
    for form in (incomplete, routine):
        with pytest.raises(GatewayRefusal) as refused:
            await submit(world, form, override="It is night.")
        assert refused.value.code == "override-impossible"
