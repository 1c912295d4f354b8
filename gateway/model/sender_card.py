"""The sender card: what an officer should know of a sender before believing what it asks for. Pure.

Facts come in, marks go out; a mark never refuses anything and never moves a case, because a true emergency
may look strange. What is usual for a peer is read off what it sent before; with too little, nothing is said.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.model.authority import LookupStatus
from gateway.model.codes import Assurance

#: A signing key that is listed for less time than this is young: a stolen mailbox often brings a new key.
YOUNG_KEY = timedelta(days=7)

#: What a peer sent within this time says what is usual for it; and how much of it there has to be.
HISTORY = timedelta(days=90)
ENOUGH = 10

#: An hour is unusual if less than this share of what came before came within an hour of it.
_RARE_SHARE = 0.05

#: More than this in a day is a rate to look at, if it is also this many times the busiest day before.
_CALM_RATE, _TIMES_BUSIEST = 5, 3

_DAY = timedelta(days=1)


class Caution(StrEnum):
    """How much a mark weighs: ``warning`` asks for a call-back before anything is done."""

    NOTE = "note"
    CAUTION = "caution"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing to know; ``sentence`` says what it is and what to do."""

    code: str
    weight: Caution
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVoucher:
    """Who lists the sender, and how far that is vouched for."""

    source: str
    assurance: str
    fresh_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFacts:
    """What is known of a sender when one message of it is looked at.

    Attributes:
        listed: How looking it up came out.
        is_point: It is listed as a 24/7 point or central authority.
        key_since: From when the signing key is good; ``None`` if the key is not known any more.
        arrived_at: When this message came; ``None`` for one of our own, of which only the peer matters.
        before: When its requests and notes came before this one, oldest first, within ``HISTORY``.
        is_first: Nothing at all came from it before this message.
        assurance, officer: Of the human act, as its sender says; the pseudonym is the sender's.
    """

    authority_id: str
    listed: LookupStatus
    vouchers: Sequence[KnownVoucher]
    is_point: bool
    is_unconfirmed: bool
    key_since: datetime | None
    is_key_revoked: bool
    time_zone: str
    urgency_level: str
    arrived_at: datetime | None
    before: Sequence[datetime] = field(repr=False)
    is_first: bool
    assurance: str | None
    officer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is usual for a sender.

    Attributes:
        hours: Local hours of the day (0 to 23) at which its messages came, with how many; empty: too few.
        busiest_day: Most of them within one day before the last; ``last_day``: within the last.
    """

    seen: int
    hours: Sequence[tuple[int, int]]
    busiest_day: int
    last_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderCard:
    """Facts with what stands out; ``weight`` is that of the heaviest mark."""

    facts: SenderFacts
    habits: Habits
    marks: Sequence[Mark]

    @property
    def weight(self) -> Caution:
        """The heaviest of the marks; ``note`` where there is none."""
        order = list(Caution)
        return max((mark.weight for mark in self.marks), key=order.index, default=Caution.NOTE)


def sender_card(facts: SenderFacts, now: datetime) -> SenderCard:
    """Return the card of a sender. ``now`` only tells the age of what the directory says."""
    seen = habits(facts)
    marks = [
        *_listing_marks(facts),
        *_key_marks(facts, now),
        *(_arrival_marks(facts, seen) if facts.arrived_at is not None else ()),
    ]
    return SenderCard(facts=facts, habits=seen, marks=marks)


def habits(facts: SenderFacts) -> Habits:
    """Return what is usual for the sender, read off what came before this message."""
    at = facts.arrived_at
    hours: list[tuple[int, int]] = []
    if len(facts.before) >= ENOUGH:
        hours = sorted(Counter(_hour(moment, facts.time_zone) for moment in facts.before).items())
    if at is None:
        return Habits(seen=len(facts.before), hours=hours, busiest_day=0, last_day=0)
    recent = [moment for moment in facts.before if at - _DAY < moment <= at]
    earlier = [moment for moment in facts.before if moment <= at - _DAY]
    return Habits(
        seen=len(facts.before),
        hours=hours,
        busiest_day=_busiest(earlier),
        last_day=len(recent) + 1,
    )


def is_unusual_hour(facts: SenderFacts) -> bool:
    """Tell whether hardly anything of this sender ever came within an hour of this time of its day."""
    if facts.arrived_at is None or len(facts.before) < ENOUGH:
        return False
    here = _hour(facts.arrived_at, facts.time_zone)
    near = {(here - 1) % 24, here, (here + 1) % 24}
    count = sum(1 for moment in facts.before if _hour(moment, facts.time_zone) in near)
    return count < _RARE_SHARE * len(facts.before)


def is_unusual_rate(seen: Habits) -> bool:
    """Tell whether far more came within a day than on any day before."""
    return seen.last_day > max(_CALM_RATE, _TIMES_BUSIEST * seen.busiest_day)


def _listing_marks(facts: SenderFacts) -> Iterable[Mark]:
    if facts.listed is not LookupStatus.FOUND:
        yield _MARKS[f"listing-{facts.listed.value.replace('_', '-')}"]
    elif facts.vouchers and all(voucher.assurance == "attested" for voucher in facts.vouchers):
        yield _MARKS["attested-only"]
    if facts.is_unconfirmed:
        yield _MARKS["record-unconfirmed"]
    if not facts.is_point:
        yield _MARKS["no-point"]


def _key_marks(facts: SenderFacts, now: datetime) -> Iterable[Mark]:
    if facts.is_key_revoked:
        yield _MARKS["key-revoked"]
    elif facts.key_since is None:
        yield _MARKS["key-unlisted"]
    elif (facts.arrived_at or now) - facts.key_since < YOUNG_KEY:
        yield _MARKS["key-young"]


def _arrival_marks(facts: SenderFacts, seen: Habits) -> Iterable[Mark]:
    if facts.is_first:
        yield _MARKS["first-contact"]
    if is_unusual_hour(facts):
        yield _MARKS["hour-unusual"]
    if is_unusual_rate(seen):
        yield _MARKS["rate-unusual"]
    if facts.assurance in {None, Assurance.LOCAL_OPERATOR, Assurance.SECOND_PERSON_TELEPHONE}:
        yield _MARKS["assurance-low"]
    if facts.urgency_level == "emergency":
        yield _MARKS["emergency"]


def _hour(moment: datetime, zone: str) -> int:
    """Return the hour of the day at the sender; of UTC where its zone is not known here."""
    try:
        return moment.astimezone(ZoneInfo(zone)).hour
    except (KeyError, ValueError, OSError):
        return moment.hour


def _busiest(moments: Sequence[datetime]) -> int:
    """Return the most of these, which are in order, that lie within one day of each other."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= _DAY:
            first += 1
        most = max(most, last - first + 1)
    return most


