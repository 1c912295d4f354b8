"""Rings: takes the next rung of every page that is due, and hands each notice to its path until it is taken.

A page never waits for a path: attempts run beside each other, a path that fails lets the next one ring at
once where that has not rung yet, and is itself tried again while the page is open. A ring that left twice
after a crash bears the same identifier and the same code.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from adapters.alarm import AlarmPath, Notice, NoticeKind
from adapters.base import Outcome, Verdict
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import Audience, Rung, ladder, next_rungs
from gateway.model.roster import on_duty
from gateway.services.paging.codes import Codes, code_digest
from gateway.services.paging.tasks import PagingTasks
from gateway.services.paging.times import PagingTimes, retry_after
from gateway.services.paging.wording import compose
from gateway.storage import alarms, duty, officers, paging
from gateway.storage.alarms import NoticeRow, PathRow
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.paging import PageRow
from gateway.telemetry import get_log

#: Attempts under way at once.
_AT_ONCE = 16
_SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """A notice that is due, with all that its path is told; ``path`` is ``None`` where it is to end."""

    notice: NoticeRow
    path: PathRow | None
    kind: NoticeKind
    level: str
    count: int
    at: datetime
    language: str


class Bell:
    """Rings the paths of one authority's officers.

    Args:
        paths: By kind, ``mail`` and ``webhook``; one that is missing here cannot be rung, and that shows.
        link: Of the duty page, or empty.
    """

    def __init__(
        self,
        *,
        database: Database,
        paths: Mapping[str, AlarmPath],
        codes: Codes,
        times: PagingTimes,
        tasks: PagingTasks,
        link: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._paths = paths
        self._codes = codes
        self._times = times
        self._tasks = tasks
        self._link = link
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._log = get_log("paging")

    async def climb(self, now: datetime) -> int:
        """Take the next rung of every page that is due; return of how many."""
        latest = now + self._times.latest
        due = await self._database.read(lambda c: paging.due_pages(c, now, latest))
        ended = await asyncio.gather(
            *(self._database.write(partial(self._climb, row=row, now=now)) for row in due),
            return_exceptions=True,
        )
        for error in ended:
            # One page that cannot be climbed keeps no other from ringing; it stays due.
            if isinstance(error, GatewayError):
                self._log.warning("page.unavailable", code=error.code)
            elif isinstance(error, BaseException):
                self._log.error("page.defect", error=error)
        return len(due)

    def _climb(self, tx: Transaction, *, row: PageRow, now: datetime) -> None:
        connection = tx.view(("page", row.peer))
        page = paging.find_page(connection, row.id)
        if page is None or not page.is_open or page.next_action_at != row.next_action_at:
            return
        period = self._times.climb.period(page.level)
        paging.ring_at(tx, page.id, now + period)
        held = {notice.path_id: notice for notice in alarms.notices_of(connection, page.id)}
        rungs = next_rungs(
            self._ladder(connection, page, now),
            rings={path: notice.ring for path, notice in held.items()},
            level=page.level,
        )
        self._tasks.no_path(tx, is_none=not rungs, now=now, shown_again_at=now + period)
        for rung in rungs:
            self._ring(tx, page, rung, held.get(rung.path), now)

    def _ring(
        self, tx: Transaction, page: PageRow, rung: Rung, held: NoticeRow | None, now: datetime
    ) -> None:
        ring = 1 if held is None else held.ring + 1
        if held is None:
            alarms.add_notice(tx, self.new_notice(page.id, rung.path, rung.officer, now))
        else:
            alarms.ring_again(tx, held.id, ring=ring, at=now)
        body: dict[str, str | int | None] = {"page": page.id, "path": rung.path, "ring": ring}
        tx.audit(PendingAuditEntry(event="page.rung", body=body, at=now))

    def new_notice(self, page_id: str | None, path_id: str, officer: str, now: datetime) -> NoticeRow:
        """Return a notice that leaves at once; for a test of the path without a page."""
        notice_id = secrets.token_hex(16)
        return NoticeRow(
            id=notice_id,
            page_id=page_id,
            path_id=path_id,
            officer=officer,
            code_sha256=code_digest(self._codes.of(notice_id, path_id)),
            ring=1,
            tries=0,
            created_at=now,
            next_action_at=now,
        )

    @staticmethod
    def _ladder(connection: Connection, page: PageRow, now: datetime) -> tuple[Rung, ...]:
        paths: dict[str, list[str]] = {}
        for path in alarms.paths(connection):
            known = officers.find_officer(connection, path.officer)
            if known is None or known.status != _SUSPENDED:
                paths.setdefault(path.officer, []).append(path.id)
        parts = on_duty(duty.roster(connection), now)
        return ladder(Audience(page.audience), on_duty=parts, paths=paths)

    async def send(self, now: datetime) -> int:
        """Begin an attempt for every notice that is to leave; return how many. ``idle`` waits for them."""
        latest = now + self._times.latest
        due = await self._database.read(lambda c: alarms.due_notices(c, now, latest))
        begun = 0
        for notice in due:
            is_awaited = notice.page_id is None and notice.sent_at is not None
            if notice.id not in self._busy and not is_awaited:
                task = asyncio.create_task(self._attempt(notice), name="notice")
                self._busy[notice.id] = task
                task.add_done_callback(partial(self._ended, notice.id))
                begun += 1
        return begun

    def _ended(self, notice_id: str, _task: asyncio.Task[None]) -> None:
        self._busy.pop(notice_id, None)

    async def idle(self) -> None:
        """Wait until every attempt under way has ended."""
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """End the attempts under way, and close the paths; what did not leave is tried at the next start."""
        for task in self._busy.values():
            task.cancel()
        await self.idle()
        for path in self._paths.values():
            await path.aclose()

    async def _attempt(self, notice: NoticeRow) -> None:
        try:
            async with self._places:
                errand = await self._database.read(lambda c: self._errand(c, notice))
                if errand.path is None:
                    now = self._clock.now()
                    await self._database.write(lambda tx: alarms.end_notice(tx, notice.id, now))
                    return
                outcome = await self._make(errand, errand.path)
            now = self._clock.now()
            await self._database.write(partial(self._filed, errand=errand, outcome=outcome, now=now))
        except GatewayError as error:
            # It stays due: the next look tries again, under the same identifier.
            self._log.warning("notice.unavailable", code=error.code)

    async def _make(self, errand: _Errand, path: PathRow) -> Outcome:
        adapter = self._paths.get(path.kind)
        if adapter is None:
            return Outcome(verdict=Verdict.RETRY, code="path-not-set-up")
        try:
            return await adapter.ring(path.target, self._notice(errand))
        except Exception as error:
            # A defect of ours must not silence the page: it is logged, and counts as a failed attempt.
            self._log.error("notice.defect", error=error)
            return Outcome(verdict=Verdict.RETRY, code="defect")

    def _notice(self, errand: _Errand) -> Notice:
        row = errand.notice
        kind = errand.kind
        code = self._codes.of(row.id, row.path_id)
        title, text = compose(
            kind,
            level=errand.level,
            count=errand.count,
            link=self._link,
            code=code,
            language=errand.language,
        )
        return Notice(
            id=f"{row.id}-{row.ring}",
            kind=kind,
            level=errand.level,
            count=errand.count,
            title=title,
            text=text,
            link=self._link,
            code=code,
            at=errand.at,
        )

    @staticmethod
    def _errand(connection: Connection, notice: NoticeRow) -> _Errand:
        path = alarms.find_path(connection, notice.path_id)
        known = officers.find_officer(connection, notice.officer)
        page = None if notice.page_id is None else paging.find_page(connection, notice.page_id)
        is_over = (
            path is None
            or path.removed_at is not None
            or (known is not None and known.status == _SUSPENDED)
            or (notice.page_id is not None and (page is None or not page.is_open))
        )
        return _Errand(
            notice=notice,
            path=None if is_over else path,
            kind=NoticeKind.TEST if page is None else NoticeKind(page.kind),
            level="routine" if page is None else page.level,
            count=1 if page is None else paging.count_matters(connection, page.id),
            at=notice.created_at if page is None else page.raised_at,
            language="" if known is None else known.language,
        )

    def _filed(self, tx: Transaction, *, errand: _Errand, outcome: Outcome, now: datetime) -> None:
        notice = errand.notice
        body: dict[str, str | int | None] = {"path": notice.path_id, "ring": notice.ring}
        if notice.page_id is not None:
            body["page"] = notice.page_id
        if outcome.verdict is Verdict.DISPATCHED:
            # A test waits for its answer; a page has a clock of its own.
            answer_by = now + self._times.test_answer if notice.page_id is None else None
            alarms.set_sent(tx, notice.id, at=now, next_action_at=answer_by)
            if notice.page_id is not None:
                tx.audit(PendingAuditEntry(event="page.sent", body=body, at=now))
            return
        code = (outcome.code or "no-answer")[:32]
        alarms.set_failed(tx, notice.id, code=code, again_at=now + retry_after(notice.tries))
        if notice.tries == 0 and notice.page_id is not None:
            tx.audit(PendingAuditEntry(event="page.unsent", body={**body, "code": code}, at=now))
            self._hurry(tx, notice.page_id, now)

    def _hurry(self, tx: Transaction, page_id: str, now: datetime) -> None:
        """Let the next path ring now, if one has not rung yet and nothing has left in this period."""
        page = paging.find_page(tx.connection, page_id)
        if page is None:
            return
        connection = tx.view(("page", page.peer))
        page = paging.find_page(connection, page_id)
        if page is None or not page.is_open:
            return
        held = alarms.notices_of(connection, page_id)
        since = now - self._times.climb.period(page.level)
        if any(
            # Another path rings already, or is about to.
            (notice.sent_at is not None and notice.sent_at > since)
            or (notice.tries == 0 and notice.next_action_at is not None)
            for notice in held
        ):
            return
        rung = {notice.path_id for notice in held}
        if any(step.path not in rung for step in self._ladder(connection, page, now)):
            paging.ring_at(tx, page_id, now)
