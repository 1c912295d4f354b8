"""Which rules a message of a preservation breaks by what the thread holds at its place in the common order.

Judged inside the fold, from messages and consignment times alone: so both sides find the same, whatever
arrived when. What the form shows by itself comes along in the facts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model.case_message import CaseMessage
from gateway.model.codes import is_known
from gateway.model.refusal_grounds import grounds

#: Shortest term of a preservation, from when it took effect. Source: Budapest Convention 29(7), UNCC 42(8).
MINIMUM_TERM = timedelta(days=60)
_BOUND_TO_TERM = frozenset({"budapest", "uncc"})

_KEPT = frozenset({"preserved", "partly_preserved"})
_WHOLE = frozenset({"refusal"})
_NAMES_ITEMS = frozenset(
    {
        "preservation_report",
        "preservation_extension_request",
        "preservation_extension_report",
        "mla_follow_up_notice",
        "preservation_release",
        "refusal",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the preservation stands just before a message, by the messages that took effect.

    Attributes:
        asked_at: When the request was here: consigned, or made by word of mouth before that.
        items: Status per item of the request.
    """

    asked_at: datetime | None
    instruments: frozenset[str]
    items: Mapping[int, str]
    effected: Mapping[int, datetime]
    ends: Mapping[int, datetime]


def asked_at(request: CaseMessage | None) -> datetime | None:
    """Return when a preservation was asked for, as far as its measures may go back (UNTOC 18(14))."""
    if request is None:
        return None
    oral = request.facts.oral_at
    return request.counts_at if oral is None else min(oral, request.counts_at)


def thread_breaches(message: CaseMessage, standing: Standing) -> tuple[str, ...]:
    """Return the codes of the rules that the message breaks, each once."""
    facts = message.facts
    found = list(facts.broken)
    if message.message_type in _NAMES_ITEMS and standing.items and set(facts.items) - set(standing.items):
        found.append("items_known")
    if message.message_type == "preservation_report":
        found += _report(message, standing)
    elif message.message_type == "preservation_extension_report" and facts.decision == "yes":
        found += ["end_later" for n, end in facts.ends_at.items() if end <= standing.ends.get(n, _never(end))]
    elif message.message_type in _WHOLE:
        found += _refusal(message, standing)
    return tuple(dict.fromkeys(found))


def _never(end: datetime) -> datetime:
    return end - timedelta(days=1)


def _report(message: CaseMessage, standing: Standing) -> Iterator[str]:
    facts = message.facts
    if standing.instruments & _BOUND_TO_TERM and any(
        end - facts.effected_at.get(n, end - MINIMUM_TERM) < MINIMUM_TERM for n, end in facts.ends_at.items()
    ):
        yield "sixty_days"
    # People state minutes: the minute in which the request arrived is in time.
    asked = standing.asked_at
    if asked and any(at < asked.replace(second=0, microsecond=0) for at in facts.effected_at.values()):
        yield "effect_not_backdated"
    if any(_differs(n, status, message, standing) for n, status in facts.statuses.items()):
        yield "reports_agree"
    elif facts.statuses and not _coverage_fits(message, standing):
        yield "coverage_fits"


def _differs(number: int, status: str, message: CaseMessage, standing: Standing) -> bool:
    """Say whether a report takes back what an earlier one said of an item."""
    before, facts = standing.items.get(number, "open"), message.facts
    if before not in _KEPT:
        return False
    if status not in _KEPT or (before == "preserved" and status == "partly_preserved"):
        return True
    effected, end = facts.effected_at.get(number), facts.ends_at.get(number)
    earlier = standing.effected.get(number)
    present = standing.ends.get(number)
    return bool((effected and earlier and effected != earlier) or (end and present and end < present))


def _coverage_fits(message: CaseMessage, standing: Standing) -> bool:
    after = {**standing.items, **message.facts.statuses}
    said, told = message.facts.coverage, {status for status in after.values() if status != "open"}
    if said is None or not all(is_known("preservation_item_status", status) for status in told):
        return True
    kept = [status for status in after.values() if status in _KEPT]
    if not kept:
        return said == "none"
    return said == ("all" if all(status == "preserved" for status in after.values()) else "some")


def _refusal(message: CaseMessage, standing: Standing) -> Iterator[str]:
    facts, ground = message.facts, message.facts.ground
    if ground is not None and _judged(ground) and ground not in grounds("preservation", standing.instruments):
        yield "preservation_ground_only"
    if facts.coverage == "some" or (facts.items and set(standing.items) - set(facts.items)):
        yield "refusal_whole"


def _judged(ground: str) -> bool:
    """Say whether a ground is a code we know, allowed or forbidden; a person decides on others."""
    return is_known("refusal_ground", ground) or is_known("forbidden_refusal_ground", ground)
