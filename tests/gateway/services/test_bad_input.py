"""Bad input, line by line: every refusal has its code and a sentence, and nothing has changed."""

import contextlib
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crypto.encoding import b64u
from gateway.errors import GatewayRefusal
from gateway.services.arrivals.peergate import Caller
from gateway.storage import cases, peers, transmissions
from tests.hostile import (
    Members,
    craft,
    deliver,
    look,
    refused,
    send,
    verdict,
)
from tests.world import World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG = "ke-ag", "sg-agc"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def a_request(**changes: Any) -> tuple[Members, dict[str, bytes]]:
    """Return the first sample with small documents and a reference of its own."""
    form, documents = sample_request(1, size=200)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    return {**form, **changes}, documents


async def submit_bytes(world: World, data: bytes) -> None:
    await world[KE].submitter.submit(form_bytes=data, attachments=())


# --- malformed and oversized JSON ----------------------------------------------------------------

HOSTILE_JSON: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"Dear colleague,",
    "half an object": b'{"request_kind": "mla"',
    "a list": b"[]",
    "text": b'"request"',
    "a number": b"7",
    "null": b"null",
    "17 levels": b'{"a":' * 17 + b"1" + b"}" * 17,
    "10^5 nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "10^5 arrays never closed": b"[" * 100_000,
    "deep below a member": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a member twice": b'{"request_kind":"mla","request_kind":"mla"}',
    "a member twice below": b'{"a":{"b":1,"b":2}}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "a float": b'{"a":1.5}',
    "an exponent": b'{"a":1e400}',
    "2^53": b'{"a":9007199254740992}',
    "a number of 10^5 digits": b'{"a":' + b"9" * 100_000 + b"}",
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff":1}',
    "bytes that are no UTF-8": b'{"a":"\xff\xfe"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "a second value": b"{}{}",
    "a comment": b'{"a":1}//',
    "a raw control character": b'{"a":"\x00"}',
    "more than 1 MiB": b'{"a":"' + b"x" * (1024 * 1024) + b'"}',
}


@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
async def test_a_request_file_that_is_not_strict_json_is_refused(world: World, data: bytes) -> None:
    async with refused("form-unreadable", world[KE]):
        await submit_bytes(world, data)


@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
async def test_an_enrolment_file_that_is_not_strict_json_is_refused(world: World, data: bytes) -> None:
    head = b64u(json.dumps({"alg": "GW-HYB1", "typ": "gw-enrol+jws", "kid": "A" * 43}).encode()).encode()
    for statement in (data, head + b"." + b64u(data).encode() + b"." + b64u(bytes(3373)).encode()):
        async with refused("enrolment-invalid", world[KE]):
            world[KE].directory.enrol(statement, now=world.clock.now())


@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
async def test_a_peer_api_body_that_is_not_strict_json_is_refused(world: World, data: bytes) -> None:
    digest = b64u(hashlib.sha256(data).digest())
    caller = Caller(aid=SG, jti="j", exp=world.clock.now(), bd=digest, off=None, len=None)
    if len(data) > 1024 * 1024:
        # Only its size made it a bad form; the server's limit of a body stands before this one.
        data = data[:-1]
        digest = b64u(hashlib.sha256(data).digest())
        caller = replace(caller, bd=digest)
    async with refused("malformed", world[KE]):
        world[KE].peer_gate.read_json(caller, data)


RECEIPT_BODIES: list[Members] = [
    {"receipts": {}},
    {"receipts": "x"},
    {"problems": 1},
    {"receipts": None},
    {"problems": [1]},
    {"problems": [None]},
    {"problems": [{"from": KE, "bid": "0" * 32, "code": []}]},
    {"problems": [{"from": KE, "bid": {}, "code": "busy"}]},
    {"problems": [{"from": KE, "bid": None, "code": "busy"}]},
]


