"""Enrolment: who may say what about whom, and that a refused file leaves the directory as it was."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from crypto.directory import ENROLMENT_TYPE, sign_statement, unverified_statement
from crypto.encoding import b64u, wire_time
from crypto.errors import Refusal
from crypto.keys import ED25519, GW_HYB1, KeyUse, PrivateKey, key_id
from gateway.errors import GatewayRefusal
from gateway.services.directory import Directory
from tests.hostile import Members, refused
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

KE, SG, NG = "ke-ag", "sg-agc", "ng-fmj"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG, NG) as made:
        yield made


def payload_of(world: World, aid: str = SG) -> Members:
    """Return what an authority's own enrolment file says."""
    payload: Members = unverified_statement(world[aid].home.enrolment.read_bytes(), ENROLMENT_TYPE)[1]
    return json.loads(json.dumps(payload))  # type: ignore[no-any-return]


def statement(world: World, payload: Members, aid: str = SG) -> bytes:
    """Sign any enrolment with an authority's own key."""
    return sign_statement(world[aid].keyring.signer("sig", world.clock.now()), payload, ENROLMENT_TYPE)


def keys_of(payload: Members, use: str) -> list[Members]:
    return [row for row in payload["record"]["keys"] if row["use"] == use]


async def test_the_own_file_of_a_known_authority_is_taken_again(world: World) -> None:
    done = world[KE].directory.enrol(statement(world, payload_of(world)), now=world.clock.now())
    assert done.replaced


CHANGES: dict[str, tuple[str, Callable[[Members], None]]] = {
    "another State's prefix": ("enrolment-invalid", lambda p: p["record"].update(authority_id="ke-moj")),
    "another State": ("enrolment-invalid", lambda p: p["record"].update(state="KE")),
    "an identifier of another form": ("enrolment-invalid", lambda p: p["record"].update(authority_id="sg")),
    "the record of another State": ("enrolment-invalid", lambda p: p["state"].update(state="KE")),
    "a State that is none": ("enrolment-invalid", lambda p: p.update(state=[1])),
    "a State without participation": ("enrolment-invalid", lambda p: p["state"].pop("participation")),
    "another network": ("wrong-network", lambda p: p.update(network="real")),
    "no network": ("wrong-network", lambda p: p.pop("network")),
    "no date": ("enrolment-invalid", lambda p: p.pop("at")),
    "no record": ("enrolment-invalid", lambda p: p.pop("record")),
    "a record that is a list": ("enrolment-invalid", lambda p: p.update(record=[])),
    "no keys": ("enrolment-invalid", lambda p: p["record"].update(keys=[])),
    "keys that are text": ("enrolment-invalid", lambda p: p["record"].update(keys="x")),
    "channels that are text": ("enrolment-invalid", lambda p: p["record"].update(channels="x")),
    "a use that is a number": ("enrolment-invalid", lambda p: p["record"]["channels"][0].update(use=1)),
    "hours that are missing": ("enrolment-invalid", lambda p: p["record"].pop("hours")),
    "a key of noise": ("enrolment-invalid", lambda p: keys_of(p, "rcpt")[0].update(pub=b64u(bytes(32)))),
    "a kid that is not the key's": (
        "enrolment-invalid",
        lambda p: keys_of(p, "rcpt")[0].update(kid="A" * 43),
    ),
    "a date that is none": ("enrolment-invalid", lambda p: keys_of(p, "rcpt")[0].update(nbf="yesterday")),
    "a name in two alphabets": (
        "enrolment-invalid",
        lambda p: p["record"].update(name_en="Ministrу of Justice"),
    ),
    "a name with an override": (
        "enrolment-invalid",
        lambda p: p["record"].update(name_en="Justice\u202eecitsuJ"),
    ),
    "a name with a hidden letter": (
        "enrolment-invalid",
        lambda p: p["record"].update(name_en="Jus\u200btice"),
    ),
}


