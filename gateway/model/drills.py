"""Drills of a network: when a test wakes somebody, how much of it is taken, and what a scorecard says. Pure.

A drill tests what a real night needs: every channel of every 24/7 point, and a person who answers. It must
not be a way to wake officers or to fill a lane, whoever sends it: that is decided here, on the receiving
side.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.model.escalation import is_signed

#: Hours of the own day in which a test of anybody may ring; at other hours only of those it was agreed with.
WAKES_FROM, WAKES_TO = time(8), time(20)

#: One peer's drills ring once within this time, however many there are.
ONE_RING = timedelta(hours=24)

#: Test messages taken from one peer within a day: a few drills through all channels.
TAKEN_PER_DAY = 32

#: A test that nobody has acknowledged is let go of after this time.
LET_GO_AFTER = timedelta(days=7)

#: A drill counts what comes within this time.
DRILL_LASTS = timedelta(hours=24)

#: Another drill of the same network begins no sooner than this after the last one began.
NEXT_DRILL_AFTER = timedelta(hours=1)

#: A person answers within this time, as for an urgent request.
PERSON_WITHIN = timedelta(hours=2)

#: A machine answers within this time, as for an urgent request on one channel.
MACHINE_WITHIN = timedelta(minutes=5)


def rings_at(now: datetime, *, zone: str, is_agreed: bool, last_ring: datetime | None) -> datetime:
    """Return when a test of a peer may ring here: in the daytime of the own zone, or now if it was agreed.

    ``last_ring`` is when another drill of the same peer rang last. An unknown zone counts as UTC.
    """
    earliest = now if last_ring is None else max(now, last_ring + ONE_RING)
    if is_agreed:
        return earliest
    try:
        there = earliest.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        there = earliest.astimezone(UTC)
    if WAKES_FROM <= there.time() < WAKES_TO:
        return earliest
    day = there.date() if there.time() < WAKES_FROM else there.date() + timedelta(days=1)
    return datetime.combine(day, WAKES_FROM, there.tzinfo).astimezone(UTC)


class TestState(StrEnum):
    """How a test on one channel came out."""

    __test__ = False

    ARRIVED = "arrived"  # the gateway there has proved that it holds the message
    UNDER_WAY = "under_way"  # nothing has come back yet
    REFUSED = "refused"  # the gateway there refused it
    SILENT = "silent"  # nothing came back within the drill's time
    BY_HAND = "by_hand"  # no machine drives this channel: test it by telephone


class Verdict(StrEnum):
    """What a drill says of a point."""

    READY = "ready"  # every channel in time, and a person who signed within two hours
    SLOW = "slow"  # all of it came, some of it late
    UNSIGNED = "unsigned"  # every channel, but nobody signed the acknowledgement: a real clock would go on
    PARTLY = "partly"  # a channel or the person is missing
    SILENT = "silent"  # nothing came back at all
    RUNNING = "running"  # the time of the drill is not over, and something is still to come
    BY_HAND = "by_hand"  # no machine drives a channel of it, so nothing was sent: ring it up


#: Verdicts as people read them, in the table and in the picture (docs/drills.md).
VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.READY: "ready",
    Verdict.SLOW: "late",
    Verdict.UNSIGNED: "not signed",
    Verdict.PARTLY: "in part",
    Verdict.SILENT: "no answer",
    Verdict.RUNNING: "running",
    Verdict.BY_HAND: "by telephone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelScore:
    """One channel of a point; ``took`` until its proof was here."""

    channel: str
    state: TestState
    took: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointScore:
    """One 24/7 point: its channels in the order of its record, and the person.

    Attributes:
        person_took: From the first test to the acknowledgement that a person signed; ``None`` while there is
            none.
        unsigned_took: From the first test to an acknowledgement that nobody signed, while there is no other.
        assurance: Of the one or the other.
    """

    authority_id: str
    name: str
    channels: Sequence[ChannelScore]
    person_took: timedelta | None
    unsigned_took: timedelta | None
    assurance: str | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """A drill as it stands now, by authority."""

    drill_id: str
    network: str
    officer: str
    started_at: datetime
    ends_at: datetime
    is_over: bool
    points: Sequence[PointScore]

    def count(self, verdict: Verdict) -> int:
        """Return how many points came out so."""
        return sum(1 for point in self.points if point.verdict is verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An acknowledgement of a test: how long it took, and what could be verified of who vouches for it."""

    took: timedelta
    assurance: str | None


def best_answer(answers: Iterable[Answer]) -> Answer | None:
    """Return the acknowledgement that counts: the first signed one, else the first of all.

    Signed is what would stop the clock of an urgent request, by the very rule of its ladder.
    """
    return min(answers, key=lambda answer: (not is_signed(answer.assurance), answer.took), default=None)


def counts_instead(held: str | None, answer: str | None) -> bool:
    """Tell whether an acknowledgement with the assurance ``answer`` takes the place of an earlier one."""
    return is_signed(answer) and not is_signed(held)


def verdict_of(
    channels: Sequence[ChannelScore],
    person_took: timedelta | None,
    unsigned_took: timedelta | None = None,
    *,
    is_over: bool,
) -> Verdict:
    """Return what a drill says of a point. Channels that no machine drives do not count.

    An acknowledgement that nobody signed (``unsigned_took``) is none of a person: whatever else came, the
    point is not ready.
    """
    tested = [each for each in channels if each.state is not TestState.BY_HAND]
    if not tested:
        return Verdict.BY_HAND
    arrived = [each for each in tested if each.state is TestState.ARRIVED]
    if len(arrived) == len(tested) and person_took is not None:
        late = person_took > PERSON_WITHIN or any(_is_late(each) for each in arrived)
        return Verdict.SLOW if late else Verdict.READY
    if len(arrived) == len(tested) and unsigned_took is not None:
        return Verdict.UNSIGNED
    if not is_over and (person_took is None or any(t.state is TestState.UNDER_WAY for t in tested)):
        return Verdict.RUNNING
    is_heard_of = arrived or person_took is not None or unsigned_took is not None
    return Verdict.PARTLY if is_heard_of else Verdict.SILENT


def _is_late(score: ChannelScore) -> bool:
    return score.took is not None and score.took > MACHINE_WITHIN


def is_too_much(taken_today: int) -> bool:
    """Tell whether a peer has sent so many tests within a day that the next one is refused."""
    return taken_today >= TAKEN_PER_DAY


def tested_channels(listed: Sequence[str], driven: Collection[str]) -> tuple[str, ...]:
    """Return the channels of a record that a drill tests, each once, in the order of the record."""
    return tuple(dict.fromkeys(name for name in listed if name in driven))
