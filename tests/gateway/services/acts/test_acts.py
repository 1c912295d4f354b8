"""Acts by passkey, from the officer's phone to the other authority: signed, sent, verified, refused."""

import asyncio
import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.assertion import act_challenge, assertion_of
from crypto.encoding import b64u
from crypto.keys import KeyUse
from crypto.officer import issue_statement, read_statement
from gateway.app import App
from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal
from gateway.services.acts.acts import PreparedAct
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.storage import acts, audit, cases, officers, peers
from gateway.storage.blobs import find_blob
from tests.gateway.services.test_long_ways import on_postgresql
from tests.hostile import Members, craft, send, unchanged, verdict
from tests.people import confirmed, enrolled, invited, registered, signed
from tests.postgres import Cluster, postgresql_cluster
from tests.storedcases import all_cases
from tests.world import World, sample_request

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG) as world:
        yield world


async def arrived(world: World) -> str:
    """Send a request from Kenya to Singapore and return its reference."""
    sent = await world.submit(KE, *sample_request(1, size=300))
    await world.run()
    return f"{KE}/{sent.bid}"


def attached(documents: dict[str, bytes]) -> list[Attachment]:
    return [
        Attachment(filename=name, open=lambda data=data: io.BytesIO(data), size=len(data))
        for name, data in documents.items()
    ]


async def prepared(world: World, ref: str, officer: str = "sg-do-1") -> PreparedAct:
    act = await world[SG].cases.acknowledge(ref, officer=officer)
    assert isinstance(act, PreparedAct)
    return act


async def bodies(app: App, event: str) -> list[dict[str, Any]]:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return [body for row in rows if row.body and (body := json.loads(row.body))["ev"] == event]


async def vouched(app: App, sender: str, bid: str) -> tuple[str | None, str | None]:
    row = await app.database.read(lambda c: cases.find_message(c, sender, bid))
    assert row is not None
    return row.assurance, row.officer


async def refused(app: App, code: str, awaitable: Any) -> None:
    """Await what must be refused with this code; nothing may have changed."""
    async with unchanged(app):
        with pytest.raises(GatewayRefusal) as refusal:
            await awaitable
    assert refusal.value.code == code


async def test_an_acknowledgement_by_passkey_is_verified_by_the_other_side(world: World) -> None:
    phone = await enrolled(world[SG], "sg-do-1")
    act = await prepared(world, await arrived(world))
    assert (act.message_type, act.to, act.page) == ("acknowledgement", KE, "https://duty.sg-agc.example/")
    assert act.challenge == b64u(act_challenge(bytes.fromhex(act.digest)))
    assert [each.id for each in await world[SG].acts.waiting("sg-do-1")] == [act.id]
    assert await world[SG].acts.waiting("sg-do-2") == []
    sent = await signed(world[SG], act, phone)
    assert (sent.bid, sent.state) == (act.bid, "QUEUED")
    await world.run()
    for app in (world[SG], world[KE]):
        assert await vouched(app, SG, act.bid) == ("passkey", "sg-do-1")
    assert [(each["bid"], each["assurance"]) for each in await bodies(world[SG], "person.acted")] == [
        (act.bid, "passkey")
    ]
    status = await world[KE].cases.status(f"{SG}/{act.bid}")
    assert status.state == "received"
    assert await world[SG].acts.waiting() == []
    await world.check()


