"""A person's answer: a page is taken, on the duty page or by the code of a notice; a test is answered.

Answering ends the ringing and nothing else: the clock of a request stops by a signed acknowledgement alone.
A code also proves that its path rings, whatever became of its page meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import PageReason
from gateway.services.paging.codes import code_digest, read_codes
from gateway.services.paging.pages import settle_pages
from gateway.services.paging.tasks import PagingTasks
from gateway.services.paging.times import PagingTimes
from gateway.storage import alarms, paging
from gateway.storage.alarms import NoticeRow
from gateway.storage.database import Database, Transaction
from gateway.storage.paging import PageRow

#: A code is good for a day after it last left: an answer shows that the path rings now.
CODE_HOLDS = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer did.

    Attributes:
        page_id: The page that was taken; ``None`` for a test.
        officer: Who took it, which may be somebody who was quicker.
        path_id: The path that is proved to ring, where a code was quoted.
    """

    page_id: str | None
    officer: str
    path_id: str | None = None


class Answers:
    """Takes the answers of one authority's officers."""

    def __init__(self, *, database: Database, times: PagingTimes, tasks: PagingTasks, clock: Clock) -> None:
        self._database = database
        self._times = times
        self._tasks = tasks
        self._clock = clock

    async def acknowledge(self, page_id: str, officer: str) -> Answer:
        """Let an officer who is signed in take a page; it rings no more. Durable; a repeat changes nothing.

        Raises ``GatewayRefusal`` ``page-unknown``.
        """
        now = self._clock.now()

        def unit(tx: Transaction) -> Answer:
            page = paging.find_page(tx.connection, page_id)
            if page is None:
                raise GatewayRefusal("page-unknown")
            return self._take(tx, page, officer, source="duty-page", now=now)

        return await self._database.write(unit)

    async def answer(self, text: str, *, officer: str | None = None) -> Answer:
        """Take a code that a notice carried; durable, and good once.

        Args:
            text: What the person typed, or the whole notice.
            officer: Who answers, if it is not the one who was rung.

        Raises ``GatewayRefusal`` ``page-code-unknown`` for one that no notice carried, ``page-code-used``,
        ``page-code-old``; nothing is changed then.
        """
        digests = [code_digest(code) for code in read_codes(text)]
        now = self._clock.now()
        return await self._database.write(partial(self._answer, digests=digests, officer=officer, now=now))

    def _answer(
        self, tx: Transaction, *, digests: Sequence[str], officer: str | None, now: datetime
    ) -> Answer:
        found = (alarms.notice_by_code(tx.view(("code", digest)), digest) for digest in digests)
        notice = next((row for row in found if row is not None), None)
        if notice is None:
            raise GatewayRefusal("page-code-unknown")
        if notice.answered_at is not None:
            raise GatewayRefusal("page-code-used")
        # Not sent, as far as is known: the process ended between the server's yes and our COMMIT.
        if now - (notice.sent_at or notice.created_at) > CODE_HOLDS:
            raise GatewayRefusal("page-code-old")
        who = officer or notice.officer
        alarms.set_answered(tx, notice.id, now)
        self._prove(tx, notice, who, now)
        page = None if notice.page_id is None else paging.find_page(tx.connection, notice.page_id)
        if page is None:
            return Answer(page_id=None, officer=who, path_id=notice.path_id)
        taken = self._take(tx, page, who, source="code", now=now)
        return Answer(page_id=page.id, officer=taken.officer, path_id=notice.path_id)

    def _prove(self, tx: Transaction, notice: NoticeRow, officer: str, now: datetime) -> None:
        path = alarms.find_path(tx.connection, notice.path_id)
        if path is None or path.removed_at is not None:
            return
        alarms.set_proved(tx, path.id, at=now, again_at=now + self._times.test_every)
        body = {"path": path.id, "officer": officer}
        tx.audit(PendingAuditEntry(event="alarm.answered", body=body, at=now))
        if path.silent_since is None:
            return
        own = self._tasks.authority_id
        settle_pages(
            tx, peer=own, reason=PageReason.ALARM_SILENT, subject=(own, path.id), now=now, by=officer
        )
        if not any(other.silent_since for other in alarms.paths(tx.connection) if other.id != path.id):
            self._tasks.done(tx, "alarm-silent", now=now)

    def _take(self, tx: Transaction, page: PageRow, officer: str, *, source: str, now: datetime) -> Answer:
        connection = tx.view(("page", page.peer))
        held = paging.find_page(connection, page.id) or page
        if not held.is_open:
            return Answer(page_id=page.id, officer=held.acknowledged_by or officer)
        paging.acknowledge_page(tx, page.id, officer=officer, at=now)
        alarms.end_notices(tx, page.id, now)
        body = {"page": page.id, "officer": officer, "source": source}
        tx.audit(PendingAuditEntry(event="page.acknowledged", body=body, at=now))
        self._settle_own(tx, page, now)
        return Answer(page_id=page.id, officer=officer)

    @staticmethod
    def _settle_own(tx: Transaction, page: PageRow, now: datetime) -> None:
        """Take off what nothing else could settle: the news that the pager was away."""
        matters = [m for m in paging.matters_of(tx.connection, page.id) if m.settled_at is None]
        news = [m for m in matters if m.reason == PageReason.ALARM_SILENT and m.bid is None]
        for matter in news:
            paging.settle_matter(tx, matter.id, now)
        if news and len(news) == len(matters):
            paging.settle_page(tx, page.id, now)
