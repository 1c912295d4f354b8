"""What the fold keeps in mind about a case, and the guards that messages alone can show.

Items are closed by what names them: ``all`` is worked out again at the place of a message in the common
order, so that a supplement or a partial result that crossed cannot be lost. Guards that need a person,
a directory or a document (four eyes, validation, consent on file) are not here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side, is_known
from gateway.model.keeping import Keeping
from gateway.model.refusal_grounds import grounds

_ANSWERS = frozenset({"consultation_reply", "conditions_accepted", "conditions_declined"})
_CLOSES = MappingProxyType({"withdrawal": "withdrawn", "refusal": "refused"})
_STATUS_OF_OUTCOME = MappingProxyType({"impossible": "impossible", "refused": "refused"})


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Items and open questions of a case; changed by ``record`` only.

    Attributes:
        items: Status per item; ``open`` until something closes it.
        known_to: ``seq`` of the requesting side that added an item; 0 for those of the start.
        asked: Consultations (T17) and offers (T19), oldest first, with their time limits.
        offer: The offer that is open.
        questions: Requests for information, risk notices and the like that are open.
        keeping: Of a preservation: ends, holds and what is awaited, per item.
    """

    items: dict[int, str]
    asked: dict[str, datetime | None]
    consulted_items: frozenset[int]
    consulted_all: bool
    waiting: bool
    known_to: dict[int, int] = field(default_factory=dict)
    questions: set[str] = field(default_factory=set)
    consents_open: set[str] = field(default_factory=set)
    instruments: frozenset[str] = frozenset()
    kind: str | None = None
    keeping: Keeping = field(default_factory=lambda: Keeping(items={}))

    def add_items(self, message: CaseMessage) -> None:
        """Add the items of a request or supplement."""
        for number in message.facts.items:
            if number not in self.items:
                self.items[number] = "open"
                self.known_to[number] = message.seq

    def record(self, message: CaseMessage, transition: str, state: str | None) -> str:
        """Enter what the message says; return the key of ``outcomes`` that its transition leads to."""
        handler = _RECORDS.get(message.message_type)
        key = handler(self, message) if handler is not None else ""
        if transition == "T39":
            return state if state == "executed" else "other"
        return key

    def close(self, message: CaseMessage, status: str | None) -> str:
        """Close the items a message names; return its coverage at this place, ``all`` or ``some``.

        Without numbers it names the items its sender knew. It covers all if no item stays open after it,
        unless it spoke of some and those were closed before.
        """
        facts, open_before = message.facts, {n for n, s in self.items.items() if s == "open"}
        named = set(facts.items) or {n for n in self.items if self._was_known(n, message)}
        for number in named & open_before:
            outcome = _STATUS_OF_OUTCOME.get(facts.statuses.get(number, ""), "done")
            self.items[number] = status or outcome
        still_open = open_before - named
        if still_open or (facts.coverage == "some" and not named & open_before):
            return "some"
        return "all"

    def _was_known(self, number: int, message: CaseMessage) -> bool:
        return message.side is Side.REQUESTING or self.known_to.get(number, 0) <= message.seen


def _supplement(ledger: Ledger, message: CaseMessage) -> str:
    ledger.add_items(message)
    return ""


