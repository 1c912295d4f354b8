"""Requests that act on another thread of the same two authorities, as messages of that thread.

Inside the caller's transaction. One bundle is then a message in two threads, with counters in each; it is
consigned, and refused, as a whole. Which links a form has is read in ``threadlinks``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from crypto.errors import Refusal
from gateway.errors import GatewayRefusal
from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side
from gateway.services.casework.refold import Refold
from gateway.services.casework.threadlinks import Link, LinksInvalid, links_in, notice_reference
from gateway.storage import cases, preservation
from gateway.storage.database import Transaction
from gateway.storage.preservation import LinkRow


class Linking:
    """The links between the cases of one authority."""

    def __init__(self, *, authority_id: str, refold: Refold) -> None:
        self._authority_id = authority_id
        self._refold = refold

    def found(self, form: Mapping[str, Any], said: CaseMessage, *, thread_id: str) -> Sequence[Link]:
        """Return how a form acts on other threads.

        Raises ``GatewayRefusal`` ``form-invalid`` for one of our own, ``Refusal`` for a peer's.
        """
        try:
            return links_in(form, own_thread=thread_id)
        except LinksInvalid as invalid:
            if said.message_id.partition("/")[0] == self._authority_id:
                raise GatewayRefusal("form-invalid", field="related_references") from None
            raise Refusal("form-invalid", str(invalid), step=14) from None

    def act(self, tx: Transaction, links: Sequence[Link], row: cases.MessageRow, *, now: datetime) -> None:
        """Add a request, which is ``row`` in its own thread, to the threads it acts on.

        One that is not here yet finds it when it comes. Raises ``GatewayRefusal`` ``sequence`` if our own
        uses other counters than follow there (V29); ``Refusal`` ``form-invalid`` if the peer was asked there.
        """
        for link in links:
            connection = tx.view(("case", link.thread_id, row.peer))
            case = cases.find_case(connection, link.thread_id, row.peer)
            before = cases.messages_of(connection, link.thread_id, row.peer)
            self._check(link, row, case, before)
            linked = _link_row(link, row)
            if case is not None:
                case = replace(case, has_links=True)
                cases.set_has_links(tx, link.thread_id, row.peer)
                said = preservation.as_message(linked)
                _, view = self._refold.store(tx, case, [*before, said], now, cause=f"{row.sender}/{row.bid}")
                linked = replace(linked, effect=str(view.effect_of(f"{row.sender}/{row.bid}")))
            preservation.add_link(tx, linked)

    def _check(
        self,
        link: Link,
        row: cases.MessageRow,
        case: cases.CaseRow | None,
        before: Sequence[cases.MessageRow],
    ) -> None:
        is_ours = row.sender == self._authority_id
        if case is not None and (case.side == Side.REQUESTING) != is_ours:
            if is_ours:
                raise GatewayRefusal("form-invalid", field="related_references")
            raise Refusal("form-invalid", "acts on a thread in which it was asked", step=14)
        if is_ours:
            own = max((each.seq for each in before if each.sender == row.sender), default=0)
            theirs = max((each.seq for each in before if each.sender != row.sender), default=0)
            if case is None or link.seq != own + 1 or link.seen > theirs:
                raise GatewayRefusal("sequence", field="related_references")

    def note(
        self, tx: Transaction, form: Mapping[str, Any], case: cases.CaseRow, row: cases.MessageRow
    ) -> None:
        """Keep which request a notice names, if it runs between the same two: its decision ends the hold."""
        reference = notice_reference(form, case, self._authority_id)
        if reference is None:
            return
        cases.set_has_links(tx, row.thread_id, row.peer)
        preservation.add_link(
            tx,
            LinkRow(
                sender=row.sender,
                bid=row.bid,
                thread_id=row.thread_id,
                peer=row.peer,
                relation="notice",
                message_type=row.message_type,
                seq=0,
                seen=0,
                of_thread_id=None,
                of_reference=reference,
                effect=row.effect,
                made_at=row.made_at,
                stored_at=row.stored_at,
                consigned_at=row.consigned_at,
            ),
        )
        # The request may have been decided before anybody told of it.
        self._refold.again(tx, row.thread_id, row.peer, row.stored_at)

    def consigned(self, tx: Transaction, row: cases.MessageRow, *, at: datetime, now: datetime) -> None:
        """The peer has proved that it holds a request of ours that acts on other threads."""
        links = preservation.links_by(tx.connection, row.sender, row.bid)
        for link in links:
            # Said first, so that folding reads what is written here.
            tx.view(("case", link.thread_id, row.peer))
        preservation.set_links_consigned(tx, row.sender, row.bid, at)
        for link in links:
            self._refold.again(tx, link.thread_id, row.peer, now)


def _link_row(link: Link, row: cases.MessageRow) -> LinkRow:
    return LinkRow(
        sender=row.sender,
        bid=row.bid,
        thread_id=link.thread_id,
        peer=row.peer,
        relation=link.relation,
        message_type=link.acts_as,
        seq=link.seq,
        seen=link.seen,
        of_thread_id=row.thread_id,
        of_reference=None,
        effect="",
        made_at=row.made_at,
        stored_at=row.stored_at,
        consigned_at=row.consigned_at,
    )
