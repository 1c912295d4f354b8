"""CMS: what we write others read, what others write we read, and nothing else."""

from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from crypto import cmsnames as names
from crypto.ber import SEQUENCE, SET, read_ber, tlv
from crypto.cms import (
    ContentCipher,
    KeyTransport,
    SignatureForm,
    decrypt,
    encrypt,
    encrypt_pieces,
    sign_opaque,
    verify_opaque,
)
from crypto.cmscipher import GcmSealing, open_gcm
from crypto.errors import Refusal
from tests.mailcerts import NOW, Identity, OpenSsl, identity, needs_openssl

LETTER = b"Content-Type: text/plain; charset=utf-8\r\n\r\nFictional letter, caf\xc3\xa9.\r\n" * 20
ALICE = "registry@xa-example.example.org"
BOB = "duty@xb-example.example.org"


def sender() -> Identity:
    return identity(ALICE)


def reader(kind: str = "rsa2048") -> Identity:
    return identity(BOB, kind=kind)


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    return OpenSsl(tmp_path)


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
@pytest.mark.parametrize("cipher", ContentCipher)
def test_what_is_encrypted_opens_again(kind: str, cipher: ContentCipher) -> None:
    to = reader(kind)
    for content in (b"", b"x", LETTER):
        opened = decrypt(encrypt(content, recipients=[to.key.certificate], cipher=cipher), keys=[to.key])
        assert (opened.content, opened.cipher) == (content, str(cipher))
        assert opened.certificate == to.key.certificate


@pytest.mark.parametrize("cipher", ContentCipher)
def test_content_in_pieces_is_encrypted_as_one(cipher: ContentCipher) -> None:
    to = reader()
    pieces = [LETTER[:1], b"", LETTER[1:700], LETTER[700:]]
    keys = [to.key.certificate]
    made = encrypt_pieces(pieces, size=len(LETTER), recipients=keys, cipher=cipher)
    assert decrypt(b"".join(made), keys=[to.key]).content == LETTER
    for size in (len(LETTER) - 1, len(LETTER) + 1, len(LETTER) + 16):
        with pytest.raises(ValueError, match="another size"):
            list(encrypt_pieces(pieces, size=size, recipients=keys, cipher=cipher))


def test_each_of_several_recipients_opens_the_same_message() -> None:
    kinds = [reader(), reader("p256"), sender()]
    message = encrypt(LETTER, recipients=[each.key.certificate for each in kinds])
    assert {decrypt(message, keys=[each.key]).content for each in kinds} == {LETTER}


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
def test_a_signature_of_ours_verifies_and_keeps_the_content_as_it_is(kind: str) -> None:
    signer = identity(ALICE, kind=kind)
    for form in SignatureForm:
        verified = verify_opaque(
            sign_opaque(LETTER, key=signer.key, at=NOW, form=form),
            trusted=[reader().key.certificate, signer.key.certificate],
        )
        assert (verified.content, verified.signed_at) == (LETTER, NOW)
        assert verified.certificate == signer.key.certificate


@needs_openssl
@pytest.mark.parametrize(
    ("kind", "cipher", "transport", "form"),
    [
        ("rsa2048", ContentCipher.AES256_CBC, KeyTransport.PKCS1, SignatureForm.PKCS1),
        ("rsa2048", ContentCipher.AES256_GCM, KeyTransport.OAEP, SignatureForm.PSS),
        ("p256", ContentCipher.AES256_CBC, KeyTransport.PKCS1, SignatureForm.PKCS1),
        ("p384", ContentCipher.AES256_GCM, KeyTransport.PKCS1, SignatureForm.PSS),
    ],
)
def test_openssl_opens_and_verifies_ours_byte_for_byte(
    openssl: OpenSsl, kind: str, cipher: ContentCipher, transport: KeyTransport, form: SignatureForm
) -> None:
    to = reader(kind)
    signed = sign_opaque(LETTER, key=sender().key, at=NOW, form=form)
    message = encrypt(signed, recipients=[to.key.certificate], cipher=cipher, transport=transport)
    assert openssl.decrypt(message, to) == signed
    assert openssl.verify(signed, sender()) == LETTER