@pytest.mark.parametrize("body", RECEIPT_BODIES, ids=json.dumps)
async def test_a_body_of_receipts_in_another_shape_is_malformed(world: World, body: Members) -> None:
    async with refused("malformed", world[KE]):
        await world[KE].receipt_desk.take(
            caller=SG, jti=secrets.token_urlsafe(16), exp=world.clock.now(), body=body
        )


async def test_more_receipts_than_one_body_may_hold_are_too_large(world: World) -> None:
    async with refused("too-large", world[KE]):
        await world[KE].receipt_desk.take(
            caller=SG, jti="j", exp=world.clock.now(), body={"receipts": [{}] * 101}
        )


@pytest.mark.parametrize(
    "offered",
    [
        *(None, 1, "x", [], {}, {"jws": None}, {"jws": 1}, {"jws": ""}, {"jws": "a.b.c"}, {"jws": "é"}),
        *({"jws": "." * 100_000}, {"jws": "\ud800"}, {"jws": "A" * 1_000_000}),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_a_receipt_that_is_none_is_left_out_and_named(world: World, offered: Any) -> None:
    before = await look(world[KE])
    answer = await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"receipts": [offered]})
    assert len(answer["refused"]) == 1
    assert await look(world[KE]) == before


# --- mandatory contents ---------------------------------------------------------------------------


def _without(*path: str) -> Callable[[Members], None]:
    def change(form: Members) -> None:
        node: Any = form
        for step in path[:-1]:
            node = node[int(step)] if step.isdigit() else node[step]
        del node[path[-1]]

    return change


def _emptied(*path: str, value: Any = "") -> Callable[[Members], None]:
    def change(form: Members) -> None:
        node: Any = form
        for step in path[:-1]:
            node = node[int(step)] if step.isdigit() else node[step]
        node[path[-1]] = value

    return change


def _urgent(form: Members) -> None:
    form["urgency"] = {"level": "urgent", "grounds": [], "reason": ""}


def _dated(form: Members) -> None:
    form["respond_by"] = {"date": "2027-01-31", "reason": ""}


def _confiscation(form: Members) -> None:
    form["request_kind"] = "confiscation"
    form["kind_details"] = {}


def _preservation(form: Members) -> None:
    form["request_kind"] = "preservation"
    form["kind_details"] = {}


CONTENTS: list[tuple[str, str, str, Callable[[Members], None]]] = [
    ("V01", "UNTOC 18(15)(a), (b)", "requesting_authority.name", _without("requesting_authority", "name")),
    ("V01", "UNTOC 18(15)(a), (b)", "proceeding.nature", _emptied("proceeding", "nature", value="  ")),
    ("V01", "UNTOC 18(15)(a), (b)", "proceeding.conducting_authority", _without("proceeding")),
    ("V02", "UNTOC 18(15)(c)", "facts_summary", _without("facts_summary")),
    ("V02", "UNTOC 18(15)(c)", "facts_summary", _emptied("facts_summary", value=[])),
    ("V03", "UNTOC 18(15)(d)", "assistance", _emptied("assistance", value=[])),
    ("V03", "UNTOC 18(15)(d)", "assistance[0].type", _without("assistance", "0", "type")),
    ("V03", "UNTOC 18(15)(d)", "assistance[0].description", _without("assistance", "0", "description")),
    ("V05", "UNTOC 18(15)(f)", "purpose", _without("purpose")),
    ("V06", "UNTOC 18(24)", "respond_by.reason", _dated),
    ("V07", "UNTOC 18(13), (14)", "urgency.grounds", _urgent),
    ("V07", "UNTOC 18(13), (14)", "urgency.reason", _urgent),
    ("V12", "UNTOC 13(3)", "", _confiscation),
    ("V13", "Budapest Convention 29(2)", "kind_details", _preservation),
]


@pytest.mark.parametrize(
    ("code", "source", "where", "change"), CONTENTS, ids=[f"{c[0]} {c[2]}" for c in CONTENTS]
)
async def test_missing_mandatory_contents_are_named_with_their_article(
    world: World, code: str, source: str, where: str, change: Callable[[Members], None]
) -> None:
    form, documents = a_request()
    change(form)
    async with refused("contents-missing", world[KE]) as caught:
        await world.submit(KE, form, documents)
    named = [item for item in caught.value.items if item["code"] == code]
    assert any(item["source"].startswith(source) and where in item["field"] for item in named)
    assert all(item["sentence"] for item in caught.value.items)


