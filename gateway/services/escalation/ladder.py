"""Ladders begin and end in the transactions that add messages to urgent cases; routine ones cost nothing.

A request that leaves, or is released here, gets one; so does any other urgent message that leaves, until it
is there. A request's ladder ends with a signed act of a person of the requested authority, or when its own
authority took it back. An acknowledgement nobody signed is noted, and the clock goes on.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Lane
from gateway.model.escalation import (
    ACKNOWLEDGEMENTS,
    ANSWERS,
    TAKEN_BACK,
    Awaits,
    Periods,
    Said,
    Stage,
    Standing,
    Way,
    called,
    is_answer,
    is_signed,
    next_due,
)
from gateway.model.paging import PageReason
from gateway.model.request import REQUEST_TYPES, lane_of
from gateway.model.second_signature import stood_by
from gateway.services.casework.followers import Added, Consigned
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.tasks import close_tasks
from gateway.storage import escalations
from gateway.storage.cases import CaseRow
from gateway.storage.database import Transaction
from gateway.storage.escalations import EscalationRow

#: Kind of the tasks that steps raise; their subject is the bundle.
ESCALATION_TASK = "escalation"

#: Trials of the network, which ring in a way of their own and are no cases.
_TRIALS = frozenset({"test_message"})

#: Levels of the urgent lane; what travels on it for another reason, a preservation say, is urgent.
_EMERGENCY, _URGENT = "emergency", "urgent"


class Ladder:
    """Follows the cases of one authority; ``periods`` by level. ``wake`` is told when a new row is due."""

    def __init__(
        self,
        *,
        authority_id: str,
        periods: Mapping[str, Periods],
        wake: Callable[[datetime], None] = lambda due: None,
    ) -> None:
        self._own = authority_id
        self._periods = periods
        self._wake = wake

    def added(self, tx: Transaction, added: Added) -> None:
        """Begin the ladder of a message that needs one, and end those that it answers."""
        case, row = added.case, added.row
        if lane_of(case.urgency_level, case.request_kind) is not Lane.URGENT or row.message_type in _TRIALS:
            return
        self._end(tx, added)
        if row.via is not None:
            return
        is_request = row.message_type in REQUEST_TYPES
        if added.is_ours:
            self._begin(tx, added, Way.OUT, Awaits.PERSON if is_request else Awaits.CONSIGNMENT)
        elif is_request:
            self._begin(tx, added, Way.IN, Awaits.PERSON)
        if not added.is_ours:
            self._page_arrival(tx, added)

    def _begin(self, tx: Transaction, added: Added, way: Way, awaits: Awaits) -> None:
        row, now = added.row, added.now
        level = level_of(added.case)
        begun = EscalationRow(
            sender=row.sender,
            bid=row.bid,
            to_aid=row.peer if way is Way.OUT else self._own,
            side=way,
            level=level,
            awaits=awaits,
            thread_id=row.thread_id,
            seq=row.seq,
            stage=Stage.WAITING,
            stage_at=now,
            started_at=now,
            consigned_at=None,
            unsigned_at=None,
            next_action_at=now,
            stopped_at=None,
            stopped_by=None,
        )
        begun = self._rescheduled(begun)
        tx.view(("escalation", row.thread_id))
        escalations.add_escalation(tx, begun)
        log(tx, begun, "escalation.started", now, level=level)
        self._wake_for(tx, begun)

    def _rescheduled(self, row: EscalationRow) -> EscalationRow:
        """Return the row with the time of its next step; how the bundle fares is looked at when it is due."""
        due = next_due(standing(row), self._periods[row.level])
        return replace(row, next_action_at=due.at)

    def _wake_for(self, tx: Transaction, row: EscalationRow) -> None:
        due = row.next_action_at
        if due is not None:
            tx.after_commit(partial(self._wake, due))

    def _page_arrival(self, tx: Transaction, added: Added) -> None:
        row = added.row
        if row.message_type in ACKNOWLEDGEMENTS or stood_by(added.form) is not None:
            # What the officer waited for wakes nobody; nor does a second officer, who adds nothing to do.
            return
        for audience in called(Way.IN, Stage.WAITING):
            raise_page(
                tx,
                peer=row.peer,
                reason=PageReason.ARRIVED,
                level=level_of(added.case),
                audience=audience,
                subject=(row.sender, row.bid),
                thread_id=row.thread_id,
                now=added.now,
            )

    # What ends one

    def _end(self, tx: Transaction, added: Added) -> None:
        row = added.row
        said = Said(side=row.side, message_type=row.message_type, in_reply_to=row.in_reply_to, seen=row.seen)
        is_taken_back = added.case.state in TAKEN_BACK
        if not is_taken_back and row.message_type not in ANSWERS:
            return
        connection = tx.view(("escalation", row.thread_id))
        for held in escalations.open_of_thread(connection, row.thread_id, row.peer):
            if held.awaits != Awaits.PERSON:
                continue
            if is_taken_back:
                self.stop(tx, held, by=f"{row.sender}/{row.bid}", code="taken_back", now=added.now)
            elif is_answer(said, message_id=held.message_id, seq=held.seq):
                self._answered(tx, held, added)

    def _answered(self, tx: Transaction, held: EscalationRow, added: Added) -> None:
        row, now = added.row, added.now
        if is_signed(row.assurance):
            self.stop(tx, held, by=f"{row.sender}/{row.bid}", code=str(row.assurance), now=now)
        elif held.unsigned_at is None:
            escalations.store_escalation(tx, replace(held, unsigned_at=now))
            log(tx, held, "escalation.unsigned", now, assurance=row.assurance or "none")

    def consigned(self, tx: Transaction, consigned: Consigned) -> None:
        """Let the clock of a request count from now; a message that is none needs nobody any more."""
        case, row, now = consigned.case, consigned.row, consigned.now
        if lane_of(case.urgency_level, case.request_kind) is not Lane.URGENT:
            return
        connection = tx.view(("escalation", row.thread_id))
        held = escalations.lock_escalation(connection, (row.sender, row.bid, row.peer))
        if held is None or held.consigned_at is not None:
            return
        if held.next_action_at is None:
            # It had arrived before it expired; only the receipt was late. The case says what is next.
            settle(tx, held, now)
            return
        if held.awaits == Awaits.CONSIGNMENT:
            self.stop(tx, replace(held, consigned_at=now), by="consignment", code="consignment", now=now)
            return
        if held.stage != Stage.WAITING:
            settle(tx, held, now)
        restarted = self._rescheduled(with_standing(held, standing(held).consigned(now)))
        escalations.store_escalation(tx, restarted)
        self._wake_for(tx, restarted)

    def hurry(self, tx: Transaction, key: escalations.Key, now: datetime) -> None:
        """Look at a bundle at once that was rejected or given up: nobody need wait for its consignment."""
        for held in escalations.open_of_bundle(tx.connection, key[0], key[1]):
            if held.key == key and held.consigned_at is None:
                hurried = replace(held, next_action_at=now)
                escalations.store_escalation(tx, hurried)
                self._wake_for(tx, hurried)

    @staticmethod
    def stop(tx: Transaction, held: EscalationRow, *, by: str, code: str, now: datetime) -> None:
        """End a ladder: nobody is called about this bundle any more."""
        stopped = replace(held, next_action_at=None, stopped_at=now, stopped_by=by)
        escalations.store_escalation(tx, stopped)
        log(tx, held, "escalation.stopped", now, code=code)
        if held.side == Way.IN or held.stage != Stage.WAITING:
            settle(tx, held, now)


def settle(tx: Transaction, held: EscalationRow, now: datetime) -> None:
    """Take a bundle off the pages and tasks of its ladder."""
    settle_pages(tx, peer=held.peer, subject=(held.sender, held.bid), now=now, by=None)
    close_tasks(tx, kind=ESCALATION_TASK, sender=held.sender, bid=held.bid, now=now)


def standing(row: EscalationRow, *, expires_at: datetime | None = None, is_stuck: bool = False) -> Standing:
    """Return where a row stands, as the model sees it."""
    return Standing(
        way=row.side,
        stage=row.stage,
        stage_at=row.stage_at,
        started_at=row.started_at,
        consigned_at=row.consigned_at,
        expires_at=expires_at,
        is_stuck=is_stuck,
    )


def with_standing(row: EscalationRow, now_stands: Standing) -> EscalationRow:
    """Return the row as it stands after a step; when the next one is due is another question."""
    return replace(
        row,
        stage=now_stands.stage,
        stage_at=now_stands.stage_at,
        started_at=now_stands.started_at,
        consigned_at=now_stands.consigned_at,
    )


def log(tx: Transaction, row: EscalationRow, event: str, now: datetime, **more: str) -> None:
    """Enter an event of a ladder."""
    body = {"from": row.sender, "bid": row.bid, "to": row.to_aid, **more}
    tx.audit(PendingAuditEntry(event=event, body=body, at=now))


def level_of(case: CaseRow) -> str:
    """Return the level whose periods a case of the urgent lane has."""
    return _EMERGENCY if case.urgency_level == _EMERGENCY else _URGENT
