"""Mail between gateways, format gw-mail/1: composing and taking apart (docs/mail.md section 3).

Such a mail is one fixed sentence, one content part and one token. Headers are built only through
``email.policy.SMTP``, addresses only from what passed ``check_mailbox``; no text of a case reaches a header.
Reading says what a mail claims to be: verifying the token is left to the caller, before ``checked_content``
hands out a byte.
"""

import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from adapters.mimeheaders import mailbox_form
from adapters.mimeread import MimePart
from crypto.encoding import is_bid, sha256_hex
from crypto.errors import Refusal
from crypto.mailtoken import MailClaims, MailKind

#: Bytes of a container in one mail: with base64 and headers it stays below 10 240 000, a usual limit of
#: servers.
SEGMENT_BYTES = 7 * 1024 * 1024

MEDIA = {
    MailKind.BUNDLE: "application/vnd.gw.bundle",
    MailKind.RECEIPTS: "application/vnd.gw.receipts+json",
    MailKind.NOTICES: "application/vnd.gw.notices+json",
    MailKind.PROBE: "application/vnd.gw.probe",
    MailKind.PROBE_ANSWER: "application/vnd.gw.probe-answer",
}
TOKEN_MEDIA = "application/vnd.gw.mail+jws"  # noqa: S105

#: What a person reads who finds such a mail.
SENTENCE = (
    "This message is between two gateway programs. It holds sealed data that only the\r\n"
    "gateway of the authority it is addressed to can open. Please do not answer it.\r\n"
)

_KINDS = {media: kind for kind, media in MEDIA.items()}
_NAMES = {
    MailKind.BUNDLE: "bundle.gwb",
    MailKind.RECEIPTS: "receipts.gwr",
    MailKind.NOTICES: "notices.json",
    MailKind.PROBE: "probe.jws",
    MailKind.PROBE_ANSWER: "probe-answer.jws",
}
#: Lines of base64 as everybody writes them; the bytes one line stands for.
_LINE, _LINE_BYTES = 76, 57
#: No header is ever folded: an address that is folded would be spelled in another way.
_POLICY = SMTP.clone(max_line_length=998)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """A finished mail: ``data`` has CRLF line ends and lines of at most 998 bytes."""

    message_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayMail:
    """What claims to be a mail of another gateway; nothing in it is verified.

    Attributes:
        kind: By the media type of the content part.
        token: Text of the token, for ``crypto.mailtoken.read_mail_token``.
        content: The content part, not decoded.
    """

    kind: MailKind
    token: bytes = field(repr=False)
    content: MimePart = field(repr=False)


def check_mailbox(text: str) -> str:
    """Return an address that may stand in a header and an SMTP command, domain in lower case.

    ``local@domain`` in ASCII: a dot-atom of at most 64 characters, a DNS name of at least one label (an
    address literal is refused), 254 characters in all.

    Raises:
        Refusal: ``malformed``.
    """
    form = mailbox_form(text)
    if form is None:
        raise Refusal("malformed", "a mailbox that mail cannot be addressed to")
    return form


