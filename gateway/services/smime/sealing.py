"""Composing a sealed letter: the protected entity, its signature, its encryption, the bare mail around it.

What anybody on the way can read: two mailboxes, two times, a message identifier and ``OUTER_SUBJECT``. Every
header goes through ``email.policy.SMTP`` and is refused if it has a control character or a line break.
"""

import email.policy
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from crypto.cms import ContentCipher, KeyTransport, SignatureForm, encrypt, sign_opaque
from crypto.mailcert import MailKey
from gateway.services.smime.entityform import Enclosure, Letter

#: The only subject that anybody on the way sees (RFC 9788 section 3.2.1).
OUTER_SUBJECT = "[...]"

_POLICY = email.policy.SMTP
_UNCARRIED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_SIGNED = "signed-data"
_ENVELOPED = {ContentCipher.AES256_CBC: "enveloped-data", ContentCipher.AES256_GCM: "authEnveloped-data"}

#: Bytes to a line of base64, and lines to a stretch, so that a large part is not there twice.
_LINE_BYTES = 57
_LINE = 76
_STRETCH = _LINE_BYTES * 1000

#: What the layers add at most, in bytes: headers; certificate, attributes and signature; recipients.
_HEADERS = 8 * 1024
_SIGNATURE = 20 * 1024
_PART = 4 * 1024


def seal_letter(
    letter: Letter,
    *,
    signer: MailKey,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.AES256_CBC,
    form: SignatureForm = SignatureForm.PKCS1,
    transport: KeyTransport = KeyTransport.PKCS1,
    on_signed: Callable[[bytes], None] = lambda entity: None,
) -> bytes:
    """Return the whole mail, headers and body with CRLF, ready for submission.

    ``recipients`` are DER certificates: the addressee's in force, and our own so that we can read it.
    ``on_signed`` is given the entity that was signed.

    Raises:
        ValueError: a header or name that cannot be carried (line breaks, control characters).
        KeyRefused: a certificate that may not be listed.
    """
    outer = _outer_headers(letter)
    entity = _entity(letter, outer)
    on_signed(entity)
    signed = sign_opaque(entity, key=signer, at=letter.date, form=form)
    del entity
    wrapped = b"".join([*_cms_headers(_SIGNED), b"\r\n", *_base64(signed)])
    del signed
    sealed = encrypt(wrapped, recipients=recipients, cipher=cipher, transport=transport)
    del wrapped
    return b"".join(
        [*_folded(outer), *_cms_headers(_ENVELOPED[cipher], is_mail=True), b"\r\n", *_base64(sealed)]
    )


def sealed_size(letter: Letter) -> int:
    """Return about how large the mail will be, in bytes, never less than it is: for size caps."""
    files = sum(_base64_size(len(each.content)) + len(each.name) * 12 + _PART for each in letter.enclosures)
    # Quoted-printable takes three characters for a byte, and lines of 76 a little more.
    text = 4 * len(letter.text.encode()) + 40 * len(letter.subject)
    return _base64_size(_base64_size(files + text + _HEADERS + _SIGNATURE) + _SIGNATURE) + _HEADERS


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


def _entity(letter: Letter, outer: dict[str, str]) -> bytes:
    """Return the header-protected entity (RFC 9788) that is signed."""
    boundary = f"gw-{secrets.token_hex(16)}"
    head = _message({**outer, "Subject": letter.subject})
    for name, value in outer.items():
        head["HP-Outer"] = f"{name}: {value}"
    head["MIME-Version"] = "1.0"
    head["Content-Type"] = f'multipart/mixed; boundary="{boundary}"; hp="cipher"'
    mark = f"--{boundary}".encode("ascii")
    pieces = [*(_POLICY.fold_binary(name, value) for name, value in head.items()), b"\r\n"]
    for part in (_cover(letter), *map(_attachment, letter.enclosures)):
        pieces += [mark, b"\r\n", *part, b"\r\n"]
    return b"".join([*pieces, mark, b"--\r\n"])


def _cover(letter: Letter) -> Iterator[bytes]:
    """Yield the readable text. Its first line repeats the subject for programs that show the outer one."""
    part = EmailMessage(policy=_POLICY)
    text = "\r\n".join(letter.text.splitlines())
    part.set_content(f"Subject: {letter.subject}\r\n\r\n{text}\r\n", cte="quoted-printable")
    part.set_param("hp-legacy-display", "1")
    del part["MIME-Version"]
    yield part.as_bytes()


def _attachment(enclosure: Enclosure) -> Iterator[bytes]:
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
    yield from _base64(enclosure.content)


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


def _base64(content: bytes) -> Iterator[bytes]:
    """Yield base64 in lines of 76 characters, the last one ended as well."""
    for begin in range(0, len(content), _STRETCH):
        text = b64encode(content[begin : begin + _STRETCH])
        yield b"".join(text[at : at + _LINE] + b"\r\n" for at in range(0, len(text), _LINE))


def _base64_size(size: int) -> int:
    return (size // _LINE_BYTES + 1) * (_LINE + 2)
