"""An unsigned reply becomes an acknowledgement: two different persons of ours say so, after a telephone call.

Its assurance is low and stays so: code and call-back, no signature. Both persons are entered in entries of
their own; the reply itself is kept as it came, and what they confirmed names it.
"""

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance
from gateway.services.casework.casebook import Casebook
from gateway.services.casework.casemail import ByMail, record
from gateway.services.proofs.stamp import Stamp
from gateway.services.smime.record import LETTER_TYPE, Believed, Recorder, record_form
from gateway.services.smime.replies import TASK_KIND, UNSIGNED, find_place, settle
from gateway.services.tasks import close_tasks
from gateway.storage import letters, peers
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.letters import LetterRow, ReturnRow
from gateway.storage.peers import TaskRow

LOW = str(Assurance.SECOND_PERSON_TELEPHONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfirmed:
    """What was confirmed: the letter, and the message that is now in its case."""

    sender: str
    bid: str
    to: str
    message_type: str
    record: str
    assurance: str


class ReplyDesk:
    """Takes the word of two persons on replies that nobody signed."""

    def __init__(
        self,
        *,
        database: Database,
        recorder: Recorder,
        casebook: Casebook,
        stamp: Stamp,
        clock: Clock,
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._casebook = casebook
        self._stamp = stamp
        self._clock = clock

    async def confirm(self, task: str, *, officer: str, second: str) -> MailConfirmed:
        """Record that two persons confirmed the reply of a task by telephone; durable when it returns.

        Raises ``GatewayRefusal``: ``two-persons`` if they are the same, ``mail-task-unknown`` if no such task
        is open; nothing is changed then.
        """
        if _who(officer) == _who(second):
            raise GatewayRefusal("two-persons", field="second")
        letter, reply = await self._database.read(lambda c: _waiting(c, task))
        place = await self._database.read(lambda c: find_place(c, letter.key))
        if place is None:
            raise GatewayRefusal("mail-task-unknown", field="task")
        now = self._clock.now()
        kind = place.acknowledges or LETTER_TYPE
        believed = Believed(
            assurance=LOW,
            received_at=reply.at,
            address="",
            officers=(officer, second),
            confirms=f"{letter.sender}/{reply.record}",
        )
        form = record_form(
            own=letter.sender,
            message_type=kind,
            case=place.case,
            about=place.about,
            believed=believed,
            now=now,
        )
        sealed = await self._recorder.seal(form, (), case=place.case, lane=place.lane, now=now)

        def unit(tx: Transaction) -> None:
            # Somebody else may have confirmed it meanwhile.
            _waiting(tx.view(("task", TASK_KIND, letter.sender, letter.bid)), task)
            self._recorder.shelve(tx, sealed, now)
            settle(tx, self._stamp, letter, now=now)
            mail = ByMail(
                form=form,
                peer=letter.to_aid,
                assurance=LOW,
                officer=f"{officer}+{second}"[:64],
                to_read=False,
                at=now,
            )
            record(self._casebook, tx, mail)
            for person in (officer, second):
                body = {
                    "from": letter.sender,
                    "bid": sealed.envelope.bid,
                    "officer": person,
                    "assurance": LOW,
                }
                tx.audit(PendingAuditEntry(event="person.acted", body=body, at=now))
            close_tasks(tx, kind=TASK_KIND, sender=letter.sender, bid=letter.bid, codes=[UNSIGNED], now=now)

        await self._database.write(unit)
        return MailConfirmed(
            sender=letter.sender,
            bid=letter.bid,
            to=letter.to_aid,
            message_type=kind,
            record=sealed.envelope.bid,
            assurance=LOW,
        )


def _who(officer: str) -> str:
    return " ".join(officer.casefold().split())


def _waiting(connection: Connection, task: str) -> tuple[LetterRow, ReturnRow]:
    """Return letter and reply of an open task. Raises ``GatewayRefusal`` ``mail-task-unknown``."""
    found = [row for row in peers.open_tasks(connection) if _is_named(row, task)]
    if len(found) != 1 or found[0].sender is None or found[0].bid is None:
        raise GatewayRefusal("mail-task-unknown", field="task")
    sender, bid = found[0].sender, found[0].bid
    replies = [row for row in letters.returns_of_bundle(connection, sender, bid) if row.kind == "unsigned"]
    letter = None if not replies else letters.find_letter(connection, (sender, bid, replies[-1].to_aid))
    if letter is None:
        raise GatewayRefusal("mail-task-unknown", field="task")
    return letter, replies[-1]


def _is_named(row: TaskRow, task: str) -> bool:
    return row.kind == TASK_KIND and len(task) >= 4 and row.id.startswith(task)
