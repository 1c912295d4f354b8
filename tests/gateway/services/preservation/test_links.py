"""Requests that act on another thread: what follows a preservation holds it, its decision releases."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.codes import Side
from gateway.model.message import Office, Place, ThreadParties, build_message
from gateway.storage import cases, preservation
from tests.gateway.services.preservation.night import DAY, everything, iso
from tests.hostile import craft, send, verdict
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG) as world:
        yield world


def parties(form: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Let a sample form be one of Kenya's to Singapore."""
    mla, _ = sample_request(1)
    for name in ("requesting_authority", "requested_authority"):
        form[name] = mla[name]
    bid = secrets.token_hex(16)
    form["thread"] = {**form["thread"], "message_id": f"{KE}/{bid}", "thread_id": secrets.token_hex(16)}
    return {**form, **members}


async def preserve(world: World) -> str:
    """Let Kenya ask Singapore to preserve data, and Singapore report it as preserved; return the thread."""
    form, documents = sample_request(3)
    form = parties(form, reference_requesting="KE/PRES/1", created_at=iso(world.clock.now()))
    await world.submit(KE, form, documents)
    await world.run()
    thread: str = form["thread"]["thread_id"]
    items = [
        {
            "item_no": n,
            "status": "preserved",
            "measure": "letter",
            "effected_at": iso(world.clock.now()),
            "ends_at": iso(world.clock.now() + 61 * DAY),
            "custodian": "Example Hosting",
            "custodian_reference": f"EX-{n}",
        }
        for n in (1, 2)
    ]
    content = {
        "coverage": "all",
        "items": items,
        "renewable": False,
        "renewal_must_be_requested_by": None,
        "other_provider": None,
        "conditions": [],
        "mla_route": {"authority_id": SG, "languages": ["en"]},
        "contact": {"office": "Duty", "email": "duty@sg-agc.example.org"},
    }
    await say(world, SG, thread, "preservation_report", content)
    assert await states(world, thread) == ("preserved", "preserved")
    return thread


async def say(world: World, aid: str, thread: str, message_type: str, content: dict[str, Any]) -> None:
    """Let an authority say something in a thread of these two, and everything arrive."""
    peer = {KE: SG, SG: KE}[aid]
    case = await world[aid].database.read(lambda c: cases.find_case(c, thread, peer))
    rows = await world[aid].database.read(lambda c: cases.messages_of(c, thread, peer))
    assert case is not None
    own = [row.seq for row in rows if row.sender == aid]
    theirs = [row.seq for row in rows if row.sender == peer]
    form = build_message(
        message_type,
        parties=ThreadParties(
            thread_id=thread,
            requesting=KE,
            requested=SG,
            reference_requesting=case.reference_requesting or "",
            reference_requested=case.reference_requested or "SG/1",
        ),
        place=Place(
            bid=secrets.token_hex(16),
            side=Side(case.side),
            seq=max(own, default=0) + 1,
            seen=max(theirs, default=0),
            in_reply_to=None,
        ),
        author=Office(
            authority_id=aid,
            office="Desk",
            function="Central authority",
            role="approver",
            email="a@b.example",
        ),
        now=world.clock.now(),
        language="en",
        content=content,
    )
    await world[aid].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=(), officer="op-1")
    await world.run()


async def states(world: World, thread: str) -> tuple[str | None, str | None]:
    """Return the stored state of a thread on both sides."""
    found = []
    for aid, peer in ((KE, SG), (SG, KE)):
        case = await world[aid].database.read(lambda c, p=peer: cases.find_case(c, thread, p))
        found.append(None if case is None else case.state)
    return found[0], found[1]


