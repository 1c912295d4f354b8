"""Makes this folder's mails, each with one defect, and the keys to read them with.

Run: ``PYTHONPATH=. python tests/vectors/mail/smime/generate.py``. All persons, authorities and keys are
made up; the private keys here protect nothing. A few forms that the product cannot write are by OpenSSL.
"""

import base64
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import cms as asn1

from crypto import cmsnames as names
from crypto.ber import OCTET_STRING, SEQUENCE, SET, tlv
from crypto.cms import ContentCipher, encrypt, sign_opaque
from tests.mailcerts import Identity, OpenSsl, identity

HERE = Path(__file__).parent
#: When the mails are read. Certificates are good from four weeks before.
AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
BEGIN, END = AT - timedelta(days=28), AT + timedelta(days=365 * 30)

US = "registry@xa-example.example.org"
ALICE = "duty@xb-example.example.org"
MALLORY = "duty@xc-example.example.org"
STRANGER = "nobody@xd-example.example.org"


def party(address: str, **change: object) -> Identity:
    return identity(address, **{"kind": "p256", "begin": BEGIN, "end": END, **change})  # type: ignore[arg-type]


us, us_ec = party(US, kind="rsa2048"), party(US)
alice, alice_rsa = party(ALICE, serial=17), party(ALICE, kind="rsa2048")
mallory, stranger = party(MALLORY), party(STRANGER)
#: Another key under the name and serial number of Alice's certificate.
twin = party(ALICE, serial=17, purposes=())
expired = party(ALICE, end=AT - timedelta(days=1))
wrong_name = party(ALICE, names=("other@xb-example.example.org",))
for_opening = party(ALICE, signs=False)
DIRECTORY = [alice, alice_rsa, mallory, expired, wrong_name, for_opening]


def text(said: str = "We have received your request.", *, sender: str = ALICE, to: str = US) -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: Re: XA-2026/17\r\nMessage-ID: <1@xb-example.example.org>\r\n"
        f'Content-Type: text/plain; charset=utf-8; hp="cipher"\r\n\r\n{said}\r\n'
    ).encode()


def entity(body: str) -> bytes:
    return f"From: {ALICE}\r\nTo: {US}\r\n{body}".encode()


def cms_part(content: bytes, kind: str) -> bytes:
    head = f"Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\r\n"
    lines = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return f"{head}Content-Transfer-Encoding: base64\r\n\r\n".encode() + lines


def signed(content: bytes, by: Identity = alice, *, at: datetime = AT) -> bytes:
    return cms_part(sign_opaque(content, key=by.key, at=at), "signed-data")


def sealed(content: bytes, to: Identity = us, *, gcm: bool = False) -> bytes:
    cipher = ContentCipher.AES256_GCM if gcm else ContentCipher.AES256_CBC
    return encrypt(content, recipients=[to.key.certificate], cipher=cipher)


def mail(body: bytes, *, sender: str = ALICE) -> bytes:
    head = f"From: {sender}\r\nTo: {US}\r\nSubject: [...]\r\nDate: Tue, 01 Dec 2026 08:59:00 +0000\r\n"
    return f"{head}Message-ID: <1@xb-example.example.org>\r\nMIME-Version: 1.0\r\n".encode() + body


def letter(content: bytes, by: Identity = alice, *, sender: str = ALICE, gcm: bool = False) -> bytes:
    return enveloped(sealed(signed(content, by), gcm=gcm), sender=sender)


def enveloped(message: bytes, *, sender: str = ALICE) -> bytes:
    return mail(cms_part(message, "enveloped-data"), sender=sender)


def flipped(message: bytes, at: int) -> bytes:
    return (
        message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        if at != -1
        else message[:-1] + bytes([message[-1] ^ 1])
    )


def content_at(message: bytes) -> int:
    """Where the encrypted content begins: after the object identifier of its cipher and its start value."""
    return message.index(names.oid(names.AES256_CBC)) + 11 + 18 + 4


def mixed(*parts: bytes) -> bytes:
    return b"".join(
        [
            b'Content-Type: multipart/mixed; boundary="m"\r\n\r\n',
            *(b"--m\r\n" + part + b"\r\n" for part in parts),
            b"--m--\r\n",
        ]
    )


def clear(content: bytes, signature: bytes, *more: bytes) -> bytes:
    part = (
        b"Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(signature).replace(b"\n", b"\r\n")
    )
    return b"".join(
        [
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="s"\r\n\r\n',
            *(b"--s\r\n" + each + b"\r\n" for each in (content, part, *more)),
            b"--s--\r\n",
        ]
    )


def nested(layers: int) -> bytes:
    content = text()
    for _ in range(layers):
        head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        content = head + sign_opaque(content, key=alice.key, at=AT)
    return content


