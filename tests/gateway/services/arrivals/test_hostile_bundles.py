"""Bundles that are truncated, reordered, replayed, re-signed or meant for others, against a real gateway.

Only what passed steps 1 to 10 may earn a signed rejection; everything before is an answer that changes
nothing. Steps 11 to 13 look alike from outside.
"""

import asyncio
import json
import os
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crypto.bundle import container_prefix
from crypto.encoding import b64u, wire_time
from crypto.keys import GW_HYB1, GW_KEM1, KeyUse, PrivateKey
from gateway.errors import GatewayRefusal
from gateway.model.names import display_name
from gateway.services.arrivals.release import Answer
from tests.hostile import (
    Crafted,
    Members,
    craft,
    deliver,
    look,
    refused,
    send,
    sign_envelope,
    verdict,
    wrap_for,
)
from tests.world import World, sample_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG, NG = "ke-ag", "sg-agc", "ng-fmj"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG, NG) as made:
        yield made


def a_request(size: int = 200) -> tuple[Members, dict[str, bytes]]:
    form, documents = sample_request(1, size=size)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    return form, documents


def a_bundle(world: World, **changes: Any) -> Crafted:
    form, documents = a_request()
    return craft(world[KE], world[SG], form, documents, **changes)


def with_parts(crafted: Crafted, *parts: bytes) -> bytes:
    return container_prefix(crafted.jws) + b"".join(parts)


# --- damage and forgery before step 10: nothing stored, nothing signed -----------------------------

DAMAGE: dict[str, tuple[str, Callable[[Crafted], bytes]]] = {
    "nothing at all": ("incomplete", lambda b: b""),
    "cut in the magic": ("incomplete", lambda b: b.container[:5]),
    "cut in the envelope": ("incomplete", lambda b: b.container[:1000]),
    "cut in a part": ("incomplete", lambda b: b.container[:-1]),
    "cut before the last part": ("incomplete", lambda b: b.container[: -len(b.parts[-1])]),
    "a byte appended": ("malformed", lambda b: b.container + b"\0"),
    "another container appended": ("malformed", lambda b: b.container * 2),
    "another magic": ("malformed", lambda b: b"PK\3\4" + b.container[4:]),
    "no container": ("malformed", lambda b: os.urandom(5000)),
    "an envelope of 4 GiB": ("malformed", lambda b: b.container[:8] + b"\xff" * 4 + b.container[12:]),
    "a byte of a part": ("part-digest", lambda b: b.container[:-50] + b"\0" * 50),
    "parts in another order": (
        "part-digest",
        lambda b: with_parts(b, b.parts[0], b.parts[1], *reversed(b.parts[2:])),
    ),
    "a byte of the signature": (
        "sig-invalid",
        lambda b: with_parts_of(
            b, b.jws[:-900] + (b"A" if b.jws[-900:-899] != b"A" else b"B") + b.jws[-899:]
        ),
    ),
}


def with_parts_of(crafted: Crafted, jws: bytes) -> bytes:
    return container_prefix(jws) + b"".join(crafted.parts)


@pytest.mark.parametrize(("code", "damage"), DAMAGE.values(), ids=DAMAGE.keys())
async def test_damage_on_the_way_is_never_signed_and_the_whole_bundle_passes_later(
    world: World, code: str, damage: Callable[[Crafted], bytes]
) -> None:
    form, documents = a_request(size=3000)
    bundle = craft(world[KE], world[SG], form, documents)
    async with refused(code, world[SG]):
        await deliver(world[SG], damage(bundle), caller=KE, bid=bundle.bid, step=700)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)