def follow_up(world: World, **reference: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    form, documents = sample_request(1)
    form["related_references"] = [reference]
    form["created_at"] = iso(world.clock.now())
    return form, documents


async def links(world: World, aid: str, thread: str) -> list[preservation.LinkRow]:
    peer = {KE: SG, SG: KE}[aid]
    return await world[aid].database.read(lambda c: preservation.links_on(c, thread, peer))


WITHDRAWAL = {
    "item_nos": [1, 2, 3],
    "coverage": "all",
    "stop_immediately": True,
    "collected_material": "Destroy it.",
}


async def test_a_request_between_the_same_two_that_follows_a_preservation_holds_it_on_both_sides(
    world: World,
) -> None:
    thread = await preserve(world)
    form, documents = follow_up(
        world, reference="KE/PRES/1", relation="follows_preservation", thread_id=thread, seq=2, seen=1
    )
    sent = await world.submit(KE, form, documents)
    assert await states(world, thread) == ("preserved", "preserved")
    await world.run()
    assert await states(world, thread) == ("held_pending_decision",) * 2
    assert await states(world, sent.thread_id) == ("delivered", "delivered")
    for aid in (KE, SG):
        (link,) = await links(world, aid, thread)
        assert (link.seq, link.of_thread_id, link.effect) == (2, sent.thread_id, "applied")
    # The next number of the thread is the one after it, on both sides.
    await say(world, KE, thread, "status_query", {"question": "Is it kept?"})
    await say(world, SG, thread, "status_report", status())
    assert await states(world, thread) == ("held_pending_decision",) * 2
    # Withdrawn, the request is decided: nothing is held for it any more.
    await say(world, KE, sent.thread_id, "withdrawal", WITHDRAWAL)
    assert await states(world, sent.thread_id) == ("withdrawn", "withdrawn")
    assert await states(world, thread) == ("preservation_released",) * 2
    await world.check()


def status() -> dict[str, Any]:
    return {"stage": "kept", "done_items": [], "open_items": [1, 2], "obstacles": [], "expected_by": None}


async def test_a_notice_of_a_request_between_the_same_two_is_released_by_its_decision_too(
    world: World,
) -> None:
    thread = await preserve(world)
    form, documents = sample_request(1)
    sent = await world.submit(KE, form, documents)
    await world.run()
    await say(
        world,
        KE,
        thread,
        "mla_follow_up_notice",
        {
            "mla_reference": form["reference_requesting"],
            "from_authority": KE,
            "to_authority": SG,
            "sent_at": iso(world.clock.now()),
            "channel": "gateway_https",
            "item_nos": [1, 2],
        },
    )
    assert await states(world, thread) == ("held_pending_decision",) * 2
    await say(world, KE, sent.thread_id, "withdrawal", WITHDRAWAL)
    assert await states(world, thread) == ("preservation_released",) * 2
    await world.check()


async def test_a_request_that_replaces_another_supersedes_it_on_both_sides(world: World) -> None:
    form, documents = sample_request(1)
    first = await world.submit(KE, form, documents)
    await world.run()
    again, documents = follow_up(
        world,
        reference=form["reference_requesting"],
        relation="replaces",
        thread_id=first.thread_id,
        seq=2,
        seen=0,
    )
    again["reference_requesting"] = "KE/NEW/2"
    second = await world.submit(KE, again, documents)
    await world.run()
    assert await states(world, first.thread_id) == ("superseded", "superseded")
    assert await states(world, second.thread_id) == ("delivered", "delivered")
    await world.check()


async def test_a_request_that_arrives_before_the_thread_it_acts_on_finds_it_when_it_comes(
    world: World,
) -> None:
    form, documents = sample_request(1)
    world.faults.setdefault(KE, Faults()).lose_request = 1
    first = await world.submit(KE, form, documents)
    await world.step()
    again, documents = follow_up(
        world, reference="KE/1", relation="replaces", thread_id=first.thread_id, seq=2, seen=0
    )
    again["reference_requesting"] = "KE/NEW/2"
    await world.submit(KE, again, documents)
    await world.step()
    assert await states(world, first.thread_id) == ("superseded", None)
    assert [link.effect for link in await links(world, SG, first.thread_id)] == [""]
    await world.run_for(timedelta(minutes=3), step=timedelta(seconds=30))
    assert await states(world, first.thread_id) == ("superseded", "superseded")
    await world.check()


async def refused(world: World, send: Callable[[], Awaitable[object]], code: str) -> None:
    """Expect a refusal with this code, and nothing changed at either authority."""
    before = [await everything(world, aid) for aid in (KE, SG)]
    with pytest.raises(GatewayRefusal) as caught:
        await send()
    assert caught.value.code == code
    assert [await everything(world, aid) for aid in (KE, SG)] == before


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ({"seq": 3, "seen": 1}, "sequence"),
        ({"seq": 1, "seen": 1}, "sequence"),
        ({"seq": 2, "seen": 2}, "sequence"),
        ({"seq": 2, "seen": 1, "thread_id": "f" * 32}, "sequence"),
    ],
)
async def test_counters_that_do_not_follow_the_linked_thread_are_refused(
    world: World, reference: dict[str, Any], code: str
) -> None:
    thread = await preserve(world)
    named = {"reference": "KE/PRES/1", "relation": "follows_preservation", "thread_id": thread, **reference}
    form, documents = follow_up(world, **named)
    await refused(world, lambda: world.submit(KE, form, documents), code)
    assert await states(world, thread) == ("preserved", "preserved")