def _stop_or_refusal(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.close(message, _CLOSES[message.message_type])


def _result(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.close(message, None)


def _postponement(ledger: Ledger, message: CaseMessage) -> str:
    return message.facts.coverage or "all"


def _question(ledger: Ledger, message: CaseMessage) -> str:
    ledger.questions.add(message.message_id)
    return ""


def _consultation(ledger: Ledger, message: CaseMessage) -> str:
    ledger.asked[message.message_id] = message.facts.answer_by
    ledger.consulted_items |= set(message.facts.items)
    # An offer speaks of the whole request, and so does a consultation that names no items.
    ledger.consulted_all = ledger.consulted_all or message.message_type == "conditional_offer"
    ledger.consulted_all = ledger.consulted_all or not message.facts.items
    return ""


def _answer(ledger: Ledger, message: CaseMessage) -> str:
    ledger.questions.discard(message.in_reply_to or "")
    return ""


def _acceptance(ledger: Ledger, message: CaseMessage) -> str:
    """Open points, consultation and offer lapse (T16, T20)."""
    ledger.questions.clear()
    ledger.asked.clear()
    ledger.consulted_items, ledger.consulted_all = frozenset(), False
    return ""


def _confidentiality_problem(ledger: Ledger, message: CaseMessage) -> str:
    ledger.waiting = True
    return ""


def _confidentiality_decision(ledger: Ledger, message: CaseMessage) -> str:
    ledger.waiting = False
    if message.facts.decision == "stop":
        ledger.items.update({n: "withdrawn" for n, status in ledger.items.items() if status == "open"})
    return message.facts.decision or ""


def _decision(ledger: Ledger, message: CaseMessage) -> str:
    _answer(ledger, message)
    return message.facts.decision or ""


def _consent_request(ledger: Ledger, message: CaseMessage) -> str:
    ledger.consents_open.add(message.message_id)
    return ""


def _consent_reply(ledger: Ledger, message: CaseMessage) -> str:
    ledger.consents_open.discard(message.in_reply_to or "")
    return ""


def _report(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.keeping.report(message)


def _extension_request(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.keeping.ask(message)


def _extension_report(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.keeping.answer(message)


def _follow_up(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.keeping.hold(message)


def _release(ledger: Ledger, message: CaseMessage) -> str:
    return ledger.keeping.release(message)


_RECORDS: Mapping[str, Callable[[Ledger, CaseMessage], str]] = MappingProxyType(
    {
        "supplementary_request": _supplement,
        "withdrawal": _stop_or_refusal,
        "refusal": _stop_or_refusal,
        "partial_result": _result,
        "result": _result,
        "execution_completed": _result,
        "postponement": _postponement,
        "additional_information_request": _question,
        "additional_information": _answer,
        "refusal_consultation": _consultation,
        "conditional_offer": _consultation,
        "acceptance_notice": _acceptance,
        "conditions_accepted": _acceptance,
        "confidentiality_problem": _confidentiality_problem,
        "confidentiality_decision": _confidentiality_decision,
        "use_consent_request": _consent_request,
        "use_consent_reply": _consent_reply,
        "preservation_report": _report,
        "preservation_risk_notice": _question,
        "preservation_risk_decision": _decision,
        "preservation_extension_request": _extension_request,
        "preservation_extension_report": _extension_report,
        "mla_follow_up_notice": _follow_up,
        "request": _follow_up,
        "preservation_release": _release,
    }
)


def failing_guards(
    guards: Iterable[str], message: CaseMessage, ledger: Ledger, taken: Iterable[CaseMessage]
) -> tuple[str, ...]:
    """Return the guards, of those that the messages of the thread can show, that do not hold for this one."""
    others = tuple(taken)
    return tuple(
        guard for guard in sorted(guards) if guard in _GUARDS and not _GUARDS[guard](message, ledger, others)
    )


def answers_in_time(
    question: str, limit: datetime | None, taken: Iterable[CaseMessage]
) -> tuple[CaseMessage, ...]:
    """Return the answers to a consultation or offer that were consigned within its time limit."""
    return tuple(
        m
        for m in taken
        if m.in_reply_to == question
        and m.message_type in _ANSWERS
        and m.side is Side.REQUESTING
        and (limit is None or m.counts_at <= limit)
    )


def _consultation_done(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    """T17 or T19 on these items was sent, and its timely answer was seen, or none came in time."""
    if not ledger.consulted_all and not set(message.facts.items) <= ledger.consulted_items:
        return False
    if not ledger.asked:
        return ledger.consulted_all or bool(ledger.consulted_items)
    question, limit = list(ledger.asked.items())[-1]
    answers = answers_in_time(question, limit, taken)
    if answers:
        return any(answer.seq <= message.seen for answer in answers)
    return limit is None or message.counts_at > limit


def _answers_open_question(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    if message.message_type in {"conditions_accepted", "conditions_declined"}:
        # A new offer replaces the open one: an answer to the older offer answers nothing.
        return bool(ledger.asked) and message.in_reply_to == list(ledger.asked)[-1]
    if message.message_type == "consultation_reply":
        return message.in_reply_to in ledger.asked
    return message.in_reply_to in ledger.questions


def _items_named(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return bool(message.facts.items) or message.facts.coverage == "all"


def _items_numbered_on(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return not set(message.facts.items) & set(ledger.items)


def _waiting_flag_set(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return ledger.waiting


def _consent_requested(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return message.in_reply_to in ledger.consents_open


def _allowed_ground(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    ground = message.facts.ground
    if ledger.kind is None or not is_known("refusal_ground", ground):
        return True
    return ground in grounds(ledger.kind, ledger.instruments)


def _no_forbidden_ground(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return not is_known("forbidden_refusal_ground", message.facts.ground)


def _consigned_before_end(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    if message.side is Side.REQUESTED:
        return ledger.keeping.grants_in_time(message)
    return ledger.keeping.in_time(message)


def _integrity_ok(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    return message.facts.integrity in {None, "ok"}


def _linked_decision_seen(message: CaseMessage, ledger: Ledger, taken: tuple[CaseMessage, ...]) -> bool:
    # A result or refusal belongs to the thread of the linked request; in this thread only a release counts.
    return message.message_type == "preservation_release"


Guard = Callable[[CaseMessage, Ledger, tuple[CaseMessage, ...]], bool]
_GUARDS: Mapping[str, Guard] = MappingProxyType(
    {
        "consultation_done": _consultation_done,
        "answers_open_question": _answers_open_question,
        "items_named": _items_named,
        "items_numbered_on": _items_numbered_on,
        "waiting_flag_set": _waiting_flag_set,
        "consent_requested": _consent_requested,
        "allowed_ground": _allowed_ground,
        "no_forbidden_ground": _no_forbidden_ground,
        "consigned_before_end": _consigned_before_end,
        "integrity_ok": _integrity_ok,
        "linked_decision_seen": _linked_decision_seen,
    }
)