@pytest.mark.parametrize(("code", "change"), CHANGES.values(), ids=CHANGES.keys())
async def test_a_file_that_says_what_it_may_not_is_refused(
    world: World, code: str, change: Callable[[Members], None]
) -> None:
    payload = payload_of(world)
    change(payload)
    for replace in (False, True):
        async with refused(code, world[KE]):
            world[KE].directory.enrol(statement(world, payload), now=world.clock.now(), replace=replace)


async def test_an_identity_key_that_verifies_everything_is_not_taken(world: World) -> None:
    payload = payload_of(world)
    universal = b"\x01" + bytes(31)
    row = keys_of(payload, "rcpt")[0]
    row.update(pub=b64u(universal), kid=key_id("rcpt", ED25519, universal))
    async with refused("enrolment-invalid", world[KE]):
        world[KE].directory.enrol(statement(world, payload), now=world.clock.now(), replace=True)


async def test_a_file_about_another_authority_is_refused_unless_words_were_compared(world: World) -> None:
    # Signed by the key it lists itself, which is not the one we know for that authority.
    stranger = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
    payload = payload_of(world)
    row = keys_of(payload, "sig")[0]
    row.update(pub=b64u(stranger.public.pub), kid=stranger.public.kid)
    file = sign_statement(stranger.signer(), payload, ENROLMENT_TYPE)
    async with refused("enrolment-conflict", world[KE]):
        world[KE].directory.enrol(file, now=world.clock.now())


async def test_a_file_signed_by_a_key_it_does_not_list_is_refused(world: World) -> None:
    theirs = payload_of(world)
    async with refused("enrolment-invalid", world[KE]):
        world[KE].directory.enrol(statement(world, theirs, NG), now=world.clock.now(), replace=True)


async def test_nobody_enrols_ourselves(world: World) -> None:
    own = world[KE].home.enrolment.read_bytes()
    async with refused("enrolment-invalid", world[KE]):
        world[KE].directory.enrol(own, now=world.clock.now(), replace=True)


@pytest.mark.parametrize("use", ["sig", "rcpt", "req", "enc"])
async def test_a_key_of_another_authority_is_a_conflict(world: World, use: str) -> None:
    payload, theirs = payload_of(world), payload_of(world, NG)
    payload["record"]["keys"].append(keys_of(theirs, use)[0])
    async with refused("key-conflict", world[KE]):
        world[KE].directory.enrol(statement(world, payload), now=world.clock.now(), replace=True)


async def test_our_own_key_in_a_peers_record_is_a_conflict(world: World) -> None:
    payload = payload_of(world)
    payload["record"]["keys"].append(keys_of(payload_of(world, KE), "rcpt")[0])
    async with refused("key-conflict", world[KE]):
        world[KE].directory.enrol(statement(world, payload), now=world.clock.now(), replace=True)


async def test_one_public_key_under_two_uses_is_a_conflict(world: World) -> None:
    payload = payload_of(world)
    row = dict(keys_of(payload, "rcpt")[0])
    payload["record"]["keys"].append({**row, "use": "req", "kid": key_id("req", ED25519, _raw(row["pub"]))})
    async with refused("key-conflict", world[KE]):
        world[KE].directory.enrol(statement(world, payload), now=world.clock.now(), replace=True)


def _raw(text: str) -> bytes:
    from crypto.encoding import unb64u

    return unb64u(text)


async def test_an_older_file_does_not_bring_back_what_a_newer_one_ended(world: World) -> None:
    directory, now = world[KE].directory, world.clock.now()
    older = {**payload_of(world, NG), "at": wire_time(now - timedelta(hours=2))}
    newer = {**payload_of(world, NG), "at": wire_time(now - timedelta(hours=1))}
    directory.enrol(statement(world, newer, NG), now=now, replace=True)
    async with refused("enrolment-older", world[KE]):
        directory.enrol(statement(world, older, NG), now=now)
    # The same one again is no harm, and is remembered across a restart.
    directory.enrol(statement(world, newer, NG), now=now)
    await world.restart(KE)
    async with refused("enrolment-older", world[KE]):
        world[KE].directory.enrol(statement(world, older, NG), now=now)


