"""What officers do with oral requests: note one, confirm it in writing, see what is owed.

A note is a message of its own thread that either side may send; it goes through ``Acts`` like every act that
binds the authority. Nothing is refused for being late: the law asks for a confirmation, not for a deadline.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from crypto import strictjson
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.authority import LookupStatus
from gateway.model.codes import Side, Track, is_known
from gateway.model.manifest import FORM_MAX_BYTES, FORM_PART, is_request_form
from gateway.model.message import MessageInvalid, Place, ThreadParties, build_message
from gateway.model.opening import ORAL_NOTE
from gateway.model.oral import NotedAlso, OralCall, confirming, needs_no_oral
from gateway.services.acts.acts import PreparedAct
from gateway.services.casework.acknowledgement import counters, own_office
from gateway.services.casework.casefile import resolve
from gateway.services.casework.caserows import requests_of
from gateway.services.casework.library import Library
from gateway.services.directory import Directory
from gateway.services.identifiers import new_identifier
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.storage import cases, oral
from gateway.storage.database import Connection, Database

#: A clock on the wall may be ahead of ours by this.
_AHEAD = timedelta(minutes=5)
_SHOWN = 200


class Performing(Protocol):
    """What sends an act, or prepares it for the officer's passkey: ``gateway.services.acts``."""

    async def perform(
        self,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Send the act, or prepare it for its officer; durable when it returns."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class OralNote:
    """What an officer says of a call.

    Attributes:
        peer: The authority at the other end.
        side: Ours: ``requesting`` if we asked.
        reference: Ours for this matter.
    """

    peer: str
    side: str
    call: OralCall = field(repr=False)
    reference: str = field(repr=False)
    language: str
    office: str | None = None


class OralDesk:
    """Oral requests of one authority, of either side."""

    def __init__(
        self, *, database: Database, library: Library, directory: Directory, acts: Performing, clock: Clock
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._acts = acts
        self._clock = clock

    async def note(self, said: OralNote, *, officer: str) -> Submission | PreparedAct:
        """Note an oral request and send the note to the other side; durable when it returns.

        Raises ``GatewayRefusal`` ``not-listed``, ``oral-not-accepted`` (UNTOC 18(14)), ``oral-preservation``,
        ``oral-time``, ``form-invalid``, and what ``Acts.perform`` refuses; nothing is changed then.
        """
        now = self._clock.now()
        self._refuse(said, now)
        form = self._form(said, now)
        return await self._acts.perform(form, officer=officer)

    def _refuse(self, said: OralNote, now: datetime) -> None:
        found = self._directory.lookup(said.peer)
        if found.status is LookupStatus.NOT_LISTED:
            raise GatewayRefusal("not-listed", field="peer")
        if not is_known("request_kind", said.call.request_kind):
            raise GatewayRefusal("form-invalid", field="request_kind")
        if needs_no_oral(said.call.request_kind):
            raise GatewayRefusal("oral-preservation", field="request_kind")
        is_accepted = found.entry is not None and found.entry.accepts_oral_in_urgency
        if not is_accepted or not self._directory.own.accepts_oral_in_urgency:
            raise GatewayRefusal("oral-not-accepted", field="peer")
        if said.call.made_at > now + _AHEAD:
            raise GatewayRefusal("oral-time", field="made_at")

    def _form(self, said: OralNote, now: datetime) -> dict[str, Any]:
        own = self._directory.own
        is_ours = said.side == Side.REQUESTING
        try:
            form = build_message(
                ORAL_NOTE,
                parties=ThreadParties(
                    thread_id=new_identifier(now),
                    requesting=own.authority_id if is_ours else said.peer,
                    requested=said.peer if is_ours else own.authority_id,
                    # The other side's is not known yet; whoever notes the call gives the reference.
                    reference_requesting=said.reference if is_ours else "",
                    reference_requested=None if is_ours else said.reference,
                ),
                place=Place(bid=new_identifier(now), side=Side(said.side), seq=1, seen=0, in_reply_to=None),
                author=own_office(own, Track.PRESERVATION, office=said.office),
                now=now,
                language=said.language,
                content=said.call.content(),
            )
        except MessageInvalid as invalid:
            raise GatewayRefusal("form-invalid", items=[{"field": "", "sentence": str(invalid)}]) from None
        if not is_ours:
            form["thread"]["requesting"]["reference"] = None
        return form

    async def confirm(
        self,
        ref: str,
        form: Mapping[str, Any],
        *,
        officer: str,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
        also: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Send a request form as the written confirmation of an oral request; durable when it returns.

        Its thread, its relation and the call are filled in from the note. ``also``: further notes of the same
        call, made by the other side say; they are confirmed as well, and their threads superseded. Raises
        ``GatewayRefusal`` as ``Cases.resolve``; ``oral-unknown`` where there is no oral request of ours in
        one of these cases, ``oral-written`` where a further one holds a request in writing already,
        ``form-invalid``, and what ``Acts.perform`` refuses; nothing is changed then.
        """
        if not is_request_form(form):
            raise GatewayRefusal("form-invalid")
        row, rows = await self._database.read(lambda c: self._asked(c, ref))
        others = await self._database.read(lambda c: [self._also(c, each, row) for each in also])
        note = await self._read(row)
        own = self._directory.own.authority_id
        ours, theirs = counters(rows, own)
        thread = {
            "message_type": "written_confirmation",
            "message_id": f"{own}/{new_identifier(self._clock.now())}",
            "thread_id": row.thread_id,
            "in_reply_to": f"{row.sender}/{row.bid}",
            "seq": ours + 1,
            "seen": theirs,
        }
        made = confirming(form, note=note, thread=thread, also=others)
        return await self._acts.perform(made, officer=officer, attachments=attachments, consents=consents)

    def _asked(self, connection: Connection, ref: str) -> tuple[oral.OralRow, list[cases.MessageRow]]:
        found = resolve(connection, ref)
        row = oral.find_oral(connection, found.thread_id, found.peer)
        if row is None or row.side != Side.REQUESTING:
            raise GatewayRefusal("oral-unknown")
        return row, cases.messages_of(connection, row.thread_id, row.peer)

    def _also(self, connection: Connection, ref: str, first: oral.OralRow) -> NotedAlso:
        """Return another note of a call: of the same two authorities, in a thread of its own.

        A request that was written there by now is not ended by the way.
        """
        row, rows = self._asked(connection, ref)
        case = cases.find_case(connection, row.thread_id, row.peer)
        if case is None or row.peer != first.peer or row.thread_id == first.thread_id:
            raise GatewayRefusal("oral-unknown", field="also")
        if any(requests_of(rows)):
            raise GatewayRefusal("oral-written", field="also")
        ours, theirs = counters(rows, self._directory.own.authority_id)
        reference = case.reference_requesting or case.reference_requested or row.thread_id
        return NotedAlso(reference=reference, thread_id=row.thread_id, seq=ours + 1, seen=theirs)

    async def _read(self, row: oral.OralRow) -> Mapping[str, Any]:
        """Return the note itself."""
        bundle, sink = await self._library.open(row.sender, row.bid), io.BytesIO()
        await self._library.read_part(bundle, FORM_PART, sink)
        form = strictjson.loads(sink.getvalue(), max_bytes=FORM_MAX_BYTES)
        if not isinstance(form, dict):
            raise GatewayRefusal("oral-unknown")
        return form

    async def listing(self) -> list[oral.OralRow]:
        """Return the newest oral requests, those without a written confirmation first."""
        rows = await self._database.read(lambda c: oral.newest_orals(c, _SHOWN))
        return sorted(rows, key=lambda row: row.confirmed_at is not None)
