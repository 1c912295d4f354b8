"""A peer that speaks a newer minor version: understood, or handed to a person; never refused wholesale."""

import json
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from crypto.jws import EDDSA, sign_compact
from crypto.receipts import TYP
from gateway.model.codes import Assurance, Side
from gateway.model.message import Human, Office, Place, ThreadParties, build_acknowledgement
from gateway.storage import peers, transmissions
from tests.hostile import Crafted, Members, _unb64, craft, receipt_from, refused, send, verdict
from tests.world import World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG = "ke-ag", "sg-agc"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def a_bundle(world: World, change: Callable[[Members], None] | None = None, **changes: Any) -> Crafted:
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    if change is not None:
        changed = json.loads(json.dumps(form))
        change(changed)
        follow = {
            "request_kind": changed["request_kind"],
            "urgency_level": changed["urgency"]["level"],
            "confidentiality_level": changed["confidentiality"]["level"],
        }
        changes = {"change_form": change, "change_manifest": lambda m: m.update(follow), **changes}
    return craft(world[KE], world[SG], form, documents, **changes)


def _more(members: Members) -> None:
    members["tomorrow"] = {"any": [1, "x", None, {"deep": True}]}


def _more_everywhere(form: Members) -> None:
    form["schema_version"] = "1.7"
    waiting: list[Any] = [form]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(node.values())
            node["tomorrow"] = "kept and ignored"
        elif isinstance(node, list):
            waiting.extend(node)


# --- unknown members ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"change_envelope": _more},
        {"change_envelope": lambda p: [_more(row) for row in (*p["to"], *p["parts"])]},
        {"change_manifest": _more},
        {"change_manifest": lambda m: [_more(row) for row in m["parts"]]},
        {"change_manifest": lambda m: m["ext"].update(tomorrow=1)},
        {"change_manifest": lambda m: m.update(human={"assurance": "retina_scan", "tomorrow": 1})},
        {"change_manifest": lambda m: m.pop("must")},
        {"change_form": _more_everywhere},
    ],
    ids=["envelope", "wraps and parts", "manifest", "manifest parts", "ext", "human", "no must", "form"],
)
async def test_unknown_members_are_ignored_and_kept(world: World, changes: Any) -> None:
    bundle = a_bundle(world, **changes)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    status = await world[SG].cases.status(bundle.ref)
    assert (status.state, status.request_kind) == ("delivered", "mla")
    opened = await world[SG].cases._library.open(KE, bundle.bid)
    assert json.loads(opened.manifest.raw) == bundle.manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"change_envelope": lambda p: p.update(must=["tomorrow"], tomorrow=1)},
        {"change_envelope": lambda p: p["to"][0].update(must=["tomorrow"], tomorrow=1)},
        {"change_envelope": lambda p: p["parts"][1].update(must=["tomorrow"])},
        {"change_envelope": lambda p: p.update(v=2)},
        {"change_manifest": lambda m: m.update(must=["tomorrow"], tomorrow=1)},
        {"change_manifest": lambda m: m["parts"][1].update(must=["tomorrow"])},
        {"change_manifest": lambda m: m["parts"][1].update(pad="tomorrow")},
        {"change_manifest": lambda m: m.update(v=2)},
    ],
)
async def test_what_must_be_understood_and_is_not_is_answered_version_and_never_signed(
    world: World, changes: Any
) -> None:
    bundle = a_bundle(world, **changes)
    async with refused("version", world[SG]):
        await send(world[SG], bundle)


async def test_a_form_of_another_major_version_is_rejected(world: World) -> None:
    bundle = a_bundle(world, lambda form: form.update(schema_version="2.0"))
    assert verdict(await send(world[SG], bundle)) == ("rejection", "form-invalid")


# --- unknown codes ----------------------------------------------------------------------------------


def _set(*path: Any) -> Callable[[Members], None]:
    *steps, last, value = path

    def change(form: Members) -> None:
        node: Any = form
        for step in steps:
            node = node[step]
        node[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("request_kind", "holographic_hearing"),
        _set("urgency", "level", "yesterday"),
        _set("urgency", "grounds", ["comet"]),
        _set("confidentiality", "level", "cosmic"),
        _set("assistance", 0, "type", "telepathy"),
        _set("proceeding", "stage", "limbo"),
        _set("instruments", 0, "code", "treaty_of_tomorrow"),
    ],
    ids=["kind", "urgency", "ground", "confidentiality", "assistance", "stage", "instrument"],
)
async def test_a_request_with_an_unknown_code_is_kept_shown_raw_and_a_person_is_told(
    world: World, change: Callable[[Members], None]
) -> None:
    bundle = a_bundle(world, change)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    status = await world[SG].cases.status(bundle.ref)
    assert status.request_kind == bundle.form["request_kind"]
    assert status.urgency_level == bundle.form["urgency"]["level"]
    assert await codes_of_tasks(world, SG, bundle.bid) == ["unknown-code"]
    assert bundle.bid in {item.bid for item in await world[SG].cases.inbox()}


async def test_a_request_with_known_codes_leaves_no_task(world: World) -> None:
    bundle = a_bundle(world)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    assert await codes_of_tasks(world, SG, bundle.bid) == []


async def codes_of_tasks(world: World, aid: str, bid: str) -> list[str]:
    rows = await world[aid].database.read(peers.open_tasks)
    return [row.code for row in rows if row.bid == bid]


