"""When to try again, and when to stop trying: pure, and every answer has a time.

Callers pass ``now`` and the random number; they carry out what comes back. Trouble is temporary
until proved otherwise: an unknown code is retried, and a request is never given up by guesswork.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from gateway.model.codes import Lane


class Step(StrEnum):
    """What to do next with a transmission."""

    WAIT = "wait"  # try again at the time
    REFRESH = "refresh"  # refresh the directory now, try again at the time
    REWRAP = "rewrap"  # refresh the directory, wrap the content key to the new key, try again at the time
    PERSON = "person"  # a machine cannot mend it: an officer decides, with the reason
    GIVE_UP = "give_up"  # the horizon is reached: FAILED, with an owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision; ``at`` is when it is due, never before the ``now`` it was made with.

    Attributes:
        alarm: Tell a person as well, because it keeps failing; the attempts go on.
    """

    kind: Step
    at: datetime
    reason: str
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Back-off of one lane: doubles from ``first`` to ``longest``, for ``horizon`` or until expiry."""

    first: timedelta
    longest: timedelta
    horizon: timedelta | None


#: Which outcomes are tried again: docs/adapters.md section 1. The figures are this product's own.
POLICIES: Mapping[str, RetryPolicy] = MappingProxyType(
    {
        Lane.ROUTINE: RetryPolicy(
            first=timedelta(seconds=30),
            longest=timedelta(hours=1),
            horizon=timedelta(days=14),
        ),
        Lane.URGENT: RetryPolicy(
            first=timedelta(seconds=1),
            longest=timedelta(minutes=5),
            horizon=None,
        ),
    }
)

#: How often a directory refresh may not help before a person is told.
REFRESHES_BEFORE_ALARM = 3

#: Codes that damage on the way can also cause, because they are found before or by the signature:
#: only when one came this often in a row is it the bundle's own defect and a person's matter.
DAMAGE_CODES = frozenset({"malformed", "version", "sig-invalid"})
REPEATS_BEFORE_PERSON = 3

#: The directory lists no encryption key in force for an addressee.
NO_KEY = "no-encryption-key"

#: Why the directory lets nothing be sent to somebody who may be listed: it never fails a send.
DIRECTORY_HOLDS = frozenset({"directory-stale", "directory-unverifiable", "authority-unverifiable", NO_KEY})

#: What a sender does about each code; a code that is not here is tried again.
ACTIONS: Mapping[str, Step] = MappingProxyType(
    {
        **dict.fromkeys(
            ("part-digest", "incomplete", "offset", "busy", "unavailable", "quota", "rate", "clock"),
            Step.WAIT,
        ),
        **dict.fromkeys(
            ("unknown-key", "unknown-sender", "directory-stale", "sig-revoked", "auth-invalid"), Step.REFRESH
        ),
        **dict.fromkeys(
            # While its keys are in doubt nothing is wrapped for an addressee; that comes once they are known.
            ("key-expired", "authority-unverifiable", "directory-unverifiable", NO_KEY),
            Step.REWRAP,
        ),
        **dict.fromkeys(
            (
                "malformed",
                "version",
                "sig-invalid",
                "not-for-us",
                "bid-conflict",
                "expired",
                "too-large",
                "policy",
                "auth-replay",
            ),
            Step.PERSON,
        ),
    }
)


def horizon_of(
    *, lane: str, counted_from: datetime, expires_at: datetime, is_carried: bool = False
) -> datetime:
    """Return the instant after which no attempt starts: 14 days for routine, expiry for urgent.

    The days are counted from the beginning, or from the last time that the directory let nothing be sent.
    What goes by a carrier waits until it expires, because a medium is under way for weeks.
    """
    horizon = POLICIES[lane].horizon
    return expires_at if horizon is None or is_carried else min(expires_at, counted_from + horizon)


def next_attempt(
    *,
    lane: str,
    attempts: int,
    counted_from: datetime,
    expires_at: datetime,
    now: datetime,
    code: str | None,
    jitter: float,
    repeats: int = 0,
    is_carried: bool = False,
    is_held: bool = False,
) -> Decision:
    """Return what to do after ``attempts`` tries, the last of which ended with ``code``.

    Args:
        attempts: Tries so far; 0 means the first one is due now.
        code: Refusal code of the last try; ``None`` for a network failure or no try yet.
        jitter: From 0 to 1; spreads the delay over its upper half, so peers do not come back in step.
        repeats: How often the same code had come in a row before this time.
        is_carried: It goes by a carrier, alone or beside other channels.
        is_held: The directory lets nothing be sent there for now: no horizon ends that.

    The last attempt falls on the horizon itself; ``give_up`` follows only after it.
    """
    action = ACTIONS.get(code, Step.WAIT) if code is not None else Step.WAIT
    if code in DAMAGE_CODES and repeats < REPEATS_BEFORE_PERSON - 1:
        action = Step.WAIT
    if action is Step.PERSON:
        return Decision(kind=Step.PERSON, at=now, reason=f"The other gateway answered {code}.")
    horizon = horizon_of(lane=lane, counted_from=counted_from, expires_at=expires_at, is_carried=is_carried)
    if is_held:
        at = now + _delay(lane, attempts, jitter)
        return Decision(kind=action, at=at, reason=f"Attempt {attempts}: the directory answered {code}.")
    if attempts == 0 and now <= horizon:
        return Decision(kind=Step.WAIT, at=now, reason="The first attempt is due.")
    if now >= horizon:
        ended = "the bundle has expired" if horizon == expires_at else "14 days have passed"
        return Decision(kind=Step.GIVE_UP, at=now, reason=f"{attempts} attempts failed and {ended}.")
    at = min(now + _delay(lane, attempts, jitter), horizon)
    alarm = action is Step.REFRESH and repeats >= REFRESHES_BEFORE_ALARM
    last = f"the last answer was {code}" if code is not None else "the other gateway was not reached"
    return Decision(kind=action, at=at, reason=f"Attempt {attempts}: {last}.", alarm=alarm)


def overdue_at(*, horizon: datetime, now: datetime, due: datetime) -> datetime:
    """Return when what left without a consignment is looked at again: when it is ``due``, or at the end.

    What is still without one at the horizon is given up then, on whatever channel it went.
    """
    return max(now, min(due, horizon))


def _delay(lane: str, attempts: int, jitter: float) -> timedelta:
    """Return the pause after a number of tries, from half of the step to the whole of it."""
    policy = POLICIES[lane]
    # The exponent is bounded so that a very long series cannot overflow.
    step = min(policy.first * (1 << min(max(attempts - 1, 0), 20)), policy.longest)
    spread: timedelta = step * (0.5 + 0.5 * min(max(jitter, 0.0), 1.0))
    return spread
