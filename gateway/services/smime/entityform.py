"""What goes into a sealed letter and what comes out of one.

Values only. Who may be a correspondent decides the directory, what an opened letter means its reader.
"""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.services.smime.base64lines import OutgoingFile


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
        in_reply_to: Identifier of the letter that this one answers, inside and outside.
        enclosures: An ``OutgoingFile`` is closed when the letter is sealed.
        read_receipt: Whether the reader's program is asked to confirm the reading (RFC 8098).
    """

    sender: str
    recipient: str
    subject: str = field(repr=False)
    message_id: str
    date: datetime
    text: str = field(repr=False)
    enclosures: tuple[Enclosure | OutgoingFile, ...] = field(repr=False)
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
    """A letter that one authority of the directory signed.

    Attributes:
        correspondent: Who signed it; its address is the letter's ``From``.
        is_protected: Whether the headers were inside the signature (RFC 9788). If not, ``subject`` is empty
            and ``message_id`` and ``references`` are hints that anybody on the way may have written.
        references: Message identifiers it refers to, the answered one first.
        signed_at: What the signer says about the time: a claim, not in the future.
        report_type: ``disposition-notification`` for a signed MDN; else ``None``.
        enclosures: For a report its machine-readable parts, else the attachments.
        is_html_left_out: Whether the same text came as HTML as well, which is never looked at.
        entity: The signed MIME entity, byte for byte: evidence.
        signed: The signed-data as it came (DER or BER), with ``entity`` inside it or over it: evidence that
            others can verify.
        cipher: How it was encrypted; ``None`` if it came signed only.
    """

    correspondent: Correspondent
    is_protected: bool
    subject: str = field(repr=False)
    message_id: str
    date: datetime | None
    references: tuple[str, ...]
    signed_at: datetime | None
    text: str = field(repr=False)
    enclosures: tuple[Enclosure, ...] = field(repr=False)
    report_type: str | None
    is_html_left_out: bool
    entity: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    cipher: str | None
