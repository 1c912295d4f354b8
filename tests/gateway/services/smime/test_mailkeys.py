"""The own S/MIME keys: made when asked for, listed, renewed with an overlap; and whose certificates count."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from cryptography import x509

from crypto.cms import decrypt, encrypt, sign_opaque, verify_opaque
from crypto.encoding import b64u, wire_time
from crypto.errors import Refusal
from crypto.keys import X509, KeyUse, key_id
from crypto.mailcert import check_mail_certificate, mail_addresses
from gateway.errors import GatewayRefusal
from gateway.model.revoked import KeyNotice
from gateway.services.keys.keyring import ENC_KEPT, Keyring, KeyringError
from gateway.services.smime.checks import check_letters
from gateway.services.smime.correspondents import correspondents, smime_certificates, wishes_of
from tests.mailcerts import identity
from tests.world import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

A, B = "ke-ag", "sg-agc"
MAILBOX = "mla@ke-ag.example.org"
USES = [str(KeyUse.SMIME_SIG), str(KeyUse.SMIME_ENC)]
DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), A, B) as made:
        yield made


async def test_a_home_makes_mail_keys_when_it_is_asked_to_and_lists_them(world: World) -> None:
    app, now = world[A], world.clock.now()
    assert await app.desk.upkeep.renew(USES, early=True) == ()
    with pytest.raises(KeyringError):
        app.keyring.mail_signer(now)
    own = app.directory.own
    assert check_letters(own, app.keyring.held, mailbox="other@ke-ag.example.org", now=now) == []
    (told,) = check_letters(own, app.keyring.held, mailbox=MAILBOX, now=now)
    assert told.action == "Run: rogatory keys rotate --use smime_sig smime_enc"
    made = await app.desk.upkeep.rotate(USES)
    (told,) = check_letters(own, app.keyring.held, mailbox=MAILBOX, now=now)
    assert (told.level, told.action) == ("green", "")
    assert [str(key.public.use) for key in made] == USES
    for key in made:
        check_mail_certificate(key.public.pub, use=key.public.use, address=MAILBOX, now=now)
        assert mail_addresses(key.public.pub) == (MAILBOX,)
        assert key.public.certificate.public_key().key_size == 3072  # type: ignore[union-attr]
        assert key.public.certificate.subject == key.public.certificate.issuer
        assert b"BEGIN ENCRYPTED" in (app.keyring.folder / str(key.file)).read_bytes()
    other = {USES[0]: KeyUse.SMIME_ENC, USES[1]: KeyUse.SMIME_SIG}
    for key in made:
        with pytest.raises(Refusal):
            check_mail_certificate(key.public.pub, use=other[key.public.use], address=MAILBOX, now=now)
    listed = {row["kid"]: row for row in app.directory.own.raw["keys"]}
    assert all(listed[key.public.kid]["cert"] == b64u(key.public.pub) for key in made)
    # A peer takes the renewed enrolment file, and knows who may write letters to it.
    peer = world[B]
    peer.directory.enrol(app.home.enrolment.read_bytes(), now=now)
    (row,) = correspondents(peer.directory, now)
    assert (row.authority_id, row.address, row.certificate) == (A, MAILBOX, made[0].public.pub)
    assert smime_certificates(peer.directory, A, KeyUse.SMIME_ENC, now) == (made[1].public.pub,)
    assert correspondents(app.directory, now) == ()
    signed = sign_opaque(b"x", key=app.keyring.mail_signer(now), at=now)
    assert verify_opaque(signed, trusted=[row.certificate]).content == b"x"


async def test_an_ended_key_opens_letters_until_it_is_destroyed(world: World) -> None:
    app, now = world[A], world.clock.now()
    if not any(key.public.use == KeyUse.SMIME_ENC for key in app.keyring.held):
        await app.desk.upkeep.rotate(USES)
    (old,) = app.keyring.mail_openers()
    letter = encrypt(b"x", recipients=[old.certificate])
    (fresh,) = await app.desk.upkeep.renew([USES[1]], early=True)
    assert fresh.begins <= now + timedelta(seconds=1)
    again = Keyring.open(app.keyring.folder)
    assert [key.certificate for key in again.mail_openers()] == [fresh.public.pub, old.certificate]
    assert decrypt(letter, keys=again.mail_openers()).content == b"x"
    end = next(key.exp for key in again.held if key.public.pub == old.certificate)
    again.destroy_expired(end + ENC_KEPT - DAY)
    assert old.certificate in [key.certificate for key in again.mail_openers()]
    again.destroy_expired(end + ENC_KEPT + DAY)
    assert old.certificate not in [key.certificate for key in again.mail_openers()]


async def test_where_the_record_lists_no_mailbox_no_key_is_made(world: World) -> None:
    app, now = world[B], world.clock.now()
    raw = app.directory.own.raw
    channels = [row for row in raw["channels"] if row["channel"] != "email_smime"]
    app.directory.update_own({**raw, "channels": channels}, now)
    held = app.keyring.held
    with pytest.raises(GatewayRefusal) as caught:
        await app.desk.upkeep.rotate(USES)
    assert caught.value.code == "mailbox-none"
    assert app.keyring.held == held


async def test_a_revoked_key_without_a_mailbox_has_no_successor(world: World) -> None:
    app, now = world[A], world.clock.now()
    if not any(key.public.use == KeyUse.SMIME_SIG for key in app.keyring.held):
        await app.desk.upkeep.rotate(USES)
    raw = app.directory.own.raw
    channels = [row for row in raw["channels"] if row["channel"] != "email_smime"]
    app.directory.update_own({**raw, "channels": channels}, now)
    lost = app.keyring.current(KeyUse.SMIME_SIG, now).public.kid
    notice = KeyNotice(
        aid=A, kid=lost, reason="cessation", at=now, received_at=now, invalid_since=None, by_state=True
    )
    assert await app.desk.upkeep.own_key_revoked(notice) == ()
    (row,) = [row for row in app.directory.own.raw["keys"] if row["kid"] == lost]
    assert (row["status"], row["reason"]) == ("revoked", "cessation")
    app.directory.update_own({**raw, "keys": app.directory.own.raw["keys"]}, now)


BAD: dict[str, dict[str, object]] = {
    "another mailbox": {"names": ("other@xx.example.org",)},
    "an authority above others": {"is_ca": True},
    "another use": {"opens": False},
    "for servers": {"purposes": (x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1"),)},
    "ended": {"end": None},
}


@pytest.mark.parametrize("defect", ["none", *BAD])
async def test_only_certificates_made_for_the_mailbox_count(world: World, defect: str) -> None:
    app, now = world[A], world.clock.now()
    change = dict(BAD.get(defect, {}))
    if "end" in change:
        change["end"] = now - DAY
    held = identity(MAILBOX, begin=now - 30 * DAY, **change).key.certificate  # type: ignore[arg-type]
    row = {
        "use": "smime_enc",
        "alg": X509,
        "kid": key_id("smime_enc", X509, held),
        "cert": b64u(held),
        "nbf": wire_time(now - DAY),
        "exp": wire_time(now + DAY),
        "status": "active",
    }
    raw = app.directory.own.raw
    app.directory.update_own(
        {**raw, "keys": [k for k in raw["keys"] if k["use"] != "smime_enc"] + [row]}, now
    )
    found = smime_certificates(app.directory, A, KeyUse.SMIME_ENC, now)
    assert (held in found) is (defect == "none")
    app.directory.update_own(raw, now)


async def test_how_a_letter_is_sealed_is_what_the_record_says(world: World) -> None:
    app, now = world[A], world.clock.now()
    plain = wishes_of(app.directory.own)
    assert (plain.cipher, plain.form, plain.max_message_bytes) == ("aes256-cbc", "pkcs1v15", None)
    raw = app.directory.own.raw
    said = {"smime_content_enc": "aes256-gcm", "smime_signature": "pss", "max_message_bytes": 10_000_000}
    app.directory.update_own({**raw, "transport": said}, now)
    found = wishes_of(app.directory.own)
    assert (found.cipher, found.form, found.max_message_bytes) == ("aes256-gcm", "pss", 10_000_000)
