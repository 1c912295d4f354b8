"""The mail that S/MIME protects: composed with its headers inside, read back only when signed.

Out: one text/plain letter and its attachments, header-protected (RFC 9788), signed, then encrypted;
nothing about the case stands outside. In: only what one signer of the directory signed, in plain text.
Says nothing about what a letter means: its words, codes and reports are read elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crypto.cms import ContentCipher, KeyTransport, SignatureForm
from crypto.mailcert import MailKey

#: The only subject that anybody on the way sees.
OUTER_SUBJECT = "[...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that goes with a letter, or came with one.

    Attributes:
        name: As shown to people; empty where a mail named none. Never a path.
        media_type: ``type/subtype`` in lower case; what the sender says it is.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter to be sent. Addresses come from the directory and the settings only.

    Attributes:
        message_id: With angle brackets; the same inside and outside.
        read_receipt: Whether the reader's program is asked to confirm the reading (RFC 8098).
    """

    sender: str
    recipient: str
    subject: str = field(repr=False)
    message_id: str
    date: datetime
    text: str = field(repr=False)
    enclosures: tuple[Enclosure, ...] = field(repr=False)
    in_reply_to: str | None = None
    read_receipt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """An authority that may write to us, one row per certificate the directory lists for its mailbox."""

    authority_id: str
    address: str
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLetter:
    """A letter that one authority of the directory signed; everything here was inside the signature.

    Attributes:
        correspondent: Who signed it; its address is the letter's ``From``.
        references: Message identifiers it refers to, the answered one first.
        report_type: ``disposition-notification`` for a signed MDN; else ``None``.
        enclosures: For a report its machine-readable parts, else the attachments.
        entity: The signed MIME entity, byte for byte: evidence.
        signed: The signed-data as it came (DER or BER): evidence that others can verify.
        cipher: How it was encrypted; ``None`` if it came signed only.
    """

    correspondent: Correspondent
    subject: str = field(repr=False)
    message_id: str
    date: datetime | None
    references: tuple[str, ...]
    signed_at: datetime | None
    text: str = field(repr=False)
    enclosures: tuple[Enclosure, ...] = field(repr=False)
    report_type: str | None
    entity: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    cipher: str | None


def seal_letter(
    letter: Letter,
    *,
    signer: MailKey,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.CBC,
    form: SignatureForm = SignatureForm.PKCS1,
    transport: KeyTransport = KeyTransport.PKCS1,
) -> bytes:
    """Return the whole mail, headers and body with CRLF, ready for submission.

    ``recipients`` are DER certificates: the addressee's in force, and our own so that we can read it.

    Raises:
        ValueError: a header or name that cannot be carried (line breaks, control characters).
        KeyRefused: a certificate that may not be listed.
    """
    raise NotImplementedError


def open_letter(
    raw: bytes, *, keys: Sequence[MailKey], own: str, correspondents: Sequence[Correspondent], now: datetime
) -> OpenedLetter:
    """Return the letter of a mail that came in, if one correspondent signed it for the mailbox ``own``.

    ``raw`` is the mail as it came, already within the limits of ``adapters.mimeread``.

    Raises:
        GatewayRefusal: ``open-failed``, ``sig-invalid`` or a code beginning with ``smime-``
            (docs/mail.md); nothing of the content is shown then.
    """
    raise NotImplementedError


def sealed_size(letter: Letter) -> int:
    """Return about how large the mail will be, in bytes, never less than it is: for size caps."""
    raise NotImplementedError
