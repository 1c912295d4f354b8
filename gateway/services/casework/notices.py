"""What people are told of the ends of a preservation: tasks on both sides, and a page when it is near.

One task for a thread and kind, with the sentence of the latest telling; no content, only numbers and times.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.errors import sentence_of
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Side
from gateway.model.paging import Audience, PageReason
from gateway.model.preservation_clock import ItemState, Mark, MarkKind
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import cases
from gateway.storage.database import Transaction
from gateway.storage.preservation import ClockRow

#: Kind of a task about an end; its ``sender`` is the peer.
TASK = "preservation"
ENDING, RENEWAL = "preservation-ending", "preservation-renewal"
LAPSED, UNANSWERED = "preservation-lapsed", "preservation-unanswered"
#: Task about this machine's own clock; its ``sender`` is ourselves.
CLOCK_TASK, CLOCK_SET_BACK = "clock", "clock-set-back"

_SHOWN_AGAIN = timedelta(days=1)
#: From so many days before the end a person is called, and told that it is urgent.
_PAGE_FROM, _URGENT_FROM = 7, 1


class Notices:
    """Collects what one look at a preservation has to tell, and tells it."""

    def __init__(self, tx: Transaction, case: cases.CaseRow, *, own: str, now: datetime) -> None:
        self._tx = tx
        self._case = case
        self._own = own
        self._now = now
        self._come: list[tuple[ClockRow, Mark]] = []
        self._lapsed: list[ClockRow] = []
        self._was_set_back = False

    def come(self, row: ClockRow, mark: Mark) -> None:
        """A mark of an item's end has come."""
        self._come.append((row, mark))

    def lapsed(self, row: ClockRow) -> None:
        """An item has lapsed."""
        self._lapsed.append(row)

    def set_back(self) -> None:
        """Our clock shows less than when this was last worked out."""
        self._was_set_back = True

    def tell(self) -> None:
        """Raise what was collected."""
        by_kind = {kind: [(row, mark) for row, mark in self._come if mark.kind is kind] for kind in MarkKind}
        if warned := by_kind[MarkKind.WARNING]:
            self._warn([row for row, _ in warned], days=min(mark.days for _, mark in warned))
        if (renewal := by_kind[MarkKind.RENEWAL]) and self._is_ours:
            row, mark = min(renewal, key=lambda pair: pair[1].days)
            self._raise(RENEWAL, _renewal(row, mark.days))
        if unanswered := by_kind[MarkKind.END]:
            text = f"{sentence_of(UNANSWERED)} Items: {_numbers(row for row, _ in unanswered)}."
            self._raise(UNANSWERED, text)
            self._page("urgent")
        if self._lapsed:
            last = max(row.ends_at for row in self._lapsed)
            known = sentence_of("preservation-lapsed" if self._is_ours else "preservation-let-go")
            self._raise(LAPSED, f"{known} Items: {_numbers(self._lapsed)}; end: {_shown(last)}.")
            self._page("urgent")
        if self._was_set_back:
            raise_task(
                self._tx,
                kind=CLOCK_TASK,
                sender=self._own,
                owner="system_admin",
                code=CLOCK_SET_BACK,
                now=self._now,
                shown_again_at=self._now + _SHOWN_AGAIN,
            )

    def no_longer_ending(self) -> None:
        """No end is near: followed up, prolonged, released or past."""
        self._close(ENDING, RENEWAL)
        if not self._lapsed:
            self._settle_pages()

    def no_longer_unanswered(self) -> None:
        """No extension waits beyond an end."""
        self._close(UNANSWERED)

    def no_longer_lapsed(self) -> None:
        """What had lapsed was undone by what came in time."""
        self._close(LAPSED)

    @property
    def _is_ours(self) -> bool:
        """Whether we asked."""
        return self._case.side == Side.REQUESTING

    def _warn(self, rows: list[ClockRow], *, days: int) -> None:
        end = min(row.ends_at for row in rows)
        waits = any(row.standing == ItemState.AWAITING for row in rows)
        if self._is_ours:
            code = "preservation-ending-asked" if waits else "preservation-ending"
        else:
            code = "preservation-answer" if waits else "preservation-warn"
        left = (end - self._now) / timedelta(days=1)
        span = f"in {left:.0f} days" if left >= 1.5 else f"in {left * 24:.0f} hours"
        sentence = f"{sentence_of(code)} Items: {_numbers(rows)}; end: {_shown(end)}, {span}."
        self._raise(ENDING, sentence)
        body: dict[str, str | int | None] = {
            "thread": self._case.thread_id,
            "peer": self._case.peer,
            "days": days,
        }
        self._tx.audit(PendingAuditEntry(event="preservation.warned", body=body, at=self._now))
        if days <= _PAGE_FROM:
            self._page("urgent" if days <= _URGENT_FROM else "routine")

    def _raise(self, code: str, sentence: str) -> None:
        """Put it before a person anew, with what is true now."""
        self._close(code)
        raise_task(
            self._tx,
            kind=TASK,
            sender=self._case.peer,
            thread_id=self._case.thread_id,
            owner="duty_officer",
            code=code,
            sentence=sentence,
            now=self._now,
            shown_again_at=self._now + _SHOWN_AGAIN,
        )

    def _close(self, *codes: str) -> None:
        close_tasks(
            self._tx,
            kind=TASK,
            sender=self._case.peer,
            thread_id=self._case.thread_id,
            codes=codes,
            now=self._now,
        )

    def _page(self, level: str) -> None:
        raise_page(
            self._tx,
            peer=self._case.peer,
            reason=PageReason.PRESERVATION_ENDING,
            level=level,
            audience=Audience.DUTY,
            thread_id=self._case.thread_id,
            now=self._now,
        )

    def _settle_pages(self) -> None:
        settle_pages(
            self._tx,
            peer=self._case.peer,
            reason=PageReason.PRESERVATION_ENDING,
            thread_id=self._case.thread_id,
            now=self._now,
            by=None,
        )


def _renewal(row: ClockRow, days: int) -> str:
    code = "preservation-renewal" if days > 0 else "preservation-renewal-over"
    return f"{sentence_of(code)} Last day: {row.renew_by} ({row.zone}); end: {_shown(row.ends_at)}."


def _numbers(rows: Iterable[ClockRow]) -> str:
    return ", ".join(str(row.item_no) for row in rows)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
