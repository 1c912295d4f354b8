"""The duty roster: who is on duty at an instant, who stands in for whom, and when nobody is there.

Pure. A turn is said in the local time of a zone, as people say it, and worked out in UTC by the IANA rules of
that zone: over a night on which clocks change, a turn is an hour shorter or longer and the next one begins
where it ends. A time that the change leaves out means the same distance from midnight as before it; a time
that comes twice means the first. Both rules hold for ends and beginnings alike, so no change makes a gap.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from gateway.model.paging import Audience

_DAY = timedelta(days=1)
#: A turn is at most a week: whoever is on duty longer has several.
_LONGEST_DAYS = 7
_MOST_WEEKS = 52
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}")
#: One officer away, the cover away too, and so on: longer chains are a slip.
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn that comes again.

    Attributes:
        days: ISO weekdays, Monday is 1, on which it begins.
        begins, ends: ``HH:MM`` by the clocks of ``time_zone``.
        further_days: Days after the first on which it ends: 0 the same day, 1 over night, 7 a whole week.
        first_day, last_day: Dates on which it begins for the first and the last time; no last one: goes on.
        every_weeks: 1 each week; 3 each third week, counted from the week of ``first_day``.
    """

    id: str
    officer: str
    part: Audience
    time_zone: str
    days: tuple[int, ...]
    begins: str
    ends: str
    further_days: int
    first_day: date
    last_day: date | None = None
    every_weeks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """One officer stands in for another, in every part, from ``begins_at`` until before ``ends_at``."""

    id: str
    officer: str
    cover: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Turns and covers, each in the order in which they were entered; a later cover wins."""

    turns: tuple[Turn, ...] = ()
    covers: tuple[Cover, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Who has a part from ``begins_at`` until before ``ends_at``; nobody: a gap."""

    part: Audience
    officers: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime


def turn_fault(turn: Turn) -> str | None:
    """Return the member of a turn that cannot be, or ``None``."""
    if not is_zone(turn.time_zone):
        return "time_zone"
    if not turn.days or len(set(turn.days)) != len(turn.days) or not set(turn.days) <= set(range(1, 8)):
        return "days"
    if not _TIME.fullmatch(turn.begins):
        return "begins"
    if not _TIME.fullmatch(turn.ends) or (turn.further_days == 0 and turn.ends <= turn.begins):
        return "ends"
    if not 0 <= turn.further_days <= _LONGEST_DAYS or (
        turn.further_days == _LONGEST_DAYS and turn.ends > turn.begins
    ):
        return "further_days"
    if turn.last_day is not None and turn.last_day < turn.first_day:
        return "last_day"
    if not 1 <= turn.every_weeks <= _MOST_WEEKS:
        return "every_weeks"
    return None


def is_zone(name: str) -> bool:
    """Tell whether a name is a time zone of the IANA database that this machine knows."""
    if not _ZONE.fullmatch(name):
        return False
    try:
        _zone(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


def on_duty(roster: Roster, at: datetime) -> Mapping[Audience, tuple[str, ...]]:
    """Return who has each part at an instant, covers included, each officer once per part."""
    away = _away(roster.covers, at)
    found: dict[Audience, dict[str, None]] = {part: {} for part in Audience}
    for turn in roster.turns:
        if any(begins <= at < ends for begins, ends in _times(turn, at, at)):
            found[turn.part][_stands_in(turn.officer, away)] = None
    return {part: tuple(officers) for part, officers in found.items()}


def shifts(roster: Roster, part: Audience, since: datetime, until: datetime) -> list[Shift]:
    """Return who has a part between two instants, in order, without holes: gaps are shifts of nobody."""
    edges = {since, until}
    for turn in roster.turns:
        if turn.part is part:
            edges.update(edge for times in _times(turn, since, until) for edge in times)
    for cover in roster.covers:
        edges.update((cover.begins_at, cover.ends_at))
    inside = sorted(edge for edge in edges if since <= edge <= until)
    found: list[Shift] = []
    for begins, ends in pairwise(inside):
        officers = on_duty(roster, begins)[part]
        if found and found[-1].officers == officers:
            begins = found.pop().begins_at
        found.append(Shift(part=part, officers=officers, begins_at=begins, ends_at=ends))
    return found


def gaps(roster: Roster, part: Audience, since: datetime, until: datetime) -> list[Shift]:
    """Return when nobody has a part."""
    return [shift for shift in shifts(roster, part, since, until) if not shift.officers]


def _times(turn: Turn, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield beginning and end of every turn that touches the time between two instants."""
    zone = _zone(turn.time_zone)
    day = since.astimezone(zone).date() - (turn.further_days + 1) * _DAY
    last = until.astimezone(zone).date() + _DAY
    while day <= last:
        if _begins_on(turn, day):
            begins = _instant(day, turn.begins, zone)
            ends = _instant(day + turn.further_days * _DAY, turn.ends, zone)
            if ends > since and begins <= until and ends > begins:
                yield begins, ends
        day += _DAY


def _begins_on(turn: Turn, day: date) -> bool:
    if day.isoweekday() not in turn.days or day < turn.first_day:
        return False
    if turn.last_day is not None and day > turn.last_day:
        return False
    return (_monday(day) - _monday(turn.first_day)).days // 7 % turn.every_weeks == 0


def _monday(day: date) -> date:
    return day - (day.isoweekday() - 1) * _DAY


def _instant(day: date, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _away(covers: Sequence[Cover], at: datetime) -> Mapping[str, str]:
    return {cover.officer: cover.cover for cover in covers if cover.begins_at <= at < cover.ends_at}


def _stands_in(officer: str, away: Mapping[str, str]) -> str:
    """Return who is there for an officer; where covers lead in a circle, the officer."""
    name = officer
    for _ in range(_LONGEST_CHAIN):
        if name not in away:
            return name
        name = away[name]
    return officer