async def test_an_addressee_without_the_designation_is_named_with_its_article(world: World) -> None:
    form, documents = a_request()
    entry = json.loads(json.dumps(world[KE].directory.lookup(SG).entry.raw))  # type: ignore[union-attr]
    bare = {**entry, "designations": [], "roles": ["other"]}
    world[KE].directory._store(bare, None, None, world.clock.now())
    try:
        async with refused("contents-missing", world[KE]) as caught:
            await world.submit(KE, form, documents)
    finally:
        world[KE].directory._store(entry, None, None, world.clock.now())
    assert [(i["code"], i["source"]) for i in caught.value.items] == [("V11", "UNTOC 18(13)")]


@pytest.mark.parametrize("change", [{"size_bytes": 201}, {"sha256": "0" * 64}])
async def test_a_document_that_is_not_the_listed_one_is_named_with_its_article(
    world: World, change: Members
) -> None:
    form, documents = a_request()
    form["attachments"][0].update(change)
    async with refused("attachment-mismatch", world[KE]) as caught:
        await world.submit(KE, form, documents)
    assert [(i["code"], i["source"], i["field"]) for i in caught.value.items] == [
        ("V22", "UNTOC 18(14)", "attachments/0")
    ]


async def test_what_lacks_everything_names_everything_at_once(world: World) -> None:
    async with refused("contents-missing", world[KE]) as caught:
        await submit_bytes(world, b'{"request_kind":"mla"}')
    assert {"V01", "V02", "V03", "V05"} <= {item["code"] for item in caught.value.items}


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [[]], [{}], [1], True], ids=repr)
async def test_a_draft_of_any_shape_is_refused_and_never_a_defect(world: World, value: Any) -> None:
    for name in list(a_request()[0]):
        form, documents = a_request()
        if name == "request_kind" or form[name] == value:
            continue
        form[name] = value
        before = await look(world[KE])
        with contextlib.suppress(GatewayRefusal):
            await world.submit(KE, form, documents)
            continue
        assert await look(world[KE]) == before, name


# --- what a hostile peer writes into a form -----------------------------------------------------

HOSTILE_FORMS: dict[str, Callable[[Members], None]] = {
    "a kind of 70 000 characters": _emptied("request_kind", value="x" * 70_000),
    "a kind with NUL": _emptied("request_kind", value="ml\0a"),
    "a reference with NUL": _emptied("reference_requesting", value="KE\0/1"),
    "a reference with ESC": _emptied("reference_requesting", value="KE\x1b[2J"),
    "a language of 100 characters": _emptied("language", value="en" + "-x" * 49),
    "a level of 33 characters": _emptied("urgency", "level", value="x" * 33),
    "a leap second": _emptied("created_at", value="2026-12-31T23:59:60Z"),
    "the year 0": _emptied("created_at", value="0001-01-01T00:00:00+23:59"),
    "an addressee that is not us": _emptied("requested_authority", "authority_id", value="ng-fmj"),
    "another authority's name": _emptied("requesting_authority", "authority_id", value="ng-fmj"),
    "a document that is not there": lambda form: form["attachments"].append(
        {**form["attachments"][0], "attachment_id": "more"}
    ),
    "a document with two entries": lambda form: form["attachments"].append(form["attachments"][0]),
    "no attachments": _emptied("attachments", value=[]),
    "a digest of another document": _emptied("attachments", "0", "sha256", value="0" * 64),
    "its part in a thread that is not the manifest's": _emptied("thread", "thread_id", value="f" * 32),
    "another message's identity": _emptied("thread", "message_id", value=f"{KE}/{'f' * 32}"),
    "another number": _emptied("thread", "seq", value=2),
}


