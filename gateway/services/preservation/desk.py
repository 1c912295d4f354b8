"""What officers do in a preservation: every act of it, checked before sealing, then sent by ``Acts``.

``act`` completes what the officer said by what the case knows, and folds the thread with the new message:
what would move nothing is refused with the rules it breaks, and nothing is changed. Refusal, conditions and
disclosure wait for an approver who did not draft them, also at night. Nothing here decides on the merits.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crypto import strictjson
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.case import Effect
from gateway.model.case_message import case_message
from gateway.model.codes import Side, Track
from gateway.model.contents import check_contents
from gateway.model.fields import text
from gateway.model.manifest import FORM_MAX_BYTES
from gateway.model.message import MessageInvalid, Office, Place, ThreadParties, build_message
from gateway.model.overrides import OverrideImpossible, with_override
from gateway.model.preservation_form_rules import form_breaches, instant
from gateway.model.preservation_forms import ACTS, Act, Known, needs_approver
from gateway.model.preservation_rules import RULES, Breach
from gateway.model.preservation_sender_rules import sender_breaches
from gateway.services.acts.acts import Acts, PreparedAct
from gateway.services.casework.acknowledgement import counters, own_office, own_reference
from gateway.services.casework.breaches import refusal
from gateway.services.casework.library import Library
from gateway.services.directory import Directory
from gateway.services.identifiers import new_identifier
from gateway.services.preservation.documents import listed
from gateway.services.preservation.followup import notice_about, with_link
from gateway.services.preservation.standing import Standing, standing_of
from gateway.services.sealing.seal import encode_form
from gateway.services.sending.handin import Attachment, read_form, refuse_invalid
from gateway.services.sending.submit import Submission
from gateway.storage.database import Database

_COUNTS = frozenset({Effect.APPLIED, Effect.IMPLIED, Effect.WAITING})


class PreservationDesk:
    """The acts of officers in preservations, of either side."""

    def __init__(
        self, *, database: Database, library: Library, directory: Directory, acts: Acts, clock: Clock
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._acts = acts
        self._clock = clock

    async def standing(self, ref: str) -> Standing:
        """Return where a preservation stands.

        Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``, ``not-a-preservation``.
        """
        now = self._clock.now()
        return await self._database.read(lambda c: standing_of(c, ref, now))

    async def act(
        self,
        ref: str,
        message_type: str,
        said: Mapping[str, Any],
        *,
        officer: str,
        approver: str | None = None,
        attachments: Sequence[Attachment] = (),
        consents: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Say something in a preservation: ``said`` holds the content that only the officer knows.

        Args:
            ref: A bundle id, from/bid, or either side's reference, of any message of the thread.
            message_type: One of ``ACTS``. A follow-up notice may name a request of ours by ``mla`` alone.
            officer: Pseudonym of who says it; where an approver is needed, of who drafted it.
            approver: Pseudonym of the approver, who signs; only where one is needed.
            attachments: Documents that go with it.

        Durable when it returns. Raises ``GatewayRefusal`` as ``standing``; ``rule-broken`` with each rule's
        code, article and sentence in ``items``; ``form-invalid``; and what ``Acts.perform`` refuses. Nothing
        is changed then, but that the log may say who drafted what an approver was to sign.
        """
        act = ACTS.get(message_type)
        if act is None:
            raise GatewayRefusal("form-invalid", field="message_type")
        standing = await self.standing(ref)
        if standing.side is not act.side:
            raise refusal([Breach(code="act_of_side")])
        said = await self._with_request(act, said)
        documents = await listed(attachments, act.document_role, standing.case.language)
        form = await self._form(standing, act, said, approver=approver, documents=documents)
        refuse_invalid(form, "message")
        signs_alone = not needs_approver(message_type, form["content"])
        signer = officer if signs_alone or approver is None else approver
        self._refuse_breaches(standing, form, officer=signer, drafter=None if signer == officer else officer)
        if signer != officer:
            await self._note_draft(form, officer)
        return await self._acts.perform(form, officer=signer, attachments=attachments, consents=consents)

    async def complete_request(
        self, form_bytes: bytes, *, follows: str | None = None, override: str | None = None
    ) -> bytes:
        """Return a request form that says which preservation it follows, or why rules are set aside.

        Args:
            follows: A reference of the preservation that it follows.
            override: The reason for which an officer sends it although rules about contents do not hold.

        Nothing is sent by this. Raises ``GatewayRefusal`` as ``standing``; ``form-unreadable``,
        ``form-invalid``, ``rule-broken``, ``override-impossible``.
        """
        form = dict(read_form(form_bytes))
        if follows is not None:
            form = with_link(form, await self.standing(follows), self._directory.own.authority_id)
        if override is not None:
            today, facts = self._clock.now().date(), self._directory.facts(form)
            try:
                found = check_contents(form, facts=facts, documents=None, today=today)
                form = with_override(form, found, override)
            except OverrideImpossible:
                raise GatewayRefusal("override-impossible") from None
        return encode_form(form)

    async def _with_request(self, act: Act, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Say of a request of ours, where it is named by ``mla``, what a follow-up notice has to."""
        ref, own = said.get("mla"), self._directory.own.authority_id
        if act.message_type != "mla_follow_up_notice" or not isinstance(ref, str):
            return said
        known = await self._database.read(lambda c: notice_about(c, ref, own))
        return {**known, **{member: value for member, value in said.items() if member != "mla"}}

    async def _form(
        self,
        standing: Standing,
        act: Act,
        said: Mapping[str, Any],
        *,
        approver: str | None,
        documents: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Return the whole form: the officer's words, and everything the case and the directory know."""
        own, case, now = self._directory.own, standing.case, self._clock.now()
        is_asked = standing.side is Side.REQUESTED
        office = own_office(own, Track.PRESERVATION)
        ours, theirs = counters(standing.rows, own.authority_id)
        reference = case.reference_requested or (own_reference(own, case, now) if is_asked else None)
        try:
            known = await self._known(standing, act, office, now, documents=documents)
            content = act.complete(said, known)
            if needs_approver(act.message_type, content) and approver is not None:
                office = _as_approver(office)
            return build_message(
                act.message_type,
                parties=ThreadParties(
                    thread_id=case.thread_id,
                    requesting=case.peer if is_asked else own.authority_id,
                    requested=own.authority_id if is_asked else case.peer,
                    reference_requesting=case.reference_requesting or "",
                    reference_requested=reference,
                ),
                place=Place(
                    bid=new_identifier(now),
                    side=standing.side,
                    seq=ours + 1,
                    seen=theirs,
                    in_reply_to=_answered(standing, act),
                ),
                author=office,
                now=now,
                language=case.language,
                content=content,
                attachments=documents,
            )
        except MessageInvalid as invalid:
            sentence = str(invalid)
            raise GatewayRefusal(
                "form-invalid",
                items=[{"field": "content", "sentence": sentence[0].upper() + sentence[1:] + "."}],
            ) from None

    async def _known(
        self,
        standing: Standing,
        act: Act,
        office: Office,
        now: datetime,
        *,
        documents: Sequence[Mapping[str, Any]],
    ) -> Known:
        own, request = self._directory.own, standing.request
        law = self._directory.states.get(own.state)
        rules = {} if law is None else law.preservation_rules
        asked = standing.open_extension()
        until = None
        if asked is not None and act.message_type == "preservation_extension_report":
            sender, _, bid = asked.message_id.partition("/")
            until = instant(text(await self.form_of(sender, bid), "content", "requested_until"))
        return Known(
            now=now,
            office=office,
            received_at=(request.consigned_at or request.stored_at) if request else now,
            read_at=request.opened_at if request else None,
            statuses=standing.view.items,
            ends=standing.ends,
            asked_until=until,
            asked_items=() if asked is None else asked.facts.items,
            term_days=_number(rules, "initial_days"),
            renewal_days=_number(rules, "renewal_days"),
            renewable=rules.get("renewable") is True,
            mla_route=self._mla_route(),
            is_held=standing.case.state == "held_pending_decision",
            documents=tuple(row["attachment_id"] for row in documents),
            authority_name=own.name_en,
        )

    def _mla_route(self) -> tuple[str | None, tuple[str, ...]]:
        """Return where a request for mutual assistance to our State goes: its central authority."""
        own = self._directory.own
        central = [e for e in self._directory.entries() if e.state == own.state and "mla_central" in e.roles]
        named = [entry for entry in central if entry.authority_id == own.authority_id] or central
        if len(named) != 1:
            return None, own.languages or ("en",)
        return named[0].authority_id, named[0].languages or ("en",)

    async def form_of(self, sender: str, bid: str) -> Mapping[str, Any]:
        """Return the form of a message that is kept here. Raises as ``Library.open``."""
        bundle = await self._library.open(sender, bid)
        sink = io.BytesIO()
        await self._library.read_part(bundle, 1, sink)
        form = strictjson.loads(sink.getvalue(), max_bytes=FORM_MAX_BYTES)
        return form if isinstance(form, dict) else {}

    def _refuse_breaches(
        self, standing: Standing, form: Mapping[str, Any], *, officer: str, drafter: str | None
    ) -> None:
        """Refuse what would move nothing, or what our own law and house do not allow."""
        law = self._directory.states.get(self._directory.own.state)
        declared = None if law is None else law.treaty_conditions.get(_RESERVATION)
        found = [
            *form_breaches(form),
            *sender_breaches(
                form, officer=officer, drafter=drafter, ends=standing.ends, reservation=declared
            ),
        ]
        said = case_message(form, message_id=form["message_id"], consigned_at=None)
        view = standing.with_message(said)
        outcome = next(e for e in view.effects if e.message.message_id == said.message_id)
        known = {breach.code for breach in found}
        found += [
            Breach(code=code, field="$.content")
            for code in outcome.broken
            if code in RULES and code not in known
        ]
        if not found and outcome.effect not in _COUNTS:
            found.append(Breach(code="state_allows"))
        if found:
            raise refusal(found)

    async def _note_draft(self, form: Mapping[str, Any], officer: str) -> None:
        """Enter who drafted what an approver is to sign."""
        sender, _, bid = form["message_id"].partition("/")
        body = {"from": sender, "bid": bid, "officer": officer}
        entry = PendingAuditEntry(event="person.drafted", body=body, at=self._clock.now())
        await self._database.write(lambda tx: tx.audit(entry))


#: Of a State's record: whether it declared the reservation of Budapest 29(4).
_RESERVATION = "preservation_dual_criminality_reservation"


def _answered(standing: Standing, act: Act) -> str | None:
    """Return what the act answers: the last message of its type, otherwise the request."""
    last = standing.last(act.answers)
    if last is not None:
        return last.message_id
    if standing.request is None:
        return None
    return f"{standing.request.sender}/{standing.request.bid}"


def _as_approver(office: Office) -> Office:
    return Office(
        authority_id=office.authority_id,
        office=office.office,
        function=office.function,
        role="approver",
        email=office.email,
        phone=office.phone,
    )


def _number(rules: Mapping[str, Any], member: str) -> int | None:
    value = rules.get(member)
    return value if isinstance(value, int) and 0 < value < 3660 else None
