"""``rogatory preservation``: what the authority says that was asked to preserve."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli.output import Common
from gateway.cli.preservation import Saying, say


def ack(
    ref: str,
    *,
    next_report: str | None = None,
    question: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    forwarded_to: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Tell the requesting authority that a person has its request.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    next_report:
        When you will report next, such as 2026-11-19T06:00:00Z; in two hours if it is not said.
    question:
        What you must know before you can act.
    forwarded_to:
        Whom the request was given to, where your office is not competent.
    """
    said = {
        "blocking_questions": question,
        "forwarded_to": {"name": forwarded_to} if forwarded_to else None,
    }
    times = {"next_report_by": next_report}
    return say(ref, "preservation_acknowledgement", said, saying, common, times=times)


def report(
    ref: str,
    *,
    effected: str | None = None,
    days: int | None = None,
    measure: str | None = None,
    custodian: str | None = None,
    custodian_reference: str | None = None,
    approver: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Report what is preserved, since when and until when.

    What is said here holds for every item; items that differ stand in the file of --content, under "items".

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    effected:
        When the measure took effect, such as 2026-11-19T01:10:00Z, or now.
    days:
        How long it lasts from then; by the own State's record if it is not said.
    measure:
        Legal measure used.
    custodian:
        Who holds the data.
    custodian_reference:
        Its reference.
    approver:
        Pseudonym of the approver who signs, where the report sets conditions.
    """
    said = {
        "days": days,
        "measure": measure,
        "custodian": custodian,
        "custodian_reference": custodian_reference,
    }
    times = {"effected_at": effected}
    return say(ref, "preservation_report", said, saying, common, approver=approver, times=times)


def warn_risk(
    ref: str,
    *,
    risk: Literal["future_availability", "confidentiality", "prejudice"],
    explanation: str,
    question: str,
    answer_by: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Warn that preserving would not secure the data, or would harm the case (Budapest 29(6)).

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    risk:
        Which one.
    explanation:
        Why.
    question:
        What the requesting authority has to decide.
    answer_by:
        Until when it answers; in twelve hours if it is not said.
    """
    said = {
        "risk": risk,
        "explanation": explanation,
        "question": question,
    }
    return say(ref, "preservation_risk_notice", said, saying, common, times={"answer_by": answer_by})


def extension(
    ref: str,
    *,
    refuse: Annotated[str | None, Parameter(negative=())] = None,
    until: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Answer a request for extension: yes, as asked or until another time, or no.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    refuse:
        Say no, with this reason.
    until:
        New end, such as 2027-05-18T01:10:00Z; as asked if it is not said.
    """
    said = {"granted": refuse is None, "reason": refuse}
    times = {} if refuse else {"until": until}
    return say(ref, "preservation_extension_report", said, saying, common, times=times)


def disclose(
    ref: str,
    *,
    state: str,
    provider: str,
    path: str,
    approver: str,
    attach: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Disclose that a provider of another State took part, and the path (Budapest 30). An approver signs.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    state:
        Two letters of the provider's State.
    provider:
        Its name.
    path:
        The path of the communication.
    approver:
        Pseudonym of the approver who signs; not the one who drafts.
    attach:
        Files with the traffic data.
    """
    said = {"provider": {"state": state.upper(), "name": provider}, "path": path}
    return say(ref, "traffic_data_disclosure", said, saying, common, approver=approver, attach=attach or ())


def return_(
    ref: str,
    *,
    reason: Literal[
        "not_competent",
        "language",
        "translation_missing",
        "insufficient_information",
        "not_party",
        "paper_original_required",
        "duplicate",
        "other",
    ],
    explanation: str,
    forwarded_to: str | None = None,
    contact_office: str | None = None,
    contact_email: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Return a request without deciding on it, or say to whom it was forwarded.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    reason:
        Why; a return is no refusal.
    explanation:
        In words.
    forwarded_to:
        Whom it was forwarded to; then its contact as well.
    contact_office:
        Office to turn to.
    contact_email:
        Its e-mail address.
    """
    contact = {"office": contact_office or forwarded_to, "email": contact_email}
    said = {
        "return_reason": reason,
        "explanation": explanation,
        "forwarded_to": {"name": forwarded_to} if forwarded_to else None,
        "new_contact": contact if contact_email else None,
    }
    return say(ref, "competence_notice", said, saying, common)


def refuse(
    ref: str,
    *,
    ground: str,
    source: str,
    reasons: str,
    alternative: str,
    vanish: Literal["yes", "no"],
    approver: str,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Refuse to preserve (Budapest 29(4), (5)). You draft it; an approver signs.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    ground:
        political_offence, essential_interests or preservation_dual_criminality_reserved.
    source:
        Article or provision it rests on.
    reasons:
        In words.
    alternative:
        What could be done instead.
    vanish:
        Whether the data may vanish.
    approver:
        Pseudonym of the approver who signs; not the one who drafts.
    """
    said = {
        "ground": ground,
        "legal_source": source,
        "reasons": reasons,
        "alternative": alternative,
        "data_may_vanish": vanish == "yes",
    }
    return say(ref, "refusal", said, saying, common, approver=approver)


def warn_end(ref: str, *, saying: Saying | None = None, common: Common | None = None) -> int:
    """Tell the requesting authority that a preservation is about to end.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    """
    return say(ref, "preservation_expiry_warning", {}, saying, common)


def progress(
    ref: str,
    *,
    stage: str,
    note: str | None = None,
    saying: Saying | None = None,
    common: Common | None = None,
) -> int:
    """Report how far a preservation is, before there is a report.

    Parameters
    ----------
    ref:
        A bundle id, from/bid, or either side's reference.
    stage:
        How far it is, in words.
    note:
        What else there is to say.
    """
    return say(ref, "status_report", {"stage": stage, "note": note}, saying, common)