ENVELOPES: dict[str, tuple[str, Callable[[World, Members], None]]] = {
    "another recipient": ("not-for-us", lambda w, p: p["to"][0].update(aid=NG)),
    "a key we never had": ("key-expired", lambda w, p: p["to"][0].update(kid="A" * 43)),
    "from the future": (
        "clock",
        lambda w, p: p.update(
            created=wire_time(w.clock.now() + timedelta(minutes=5, seconds=1)),
            expires=wire_time(w.clock.now() + timedelta(days=1)),
        ),
    ),
    "past its date": (
        "expired",
        lambda w, p: p.update(
            created=wire_time(w.clock.now() - timedelta(seconds=50)),
            expires=wire_time(w.clock.now() - timedelta(seconds=1)),
        ),
    ),
    "before its key": (
        "sig-revoked",
        lambda w, p: p.update(created=wire_time(w.clock.now() - timedelta(days=60))),
    ),
    "a life of 401 days": (
        "malformed",
        lambda w, p: p.update(expires=wire_time(w.clock.now() + timedelta(days=401))),
    ),
    "the end of time": (
        "clock",
        lambda w, p: p.update(created="9999-12-31T00:00:00Z", expires="9999-12-31T23:59:59Z"),
    ),
    "an end before its beginning": ("malformed", lambda w, p: p.update(expires="2020-01-01T00:00:00Z")),
    "a version of tomorrow": ("version", lambda w, p: p.update(v=2)),
    "a must we do not know": ("version", lambda w, p: p.update(must=["seal"], seal=1)),
    "a lane that is none": ("malformed", lambda w, p: p.update(lane="express")),
    "two wraps for one": ("malformed", lambda w, p: p.update(to=p["to"] * 2)),
    "17 recipients": ("malformed", lambda w, p: p.update(to=p["to"] * 17)),
    "a part of 2^52 bytes": ("too-large", lambda w, p: p["parts"][1].update(size=2**52)),
    "another bundle's name": ("malformed", lambda w, p: p.update(bid="0" * 32)),
    "another sender's name": ("malformed", lambda w, p: p.update({"from": NG})),
}


@pytest.mark.parametrize(("code", "change"), ENVELOPES.values(), ids=ENVELOPES.keys())
async def test_an_envelope_that_fails_before_step_ten_is_refused_unsigned(
    world: World, code: str, change: Callable[[World, Members], None]
) -> None:
    bundle = a_bundle(world, change_envelope=lambda payload: change(world, payload))
    async with refused(code, world[SG]):
        await send(world[SG], bundle)


async def test_a_key_that_no_directory_lists_is_unknown(world: World) -> None:
    stranger = PrivateKey.generate(KeyUse.SIG, GW_HYB1).signer()
    async with refused("unknown-key", world[SG]):
        await send(world[SG], a_bundle(world, signer=stranger))


async def test_another_authoritys_key_is_unknown_under_the_senders_name(world: World) -> None:
    theirs = world[NG].keyring.signer("sig", world.clock.now())
    async with refused("unknown-key", world[SG]):
        await send(world[SG], a_bundle(world, signer=theirs))


@pytest.mark.parametrize(
    ("reason", "revoked", "code"),
    [
        ("compromise", timedelta(days=1), "sig-revoked"),
        ("superseded", timedelta(seconds=-1), "sig-revoked"),
        ("cessation", timedelta(seconds=0), "sig-revoked"),
        ("superseded", timedelta(hours=1), None),
        ("a reason of tomorrow", timedelta(hours=1), "sig-revoked"),
    ],
)
async def test_a_revoked_key_signs_nothing_any_more(
    world: World, reason: str, revoked: timedelta, code: str | None
) -> None:
    bundle = a_bundle(world)
    directory, now = world[SG].directory, world.clock.now()
    good = dict(directory.lookup(KE).entry.raw)  # type: ignore[union-attr]
    change = {
        "status": "revoked",
        "reason": reason,
        "revoked_at": wire_time((now + revoked).replace(microsecond=0)),
    }
    keys = [row | change if row["use"] == "sig" else row for row in good["keys"]]
    directory._store({**good, "keys": keys}, None, None, now)
    try:
        if code is None:
            assert verdict(await send(world[SG], bundle)) == ("consignment", None)
        else:
            async with refused(code, world[SG]):
                await send(world[SG], bundle)
    finally:
        directory._store(good, None, None, now)


async def test_only_the_sender_itself_may_hand_in_its_bundle(world: World) -> None:
    bundle = a_bundle(world)
    async with refused("auth-invalid", world[SG]):
        await world[SG].acceptor.begin(caller=NG, jti="j", exp=world.clock.now(), sender=KE, bid=bundle.bid)
    async with refused("auth-invalid", world[SG]):
        await world[SG].acceptor.state(caller=NG, sender=KE, bid=bundle.bid)
    async with refused("malformed", world[SG]):
        await deliver(world[SG], bundle.container, caller=NG, bid=bundle.bid)


