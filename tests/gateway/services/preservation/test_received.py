"""What a peer sends that breaks a rule: it is kept, moves nothing, and both sides read why."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.errors import GatewayRefusal
from gateway.model.manifest import ThreadContext
from gateway.storage import audit, peers
from tests.gateway.services.preservation.night import RO, US, asked, everything, iso, reported
from tests.hostile import Crafted, craft, send, verdict
from tests.sampledata import sample
from tests.storedcases import all_cases
from tests.world import World

pytestmark = pytest.mark.slow
OTHER = "ke-ag"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US, OTHER) as world:
        yield world


async def made(world: World, ref: str, name: str, *, seq: int = 1, author: str = US) -> dict[str, Any]:
    """Return a sample message of the thread, as its author's own software would make it."""
    standing = await world[RO].desk.preservation.standing(ref)
    assert standing.request is not None
    form = sample(f"messages/{name}.json")
    form["thread"]["thread_id"] = standing.case.thread_id
    form["in_reply_to"] = f"{standing.request.sender}/{standing.request.bid}"
    form["created_at"] = iso(world.clock.now())
    form["seq"], form["seen"] = seq, 1
    form["author"]["authority_id"] = author
    form["message_id"] = author + form["message_id"][len(US) :]
    for row in form["content"].get("items", []):
        row["effected_at"] = iso(world.clock.now() - timedelta(minutes=5))
        row["ends_at"] = iso(world.clock.now() + timedelta(days=90))
    return form


REPORT = "09_preservation_report_en"


CONTEXT = ThreadContext(
    urgency_level="urgent",
    reference="RO-DIICOT/247/2026/0562",
    subject="Ransomware attack on a regional hospital",
    confidentiality_level="confidential",
)


def sealed(author: App, to: App, form: dict[str, Any]) -> Crafted:
    return craft(author, to, form, {}, context=CONTEXT)


def short(form: dict[str, Any]) -> None:
    form["content"]["items"][1]["ends_at"] = "2027-01-15T09:00:00Z"


def backdated(form: dict[str, Any]) -> None:
    form["content"]["items"][0]["effected_at"] = "2026-11-20T09:00:00Z"


def ahead(form: dict[str, Any]) -> None:
    form["content"]["items"][0]["effected_at"] = "2026-11-23T09:00:00Z"


def claims_all(form: dict[str, Any]) -> None:
    form["content"]["items"][0] = {"item_no": 1, "status": "impossible", "reason": "Gone."}


BROKEN = [("sixty_days", short), ("effect_not_backdated", backdated), ("effect_not_ahead", ahead)]
BROKEN += [("coverage_fits", claims_all)]


@pytest.mark.parametrize(("code", "change"), BROKEN, ids=[row[0] for row in BROKEN])
async def test_a_report_that_breaks_a_rule_is_kept_and_moves_nothing(
    world: World, code: str, change: Any
) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    form = await made(world, ref, REPORT)
    form["content"]["renewable"], form["content"]["renewal_must_be_requested_by"] = False, None
    change(form)
    assert verdict(await send(world[RO], sealed(world[US], world[RO], form))) == ("consignment", None)
    standing = await world[RO].desk.preservation.standing(ref)
    assert (standing.view.state, set(standing.view.items.values())) == ("preservation_requested", {"open"})
    last = standing.view.effects[-1]
    assert (last.effect, last.broken) == ("breach", (code,))
    (row,) = [r for r in standing.rows if r.message_type == "preservation_report"]
    assert row.effect == "breach"
    tasks = await world[RO].database.read(peers.open_tasks)
    assert [task.code for task in tasks if task.kind == "case"] == ["breach"]


async def test_a_second_report_that_contradicts_the_first_moves_nothing(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    await reported(world, ref)
    before = await world[RO].desk.preservation.standing(ref)
    form = await made(world, ref, REPORT, seq=2)
    form["content"]["items"][0] = {"item_no": 1, "status": "impossible", "reason": "Gone."}
    form["content"]["coverage"] = "some"
    await send(world[RO], sealed(world[US], world[RO], form))
    after = await world[RO].desk.preservation.standing(ref)
    assert (after.view.effects[-1].effect, after.view.effects[-1].broken) == ("breach", ("reports_agree",))
    assert (after.view.state, after.view.items, after.ends) == ("preserved", before.view.items, before.ends)


async def test_an_answer_from_an_authority_that_was_not_asked_is_rejected_and_opens_nothing(
    world: World,
) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    form = await made(world, ref, REPORT, author=OTHER)
    form["thread"]["requested"]["authority_id"] = OTHER
    before = await world[RO].database.read(lambda c: all_cases(c, 10))
    crafted = sealed(world[OTHER], world[RO], form)
    assert verdict(await send(world[RO], crafted)) == ("rejection", "form-invalid")
    assert await world[RO].database.read(lambda c: all_cases(c, 10)) == before
    rows = await world[RO].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    said = [body for body in bodies if body["ev"] == "act.refused"]
    assert [(body["from"], body["code"]) for body in said] == [(OTHER, "asked_authority")]
    tasks = await world[RO].database.read(peers.open_tasks)
    assert [(task.sender, task.code) for task in tasks if task.kind == "case"] == [(US, "asked-authority")]


async def test_a_form_made_by_hand_is_held_to_the_same_rules_before_it_leaves(world: World) -> None:
    ref = await asked(world)
    world.advance(timedelta(hours=1))
    form = await made(world, ref, REPORT)
    backdated(form)
    before = await everything(world, US)
    with pytest.raises(GatewayRefusal) as refused:
        await world[US].desk.acts.submit(
            form_bytes=json.dumps(form).encode(), attachments=(), officer="night-01"
        )
    assert refused.value.code == "rule-broken"
    assert {item["code"] for item in refused.value.items} == {"effect_not_backdated"}
    assert await everything(world, US) == before