async def test_a_revoked_key_vouches_for_nothing(world: World) -> None:
    directory, now = world[KE].directory, world.clock.now()
    payload = payload_of(world, NG)
    revoked = json.loads(json.dumps(payload))
    keys_of(revoked, "sig")[0].update(
        status="revoked", revoked_at=wire_time(now), reason="compromise", invalid_since=wire_time(now)
    )
    directory.enrol(statement(world, revoked, NG), now=now, replace=True)
    payload["at"] = wire_time(now + timedelta(hours=1))
    async with refused("enrolment-conflict", world[KE]):
        directory.enrol(statement(world, payload, NG), now=now)
    directory.enrol(statement(world, payload, NG), now=now, replace=True)


async def test_a_peer_with_hundreds_of_members_more_is_taken(world: World) -> None:
    payload = payload_of(world, NG)
    payload["record"]["tomorrow"] = {str(n): n for n in range(300)}
    payload["record"]["keys"].append(
        {
            **keys_of(payload, "rcpt")[0],
            "use": "rcpt2",
            "alg": "GW-RCPT2",
            "kid": "B" * 43,
            "pub": b64u(b"new"),
        }
    )
    before = world[KE].directory.version
    with pytest.raises(GatewayRefusal, match="enrolment-invalid"):
        # A key of a kind we do not know cannot be checked: the owner hands out a file without it for us.
        world[KE].directory.enrol(statement(world, payload, NG), now=world.clock.now(), replace=True)
    payload["record"]["keys"].pop()
    payload["at"] = wire_time(world.clock.now() + timedelta(hours=2))
    world[KE].directory.enrol(statement(world, payload, NG), now=world.clock.now(), replace=True)
    assert world[KE].directory.version == before + 1


@pytest.mark.parametrize("position", range(0, 4000, 397))
async def test_a_changed_byte_of_the_directory_is_noticed_when_it_is_opened(
    world: World, position: int
) -> None:
    path = world[KE].home.directory
    good = path.read_bytes()
    damaged = bytearray(good)
    damaged[position % len(good)] ^= 1
    path.write_bytes(bytes(damaged))
    try:
        with pytest.raises(GatewayRefusal, match="directory-unverifiable"):
            Directory.open(path, keyring=world[KE].keyring)
    finally:
        path.write_bytes(good)


async def test_a_directory_of_another_authority_is_not_ours(world: World) -> None:
    for aid in (SG, NG):
        with pytest.raises(GatewayRefusal, match="directory-unverifiable"):
            Directory.open(world[aid].home.directory, keyring=world[KE].keyring)


async def test_a_key_is_found_by_authority_use_and_kid_only(world: World) -> None:
    directory = world[KE].directory
    kid = world[SG].keyring.signer("rcpt", world.clock.now()).public.kid
    assert directory.key(SG, "rcpt", kid).kid == kid
    for aid, use, code in (
        (NG, "rcpt", "unknown-key"),
        (SG, "req", "unknown-key"),
        ("zz-none", "rcpt", "unknown-sender"),
    ):
        with pytest.raises(Refusal, match=code):
            directory.key(aid, use, kid)


async def test_words_change_with_any_key_and_with_nothing_else(world: World) -> None:
    from gateway.services.directory import entry_words

    own = world[SG].directory.own
    assert entry_words(own) == entry_words(world[KE].directory.lookup(SG).entry)  # type: ignore[arg-type]
    assert len(entry_words(own)) == 12
    seen = {entry_words(world[aid].directory.own) for aid in (KE, SG, NG)}
    assert len(seen) == 3
