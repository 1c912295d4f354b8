"""Folding a case anew and storing what came of it: state, effects, next step, the clocks of its items.

Called for whatever moves a case: a message, a receipt, a decision in a linked thread, or time. Everything
runs inside the caller's transaction, which has said by ``Transaction.view`` that it concerns the case.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.model.audit import PendingAuditEntry
from gateway.model.case import CaseView, Effect
from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side, Track
from gateway.services.casework.breaches import CASE_TASK as CASE_TASK
from gateway.services.casework.caserows import fold_rows, folded
from gateway.services.casework.clockrows import ClockRows
from gateway.services.casework.threadlinks import decisions, is_decision
from gateway.services.tasks import close_tasks
from gateway.storage import cases, preservation
from gateway.storage.database import Transaction

OVERDUE = "overdue"
EARLY_STOP = "early-stop"


class Refold:
    """Folds the cases of one authority."""

    def __init__(self, *, authority_id: str, clocks: ClockRows) -> None:
        self._authority_id = authority_id
        self._clocks = clocks

    def fold(
        self,
        tx: Transaction,
        case: cases.CaseRow,
        rows: list[cases.MessageRow],
        now: datetime,
        *,
        new: Sequence[CaseMessage] = (),
    ) -> CaseView:
        """Return what messages say together, and of a preservation the clock and linked decisions.

        ``new`` are messages of the thread itself that are not stored yet.
        """
        spoken = [row for row in rows if row.relation is None or self._speaks_in(case, row)]
        if case.track != Track.PRESERVATION:
            return fold_rows(case, spoken, *new)
        return fold_rows(
            case,
            spoken,
            *new,
            now=now,
            passed=self._clocks.passed(tx, case),
            decided=decisions(tx.connection, case) if case.has_links else {},
        )

    def _speaks_in(self, case: cases.CaseRow, row: cases.MessageRow) -> bool:
        """Say whether a request of another thread comes from the side that asked in this one."""
        return (case.side == Side.REQUESTING) == (row.sender == self._authority_id)

    def store(
        self,
        tx: Transaction,
        case: cases.CaseRow,
        rows: list[cases.MessageRow],
        now: datetime,
        *,
        cause: str | None,
        new: Sequence[CaseMessage] = (),
    ) -> tuple[cases.CaseRow, CaseView]:
        """Fold and store; return the case as it stands now, and what all messages say.

        ``cause`` is the message that moves it, if one does; ``new`` as in ``fold``.
        """
        view = self.fold(tx, case, rows, now, new=new)
        moved = folded(case, view, now)
        cases.store_case(tx, moved)
        if case.next_actor == case.side and (moved.state, moved.next_actor) != (case.state, case.next_actor):
            close_tasks(
                tx, kind=CASE_TASK, sender=case.peer, thread_id=case.thread_id, codes={OVERDUE}, now=now
            )
        effects = {entry.message.message_id: str(entry.effect) for entry in view.effects}
        for row in rows:
            effect = effects.get(f"{row.sender}/{row.bid}", str(Effect.OUT_OF_STATE))
            if row.effect and effect != row.effect:
                self._store_effect(tx, row, effect, now)
        if moved.state != case.state:
            _log_move(tx, moved, cause, now)
        self.follow_clocks(tx, moved, view, now)
        return moved, view

    def follow_clocks(self, tx: Transaction, case: cases.CaseRow, view: CaseView, now: datetime) -> None:
        """Store where the items of a preservation stand; nothing for other cases."""
        if case.track == Track.PRESERVATION:
            self._clocks.follow(tx, case, view, now)

    @staticmethod
    def _store_effect(tx: Transaction, row: cases.MessageRow, effect: str, now: datetime) -> None:
        if row.relation is not None:
            preservation.set_link_effect(tx, row.sender, row.bid, row.thread_id, effect)
            return
        cases.set_effect(tx, row.sender, row.bid, effect)
        if row.effect == Effect.HELD:
            # A message that was held has its effect: the case says from here on what is to be done.
            close_tasks(
                tx,
                kind=CASE_TASK,
                sender=row.sender,
                bid=row.bid,
                thread_id=row.thread_id,
                codes={EARLY_STOP},
                now=now,
            )

    def again(self, tx: Transaction, thread_id: str, peer: str, now: datetime) -> CaseView | None:
        """Fold a case by what is stored, because time or another thread moved it; ``None`` if not here."""
        connection = tx.view(("case", thread_id, peer))
        case = cases.find_case(connection, thread_id, peer)
        if case is None:
            return None
        _, view = self.store(tx, case, cases.messages_of(connection, thread_id, peer), now, cause=None)
        return view

    def follow_decision(self, tx: Transaction, case: cases.CaseRow, view: CaseView, now: datetime) -> None:
        """Fold the preservations anew that wait for the decision on a request, where it may have come.

        ``case`` is the request's as it was before; its messages are all in the transaction.
        """
        if case.track != Track.REQUEST or not is_decision(case.state, view.state):
            return
        connection = tx.view(("case", case.thread_id, case.peer))
        links = preservation.links_of(
            connection, case.peer, thread_id=case.thread_id, reference=case.reference_requesting
        )
        for thread_id in dict.fromkeys(link.thread_id for link in links if link.relation != "replaces"):
            self.again(tx, thread_id, case.peer, now)


def _log_move(tx: Transaction, case: cases.CaseRow, cause: str | None, now: datetime) -> None:
    body: dict[str, str | int | None] = {"thread": case.thread_id, "peer": case.peer, "state": case.state}
    if cause is None:
        tx.audit(PendingAuditEntry(event="case.timed", body=body, at=now))
        return
    sender, _, bid = cause.partition("/")
    tx.audit(PendingAuditEntry(event="case.advanced", body={**body, "from": sender, "bid": bid}, at=now))
