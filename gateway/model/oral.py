"""Oral requests (UNTOC 18(14), D-13): when their written confirmation is due, when people are alerted. Pure.

Both sides count from the instant the request was made by word of mouth, so both are alerted alike. None ever
lapses: after the last alert it is asked for every day, and the requested authority decides whether to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model.codes import Track
from gateway.model.fields import at, rows, text
from gateway.model.message import wire_time
from gateway.model.request import track_of

#: From the oral request to its written confirmation: "forthwith"; no treaty gives hours.
CONFIRM_WITHIN = timedelta(hours=24)

#: Alerts to both sides.
ALERTS = (timedelta(hours=24), timedelta(hours=72))

#: After the last alert.
ASKED_AGAIN = timedelta(days=1)

CONFIRMS, REPLACES = "confirms_oral", "replaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class OralCall:
    """What an officer notes of a telephone call.

    Attributes:
        made_at: When the request was made.
        means: Telephone, video call.
        substance: What was asked for, in words.
    """

    made_at: datetime
    means: str
    made_by_office: str
    received_by_office: str
    urgency_level: str
    request_kind: str
    substance: str

    def content(self) -> dict[str, Any]:
        """Return the content of the note."""
        return {
            "made_at": wire_time(self.made_at),
            "means": self.means,
            "made_by_office": self.made_by_office,
            "received_by_office": self.received_by_office,
            "urgency_level": self.urgency_level,
            "request_kind": self.request_kind,
            "substance": self.substance,
            "confirmation_due": wire_time(self.made_at + CONFIRM_WITHIN),
        }


def needs_no_oral(request_kind: str) -> bool:
    """Tell whether a kind runs on the preservation track, which one officer sends in writing at any hour."""
    return track_of(request_kind) is Track.PRESERVATION


def made_at(form: Mapping[str, Any], stored_at: datetime) -> datetime:
    """Return from when a note counts: what it says, but not later than it came here."""
    try:
        said = datetime.fromisoformat(text(form, "content", "made_at")).astimezone(UTC)
    except (ValueError, OverflowError):
        return stored_at
    return min(said, stored_at)


def alert_at(made: datetime, given: int) -> datetime | None:
    """Return when the next alert is due after ``given`` of them, ``None`` after the last."""
    return made + ALERTS[given] if given < len(ALERTS) else None


def alerts_due(made: datetime, now: datetime) -> int:
    """Return how many of the alerts are due by now."""
    return sum(1 for after in ALERTS if made + after <= now)


def confirmed_references(form: Mapping[str, Any]) -> frozenset[str]:
    """Return the references and threads that a request form confirms in writing."""
    named = set()
    for _, row in rows(form, "related_references"):
        if text(row, "relation") == CONFIRMS:
            named |= {text(row, "reference"), text(row, "thread_id")}
    return frozenset(named - {""})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedAlso:
    """Another note of the same call, and the place in its thread of the confirmation that ends it."""

    reference: str
    thread_id: str
    seq: int
    seen: int

    def relations(self) -> list[dict[str, Any]]:
        """Return how a request form confirms it and takes its thread's place (T38)."""
        named = {"reference": self.reference, "thread_id": self.thread_id}
        return [
            {**named, "relation": CONFIRMS},
            {**named, "relation": REPLACES, "seq": self.seq, "seen": self.seen},
        ]


def confirming(
    form: Mapping[str, Any],
    *,
    note: Mapping[str, Any],
    thread: Mapping[str, Any],
    also: Sequence[NotedAlso] = (),
) -> dict[str, Any]:
    """Return a request form as the written confirmation of a note: its place, the relation, the call itself.

    What the officer wrote there already stays. ``also``: further notes of the same call.
    """
    reference = text(note, "thread", "requesting", "reference") or text(
        note, "thread", "requested", "reference"
    )
    related = [dict(row) for _, row in rows(form, "related_references")]
    if CONFIRMS not in {text(row, "relation") for row in related}:
        related.append({"reference": reference, "relation": CONFIRMS})
    related += [row for each in also for row in each.relations()]
    said = at(note, "content")
    oral = {
        "made_at": text(said, "made_at"),
        "channel": "oral",
        "agreed": True,
        "made_by_office": text(said, "made_by_office"),
        "received_by_office": text(said, "received_by_office"),
    }
    return {
        **form,
        "thread": dict(thread),
        "related_references": related,
        "oral_request": form.get("oral_request") or oral,
    }