@pytest.mark.parametrize("change", HOSTILE_FORMS.values(), ids=HOSTILE_FORMS.keys())
async def test_a_hostile_form_is_rejected_with_a_signature_and_opens_no_case(
    world: World, change: Callable[[Members], None]
) -> None:
    form, documents = a_request()

    def follow(manifest: Members) -> None:
        # The manifest repeats what the form says, so that only the form itself can be at fault.
        changed = json.loads(json.dumps(form))
        change(changed)
        manifest["request_kind"] = changed["request_kind"]
        manifest["urgency_level"] = changed["urgency"]["level"]

    crafted = craft(world[KE], world[SG], form, documents, change_form=change, change_manifest=follow)
    before = await look(world[SG])
    assert verdict(await send(world[SG], crafted)) == ("rejection", "form-invalid")
    after = await look(world[SG])
    for table in ("message", "cases", "content_key", "task"):
        assert before.rows[table] == after.rows[table]


@pytest.mark.parametrize("counters", [(10**6 + 1, 0), (1, 10**6 + 1), (2**31, 0), (2**53 - 1, 2**53 - 1)])
async def test_counters_beyond_what_a_thread_can_have_are_rejected(
    world: World, counters: tuple[int, int]
) -> None:
    form, documents = a_request()
    form["thread"]["seq"], form["thread"]["seen"] = counters
    crafted = craft(world[KE], world[SG], form, documents)
    assert verdict(await send(world[SG], crafted)) == ("rejection", "form-invalid")


async def test_a_request_without_a_thread_opens_the_one_its_manifest_names(world: World) -> None:
    form, documents = a_request()
    crafted = craft(world[KE], world[SG], form, documents, change_form=lambda f: f.pop("thread"))
    assert verdict(await send(world[SG], crafted)) == ("consignment", None)
    assert (await world[SG].cases.status(crafted.ref)).thread_id == crafted.manifest["thread"]


async def test_a_recipient_cannot_withdraw_or_double_the_request_of_the_other_side(world: World) -> None:
    form, documents = a_request()
    sent = await world.submit(KE, form, documents)
    await world.run()
    before = await world[KE].cases.status(sent.bid)
    # The recipient claims our thread as its own request to us, with every counter in order.
    theirs = json.loads(json.dumps(form))
    theirs["requesting_authority"], theirs["requested_authority"] = (
        {**form["requesting_authority"], "authority_id": SG},
        {**form["requested_authority"], "authority_id": KE},
    )
    for seq in (1, 2):
        theirs["thread"] = {
            **form["thread"],
            "message_id": f"{SG}/{secrets.token_hex(16)}",
            "thread_id": sent.thread_id,
            "seq": seq,
        }
        crafted = craft(world[SG], world[KE], theirs, documents)
        assert verdict(await send(world[KE], crafted)) == ("rejection", "form-invalid")
    after = await world[KE].cases.status(sent.bid)
    assert (after.state, len(after.messages)) == (before.state, len(before.messages)) == ("delivered", 1)
    await world.check()


# --- local refusals ---------------------------------------------------------------------------------


async def test_documents_must_be_those_of_the_form(world: World) -> None:
    form, documents = a_request()
    first = next(iter(documents))
    without = {name: data for name, data in documents.items() if name != first}
    async with refused("attachment-missing", world[KE]):
        await world.submit(KE, form, without)
    async with refused("attachment-unlisted", world[KE]):
        await world.submit(KE, form, {**documents, "more.pdf": b"%PDF"})
    twice = {**form, "attachments": [form["attachments"][0]] * 2}
    async with refused("attachment-twice", world[KE]):
        await world.submit(KE, twice, documents)


async def test_an_addressee_that_is_not_listed_is_refused(world: World) -> None:
    form, documents = a_request()
    form["requested_authority"]["authority_id"] = "ng-fmj"
    async with refused("not-listed", world[KE]):
        await world.submit(KE, form, documents)


async def test_a_form_of_another_authority_is_refused(world: World) -> None:
    form, documents = a_request()
    form["requesting_authority"]["authority_id"] = SG
    async with refused("not-own-message", world[KE]):
        await world.submit(KE, form, documents)


