"""The second person of an emergency that one officer sent alone (D-24): owed, ended, or shift leader told.

The row is made in the transaction of the sending itself, so that no crash forgets it, and nothing waits for
it: a lone officer can always send, and what was sent stands. It ends by a call-back (``callback``), another
officer's signature, or another officer's message that takes the request back
(docs/fake-emergencies.md).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance
from gateway.model.paging import Audience, PageReason
from gateway.model.second_signature import ASKED_AGAIN, DISOWNING, ClosedBy, due_at, is_owed, is_second
from gateway.services.casefile import BundleRef
from gateway.services.followers import Added, Consigned, Follower
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import trust
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.officers import all_officers, find_officer

#: Kind of the tasks about it, and their codes by whom they are for.
TASK = "second-signature"
TOLD = {"shift_leader": "second-missing", "auditor": "second-missing-audit"}

#: Roles that may be the second person.
_APPROVING = frozenset({"approver", "shift_leader"})

_LEVEL = "emergency"
_AT_ONCE = 200


class SecondPersons(Follower):
    """What our own emergencies owe."""

    def __init__(self, *, authority_id: str) -> None:
        self._authority_id = authority_id

    def added(self, tx: Transaction, added: Added) -> None:
        """Enter what a sending of one officer owes; end what another officer takes back."""
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

    def sign(self, tx: Transaction, found: BundleRef, *, officer: str, now: datetime) -> trust.SecondRow:
        """Enter that a second officer stands by what one officer sent.

        Raises ``GatewayRefusal`` ``second-not-owed``, ``second-same-person``, ``second-not-approver``.
        """
        owed = trust.find_second(tx.view(("second", found.thread_id)), found.sender, found.bid)
        if owed is None or owed.closed_at is not None:
            raise GatewayRefusal("second-not-owed")
        if not is_second(officer, owed.officer):
            raise GatewayRefusal("second-same-person")
        if not _may_approve(tx.connection, officer):
            raise GatewayRefusal("second-not-approver")
        self.close(tx, owed, ClosedBy.SIGNATURE, officer=officer, now=now)
        body = {
            "from": owed.sender,
            "bid": owed.bid,
            "officer": officer,
            "assurance": str(Assurance.LOCAL_OPERATOR),
        }
        tx.audit(PendingAuditEntry(event="person.acted", body=body, at=now))
        return owed


class SecondDesk:
    """What people do about it, and the look at what is due."""

    def __init__(
        self,
        *,
        database: Database,
        seconds: SecondPersons,
        resolve: Callable[[str], Awaitable[BundleRef]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._resolve = resolve
        self._clock = clock

    async def sign(self, ref: str, *, officer: str) -> trust.SecondRow:
        """Enter that a second officer stands by an emergency; durable. Raises as ``SecondPersons.sign``."""
        found, now = await self._resolve(ref), self._clock.now()
        return await self._database.write(lambda tx: self._seconds.sign(tx, found, officer=officer, now=now))

    async def look(self, now: datetime) -> int:
        """Tell shift leader and auditor of every one that did not come in time; return how many."""
        due = await self._database.read(lambda c: trust.due_seconds(c, now, _AT_ONCE))
        if due:
            await self._database.write(lambda tx: _tell_all(tx, [(row.sender, row.bid) for row in due], now))
        return len(due)


def _may_approve(connection: Connection, officer: str) -> bool:
    """Tell whether an officer may stand by another's act; where nobody is enrolled, roles are not known."""
    held = find_officer(connection, officer)
    if held is None:
        return not all_officers(connection)
    return held.status == "active" and held.role in _APPROVING


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
                level=_LEVEL,
                audience=Audience.SHIFT_LEADER,
                subject=(sender, bid),
                thread_id=row.thread_id,
                now=now,
            )
            body = {"from": sender, "bid": bid, "peer": row.peer}
            tx.audit(PendingAuditEntry(event="second_signature.missed", body=body, at=now))
        trust.tell_second(tx, row, told_at=row.told_at or now, again_at=now + ASKED_AGAIN)
