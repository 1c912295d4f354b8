"""Who acts next in a case, what, and by when: one sentence that anybody understands.

Follows from state and open questions alone, so both sides read the same. The times are this
product's reminders where no treaty sets one; a reminder never moves a case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from gateway.model.codes import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What is due.

    Attributes:
        actor: ``requesting``, ``requested``, ``system`` or ``nobody``.
        action: Stable code, at most 40 characters.
    """

    actor: str
    action: str
    sentence: str


def _step(actor: str, action: str, sentence: str) -> NextStep:
    return NextStep(actor=actor, action=action, sentence=sentence)


_RQ, _RD = "requesting", "requested"

_STEPS: Mapping[str | None, NextStep] = MappingProxyType(
    {
        None: _step("nobody", "none", "Nothing has been sent yet."),
        "draft": _step(_RQ, "send_request", "The requesting authority completes and sends the request."),
        "pre_consultation": _step(_RD, "comment_on_draft", "The requested authority comments on the draft."),
        "oral_pending_confirmation": _step(
            _RQ, "confirm_in_writing", "The requesting authority confirms in writing."
        ),
        "approved": _step(_RQ, "send_request", "The requesting authority sends the request."),
        "transmitted": _step(
            "system", "deliver", "The gateway is delivering the request; a task says so if it needs a person."
        ),
        "delivered": _step(_RD, "acknowledge", "The requested authority acknowledges the request."),
        "received": _step(_RD, "start_review", "The requested authority begins its review."),
        "under_review": _step(_RD, "decide", "The requested authority decides on the request."),
        "info_requested": _step(
            _RQ, "give_information", "The requesting authority answers the questions asked."
        ),
        "in_execution": _step(_RD, "execute", "The requested authority executes the request."),
        "postponed": _step(
            _RD, "resume", "The requested authority resumes execution when the reason has gone."
        ),
        "refusal_consultation": _step(
            _RQ, "answer_consultation", "The requesting authority answers the consultation."
        ),
        "conditions_offered": _step(
            _RQ, "answer_offer", "The requesting authority accepts or declines the conditions."
        ),
        "partially_executed": _step(
            _RD, "execute_rest", "The requested authority executes the items still open."
        ),
        "executed": _step(_RD, "send_results", "The requested authority sends the results."),
        "results_transmitted": _step(_RQ, "check_results", "The requesting authority checks the results."),
        "results_received": _step(
            _RQ, "close", "Either authority closes the file when no condition is open."
        ),
        "refused": _step(_RQ, "close", "The requesting authority closes the file or consults again."),
        "returned_not_competent": _step(
            _RQ, "close", "The requesting authority closes the file or sends a new request."
        ),
        "withdrawn": _step(_RD, "confirm_stop", "The requested authority confirms that work has stopped."),
        "superseded": _step(
            _RQ, "close", "The requesting authority closes the file; a new request replaces it."
        ),
        "closed": _step("nobody", "none", "The file is closed."),
        "preservation_requested": _step(
            _RD, "acknowledge", "The duty officer of the requested authority acknowledges."
        ),
        "preservation_acknowledged": _step(
            _RD, "report", "The requested authority has the data preserved and reports."
        ),
        "preservation_at_risk": _step(
            _RQ, "decide_on_risk", "The requesting authority says whether to go on or to stop."
        ),
        "preserved": _step(
            _RQ, "send_mla_request", "The requesting authority sends its request before the data lapses."
        ),
        "partly_preserved": _step(
            _RQ, "send_mla_request", "The requesting authority sends its request before the data lapses."
        ),
        "preservation_extended": _step(
            _RQ, "send_mla_request", "The requesting authority sends its request before the data lapses."
        ),
        "held_pending_decision": _step(
            _RD, "decide", "The requested State decides on the request; the data stays preserved."
        ),
        "preservation_refused": _step("nobody", "none", "The preservation was refused."),
        "preservation_impossible": _step("nobody", "none", "The data could not be preserved."),
        "preservation_lapsed": _step("nobody", "none", "The preservation has lapsed."),
        "preservation_released": _step("nobody", "none", "The data has been released."),
        "preservation_returned": _step("nobody", "none", "The request was returned without a decision."),
    }
)

_GAP = _step(
    "system", "ask_for_missing", "Earlier messages of this thread are on their way; the gateway waits."
)
_FORK = _step("system", "resolve_fork", "Two messages bear one number; their sender must name the valid one.")
_WAITING = _step(
    _RQ, "decide_confidentiality", "The requesting authority says whether to go on without confidentiality."
)
_CONSENT = _step(_RD, "answer_use_consent", "The requested authority answers the request to use the results.")
_EXTENSION = _step(
    _RD, "answer_extension", "The requested authority answers the request to extend the preservation."
)


def next_step(
    state: str | None,
    *,
    forked: bool = False,
    missing: bool = False,
    waiting: bool = False,
    consent_open: bool = False,
    extension_open: bool = False,
) -> NextStep:
    """Return what is due in a state; an open question goes before the ordinary course."""
    for is_open, step in (
        (forked, _FORK),
        (missing, _GAP),
        (waiting, _WAITING),
        (extension_open, _EXTENSION),
        (consent_open, _CONSENT),
    ):
        if is_open:
            return step
    return _STEPS.get(state, _STEPS[None])


#: Reminders by action; working days are counted generously.
_PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {
        "acknowledge": timedelta(days=7),
        "confirm_in_writing": timedelta(hours=24),
        "answer_consultation": timedelta(days=14),
        "answer_offer": timedelta(days=14),
        "give_information": timedelta(days=30),
        "ask_for_missing": timedelta(days=1),
        "resolve_fork": timedelta(days=1),
        "report": timedelta(days=1),
    }
)
_DEFAULT_PERIOD = timedelta(days=14)
#: In the urgent lane: reminder and escalation.
_URGENT_PERIODS: Mapping[str, Mapping[str, timedelta]] = MappingProxyType(
    {
        "urgent": {
            "acknowledge": timedelta(minutes=30),
            "ask_for_missing": timedelta(minutes=15),
            "report": timedelta(hours=2),
        },
        "emergency": {
            "acknowledge": timedelta(minutes=10),
            "ask_for_missing": timedelta(minutes=15),
            "report": timedelta(minutes=30),
        },
    }
)


def due_at(step: NextStep, *, track: Track, urgency_level: str, since: datetime) -> datetime | None:
    """Return when to remind of a step that has been due since an instant; ``None`` where nobody acts.

    A preservation counts as urgent whatever its level says.
    """
    if step.actor == "nobody":
        return None
    level = urgency_level
    if track is Track.PRESERVATION and level not in _URGENT_PERIODS:
        level = "urgent"
    period = _URGENT_PERIODS.get(level, {}).get(step.action)
    return since + (period or _PERIODS.get(step.action, _DEFAULT_PERIOD))


def sentence_for(state: str, action: str) -> str:
    """Return the sentence for a stored state and action: an open question goes before the ordinary course."""
    special = (_FORK, _GAP, _WAITING, _CONSENT, _EXTENSION)
    return next((step.sentence for step in special if step.action == action), next_step(state).sentence)