def compose(
    *,
    kind: MailKind,
    content: bytes,
    token: str,
    sender: str,
    to: str,
    now: datetime,
    bid: str | None = None,
) -> ComposedMail:
    """Return the mail that carries ``content``.

    Args:
        token: Of ``crypto.mailtoken.sign_mail`` over just this content.
        sender, to: Mailboxes.
        bid: For the subject, ``[GW] <bid>``; ``[GW]`` alone without.

    Raises:
        Refusal: ``malformed`` for a mailbox that is not one.
    """
    sender, to = check_mailbox(sender), check_mailbox(to)
    if bid is not None and not is_bid(bid):
        raise ValueError("no bundle identifier")
    boundary, message_id = f"gw1-{secrets.token_hex(16)}", make_message_id(sender)
    head = EmailMessage(policy=_POLICY)
    head["From"] = sender
    head["To"] = to
    head["Subject"] = "[GW]" if bid is None else f"[GW] {bid}"
    head["Date"] = format_datetime(now)
    head["Message-ID"] = message_id
    head["MIME-Version"] = "1.0"
    # Asks the other side's programs not to answer; those of Microsoft read a header of their own.
    head["Auto-Submitted"] = "auto-generated"
    head["X-Auto-Response-Suppress"] = "OOF, AutoReply, RN, NRN"
    head["Content-Type"] = f'multipart/mixed; boundary="{boundary}"'
    mark = f"--{boundary}"
    pieces = [
        *(_POLICY.fold_binary(name, value) for name, value in head.items()),
        b"\r\n",
        f"{mark}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{SENTENCE}\r\n{mark}\r\n".encode(
            "ascii"
        ),
        *_attached(MEDIA[kind], _NAMES[kind], content),
        f"{mark}\r\n".encode("ascii"),
        *_attached(TOKEN_MEDIA, "mail.jws", token.encode("ascii")),
        f"{mark}--\r\n".encode("ascii"),
    ]
    return ComposedMail(message_id=message_id, data=b"".join(pieces))


def _attached(media: str, name: str, content: bytes) -> Iterator[bytes]:
    yield (
        f"Content-Type: {media}\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
    ).encode("ascii")
    # In stretches of whole lines: a segment is never there as one text of base64 as well.
    for begin in range(0, len(content), _LINE_BYTES * 1000):
        text = b64encode(content[begin : begin + _LINE_BYTES * 1000])
        yield b"".join(text[at : at + _LINE] + b"\r\n" for at in range(0, len(text), _LINE))
    yield b"\r\n"


def is_gateway_mail(mail: MimePart) -> bool:
    """Whether a mail has a token part, so that it is to be read by ``open_mail`` and by nothing else."""
    return any(part.media == TOKEN_MEDIA for part in mail.leaves())


def open_mail(mail: MimePart) -> GatewayMail:
    """Return the parts of a gateway's mail.

    Raises:
        Refusal: ``malformed`` unless there are exactly the three parts of gw-mail/1, in order.
        MailUnreadable: a part is not encoded as it says.
    """
    if mail.media != "multipart/mixed" or len(mail.parts) != 3:
        raise Refusal("malformed", "mail of a gateway: its parts")
    sentence, content, token = mail.parts
    kind = _KINDS.get(content.media)
    if sentence.media != "text/plain" or token.media != TOKEN_MEDIA or kind is None:
        raise Refusal("malformed", "mail of a gateway: its parts")
    return GatewayMail(kind=kind, token=token.body(), content=content)


def checked_content(mail: GatewayMail, claims: MailClaims) -> bytes:
    """Return the content that verified claims are about.

    Raises:
        Refusal: ``malformed`` if the kind differs, ``part-digest`` if size or digest do.
        MailUnreadable: ``mail-encoding``.
    """
    if mail.kind is not claims.kind:
        raise Refusal("malformed", "mail of a gateway: another kind than its token names")
    content = mail.content.body()
    if len(content) != claims.size or sha256_hex(content) != claims.sha256:
        raise Refusal("part-digest", "mail of a gateway: its content")
    return content


def make_message_id(mailbox: str) -> str:
    """Return a new ``<gw1.….…@domain>`` for a mail from ``mailbox``."""
    return f"<gw1.{secrets.token_hex(16)}@{mailbox.rpartition('@')[2]}>"


def is_own_message_id(value: str, mailbox: str) -> bool:
    """Whether a Message-ID was made by ``make_message_id`` for this mailbox: such a mail came back to us."""
    domain = re.escape(mailbox.rpartition("@")[2])
    return re.fullmatch(rf"<gw1\.[0-9a-f]{{32}}@{domain}>", value.strip(" \t"), re.IGNORECASE) is not None
