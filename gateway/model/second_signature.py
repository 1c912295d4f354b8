"""The second person of an emergency (D-24): when one is owed, until when, and what ends it. Pure.

A lone officer can always send: nothing here refuses or delays a sending, and what was sent stands. A second
person signs or calls back afterwards; where nobody does, shift leader and auditor are told, and asked again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.model.codes import Assurance
from gateway.model.fields import text
from gateway.model.request import REQUEST_TYPES

#: From sending to the second signature or call-back; no treaty gives a figure.
WITHIN = timedelta(minutes=60)

#: Afterwards the question is put again every day: the next approver on duty signs or disowns.
ASKED_AGAIN = timedelta(days=1)

_EMERGENCY = "emergency"
_ORAL = "oral_request_note"

#: Messages by which the requesting side takes back what it asked for.
DISOWNING = frozenset({"withdrawal", "preservation_release"})


class ClosedBy(StrEnum):
    """What ended it."""

    CALLBACK = "callback"  # a second person of either authority called back, and it was confirmed
    SIGNATURE = "signature"  # an approver signed the same text
    DISOWNED = "disowned"  # another officer took the request back


def is_owed(form: Mapping[str, Any], message_type: str, assurance: str | None) -> bool:
    """Tell whether a form of our own is an emergency that one person alone has sent."""
    if assurance == Assurance.SECOND_PERSON_TELEPHONE:
        return False
    if message_type == _ORAL:
        return text(form, "side") == "requesting" and text(form, "content", "urgency_level") == _EMERGENCY
    return message_type in REQUEST_TYPES and text(form, "urgency", "level") == _EMERGENCY


def due_at(sent_at: datetime) -> datetime:
    """Return until when a second person is to have signed or called back."""
    return sent_at + WITHIN


def is_second(officer: str, sent_by: str) -> bool:
    """Tell whether an officer is another than the one who sent alone; spelling does not make another."""
    return officer.casefold() != sent_by.casefold()
