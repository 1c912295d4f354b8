"""The clock of a preservation, one for each data item, that both sides compute alike from the messages.

Says where an item stands and which warnings its end calls for; ``keeping`` works out the standing. A day is
24 hours from the stated instant, whatever the clocks of a country do that night; only a day that the other
State names by its date ends when that day ends there (docs/preservation.md). Nothing here acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

#: Days before the end at which both sides are warned. Source: design rule D-03 (Budapest 29(7)).
WARNING_DAYS = (30, 14, 7, 3, 1)
#: Days before the last day of asking for a renewal, and that day itself. Source: design rule (UNCC 42(9)).
RENEWAL_DAYS = (7, 1, 0)
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9900, 1, 1)


class ItemState(StrEnum):
    """Where one data item stands."""

    OPEN = "open"  # not reported yet
    RUNNING = "running"  # kept until its end
    AWAITING = "awaiting"  # an extension was asked for in time and is not answered: does not lapse
    HELD = "held"  # a follow-up was consigned in time: kept until the decision
    LAPSED = "lapsed"  # its end has passed and nothing was consigned in time
    RELEASED = "released"  # no longer needed, or decided on
    NOT_KEPT = "not_kept"  # impossible, refused, or returned


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemClock:
    """One data item.

    Attributes:
        status: As reported (``preserved``, ``impossible`` …), ``open`` before.
        ends_at: Last end the requested side stated.
        renew_by: Last day of asking for a renewal, in that side's own time.
        by: Messages that hold it or await an answer, oldest first.
    """

    item_no: int
    state: ItemState
    status: str
    effected_at: datetime | None
    ends_at: datetime | None
    renew_by: date | None
    by: tuple[str, ...] = ()

    @property
    def has_deadline(self) -> bool:
        """Whether its end still matters to somebody."""
        return self.state in {ItemState.RUNNING, ItemState.AWAITING} and self.ends_at is not None


class MarkKind(StrEnum):
    """What an instant of the clock calls for."""

    WARNING = "warning"
    RENEWAL = "renewal"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """An instant at which people are told; ``days`` before the end, or before the last day of renewal."""

    at: datetime
    kind: MarkKind
    days: int


def marks(ends_at: datetime, *, renew_by: date | None = None, zone: str = "UTC") -> tuple[Mark, ...]:
    """Return all marks of an end, earliest first; the last one is the end itself.

    Args:
        renew_by: That day counts whole, in the requested State's ``zone`` (an IANA name; an unknown one is
            taken as UTC). It never lies behind the end.
    """
    found = [_mark(ends_at, MarkKind.WARNING, days) for days in WARNING_DAYS]
    if renew_by is not None:
        last = min(end_of_day(renew_by, zone), ends_at)
        found += [_mark(last, MarkKind.RENEWAL, days) for days in RENEWAL_DAYS]
    return (*sorted(found), Mark(at=ends_at, kind=MarkKind.END, days=0))


def end_of_day(day: date, zone: str) -> datetime:
    """Return the instant at which a day ends by the clocks of a zone, in UTC.

    The day has 23 or 25 hours where summer time begins or ends; where its midnight does not exist it ends at
    the instant that is skipped. Days beyond all use are taken as the last ones that can be counted with.
    """
    try:
        there = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        there = ZoneInfo("UTC")
    counted = min(max(day, _FIRST_DAY), _LAST_DAY)
    return datetime.combine(counted + timedelta(days=1), time(), there).astimezone(UTC)


def due_marks(of: tuple[Mark, ...], *, now: datetime, told: datetime | None) -> tuple[Mark, ...]:
    """Return the last mark of each kind that has come and was not told, earliest first.

    What a later one of its kind overtakes needs no telling any more. ``told``: until when people were told.
    """
    come = [mark for mark in of if mark.at <= now and (told is None or mark.at > told)]
    return tuple(sorted({mark.kind: mark for mark in come}.values()))


def next_mark(of: tuple[Mark, ...], *, told: datetime | None) -> Mark | None:
    """Return the first mark that was not told; ``None`` once the end was."""
    return next((mark for mark in of if told is None or mark.at > told), None)


def first_end(clocks: Mapping[int, ItemClock]) -> datetime | None:
    """Return the earliest end that still matters, the deadline of the whole preservation."""
    return min((c.ends_at for c in clocks.values() if c.has_deadline and c.ends_at), default=None)


def _mark(end: datetime, kind: MarkKind, days: int) -> Mark:
    return Mark(at=end - timedelta(days=days), kind=kind, days=days)