def string_in_strings(depth: int) -> bytes:
    """An encrypted message whose content is an octet string inside octet strings."""
    held = tlv(OCTET_STRING, bytes(32))
    for _ in range(depth):
        held = tlv(OCTET_STRING | 0x20, held)
    return with_content(tlv(0xA0, held))


def with_content(content: bytes) -> bytes:
    message = sealed(text())
    envelope = asn1.ContentInfo.load(message)["content"]
    inside = envelope["encrypted_content_info"]
    body = tlv(
        SEQUENCE,
        names.integer(0),
        envelope["recipient_infos"].dump(),
        tlv(SEQUENCE, names.oid(names.DATA), inside["content_encryption_algorithm"].dump(), content),
    )
    return tlv(SEQUENCE, names.oid(names.ENVELOPED_DATA), tlv(0xA0, body))


def crowded(count: int) -> bytes:
    message = sealed(text())
    envelope = asn1.ContentInfo.load(message)["content"]
    (info,) = envelope["recipient_infos"]
    body = tlv(
        SEQUENCE,
        names.integer(0),
        tlv(SET, *[info.dump()] * count),
        envelope["encrypted_content_info"].dump(),
    )
    return tlv(SEQUENCE, names.oid(names.ENVELOPED_DATA), tlv(0xA0, body))


def as_unauthenticated() -> bytes:
    """A GCM message rewritten as an enveloped one, so that nobody would check the tag."""
    envelope = asn1.ContentInfo.load(sealed(signed(text()), gcm=True))["content"]
    body = tlv(
        SEQUENCE,
        names.integer(0),
        envelope["recipient_infos"].dump(),
        envelope["auth_encrypted_content_info"].dump(),
    )
    return tlv(SEQUENCE, names.oid(names.ENVELOPED_DATA), tlv(0xA0, body))


def two_signers(openssl: OpenSsl) -> bytes:
    one = openssl.file("one.pem", alice.pem), openssl.file("one.key", alice.key_pem)
    two = openssl.file("two.pem", mallory.pem), openssl.file("two.key", mallory.key_pem)
    return openssl.cms(
        "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", one[0], "-inkey", one[1],
        "-signer", two[0], "-inkey", two[1], given=text(),
    )  # fmt: skip


def opaque(message: bytes) -> bytes:
    return enveloped(sealed(cms_part(message, "signed-data")))


def detached(content: bytes, by: Identity) -> bytes:
    """Return signed-data over content that is not inside."""
    info = asn1.ContentInfo.load(sign_opaque(content, key=by.key, at=AT))
    held = info["content"]
    kept = [held[name].dump() for name in ("version", "digest_algorithms")]
    rest = [tlv(0xA0, by.key.certificate), held["signer_infos"].dump()]
    body = tlv(SEQUENCE, *kept, tlv(SEQUENCE, names.oid(names.DATA)), *rest)
    return tlv(SEQUENCE, names.oid(names.SIGNED_DATA), tlv(0xA0, body))


def html_part(disposition: str = "") -> str:
    return f'Content-Type: text/html\r\n{disposition}\r\n<img src="http://tracker.example.org/1.png">\r\n'