async def test_a_form_that_acts_on_one_thread_twice_or_on_its_own_is_refused(world: World) -> None:
    thread = await preserve(world)
    named = {
        "reference": "KE/PRES/1",
        "relation": "follows_preservation",
        "thread_id": thread,
        "seq": 2,
        "seen": 1,
    }
    form, documents = follow_up(world, **named)
    form["related_references"].append(named)
    await refused(world, lambda: world.submit(KE, form, documents), "form-invalid")
    own, documents = follow_up(world, **named)
    own["related_references"][0]["thread_id"] = own["thread"]["thread_id"]
    await refused(world, lambda: world.submit(KE, own, documents), "form-invalid")


async def test_a_peer_that_acts_on_a_thread_in_which_it_was_asked_is_rejected_and_moves_nothing(
    world: World,
) -> None:
    thread = await preserve(world)
    form, documents = sample_request(1)
    form["requesting_authority"], form["requested_authority"] = (
        form["requested_authority"],
        form["requesting_authority"],
    )
    form["thread"]["message_id"] = f"{SG}/{secrets.token_hex(16)}"
    form["created_at"] = iso(world.clock.now())
    named = {"reference": "KE/PRES/1", "relation": "follows_preservation", "thread_id": thread}
    form["related_references"] = [{**named, "seq": 2, "seen": 1}]
    before = await everything(world, KE)
    assert verdict(await send(world[KE], craft(world[SG], world[KE], form, documents))) == (
        "rejection",
        "form-invalid",
    )
    after = await everything(world, KE)
    assert (before[0], before[1]) == (after[0], after[1])
    assert await links(world, KE, thread) == []


async def test_towards_other_authorities_only_a_release_ends_the_hold(world: World) -> None:
    thread = await preserve(world)
    notice = {
        "mla_reference": "KE/MLA/77",
        "from_authority": "ke-odpp",
        "to_authority": SG,
        "sent_at": iso(world.clock.now()),
        "channel": "courier",
        "item_nos": [1, 2],
    }
    await say(world, KE, thread, "mla_follow_up_notice", notice)
    # A request of this pair bears the same reference by chance: it is not the one the notice names.
    form, documents = sample_request(1)
    form["reference_requesting"] = "KE/MLA/77"
    sent = await world.submit(KE, form, documents)
    await world.run()
    await say(world, KE, sent.thread_id, "withdrawal", WITHDRAWAL)
    assert await states(world, thread) == ("held_pending_decision",) * 2
    assert await links(world, KE, thread) == []
    release = {"reason": "No longer needed.", "on": "2026-11-21", "item_nos": [1, 2]}
    await say(world, KE, thread, "preservation_release", release)
    assert await states(world, thread) == ("preservation_released",) * 2
    await world.check()


@pytest.mark.parametrize("called", ["preservation_request", "request"])
async def test_what_asks_for_preservation_itself_holds_no_other_whatever_it_is_called(
    world: World, called: str
) -> None:
    thread = await preserve(world)
    form, documents = sample_request(3)
    form = parties(form, reference_requesting="KE/PRES/2", created_at=iso(world.clock.now()))
    named = {"reference": "KE/PRES/1", "relation": "follows_preservation", "thread_id": thread}
    form["related_references"] = [{**named, "seq": 2, "seen": 1}]
    form["thread"]["message_type"] = called
    if called == "preservation_request":
        await world.submit(KE, form, documents)
        await world.run()
        assert await states(world, thread) == ("preserved", "preserved")
    else:
        # Our own gateway says so (V-rules); another program may not.
        assert (
            verdict(await send(world[SG], craft(world[KE], world[SG], form, documents)))[0] == "consignment"
        )
        assert (await states(world, thread))[1] == "preserved"


async def test_what_supplements_a_request_that_is_over_holds_and_no_earlier_decision_lets_go(
    world: World,
) -> None:
    thread = await preserve(world)
    form, documents = sample_request(1)
    first = await world.submit(KE, form, documents)
    await world.run()
    await say(world, KE, first.thread_id, "withdrawal", WITHDRAWAL)
    form, documents = follow_up(
        world, reference="KE/PRES/1", relation="follows_preservation", thread_id=thread, seq=2, seen=1
    )
    form["thread"] |= {"message_type": "supplementary_request", "message_id": f"{KE}/{'7' * 32}"}
    form["thread"] |= {"thread_id": first.thread_id, "seq": 3, "seen": 0}
    await world.submit(KE, form, documents)
    await world.run()
    assert await states(world, first.thread_id) == ("withdrawn", "withdrawn")
    assert await states(world, thread) == ("held_pending_decision",) * 2
    release = {"reason": "No longer needed.", "on": "2026-11-21", "item_nos": [1, 2]}
    await say(world, KE, thread, "preservation_release", release)
    assert await states(world, thread) == ("preservation_released",) * 2
    await world.check()
