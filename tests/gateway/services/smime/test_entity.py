"""Sealed letters: what stands outside, what comes back, and what is refused without being shown."""

import base64
import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto import cmsnames as names
from crypto.cms import ContentCipher, encrypt, sign_opaque
from gateway.errors import GatewayRefusal
from gateway.services.smime.entity import (
    Correspondent,
    Enclosure,
    Letter,
    OpenedLetter,
    open_letter,
    seal_letter,
)
from tests.mailcerts import NOW, Identity, OpenSsl, identity, needs_openssl

GATEWAY = "registry@xa-example.example.org"
PERSON = "duty@xb-example.example.org"
STRANGER = "m@xc-example.example.org"

LETTER = Letter(
    sender=GATEWAY,
    recipient=PERSON,
    subject="Rechtshilfeersuchen XA-2026/17 – Frist 3. März",
    message_id="<0123456789abcdef@xa-example.example.org>",
    date=NOW,
    text="Sehr geehrte Damen und Herren,\nthis letter is fictional.\n\nFrom line\n.\n",
    enclosures=(
        Enclosure(name="Ersuchen über Auskunft.pdf", media_type="application/pdf", content=b"%PDF-1" * 80),
        Enclosure(name="manifest.json", media_type="application/json", content=b"{}"),
        Enclosure(name="empty.txt", media_type="text/plain", content=b""),
    ),
    in_reply_to="<before@xb-example.example.org>",
)  # fmt: skip


def own() -> Identity:
    return identity(GATEWAY)


def person() -> Identity:
    return identity(PERSON)


def known(*others: Identity) -> tuple[Correspondent, ...]:
    return tuple(
        Correspondent(authority_id="xb-x", address=each.address, certificate=each.key.certificate)
        for each in (person(), *others)
    )


def opened(
    raw: bytes,
    *,
    at: Identity | None = None,
    by: tuple[Correspondent, ...] | None = None,
    now: datetime = NOW,
) -> OpenedLetter:
    reader = at or own()
    return open_letter(
        raw,
        keys=[reader.key],
        own=reader.address,
        correspondents=known() if by is None else by,
        now=now,
    )


def sealed(letter: Letter = LETTER) -> bytes:
    sealed_letter = seal_letter(letter, signer=own().key, recipients=[person().key.certificate])
    return b"".join(sealed_letter.lines.stretches())


def as_person(raw: bytes) -> OpenedLetter:
    return opened(raw, at=person(), by=known(own()))


def test_a_sealed_letter_comes_back_as_it_was() -> None:
    raw = sealed()
    found = as_person(raw)
    assert (found.subject, found.message_id, found.date) == (LETTER.subject, LETTER.message_id, NOW)
    assert found.text == LETTER.text
    assert found.enclosures == LETTER.enclosures
    assert (found.references, found.cipher) == ((LETTER.in_reply_to,), "aes256-cbc")
    assert (found.is_protected, found.signed_at, found.report_type) == (True, NOW, None)
    assert found.correspondent.address == GATEWAY


def test_outside_stands_nothing_about_the_case() -> None:
    raw = sealed()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert {name.lower() for name in mail} == {
        *("from", "to", "subject", "date", "message-id", "auto-submitted", "in-reply-to", "references"),
        *("disposition-notification-to", "mime-version", "content-type", "content-transfer-encoding"),
        "content-disposition",
    }  # fmt: skip
    assert (mail["Subject"], mail["From"], mail["To"]) == ("[...]", GATEWAY, PERSON)
    assert mail.get_content_type() == "application/pkcs7-mime"
    for word in (b"XA-2026", b"Rechtshilfe", b"manifest", b"Ersuchen", b"fictional"):
        assert word not in raw
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


