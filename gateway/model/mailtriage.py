"""What a mail is, from its headers alone: whose work it is, or why nobody answers it.

Pure, and decided before any content is looked at. A mail with a gateway's token is a gateway's, whatever else
its headers say, because the token is verified next; everything that a machine may have sent by itself is
marked, so that nothing of ours ever answers it (RFC 3834). Trusts no header: the worst that a forged one can
do is to put the mail before a person, or to keep an answer back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

#: Reason -> what it means, for the person who looks at a mail that was set aside.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "mail-automatic": "Sent by a machine by itself, such as a vacation notice; nothing answers it.",
        "mail-list": "Sent to many, by a list or in bulk; nothing answers it.",
        "mail-own": "A mail of this gateway that came back to it.",
        "mail-no-sender": "It has no sender and is no delivery notice; nothing answers it.",
        "mail-human": "Written by a person or for one; nobody here takes it by itself.",
        "mail-defect": "This program stumbled over it; look at its log, then discard it.",
        "mail-notice": "A delivery or read notice about no mail that is known here.",
    }
)

#: A long vacation keeps these from filling the place of what a person should see.
AUTOMATIC_REASONS = frozenset({"mail-automatic", "mail-list", "mail-own", "mail-no-sender", "mail-notice"})

_BULK = frozenset({"bulk", "list", "junk"})
_LIST_HEADERS = frozenset({"list-id", "list-unsubscribe", "list-post"})
#: Written by older responders beside or instead of ``Auto-Submitted``; any value but these means a machine.
_AUTOMATIC_HEADERS = frozenset({"x-autoreply", "x-autorespond", "x-autoresponder"})
_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_ADDRESS = re.compile(r"<([^<>]*)>\s*\Z")


class Kind(StrEnum):
    """Whose work a mail is."""

    GATEWAY = "gateway"  # has a gateway's token
    DSN = "dsn"  # delivery notice of a mail server (RFC 3464)
    MDN = "mdn"  # read notice of a mail program (RFC 8098), not signed
    SMIME = "smime"  # signed or encrypted, by a person or a person's program
    HUMAN = "human"  # anything else that may have been written by a person
    ASIDE = "aside"  # nobody's: set aside with a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What triage looks at.

    Attributes:
        headers: Lower-case name and value, in order; values as they stand.
        media, parameters: Of the content type, lower-case names.
        mail_from: Envelope sender, ``""`` for ``<>``; ``None`` where it is not known (IMAP without it).
        has_token: The mail has a gateway's token part.
        is_own: Its Message-ID is like those made here.
    """

    headers: Sequence[tuple[str, str]]
    media: str
    parameters: Mapping[str, str]
    mail_from: str | None
    has_token: bool
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The result.

    Attributes:
        reason: Why it is set aside; ``None`` for every kind but ``ASIDE``.
        is_automatic: A machine may have sent it by itself: it is never answered, whatever it is.
    """

    kind: Kind
    reason: str | None = None
    is_automatic: bool = False


def triage(seen: Seen) -> Triage:
    """Return whose work a mail is."""
    if seen.has_token:
        # Its token says whose it is. A Message-ID says less: authorities may share a mail domain.
        return Triage(kind=Kind.GATEWAY, is_automatic=True)
    if seen.is_own:
        return _aside("mail-own")
    reason = _automatic(seen)
    if seen.media == "multipart/report":
        report = seen.parameters.get("report-type", "").lower()
        if report == "delivery-status":
            return Triage(kind=Kind.DSN, is_automatic=True)
        if report == "disposition-notification":
            return Triage(kind=Kind.MDN, is_automatic=True)
    if _is_smime(seen):
        # A signed read notice is automatic too, and worth reading: its signature is what counts.
        return Triage(kind=Kind.SMIME, is_automatic=reason is not None)
    if reason is not None:
        return _aside(reason)
    return Triage(kind=Kind.HUMAN)


def _aside(reason: str) -> Triage:
    return Triage(kind=Kind.ASIDE, reason=reason, is_automatic=True)


def _automatic(seen: Seen) -> str | None:
    """Return why a mail may be a machine's, ``None`` if nothing says so."""
    for name, value in seen.headers:
        # Comments and parameters may follow the word (RFC 3834 section 5).
        word = re.split(r"[\s;(]", value.strip().lower(), maxsplit=1)[0]
        if (name == "auto-submitted" and word != "no") or name in _AUTOMATIC_HEADERS or name == "x-loop":
            return "mail-automatic"
        if (name == "precedence" and word in _BULK) or name in _LIST_HEADERS:
            return "mail-list"
        if name == "precedence" and word == "auto_reply":
            return "mail-automatic"
    return "mail-no-sender" if _has_no_sender(seen) else None


def _has_no_sender(seen: Seen) -> bool:
    if seen.mail_from is not None:
        return seen.mail_from.strip() in {"", "<>"}
    # The last server writes the envelope's sender above everything else.
    for name, value in seen.headers:
        if name == "return-path":
            found = _ADDRESS.search(value.strip())
            return found is not None and not found.group(1).strip()
    return False


def _is_smime(seen: Seen) -> bool:
    if seen.media in _SMIME:
        return True
    protocol = seen.parameters.get("protocol", "").lower()
    return seen.media == "multipart/signed" and protocol in _SIGNATURES