def files(openssl: OpenSsl) -> dict[str, bytes]:
    whole = sealed(signed(text()))
    begin = content_at(whole)
    authentic = sealed(signed(text()), gcm=True)
    good = sign_opaque(text(), key=alice.key, at=AT)
    made: dict[str, Callable[[], bytes]] = {
        "good-cbc": lambda: letter(text()),
        "good-gcm": lambda: letter(text(), gcm=True),
        "good-ecdh": lambda: enveloped(sealed(signed(text()), us_ec)),
        "good-ber": lambda: enveloped(
            openssl.encrypt(cms_part(openssl.sign(text(), alice, "-stream"), "signed-data"), us, "-stream")
        ),
        "good-clear-signed": lambda: mail(clear(text(), detached(text(), alice))),
        "good-bare-headers": lambda: letter(b"Content-Type: text/plain\r\n\r\nYes."),
        "good-html-beside": lambda: letter(
            entity(
                'Content-Type: multipart/alternative; boundary="a"\r\n\r\n--a\r\n'
                f"Content-Type: text/plain\r\n\r\nYes.\r\n--a\r\n{html_part()}--a--\r\n"
            )
        ),
        "cbc-start": lambda: enveloped(flipped(whole, begin - 10)),
        "cbc-first-block": lambda: enveloped(flipped(whole, begin + 1)),
        "cbc-middle-block": lambda: enveloped(flipped(whole, (begin + len(whole)) // 2)),
        "cbc-last-block": lambda: enveloped(flipped(whole, len(whole) - 17)),
        "cbc-block-missing": lambda: enveloped(with_content(tlv(0x80, bytes(40)))),
        "gcm-tag": lambda: enveloped(flipped(authentic, len(authentic) - 1)),
        "gcm-content": lambda: enveloped(flipped(authentic, len(authentic) - 60)),
        "gcm-as-unauthenticated": lambda: enveloped(as_unauthenticated()),
        "key-damaged": lambda: enveloped(flipped(whole, whole.index(names.oid(names.DATA)) - 40)),
        "for-somebody-else": lambda: enveloped(sealed(signed(text()), mallory)),
        "old-cipher": lambda: enveloped(openssl.encrypt(signed(text()), us, cipher="-des3")),
        "too-many-recipients": lambda: enveloped(crowded(65)),
        "cut-short": lambda: enveloped(whole[: len(whole) // 2]),
        "bytes-after": lambda: enveloped(whole + b"\0\0"),
        "length-10-gb": lambda: enveloped(b"\x30\x85\x02\x54\x0b\xe4\x00" + whole[4:]),
        "strings-50-deep": lambda: enveloped(string_in_strings(50)),
        "signature-stripped": lambda: enveloped(sealed(text())),
        "signature-stripped-gcm": lambda: enveloped(sealed(text(), gcm=True)),
        "not-encrypted-not-signed": lambda: mail(b"Content-Type: text/plain\r\n\r\nWe have it.\r\n"),
        "content-changed": lambda: opaque(good.replace(b"received", b"rejected")),
        "signature-changed": lambda: opaque(flipped(good, -1)),
        "signer-unknown": lambda: letter(text(sender=STRANGER), stranger, sender=STRANGER),
        "signer-is-another": lambda: letter(text(), stranger),
        "signer-with-same-number": lambda: letter(text(), twin),
        "two-signers": lambda: opaque(two_signers(openssl)),
        "no-signed-attributes": lambda: opaque(openssl.sign(text(), alice, "-noattr")),
        "no-content-inside": lambda: opaque(detached(text(), alice)),
        "sha1": lambda: opaque(openssl.sign(text(), alice_rsa, "-md", "sha1")),
        "md5": lambda: opaque(openssl.sign(text(), alice_rsa, "-md", "md5")),
        "certificate-expired": lambda: letter(text(), expired),
        "certificate-of-another-mailbox": lambda: letter(text(), wrong_name),
        "certificate-not-for-signing": lambda: letter(text(), for_opening),
        "signed-in-the-future": lambda: enveloped(sealed(signed(text(), at=AT + timedelta(days=3)))),
        "from-inside-is-another": lambda: letter(text(sender=MALLORY)),
        "from-outside-is-another": lambda: letter(text(), sender=MALLORY),
        "from-twice-inside": lambda: letter(f"From: {MALLORY}\r\n".encode() + text()),
        "rewrapped-as-alice": lambda: letter(text(to=MALLORY)),
        "rewrapped-as-mallory": lambda: letter(text(to=MALLORY), sender=MALLORY),
        "sibling-outside": lambda: mail(
            mixed(b"Content-Type: text/plain\r\n\r\nPay at once.\r\n", cms_part(whole, "enveloped-data"))
        ),
        "sibling-inside": lambda: enveloped(
            sealed(mixed(b"Content-Type: text/plain\r\n\r\nPay at once.\r\n", signed(text())))
        ),
        "sibling-of-clear-signed": lambda: mail(
            clear(text(), detached(text(), alice), b"Content-Type: text/plain\r\n\r\nPay at once.\r\n")
        ),
        "clear-signed-changed": lambda: mail(clear(text("We have rejected it."), detached(text(), alice))),
        "encrypted-twice": lambda: enveloped(sealed(cms_part(whole, "enveloped-data"))),
        "signed-twice": lambda: enveloped(sealed(signed(signed(text())))),
        "signed-outside-again": lambda: mail(signed(cms_part(whole, "enveloped-data"))),
        "nested-50": lambda: mail(nested(50)),
        "html-alone": lambda: letter(entity(html_part())),
        "html-related": lambda: letter(
            entity(f'Content-Type: multipart/related; boundary="a"\r\n\r\n--a\r\n{html_part()}--a--\r\n')
        ),
        "remote-part": lambda: letter(
            entity(
                'Content-Type: message/external-body; access-type=URL; URL="http://tracker.example.org/1"\r\n\r\n'
                "Content-Type: application/pdf\r\n\r\n"
            )
        ),
        "charset-unknown": lambda: letter(
            entity("Content-Type: text/plain; charset=x-none\r\n\r\nHello\r\n")
        ),
        "base64-broken": lambda: letter(
            entity("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n")
        ),
    }
    return {name: make() for name, make in made.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files(OpenSsl(Path(folder))).items():
            (HERE / f"{name}.eml").write_bytes(content)
    keys = [
        {"certificate": each.pem.decode(), "private_of_this_test_only": each.key_pem.decode()}
        for each in (us, us_ec)
    ]
    listed = [{"address": each.address, "certificate": each.pem.decode()} for each in DIRECTORY]
    held = {"at": AT.isoformat(), "mailbox": US, "keys": keys, "directory": listed}
    (HERE / "keys.json").write_text(json.dumps(held, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
