"""The port that every alarm path fills: one notice to one person, one attempt, and how it ended.

A notice says that somebody is needed, how urgently and for how many things: never a case, a reference or a
peer, because whoever runs a mail server, a push service or a telephone network on the way reads it. That a
server took it means nothing for the page: only a person's answer does.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from adapters.base import Outcome


class NoticeKind(StrEnum):
    """What a notice is about."""

    PAGE = "page"
    #: Agreed with another authority: to be answered as if it were real.
    DRILL = "drill"
    #: Of the path itself; answering it proves that the path rings.
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One ring of one path.

    Attributes:
        id: Stays the same when this ring is tried again, so that a receiver may drop repeats.
        level: ``routine``, ``urgent`` or ``emergency``.
        count: How many things wait; 1 for a test.
        title, text: In the officer's language, without line breaks but in ``text``.
        link: Of the duty page, or empty.
        code: One-time code by which the person answers.
        at: When the page was raised.
    """

    id: str
    kind: NoticeKind
    level: str
    count: int
    title: str
    text: str = field(repr=False)
    link: str = field(repr=False)
    code: str = field(repr=False)
    at: datetime


class AlarmPath(Protocol):
    """One way of calling people.

    ``ring`` makes one attempt, keeps to its timeouts and returns an ``Outcome`` for everything a network or a
    server can do: ``DISPATCHED`` when somebody else has the notice now, ``RETRY`` with a code otherwise. It
    raises only for our own defects. Safe to call for several notices at once.
    """

    async def ring(self, target: str, notice: Notice) -> Outcome:
        """Make one attempt to hand the notice over; ``target`` as the path was entered."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