async def test_a_member_that_no_form_has_is_refused_at_the_sender(world: World) -> None:
    form, documents = a_request(invented="x")
    async with refused("form-invalid", world[KE]) as caught:
        await world.submit(KE, form, documents)
    assert "invented" in caught.value.items[0]["sentence"]


@pytest.mark.parametrize(
    "ref",
    [
        "",
        " ",
        "0" * 32,
        f"{KE}/{'0' * 32}",
        "../../etc/passwd",
        "%",
        "' OR 1=1 --",
        "\0",
        "\ud800",
        "x" * 10_000,
        "KE/\u202e",
        f"{KE}/{'0' * 32}\n",
        "*",
        "_",
        "{}",
    ],
    ids=lambda ref: repr(ref)[:20],
)
async def test_a_hostile_reference_finds_nothing(world: World, ref: str, tmp_path: Path) -> None:
    for call in (
        world[KE].cases.status(ref),
        world[KE].cases.receipts(ref),
        world[KE].cases.open(ref, tmp_path / "out"),
        world[KE].cases.acknowledge(ref, officer="op-1"),
    ):
        async with refused("not-found", world[KE]):
            await call
    assert not (tmp_path / "out").exists()


async def test_one_reference_of_two_peers_has_to_be_named_by_its_bundle(world: World) -> None:
    form, documents = a_request()
    one = await world.submit(KE, form, documents)
    again, documents = a_request(reference_requesting=form["reference_requesting"])
    two = await world.submit(KE, again, documents)
    with pytest.raises(GatewayRefusal, match="ambiguous-reference") as named:
        await world[KE].cases.status(form["reference_requesting"])
    assert {item["bundle"] for item in named.value.items} == {f"{KE}/{one.bid}", f"{KE}/{two.bid}"}
    assert (await world[KE].cases.status(one.bid)).bid == one.bid
    await world.run()


async def test_an_own_request_cannot_be_acknowledged_and_none_twice(world: World) -> None:
    form, documents = a_request()
    sent = await world.submit(KE, form, documents)
    await world.run()
    async with refused("not-acknowledgeable", world[KE]):
        await world[KE].cases.acknowledge(sent.bid, officer="op-1")
    await world[SG].cases.acknowledge(sent.bid, officer="op-1")
    async with refused("already-acknowledged", world[SG]):
        await world[SG].cases.acknowledge(sent.bid, officer="op-1")
    await world.run()


# --- a rejected bundle at its sender ------------------------------------------------------------


async def test_a_signed_rejection_ends_the_transmission_with_a_task_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ((object(),), ())
    monkeypatch.setattr("gateway.services.arrivals.release.check_received", lambda form, name: refused)
    form, documents = a_request()
    sent = await world.submit(KE, form, documents)
    await world.run()
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, sent.bid, SG))
    assert row is not None
    assert (row.state, row.owner, row.next_action_at) == ("REJECTED", "operator", None)
    tasks = await world[KE].database.read(peers.open_tasks)
    mine = [task for task in tasks if task.bid == sent.bid]
    assert [(task.owner, task.code) for task in mine] == [("operator", "form-invalid")]
    assert "submit it anew" in mine[0].sentence
    kinds = [(r.type, r.reason) for r in await world[KE].cases.receipts(sent.bid)]
    assert kinds == [("submission", None), ("rejection", "form-invalid")]
    assert await world[SG].database.read(lambda c: cases.find_message(c, KE, sent.bid)) is None
    await world.check()


async def test_the_answer_to_a_rejected_bundle_is_the_same_for_ever(world: World) -> None:
    form, documents = a_request()
    crafted = craft(world[KE], world[SG], form, documents, form_bytes=b"{}")
    first = await send(world[SG], crafted)
    again = await deliver(world[SG], crafted.container, caller=KE, bid=crafted.bid)
    assert first.body["receipts"][0]["jws"] == again.body["receipts"][0]["jws"]
    assert (first.status, again.status) == (201, 200)
