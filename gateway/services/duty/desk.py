"""The list of the duty officer: urgent requests that no person has acknowledged, with the time left.

Says what stands in the columns of cases and ladders and nothing else: no part of a bundle is ever opened
here, so no content can reach the page. One peer's flood takes a bounded part of it; the rest is counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.escalation import ACKNOWLEDGEMENTS, Periods, Way, is_signed, target_at
from gateway.services.acts.acts import PreparedAct
from gateway.services.directory import Directory
from gateway.services.escalation.ladder import standing
from gateway.services.sending.submit import Submission
from gateway.storage import cases, dutylist
from gateway.storage.database import Connection, Database
from gateway.storage.escalations import EscalationRow

#: How long a case that was acknowledged stays on the list.
SHOWN_FOR = timedelta(hours=24)
#: Cases on the list: of one peer and direction, in all, and ended ones.
_EACH_PEER, _MOST, _ENDED = 20, 1000, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The acknowledgement of a request.

    Attributes:
        officer: Pseudonym of who acknowledged, as that authority says it.
        stops_clock: Whether a person vouches for it; a local sign-in alone stops nothing.
    """

    at: datetime
    officer: str | None
    assurance: str
    stops_clock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyCase:
    """An urgent request without its content.

    Attributes:
        what: Kind of the request.
        stored_at: When it arrived here, or was sealed here.
        target_at: By when a person of the requested authority is to have acknowledged it.
        stage: Last step that was taken; ``None`` once somebody acknowledged.
        is_ended: Nobody is called about it any more.
        reference, own_reference: The peer's and ours, as far as they are known.
    """

    sender: str
    bid: str
    thread_id: str
    peer: str
    peer_name: str
    is_incoming: bool
    what: str
    urgency_level: str
    confidentiality_level: str
    language: str
    state: str
    reference: str | None = field(repr=False)
    own_reference: str | None = field(repr=False)
    stored_at: datetime
    target_at: datetime | None
    stage: str | None
    is_ended: bool
    acknowledgement: Said | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The list; ``further`` counts by peer what is not shown because that peer has so much on it."""

    incoming: Sequence[DutyCase]
    outgoing: Sequence[DutyCase]
    done: Sequence[DutyCase]
    further: Mapping[str, int]


class Acknowledger(Protocol):
    """What acknowledges for the authority."""

    async def acknowledge(self, ref: str, *, officer: str) -> Submission | PreparedAct:
        """Prepare the acknowledgement for the officer's passkey."""

    async def acknowledge_by_telephone(self, ref: str, *, officer: str, second: str) -> Submission:
        """Send it for an officer whom a second person rang back."""


class DutyDesk:
    """The urgent cases of one authority, for its officers on duty."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        authority_id: str,
        periods: Mapping[str, Periods],
        acknowledger: Acknowledger,
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._own = authority_id
        self._periods = periods
        self._acknowledger = acknowledger
        self._clock = clock

    async def overview(self) -> Overview:
        """Return what waits for a person here or there, the one with the least time left first."""
        since = self._clock.now() - SHOWN_FOR
        return await self._database.read_slow(lambda c: self._overview(c, since))

    async def case(self, sender: str, bid: str) -> DutyCase:
        """Return one urgent request. Raises ``GatewayRefusal`` ``not-found``."""
        found = await self._database.read(lambda c: self._find(c, sender, bid))
        if found is None:
            raise GatewayRefusal("not-found")
        return found

    async def acknowledge(self, sender: str, bid: str, *, officer: str) -> Submission | PreparedAct:
        """Prepare the acknowledgement of an incoming request. Raises as ``Cases.acknowledge``."""
        await self._incoming(sender, bid)
        return await self._acknowledger.acknowledge(f"{sender}/{bid}", officer=officer)

    async def by_telephone(self, sender: str, bid: str, *, officer: str, second: str) -> Submission:
        """Acknowledge for an officer whom ``second`` rang back; marked low. Raises as ``acknowledge``."""
        await self._incoming(sender, bid)
        return await self._acknowledger.acknowledge_by_telephone(
            f"{sender}/{bid}", officer=officer, second=second
        )

    def name(self, authority_id: str) -> str:
        """Return what the directory calls an authority, or its identifier."""
        entry = self._directory.lookup(authority_id).entry
        return authority_id if entry is None else entry.name_en

    async def _incoming(self, sender: str, bid: str) -> None:
        case = await self.case(sender, bid)
        if not case.is_incoming:
            raise GatewayRefusal("not-acknowledgeable")

    def _overview(self, connection: Connection, since: datetime) -> Overview:
        found = dutylist.open_listed(connection, self._own, each_peer=_EACH_PEER, limit=_MOST)
        rows = sorted((self._case(connection, row) for row in found), key=_most_urgent)
        shown = Counter(row.peer for row in rows)
        ended = dutylist.ended_listed(connection, self._own, since, _ENDED)
        return Overview(
            incoming=[row for row in rows if row.is_incoming],
            outgoing=[row for row in rows if not row.is_incoming],
            done=[case for case in (self._case(connection, row) for row in ended) if case.acknowledgement],
            further=dict(Counter(dutylist.open_by_peer(connection, self._own)) - shown),
        )

    def _find(self, connection: Connection, sender: str, bid: str) -> DutyCase | None:
        row = dutylist.listed(connection, self._own, sender, bid)
        return None if row is None else self._case(connection, row)

    def _case(self, connection: Connection, row: dutylist.ListedRow) -> DutyCase:
        ladder, case = row.ladder, row.case
        is_incoming, is_ended = ladder.side == Way.IN, ladder.next_action_at is None
        said = self._said(connection, ladder) if is_ended or ladder.unsigned_at is not None else None
        references = (case.reference_requesting, case.reference_requested)
        return DutyCase(
            sender=ladder.sender,
            bid=ladder.bid,
            thread_id=ladder.thread_id,
            peer=case.peer,
            peer_name=self.name(case.peer),
            is_incoming=is_incoming,
            what=case.request_kind,
            urgency_level=case.urgency_level,
            confidentiality_level=case.confidentiality_level,
            language=case.language,
            state=case.state,
            reference=references[0 if is_incoming else 1],
            own_reference=references[1 if is_incoming else 0],
            stored_at=ladder.started_at,
            target_at=None if is_ended else target_at(standing(ladder), self._periods[ladder.level]),
            stage=None if is_ended else ladder.stage,
            is_ended=is_ended,
            acknowledgement=said,
        )

    def _said(self, connection: Connection, ladder: EscalationRow) -> Said | None:
        """Return the acknowledgement of a request, the one that vouches most; for an ended ladder its end."""
        rows = [
            row
            for row in cases.messages_of(connection, ladder.thread_id, ladder.peer)
            if f"{row.sender}/{row.bid}" == ladder.stopped_by
            or (row.message_type in ACKNOWLEDGEMENTS and row.in_reply_to in {None, ladder.message_id})
        ]
        rows.sort(key=lambda row: (not is_signed(row.assurance), row.stored_at))
        if not rows:
            return None
        first = rows[0]
        return Said(
            at=first.made_at,
            officer=first.officer,
            assurance=first.assurance or "local_operator",
            stops_clock=is_signed(first.assurance),
        )


def _most_urgent(case: DutyCase) -> tuple[bool, datetime, str]:
    return case.urgency_level != "emergency", case.target_at or case.stored_at, case.bid
