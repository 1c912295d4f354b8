"""Commands about the duty roster: who is on duty, turns, covers, notes for the next shift."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from gateway.cli.keys import instant
from gateway.cli.output import Answer, CommandFailed, Common, in_words, run, table, text, when
from gateway.cli.session import call
from gateway.web.calls import Nothing
from gateway.web.calls import paging as api

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def show(*, days: int = 7, common: Common | None = None) -> int:
    """Show who is on duty in the coming days, and when nobody is.

    Exit code 1 if nobody is on duty at some time.

    Parameters
    ----------
    days:
        How far to look ahead, at most 92.
    """
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.ROSTER, api.RosterParams(days=days), label="Looking")

        def show(console: Console) -> None:
            rows = [
                (
                    in_words(shift.part),
                    when(shift.begins_at),
                    when(shift.ends_at),
                    ", ".join(shift.officers) or "NOBODY",
                )
                for shift in found.shifts
                if shift.officers or shift.part == "duty"
            ]
            console.print(table("part", "from (UTC)", "until (UTC)", "officer", rows=rows))
            _show_entries(console, found)

        is_well = not any(shift.part == "duty" and not shift.officers for shift in found.shifts)
        return Answer(data=found, show=show, ok=is_well)

    return run(common, work)


def _show_entries(console: Console, found: api.RosterResult) -> None:
    if found.turns:
        rows = [
            (
                turn.id[:8],
                turn.officer,
                in_words(turn.part),
                " ".join(_DAYS[day - 1] for day in turn.days),
                f"{turn.begins} to {turn.ends}" + (f" +{turn.further_days}d" if turn.further_days else ""),
                turn.time_zone,
                f"from {turn.first_day}" + (f" until {turn.last_day}" if turn.last_day else ""),
                "" if turn.every_weeks == 1 else f"every {turn.every_weeks} weeks",
            )
            for turn in found.turns
        ]
        console.print()
        console.print(table("turn", "officer", "part", "days", "hours", "zone", "dates", "", rows=rows))
    if found.covers:
        rows2 = [
            (cover.id[:8], cover.officer, cover.cover, when(cover.begins_at), when(cover.ends_at))
            for cover in found.covers
        ]
        console.print(table("cover", "away", "stands in", "from (UTC)", "until (UTC)", rows=rows2))
    if not found.turns:
        console.print("There is no roster. Enter the first turn: rogatory roster add --help")


def add(
    officer: str,
    *,
    zone: str,
    begins: str,
    ends: str,
    part: Literal["duty", "backup", "shift_leader"] = "duty",
    on: Annotated[list[_Day] | None, Parameter(consume_multiple=True, negative=())] = None,
    further_days: int | None = None,
    first: str | None = None,
    last: str | None = None,
    every_weeks: int = 1,
    by: str = "local",
    common: Common | None = None,
) -> int:
    """Enter a turn that comes again, in the local time of a zone.

    Parameters
    ----------
    officer:
        Pseudonym of the officer; never a name.
    zone:
        IANA name, such as Europe/Bucharest: the clocks by which the turn is said.
    begins:
        HH:MM at which it begins.
    ends:
        HH:MM at which it ends, on the same day if that is later, otherwise on the next.
    part:
        What the officer is: duty, backup, shift_leader.
    on:
        Days on which it begins: mon tue wed thu fri sat sun; every day if none is said.
    further_days:
        Days after the first on which it ends, if neither the same nor the next: 7 for a week.
    first:
        First date on which it begins, as 2026-12-01; from now on if it is not said.
    last:
        Last date on which it begins; goes on if it is not said.
    every_weeks:
        1 each week; 3 each third week, counted from the week of the first date.
    by:
        Pseudonym of who enters it, for the log.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.TurnParams(
            officer=officer,
            part=part,
            time_zone=zone,
            days=[_DAYS.index(day) + 1 for day in on or _DAYS],
            begins=begins,
            ends=ends,
            further_days=int(ends <= begins) if further_days is None else further_days,
            first_day=_day(first, "first") or _running(),
            last_day=_day(last, "last"),
            every_weeks=every_weeks,
            by=by,
        )
        made = await call(common, api.ROSTER_TURN, params, label="Entering")
        said = f"Entered as {made.id[:8]}. Look at what it comes to: rogatory roster show"
        return Answer(data=made, show=lambda console: console.print(said))

    return run(common, work)


def cover(
    officer: str,
    stands_in: str,
    *,
    begins: str,
    ends: str,
    by: str = "local",
    common: Common | None = None,
) -> int:
    """Let one officer stand in for another for a time, in every part.

    Parameters
    ----------
    officer:
        Pseudonym of who is away.
    stands_in:
        Pseudonym of who stands in.
    begins:
        When it begins, as 2026-12-24T20:00:00Z.
    ends:
        When it ends.
    by:
        Pseudonym of who enters it, for the log.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.CoverParams(
            officer=officer,
            cover=stands_in,
            begins_at=_instant(begins, "begins"),
            ends_at=_instant(ends, "ends"),
            by=by,
        )
        made = await call(common, api.ROSTER_COVER, params, label="Entering")
        said = f"Entered as {made.id[:8]}."
        return Answer(data=made, show=lambda console: console.print(said))

    return run(common, work)


def remove(entry: str, *, by: str = "local", common: Common | None = None) -> int:
    """Take a turn or a cover off the roster; that it stood there stays in the log.

    Parameters
    ----------
    entry:
        The beginning of its identifier, at least four digits.
    by:
        Pseudonym of who takes it away, for the log.
    """
    common = common or Common()

    async def work() -> Answer:
        gone = await call(common, api.ROSTER_REMOVE, api.EntryParams(id=entry, by=by), label="Removing")
        return Answer(data=gone, show=lambda console: console.print(f"Removed, of {text(gone.officer)}."))

    return run(common, work)


def note(officer: str, note: str, *, common: Common | None = None) -> int:
    """Leave a note for the next shift; it is kept sealed and shown to the own people only.

    Parameters
    ----------
    officer:
        Pseudonym of who hands over.
    note:
        What the next one should know.
    """
    common = common or Common()

    async def work() -> Answer:
        params = api.NoteParams(officer=officer, text=note)
        done = await call(common, api.ROSTER_NOTE, params, label="Sealing")
        return Answer(data=done, show=lambda console: console.print("The note is kept for the next shift."))

    return run(common, work)


def notes(*, common: Common | None = None) -> int:
    """Show the notes of the last shifts, newest first."""
    common = common or Common()

    async def work() -> Answer:
        found = await call(common, api.ROSTER_NOTES, Nothing(), label="Reading")

        def show(console: Console) -> None:
            for each in found.notes:
                console.print(f"[bold]{text(each.officer)}[/bold], {when(each.at)} UTC")
                console.print(f"{text(each.text)}\n")
            if not found.notes:
                console.print("No shift has left a note.")

        return Answer(data=found, show=show)

    return run(common, work)


def _day(given: str | None, field: str) -> date | None:
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise CommandFailed("usage", "Give a date as 2026-12-01.", field=field) from None


def _running() -> date:
    """Return the day before this one: a turn over night that began then is running now."""
    return (datetime.now(UTC) - timedelta(days=1)).date()


def _instant(given: str, field: str) -> datetime:
    found = instant(given)
    if found is None:
        raise CommandFailed("usage", "Give a time as 2026-12-24T20:00:00Z.", field=field)
    return found