@needs_openssl
def test_a_second_reader_finds_the_same_letter_inside(tmp_path: Path) -> None:
    openssl = OpenSsl(tmp_path)
    certificate, key = openssl.file("to.pem", person().pem), openssl.file("to.key", person().key_pem)
    inner = openssl.cms("-decrypt", "-recip", certificate, "-inkey", key, given=sealed())
    ca = openssl.file("ca.pem", own().pem)
    entity = openssl.cms("-verify", "-CAfile", ca, "-purpose", "any", "-no_check_time", given=inner)
    assert entity == as_person(sealed()).entity or entity.count(b"\r\n") == entity.count(b"\n")
    mail = email.message_from_bytes(entity, policy=email.policy.default)
    assert (mail["Subject"], mail["From"], mail["To"]) == (LETTER.subject, GATEWAY, PERSON)
    assert mail.get_content_type() == "multipart/mixed"
    assert mail["Content-Type"].params["hp"] == "cipher"
    assert "Subject: [...]" in mail.get_all("HP-Outer")
    assert f"From: {GATEWAY}" in mail.get_all("HP-Outer")
    body, *files = mail.iter_parts()
    said = body.get_content().replace("\r\n", "\n")
    assert said == f"Subject: {LETTER.subject}\n\n{LETTER.text}"
    assert body["Content-Type"].params["hp-legacy-display"] == "1"
    assert [
        (each.get_filename(), each.get_content_type(), each.get_payload(decode=True)) for each in files
    ] == [(each.name, each.media_type, each.content) for each in LETTER.enclosures]


