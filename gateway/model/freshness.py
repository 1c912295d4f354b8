"""How long a directory that could not be refreshed may still be relied on, and for what. Pure.

A network's statements carry an end. After it nothing new is believed, what was known stays known, and
old evidence verifies for ever; sending goes on for a time of grace, so that a secretariat's lost server
stops nobody's urgent request (figures: this product's own, docs/directory.md section 4).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.model.codes import Lane

#: Sending goes on this long after the end, in both lanes, with an alarm.
GRACE = timedelta(hours=72)

#: The urgent lane goes on this long if an operator says so.
URGENT_GRACE = timedelta(days=14)


class Freshness(StrEnum):
    """How far the time has come since a source was last known to be current."""

    FRESH = "fresh"  # inside the time its publisher gave
    GRACE = "grace"  # over, and sending goes on with an alarm
    URGENT_ONLY = "urgent_only"  # only the urgent lane, and only where an operator allows it
    ENDED = "ended"  # nothing is sent on the strength of it


def freshness(fresh_until: datetime | None, now: datetime) -> Freshness:
    """Return how current a source is; ``None`` is what a person enrolled, which has no end of its own."""
    if fresh_until is None or now <= fresh_until:
        return Freshness.FRESH
    if now <= fresh_until + GRACE:
        return Freshness.GRACE
    return Freshness.URGENT_ONLY if now <= fresh_until + URGENT_GRACE else Freshness.ENDED


def may_send(state: Freshness, lane: str, *, is_allowed: bool) -> bool:
    """Tell whether the lane may send by a source; ``is_allowed``: an operator allowed the urgent lane."""
    if state is Freshness.URGENT_ONLY:
        return lane == Lane.URGENT and is_allowed
    return state in (Freshness.FRESH, Freshness.GRACE)


def freshest(ends: Iterable[datetime | None]) -> datetime | None:
    """Return the latest of some ends, ``None`` if one of them has no end. There is at least one."""
    known = list(ends)
    return None if None in known else max(end for end in known if end is not None)
