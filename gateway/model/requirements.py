"""What a requested authority has published about incoming requests, in words and by kind. Pure and lenient.

The file is data that its authority signed (docs/directory.md); it warns and never blocks, because the
requested State decides. Whatever its shape, nothing is raised: a part of the wrong shape reads as absent.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from gateway.model.fields import at, rows, text, texts


def issue(requirements: Mapping[str, Any]) -> int | None:
    """Return the number of the issue."""
    version = at(requirements, "version")
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def is_in_force(requirements: Mapping[str, Any], today: date) -> bool:
    """Say whether the issue applies today; one without a readable date does."""
    try:
        return date.fromisoformat(text(requirements, "valid_from")) <= today
    except ValueError:
        return True


def of_kind(requirements: Mapping[str, Any], member: str, kind: str) -> list[Mapping[str, Any]]:
    """Return the rows of a member that speak of a request kind."""
    return [row for _, row in rows(requirements, member) if text(row, "request_kind") == kind]


def languages_of(requirements: Mapping[str, Any], handling: str) -> frozenset[str]:
    """Return the languages of the request itself that are ``accepted`` or taken ``with_translation``."""
    return frozenset(
        text(row, "language")
        for _, row in rows(requirements, "languages")
        if text(row, "handling") == handling and text(row, "part") in {"request", "all"}
    )


def asked_for(requirements: Mapping[str, Any], kind: str) -> Iterator[str]:
    """Yield what is asked for a kind, one sentence each, for the officer who drafts."""
    for row in of_kind(requirements, "annexes", kind):
        when = f", if {text(row, 'condition')}" if text(row, "required") == "if" else ""
        yield f"Annex: {text(row, 'document_role')}{when}."
    for row in of_kind(requirements, "originals", kind):
        yield (
            f"Original: {text(row, 'document_role')} as {text(row, 'form')},"
            f" within {at(row, 'within_days')} days of sending."
        )
    for row in of_kind(requirements, "thresholds", kind):
        unit, note = text(row, "unit"), text(row, "note")
        yield (
            f"{_THRESHOLDS.get(text(row, 'type'), text(row, 'type'))}: {at(row, 'value')}"
            + (f" {unit}" if unit else "")
            + (f" ({note})." if note else ".")
        )
    for row in of_kind(requirements, "model_forms", kind):
        must = "mandatory" if at(row, "mandatory") is True else "optional"
        yield f"Model form, {must}: {text(row, 'title')} ({', '.join(texts(row, 'languages'))})."


_THRESHOLDS = {
    "minimum_penalty_months": "Least maximum penalty, months",
    "minimum_value": "Least value",
    "minimum_remaining_sentence_months": "Least remaining sentence, months",
    "lead_time_days": "Notice wanted before a date, days",
    "max_period_days": "Longest period asked for at once, days",
    "max_attachment_mib": "Largest attachment by mail, MiB",
}
