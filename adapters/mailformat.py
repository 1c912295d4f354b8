"""Mail between gateways, format gw-mail/1: composing and taking apart (docs/mail.md section 3).

Such a mail is one fixed sentence, one content part and one token. Headers are built only through
``email.policy.SMTP``, addresses only from what passed ``check_mailbox``; no text of a case reaches a header.
Reading
says what a mail claims to be: the token is the caller's to verify, before ``checked_content`` hands out a
byte.
"""

from dataclasses import dataclass, field
from datetime import datetime

from adapters.mimeread import MimePart
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
    raise NotImplementedError


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
    raise NotImplementedError


def is_gateway_mail(mail: MimePart) -> bool:
    """Whether a mail has a token part, so that it is to be read by ``open_mail`` and by nothing else."""
    raise NotImplementedError


def open_mail(mail: MimePart) -> GatewayMail:
    """Return the parts of a gateway's mail.

    Raises:
        Refusal: ``malformed`` unless there are exactly the three parts of gw-mail/1, in order.
        MailUnreadable: a part is not encoded as it says.
    """
    raise NotImplementedError


def checked_content(mail: GatewayMail, claims: MailClaims) -> bytes:
    """Return the content that verified claims are about.

    Raises:
        Refusal: ``malformed`` if kind or size differ, ``part-digest`` if the digest does.
        MailUnreadable: ``mail-encoding``.
    """
    raise NotImplementedError


def make_message_id(mailbox: str) -> str:
    """Return a new ``<gw1.….…@domain>`` for a mail from ``mailbox``."""
    raise NotImplementedError


def is_own_message_id(value: str, mailbox: str) -> bool:
    """Whether a Message-ID was made by ``make_message_id`` for this mailbox: such a mail came back to us."""
    raise NotImplementedError
