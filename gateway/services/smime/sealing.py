"""Composing a sealed letter: the protected entity, its signature, its encryption, the bare mail around it.

What anybody on the way can read: two mailboxes, two times, a message identifier and ``OUTER_SUBJECT``. Every
header goes through ``email.policy.SMTP`` and is refused if it has a control character or a line break.
A letter is large: its layers are made in stretches that are let go as soon as the next layer has them.
"""

import email.policy
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from itertools import chain

from crypto.cms import ContentCipher, KeyTransport, SignatureForm, encrypt_pieces, signature_around
from crypto.mailcert import MailKey
from gateway.services.smime.base64lines import Lines, OutgoingFile, base64_lines, base64_size
from gateway.services.smime.entityform import Enclosure, Letter

#: The only subject that anybody on the way sees (RFC 9788 section 3.2.1).
OUTER_SUBJECT = "[...]"

_POLICY = email.policy.SMTP
_UNCARRIED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_SIGNED = "signed-data"
#: What a recipient takes at most beside what its certificate says, in bytes.
_RECIPIENT = 4 * 1024
_ENVELOPED = {ContentCipher.AES256_CBC: "enveloped-data", ContentCipher.AES256_GCM: "authEnveloped-data"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLetter:
    """A whole mail, headers and body with CRLF, ready for submission.

    Attributes:
        lines: The mail; to be closed when it is no longer read.
        entity_sha256: Hex digest of the entity that was signed.
    """

    lines: Lines = field(repr=False)
    entity_sha256: str


def seal_letter(
    letter: Letter,
    *,
    signer: MailKey,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.AES256_CBC,
    form: SignatureForm = SignatureForm.PKCS1,
    transport: KeyTransport = KeyTransport.PKCS1,
) -> SealedLetter:
    """Return the mail of a letter; every ``OutgoingFile`` of the letter is closed.

    ``recipients`` are DER certificates: the addressee's in force, and our own so that we can read it.

    Raises:
        ValueError: a header or name that cannot be carried (line breaks, control characters).
        KeyRefused: a certificate that may not be listed.
    """
    outer = _outer_headers(letter)
    entity, digest, size = list(_entity(letter, outer)), sha256(), 0
    for piece in _pieces(entity):
        digest.update(piece)
        size += len(piece)
    around = signature_around(digest.digest(), size, key=signer, at=letter.date, form=form)
    signed = chain([around.head], _pieces(entity, last=True), [around.tail])
    head = b"".join([*_cms_headers(_SIGNED), b"\r\n"])
    wrapped_size = len(head) + base64_size(len(around.head) + size + len(around.tail))
    sealed = encrypt_pieces(
        chain([head], base64_lines(signed)),
        size=wrapped_size,
        recipients=recipients,
        cipher=cipher,
        transport=transport,
    )
    mail_head = b"".join([*_folded(outer), *_cms_headers(_ENVELOPED[cipher], is_mail=True), b"\r\n"])
    around_sealed = sum(len(each) + _RECIPIENT for each in recipients)
    lines = Lines(len(mail_head) + base64_size(wrapped_size + around_sealed))
    lines.add([mail_head])
    lines.add(base64_lines(sealed))
    return SealedLetter(lines=lines, entity_sha256=digest.hexdigest())


def _pieces(entity: Sequence[bytes | Lines], *, last: bool = False) -> Iterator[bytes]:
    """Yield an entity, closing what it is made of behind it the ``last`` time."""
    for piece in entity:
        if isinstance(piece, bytes):
            yield piece
            continue
        yield from piece.stretches()
        if last:
            piece.close()


def _outer_headers(letter: Letter) -> dict[str, str]:
    """Return the headers that everybody sees; the protected ones differ in the subject only."""
    headers = {
        "From": letter.sender,
        "To": letter.recipient,
        "Subject": OUTER_SUBJECT,
        "Date": format_datetime(letter.date),
        "Message-ID": letter.message_id,
        "Auto-Submitted": "auto-generated",
    }
    if letter.in_reply_to is not None:
        headers |= {"In-Reply-To": letter.in_reply_to, "References": letter.in_reply_to}
    if letter.read_receipt:
        headers["Disposition-Notification-To"] = letter.sender
    return headers


def _entity(letter: Letter, outer: dict[str, str]) -> Iterator[bytes | Lines]:
    """Yield the header-protected entity (RFC 9788) that is signed."""
    boundary = f"gw-{secrets.token_hex(16)}"
    head = _message({**outer, "Subject": letter.subject})
    for name, value in outer.items():
        head["HP-Outer"] = f"{name}: {value}"
    head["MIME-Version"] = "1.0"
    head["Content-Type"] = f'multipart/mixed; boundary="{boundary}"; hp="cipher"'
    mark = f"--{boundary}".encode("ascii")
    yield from (_POLICY.fold_binary(name, value) for name, value in head.items())
    yield b"\r\n"
    for part in (_cover(letter), *map(_attachment, letter.enclosures)):
        yield mark + b"\r\n"
        yield from part
        yield b"\r\n"
    yield mark + b"--\r\n"


def _cover(letter: Letter) -> Iterator[bytes]:
    """Yield the readable text. Its first line repeats the subject for programs that show the outer one."""
    part = EmailMessage(policy=_POLICY)
    text = "\r\n".join(letter.text.splitlines())
    part.set_content(f"Subject: {letter.subject}\r\n\r\n{text}\r\n", cte="quoted-printable")
    part.set_param("hp-legacy-display", "1")
    del part["MIME-Version"]
    yield part.as_bytes()


def _attachment(enclosure: Enclosure | OutgoingFile) -> Iterator[bytes | Lines]:
    if _UNCARRIED.search(enclosure.name) is not None or not enclosure.name:
        raise ValueError("a file name that cannot be carried")
    if _MEDIA_TYPE.fullmatch(enclosure.media_type) is None or enclosure.media_type.startswith(
        ("multipart/", "message/")
    ):
        raise ValueError("a media type that cannot be carried")
    part = EmailMessage(policy=_POLICY)
    part["Content-Type"] = enclosure.media_type
    part["Content-Transfer-Encoding"] = "base64"
    part.add_header("Content-Disposition", "attachment", filename=enclosure.name)
    yield from (_POLICY.fold_binary(name, value) for name, value in part.items())
    yield b"\r\n"
    if isinstance(enclosure, OutgoingFile):
        yield enclosure.lines
    else:
        yield from base64_lines([enclosure.content])


def _message(headers: dict[str, str]) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    for name, value in headers.items():
        if _UNCARRIED.search(value) is not None:
            raise ValueError(f"a value of {name} that cannot be carried")
        message[name] = value
    return message


def _folded(headers: dict[str, str]) -> Iterator[bytes]:
    message = _message(headers)
    return (_POLICY.fold_binary(name, value) for name, value in message.items())


def _cms_headers(kind: str, *, is_mail: bool = False) -> Iterator[bytes]:
    headers = {"MIME-Version": "1.0"} if is_mail else {}
    return _folded(
        {
            **headers,
            "Content-Type": f'application/pkcs7-mime; smime-type={kind}; name="smime.p7m"',
            "Content-Transfer-Encoding": "base64",
            "Content-Disposition": 'attachment; filename="smime.p7m"',
        }
    )