@pytest.mark.parametrize(
    "bad", ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b", "a\ud800"]
)
@pytest.mark.parametrize("member", ["subject", "sender", "recipient", "message_id", "in_reply_to"])
def test_no_header_can_be_broken_out_of(member: str, bad: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        sealed(replace(LETTER, **{member: bad}))


@pytest.mark.parametrize("name", ["", "a\r\nb", "a\x00b", "a\u2029b"])
def test_no_file_name_can_break_out_of_its_header(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        sealed(replace(LETTER, enclosures=(Enclosure(name=name, media_type="text/plain", content=b""),)))


@pytest.mark.parametrize(
    "name",
    ["ü" * 100, "文書.pdf", 'a"b;c=d.pdf', "a'b%c.pdf", "‮fdp.exe", "a\\b", "x" * 200],
)
def test_odd_file_names_survive(name: str) -> None:
    one = Enclosure(name=name, media_type="application/pdf", content=b"x")
    assert as_person(sealed(replace(LETTER, enclosures=(one,)))).enclosures == (one,)


def refused(raw: bytes, **other: object) -> str:
    with pytest.raises(GatewayRefusal) as caught:
        opened(raw, **other)  # type: ignore[arg-type]
    assert "fictional" not in f"{caught.value!r} {caught.value.detail}"
    return caught.value.code


REFUSED = {"open-failed", "sig-invalid", "smime-unsigned", "smime-form", "smime-signer", "smime-weak"}


@pytest.mark.slow
def test_every_changed_block_of_cbc_is_refused_or_changes_nothing() -> None:
    reply = answer(plain("A fictional answer.\r\n" * 4))
    head, _, _ = reply.partition(b"\r\n\r\n")
    cms = email.message_from_bytes(reply, policy=email.policy.default).get_payload(decode=True)
    entity = opened(reply).entity
    begin = cms.index(names.oid(names.AES256_CBC)) + 16
    refusals = []
    for at in range(begin, len(cms), 16):
        changed = cms[:at] + bytes([cms[at] ^ 0x20]) + cms[at + 1 :]
        mail = head + b"\r\n\r\n" + b"\r\n".join(wrapped(changed))
        try:
            # The first block starts with a header name, and its case may change: what was signed does not.
            assert opened(mail).entity == entity
        except GatewayRefusal as refusal:
            refusals.append(refusal.code)
    assert set(refusals) <= REFUSED
    assert len(refusals) >= len(range(begin, len(cms), 16)) - 1


def wrapped(content: bytes) -> list[bytes]:
    return [*base64.encodebytes(content).splitlines(), b""]


def plain(text: str, *, headers: str | None = None) -> bytes:
    said = f"From: {PERSON}\r\nTo: {GATEWAY}\r\nSubject: Re\r\n" if headers is None else headers
    return f'{said}Content-Type: text/plain; charset=utf-8; hp="cipher"\r\n\r\n{text}'.encode()


def cms_part(content: bytes, kind: str) -> bytes:
    return b"\r\n".join([
        f"Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m".encode(),
        b"Content-Transfer-Encoding: base64", b"", *wrapped(content),
    ])  # fmt: skip


def outer(body: bytes, *, sender: str = PERSON) -> bytes:
    return f"From: {sender}\r\nTo: {GATEWAY}\r\nMIME-Version: 1.0\r\n".encode() + body


def signed(entity: bytes, by: Identity) -> bytes:
    return cms_part(sign_opaque(entity, key=by.key, at=NOW), "signed-data")


def enveloped(inner: bytes, *, cipher: ContentCipher = ContentCipher.AES256_CBC) -> bytes:
    return cms_part(encrypt(inner, recipients=[own().key.certificate], cipher=cipher), "enveloped-data")


def answer(entity: bytes, *, by: Identity | None = None, sender: str = PERSON) -> bytes:
    return outer(enveloped(signed(entity, by or person())), sender=sender)


def test_an_answer_signed_by_a_correspondent_is_read_with_or_without_protected_headers() -> None:
    found = opened(answer(plain("Received.\r\n")))
    assert (found.text, found.is_protected, found.subject) == ("Received.\n", True, "Re")
    bare = opened(answer(plain("Received.\r\n", headers="")))
    assert (bare.text, bare.is_protected, bare.subject) == ("Received.\n", False, "")
    assert opened(outer(signed(plain("x"), person()))).cipher is None


def test_nothing_unsigned_is_read() -> None:
    assert refused(outer(enveloped(plain("fictional")))) == "smime-unsigned"
    assert refused(outer(plain("fictional", headers=""))) == "smime-unsigned"
    assert refused(outer(enveloped(plain("fictional"), cipher=ContentCipher.AES256_GCM))) == "smime-unsigned"


def test_only_the_directory_says_whose_signature_it_is() -> None:
    stranger = identity(STRANGER)
    assert refused(answer(plain("fictional"), by=stranger)) == "smime-signer"
    twin = identity(PERSON, kind="p256")
    assert refused(answer(plain("fictional"), by=twin)) == "smime-signer"


def test_a_letter_signed_for_somebody_else_is_not_ours() -> None:
    entity = plain("fictional", headers=f"From: {PERSON}\r\nTo: {STRANGER}\r\n")
    assert refused(answer(entity)) == "smime-not-for-us"
    assert refused(answer(entity, sender=STRANGER)) == "smime-sender"


@pytest.mark.parametrize("inside", [PERSON, STRANGER])
def test_every_from_is_the_signers_mailbox(inside: str) -> None:
    by = known(identity(STRANGER))
    entity = plain("fictional", headers=f"From: {inside}\r\nTo: {GATEWAY}\r\n")
    for signer, other in ((person(), STRANGER), (identity(STRANGER), PERSON)):
        assert refused(answer(entity, by=signer, sender=other), by=by) == "smime-sender"
    unprotected = plain("fictional", headers="")
    assert refused(answer(unprotected, by=identity(STRANGER), sender=PERSON), by=by) == "smime-sender"


def test_nothing_may_stand_beside_the_signed_letter() -> None:
    body = enveloped(signed(plain("fictional"), person()))
    mixed = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nPay.\r\n'
        b"--b\r\n" + body + b"\r\n--b--\r\n"
    )
    assert refused(outer(mixed)) == "smime-siblings"
    assert (
        refused(outer(enveloped(mixed.replace(body, signed(plain("fictional"), person())))))
        == "smime-siblings"
    )


def test_layers_beyond_one_signature_in_one_encryption_are_refused() -> None:
    inner = signed(plain("fictional"), person())
    assert refused(outer(enveloped(enveloped(inner)))) == "smime-nested"
    assert refused(outer(enveloped(signed(inner, person())))) == "smime-nested"
    for _ in range(50):
        inner = cms_part(sign_opaque(inner[:2000], key=person().key, at=NOW), "signed-data")
    assert refused(outer(inner)) == "smime-nested"


def clear_signed(entity: bytes, signature: bytes, *, after: str = "") -> bytes:
    said = 'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="s"\r\n'
    part = b"\r\n".join(
        [
            b"Content-Type: application/pkcs7-signature; name=smime.p7s",
            b"Content-Transfer-Encoding: base64",
            b"",
            *wrapped(signature),
        ]
    )
    return b"".join(
        [said.encode(), b"\r\n--s\r\n", entity, b"\r\n--s\r\n", part, f"\r\n{after}--s--\r\n".encode()]
    )


@needs_openssl
def test_what_is_signed_in_the_clear_is_read_if_it_is_all_there_is(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    openssl, entity = OpenSsl(tmp_path), plain("fictional answer\r\n")
    certificate, key = openssl.file("s.pem", person().pem), openssl.file("s.key", person().key_pem)
    arguments = ("-sign", "-binary", "-outform", "DER", "-signer", certificate, "-inkey", key)
    beside = openssl.cms(*arguments, given=entity)
    for mail in (clear_signed(entity, beside), enveloped(clear_signed(entity, beside))):
        found = opened(outer(mail), now=now)
        assert (found.text, found.entity, found.is_protected) == ("fictional answer\n", entity, True)
    stored = opened(outer(clear_signed(entity, beside)).replace(b"\r\n", b"\n"), now=now)
    assert stored.entity == entity
    changed = clear_signed(entity.replace(b"answer", b"ANSWER"), beside)
    assert refused(outer(changed)) == refused(outer(enveloped(changed))) == "sig-invalid"
    third = "--s\r\nContent-Type: text/plain\r\n\r\nunsigned\r\n"
    assert refused(outer(clear_signed(entity, beside, after=third))) == "smime-siblings"
    opaque = sign_opaque(entity, key=person().key, at=NOW)
    assert refused(outer(clear_signed(entity, opaque))) == "smime-form"


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Type: text/html\r\n",
        'Content-Type: message/external-body; access-type=URL; URL="http://example.org/x"\r\n',
        "Content-Type: message/external-body; access-type=URL\r\nContent-Disposition: attachment\r\n",
        'Content-Type: multipart/related; boundary="b"\r\n',
        'Content-Type: multipart/alternative; boundary="b"\r\n',
    ],
)  # fmt: skip
def test_html_alone_and_parts_that_lie_elsewhere_are_not_opened(headers: str) -> None:
    text = '\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src="http://example.org/fictional">\r\n--b--\r\n'
    entity = f"From: {PERSON}\r\nTo: {GATEWAY}\r\n{headers}\r\n{text}".encode()
    assert refused(answer(entity)) == "smime-active"


