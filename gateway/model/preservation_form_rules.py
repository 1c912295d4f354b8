"""Which rules a message of a preservation breaks by its own form, whoever reads it and whenever.

Reads forms of any shape without raising; every time is compared with others of the same form, so that no
clock of a reader matters. What only the thread shows is found in ``preservation_thread_rules``.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from gateway.model.fields import at, rows, text, texts
from gateway.model.preservation_rules import Breach

_KEPT = frozenset({"preserved", "partly_preserved"})


def form_breaches(form: Mapping[str, Any]) -> tuple[Breach, ...]:
    """Return what a message form breaks by itself; empty for types without such rules."""
    rule = _RULES.get(text(form, "message_type"))
    return () if rule is None else tuple(dict.fromkeys(rule(form, at(form, "content"))))


def instant(value: Any) -> datetime | None:
    """Return an RFC 3339 instant as aware UTC, ``None`` where there is none that Python can hold."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _time(content: Any, member: str) -> datetime | None:
    return instant(at(content, member))


def _blank(content: Any, *members: str) -> Iterator[Breach]:
    for member in members:
        value = at(content, member)
        if isinstance(value, str) and not value.strip():
            yield Breach(code="reason_given", field=f"$.content.{member}")


def _acknowledgement(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    made, received = instant(at(form, "created_at")), _time(content, "received_at")
    read, report = _time(content, "read_at"), _time(content, "next_report_by")
    if received and read and received > read:
        yield Breach(code="times_in_order", field="$.content.read_at")
    if made and read and read > made:
        yield Breach(code="times_in_order", field="$.content.read_at")
    if made and report and report <= made:
        yield Breach(code="next_report_ahead", field="$.content.next_report_by")


def _report(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    made, ends = instant(at(form, "created_at")), []
    yield from _twice(content)
    for n, row in rows(content, "items"):
        place = f"$.content.items[{n}]"
        if text(row, "status") not in _KEPT:
            yield from _blank_reason(row, place)
            continue
        effected, ended = _time(row, "effected_at"), _time(row, "ends_at")
        if effected and made and effected > made:
            yield Breach(code="effect_not_ahead", field=f"{place}.effected_at")
        if effected and ended and ended <= effected:
            yield Breach(code="end_after_effect", field=f"{place}.ends_at")
        ends += [ended] if ended else []
    yield from _renewal(content, max(ends, default=None))
    if at(content, "conditions"):
        yield from _approver(form)


def _blank_reason(row: Mapping[str, Any], place: str) -> Iterator[Breach]:
    if not text(row, "reason"):
        yield Breach(code="reason_given", field=f"{place}.reason")


def _renewal(content: Any, last_end: datetime | None) -> Iterator[Breach]:
    renewable, by = at(content, "renewable"), text(content, "renewal_must_be_requested_by")
    place = "$.content.renewal_must_be_requested_by"
    if not isinstance(renewable, bool) or last_end is None:
        return
    day = _day(by)
    if renewable != bool(by) or (day is not None and day > last_end.date()):
        yield Breach(code="renewal_stated", field=place)


def _risk_notice(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    made, answer = instant(at(form, "created_at")), _time(content, "answer_by")
    yield from _blank(content, "explanation", "question")
    if made and answer and answer <= made:
        yield Breach(code="answer_time_ahead", field="$.content.answer_by")


def _extension_request(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    present, wanted = _time(content, "current_ends_at"), _time(content, "requested_until")
    yield from _blank(content, "reason")
    if present and wanted and wanted <= present:
        yield Breach(code="end_later", field="$.content.requested_until")


def _extension_report(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    if at(content, "granted") is False:
        yield from _blank(content, "reason")
    yield from _twice(content)


def _twice(content: Any) -> Iterator[Breach]:
    numbers = [number for _, row in rows(content, "items") if isinstance(number := at(row, "item_no"), int)]
    if len(set(numbers)) != len(numbers):
        yield Breach(code="items_known", field="$.content.items")


def _follow_up(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    made, sent = instant(at(form, "created_at")), _time(content, "sent_at")
    thread = at(form, "thread")
    for member, side in (("from_authority", "requesting"), ("to_authority", "requested")):
        if text(content, member)[:2] != text(thread, side, "authority_id")[:2]:
            yield Breach(code="follows_preservation", field=f"$.content.{member}")
    if not text(content, "mla_reference"):
        yield Breach(code="follows_preservation", field="$.content.mla_reference")
    if made and sent and sent > made:
        yield Breach(code="follows_preservation", field="$.content.sent_at")


def _disclosure(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    own = text(form, "thread", "requested", "authority_id")[:2].upper()
    state = text(content, "provider", "state")
    if state == own or not text(content, "provider", "name"):
        yield Breach(code="other_provider_involved", field="$.content.provider")
    if not text(content, "path"):
        yield Breach(code="other_provider_involved", field="$.content.path")
    listed = {text(row, "attachment_id") for _, row in rows(form, "attachments")}
    if not set(texts(content, "attachment_ids")) <= listed:
        yield Breach(code="documents_listed", field="$.content.attachment_ids")
    yield from _approver(form)


def _refusal(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    yield from _blank(content, "reasons", "legal_source")
    yield from _approver(form)


def _approver(form: Mapping[str, Any]) -> Iterator[Breach]:
    """Where the form says in which role its author acts, that must be the approver's."""
    if (role := text(form, "author", "role")) and role != "approver":
        yield Breach(code="four_eyes", field="$.author.role")


def _competence(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    yield from _blank(content, "explanation")


def _release(form: Mapping[str, Any], content: Any) -> Iterator[Breach]:
    yield from _blank(content, "reason")


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


_RULES: Mapping[str, Callable[[Mapping[str, Any], Any], Iterator[Breach]]] = MappingProxyType(
    {
        "preservation_acknowledgement": _acknowledgement,
        "preservation_report": _report,
        "preservation_risk_notice": _risk_notice,
        "preservation_extension_request": _extension_request,
        "preservation_extension_report": _extension_report,
        "mla_follow_up_notice": _follow_up,
        "traffic_data_disclosure": _disclosure,
        "preservation_release": _release,
        "refusal": _refusal,
        "competence_notice": _competence,
    }
)