VARIANTS = {
    "rsa-pkcs1": ("rsa2048", ()),
    "rsa-oaep": ("rsa2048", ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")),
    "rsa-oaep-sha1": ("rsa2048", ("-keyopt", "rsa_padding_mode:oaep")),
    "ecdh-p256": ("p256", ("-keyopt", "ecdh_kdf_md:sha256")),
    "ecdh-p256-sha1": ("p256", ()),
    "ecdh-p384": ("p384", ("-keyopt", "ecdh_kdf_md:sha384")),
}


@needs_openssl
@pytest.mark.parametrize(
    ("variant", "cipher", "form"),
    list(product(VARIANTS, ("-aes-256-cbc", "-aes-256-gcm"), ("DER", "BER"))),
)
def test_what_openssl_sends_is_read(openssl: OpenSsl, variant: str, cipher: str, form: str) -> None:
    kind, options = VARIANTS[variant]
    streamed = ("-stream",) if form == "BER" else ()
    signed = openssl.sign(LETTER * 50, sender(), *streamed)
    message = openssl.encrypt(signed, reader(kind), *options, *streamed, cipher=cipher)
    assert (b"\x80" in message[:2]) == (signed[1] == 0x80) == (form == "BER")
    opened = decrypt(message, keys=[sender().key, reader(kind).key])
    assert opened.cipher == cipher.removeprefix("-").replace("aes-256", "aes256")
    assert opened.content == signed
    assert verify_opaque(opened.content, trusted=[sender().key.certificate]).content == LETTER * 50


@needs_openssl
@pytest.mark.parametrize(
    "options",
    [
        ("-keyid",),
        ("-nocerts",),
        ("-nosmimecap",),
        ("-md", "sha512"),
        ("-keyopt", "rsa_padding_mode:pss"),
        ("-cades",),
    ],
)
def test_signatures_of_openssl_are_read(openssl: OpenSsl, options: tuple[str, ...]) -> None:
    verified = verify_opaque(openssl.sign(LETTER, sender(), *options), trusted=[sender().key.certificate])
    assert verified.content == LETTER
    assert verified.signed_at is not None


@needs_openssl
@pytest.mark.parametrize(
    ("kind", "options"), [("rsa2048", ()), ("rsa2048", ("-keyopt", "rsa_padding_mode:pss")), ("p256", ())]
)
def test_a_signature_over_a_weak_digest_is_refused_in_every_form(
    openssl: OpenSsl, kind: str, options: tuple[str, ...]
) -> None:
    signer = identity(ALICE, kind=kind)
    good = openssl.sign(LETTER, signer, *options)
    assert verify_opaque(good, trusted=[signer.key.certificate]).content == LETTER
    with pytest.raises(Refusal) as caught:
        verify_opaque(openssl.sign(LETTER, signer, "-md", "sha1", *options), trusted=[signer.key.certificate])
    assert caught.value.code == "smime-weak"


def refusal(message: bytes, to: Identity) -> str:
    with pytest.raises(Refusal) as caught:
        decrypt(message, keys=[to.key])
    return str(caught.value)


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


@pytest.mark.parametrize("cipher", ContentCipher)
@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_whatever_does_not_open_is_refused_with_the_same_words(kind: str, cipher: ContentCipher) -> None:
    to = reader(kind)
    message = encrypt(LETTER, recipients=[to.key.certificate], cipher=cipher)
    key_at = message.index(names.oid(names.DATA)) - 20
    # The padding of CBC, by the block before it, or the tag of GCM.
    end_at = len(message) - (17 if cipher == ContentCipher.AES256_CBC else 16)
    told = {refusal(flipped(message, at), to) for at in (key_at, end_at)}
    assert told | {refusal(message, sender())} == {"open-failed: encrypted message"}


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_what_a_random_key_opens_is_nobodys(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The random key that stands in for one that does not open happens to be the right one.
    monkeypatch.setattr("secrets.token_bytes", lambda size: bytes(size))
    to = reader(kind)
    message = encrypt(LETTER, recipients=[to.key.certificate])
    damaged = flipped(message, message.index(names.oid(names.DATA)) - 20)
    assert decrypt(message, keys=[to.key]).content == LETTER
    assert refusal(damaged, to) == refusal(message, sender()) == "open-failed: encrypted message"


def test_a_tag_of_another_length_is_no_tag() -> None:
    sealed = GcmSealing(40)
    whole = sealed.update(b"x" * 40) + sealed.finish()
    assert open_gcm(sealed.key, sealed.start, memoryview(whole[:-16]), whole[-16:], None) == b"x" * 40
    # The same bytes, with the boundary between content and tag moved.
    with pytest.raises(ValueError, match="length"):
        open_gcm(sealed.key, sealed.start, memoryview(whole[:-12]), whole[-12:], None)


def twin(of: Identity, kind: str) -> bytes:
    """Return a certificate that somebody else made with the same issuer, number and key identifier."""
    held = x509.load_der_x509_certificate(of.key.certificate)
    private = identity(BOB, kind=kind).key.private
    made = (
        x509.CertificateBuilder()
        .subject_name(held.subject)
        .issuer_name(held.issuer)
        .public_key(private.public_key())
        .serial_number(held.serial_number)
        .not_valid_before(held.not_valid_before_utc)
        .not_valid_after(held.not_valid_after_utc)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(held.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


@needs_openssl
@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
@pytest.mark.parametrize("options", [(), ("-keyid",)])
def test_another_authority_with_the_same_numbers_in_its_certificate_stands_in_nobodys_way(
    openssl: OpenSsl, kind: str, options: tuple[str, ...]
) -> None:
    true, other = sender().key.certificate, twin(sender(), kind)
    for signed in (openssl.sign(LETTER, sender(), *options), sign_opaque(LETTER, key=sender().key, at=NOW)):
        for trusted in ([true, other], [other, true], [other, other, true]):
            assert verify_opaque(signed, trusted=trusted).certificate == true
        with pytest.raises(Refusal):
            verify_opaque(signed, trusted=[other])


@pytest.mark.parametrize("body", [b"", names.integer(0), names.integer(0) + tlv(SET)])
@pytest.mark.parametrize("kind", [names.ENVELOPED_DATA, names.AUTH_ENVELOPED_DATA])
def test_a_message_that_ends_too_early_is_refused_like_any_other_form(body: bytes, kind: str) -> None:
    message = tlv(SEQUENCE, names.oid(kind), tlv(names.EXPLICIT_0, tlv(SEQUENCE, body)))
    assert refusal(message, reader()).startswith("smime-form")


def test_a_message_without_its_tag_is_refused() -> None:
    whole = encrypt(LETTER, recipients=[reader().key.certificate], cipher=ContentCipher.AES256_GCM)
    kind, holder = read_ber(whole).children()
    [body] = holder.children()
    left = [bytes(each.raw) for each in body.children()][:-1]
    message = tlv(SEQUENCE, kind.raw, tlv(names.EXPLICIT_0, tlv(SEQUENCE, *left)))
    assert refusal(message, reader()).startswith("smime-form")


def test_signed_content_that_says_it_is_something_else_is_refused() -> None:
    signed, data = sign_opaque(LETTER, key=sender().key, at=NOW), names.oid(names.DATA)
    at = signed.index(data) + len(data) - 1
    # Its type stands outside the signed attributes: a time-stamp's content, say, is no letter.
    other = signed[:at] + bytes([signed[at] + 4]) + signed[at + 1 :]
    with pytest.raises(Refusal, match="smime-form"):
        verify_opaque(other, trusted=[sender().key.certificate])


def test_a_cipher_of_the_other_kind_of_message_is_refused_before_a_key_is_touched() -> None:
    """Whoever writes an authenticated cipher into a message without a tag would make CBC of it."""
    to = reader()
    message = encrypt(LETTER, recipients=[to.key.certificate])
    wanted, put = names.oid(names.AES256_CBC), names.oid(names.AES256_GCM)
    assert message.count(wanted) == 1
    assert refusal(message.replace(wanted, put), to).startswith("smime-form")


def test_more_recipients_than_a_letter_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    to = [reader(), reader("p256"), sender()]
    message = encrypt(LETTER, recipients=[each.key.certificate for each in to])
    monkeypatch.setattr("crypto.cmsenvelope._RECIPIENTS", 2)
    assert {refusal(message, each) for each in to} == {"smime-form: encrypted message: ValueError"}