async def test_the_same_on_a_strict_database(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    async with on_postgresql(tmp_path, postgresql_cluster, KE, SG) as world:
        ref = await arrived(world)
        phone = await enrolled(world[SG], "sg-do-1")
        phone.count = 2**32 - 2
        await world[SG].officers.sign_in(phone.get(world[SG].officers.sign_in_options().options))
        phone.count += 1
        act = await prepared(world, ref)
        await signed(world[SG], act, phone)
        await world.run()
        assert await vouched(world[KE], SG, act.bid) == ("passkey", "sg-do-1")
        await world[SG].officers.suspend("sg-do-1", by="head")
        world.advance(timedelta(days=1))
        await world[SG].watch.look()
        await world.check()


async def test_until_somebody_has_a_passkey_the_operators_word_is_sent_at_once(world: World) -> None:
    ref = await arrived(world)
    await registered(world[SG], await invited(world[SG], "sg-do-1"))
    sent = await world[SG].cases.acknowledge(ref, officer="local")
    assert isinstance(sent, Submission)
    await world.run()
    assert await vouched(world[KE], SG, sent.bid) == ("local_operator", "local")


@pytest.mark.parametrize("way", ["by its form", "by its bytes"])
async def test_what_was_being_sealed_when_the_first_passkey_was_confirmed_needs_it(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    app, drafter = world[KE], world[KE].submitter.drafter
    draft = drafter.draft

    async def meanwhile(**given: Any) -> Any:
        made = await draft(**given)
        await enrolled(app, "ke-do-1")
        return made

    monkeypatch.setattr(drafter, "draft", meanwhile)
    form = sample_request(1)[0] | {"attachments": [], "translations": []}
    data = json.dumps(form).encode()
    sending = (
        app.acts.perform(form, officer="op-1")
        if way == "by its form"
        else app.acts.submit(form_bytes=data, attachments=(), officer="op-1")
    )
    with pytest.raises(GatewayRefusal, match="passkey-needed"):
        await sending
    assert await app.database.read(lambda c: all_cases(c, 10)) == []


async def test_an_auditors_passkey_keeps_nobody_from_sending(world: World) -> None:
    ref = await arrived(world)
    await enrolled(world[SG], "sg-au-1", role="auditor")
    # An auditor signs nothing: counted among those who do, this would stop the authority's every message.
    assert isinstance(await world[SG].cases.acknowledge(ref, officer="op-1"), Submission)


async def test_only_an_approver_signs_a_refusal_whoever_wrote_the_form(world: World) -> None:
    await enrolled(world[SG], "sg-do-1")
    form = {"message_type": "refusal", "author": {"authority_id": SG, "role": "duty_officer"}}
    await refused(world[SG], "human-role", world[SG].acts.prepare(form, officer="sg-do-1"))


async def test_afterwards_nobodys_word_alone_stands_for_the_authority(world: World) -> None:
    ref = await arrived(world)
    await enrolled(world[SG], "sg-do-1")
    await registered(world[SG], await invited(world[SG], "sg-do-2", by="sg-do-1"))
    await enrolled(world[SG], "sg-aud", role="auditor")
    app = world[SG]
    await refused(app, "passkey-needed", app.cases.acknowledge(ref, officer="local"))
    await refused(app, "officer-not-ready", app.cases.acknowledge(ref, officer="sg-do-2"))
    await refused(app, "officer-role", app.cases.acknowledge(ref, officer="sg-aud"))
    form, _ = await app.cases._acknowledgement(ref, "local", None, None, None, signs=True)
    await refused(app, "passkey-needed", app.acts.send(form, officer="local"))
    approving = {**form, "author": {**form["author"], "role": "approver"}}
    await refused(app, "human-role", app.acts.perform(approving, officer="sg-do-1"))


async def test_a_request_is_an_act_and_its_documents_wait_sealed(world: World) -> None:
    phone = await enrolled(world[KE], "ke-ap-1", role="approver")
    form, documents = sample_request(1, size=300_000)
    form["created_at"] = "2026-11-21T09:00:00Z"
    files = attached(documents)
    act = await world[KE].acts.submit(
        form_bytes=json.dumps(form).encode(), attachments=files, officer="ke-ap-1"
    )
    assert isinstance(act, PreparedAct)
    kept = b"".join(path.read_bytes() for path in world[KE].home.root.glob("rogatory.db*"))
    assert form["proceeding"]["subject_matter"].encode() not in kept
    assert await world[KE].courier.claim("routine", 4) == []
    await world.restart(KE)
    await signed(world[KE], act, phone)
    await world.run()
    assert await vouched(world[SG], KE, act.bid) == ("passkey", "ke-ap-1")
    opened = await world[SG].cases.open(f"{KE}/{act.bid}", world.folder / "read", officer="x")
    digests = {file.sha256 for file in opened.files}
    assert {hashlib.sha256(data).hexdigest() for data in documents.values()} <= digests
    await world.check()


def _other_challenge(phone: SoftPasskeys, act: PreparedAct) -> dict[str, Any]:
    return phone.get({**act.options, "challenge": b64u(bytes(32))})


def _unverified(phone: SoftPasskeys, act: PreparedAct) -> dict[str, Any]:
    phone.verifies = False
    answer = phone.get(act.options)
    phone.verifies = True
    return answer


def _elsewhere(phone: SoftPasskeys, act: PreparedAct) -> dict[str, Any]:
    page, phone.origin = phone.origin, "https://duty.evil.example"
    answer = phone.get(act.options)
    phone.origin = page
    return answer


def _unknown(phone: SoftPasskeys, act: PreparedAct) -> dict[str, Any]:
    other = SoftPasskeys(origin=phone.origin)
    other.create({"rp": {"id": act.options["rpId"]}, "user": {"id": ""}, "challenge": ""})
    return other.get({"challenge": act.challenge})


def _flipped(phone: SoftPasskeys, act: PreparedAct) -> dict[str, Any]:
    answer = phone.get(act.options)
    text = answer["response"]["signature"]
    answer["response"]["signature"] = text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")
    return answer


NOT_SIGNED: list[tuple[Callable[[SoftPasskeys, PreparedAct], Any], str]] = [
    (_other_challenge, "human-digest"),
    (_unverified, "human-unverified"),
    (_elsewhere, "human-origin"),
    (_unknown, "human-credential"),
    (_flipped, "human-signature"),
    (lambda phone, act: {}, "human-form"),
    (lambda phone, act: {"id": ["x"], "response": {"signature": 7}}, "human-form"),
    (lambda phone, act: {**phone.get(act.options), "id": "A" * 5000}, "human-form"),
]


async def test_what_does_not_sign_this_act_sends_nothing_and_the_act_still_waits(world: World) -> None:
    app = world[SG]
    phone = await enrolled(app, "sg-do-1")
    other = await enrolled(app, "sg-do-2")
    act = await prepared(world, await arrived(world))
    for spoil, code in NOT_SIGNED:
        answer = spoil(phone, act)
        await refused(app, code, app.acts.sign(act.id, officer="sg-do-1", assertion=answer))
    theirs = other.get({"challenge": act.challenge})
    await refused(app, "human-credential", app.acts.sign(act.id, officer="sg-do-1", assertion=theirs))
    good = phone.get(act.options)
    await refused(app, "act-unknown", app.acts.sign(act.id, officer="sg-do-2", assertion=good))
    await refused(app, "act-unknown", app.acts.sign("0" * 32, officer="sg-do-1", assertion=good))
    await app.acts.sign(act.id, officer="sg-do-1", assertion=good)
    await refused(app, "act-over", app.acts.sign(act.id, officer="sg-do-1", assertion=good))
    again = await app.acts.prepare(
        json.loads(json.dumps(await _form_of(world, act))) | {"message_id": f"{SG}/{'1' * 32}", "seq": 2},
        officer="sg-do-1",
    )
    await refused(app, "human-digest", app.acts.sign(again.id, officer="sg-do-1", assertion=good))


async def _form_of(world: World, act: PreparedAct) -> dict[str, Any]:
    app = world[SG]
    bundle = await app._library.open(act.sender, act.bid)
    sink = io.BytesIO()
    await app._library.read_part(bundle, 1, sink)
    form: dict[str, Any] = json.loads(sink.getvalue())
    return form


async def test_two_taps_at_once_send_one_message(world: World) -> None:
    phone = await enrolled(world[SG], "sg-do-1")
    act = await prepared(world, await arrived(world))
    answer = phone.get(act.options)
    both = await asyncio.gather(
        *(world[SG].acts.sign(act.id, officer="sg-do-1", assertion=answer) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["GatewayRefusal", "Submission"]
    await world.run()
    await world.check()


async def test_asking_twice_prepares_one_act_and_a_thread_that_moved_on_another(world: World) -> None:
    ref = await arrived(world)
    phone = await enrolled(world[SG], "sg-do-1")
    other = await enrolled(world[SG], "sg-do-2")
    one = await prepared(world, ref)
    assert (await prepared(world, ref)).id == one.id
    two = await prepared(world, ref, "sg-do-2")
    await signed(world[SG], two, other)
    good = phone.get(one.options)
    await refused(world[SG], "act-outdated", world[SG].acts.sign(one.id, officer="sg-do-1", assertion=good))
    await refused(world[SG], "already-acknowledged", world[SG].cases.acknowledge(ref, officer="sg-do-1"))


async def test_an_act_of_an_officer_who_was_suspended_meanwhile_never_leaves(world: World) -> None:
    app = world[SG]
    ref = await arrived(world)
    phone = await enrolled(app, "sg-do-1")
    await enrolled(app, "sg-do-2")
    act = await prepared(world, ref)
    good = phone.get(act.options)
    await app.officers.suspend("sg-do-1", by="head")
    await refused(app, "act-over", app.acts.sign(act.id, officer="sg-do-1", assertion=good))
    assert [body["code"] for body in await bodies(app, "act.ended")] == ["withdrawn"]
    # A passkey that ended alone leaves the act, and signs it no more.
    phone = await enrolled(app, "sg-do-1")
    act = await prepared(world, ref)
    (key,) = [each for each in (await app.officers.find("sg-do-1")).passkeys if each.status == "active"]
    await app.officers.end_credential(key.id, by="head")
    last = list(phone._held)[-1]
    good = phone.get(act.options, credential=last)
    await refused(app, "human-suspended", app.acts.sign(act.id, officer="sg-do-1", assertion=good))


@pytest.mark.parametrize("how", ["suspended", "given up"])
async def test_what_ends_while_the_bundle_is_sealed_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    app = world[SG]
    phone = await enrolled(app, "sg-do-1")
    act = await prepared(world, await arrived(world))
    keep = app.submitter._keep

    async def later(*args: Any, **more: Any) -> Any:
        if how == "suspended":
            await app.officers.suspend("sg-do-1", by="head")
        else:
            await app.acts.withdraw(act.id)
        return await keep(*args, **more)

    monkeypatch.setattr(app.submitter, "_keep", later)
    with pytest.raises(GatewayRefusal, match="human-suspended" if how == "suspended" else "act-over"):
        await signed(app, act, phone)
    assert await app.database.read(lambda c: cases.find_message(c, SG, act.bid)) is None


async def test_an_act_nobody_signs_ends_with_what_it_held_and_a_person_is_told(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-ap-1", role="approver")
    form, documents = sample_request(1, size=300)
    form["created_at"] = "2026-11-21T09:00:00Z"
    files = attached(documents)
    act = await app.acts.prepare(form, officer="ke-ap-1", attachments=files)
    row = await app.database.read(lambda c: acts.find_act(c, act.id))
    assert row is not None
    digests = [part[4] for part in json.loads(row.parts)[1:]]
    assert await app.database.read(lambda c: find_blob(c, digests[0])) is not None
    world.advance(timedelta(days=7))
    good = phone.get(act.options)
    await refused(app, "act-over", app.acts.sign(act.id, officer="ke-ap-1", assertion=good))
    assert await app.acts.waiting() == []
    assert await app.acts.look(world.clock.now()) == 1
    row = await app.database.read(lambda c: acts.find_act(c, act.id))
    assert row is not None
    assert (row.state, row.form, row.wrapped) == ("expired", None, None)
    assert await app.database.read(lambda c: find_blob(c, digests[0])) is None
    assert [task.code for task in await app.database.read(peers.open_tasks)] == ["act-unsigned"]
    await refused(app, "act-over", app.acts.withdraw(act.id))
    await refused(app, "act-unknown", app.acts.withdraw("0" * 32))
    await world.check()


async def test_a_lost_phone_is_two_persons_on_the_telephone_and_marked_low(world: World) -> None:
    app, ref = world[SG], await arrived(world)
    await enrolled(app, "sg-do-1")
    await enrolled(app, "sg-do-2")
    await enrolled(app, "sg-aud", role="auditor", by="sg-do-1", second="sg-do-2")
    ring = app.cases.acknowledge_by_telephone
    await refused(app, "two-persons", ring(ref, officer="sg-do-1", second="sg-do-1"))
    await refused(app, "officer-unknown", ring(ref, officer="sg-do-1", second="anybody"))
    await refused(app, "officer-role", ring(ref, officer="sg-do-1", second="sg-aud"))
    sent = await ring(ref, officer="sg-do-1", second="sg-do-2")
    await world.run()
    assert await vouched(world[KE], SG, sent.bid) == ("second_person_telephone", "sg-do-1")
    bundle = await world[KE]._library.open(SG, sent.bid)
    assert (bundle.manifest.human or {})["second_officer"] == "sg-do-2"


# What a hostile authority sends


async def hostile(world: World, ref: str) -> tuple[dict[str, Any], Any, SoftPasskeys]:
    """Return an acknowledgement that a listed authority could sign, its context, and its officer's phone."""
    phone = await enrolled(world[SG], "sg-do-1")
    form, _ = await world[SG].cases._acknowledgement(ref, "sg-do-1", None, None, None, signs=True)
    said = dict(form) | {"human": {"assurance": "passkey", "officer": "sg-do-1", "assertion": None}}
    context = await world[SG].submitter._casebook.context(form["thread"]["thread_id"], KE)
    return said, context, phone


async def test_a_hostile_authority_cannot_claim_an_officer_who_did_not_sign(world: World) -> None:
    ref = await arrived(world)
    form, context, phone = await hostile(world, ref)
    sg, ke = world[SG], world[KE]
    (key,) = await sg.database.read(officers.all_credentials)
    assert key.statement is not None
    statement = read_statement(key.statement, lambda aid, kid: sg.directory.key(aid, KeyUse.SIG, kid))
    foreign = issue_statement(statement, ke.keyring.signer(KeyUse.SIG, world.clock.now()))

    def slot(said: Members, **changes: Any) -> dict[str, Any]:
        digest = hashlib.sha256(json.dumps(said).encode()).digest()
        answer = phone.assertion(key.id, challenge=act_challenge(digest))
        good = {
            "assurance": "passkey",
            "officer": "sg-do-1",
            "assertion": assertion_of(answer).encoded(),
            "statement": key.statement,
        }
        return good | changes

    replayed = slot(form)
    spoilt: list[tuple[Any, str]] = [
        (lambda said: replayed, "human-digest"),
        (lambda said: slot(said, statement=None), "human-form"),
        (lambda said: slot(said, assertion="A" * 100_000), "human-form"),
        (lambda said: slot(said, officer="sg-do-2"), "human-differs"),
        (lambda said: slot(said, officer=[{"deep": [1, 2, {"er": None}]}]), "human-form"),
        (lambda said: slot(said, statement=foreign), "human-key"),
        (lambda said: {}, "human-form"),
        (lambda said: {"assurance": None}, "human-form"),
        (lambda said: {"assurance": "second_person_telephone", "officer": "a"}, "human-form"),
    ]
    for make, code in spoilt:
        said = form | {"message_id": f"{SG}/{secrets.token_hex(16)}"}
        raw = json.dumps(said).encode()
        crafted = craft(
            sg,
            ke,
            said,
            {},
            form_bytes=raw,
            context=context,
            change_manifest=lambda m, make=make, said=said: m.update(human=make(said)),
        )
        before = await ke.cases.status(ref)
        assert verdict(await send(ke, crafted)) == ("rejection", "form-invalid")
        assert await ke.database.read(lambda c, bid=crafted.bid: cases.find_message(c, SG, bid)) is None
        assert (await ke.cases.status(ref)).state == before.state
        assert (await bodies(ke, "act.refused"))[-1]["code"] == code
    said = form | {"message_id": f"{SG}/{secrets.token_hex(16)}"}
    good = craft(
        sg,
        ke,
        said,
        {},
        form_bytes=json.dumps(said).encode(),
        context=context,
        change_manifest=lambda m: m.update(human=slot(said)),
    )
    assert verdict(await send(ke, good)) == ("consignment", None)
    assert await vouched(ke, SG, good.bid) == ("passkey", "sg-do-1")


async def test_a_claim_this_version_cannot_verify_is_kept_as_the_authoritys_word(world: World) -> None:
    ref = await arrived(world)
    form, context, _ = await hostile(world, ref)
    crafted = craft(
        world[SG],
        world[KE],
        form,
        {},
        context=context,
        change_manifest=lambda m: m.update(human={"assurance": "token", "officer": "sg-do-1"}),
    )
    assert verdict(await send(world[KE], crafted)) == ("consignment", None)
    assert await vouched(world[KE], SG, crafted.bid) == ("local_operator", "sg-do-1")


async def test_what_only_the_form_claims_vouches_for_nothing(world: World) -> None:
    ref = await arrived(world)
    form, context, _ = await hostile(world, ref)
    said = form | {"human": {"assurance": "passkey", "officer": "sg-do-1", "assertion": "claimed"}}
    crafted = craft(world[SG], world[KE], said, {}, context=context)
    assert verdict(await send(world[KE], crafted)) == ("consignment", None)
    assert await vouched(world[KE], SG, crafted.bid) == (None, None)


async def test_an_act_older_than_the_passkey_that_signs_it_is_made_anew(world: World) -> None:
    app, ref = world[SG], await arrived(world)
    await enrolled(app, "sg-do-1")
    act = await prepared(world, ref)
    world.advance(timedelta(minutes=5))
    link = await app.officers.link("sg-do-1", by="head")
    phone = await registered(app, link.token)
    await confirmed(app, "sg-do-1")
    act = await app.acts.find(act.id)
    signing = app.acts.sign(act.id, officer="sg-do-1", assertion=phone.get(act.options))
    await refused(app, "act-outdated", signing)
    await app.acts.withdraw(act.id)
    sent = await signed(app, await prepared(world, ref), phone)
    await world.run()
    assert await vouched(world[KE], SG, sent.bid) == ("passkey", "sg-do-1")


async def test_a_suspended_officer_acts_in_nobodys_name_also_where_nobody_has_a_passkey(world: World) -> None:
    app = world[KE]
    await invited(app, "ke-do-9")
    await invited(app, "ke-aud-9", role="auditor")
    form, documents = sample_request(1, size=100)
    given: dict[str, Any] = {"form_bytes": json.dumps(form).encode(), "attachments": attached(documents)}
    await app.officers.suspend("ke-do-9", by="head")
    assert not await app.acts.are_signed()
    await refused(app, "human-suspended", app.acts.submit(officer="ke-do-9", **given))
    await refused(app, "officer-role", app.acts.submit(officer="ke-aud-9", **given))
    ref = await arrived(world)
    await invited(world[SG], "sg-do-9")
    await world[SG].officers.suspend("sg-do-9", by="head")
    await refused(world[SG], "human-suspended", world[SG].cases.acknowledge(ref, officer="sg-do-9"))
    assert not isinstance(await app.acts.submit(officer="local", **given), PreparedAct)
