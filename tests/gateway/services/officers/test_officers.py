"""Officers: nothing counts before a second person; a link and a challenge are good once; passkeys end."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.encoding import b64u, unb64u
from crypto.keys import KeyUse
from crypto.officer import read_statement, statement_kid
from gateway.app import App
from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal
from gateway.services.duty.sessions import Session
from gateway.services.officers.officers import Officers
from gateway.storage import audit, officers, peers
from gateway.web.calls.officers import SetupLinkView, TokenParams
from tests.hostile import unchanged
from tests.people import confirmed, enrolled, invited, read_out, registered
from tests.world import World

pytestmark = pytest.mark.slow
KE = "ke-ag"
DAY = timedelta(days=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE) as world:
        yield world


async def events(world: World) -> list[str]:
    rows = await world[KE].database.read(lambda c: audit.leaves(c, 0, audit.log_size(c)))
    return [json.loads(leaf)["ev"] for _, leaf in rows]


async def refused(world: World, code: str, awaitable: Any) -> GatewayRefusal:
    """Await what must be refused with this code; nothing may have changed."""
    async with unchanged(world[KE]):
        with pytest.raises(GatewayRefusal) as refusal:
            await awaitable
    assert refusal.value.code == code
    return refusal.value


async def test_an_officer_counts_once_a_second_person_confirmed(world: World) -> None:
    people = world[KE].officers
    token = await invited(world[KE], "ke-do-1")
    phone = SoftPasskeys(origin=people.party.origin)
    options = (await people.begin_registration(token)).options
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    made = await people.complete_registration(token, phone.create(options))
    assert (await people.find("ke-do-1")).status == "enrolled"
    assert not (await people.find("ke-do-1")).is_ready
    assert not await people.anybody_is_ready()
    (task,) = await world[KE].database.read(peers.open_tasks)
    assert (task.code, task.owner) == ("officer-unconfirmed", "approver")

    officer = await people.confirm("ke-do-1", by="deputy", words=str(made.passkey.words))
    assert officer.is_ready
    assert await people.anybody_is_ready()
    assert await world[KE].database.read(peers.open_tasks) == []
    assert [event for event in await events(world) if event.startswith(("officer", "credential"))] == [
        "officer.invited",
        "credential.added",
        "officer.enrolled",
        "credential.confirmed",
        "officer.confirmed",
    ]
    signed = await people.sign_in(phone.get(people.sign_in_options().options))
    assert (signed.pseudonym, signed.role) == ("ke-do-1", "duty_officer")


async def test_the_statement_says_whose_passkey_it_is_for_a_year_and_names_nobody(world: World) -> None:
    app = world[KE]
    await enrolled(app, "ke-do-1")
    (key,) = await app.database.read(officers.all_credentials)
    assert key.statement is not None
    said = read_statement(key.statement, lambda aid, kid: app.directory.key(aid, KeyUse.SIG, kid))
    assert (said.aid, said.officer, said.role) == (KE, "ke-do-1", "duty_officer")
    assert (said.rp, said.origin) == ("duty.ke-ag.example", "https://duty.ke-ag.example")
    assert said.exp - said.nbf == timedelta(days=365)
    assert b"Fictional" not in unb64u(key.statement.split(".")[1])


async def test_another_sig_key_says_the_same_again(world: World) -> None:
    app = world[KE]
    await enrolled(app, "ke-do-1")
    (key,) = await app.database.read(officers.all_credentials)
    row = await app.database.read(lambda c: officers.find_officer(c, "ke-do-1"))
    now = world.clock.now()
    assert row is not None
    assert app.officers.confirmation.current(row, key, now) == key.statement
    app.keyring.rotate([KeyUse.SIG], now=now)
    again = app.officers.confirmation.current(row, key, now)
    assert statement_kid(again) == app.keyring.current(KeyUse.SIG, now).public.kid
    payloads = [unb64u(text.split(".")[1]) for text in (again, str(key.statement))]
    assert payloads[0] == payloads[1]


NO_OFFICERS: list[tuple[str, dict[str, str]]] = [
    ("pseudonym", {"pseudonym": "Jane Doe"}),
    ("pseudonym", {"pseudonym": ".hidden"}),
    ("pseudonym", {"pseudonym": "System"}),
    ("name", {"name": ""}),
    ("name", {"name": "a\u202eb\n"}),
    ("role", {"role": "king"}),
    ("time_zone", {"time_zone": "../../etc/passwd"}),
    ("time_zone", {"time_zone": "Mars/Base"}),
    ("language", {"language": "tlh"}),
    ("by", {"by": "the head of office"}),
    ("by", {"by": "system"}),
]


async def test_who_cannot_be_an_officer_is_told_why(world: World) -> None:
    for field, values in NO_OFFICERS:
        given = {"name": "Fictional", "role": "approver", "time_zone": "Africa/Nairobi", "language": "en"}
        given |= {"pseudonym": "ke-do-1", "by": "head"} | values
        pseudonym = given.pop("pseudonym")
        refusal = await refused(world, "officer-invalid", world[KE].officers.invite(pseudonym, **given))
        assert refusal.field == field


async def test_nobody_confirms_alone(world: World) -> None:
    await registered(world[KE], await invited(world[KE], "ke-do-1"))
    (words,) = await read_out(world[KE], "ke-do-1")
    for by in ("ke-do-1", "head", "not a pseudonym", ""):
        await refused(world, "two-persons", world[KE].officers.confirm("ke-do-1", by=by, words=words))


async def test_nobody_is_a_second_person_by_another_spelling_or_out_of_force(world: World) -> None:
    app = world[KE]
    await registered(app, await invited(app, "ke-do-1"))
    (words,) = await read_out(app, "ke-do-1")
    for by in ("KE-do-1", "Head"):
        await refused(world, "two-persons", app.officers.confirm("ke-do-1", by=by, words=words))
    await invited(app, "ke-do-2")
    await refused(world, "two-persons", app.officers.confirm("ke-do-1", by="ke-do-2", words=words))
    with pytest.raises(GatewayRefusal, match="officer"):
        await invited(app, "KE-DO-1")


async def test_with_two_officers_in_force_only_one_of_them_confirms(world: World) -> None:
    app = world[KE]
    await enrolled(app, "ke-do-1")
    await enrolled(app, "ke-do-2")
    await registered(app, await invited(app, "ke-do-3", by="ke-do-1"))
    (words,) = await read_out(app, "ke-do-3")
    for stranger in ("deputy", "ke-do-1", "ke-do-3"):
        await refused(world, "two-persons", app.officers.confirm("ke-do-3", by=stranger, words=words))
    assert (await app.officers.confirm("ke-do-3", by="ke-do-2", words=words)).is_ready


async def test_only_the_passkey_whose_words_were_read_out_is_confirmed(world: World) -> None:
    people = world[KE].officers
    token = await invited(world[KE], "ke-do-1")
    phone = SoftPasskeys(origin=people.party.origin)
    options = (await people.begin_registration(token)).options
    one = await people.complete_registration(token, phone.create(options))
    assert one.further is not None
    options = (await people.begin_registration(one.further.token)).options
    assert [row["id"] for row in options["excludeCredentials"]] == [one.passkey.id]
    two = await people.complete_registration(one.further.token, phone.create(options))
    assert two.further is None
    first, second = str(one.passkey.words), str(two.passkey.words)
    found = await people.confirm("ke-do-1", by="deputy", words=first)
    assert {key.id: key.status for key in found.passkeys} == {
        one.passkey.id: "active",
        two.passkey.id: "pending",
    }
    for wrong in ("abandon", "", first, second.rpartition(" ")[0], f"{second} {second}", "\ud800" * 99):
        await refused(world, "officer-words-differ", people.confirm("ke-do-1", by="deputy", words=wrong))
    # However the second person wrote them down.
    spelled = second.upper().replace(" ", ",  ")
    found = await people.confirm("ke-do-1", by="deputy", words=spelled)
    assert [key.status for key in found.passkeys] == ["active", "active"]
    await refused(world, "officer-nothing-to-confirm", people.confirm("ke-do-1", by="deputy", words=second))
    await refused(world, "officer-unknown", people.confirm("nobody", by="deputy", words=second))


async def test_a_passkey_made_with_an_intercepted_link_is_not_confirmed_with_the_officers_own(
    world: World,
) -> None:
    app = world[KE]
    await enrolled(app, "ke-do-1")
    world.advance(timedelta(minutes=1))
    stolen = await app.officers.link("ke-do-1", by="head")
    thief = await registered(app, stolen.token)
    world.advance(timedelta(minutes=1))
    own = await app.officers.link("ke-do-1", by="head")
    await registered(app, own.token)
    _, words = await read_out(app, "ke-do-1")
    # Nothing but its phone says what is to be read out, so it cannot be copied without asking the officer.
    shown = [key.words for key in (await app.officers.find("ke-do-1")).passkeys]
    assert [each is None for each in shown] == [False, True, True]
    assert [key.words for officer in await app.officers.listed() for key in officer.passkeys] == shown
    found = await app.officers.confirm("ke-do-1", by="deputy", words=words)
    assert [key.status for key in found.passkeys] == ["active", "pending", "active"]
    answer = thief.get(app.officers.sign_in_options().options)
    await refused(world, "human-suspended", app.officers.sign_in(answer))


async def test_words_that_two_waiting_passkeys_share_confirm_neither(world: World) -> None:
    app = world[KE]
    await registered(app, await invited(app, "ke-do-1"))
    (key,) = await app.database.read(officers.all_credentials)
    twin = msgspec.structs.replace(key, id="A" * 22)
    await app.database.write(lambda tx: officers.add_credential(tx, twin))
    words, _ = await read_out(app, "ke-do-1")
    twice = app.officers.confirm("ke-do-1", by="deputy", words=words)
    await refused(world, "officer-words-differ", twice)


async def test_whoever_gave_the_link_of_a_further_passkey_does_not_confirm_it(world: World) -> None:
    app = world[KE]
    await enrolled(app, "ke-do-1")
    await enrolled(app, "ke-do-2")
    await enrolled(app, "ke-do-3", second="ke-do-1")
    world.advance(timedelta(minutes=1))
    link = await app.officers.link("ke-do-1", by="ke-do-2")
    await registered(app, link.token)
    (words,) = await read_out(app, "ke-do-1")
    for by in ("ke-do-2", "KE-DO-2"):
        await refused(world, "two-persons", app.officers.confirm("ke-do-1", by=by, words=words))
    assert len((await app.officers.confirm("ke-do-1", by="ke-do-3", words=words)).passkeys) == 2


async def test_a_link_is_good_once_and_for_a_day(world: World) -> None:
    app = world[KE]
    token = await invited(app, "ke-do-1")
    phone = await registered(app, token)
    await refused(world, "setup-link-invalid", app.officers.begin_registration(token))
    await refused(world, "setup-link-invalid", app.officers.complete_registration(token, {}))
    late = await invited(app, "ke-do-2")
    options = (await app.officers.begin_registration(late)).options
    world.advance(DAY)
    await refused(world, "setup-link-invalid", app.officers.begin_registration(late))
    await refused(
        world, "setup-link-invalid", app.officers.complete_registration(late, phone.create(options))
    )
    for odd in ("", "x", "\ud800", "' OR 1=1 --"):
        await refused(world, "setup-link-invalid", app.officers.begin_registration(odd))


async def test_of_two_answers_by_one_link_one_is_kept(world: World) -> None:
    app = world[KE]
    token = await invited(app, "ke-do-1")
    phone = SoftPasskeys(origin=app.officers.party.origin)
    options = (await app.officers.begin_registration(token)).options
    both = await asyncio.gather(
        app.officers.complete_registration(token, phone.create(options)),
        app.officers.complete_registration(token, phone.create(options)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["GatewayRefusal", "Registered"]
    assert len((await app.officers.find("ke-do-1")).passkeys) == 1


def _unverified(phone: SoftPasskeys, options: Mapping[str, Any]) -> dict[str, Any]:
    phone.verifies = False
    return phone.create(options)


def _elsewhere(phone: SoftPasskeys, options: Mapping[str, Any]) -> dict[str, Any]:
    phone.origin = "https://duty.ke-ag.example.evil.example"
    return phone.create(options)


NO_PASSKEYS: list[tuple[Any, str]] = [
    (_unverified, "human-unverified"),
    (_elsewhere, "human-origin"),
    (lambda phone, options: phone.create({**options, "challenge": b64u(bytes(32))}), "human-digest"),
    (lambda phone, options: phone.create({**options, "rp": {"id": "evil.example"}}), "human-origin"),
    (lambda phone, options: {**phone.create(options), "id": "AAAA"}, "human-form"),
    (lambda phone, options: {"id": 7, "response": None}, "human-form"),
    (lambda phone, options: {}, "human-form"),
    (
        lambda phone, options: {
            "id": "AAAA",
            "response": {"clientDataJSON": "A" * 20_000, "attestationObject": "AA"},
        },
        "human-form",
    ),
]


async def test_what_makes_no_passkey_is_refused_and_the_link_stays_good(world: World) -> None:
    app = world[KE]
    token = await invited(app, "ke-do-1")
    options = (await app.officers.begin_registration(token)).options
    for answer, code in NO_PASSKEYS:
        phone = SoftPasskeys(origin=app.officers.party.origin)
        await refused(world, code, app.officers.complete_registration(token, answer(phone, options)))
    await registered(app, token)


async def test_the_passkey_of_another_officer_cannot_be_registered_again(world: World) -> None:
    app = world[KE]
    phone = await registered(app, await invited(app, "ke-do-1"))
    (known,) = phone._held
    token = await invited(app, "ke-do-2")
    options = (await app.officers.begin_registration(token)).options
    made = phone.create(options)
    object_ = unb64u(made["response"]["attestationObject"]).replace(unb64u(made["id"]), unb64u(known))
    stolen = {**made, "id": known, "rawId": known}
    stolen["response"] = {**made["response"], "attestationObject": b64u(object_)}
    await refused(world, "human-form", app.officers.complete_registration(token, stolen))


async def test_a_challenge_to_sign_in_is_good_once_and_for_minutes(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-do-1")
    answer = phone.get(app.officers.sign_in_options().options)
    await app.officers.sign_in(answer)
    await refused(world, "human-digest", app.officers.sign_in(answer))
    late = phone.get(app.officers.sign_in_options().options)
    world.advance(timedelta(minutes=6))
    await refused(world, "human-digest", app.officers.sign_in(late))
    at = int(world.clock.now().timestamp()).to_bytes(8, "big")
    made_up = phone.get({"challenge": b64u(bytes(16) + at + bytes(32))})
    await refused(world, "human-digest", app.officers.sign_in(made_up))
    both = phone.get(app.officers.sign_in_options().options)
    results = await asyncio.gather(
        app.officers.sign_in(both), app.officers.sign_in(both), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in results) == ["GatewayRefusal", "Officer"]


async def test_a_copy_of_a_passkey_that_counts_is_noticed(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-do-1")
    for phone.count in (1, 2**32 - 1):
        await app.officers.sign_in(phone.get(app.officers.sign_in_options().options))
    for phone.count in (2**32 - 1, 7, 0):
        answer = phone.get(app.officers.sign_in_options().options)
        await refused(world, "human-signature", app.officers.sign_in(answer))


async def test_asking_for_a_challenge_keeps_nothing(world: World) -> None:
    async with unchanged(world[KE]):
        for _ in range(50):
            world[KE].officers.sign_in_options()


async def test_a_passkey_that_is_not_confirmed_ended_or_unknown_signs_nobody_in(world: World) -> None:
    app = world[KE]
    phone = await registered(app, await invited(app, "ke-do-1"))

    def answer() -> dict[str, Any]:
        return phone.get(app.officers.sign_in_options().options)

    await refused(world, "human-suspended", app.officers.sign_in(answer()))
    found = await confirmed(app, "ke-do-1")
    unknown = SoftPasskeys(origin=phone.origin)
    unknown.create({"rp": {"id": "duty.ke-ag.example"}, "user": {"id": ""}, "challenge": ""})
    await refused(
        world, "human-credential", app.officers.sign_in(unknown.get(app.officers.sign_in_options().options))
    )
    stranger = answer()
    stranger["response"]["userHandle"] = b64u(b"another")
    await refused(world, "human-credential", app.officers.sign_in(stranger))
    await app.officers.end_credential(found.passkeys[0].id[:12], by="head")
    await refused(world, "human-suspended", app.officers.sign_in(answer()))
    await refused(world, "credential-unknown", app.officers.end_credential(found.passkeys[0].id, by="head"))
    await refused(world, "credential-unknown", app.officers.end_credential("%", by="head"))


async def test_a_stolen_phone_is_signed_out_though_its_officer_has_another_passkey(world: World) -> None:
    app = world[KE]
    first, second = await enrolled(app, "ke-do-1"), await enrolled(app, "ke-do-2")
    await registered(app, (await app.officers.link("ke-do-1", by="head")).token)
    officer = await confirmed(app, "ke-do-1", by="ke-do-2")
    stolen, other = [await on_the_page(app, phone) for phone in (first, second)]
    await app.officers.end_credential(officer.passkeys[0].id, by="head")
    assert (await app.officers.find("ke-do-1")).is_ready
    assert await app.duty.sessions.find(stolen.token) is None
    assert await app.duty.sessions.find(other.token) is not None, "nobody else is signed out"


async def test_somebody_else_ends_an_officers_sessions_and_the_passkey_stays_good(world: World) -> None:
    app = world[KE]
    phones = [await enrolled(app, name) for name in ("ke-do-1", "ke-do-2")]
    held = [await on_the_page(app, phone) for phone in (phones[0], phones[0], phones[1])]
    assert sorted(row.officer for row in await app.officers.signed_in()) == ["ke-do-1", "ke-do-1", "ke-do-2"]
    await refused(world, "officer-unknown", app.officers.sign_out("nobody", by="head"))
    await refused(world, "officer-invalid", app.officers.sign_out("ke-do-1", by="the head"))
    assert await app.officers.sign_out("ke-do-1", by="head") == 2
    found = [await app.duty.sessions.find(session.token) for session in held]
    assert [session is None for session in found] == [True, True, False]
    async with unchanged(app):
        assert await app.officers.sign_out("ke-do-1", by="head") == 0, "nothing to end, nothing to log"
    assert (await events(world)).count("person.signed_out") == 1
    assert await app.duty.sessions.find((await on_the_page(app, phones[0])).token) is not None


async def test_a_passkey_that_was_used_has_its_session_or_was_not_used(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-do-1")
    answer = phone.get(app.officers.sign_in_options().options)

    def fails(tx: Any, officer: Any) -> None:
        raise GatewayRefusal("officer-role")

    await refused(world, "officer-role", app.officers.sign_in(answer, also=fails))
    (key,) = (await app.officers.find("ke-do-1")).passkeys
    assert key.used_at is None
    world.advance(timedelta(minutes=1))
    session = await on_the_page(app, phone)
    (key,) = (await app.officers.find("ke-do-1")).passkeys
    assert key.used_at == session.opened_at


async def on_the_page(app: App, phone: SoftPasskeys) -> Session:
    """Sign in as the duty page does."""
    return await app.duty.sessions.sign_in(phone.get(app.officers.sign_in_options().options))


async def test_a_passkeys_year_ends_after_a_warning(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-do-1")
    world.advance(timedelta(days=336))
    await app.officers.look(world.clock.now())
    assert [task.code for task in await app.database.read(peers.open_tasks)] == ["passkey-ending"]
    await app.officers.sign_in(phone.get(app.officers.sign_in_options().options))
    world.advance(timedelta(days=30))
    await refused(
        world, "human-expired", app.officers.sign_in(phone.get(app.officers.sign_in_options().options))
    )
    await app.officers.look(world.clock.now())
    (key,) = (await app.officers.find("ke-do-1")).passkeys
    assert key.status == "ended"
    assert not await app.officers.anybody_is_ready()


async def test_who_is_suspended_is_out_at_once_and_may_be_invited_again(world: World) -> None:
    app = world[KE]
    phone = await enrolled(app, "ke-do-1")
    link = await app.officers.link("ke-do-1", by="head")
    officer = await app.officers.suspend("ke-do-1", by="head")
    assert (officer.status, [key.status for key in officer.passkeys]) == ("suspended", ["ended"])
    await refused(world, "setup-link-invalid", app.officers.begin_registration(link.token))
    await refused(
        world, "human-suspended", app.officers.sign_in(phone.get(app.officers.sign_in_options().options))
    )
    await refused(world, "officer-not-ready", app.officers.link("ke-do-1", by="head"))
    again = app.officers.confirm("ke-do-1", by="deputy", words="abandon")
    await refused(world, "officer-nothing-to-confirm", again)
    await enrolled(app, "ke-do-1")
    assert (await app.officers.find("ke-do-1")).is_ready


async def test_an_invitation_nobody_used_ends_and_one_in_force_is_not_made_twice(world: World) -> None:
    app = world[KE]
    await invited(app, "ke-do-1")
    world.advance(DAY)
    await app.officers.look(world.clock.now())
    assert (await app.officers.find("ke-do-1")).status == "suspended"
    async with unchanged(app):
        await app.officers.look(world.clock.now())
    await enrolled(app, "ke-do-1")
    async with unchanged(app):
        with pytest.raises(GatewayRefusal, match="officer-exists"):
            await invited(app, "ke-do-1")


async def test_inviting_again_lets_nobody_confirm_what_an_earlier_link_made(world: World) -> None:
    app = world[KE]
    await registered(app, await invited(app, "ke-do-1"))
    (words,) = await read_out(app, "ke-do-1")
    await invited(app, "ke-do-1", by="other")
    earlier = app.officers.confirm("ke-do-1", by="deputy", words=words)
    await refused(world, "officer-nothing-to-confirm", earlier)


async def test_without_a_duty_page_there_are_no_passkeys(world: World) -> None:
    app = world[KE]
    people = Officers(database=app.database, keyring=app.keyring, party=None, clock=app.clock)
    await refused(
        world,
        "duty-page-none",
        people.invite("a", name="b", role="approver", time_zone="UTC", language="en", by="head"),
    )
    with pytest.raises(GatewayRefusal, match="duty-page-none"):
        people.sign_in_options()


async def test_neither_token_nor_challenge_is_kept_or_shown(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    app = world[KE]
    link = await app.officers.invite(
        "ke-do-1", name="Secretname", role="approver", time_zone="UTC", language="en", by="head"
    )
    ceremony = await app.officers.begin_registration(link.token)
    shown = repr(link) + repr(ceremony) + repr(await app.officers.find("ke-do-1"))
    rows = [
        repr(await app.database.read(lambda c: officers.find_officer(c, "ke-do-1"))),
        repr(await app.database.read(lambda c: officers.has_old_links(c, world.clock.now()))),
    ]
    shown += repr(msgspec.convert(link, SetupLinkView, from_attributes=True))
    shown += repr(TokenParams(token=link.token))
    printed = "".join(capsys.readouterr())
    kept = (app.home.root / "rogatory.db").read_bytes() + (app.home.root / "rogatory.db-wal").read_bytes()
    assert link.token not in shown + printed + "".join(rows)
    assert ceremony.options["challenge"] not in shown + printed
    assert "Secretname" not in shown + printed + "".join(rows)
    assert link.token.encode() not in kept
