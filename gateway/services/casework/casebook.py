"""Cases: which messages belong to one, and what their fold says; stored, so that lists need not fold.

Both sides fold the same messages in the same order (``model.case``), so that both come to the same state
without asking each other. Everything here runs inside the caller's transaction; it reads the messages of the
one thread it changes and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec.structs import replace

from crypto import strictjson
from crypto.bundle import Manifest
from crypto.errors import Refusal
from crypto.human import VerifiedHuman
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.case import CaseView, Effect
from gateway.model.case_message import CaseMessage, case_message
from gateway.model.manifest import ThreadContext, is_request_form
from gateway.model.opening import ORAL_NOTE, TEST_MESSAGE
from gateway.model.overrides import overridden
from gateway.services.casework.breaches import refuse_breach, refuse_unasked
from gateway.services.casework.caserows import (
    folded,
    new_case,
    requests_of,
    with_reference,
    with_request,
)
from gateway.services.casework.followers import Added, Consigned, Follower
from gateway.services.casework.library import Library
from gateway.services.casework.linking import Linking
from gateway.services.casework.refold import CASE_TASK, EARLY_STOP, OVERDUE, Refold
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import cases
from gateway.storage.database import Database, Transaction

#: An overdue case is shown again after this time.
_REMINDED_AGAIN = timedelta(days=1)


#: Code of the task about a peer's message that breaks a rule.
BREACH = "breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message of a peer that has just been opened; ``at`` is the time of its consignment receipt.

    ``human`` says whose act it is, as far as that was verified here.
    """

    manifest: Manifest
    form: Mapping[str, Any] = field(repr=False)
    human: VerifiedHuman | None
    has_unknown_codes: bool
    at: datetime
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message of ours that has just been sealed."""

    form: Mapping[str, Any] = field(repr=False)
    bid: str
    to: str
    officer: str
    assurance: str
    stored_at: datetime


class Tests(Protocol):
    """What keeps test messages apart: they belong to no case."""

    def take_in(self, tx: Transaction, incoming: Incoming) -> None:
        """Take a peer's test message, or raise ``Refusal``."""

    def send(self, tx: Transaction, outgoing: Outgoing) -> None:
        """Note a test message of our own."""