# --- re-signed and forwarded --------------------------------------------------------------------


async def test_another_authority_that_signs_our_ciphertext_gets_a_rejection_that_says_nothing(
    world: World,
) -> None:
    bundle = a_bundle(world)
    theirs = world[NG].keyring.signer("sig", world.clock.now())
    jws = sign_envelope(bundle.payload | {"from": NG}, theirs)
    answer = await deliver(world[SG], with_parts_of(bundle, jws), caller=NG, bid=bundle.bid)
    assert verdict(answer) == ("rejection", "open-failed")
    # What the author itself sends is another bundle, and still good.
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)


async def test_a_recipient_that_wraps_what_it_received_for_a_third_authority_is_found_out(
    world: World,
) -> None:
    bundle = a_bundle(world)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    signer = world[SG].keyring.signer("sig", world.clock.now())
    to = world[SG].directory.encryption_key(NG, world.clock.now())
    for sender, signed_by in ((SG, signer), (KE, signer)):
        wrap = wrap_for(bundle.content_key, bid=bundle.bid, sender=sender, signer=signed_by, to=NG, public=to)
        jws = sign_envelope(bundle.payload | {"from": sender, "to": [wrap]}, signed_by)
        container = with_parts_of(bundle, jws)
        if sender == SG:
            answer = await deliver(world[NG], container, caller=SG, bid=bundle.bid)
            assert verdict(answer) == ("rejection", "open-failed")
        else:
            async with refused("malformed", world[NG]):
                await deliver(world[NG], container, caller=SG, bid=bundle.bid)
    with pytest.raises(GatewayRefusal, match="not-found"):
        await world[NG].cases.status(bundle.bid)


# --- one outward code for steps 11 to 13 --------------------------------------------------------


def _truncate_wrap(payload: Members) -> None:
    payload["to"][0]["wrap"] = b64u(os.urandom(1168))


def _other_manifest(payload: Members) -> None:
    payload["manifest"] = "0" * 64


def _set(name: str, value: Any) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[name] = value

    return change


def _part(n: int, **change: Any) -> Callable[[Members], None]:
    def apply(manifest: Members) -> None:
        manifest["parts"][n].update(change)

    return apply


LOOK_ALIKE: dict[str, dict[str, Callable[[Members], None]]] = {
    "a wrap of noise (11)": {"change_envelope": _truncate_wrap},
    "another manifest digest (12)": {"change_envelope": _other_manifest},
    "another sender inside (12)": {"change_manifest": _set("from", NG)},
    "another recipient inside (12)": {"change_manifest": _set("to", [NG])},
    "one more recipient inside (12)": {"change_manifest": _set("to", [SG, NG])},
    "another bundle inside (12)": {"change_manifest": _set("bid", "0" * 32)},
    "a lane below its urgency (12)": {"change_manifest": _set("urgency_level", "emergency")},
    "a part less (12)": {"change_manifest": lambda m: m["parts"].pop()},
    "no thread inside (12)": {"change_manifest": lambda m: m.pop("thread")},
    "another document digest (13)": {"change_manifest": _part(1, sha256="0" * 64)},
    "another form digest (13)": {"change_manifest": _part(0, sha256="0" * 64)},
}


@pytest.mark.parametrize("changes", LOOK_ALIKE.values(), ids=LOOK_ALIKE.keys())
async def test_what_fails_in_steps_11_to_13_is_answered_alike(
    world: World, changes: dict[str, Callable[[Members], None]]
) -> None:
    bundle = a_bundle(world, **changes)
    answer = await send(world[SG], bundle)
    claims = _claims(answer)
    assert (claims["type"], claims["reason"], claims["manifest"]) == ("rejection", "open-failed", None)
    # Nothing else of the answer depends on which step it was.
    assert claims["envelope"] == bundle.digest
    assert answer.status == 201
    assert set(claims) == {
        "v",
        "type",
        "from",
        "bid",
        "envelope",
        "manifest",
        "iss",
        "to",
        "at",
        "n",
        "prev",
        "reason",
    }