def test_html_beside_plain_text_is_left_out() -> None:
    entity = (
        f"From: {PERSON}\r\nTo: {GATEWAY}\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nYes.\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<b>No.</b>\r\n--b--\r\n"
    ).encode()  # fmt: skip
    found = opened(answer(entity))
    assert (found.text, found.is_html_left_out, found.enclosures) == ("Yes.", True, ())


@pytest.mark.parametrize(
    "change",
    [
        {"end": NOW - timedelta(days=1)},
        {"begin": NOW + timedelta(days=1)},
        {"names": ("other@xb-example.example.org",)},
        {"names": ()},
        {"signs": False},
        {"is_ca": True},
        {"purposes": ()},
    ],
)
def test_a_certificate_must_be_in_time_and_made_for_this_mailbox(change: dict[str, object]) -> None:
    odd = identity(PERSON, **change)  # type: ignore[arg-type]
    by = (Correspondent(authority_id="xb-x", address=PERSON, certificate=odd.key.certificate),)
    mail = answer(plain("fictional"), by=odd)
    if change == {"purposes": ()}:
        assert opened(mail, by=by).text == "fictional"
    else:
        assert refused(mail, by=by) == "smime-certificate"


def test_a_signature_from_the_future_is_refused() -> None:
    part = cms_part(
        sign_opaque(plain("fictional"), key=person().key, at=NOW + timedelta(days=2)), "signed-data"
    )
    assert refused(outer(enveloped(part))) == "smime-time"
