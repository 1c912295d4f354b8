"""The second person of an emergency that one officer sent alone (D-24): owed, ended, or shift leader told.

The row is made in the transaction of the sending itself, so that no crash forgets it, and nothing waits for
it: a lone officer can always send, and what was sent stands. It ends by a call-back (``callback``), or in the
transaction that sends another officer's message: one that stands by it, or one that takes the request back
(docs/fake-emergencies.md).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import Audience, PageReason
from gateway.model.second_signature import (
    ASKED_AGAIN,
    DISOWNING,
    EMERGENCY,
    STANDING_BY,
    ClosedBy,
    due_at,
    is_owed,
    is_second,
)
from gateway.services.acts.acts import Acts, PreparedAct
from gateway.services.acts.standing import owed_to, standing_form, stood_for
from gateway.services.casework.casefile import BundleRef
from gateway.services.casework.followers import Added, Consigned, Follower
from gateway.services.directory import Directory
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.sending.submit import Submission
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import trust
from gateway.storage.database import Connection, Database, Transaction

#: Kind of the tasks about it, and their codes by whom they are for.
TASK = "second-signature"
TOLD = {"shift_leader": "second-missing", "auditor": "second-missing-audit"}

_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSignature:
    """A second officer stands by an emergency: what was owed, and the message that says so, or its act."""

    owed: trust.SecondRow
    made: Submission | PreparedAct


class SecondPersons(Follower):
    """What our own emergencies owe."""

    def __init__(self, *, authority_id: str) -> None:
        self._authority_id = authority_id

    def added(self, tx: Transaction, added: Added) -> None:
        """Enter what a sending of one officer owes; end what another officer stands by or takes back."""
        row = added.row
        if row.sender != self._authority_id or row.via is not None:
            return
        officer = row.officer or ""
        if row.message_type in DISOWNING:
            for owed in trust.open_seconds(tx.view(("second", row.thread_id)), row.thread_id, row.peer):
                if is_second(officer, owed.officer):
                    self.close(tx, owed, ClosedBy.DISOWNED, officer=officer, now=added.now)
        elif is_owed(added.form, row.message_type, row.assurance):
            self._owe(tx, added, officer)
        elif row.message_type == STANDING_BY:
            # Ended meanwhile, by a call-back say: then the message is filed and ends nothing.
            with suppress(GatewayRefusal):
                stood = stood_for(tx.view(("second", row.thread_id)), added.form, officer)
                if stood is not None:
                    self.close(tx, stood, ClosedBy.SIGNATURE, officer=officer, now=added.now)

    def consigned(self, tx: Transaction, consigned: Consigned) -> None:
        """A machine's receipt is no second person."""

    def _owe(self, tx: Transaction, added: Added, officer: str) -> None:
        row, due = added.row, due_at(added.now)
        tx.view(("second", row.thread_id))
        trust.add_second(
            tx,
            trust.SecondRow(
                sender=row.sender,
                bid=row.bid,
                peer=row.peer,
                thread_id=row.thread_id,
                officer=officer,
                sent_at=added.now,
                due_at=due,
                told_at=None,
                closed_at=None,
                closed_by=None,
                closed_officer=None,
                next_action_at=due,
            ),
        )
        body = {"from": row.sender, "bid": row.bid, "peer": row.peer}
        tx.audit(PendingAuditEntry(event="second_signature.owed", body=body, at=added.now))

    def close(
        self, tx: Transaction, owed: trust.SecondRow, by: ClosedBy, *, officer: str, now: datetime
    ) -> None:
        """End what is owed, with its tasks and pages; the caller enters whose act it was."""
        trust.close_second(tx, owed.sender, owed.bid, by=by, officer=officer, at=now)
        subject = (owed.sender, owed.bid)
        close_tasks(tx, kind=TASK, sender=owed.sender, bid=owed.bid, now=now)
        settle_pages(
            tx,
            peer=owed.peer,
            reason=PageReason.SECOND_SIGNATURE,
            subject=subject,
            now=now,
            by=officer or None,
        )
        body = {"from": owed.sender, "bid": owed.bid, "peer": owed.peer, "code": str(by)}
        tx.audit(PendingAuditEntry(event="second_signature.closed", body=body, at=now))


class SecondDesk:
    """What people do about it, and the look at what is due."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        acts: Acts,
        resolve: Callable[[str], Awaitable[BundleRef]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._acts = acts
        self._resolve = resolve
        self._clock = clock

    async def sign(self, ref: str, *, officer: str) -> SecondSignature:
        """Send, or prepare for the officer's passkey, the message by which a second officer stands by it.

        What is owed ends when that message is sent. Asked for again, the act that waits is returned as long
        as its thread stands still. Durable when it returns. Raises ``GatewayRefusal`` as ``owed_to``, and
        what ``Acts.perform`` refuses; nothing is changed then.
        """
        found, now = await self._resolve(ref), self._clock.now()
        own = self._directory.own

        def read(connection: Connection) -> tuple[trust.SecondRow, dict[str, Any], datetime]:
            owed = owed_to(connection, found.sender, found.bid, officer)
            form, rows = standing_form(connection, own, owed, officer=officer, now=now)
            return owed, form, max(row.stored_at for row in rows)

        owed, form, stored_at = await self._database.read(read)
        act = await self._acts.waiting_for(form["message_id"].partition("/")[2])
        if act is not None:
            if act.prepared_at >= stored_at:
                return SecondSignature(owed=owed, made=act)
            await self._acts.withdraw(act.id, is_outdated=True)
        return SecondSignature(owed=owed, made=await self._acts.perform(form, officer=officer))

    async def look(self, now: datetime) -> int:
        """Tell shift leader and auditor of every one that did not come in time; return how many."""
        due = await self._database.read(lambda c: trust.due_seconds(c, now, _AT_ONCE))
        if due:
            await self._database.write(lambda tx: _tell_all(tx, [(row.sender, row.bid) for row in due], now))
        return len(due)


def _tell_all(tx: Transaction, keys: list[tuple[str, str]], now: datetime) -> None:
    tx.flush()
    for sender, bid in keys:
        row = trust.find_second(tx.connection, sender, bid)
        if row is None or row.next_action_at is None or row.next_action_at > now:
            continue  # Somebody ended it meanwhile.
        for owner, code in TOLD.items():
            raise_task(
                tx,
                kind=TASK,
                sender=sender,
                bid=bid,
                owner=owner,
                code=code,
                now=now,
                shown_again_at=now + ASKED_AGAIN,
            )
        if row.told_at is None:
            raise_page(
                tx,
                peer=row.peer,
                reason=PageReason.SECOND_SIGNATURE,
                level=EMERGENCY,
                audience=Audience.SHIFT_LEADER,
                subject=(sender, bid),
                thread_id=row.thread_id,
                now=now,
            )
            body = {"from": sender, "bid": bid, "peer": row.peer}
            tx.audit(PendingAuditEntry(event="second_signature.missed", body=body, at=now))
        trust.tell_second(tx, row, told_at=row.told_at or now, again_at=now + ASKED_AGAIN)
