"""The contents of every act in a preservation: what an officer said, completed by what the case knows.

An officer at night gives only what nobody else can know; times of the thread, items, ends, the office and the
route of the later request come from the case and the directory. Nothing here decides on the merits, and
whatever was said stays as it was said. Identifiers and ``now`` come in; nothing is drawn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from gateway.model.codes import Side
from gateway.model.fields import at, rows, text
from gateway.model.message import MessageInvalid, Office, wire_time
from gateway.model.preservation_form_rules import instant

#: What is proposed where the officer says nothing: next report, time to answer a risk, days of a measure
#: where the State's record says nothing (its law decides), days before the end to ask for renewal.
NEXT_REPORT = timedelta(hours=2)
ANSWER = timedelta(hours=12)
TERM_DAYS = 90
RENEWAL_BEFORE = timedelta(days=7)

_KEPT = frozenset({"preserved", "partly_preserved"})
_MOST_DAYS = 3660
_SHARED = ("status", "measure", "effected_at", "ends_at", "custodian", "custodian_reference", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the case and the directory know, just before an act.

    Attributes:
        received_at, read_at: Of the request, here.
        statuses, ends: Per item, as the thread says now.
        asked_until: New end that the open request for extension asks for; ``asked_items`` its items.
        term_days, renewal_days: Of a measure and its renewal, by the own State's record.
        mla_route: Where the request for mutual assistance goes: id and languages; ``None`` if not known.
        is_held: A follow-up was notified in time.
        documents: Ids of the documents that are attached.
    """

    now: datetime
    office: Office
    received_at: datetime
    read_at: datetime | None
    statuses: Mapping[int, str]
    ends: Mapping[int, datetime]
    asked_until: datetime | None = None
    asked_items: tuple[int, ...] = ()
    term_days: int | None = None
    renewal_days: int | None = None
    renewable: bool | None = None
    mla_route: tuple[str | None, tuple[str, ...]] | None = None
    is_held: bool = False
    documents: tuple[str, ...] = ()
    authority_name: str = field(default="", repr=False)

    @property
    def items(self) -> tuple[int, ...]:
        """All items of the request."""
        return tuple(sorted(self.statuses))

    @property
    def kept(self) -> tuple[int, ...]:
        """Items that are preserved, wholly or in part."""
        return tuple(n for n in self.items if self.statuses[n] in _KEPT)

    def end_of(self, items: tuple[int, ...]) -> datetime | None:
        """Return the first end among these items."""
        return min((self.ends[n] for n in items if n in self.ends), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that may be said in a preservation.

    Attributes:
        needs_approver: Waits for an approver, also at night.
        answers: The type of message that it answers; its id goes into ``in_reply_to``.
        document_role: Of documents that go with it.
    """

    message_type: str
    side: Side
    complete: Callable[[Mapping[str, Any], Known], dict[str, Any]]
    needs_approver: bool = False
    answers: str = "preservation_request"
    document_role: str = "supporting_evidence"


def _acknowledgement(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    content = {
        "received_at": wire_time(known.received_at),
        "read_at": wire_time(known.read_at or known.now),
        "officer_function": known.office.function,
        "competent": "forwarded_to" not in said,
        "next_report_by": wire_time(known.now + NEXT_REPORT),
        "blocking_questions": [],
    }
    return {**content, **said}


def _report(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Members of an item beside ``items`` are said of every item that is not listed there."""
    shared = {member: said[member] for member in _SHARED if member in said}
    rest = {m: v for m, v in said.items() if m not in _SHARED and m not in {"items", "days"}}
    listed = [row for _, row in rows(said, "items")]
    named = {at(row, "item_no") for row in listed if isinstance(at(row, "item_no"), int)}
    others = [n for n in known.items if n not in named] if shared else []
    if not listed and not others:
        raise MessageInvalid("say for each item whether it is preserved, since when and until when")
    days = _days(said.get("days"), known.term_days or TERM_DAYS)
    items = [_item({**shared, **row}, days) for row in listed]
    items += [_item({"item_no": n, **shared}, days) for n in others]
    last = max((end for row in items if (end := instant(row.get("ends_at")))), default=None)
    renewable = bool(rest.get("renewable", known.renewable)) and last is not None
    route = known.mla_route or (None, ("en",))
    contact = {"office": known.office.office, "email": known.office.email}
    if known.office.phone:
        contact["phone"] = known.office.phone
    by = (last - RENEWAL_BEFORE).date().isoformat() if renewable and last is not None else None
    told = {row["item_no"]: text(row, "status") for row in items if isinstance(at(row, "item_no"), int)}
    content = {
        "coverage": _coverage({**known.statuses, **told}),
        "items": items,
        "renewable": renewable,
        "renewal_must_be_requested_by": by,
        "other_provider": None,
        "conditions": [],
        "mla_route": {"authority_id": route[0], "languages": list(route[1])},
        "contact": contact,
    }
    return {**content, **rest}


def _days_after(at: datetime, days: int) -> str:
    try:
        return wire_time(at + timedelta(days=days))
    except OverflowError:
        raise MessageInvalid("the time lies too far ahead; state the end itself") from None


def _days(said: Any, usual: int) -> int:
    if said is None:
        return usual
    if not isinstance(said, int) or not 1 <= said <= _MOST_DAYS:
        raise MessageInvalid(f"days is a whole number from 1 to {_MOST_DAYS}")
    return said


def _item(row: dict[str, Any], days: int) -> dict[str, Any]:
    row = {"status": "preserved", **row}
    if row["status"] not in _KEPT:
        return {member: row[member] for member in ("item_no", "status", "reason") if member in row}
    effected = instant(row.get("effected_at"))
    if "ends_at" not in row and effected is not None:
        row["ends_at"] = _days_after(effected, days)
    return row


def _coverage(statuses: Mapping[int, str]) -> str:
    kept = [status for status in statuses.values() if status in _KEPT]
    if not kept:
        return "none"
    return "all" if all(status == "preserved" for status in statuses.values()) else "some"


def _risk_notice(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    return {"answer_by": wire_time(known.now + ANSWER), **said}


def _as_said(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    return dict(said)


def _extension_request(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    listed = said.get("item_nos")
    numbers = tuple(n for n in listed if isinstance(n, int)) if isinstance(listed, list) else ()
    items = numbers or known.kept
    present = instant(said.get("current_ends_at")) or known.end_of(items)
    if present is None:
        raise MessageInvalid(
            "nothing of this request is reported as preserved, so there is nothing to prolong"
        )
    days = known.renewal_days or TERM_DAYS
    content = {
        "item_nos": list(items),
        "current_ends_at": wire_time(present),
        "requested_until": _days_after(present, days),
        "mla_expected_by": None,
    }
    return {**content, **said}


def _extension_report(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """``until`` is said of every item the request for extension names."""
    content = {member: value for member, value in said.items() if member != "until"}
    if content.get("granted") and "items" not in content:
        until = said.get("until") or (wire_time(known.asked_until) if known.asked_until else None)
        if until is None:
            raise MessageInvalid("say until when it is prolonged")
        content["items"] = [{"item_no": n, "ends_at": until} for n in known.asked_items or known.kept]
    return content


def _follow_up(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    return {"item_nos": list(known.kept or known.items), **said}


def _disclosure(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    return {"attachment_ids": list(known.documents), **said}


def _expiry_warning(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    end = known.end_of(known.kept)
    if end is None:
        raise MessageInvalid("nothing of this request is preserved, so nothing ends")
    return {"ends_at": wire_time(end), "mla_request_seen": known.is_held, **said}


def _release(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    return {"on": known.now.date().isoformat(), "item_nos": list(known.items), **said}


def _return(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    action = "forwarded" if "forwarded_to" in said else "returned"
    return {"action": action, "date": known.now.date().isoformat(), **said}


def _refusal(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    content = {
        "item_nos": list(known.items),
        "coverage": "all",
        "deciding_authority": known.authority_name,
        "remedy": None,
        "consultation_ref": None,
    }
    return {**content, **said}


def _status_report(said: Mapping[str, Any], known: Known) -> dict[str, Any]:
    done = [n for n in known.items if known.statuses[n] != "open"]
    open_items = [n for n in known.items if n not in done]
    content = {"done_items": done, "open_items": open_items, "obstacles": [], "expected_by": None}
    return {**content, **said}


_RQ, _RD = Side.REQUESTING, Side.REQUESTED


def _act(
    message_type: str,
    side: Side,
    complete: Callable[[Mapping[str, Any], Known], dict[str, Any]],
    *,
    needs_approver: bool = False,
    answers: str = "preservation_request",
    document_role: str = "supporting_evidence",
) -> tuple[str, Act]:
    return message_type, Act(
        message_type=message_type,
        side=side,
        complete=complete,
        needs_approver=needs_approver,
        answers=answers,
        document_role=document_role,
    )


#: Every act of a preservation after its request, by message type.
ACTS: Mapping[str, Act] = MappingProxyType(
    dict(
        (
            _act("preservation_acknowledgement", _RD, _acknowledgement),
            _act("preservation_report", _RD, _report),
            _act("preservation_risk_notice", _RD, _risk_notice),
            _act("preservation_risk_decision", _RQ, _as_said, answers="preservation_risk_notice"),
            _act("preservation_extension_request", _RQ, _extension_request, answers="preservation_report"),
            _act(
                "preservation_extension_report",
                _RD,
                _extension_report,
                answers="preservation_extension_request",
            ),
            _act("mla_follow_up_notice", _RQ, _follow_up, answers="preservation_report"),
            _act(
                "traffic_data_disclosure",
                _RD,
                _disclosure,
                needs_approver=True,
                document_role="digital_evidence",
            ),
            _act("preservation_expiry_warning", _RD, _expiry_warning),
            _act("preservation_release", _RQ, _release, answers="preservation_report"),
            _act("competence_notice", _RD, _return),
            _act("refusal", _RD, _refusal, needs_approver=True),
            _act("status_query", _RQ, _as_said),
            _act("status_report", _RD, _status_report, answers="status_query"),
        )
    )
)


def needs_approver(message_type: str, content: Mapping[str, Any]) -> bool:
    """Say whether an act waits for an approver: refusal, conditions, disclosure of data."""
    return ACTS[message_type].needs_approver or bool(content.get("conditions"))


def is_for_approver(form: Mapping[str, Any]) -> bool:
    """Say whether only an approver signs a form: it says so itself, or it refuses or hands out data."""
    act = ACTS.get(text(form, "message_type"))
    return text(form, "author", "role") == "approver" or (act is not None and act.needs_approver)