def _claims(answer: Answer) -> Members:
    from tests.hostile import _unb64

    claims: Members = json.loads(_unb64(answer.body["receipts"][-1]["jws"].split(".")[1]))
    return claims


# --- replay -------------------------------------------------------------------------------------


async def test_a_replayed_bundle_gets_the_stored_receipt_and_changes_nothing(world: World) -> None:
    bundle = a_bundle(world)
    first = await send(world[SG], bundle)
    before = await look(world[SG])
    again = await asyncio.gather(*(_try(send(world[SG], bundle)) for _ in range(8)))
    answers = [answer for answer in again if isinstance(answer, Answer)]
    assert answers
    assert all(isinstance(a, Answer) or a.code == "busy" for a in again)
    assert {a.body["receipts"][0]["jws"] for a in answers} == {first.body["receipts"][0]["jws"]}
    assert {a.status for a in answers} == {200}
    assert await look(world[SG]) == before


async def _try(call: Any) -> Answer | GatewayRefusal:
    try:
        answer: Answer = await call
        return answer
    except GatewayRefusal as refusal:
        return refusal


async def test_one_bundle_sent_many_times_at_once_is_stored_once(world: World) -> None:
    bundle = a_bundle(world)
    before = await look(world[SG])
    outcomes = await asyncio.gather(*(_try(send(world[SG], bundle, step=999)) for _ in range(8)))
    codes = {o.code if isinstance(o, GatewayRefusal) else verdict(o)[0] for o in outcomes}
    assert codes <= {"consignment", "busy"}
    assert "consignment" in codes
    after = await look(world[SG])
    assert after.rows["bundle"] == before.rows["bundle"] + 1
    assert after.rows["receipt"] == before.rows["receipt"] + 1


async def test_a_request_token_is_good_for_one_bundle_only(world: World) -> None:
    one, two = a_bundle(world), a_bundle(world)
    assert verdict(await send(world[SG], one, jti="A" * 22)) == ("consignment", None)
    async with refused("auth-replay", world[SG]):
        await send(world[SG], two, jti="A" * 22)
    # The same token for the same bundle is a repeat and harmless; after another token the second passes.
    assert (await send(world[SG], one, jti="A" * 22)).status == 200
    assert verdict(await send(world[SG], two)) == ("consignment", None)


async def test_two_bundles_with_one_token_at_once_are_stored_once(world: World) -> None:
    bundles = [a_bundle(world) for _ in range(4)]
    outcomes = await asyncio.gather(*(_try(send(world[SG], b, jti="B" * 22)) for b in bundles))
    codes = sorted(o.code if isinstance(o, GatewayRefusal) else verdict(o)[0] for o in outcomes)
    assert codes == ["auth-replay"] * 3 + ["consignment"]


@pytest.mark.slow
async def test_replay_is_known_after_a_restart(world: World) -> None:
    bundle, other = a_bundle(world), a_bundle(world)
    first = await send(world[SG], bundle, jti="C" * 22)
    await world.restart(SG)
    again = await send(world[SG], bundle, jti="C" * 22)
    assert again.body["receipts"][0]["jws"] == first.body["receipts"][0]["jws"]
    async with refused("auth-replay", world[SG]):
        await send(world[SG], other, jti="C" * 22)


async def test_a_receipt_body_is_good_once(world: World) -> None:
    body: Members = {"receipts": [], "problems": []}
    await world[KE].receipt_desk.take(caller=SG, jti="D" * 22, exp=world.clock.now(), body=body)
    async with refused("auth-replay", world[KE]):
        await world[KE].receipt_desk.take(caller=SG, jti="D" * 22, exp=world.clock.now(), body=body)


# --- one identifier, several bundles --------------------------------------------------------------


async def test_an_identifier_squatted_by_another_peer_costs_the_owner_nothing(world: World) -> None:
    bundle = a_bundle(world)
    form, documents = a_request()
    form["requesting_authority"]["authority_id"] = NG
    form["thread"]["message_id"] = f"{NG}/{bundle.bid}"
    squat = craft(world[NG], world[SG], form, documents)
    assert verdict(await send(world[SG], squat)) == ("consignment", None)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    assert (await world[SG].cases.status(bundle.ref)).peer == KE
    assert (await world[SG].cases.status(squat.ref)).peer == NG
    async with refused("ambiguous-reference", world[SG]):
        await world[SG].cases.status(bundle.bid)