async def a_thread(world: World) -> tuple[Any, Members, Any]:
    """Send a request, and return it with an acknowledgement form of the other side and its context."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    sent = await world.submit(KE, form, documents)
    await world.run()
    message = build_acknowledgement(
        parties=ThreadParties(
            thread_id=sent.thread_id,
            requesting=KE,
            requested=SG,
            reference_requesting=form["reference_requesting"],
            reference_requested="SG/1",
        ),
        place=Place(
            bid=secrets.token_hex(16), side=Side.REQUESTED, seq=1, seen=1, in_reply_to=f"{KE}/{sent.bid}"
        ),
        author=Office(authority_id=SG, office="Office", function="Central authority", email="a@example.org"),
        now=world.clock.now(),
        language="en",
        received_at=world.clock.now(),
        human=Human(assurance=Assurance.LOCAL_OPERATOR, officer="op-1"),
        next_step_by=world.clock.now().date(),
    )
    context = await world[KE].submitter._casebook.context(sent.thread_id, SG)
    return sent, dict(message), context


async def test_a_message_type_of_tomorrow_uses_its_number_changes_no_state_and_is_a_persons_matter(
    world: World,
) -> None:
    sent, message, context = await a_thread(world)
    tomorrow = {**message, "message_type": "hologram"}
    bundle = craft(world[SG], world[KE], tomorrow, {}, context=context)
    assert verdict(await send(world[KE], bundle)) == ("consignment", None)
    status = await world[KE].cases.status(sent.bid)
    assert status.state == "delivered"
    shown = {m.message_type: (m.seq, m.effect) for m in status.messages}
    assert shown["hologram"] == (1, "unknown")
    assert await codes_of_tasks(world, KE, bundle.bid) == ["unknown-code"]
    # Its number is used: what follows is no gap, and counts.
    bid = secrets.token_hex(16)
    after = {**message, "message_id": f"{SG}/{bid}", "seq": 2}
    assert verdict(await send(world[KE], craft(world[SG], world[KE], after, {}, context=context))) == (
        "consignment",
        None,
    )
    assert (await world[KE].cases.status(sent.bid)).state == "received"


async def test_a_code_of_tomorrow_inside_a_known_message_is_kept_and_a_person_is_told(world: World) -> None:
    sent, message, context = await a_thread(world)
    message["content"] = {**message["content"], "completeness": "nearly", "tomorrow": [1]}
    bundle = craft(world[SG], world[KE], message, {}, context=context)
    assert verdict(await send(world[KE], bundle)) == ("consignment", None)
    assert (await world[KE].cases.status(sent.bid)).state == "received"
    assert await codes_of_tasks(world, KE, bundle.bid) == ["unknown-code"]


async def test_a_withdrawal_that_overtakes_its_request_completes_the_case_when_the_request_comes(
    world: World,
) -> None:
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    _, message, context = await a_thread(world)
    early = {
        **message,
        "message_id": f"{KE}/{secrets.token_hex(16)}",
        "message_type": "status_query",
        "side": "requesting",
        "author": {**message["author"], "authority_id": KE},
        "addressee": {"authority_id": SG},
        "in_reply_to": None,
        "seq": 2,
        "seen": 0,
        "thread": {**message["thread"], "thread_id": form["thread"]["thread_id"]},
        "content": {"question": "Fictional?"},
    }
    first = await send(world[SG], craft(world[KE], world[SG], early, {}, context=context))
    assert verdict(first) == ("consignment", None)
    request = craft(world[KE], world[SG], form, documents)
    assert verdict(await send(world[SG], request)) == ("consignment", None)
    status = await world[SG].cases.status(request.ref)
    assert (status.request_kind, status.state, len(status.messages)) == ("mla", "delivered", 2)


# --- receipts ----------------------------------------------------------------------------------------


def _signed(world: World, about: Members, **more: Any) -> str:
    payload = json.loads(_unb64(receipt_from(world[SG], **about).split(".")[1])) | more
    signer = world[SG].keyring.signer("rcpt", world.clock.now())
    return sign_compact(json.dumps(payload).encode(), alg=EDDSA, typ=TYP, signer=signer).decode()


async def _about(world: World) -> Members:
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    sent = await world.submit(KE, form, documents)
    said = json.loads(_unb64(sent.receipt_jws.split(".")[1]))
    return {"sender": KE, "bid": sent.bid, "envelope": said["envelope"], "manifest": said["manifest"]}


@pytest.mark.parametrize(
    ("more", "state", "refusals"),
    [
        ({"tomorrow": {"a": 1}}, "CONSIGNED", []),
        ({"must": []}, "CONSIGNED", []),
        ({"must": ["type"]}, "CONSIGNED", []),
        ({"must": ["tomorrow"], "tomorrow": 1}, "QUEUED", ["version"]),
        ({"v": 2}, "QUEUED", ["version"]),
        ({"type": "teleported"}, "QUEUED", []),
        ({"type": "rejection", "reason": "reason-of-tomorrow"}, "REJECTED", []),
        ({"type": "teleported", "reason": "why-not"}, "QUEUED", []),
    ],
)
async def test_receipts_of_tomorrow_are_understood_filed_or_left_out(
    world: World, more: Members, state: str, refusals: list[str]
) -> None:
    about = await _about(world)
    answer = await world[KE].receipt_desk.take(
        caller=SG, jti=None, exp=None, body={"receipts": [{"jws": _signed(world, about, **more)}], "x": 1}
    )
    assert answer["refused"] == refusals
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, about["bid"], SG))
    assert row is not None
    assert row.state == state
    if state == "REJECTED":
        tasks = [t for t in await world[KE].database.read(peers.open_tasks) if t.bid == about["bid"]]
        assert "reason-of-tomorrow" in tasks[0].sentence


async def test_a_problem_code_of_tomorrow_is_tried_again(world: World) -> None:
    about = await _about(world)
    problem = {"from": KE, "bid": about["bid"], "envelope": about["envelope"], "code": "of-tomorrow", "x": 1}
    await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"problems": [problem]})
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, about["bid"], SG))
    assert row is not None
    assert row.state == "QUEUED"
