"""The countdown to a written confirmation: begun and ended with the messages, alerts when it is late.

Rows are made in the transaction that adds the note on either side, and end in that which adds the request
that confirms it. A confirmation needs the relation ``confirms_oral``: that a text comes in the same thread
does not say that it confirms what was said. Nothing lapses.
"""

from datetime import datetime

from gateway.model.audit import PendingAuditEntry
from gateway.model.case import Effect
from gateway.model.codes import Side
from gateway.model.opening import ORAL_NOTE, oral_kind, oral_level
from gateway.model.oral import (
    ASKED_AGAIN,
    CONFIRM_WITHIN,
    alert_at,
    alerts_due,
    confirmed_references,
    made_at,
)
from gateway.model.paging import Audience, PageReason
from gateway.model.request import REQUEST_TYPES
from gateway.services.casework.followers import Added, Consigned, Follower
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import cases, oral
from gateway.storage.database import Database, Transaction

#: Kind of the tasks, and their codes by our side of the case.
TASK = "oral"
CODES = {str(Side.REQUESTING): "oral-owed", str(Side.REQUESTED): "oral-awaited"}

_NO_EFFECT = frozenset({Effect.OUT_OF_STATE, Effect.OVERTAKEN, Effect.UNKNOWN, Effect.FORKED})
_AT_ONCE = 200


class OralCountdowns(Follower):
    """Keeps the countdowns beside cases."""

    def added(self, tx: Transaction, added: Added) -> None:
        """Begin a countdown with a note, end it with the request that confirms it."""
        if added.row.effect in _NO_EFFECT:
            return
        if added.row.message_type == ORAL_NOTE:
            self._begin(tx, added)
        elif added.row.message_type in REQUEST_TYPES and added.row.side == Side.REQUESTING:
            self._confirm(tx, added)

    def consigned(self, tx: Transaction, consigned: Consigned) -> None:
        """A machine's receipt confirms nothing."""

    def _begin(self, tx: Transaction, added: Added) -> None:
        row, form = added.row, added.form
        connection = tx.view(("oral", row.peer))
        if oral.find_oral(connection, row.thread_id, row.peer) is not None:
            return
        made = made_at(form, added.now)
        oral.add_oral(
            tx,
            oral.OralRow(
                thread_id=row.thread_id,
                peer=row.peer,
                sender=row.sender,
                bid=row.bid,
                side=added.case.side,
                request_kind=oral_kind(form),
                urgency_level=oral_level(form),
                made_at=made,
                due_at=made + CONFIRM_WITHIN,
                alerts=0,
                confirmed_at=None,
                confirmed_by=None,
                next_action_at=alert_at(made, 0),
            ),
        )
        body = {"thread": row.thread_id, "peer": row.peer, "from": row.sender, "bid": row.bid}
        tx.audit(PendingAuditEntry(event="oral.noted", body=body, at=added.now))

    def _confirm(self, tx: Transaction, added: Added) -> None:
        row, named = added.row, confirmed_references(added.form)
        if not named:
            return
        connection = tx.view(("oral", row.peer))
        for held in oral.open_orals(connection, row.peer):
            case = cases.find_case(connection, held.thread_id, held.peer)
            known = {held.thread_id}
            if case is not None:
                known |= {case.reference_requesting or "", case.reference_requested or ""} - {""}
            # The note's requesting side is the one that confirms: nobody confirms for another.
            if (held.thread_id == row.thread_id or known & named) and held.side == added.case.side:
                self._end(tx, held, added)

    @staticmethod
    def _end(tx: Transaction, held: oral.OralRow, added: Added) -> None:
        row = added.row
        oral.confirm_oral(tx, held, by=f"{row.sender}/{row.bid}", at=added.now)
        close_tasks(tx, kind=TASK, sender=held.peer, thread_id=held.thread_id, now=added.now)
        settle_pages(
            tx,
            peer=held.peer,
            reason=PageReason.ORAL_UNCONFIRMED,
            thread_id=held.thread_id,
            now=added.now,
            by=None,
        )
        body = {"thread": held.thread_id, "peer": held.peer, "from": row.sender, "bid": row.bid}
        tx.audit(PendingAuditEntry(event="oral.confirmed", body=body, at=added.now))


async def look(database: Database, now: datetime) -> int:
    """Alert people about every confirmation that is late; return how many there were."""
    due = await database.read(lambda c: oral.due_orals(c, now, _AT_ONCE))
    if due:
        await database.write(lambda tx: _alert(tx, [(row.thread_id, row.peer) for row in due], now))
    return len(due)


def _alert(tx: Transaction, keys: list[tuple[str, str]], now: datetime) -> None:
    tx.flush()
    for thread_id, peer in keys:
        row = oral.find_oral(tx.connection, thread_id, peer)
        if row is None or row.next_action_at is None or row.next_action_at > now:
            continue  # Confirmed meanwhile.
        given = max(alerts_due(row.made_at, now), row.alerts)
        next_at = alert_at(row.made_at, given) or now + ASKED_AGAIN
        raise_task(
            tx,
            kind=TASK,
            sender=peer,
            thread_id=thread_id,
            owner="duty_officer",
            code=CODES[row.side],
            now=now,
            shown_again_at=next_at,
        )
        if given > row.alerts:
            raise_page(
                tx,
                peer=peer,
                reason=PageReason.ORAL_UNCONFIRMED,
                level=row.urgency_level,
                audience=Audience.DUTY,
                subject=(row.sender, row.bid),
                thread_id=thread_id,
                now=now,
            )
            hours = (now - row.made_at).total_seconds() // 3600
            body: dict[str, str | int] = {
                "thread": thread_id,
                "peer": peer,
                "alert": given,
                "hours": int(hours),
            }
            tx.audit(PendingAuditEntry(event="oral.unconfirmed", body=body, at=now))
        oral.alert_oral(tx, row, alerts=given, next_at=next_at)
