"""The scripted call-back: begun with the directory's number, ended with an outcome, recorded in the case.

Nothing is believed without the words that the other side read out. A call never moves a case: what it brings
is for people. Crash points: a call that began has a row with a clock; one nobody finished is asked about.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance
from gateway.model.paging import Audience, PageReason
from gateway.model.second_signature import EMERGENCY, ClosedBy, is_second
from gateway.services.casework.casefile import BundleRef
from gateway.services.directory import Directory
from gateway.services.paging.pages import raise_page
from gateway.services.tasks import close_tasks, raise_task
from gateway.services.trust.callwords import words_for
from gateway.services.trust.script import CallScript, listed_numbers, steps_for
from gateway.services.trust.secondperson import SecondPersons
from gateway.storage import cases, trust
from gateway.storage.database import Connection, Database, Transaction

#: Kind of the tasks about calls.
TASK = "callback"
UNFINISHED, DENIED = "callback-unfinished", "callback-denied"

MADE, TAKEN = "made", "taken"
CONFIRMED, WORDS_DIFFER = "confirmed", "words-differ"

#: A call lasts no longer than this; then it is asked about, and again after each of the longer periods.
_CALL_LASTS = timedelta(minutes=15)
_ASKED_AGAIN = timedelta(hours=4)
_AT_ONCE = 200


class CallbackDesk:
    """Call-backs of one authority."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        authority_id: str,
        seconds: SecondPersons,
        resolve: Callable[[str], Awaitable[BundleRef]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._authority_id = authority_id
        self._seconds = seconds
        self._resolve = resolve
        self._clock = clock

    async def start(self, ref: str, *, officer: str, direction: str = MADE) -> CallScript:
        """Begin a call about a bundle and return its script; durable when it returns.

        Raises as ``Cases.resolve``; ``callback-no-number`` where the directory's record names none,
        ``callback-no-words`` where nothing could be compared, ``not-listed``.
        """
        found, now = await self._resolve(ref), self._clock.now()
        entry = self._directory.lookup(found.peer).entry
        if entry is None:
            raise GatewayRefusal("not-listed")
        numbers = listed_numbers(entry, self._directory.contacts(found.peer))
        if direction == MADE and not numbers:
            raise GatewayRefusal("callback-no-number")
        words, reference = await self._database.read(lambda c: self._words(c, found))
        number = numbers[0].number if direction == MADE else None
        row = trust.CallRow(
            id=secrets.token_hex(16),
            sender=found.sender,
            bid=found.bid,
            peer=found.peer,
            thread_id=found.thread_id,
            direction=direction,
            number=None if number is None else number[:40],
            words_sha256=_digest(words),
            officer=officer,
            started_at=now,
            outcome=None,
            spoken_with=None,
            recorded_at=None,
            next_action_at=now + _CALL_LASTS,
        )
        await self._database.write(lambda tx: _begin(tx, row, now))
        return CallScript(
            id=row.id,
            sender=row.sender,
            bid=row.bid,
            peer=row.peer,
            name=entry.name_en,
            direction=direction,
            number=number,
            numbers=numbers,
            there=entry.hours.local(now),
            words=words,
            steps=steps_for(direction=direction, name=entry.name_en, number=number, reference=reference),
            started_at=now,
        )

    async def record(
        self, call_id: str, *, officer: str, outcome: str, words: str | None, spoken_with: str
    ) -> trust.CallRow:
        """End a call with what came of it; durable when it returns.

        ``words`` are those the other side read out: without the right ones nothing is confirmed, and other
        words than ours are an outcome of their own. A confirmed call ends what an emergency owes if a second
        person of either authority called.

        Raises ``GatewayRefusal`` ``callback-unknown``, ``callback-ended``, ``callback-needs-words``.
        """
        now = self._clock.now()
        if outcome == CONFIRMED and not (words or "").split():
            raise GatewayRefusal("callback-needs-words")

        def unit(tx: Transaction) -> trust.CallRow:
            row = trust.find_call(tx.view(("callback", call_id)), call_id)
            if row is None:
                raise GatewayRefusal("callback-unknown")
            if row.recorded_at is not None:
                raise GatewayRefusal("callback-ended")
            differs = bool(words) and _digest(words or "") != row.words_sha256
            return self._end(
                tx,
                row,
                officer=officer,
                outcome=WORDS_DIFFER if differs else outcome,
                spoken_with=spoken_with,
                now=now,
            )

        return await self._database.write(unit)

    def _end(
        self,
        tx: Transaction,
        row: trust.CallRow,
        *,
        officer: str,
        outcome: str,
        spoken_with: str,
        now: datetime,
    ) -> trust.CallRow:
        trust.record_call(tx, row.id, outcome=outcome, spoken_with=spoken_with, at=now)
        close_tasks(tx, kind=TASK, sender=row.sender, bid=row.bid, codes={UNFINISHED}, now=now)
        body = {"from": row.sender, "bid": row.bid, "peer": row.peer, "call": row.id, "code": outcome}
        tx.audit(PendingAuditEntry(event="callback.recorded", body=body, at=now))
        _acted(tx, row, officer, now)
        if outcome == CONFIRMED:
            self._end_what_is_owed(tx, row, officer, now)
        elif outcome in {"denied", WORDS_DIFFER}:
            _alarm(tx, row, now)
        return trust.find_call(tx.view(("callback", row.id)), row.id) or row

    def _end_what_is_owed(self, tx: Transaction, row: trust.CallRow, officer: str, now: datetime) -> None:
        """A second person counts: another officer here who rang, or the peer's, who rang us."""
        owed = trust.find_second(tx.view(("second", row.thread_id)), row.sender, row.bid)
        if owed is None or owed.closed_at is not None:
            return
        if row.direction == TAKEN or (
            is_second(officer, owed.officer) and is_second(row.officer, owed.officer)
        ):
            self._seconds.close(tx, owed, ClosedBy.CALLBACK, officer=officer, now=now)

    async def look(self, now: datetime) -> int:
        """Ask about every call that nobody has finished; return how many."""
        due = await self._database.read(lambda c: trust.due_calls(c, now, _AT_ONCE))

        def unit(tx: Transaction) -> None:
            tx.flush()
            for held in due:
                row = trust.find_call(tx.connection, held.id)
                if row is None or row.recorded_at is not None:
                    continue
                again = now + _ASKED_AGAIN
                raise_task(
                    tx,
                    kind=TASK,
                    sender=row.sender,
                    bid=row.bid,
                    owner="duty_officer",
                    code=UNFINISHED,
                    now=now,
                    shown_again_at=again,
                )
                trust.ask_about_call(tx, row.id, again_at=again)

        if due:
            await self._database.write(unit)
        return len(due)

    def _words(self, connection: Connection, found: BundleRef) -> tuple[str, str | None]:
        """Return the words for a bundle, and the reference that is named on the telephone."""
        other = found.peer if found.sender == self._authority_id else self._authority_id
        said = words_for(connection, self._directory, sender=found.sender, bid=found.bid, other=other)
        if said is None:
            raise GatewayRefusal("callback-no-words")
        case = cases.find_case(connection, found.thread_id, found.peer)
        return said[0], None if case is None else case.reference_requesting


def _begin(tx: Transaction, row: trust.CallRow, now: datetime) -> None:
    trust.add_call(tx, row)
    body = {"from": row.sender, "bid": row.bid, "peer": row.peer, "call": row.id, "code": row.direction}
    tx.audit(PendingAuditEntry(event="callback.started", body=body, at=now))
    _acted(tx, row, row.officer, now)


def _acted(tx: Transaction, row: trust.CallRow, officer: str, now: datetime) -> None:
    body = {
        "from": row.sender,
        "bid": row.bid,
        "officer": officer,
        "assurance": str(Assurance.LOCAL_OPERATOR),
    }
    tx.audit(PendingAuditEntry(event="person.acted", body=body, at=now))


def _alarm(tx: Transaction, row: trust.CallRow, now: datetime) -> None:
    """What the peer says it did not send, or reads other words for: somebody may be forging."""
    raise_task(
        tx,
        kind=TASK,
        sender=row.sender,
        bid=row.bid,
        owner="shift_leader",
        code=DENIED,
        now=now,
        shown_again_at=now + _ASKED_AGAIN,
    )
    raise_page(
        tx,
        peer=row.peer,
        reason=PageReason.CALLBACK_DENIED,
        level=EMERGENCY,
        audience=Audience.SHIFT_LEADER,
        subject=(row.sender, row.bid),
        thread_id=row.thread_id,
        now=now,
    )


def _digest(words: str) -> str:
    """Return what is kept of words: their digest, however they were spelled."""
    return hashlib.sha256(" ".join(words.casefold().split()).encode()).hexdigest()