async def test_a_thread_squatted_by_another_peer_is_another_case(world: World) -> None:
    bundle = a_bundle(world)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    form, documents = a_request()
    form["requesting_authority"]["authority_id"] = NG
    form["thread"] |= {"message_id": f"{NG}/{secrets.token_hex(16)}", "thread_id": bundle.manifest["thread"]}
    assert verdict(await send(world[SG], craft(world[NG], world[SG], form, documents))) == (
        "consignment",
        None,
    )
    assert len((await world[SG].cases.status(bundle.ref)).messages) == 1


async def test_another_bundle_under_a_used_identifier_is_a_conflict(world: World) -> None:
    bundle = a_bundle(world)
    await send(world[SG], bundle)
    form, documents = a_request()
    form["thread"]["message_id"] = bundle.ref
    other = craft(world[KE], world[SG], form, documents)
    async with refused("bid-conflict", world[SG]):
        await send(world[SG], other)


async def test_an_equal_revision_with_other_bytes_is_a_conflict_and_a_higher_one_a_repeat(
    world: World,
) -> None:
    bundle = a_bundle(world)
    first = await send(world[SG], bundle)
    signer = world[KE].keyring.signer("sig", world.clock.now())

    def again(**changes: Any) -> bytes:
        return with_parts_of(bundle, sign_envelope(bundle.payload | changes, signer))

    later = wire_time(world.clock.now() + timedelta(days=61))
    async with refused("bid-conflict", world[SG]):
        await deliver(world[SG], again(expires=later), caller=KE, bid=bundle.bid)
    async with refused("bid-conflict", world[SG]):
        await deliver(world[SG], again(rev=1, manifest="0" * 64), caller=KE, bid=bundle.bid)
    both = [*bundle.payload["to"], bundle.payload["to"][0] | {"aid": NG}]
    async with refused("bid-conflict", world[SG]):
        await deliver(world[SG], again(rev=1, to=both), caller=KE, bid=bundle.bid)
    before = await look(world[SG])
    repeat = await deliver(world[SG], again(rev=1), caller=KE, bid=bundle.bid)
    assert repeat.body["receipts"][0]["jws"] == first.body["receipts"][0]["jws"]
    assert await look(world[SG]) == before


async def test_a_wrap_for_a_destroyed_key_is_key_expired_not_rejected(world: World) -> None:
    old = PrivateKey.generate(KeyUse.ENC, GW_KEM1).public
    signer = world[KE].keyring.signer("sig", world.clock.now())

    def for_old_key(payload: Members) -> None:
        payload["to"] = [
            wrap_for(os.urandom(32), bid=payload["bid"], sender=KE, signer=signer, to=SG, public=old)
        ]

    async with refused("key-expired", world[SG]):
        await send(world[SG], a_bundle(world, change_envelope=for_old_key))


# --- file names -----------------------------------------------------------------------------------

SAFE_NAMES = [
    "Übersicht Größe ß.pdf",
    "Übersicht (zerlegt).pdf",
    "طلب المساعدة القضائية.pdf",
    "司法協助請求書.pdf",
    "요청서.pdf",
    "запрос.pdf",
    "invoice\u202efdp.exe",
    "a\u2066b\u2069\u200f.pdf",
    "zero\u200bwidth\ufeff.pdf",
    "CON.pdf",
    "NUL",
    "aux.txt:stream",
    "lpt1 .",
    ".hidden.pdf",
    "-rf.pdf",
    "--help",
    "~root.pdf",
    "$(reboot).pdf",
    "`id`;|&.pdf",
    "a\nb.pdf",
    "a\r\nContent-Type: text.pdf",
    "a\x1b[2J.pdf",
    "%2e%2e%2fetc.pdf",
    "...pdf",
    " lead and trail ",
    "x" * 196 + ".pdf",
    "ü" * 100 + ".pdf",
    "<script>alert(1)</script>.html".replace("/", "∕"),
    "a.pdf.exe",
    "😀.pdf",
]
UNSAFE_NAMES = [
    "",
    ".",
    "..",
    "a\0b.pdf",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b.pdf",
    "..\\..\\windows\\system.ini",
    "C:\\a.pdf",
    "x" * 201,
    "x" * 300,
    "ü" * 128,
    "a\ud800b.pdf",
]


