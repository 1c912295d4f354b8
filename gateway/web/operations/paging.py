"""Roster, alarm paths and pages: how the calls about them are done."""

from collections.abc import Mapping

from gateway.errors import GatewayRefusal
from gateway.web.calls import Nothing, Progress
from gateway.web.calls import paging as calls
from gateway.web.calls.paging import (
    CoverParams,
    CoverView,
    EntryParams,
    EntryResult,
    NoteParams,
    NotesResult,
    NoteView,
    PageAnswer,
    PageCodeParams,
    PagesResult,
    PageView,
    PathParams,
    PathsResult,
    PathView,
    RosterParams,
    RosterResult,
    ShiftView,
    TestParams,
    TurnParams,
    TurnView,
)
from gateway.web.operations.desk import Desk, Handler, view


async def _roster(desk: Desk, params: RosterParams, _progress: Progress) -> RosterResult:
    rosters = desk.paging.rosters
    held = await rosters.roster()
    return RosterResult(
        turns=[view(TurnView, turn) for turn in held.turns],
        covers=[view(CoverView, cover) for cover in held.covers],
        shifts=[view(ShiftView, shift) for shift in await rosters.shifts(params.days)],
    )


async def _turn(desk: Desk, params: TurnParams, _progress: Progress) -> EntryResult:
    made = await desk.paging.rosters.add(
        params.officer,
        part=params.part,
        time_zone=params.time_zone,
        days=params.days,
        begins=params.begins,
        ends=params.ends,
        further_days=params.further_days,
        first_day=params.first_day,
        last_day=params.last_day,
        every_weeks=params.every_weeks,
        by=params.by,
    )
    return EntryResult(id=made.id, officer=made.officer)


async def _cover(desk: Desk, params: CoverParams, _progress: Progress) -> EntryResult:
    for field, at in (("begins_at", params.begins_at), ("ends_at", params.ends_at)):
        if at.tzinfo is None:
            raise GatewayRefusal("roster-invalid", field=field)
    made = await desk.paging.rosters.cover(
        params.officer,
        cover=params.cover,
        begins_at=params.begins_at,
        ends_at=params.ends_at,
        by=params.by,
    )
    return EntryResult(id=made.id, officer=made.officer)


async def _remove(desk: Desk, params: EntryParams, _progress: Progress) -> EntryResult:
    gone = await desk.paging.rosters.remove(params.id, by=params.by)
    return EntryResult(id=gone.id, officer=gone.officer)


async def _note(desk: Desk, params: NoteParams, _progress: Progress) -> Nothing:
    await desk.paging.rosters.hand_over(params.officer, params.text)
    return Nothing()


async def _notes(desk: Desk, _params: Nothing, _progress: Progress) -> NotesResult:
    return NotesResult(notes=[view(NoteView, note) for note in await desk.paging.rosters.notes()])


async def _paths(desk: Desk, _params: Nothing, _progress: Progress) -> PathsResult:
    return PathsResult(paths=[view(PathView, path) for path in await desk.paging.paths.listed()])


async def _add_path(desk: Desk, params: PathParams, _progress: Progress) -> PathView:
    paths = desk.paging.paths
    if params.mail is not None and params.webhook is None:
        made = await paths.add_mail(params.officer, params.mail, by=params.by)
    elif params.webhook is not None and params.mail is None:
        made = await paths.add_webhook(params.officer, params.webhook, by=params.by)
    else:
        raise GatewayRefusal("alarm-path-invalid")
    await desk.paging.pager.test(made.id)
    return view(PathView, await paths.find(made.id))


async def _remove_path(desk: Desk, params: EntryParams, _progress: Progress) -> EntryResult:
    gone = await desk.paging.paths.remove(params.id, by=params.by)
    return EntryResult(id=gone.id, officer=gone.officer)


async def _test(desk: Desk, params: TestParams, _progress: Progress) -> PathsResult:
    paths = [path for path in await desk.paging.paths.listed() if params.officer in (None, path.officer)]
    if not paths:
        raise GatewayRefusal("alarm-path-unknown", field="officer")
    for path in paths:
        await desk.paging.pager.test(path.id)
    return PathsResult(paths=[view(PathView, await desk.paging.paths.find(path.id)) for path in paths])


async def _pages(desk: Desk, _params: Nothing, _progress: Progress) -> PagesResult:
    return PagesResult(pages=[view(PageView, page) for page in await desk.paging.pager.waiting()])


async def _answer(desk: Desk, params: PageCodeParams, _progress: Progress) -> PageAnswer:
    return view(PageAnswer, await desk.paging.pager.answer(params.code, officer=params.officer))


HANDLERS: Mapping[str, Handler] = {
    calls.ROSTER.name: _roster,
    calls.ROSTER_TURN.name: _turn,
    calls.ROSTER_COVER.name: _cover,
    calls.ROSTER_REMOVE.name: _remove,
    calls.ROSTER_NOTE.name: _note,
    calls.ROSTER_NOTES.name: _notes,
    calls.ALARMS.name: _paths,
    calls.ALARM_ADD.name: _add_path,
    calls.ALARM_REMOVE.name: _remove_path,
    calls.ALARM_TEST.name: _test,
    calls.PAGES.name: _pages,
    calls.PAGE_ANSWER.name: _answer,
}