class Casebook:
    """The cases of one authority."""

    def __init__(
        self,
        *,
        database: Database,
        library: Library,
        authority_id: str,
        on_change: Callable[[tuple[str, str]], None] = lambda key: None,
        refold: Refold,
        tests: Tests,
        followers: Sequence[Follower] = (),
    ) -> None:
        self._database = database
        self._library = library
        self._authority_id = authority_id
        self._on_change = on_change
        self._refold = refold
        self._tests = tests
        self._links = Linking(authority_id=authority_id, refold=refold)
        self._followers = tuple(followers)

    def announce(self, key: tuple[str, str]) -> None:
        """Tell whoever listens that a message is new; after the commit."""
        self._on_change(key)

    async def context(self, thread_id: str, peer: str) -> ThreadContext:
        """Return what every message of a thread repeats from its request.

        Raises ``GatewayRefusal`` ``not-found`` where the request is not here.
        """
        rows = await self._database.read(lambda c: cases.messages_of(c, thread_id, peer))
        first = next(requests_of(rows), None)
        # An oral request stands in place of the written one that is still to come.
        first = first or next((row for row in rows if row.message_type == ORAL_NOTE), None)
        if first is None:
            raise GatewayRefusal("not-found")
        manifest = (await self._library.open(first.sender, first.bid)).manifest
        return ThreadContext(
            urgency_level=manifest.urgency_level or "routine",
            reference=manifest.reference or "",
            subject=manifest.subject or "",
            confidentiality_level=manifest.confidentiality_level or "normal",
        )

    def take_in(self, tx: Transaction, incoming: Incoming) -> None:
        """Add a peer's message to its case, opening the case if this is its first one.

        Raises ``Refusal`` ``form-invalid`` if it speaks for our side of the case: nobody withdraws, doubles
        or answers another's request.
        """
        manifest, form = incoming.manifest, incoming.form
        if manifest.message_type == TEST_MESSAGE:
            self._tests.take_in(tx, incoming)
            return
        said = case_message(form, message_id=f"{manifest.sender}/{manifest.bid}", consigned_at=incoming.at)
        human = incoming.human
        _, view = self.add(
            tx,
            form,
            said,
            thread_id=manifest.thread,
            peer=manifest.sender,
            assurance=None if human is None else human.assurance,
            officer=None if human is None else human.officer,
            stored_at=incoming.stored_at,
        )
        told = ["unknown-code"] if incoming.has_unknown_codes else []
        if view.effect_of(said.message_id) is Effect.BREACH:
            told.append(BREACH)
        if said.message_id in {message.message_id for message in view.early_stops}:
            told.append(EARLY_STOP)
        for code in told:
            self._task(
                tx,
                sender=manifest.sender,
                bid=manifest.bid,
                thread_id=manifest.thread,
                code=code,
                now=incoming.stored_at,
            )

    def send(self, tx: Transaction, outgoing: Outgoing) -> None:
        """Add our own message to its case, opening the case if this is its first one.

        Raises ``GatewayRefusal`` ``duplicate``; ``sequence`` if its counters do not follow the thread (V29);
        ``rule-broken``.
        """
        form = outgoing.form
        if form.get("message_type") == TEST_MESSAGE:
            self._tests.send(tx, outgoing)
            return
        said = case_message(form, message_id=f"{self._authority_id}/{outgoing.bid}", consigned_at=None)
        rows, view = self.add(
            tx,
            form,
            said,
            thread_id=thread_of(form),
            peer=outgoing.to,
            assurance=outgoing.assurance,
            officer=outgoing.officer,
            stored_at=outgoing.stored_at,
        )
        if any((row.sender, row.bid) == (self._authority_id, outgoing.bid) for row in rows):
            raise GatewayRefusal("duplicate")
        own = [row.seq for row in rows if row.sender == self._authority_id]
        theirs = [row.seq for row in rows if row.sender != self._authority_id]
        if said.seq != max(own, default=0) + 1 or said.seen > max(theirs, default=0):
            raise GatewayRefusal("sequence")
        refuse_breach(view, said.message_id)
        for code in overridden(form) if is_request_form(form) else ():
            aside = {"from": self._authority_id, "bid": outgoing.bid, "code": code}
            body = {**aside, "officer": outgoing.officer}
            tx.audit(PendingAuditEntry(event="rule.overridden", body=body, at=outgoing.stored_at))
        if rows and said.facts.stands_by is None:
            # Who writes has read what waited: a code new to this version, say. A second officer has not.
            close_tasks(
                tx, kind=CASE_TASK, sender=outgoing.to, thread_id=thread_of(form), now=outgoing.stored_at
            )
        tx.audit(
            PendingAuditEntry(
                event="person.acted",
                body={
                    "from": self._authority_id,
                    "bid": outgoing.bid,
                    "officer": outgoing.officer,
                    "assurance": outgoing.assurance,
                },
                at=outgoing.stored_at,
            )
        )

    def add(
        self,
        tx: Transaction,
        form: Mapping[str, Any],
        said: CaseMessage,
        *,
        thread_id: str,
        peer: str,
        assurance: str | None,
        officer: str | None,
        stored_at: datetime,
    ) -> tuple[list[cases.MessageRow], CaseView]:
        """Add a message, fold, store; return the messages that were there before, and what all say now.

        What was recorded from mail is not numbered: we keep it, and the other side speaks in it. Raises
        ``Refusal`` ``form-invalid`` if a sealed message speaks for the side that its sender has not, or
        answers a request that was sent to another authority.
        """
        connection = tx.view(("case", thread_id, peer))
        known = cases.cases_of_thread(connection, thread_id)
        case = next((one for one in known if one.peer == peer), None)
        before = [] if case is None else cases.messages_of(connection, thread_id, peer)
        sender, _, bid = said.message_id.partition("/")
        # Folded as it will read once it is stored, so that every later fold comes to the same.
        said = said.as_stored()
        if case is None:
            if said.numbered and sender != self._authority_id:
                refuse_unasked(known, said)
            case = new_case(form, said, own=self._authority_id, thread_id=thread_id, peer=peer, now=stored_at)
            # A request of another thread that acts on this one may have come before it.
            linked = cases.linked_messages(connection, thread_id, peer)
            case = replace(case, has_links=bool(linked))
            view = self._refold.fold(tx, case, linked, stored_at, new=(said,))
            case = moved = folded(case, view, stored_at)
            cases.add_case(tx, case)
            opened = {"thread": thread_id, "peer": peer, "from": sender, "bid": bid}
            tx.audit(PendingAuditEntry(event="case.opened", body=opened, at=stored_at))
        else:
            if said.numbered and (said.side == case.side) != (sender == self._authority_id):
                raise Refusal("form-invalid", "speaks for the other side of the case", step=14)
            if is_request_form(form) and not any(requests_of(before)):
                case = with_request(case, form)
                cases.complete_case(tx, case)
            case = with_reference(case, form)
            moved, view = self._refold.store(tx, case, before, stored_at, cause=said.message_id, new=(said,))
        links = self._links.found(form, said, thread_id=thread_id)
        row = cases.MessageRow(
            sender=sender,
            bid=bid,
            thread_id=thread_id,
            peer=peer,
            side=str(said.side),
            message_type=said.message_type,
            seq=said.seq,
            seen=said.seen,
            in_reply_to=said.in_reply_to,
            facts=strictjson.dumps(said.facts.as_json()).decode(),
            effect=str(view.effect_of(said.message_id)),
            assurance=assurance,
            officer=officer,
            made_at=said.at,
            stored_at=stored_at,
            consigned_at=said.consigned_at,
            opened_at=None,
            via=None if said.numbered else "mail",
            is_linked=bool(links),
        )
        cases.add_message(tx, row)
        self._links.act(tx, links, row, now=stored_at)
        self._links.note(tx, form, case, row)
        self._refold.follow_decision(tx, case, view, stored_at)
        added = Added(case=moved, row=row, form=form, is_ours=said.side == case.side, now=stored_at)
        for follower in self._followers:
            follower.added(tx, added)
        return before, view

    def consigned(self, tx: Transaction, sender: str, bid: str, *, at: datetime, now: datetime) -> None:
        """A peer has proved that it holds a message of ours; the case moves on."""
        found = cases.case_of_message(tx.view(("message", sender, bid)), sender, bid)
        if found is None:
            return
        case, rows = found
        # Another unit of this group may have touched the same case: then its rows are read again.
        if tx.has_touched(("case", case.thread_id, case.peer)):
            found = cases.case_of_message(tx.view(("case", case.thread_id, case.peer)), sender, bid)
            case, rows = found or (case, rows)
        tx.view(("case", case.thread_id, case.peer))
        held = next(row for row in rows if (row.sender, row.bid) == (sender, bid))
        if held.consigned_at is not None:
            return
        cases.set_consigned(tx, sender, bid, at)
        proved = replace(held, consigned_at=at)
        rows = [proved if row is held else row for row in rows]
        # By our own clock: what is due when must not hang on the peer's, which may be years ahead.
        moved, view = self._refold.store(tx, case, rows, now, cause=f"{sender}/{bid}")
        if held.is_linked:
            self._links.consigned(tx, held, at=at, now=now)
        self._refold.follow_decision(tx, case, view, now)
        told = Consigned(case=moved, row=proved, now=now)
        for follower in self._followers:
            follower.consigned(tx, told)

    def given_up(self, tx: Transaction, sender: str, bid: str, *, now: datetime) -> None:
        """Every channel of a message was given up; the case stays, because only messages move it."""
        held = cases.find_message(tx.connection, sender, bid)
        if held is not None:
            tx.audit(
                PendingAuditEntry(
                    event="message.recorded",
                    body={"from": sender, "bid": bid, "type": held.message_type, "effect": "undelivered"},
                    at=now,
                )
            )

    async def remind(self, now: datetime) -> int:
        """Put every case that is overdue before a person, once until it moves on; return how many."""
        rows = await self._database.read(lambda c: cases.due_cases(c, now, 200))
        if not rows:
            return 0

        def unit(tx: Transaction) -> None:
            for row in rows:
                case = cases.find_case(tx.view(("case", row.thread_id, row.peer)), row.thread_id, row.peer)
                # Moved on since it was read: then it has another time.
                if case is None or case.next_action_at != row.next_action_at:
                    continue
                cases.store_case(tx, replace(case, next_action_at=now + _REMINDED_AGAIN))
                # Of the end of a preservation its own clock tells.
                if case.next_actor == case.side and case.next_action != "send_mla_request":
                    self._task(tx, sender=row.peer, bid=None, thread_id=row.thread_id, code=OVERDUE, now=now)

        await self._database.write(unit)
        return len(rows)

    @staticmethod
    def _task(
        tx: Transaction, *, sender: str, bid: str | None, thread_id: str, code: str, now: datetime
    ) -> None:
        raise_task(
            tx,
            kind=CASE_TASK,
            sender=sender,
            bid=bid,
            thread_id=thread_id,
            owner="operator",
            code=code,
            now=now,
            shown_again_at=now + _REMINDED_AGAIN,
        )


def thread_of(form: Mapping[str, Any]) -> str:
    """Return the thread of a form of our own, which has been given one if it had none."""
    thread: str = form["thread"]["thread_id"]
    return thread
