"""What only the sender of an act can check: its own State's declarations, and what its officers know.

The other side cannot judge these and does not; they keep an officer from a mistake before anything is sealed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.model.fields import at, text
from gateway.model.preservation_form_rules import instant
from gateway.model.preservation_forms import needs_approver
from gateway.model.preservation_rules import Breach
from gateway.model.second_signature import is_second


def sender_breaches(
    form: Mapping[str, Any],
    *,
    officer: str,
    drafter: str | None,
    ends: Mapping[int, datetime],
    reservation: bool | None,
) -> tuple[Breach, ...]:
    """Return what an act of our own breaks that nobody else could see.

    Args:
        officer: Who signs.
        drafter: Who drafted it, where that is another person.
        ends: Per item, as the thread says now.
        reservation: Whether the own State declared that of Budapest 29(4); ``None`` where nothing says so.
    """
    content = at(form, "content")
    return tuple(_found(text(form, "message_type"), form, content, officer, drafter, ends, reservation))


def _found(
    message_type: str,
    form: Mapping[str, Any],
    content: Any,
    officer: str,
    drafter: str | None,
    ends: Mapping[int, datetime],
    reservation: bool | None,
) -> Iterator[Breach]:
    if needs_approver(message_type, content) and (
        text(form, "author", "role") != "approver" or drafter is None or not is_second(officer, drafter)
    ):
        yield Breach(code="four_eyes", field="$.author.role")
    if message_type == "refusal":
        if not isinstance(at(content, "data_may_vanish"), bool) or at(content, "consultation_ref"):
            yield Breach(code="vanishing_stated", field="$.content.data_may_vanish")
        if text(content, "ground") == "preservation_dual_criminality_reserved" and reservation is not True:
            yield Breach(code="reservation_declared", field="$.content.ground")
    elif message_type in {"preservation_extension_request", "mla_follow_up_notice"}:
        named = {ends[n] for n in at(content, "item_nos") or () if n in ends}
        made, present = instant(at(form, "created_at")), instant(at(content, "current_ends_at"))
        if named and made is not None and made > max(named):
            yield Breach(code="consigned_before_end", field="$.content.item_nos")
        elif named and present is not None and present not in {_whole(end) for end in named}:
            yield Breach(code="present_end_known", field="$.content.current_ends_at")


def _whole(end: datetime) -> datetime:
    return end.replace(microsecond=0)
