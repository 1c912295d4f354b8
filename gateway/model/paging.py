"""Pages: why a person is called at night, whom it concerns, and who is rung next while nobody answers.

Pure. Decides the order of officers and paths and the periods; sends nothing. A page never gives up: whoever
was rung least is rung next, and what can be rung is worked out afresh from the roster of that moment, so that
a change of turn in the middle of a night takes the page along.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PageReason(StrEnum):
    """Why a person is called."""

    #: An urgent bundle was released to us.
    ARRIVED = "arrived"
    #: What we sent has no consignment in its time.
    NOT_CONSIGNED = "not-consigned"
    #: It is there, and no person has acknowledged it.
    NOT_ACKNOWLEDGED = "not-acknowledged"
    TARGET_PASSED = "target-passed"
    #: An emergency that one officer sent waits for the second signature or the call-back.
    SECOND_SIGNATURE = "second-signature"
    #: A call-back about a bundle was denied, or brought other words: somebody may be forging.
    CALLBACK_DENIED = "callback-denied"
    #: A machine handed in something urgent, and an officer's passkey is still to sign it.
    ACT_WAITING = "act-waiting"
    ORAL_UNCONFIRMED = "oral-unconfirmed"
    PRESERVATION_ENDING = "preservation-ending"
    #: A path that should ring did not, or the pager itself was away.
    ALARM_SILENT = "alarm-silent"
    DRILL = "drill"
    NO_ONE_ON_DUTY = "no-one-on-duty"


class Audience(StrEnum):
    """Whom a page concerns first; the others are rung when these do not answer."""

    DUTY = "duty"
    BACKUP = "backup"
    SHIFT_LEADER = "shift_leader"


#: Urgency levels from low to high.
LEVELS = ("routine", "urgent", "emergency")

#: Who is rung, in this order, for each audience.
ORDER: Mapping[Audience, tuple[Audience, ...]] = {
    Audience.DUTY: (Audience.DUTY, Audience.BACKUP, Audience.SHIFT_LEADER),
    Audience.BACKUP: (Audience.BACKUP, Audience.SHIFT_LEADER, Audience.DUTY),
    Audience.SHIFT_LEADER: (Audience.SHIFT_LEADER, Audience.BACKUP, Audience.DUTY),
}


#: Hours of the officer's day in which a test may ring, and how long one waits for them: whoever works at
#: night only is tested at night.
TEST_HOURS = range(7, 21)
TEST_WAITS = timedelta(days=1)
#: How long a page is kept once nothing on it waits, and a test of a path once it ended.
PAGES_KEPT = timedelta(days=90)
#: How long a person's answer proves that a path rings.
PROOF_HOLDS = timedelta(days=30)
#: The pager writes every minute that it is there; one that wrote nothing for so long is not.
BEAT_HOLDS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One path of one officer."""

    officer: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """How long a ring may stay without an answer before the next rung is taken.

    Attributes:
        urgent, emergency: By the level of the page; a routine page climbs like an urgent one.
    """

    urgent: timedelta
    emergency: timedelta

    def period(self, level: str) -> timedelta:
        """Return the period of a level."""
        return self.emergency if level == "emergency" else self.urgent


def is_higher(level: str, than: str) -> bool:
    """Tell whether an urgency level stands above another; one that is unknown counts as the highest."""
    return _rank(level) > _rank(than)


def ladder(
    audience: Audience,
    *,
    on_duty: Mapping[Audience, Sequence[str]],
    paths: Mapping[str, Sequence[str]],
) -> tuple[Rung, ...]:
    """Return who is rung in which order: the audience, then the others on duty.

    Whoever has a path stands in for a roster that names nobody who has one: a page is not lost because a
    turn was forgotten.

    Args:
        on_duty: Officers by part, as the roster has them now.
        paths: Officer to the identifiers of their paths, in the order in which they are to ring.
    """
    officers = dict.fromkeys(name for part in ORDER[audience] for name in on_duty.get(part, ()))
    rungs = _rungs(officers, paths)
    return rungs or _rungs(sorted(paths), paths)


def next_rungs(ladder: Sequence[Rung], *, rings: Mapping[str, int], level: str) -> tuple[Rung, ...]:
    """Return what rings next: the path that rang least, the earlier one first; nothing for an empty ladder.

    In an emergency all paths of that officer ring together.

    Args:
        rings: Path to how often it was rung for this page.
    """
    if not ladder:
        return ()
    first = min(ladder, key=lambda rung: rings.get(rung.path, 0))
    if level != "emergency":
        return (first,)
    return tuple(rung for rung in ladder if rung.officer == first.officer)


def first_ring_at(
    *, level: str, now: datetime, answered_at: datetime | None, answered_level: str, quiet: timedelta
) -> datetime:
    """Return when a new page rings first: at once, or after the quiet that follows an answer."""
    if answered_at is None or is_higher(level, answered_level):
        return now
    return max(now, answered_at + quiet) if answered_at <= now else now


def is_recent(at: datetime | None, now: datetime, within: timedelta) -> bool:
    """Tell whether something was so recently; not if it lies further ahead: the clock was set back."""
    return at is not None and -within <= now - at <= within


def is_test_time(hour: int, *, waited: timedelta) -> bool:
    """Tell whether a test of a path may ring: by day where the officer is, or where no day came for long.

    Args:
        hour: 0 to 23, by the officer's clock.
        waited: Since when the test is due.
    """
    return hour in TEST_HOURS or waited >= TEST_WAITS


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _rungs(officers: Iterable[str], paths: Mapping[str, Sequence[str]]) -> tuple[Rung, ...]:
    return tuple(Rung(officer=officer, path=path) for officer in officers for path in paths.get(officer, ()))
