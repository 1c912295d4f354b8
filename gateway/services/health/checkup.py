"""What the doctor says of peers' channels and records: which no longer answer, which nobody has confirmed.

Both are yellow at most: a request to such an authority is sent all the same, on the channels it lists.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from gateway.model.authority import CONFIRMED_FOR, DirectoryEntry
from gateway.services.diagnosis import Diagnosis, Level
from gateway.services.health.liveness import ChannelLife

#: A channel that last answered longer ago than this is spoken of; a running gateway asks daily.
_SILENT_AFTER = timedelta(days=3)

_SHOWN = 5

_T = TypeVar("_T")


def check_channels(known: Iterable[ChannelLife], now: datetime) -> list[Diagnosis]:
    """Channels that were probed answer, and those of authorities that call are called."""
    lives = list(known)
    silent = [
        life for life in lives if _age(life, now) > _SILENT_AFTER and (life.asked_at or life.answered_at)
    ]
    never = sum(1 for life in lives if life.asked_at is None and life.answered_at is None)
    if not silent:
        if not lives or never == len(lives):
            return []
        more = f"; {never} {'was' if never == 1 else 'were'} never tried" if never else ""
        answered = len(lives) - never
        what = "1 channel" if answered == 1 else f"{answered} channels"
        sentence = f"{what} of peers answered in the last 3 days{more}."
        return [Diagnosis(check="channels", level=Level.GREEN, sentence=sentence)]
    names = _named(silent, lambda life: f"{life.authority_id} by {life.channel} ({_last(life, now)})")
    return [
        Diagnosis(
            check="channels",
            level=Level.YELLOW,
            sentence=f"No answer in the last 3 days: {names}.",
            action="Run: rogatory directory probe AUTHORITY; if it stays silent, ring the authority up.",
        )
    ]


def check_records(entries: Iterable[DirectoryEntry], own: str, now: datetime) -> list[Diagnosis]:
    """Somebody has confirmed each record in the last 180 days."""
    old = [entry for entry in entries if entry.authority_id != own and entry.is_unconfirmed(now.date())]
    if not old:
        return []
    names = _named(old, lambda entry: str(entry.authority_id))
    return [
        Diagnosis(
            check="records",
            level=Level.YELLOW,
            sentence=f"Not confirmed in the last {CONFIRMED_FOR.days} days: the records of {names}.",
            action="Ask each authority whether its record still holds, and for a new one if it does not.",
        )
    ]


def _named(rows: Sequence[_T], name: Callable[[_T], str]) -> str:
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return ", ".join(name(row) for row in rows[:_SHOWN]) + more


def _age(life: ChannelLife, now: datetime) -> timedelta:
    return timedelta.max if life.answered_at is None else now - life.answered_at


def _last(life: ChannelLife, now: datetime) -> str:
    return "never" if life.answered_at is None else f"{(now - life.answered_at).days} days ago"
