"""What a mail server says about the delivery of a mail (RFC 3464): read as data, and never believed.

A report is not authenticated: anybody can write one. Whoever uses it may therefore only do what does no harm
if it is forged, such as trying sooner or on another channel; it never stands for a receipt or for a person's
word. Reads the ``message/delivery-status`` part alone, bounded, and keeps no wording of the server.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: A report is at most this long, and speaks of at most so many recipients; more is no report about our mail.
MAX_BYTES = 64 * 1024
MAX_RECIPIENTS = 20
_MAX_FIELDS = 60
_MAX_VALUE = 998

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s|\Z)")
_FOLDED = re.compile(r"\r?\n[ \t]+")
#: ``xtext`` of RFC 3461: a plus sign and two hex digits stand for one character.
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


class StatusUnreadable(ValueError):
    """This is no delivery status; the text says why, without its content."""


class Action(StrEnum):
    """What became of the mail for one recipient (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientStatus:
    """One recipient of a report.

    Attributes:
        recipient: Address as the report has it, lower case; the original one where it is given.
        status: Enhanced status code such as ``5.1.1``; empty if the report has none that can be read.
    """

    recipient: str
    action: Action
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """A report.

    Attributes:
        envelope_id: What we gave as ENVID when the mail was handed over (RFC 3461); empty if it is not there.
    """

    envelope_id: str
    recipients: tuple[RecipientStatus, ...]

    def about(self, address: str) -> RecipientStatus | None:
        """Return what is said of one address, the worst first; ``None`` if nothing is."""
        found = [each for each in self.recipients if each.recipient == address.lower()]
        order = list(Action)
        return min(found, key=lambda each: order.index(each.action), default=None)


def parse_delivery_status(body: bytes) -> DeliveryStatus:
    """Return the report of a ``message/delivery-status`` part (RFC 3464 section 2).

    Raises ``StatusUnreadable`` if it is too long, has no recipient, or lacks an action that is known.
    """
    per_message, *groups = field_groups(body)
    if not groups or len(groups) > MAX_RECIPIENTS:
        raise StatusUnreadable("no recipient, or too many")
    return DeliveryStatus(
        envelope_id=_unxtext(per_message.get("original-envelope-id", "")),
        recipients=tuple(_recipient(group) for group in groups),
    )


def field_groups(body: bytes) -> list[Mapping[str, str]]:
    """Return groups of fields, names in lower case; groups are divided by empty lines (RFC 3464 section 2.1).

    Shared with notices of reading, whose part has one group. Raises ``StatusUnreadable``: too long, not
    ASCII, a field twice in its group, or a line that is no field.
    """
    if len(body) > MAX_BYTES:
        raise StatusUnreadable("too long")
    try:
        text = _FOLDED.sub(" ", body.decode("ascii")).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise StatusUnreadable("not ASCII") from None
    groups: list[dict[str, str]] = [{}]
    for line in text.split("\n"):
        if not line.strip():
            if groups[-1]:
                groups.append({})
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not _NAME.match(name) or len(value) > _MAX_VALUE:
            raise StatusUnreadable("a line is no field")
        if name in groups[-1] or len(groups[-1]) >= _MAX_FIELDS:
            raise StatusUnreadable("a field twice, or too many")
        groups[-1][name] = value.strip()
    return list(groups if groups[-1] else groups[:-1]) or [{}]


def _recipient(group: Mapping[str, str]) -> RecipientStatus:
    try:
        action = Action(group.get("action", "").partition(" ")[0].lower())
    except ValueError:
        raise StatusUnreadable("no action that is known") from None
    _, _, address = (group.get("original-recipient") or group.get("final-recipient", "")).partition(";")
    status = _STATUS.match(group.get("status", ""))
    return RecipientStatus(
        recipient=_unxtext(address.strip()).lower(),
        action=action,
        status="" if status is None else ".".join(status.groups()),
    )


def _unxtext(text: str) -> str:
    return _XTEXT.sub(lambda hit: chr(int(hit[1], 16)), text)
