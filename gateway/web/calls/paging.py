"""People at night: the duty roster, alarm paths, and the pages that wait for a person."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.shape import Nothing, Value, call

#: An officer as everywhere in the roster.
Person = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="pseudonym, never a name")
]
_Id = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9a-f]{4,32}$", description="the beginning of its identifier, at least 4 digits"
    ),
]
_Part = Literal["duty", "backup", "shift_leader"]
_Clock = Annotated[str, msgspec.Meta(pattern="^[0-2][0-9]:[0-5][0-9]$", description="HH:MM, local")]


class RosterParams(Value, kw_only=True):
    """How far to look ahead."""

    days: Annotated[int, msgspec.Meta(ge=1, le=92)] = 7


class TurnView(Value, kw_only=True):
    """A turn that comes again, in the local time of its zone."""

    id: str
    officer: str
    part: str
    time_zone: str
    days: Annotated[list[int], msgspec.Meta(description="ISO weekdays on which it begins; Monday is 1")]
    begins: str
    ends: str
    further_days: Annotated[int, msgspec.Meta(description="days after the first on which it ends")]
    first_day: date
    last_day: date | None
    every_weeks: int


class CoverView(Value, kw_only=True):
    """One officer stands in for another."""

    id: str
    officer: str
    cover: str
    begins_at: datetime
    ends_at: datetime


class ShiftView(Value, kw_only=True):
    """Who has a part from one instant until before another; nobody: a gap."""

    part: str
    officers: list[str]
    begins_at: datetime
    ends_at: datetime


class RosterResult(Value, kw_only=True):
    """The roster, and what it comes to."""

    turns: list[TurnView]
    covers: list[CoverView]
    shifts: list[ShiftView]


class TurnParams(Value, kw_only=True):
    """A turn to be entered."""

    officer: Person
    part: _Part = "duty"
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="IANA name")]
    days: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=7)]], msgspec.Meta(min_length=1, max_length=7)]
    begins: _Clock
    ends: _Clock
    further_days: Annotated[int, msgspec.Meta(ge=0, le=7)] = 0
    first_day: date
    last_day: date | None = None
    every_weeks: Annotated[int, msgspec.Meta(ge=1, le=52)] = 1
    by: Person = "local"


class CoverParams(Value, kw_only=True):
    """A cover to be entered."""

    officer: Person
    cover: Person
    begins_at: datetime
    ends_at: datetime
    by: Person = "local"


class EntryParams(Value, kw_only=True):
    """Which turn, cover or path is taken away, and by whom."""

    id: _Id
    by: Person = "local"


class EntryResult(Value, kw_only=True):
    """What was entered or taken away."""

    id: str
    officer: str


class NoteParams(Value, kw_only=True):
    """A note for the next shift."""

    officer: Person
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=8000)]


class NoteView(Value, kw_only=True):
    """What one officer left for the next shift."""

    officer: str
    at: datetime
    text: str


class NotesResult(Value, kw_only=True):
    """The newest notes, newest first."""

    notes: list[NoteView]


class PathView(Value, kw_only=True):
    """One path by which an officer is called."""

    id: str
    officer: str
    kind: str
    shown: Annotated[str, msgspec.Meta(description="the mailbox, or the file with address and secret")]
    tested_at: datetime | None
    proved_at: Annotated[datetime | None, msgspec.Meta(description="when a person last answered")]
    silent_since: datetime | None
    next_test_at: datetime | None


class PathsResult(Value, kw_only=True):
    """The paths, by officer, in the order in which they ring."""

    paths: list[PathView]


class PathParams(Value, kw_only=True):
    """A path to be entered: a mailbox or a webhook's address, one of them."""

    officer: Person
    mail: Annotated[str, msgspec.Meta(max_length=320)] | None = None
    webhook: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    by: Person = "local"


class TestParams(Value, kw_only=True):
    """Whose paths are tested now; nobody named: everybody's."""

    officer: Person | None = None


class PageView(Value, kw_only=True):
    """A page that rings, or was taken and is not settled."""

    id: str
    peer: str
    audience: str
    level: str
    count: int
    reasons: list[str]
    raised_at: datetime
    next_ring_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class PagesResult(Value, kw_only=True):
    """The pages, oldest first."""

    pages: list[PageView]


class PageCodeParams(Value, kw_only=True):
    """The code of a notice, and who answers if it is not the officer who was rung."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    officer: Person | None = None


class PageAnswer(Value, kw_only=True):
    """What the answer did; ``page_id`` is null for a test."""

    page_id: str | None
    officer: Annotated[str, msgspec.Meta(description="who has taken the page")]
    path_id: str | None


ROSTER = call(
    "showRoster",
    "GET",
    "/v1/roster",
    "Who is on duty, and when nobody is",
    params=RosterParams,
    result=RosterResult,
)
ROSTER_TURN = call(
    "addTurn",
    "POST",
    "/v1/roster/turns",
    "Enter a turn",
    params=TurnParams,
    result=EntryResult,
    writes=True,
)
ROSTER_COVER = call(
    "addCover",
    "POST",
    "/v1/roster/covers",
    "Let one officer stand in for another",
    params=CoverParams,
    result=EntryResult,
    writes=True,
)
ROSTER_REMOVE = call(
    "removeFromRoster",
    "POST",
    "/v1/roster/removals",
    "Take a turn or a cover off the roster",
    params=EntryParams,
    result=EntryResult,
    writes=True,
)
ROSTER_NOTE = call(
    "handOver",
    "POST",
    "/v1/roster/notes",
    "Leave a note for the next shift",
    params=NoteParams,
    result=Nothing,
    writes=True,
)
ROSTER_NOTES = call(
    "listHandOvers",
    "GET",
    "/v1/roster/notes",
    "What earlier shifts left",
    params=Nothing,
    result=NotesResult,
)
ALARMS = call(
    "listAlarmPaths",
    "GET",
    "/v1/alarms",
    "By which paths officers are called",
    params=Nothing,
    result=PathsResult,
)
ALARM_ADD = call(
    "addAlarmPath",
    "POST",
    "/v1/alarms",
    "Let an officer be called by a path, and test it",
    params=PathParams,
    result=PathView,
    writes=True,
    queues=True,
)
ALARM_REMOVE = call(
    "removeAlarmPath",
    "POST",
    "/v1/alarms/removals",
    "Take a path away",
    params=EntryParams,
    result=EntryResult,
    writes=True,
)
ALARM_TEST = call(
    "testAlarmPaths",
    "POST",
    "/v1/alarms/tests",
    "Send a test that a person has to answer",
    params=TestParams,
    result=PathsResult,
    writes=True,
    queues=True,
)
PAGES = call(
    "listPages",
    "GET",
    "/v1/pages",
    "Pages that ring, or were taken and are not settled",
    params=Nothing,
    result=PagesResult,
)
PAGE_ANSWER = call(
    "acknowledgePage",
    "POST",
    "/v1/pages/acknowledgements",
    "Answer a page or a test by the code that came with it",
    params=PageCodeParams,
    result=PageAnswer,
    writes=True,
)

PAGING_CALLS = (
    ROSTER,
    ROSTER_TURN,
    ROSTER_COVER,
    ROSTER_REMOVE,
    ROSTER_NOTE,
    ROSTER_NOTES,
    ALARMS,
    ALARM_ADD,
    ALARM_REMOVE,
    ALARM_TEST,
    PAGES,
    PAGE_ANSWER,
)
