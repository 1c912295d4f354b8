"""Which channel carries a bundle next, and when the turn of another comes: pure, and every answer has a time.

The addressee's signed record says which channels there are, in which order and for which lane; time without a
consignment says how many of them are in use; a person says whether one that protects the content less may be.
A channel whose turn has come stays in use beside the later ones: the first one goes on.

Reads no clock, network or table: callers pass ``now`` and what was tried, and carry out what comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType

from gateway.model.channels import CARRIER, HTTPS, LETTERS, PULL, SEALED_MAIL
from gateway.model.codes import Lane
from gateway.model.record_parts import Channel


class Protection(IntEnum):
    """How far the content is protected on the way, the least first."""

    BROWSER = 0  # to a browser, by a one-time link; also every channel that is not known here
    MAIL = 1  # signed and encrypted mail to a person: no gateway at the other end
    SEALED = 2  # the sealed bundle, from gateway to gateway


PROTECTION: Mapping[str, Protection] = MappingProxyType(
    {
        HTTPS: Protection.SEALED,
        PULL: Protection.SEALED,
        SEALED_MAIL: Protection.SEALED,
        CARRIER: Protection.SEALED,
        LETTERS: Protection.MAIL,
        "guest_pickup": Protection.BROWSER,
    }
)

#: Here the answer to an attempt is the receipt; on every other channel the receipt comes later, if it comes.
_ANSWERS_AT_ONCE = frozenset({HTTPS})

#: Refusals that another channel may not meet: its limit of size is another, and it has no request tokens.
CHANNEL_CODES = frozenset({"too-large", "auth-replay"})

#: Longest pause before the same bundle goes out once more on a channel that answers later.
_LONGEST_RESEND = timedelta(days=1)

#: How long a medium may be under way before it is asked for once more.
CARRIER_TIME = timedelta(days=30)

#: A courier is sent when the channels before it have brought nothing for this long, in the routine lane.
CARRIER_AFTER = timedelta(days=3)


class Answer(StrEnum):
    """What a person said to a channel of lower protection, for one bundle."""

    ASKED = "asked"  # nobody has answered yet
    GIVEN = "given"  # the channel may be used once its turn has come
    REFUSED = "refused"  # it may not


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What was tried on one channel for one bundle.

    Attributes:
        is_closed: It cannot take this bundle at all.
        is_bounced: A mail server reported, unproved, that it could not deliver; the next channel does not
            wait.
    """

    tries: int
    first_at: datetime
    last_at: datetime
    is_closed: bool = False
    is_bounced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a channel goes without a consignment before the next is taken as well.

    Attributes:
        all_at_once: After that time every allowed channel is taken, not only the next one.
        is_patient: Weeks on a medium are in order, and a courier is not sent for a fault of some hours.
    """

    after: timedelta
    all_at_once: bool = False
    is_patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The times of one authority; no treaty gives figures, so they are settings."""

    routine: timedelta = timedelta(hours=6)
    urgent: timedelta = timedelta(minutes=5)
    emergency: timedelta = timedelta(minutes=2)

    def pace(self, lane: str, urgency_level: str = "") -> Pace:
        """Return the pace of a lane; in an emergency all channels are taken at once, and sooner."""
        if lane != Lane.URGENT:
            return Pace(after=self.routine, is_patient=True)
        if urgency_level == "emergency":
            return Pace(after=self.emergency, all_at_once=True)
        return Pace(after=self.urgent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of one bundle's way to one authority.

    Attributes:
        channels: Those we can drive that the signed record allows for the lane, in its order.
        uses: What was tried, by channel.
        answers: What people said, by channel.
        planned: The channel that was named when the bundle was submitted, or the last one tried: what
            protects less than that needs a person's consent. ``None`` where nobody could name one: a sealed
            one was meant.
    """

    channels: Sequence[Channel]
    uses: Mapping[str, Use] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    planned: str | None = None

    def tried(self, channel: str, now: datetime, *, is_closed: bool = False) -> "Situation":
        """Return the situation after one more try on a channel."""
        before = self.uses.get(channel)
        use = Use(
            tries=1 if before is None else before.tries + 1,
            first_at=now if before is None else before.first_at,
            last_at=now,
            is_closed=is_closed,
            is_bounced=before is not None and before.is_bounced,
        )
        return replace(self, uses={**self.uses, channel: use})

    def needs_consent(self, channel: str) -> bool:
        """Tell whether confidentiality falls with a channel: below the best one known, or to a browser."""
        level = PROTECTION.get(channel, Protection.BROWSER)
        # The addressee's order is no consent of ours: where it can be reached sealed at all, less is asked
        # about. Once it went sealed, or was meant to, a record that now lists less lowers no bar either.
        known = [*(c.channel for c in self.channels), self.planned or HTTPS, *self.uses]
        bar = max(PROTECTION.get(name, Protection.BROWSER) for name in known)
        return level < bar or level is Protection.BROWSER


def planned(channels: Sequence[Channel]) -> Channel:
    """Return which of these, one at least, a bundle is meant for: the first that needs no consent.

    Where each of them needs one, the first: it waits until somebody has given it.
    """
    found = Situation(channels=channels, planned=channels[0].channel)
    return next((c for c in channels if not found.needs_consent(c.channel)), channels[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to do now.

    Attributes:
        channel: Where the next attempt goes; ``None`` if none is open without a person's consent.
        takes_over: Its turn has just come, after another channel was tried.
        ask: Channels whose turn has come, and about which a person must be asked.
    """

    channel: Channel | None
    takes_over: bool = False
    ask: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What comes after an attempt that brought no consignment.

    Attributes:
        after: The time for one channel, as it was counted.
        turn_at: When the next channel is taken or asked about; ``None`` if there is none left.
        resend_at: When the same bundle may go out once more where answers come later; ``None`` if nowhere.
        retries: A channel in use answers at once, so that the back-off of the lane holds.
        goes_on: There is, or may be by consent, a channel that has not shown that it cannot take the bundle.
    """

    after: timedelta
    turn_at: datetime | None
    resend_at: datetime | None
    retries: bool
    goes_on: bool


def choose(situation: Situation, pace: Pace, now: datetime) -> Choice:
    """Return the channel of the attempt that is due now."""
    opened, ask, _ = _turns(situation, pace, now)
    uses = situation.uses
    fresh = [channel for channel in opened if channel.channel not in uses]
    if fresh:
        # Whatever was tried before, allowed or not by today's record, this one comes after it.
        return Choice(channel=fresh[0], takes_over=bool(uses), ask=ask)
    if not opened:
        return Choice(channel=None, ask=ask)

    def order(channel: Channel) -> tuple[bool, datetime]:
        use = uses[channel.channel]
        rests_until = _resend_at(channel.channel, use, pace)
        return (True, rests_until) if rests_until > now else (False, use.last_at)

    return Choice(channel=min(opened, key=order), ask=ask)


def look_ahead(situation: Situation, pace: Pace, now: datetime) -> Outlook:
    """Return what comes next, after the try that the situation already counts."""
    opened, ask, turn_at = _turns(situation, pace, now)
    used = [(c.channel, situation.uses[c.channel]) for c in opened if c.channel in situation.uses]
    waiting = any(situation.answers.get(c.channel) == Answer.ASKED for c in situation.channels)
    if ask or len(used) < len(opened):
        turn_at = now
    later = [_resend_at(name, use, pace) for name, use in used if name not in _ANSWERS_AT_ONCE]
    return Outlook(
        after=pace.after,
        turn_at=turn_at,
        resend_at=min(later, default=None),
        retries=any(name in _ANSWERS_AT_ONCE for name, _ in used),
        goes_on=bool(opened or ask or turn_at is not None or waiting),
    )


def _turns(
    situation: Situation, pace: Pace, now: datetime
) -> tuple[list[Channel], tuple[str, ...], datetime | None]:
    """Return the channels whose turn has come, those to ask about, and when the next turn comes."""
    opened: list[Channel] = []
    ask: list[str] = []
    turn_at = now
    for channel in _candidates(situation):
        name = channel.channel
        if name == CARRIER and opened and pace.is_patient:
            turn_at = max(turn_at, _first_try(situation, opened, now) + CARRIER_AFTER)
        if turn_at > now:
            return opened, tuple(ask), turn_at
        if situation.needs_consent(name) and situation.answers.get(name) != Answer.GIVEN:
            # Nobody waits for the answer: the next channel that needs none has its turn now.
            ask.append(name)
            continue
        use = situation.uses.get(name)
        if not opened or not pace.all_at_once:
            turn_at = (now if use is None else use.first_at) + _time_on(name, pace)
            if use is not None and use.is_bounced:
                turn_at = now
        opened.append(channel)
    return opened, tuple(ask), None


def _first_try(situation: Situation, opened: Sequence[Channel], now: datetime) -> datetime:
    """Return when the first of these channels was tried first."""
    used = (situation.uses.get(channel.channel) for channel in opened)
    return min((use.first_at for use in used if use is not None), default=now)


def _time_on(channel: str, pace: Pace) -> timedelta:
    """Return how long a channel goes without a consignment before the next is taken as well."""
    return max(pace.after, CARRIER_TIME) if channel == CARRIER and pace.is_patient else pace.after


def _candidates(situation: Situation) -> list[Channel]:
    """Return one channel of each kind, in order, without those that are out or wait for an answer."""
    found: dict[str, Channel] = {}
    for channel in situation.channels:
        name = channel.channel
        use, answer = situation.uses.get(name), situation.answers.get(name)
        is_held = situation.needs_consent(name) and answer in (Answer.ASKED, Answer.REFUSED)
        if not is_held and not (use is not None and use.is_closed):
            found.setdefault(name, channel)
    return list(found.values())


def _resend_at(channel: str, use: Use, pace: Pace) -> datetime:
    """Return when a channel may be tried again: at once, or after a pause that doubles with each sending."""
    if channel in _ANSWERS_AT_ONCE:
        return use.last_at
    if channel == CARRIER:
        return use.last_at + CARRIER_TIME
    pause: timedelta = min(pace.after * (1 << min(use.tries - 1, 20)), max(_LONGEST_RESEND, pace.after))
    return use.last_at + pause
