"""From messages to the row of a case: what the first one opens, later ones add, and all of them fold to.

Pure: reads and writes nothing, so that both sides of a case, and a test, come to the same row.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.model.case import CaseView, fold
from gateway.model.case_message import CaseMessage, MessageFacts
from gateway.model.codes import Side, Track
from gateway.model.manifest import is_request_form
from gateway.model.next_step import due_at
from gateway.model.opening import ORAL_NOTE, oral_kind, oral_level
from gateway.model.oral import CONFIRM_WITHIN, made_at
from gateway.model.preservation_clock import first_end
from gateway.model.request import REQUEST_TYPES, track_of
from gateway.storage import cases

#: Kind of a case whose request has not arrived, although a later message has.
NO_REQUEST_YET = "unknown"


_DECODE = msgspec.json.Decoder().decode

#: What is due of an oral request.
_CONFIRM = "confirm_in_writing"


def new_case(
    form: Mapping[str, Any], said: CaseMessage, *, own: str, thread_id: str, peer: str, now: datetime
) -> cases.CaseRow:
    """Return the case that a first message opens, before any fold; it may not be the request itself."""
    ours = Side.REQUESTING if _requesting(form) == own else Side.REQUESTED
    request = is_request_form(form)
    # An oral request says what the written one will.
    oral = said.message_type == ORAL_NOTE
    kind = form["request_kind"] if request else oral_kind(form) if oral else NO_REQUEST_YET
    references = {} if request else form["thread"]
    return cases.CaseRow(
        thread_id=thread_id,
        peer=peer,
        side=str(ours),
        track=str(Track.REQUEST if oral else _track(kind, said.message_type)),
        request_kind=kind,
        urgency_level=form["urgency"]["level"] if request else oral_level(form) if oral else "routine",
        confidentiality_level=form["confidentiality"]["level"] if request else "confidential",
        state="",
        state_at=now,
        reference_requesting=(
            form["reference_requesting"] if request else references["requesting"]["reference"]
        ),
        reference_requested=(
            form.get("reference_requested") if request else references["requested"]["reference"]
        ),
        language=form["language"],
        next_actor="nobody",
        next_action=_CONFIRM if oral else "none",
        next_action_at=made_at(form, now) + CONFIRM_WITHIN if oral else None,
        opened_at=now,
    )


def folded(case: cases.CaseRow, view: CaseView, now: datetime) -> cases.CaseRow:
    """Return a case as its fold says it stands; what is due when follows our own clock."""
    due = due_at(view.next_step, track=Track(case.track), urgency_level=case.urgency_level, since=now)
    if view.next_step.action == "send_mla_request":
        due = first_end(view.clocks) or due
    if view.next_step.action == case.next_action == _CONFIRM:
        # It counts from the call, as the countdown does; a later message gives no more time.
        due = case.next_action_at
    return replace(
        case,
        state=view.state or case.state,
        state_at=now if view.state != case.state else case.state_at,
        next_actor=view.next_step.actor,
        next_action=view.next_step.action,
        next_action_at=due,
    )


def _requesting(form: Mapping[str, Any]) -> str:
    holder = form["requesting_authority"] if is_request_form(form) else form["thread"]["requesting"]
    aid: str = holder["authority_id"]
    return aid


def _track(kind: str, message_type: str) -> Track:
    if kind == NO_REQUEST_YET:
        return Track.PRESERVATION if message_type.startswith("preservation_") else Track.REQUEST
    return track_of(kind)


def with_request(case: cases.CaseRow, form: Mapping[str, Any]) -> cases.CaseRow:
    """Take from the request what a case cannot know that a quicker message, a withdrawal say, has opened."""
    return replace(
        case,
        track=str(track_of(form["request_kind"])),
        request_kind=form["request_kind"],
        urgency_level=form["urgency"]["level"],
        confidentiality_level=form["confidentiality"]["level"],
        language=form["language"],
        reference_requesting=form["reference_requesting"],
    )


def with_reference(case: cases.CaseRow, form: Mapping[str, Any]) -> cases.CaseRow:
    """Take the requested authority's reference from its first message that gives one."""
    if is_request_form(form) or case.reference_requested is not None:
        return case
    return replace(case, reference_requested=form["thread"]["requested"]["reference"])


def requests_of(rows: Iterable[cases.MessageRow]) -> Iterator[cases.MessageRow]:
    """Yield the written requests of a case itself, as stored; not those of other threads that act on it."""
    return (row for row in rows if row.message_type in REQUEST_TYPES and row.relation is None)


def fold_rows(
    case: cases.CaseRow,
    rows: list[cases.MessageRow],
    *more: CaseMessage,
    now: datetime | None = None,
    passed: Mapping[int, datetime] | None = None,
    decided: Mapping[str, datetime] | None = None,
) -> CaseView:
    """Return what the messages of a case say; ``more`` are not stored yet, the rest is ``fold``'s."""
    messages = [*(_case_message(row) for row in rows), *more]
    return fold(Track(case.track), messages, now=now, passed=passed, decided=decided)


def _case_message(row: cases.MessageRow) -> CaseMessage:
    return CaseMessage(
        message_id=f"{row.sender}/{row.bid}",
        side=Side(row.side),
        seq=row.seq,
        seen=row.seen,
        message_type=row.message_type,
        in_reply_to=row.in_reply_to,
        at=row.made_at,
        consigned_at=row.consigned_at,
        facts=MessageFacts.from_json(_DECODE(row.facts)),
        numbered=row.via is None,
    )