@pytest.mark.parametrize("name", SAFE_NAMES, ids=ascii)
async def test_a_name_that_can_be_kept_is_kept_end_to_end_and_saved_under_a_safe_alias(
    world: World, name: str, tmp_path: Path
) -> None:
    form, documents = a_request()
    row = form["attachments"][0]
    documents = {name if known == row["filename"] else known: d for known, d in documents.items()}
    row["filename"] = name
    sent = await world.submit(KE, form, documents)
    await world.run()
    opened = await world[SG].cases.open(f"{KE}/{sent.bid}", tmp_path / "out")
    files = {Path(f.path): f for f in opened.files}
    kept = [path for path, f in files.items() if f.filename == display_name(name)]
    assert len(kept) == 1
    assert kept[0].read_bytes() == documents[name]
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    for path in files:
        assert path.parent == tmp_path / "out"
        assert path.name[:5].rstrip("-").isdigit()
        assert not any(unicodedata.category(letter)[0] == "C" for letter in path.name)
        assert path.stat().st_mode & 0o777 == 0o600
    assert kept[0].suffix in {".pdf", ".bin", ".txt", ".html"}
    assert not any(unicodedata.category(letter)[0] == "C" for letter in files[kept[0]].filename or "")
    manifest = (await world[SG].cases._library.open(KE, sent.bid)).manifest
    assert name in {part.name for part in manifest.parts}


@pytest.mark.parametrize("name", UNSAFE_NAMES, ids=ascii)
async def test_a_name_that_cannot_be_kept_is_refused_at_the_sender(world: World, name: str) -> None:
    form, documents = a_request()
    row = form["attachments"][0]
    documents = {name if known == row["filename"] else known: d for known, d in documents.items()}
    row["filename"] = name
    # What has no UTF-8 form is no JSON either.
    async with refused("form-unreadable" if "\ud800" in name else "name-unsafe", world[KE]):
        await world.submit(KE, form, documents)


@pytest.mark.parametrize("name", [name for name in UNSAFE_NAMES if "\ud800" not in name], ids=ascii)
async def test_a_name_that_cannot_be_kept_is_rejected_when_a_hostile_sender_seals_it(
    world: World, name: str, tmp_path: Path
) -> None:
    bundle = a_bundle(world, change_manifest=_part(1, name=name))
    before = await look(world[SG])
    assert verdict(await send(world[SG], bundle)) == ("rejection", "name-unsafe")
    after = await look(world[SG])
    for table in ("message", "content_key"):
        assert after.rows[table] == before.rows[table]
    with pytest.raises(GatewayRefusal, match="not-found"):
        await world[SG].cases.open(bundle.ref, tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_two_documents_with_one_name_are_saved_side_by_side(world: World, tmp_path: Path) -> None:
    def same(manifest: Members) -> None:
        for part in manifest["parts"]:
            part["name"] = "same.pdf"

    bundle = a_bundle(world, change_manifest=same)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    opened = await world[SG].cases.open(bundle.ref, tmp_path / "out")
    assert len({f.path for f in opened.files}) == len(bundle.manifest["parts"])


async def test_a_document_named_in_another_normal_form_is_the_same_document(world: World) -> None:
    # A form written on one system, files attached from another: ü is one character here and two there.
    for in_form, of_file in (("NFC", "NFD"), ("NFD", "NFC")):
        form, documents = a_request()
        row = form["attachments"][0]
        data = documents.pop(row["filename"])
        row["filename"] = unicodedata.normalize(in_form, "Übersicht.pdf")  # type: ignore[arg-type]
        documents[unicodedata.normalize(of_file, "Übersicht.pdf")] = data  # type: ignore[arg-type]
        assert (await world.submit(KE, form, documents)).state == "QUEUED"
    await world.run()


@pytest.mark.slow
async def test_after_all_of_this_every_log_receipt_and_case_still_verifies(world: World) -> None:
    await world.run()
    await world.check()