_NOTE, _CAUTION, _WARNING = Caution

_SENTENCES = {
    "listing-not-listed": (
        _WARNING,
        "Nobody lists this authority any more. Call back by a number you know from elsewhere.",
    ),
    "listing-unverifiable": (
        _WARNING,
        "What directories say of this authority cannot be verified or contradicts itself. Ring it up.",
    ),
    "listing-stale": (
        _CAUTION,
        "The directory that lists this authority was not renewed in time; its number may be an old one.",
    ),
    "attested-only": (_CAUTION, "Only a secretariat vouches for this authority, not its own State."),
    "record-unconfirmed": (_CAUTION, "Nobody has confirmed this authority's record for 180 days."),
    "no-point": (_CAUTION, "This authority is listed neither as a 24/7 point nor as a central authority."),
    "key-revoked": (_WARNING, "The key that signed this is revoked. Call back before you act."),
    "key-unlisted": (_CAUTION, "The key that signed this is listed no more. Ask the authority why."),
    "key-young": (_CAUTION, "Its signing key was less than seven days old when this was made. Call back."),
    "first-contact": (_CAUTION, "Nothing came from this authority before. Call back."),
    "hour-unusual": (
        _CAUTION,
        "Hardly anything of this authority ever came at this hour of its day. Call back.",
    ),
    "rate-unusual": (
        _WARNING,
        "Far more than ever came from this authority within a day. Call back; one call may cover several.",
    ),
    "assurance-low": (
        _CAUTION,
        "No officer's own key signed this: only the authority's gateway vouches for it.",
    ),
    "emergency": (_NOTE, "An emergency: act at once where you can, and call back beside it."),
}

_MARKS = {
    code: Mark(code=code, weight=weight, sentence=sentence) for code, (weight, sentence) in _SENTENCES.items()
}
