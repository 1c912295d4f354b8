"""Test messages, apart from cases: taken in, answered, let go of.

A test never becomes a case or a message of one, so no inbox, clock or statistic ever sees it. What a peer's
test may do here is decided by ``model.drills``: at night none wakes anybody that was not agreed with, a peer
rings once a day, and what comes beyond a day's measure is rejected.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from crypto.errors import Refusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.drills import LET_GO_AFTER, counts_instead, is_too_much, rings_at
from gateway.model.fields import at, text
from gateway.model.paging import Audience, PageReason
from gateway.services.casework.casebook import Incoming, Outgoing
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.storage import drills
from gateway.storage.database import Database, Transaction

_DAY = timedelta(days=1)

#: A test rings as an urgent request does.
_LEVEL = "urgent"


class DrillBook:
    """The tests of one authority. ``zone``: its time zone; ``agreed``: peers that may ring at any hour."""

    def __init__(self, *, authority_id: str, zone: Callable[[], str], agreed: Collection[str]) -> None:
        self._authority_id = authority_id
        self._zone = zone
        self._agreed = frozenset(agreed)

    def send(self, tx: Transaction, outgoing: Outgoing) -> None:
        """Note what leaves: an answer of ours closes the tests of its drill."""
        sender, _, bid = text(outgoing.form, "in_reply_to").partition("/")
        held = drills.find_received(tx.view(("drill", outgoing.to)), sender, bid) if bid else None
        if held is None or held.sender != outgoing.to:
            return
        now = outgoing.stored_at
        for row in drills.received_of(tx.connection, held.sender, held.drill_id):
            drills.close_received(tx, row.sender, row.bid, officer=outgoing.officer, at=now)
            settle_pages(
                tx,
                peer=row.sender,
                reason=PageReason.DRILL,
                subject=(row.sender, row.bid),
                now=now,
                by=outgoing.officer,
            )
        body = {"from": held.sender, "bid": held.bid, "officer": outgoing.officer}
        body["assurance"] = outgoing.assurance
        tx.audit(PendingAuditEntry(event="person.acted", body=body, at=now))

    def take_in(self, tx: Transaction, incoming: Incoming) -> None:
        """Take a peer's test or its answer to one of ours.

        Raises ``Refusal`` ``policy`` for more tests of one peer than a day has room for.
        """
        replied = text(incoming.form, "in_reply_to")
        if replied:
            self._answered(tx, incoming, replied)
        else:
            self._tested(tx, incoming)

    def _answered(self, tx: Transaction, incoming: Incoming, replied: str) -> None:
        """A test of ours was acknowledged there; who else says so is not believed.

        The first one counts, unless nobody signed it: then the first signed one that is in time does.
        """
        manifest = incoming.manifest
        sender, _, bid = replied.partition("/")
        connection = tx.view(("drill", manifest.sender))
        test = drills.find_test(connection, sender, bid)
        if test is None or test.peer != manifest.sender or test.sender != self._authority_id:
            return
        human = incoming.human
        assurance = None if human is None else str(human.assurance)
        drill = drills.find_drill(connection, test.drill_id)
        in_time = drill is not None and incoming.stored_at <= drill.ends_at
        if test.answered_at is None or (in_time and counts_instead(test.assurance, assurance)):
            drills.answer_test(tx, sender, bid, assurance=assurance, at=incoming.stored_at)
        body = {"from": manifest.sender, "bid": manifest.bid, "drill": test.drill_id}
        body["assurance"] = assurance or "none"
        tx.audit(PendingAuditEntry(event="drill.answered", body=body, at=incoming.stored_at))

    def _tested(self, tx: Transaction, incoming: Incoming) -> None:
        manifest, now = incoming.manifest, incoming.stored_at
        peer, drill_id = manifest.sender, _short(text(incoming.form, "content", "drill_id"))
        connection = tx.view(("drill", peer))
        if is_too_much(drills.count_received(connection, peer, now - _DAY)):
            raise Refusal("policy", "more tests than a day has room for", step=14)
        is_wanted = at(incoming.form, "content", "answer_wanted") is True
        known = drills.received_of(connection, peer, drill_id)
        rang_at = next((row.paged_at for row in known if row.paged_at is not None), None)
        due = now + LET_GO_AFTER
        if is_wanted and rang_at is None:
            due = self._rings_at(tx, peer, now)
        row = drills.ReceivedRow(
            sender=peer,
            bid=manifest.bid,
            drill_id=drill_id,
            thread_id=manifest.thread,
            language=_short(text(incoming.form, "language"))[:35],
            arrived_at=now,
            answer_wanted=is_wanted,
            paged_at=rang_at,
            closed_at=None if is_wanted else now,
            officer=None,
            next_action_at=due if is_wanted else None,
        )
        drills.add_received(tx, row)
        body = {"from": peer, "bid": manifest.bid, "thread": manifest.thread}
        tx.audit(PendingAuditEntry(event="drill.received", body=body, at=now))
        if is_wanted and due <= now:
            _ring(tx, row, now)

    def _rings_at(self, tx: Transaction, peer: str, now: datetime) -> datetime:
        return rings_at(
            now,
            zone=self._zone(),
            is_agreed=peer in self._agreed,
            last_ring=drills.last_ring(tx.connection, peer),
        )

    async def look(self, database: Database, now: datetime) -> int:
        """Ring for the tests of others that are due, let go of old ones, end own drills; return how many."""
        due, over = await database.read(lambda c: (drills.due_received(c, now), drills.due_drills(c, now)))

        def unit(tx: Transaction) -> None:
            tx.flush()
            for each in over:
                drills.end_drill(tx, each.id, now)
            # Judged before any of them rings: the tests of one peer that are due together ring as one.
            allowed = {peer: self._rings_at(tx, peer, now) for peer in {row.sender for row in due}}
            for held in due:
                row = drills.find_received(tx.connection, held.sender, held.bid)
                if row is None or row.closed_at is not None:
                    continue
                if now - row.arrived_at >= LET_GO_AFTER:
                    drills.close_received(tx, row.sender, row.bid, officer=None, at=now)
                    subject = (row.sender, row.bid)
                    settle_pages(
                        tx, peer=row.sender, reason=PageReason.DRILL, subject=subject, now=now, by=None
                    )
                elif row.paged_at is None and allowed[row.sender] <= now:
                    _ring(tx, row, now)
                else:
                    end = row.arrived_at + LET_GO_AFTER
                    again = end if row.paged_at is not None else min(end, allowed[row.sender])
                    drills.ring_later(tx, row.sender, row.bid, next_at=again)

        if due or over:
            await database.write(unit)
        return len(due) + len(over)


def _ring(tx: Transaction, row: drills.ReceivedRow, now: datetime) -> None:
    raise_page(
        tx,
        peer=row.sender,
        reason=PageReason.DRILL,
        level=_LEVEL,
        audience=Audience.DUTY,
        subject=(row.sender, row.bid),
        now=now,
    )
    drills.ring_received(tx, row.sender, row.bid, at=now, next_at=row.arrived_at + LET_GO_AFTER)


def _short(drill_id: str) -> str:
    """Return what a peer calls its drill, bounded and fit to be shown."""
    return "".join(letter for letter in drill_id[:64] if letter.isprintable()) or "-"
