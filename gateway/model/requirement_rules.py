"""The rule about what an addressee has published: annexes, originals, languages, thresholds, model forms.

It only warns, because the requested authority decides; a condition in words and a threshold that no field
answers are shown as not checked. Only an issue in force counts, and the outcome names it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.model.codes import CheckResult, Severity
from gateway.model.draft import Draft, Lack, without_directory
from gateway.model.fields import at, rows, spread, text
from gateway.model.kind_contents import stated_values
from gateway.model.requirements import is_in_force, issue, of_kind

_MIB = 1024 * 1024


def requirements(draft: Draft) -> Iterable[Lack] | None:
    """V26: what the addressee has published (UNTOC 18(14), (15))."""
    if draft.facts is None:
        return without_directory("The addressee's published requirements")
    published = draft.facts.requirements
    if published is None:
        return None
    if not is_in_force(published, draft.today):
        sentence = f"{_issue(published)} is not in force yet, and the one before is not at hand: ask for it."
        return [Lack(field="$", sentence=sentence, result=CheckResult.NOT_CHECKED)]
    return _lacks_and_issue(draft.form, published, today=draft.today)


def _lacks_and_issue(form: Mapping[str, Any], published: Mapping[str, Any], *, today: date) -> Iterator[Lack]:
    """Yield what is lacking, and last against which issue that was checked."""
    yield from _requirement_lacks(form, published, today=today)
    sentence = f"Checked against {_issue(published).lower()}, in force since {text(published, 'valid_from')}."
    yield Lack(field="$", sentence=sentence, severity=Severity.I, result=CheckResult.OK)


def _issue(published: Mapping[str, Any]) -> str:
    return f"Issue {issue(published)} of the addressee's requirements"


def _requirement_lacks(
    form: Mapping[str, Any], requirements: Mapping[str, Any], *, today: date
) -> Iterator[Lack]:
    """Yield what the draft lacks against a requirements file; whatever its shape, nothing is raised."""
    kind = text(form, "request_kind")
    attached = {text(row, "role") for _, row in rows(form, "attachments")}
    for row in of_kind(requirements, "annexes", kind):
        role = text(row, "document_role")
        if role in attached:
            continue
        if text(row, "required") == "always":
            yield Lack(
                field="$.attachments", sentence=f"The addressee asks for this annex: {role}. Attach it."
            )
        else:
            sentence = f"The addressee asks for this annex: {role}, if {text(row, 'condition')}. Check that."
            yield Lack(field="$.attachments", sentence=sentence, result=CheckResult.NOT_CHECKED)
    for row in of_kind(requirements, "originals", kind):
        if text(row, "document_role") in attached:
            sentence = (
                f"The addressee asks for the original too: {text(row, 'document_role')} as"
                f" {text(row, 'form')}, within {at(row, 'within_days')} days."
            )
            yield Lack(field="$.attachments", sentence=sentence)
    for row in of_kind(requirements, "model_forms", kind):
        if at(row, "mandatory") is True:
            sentence = (
                f"The addressee asks for its own form: {text(row, 'title')}. Check that it is attached."
            )
            yield Lack(field="$.attachments", sentence=sentence, result=CheckResult.NOT_CHECKED)
    yield from _language_lacks(form, requirements)
    for row in of_kind(requirements, "thresholds", kind):
        yield from _threshold_lacks(form, row, today)


def _language_lacks(form: Mapping[str, Any], requirements: Mapping[str, Any]) -> Iterator[Lack]:
    """Yield where the request or an annex is in a language that is taken with a translation only."""
    if rows(form, "translations"):
        return
    listed = rows(requirements, "languages")
    request = (("$.translations", "request", text(form, "language")),)
    annexes = tuple(
        (f"$.attachments[{n}]", "annexes", text(row, "language")) for n, row in rows(form, "attachments")
    )
    for path, part, written_in in (*request, *annexes):
        handling = {
            text(row, "handling")
            for _, row in listed
            if _base(text(row, "language")) == _base(written_in) and text(row, "part") in {part, "all"}
        }
        if handling == {"with_translation"}:
            sentence = "The addressee takes this language only with a translation: attach one."
            yield Lack(field=path, sentence=sentence)


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def _threshold_lacks(form: Mapping[str, Any], row: Mapping[str, Any], today: date) -> Iterator[Lack]:
    """Yield a warning where a threshold is missed, or a note where no field of the form answers it."""
    threshold = text(row, "type")
    try:
        limit = Decimal(str(row.get("value")))
    except InvalidOperation:
        return
    if threshold == "lead_time_days":
        for pattern in ("respond_by.date", "assistance[].details.proposed_slots[].start"):
            for path, value in spread(form, pattern):
                days = _days_until(value, today)
                if days is not None and days < limit:
                    yield Lack(
                        field=path, sentence=f"The addressee asks for {limit} days of notice before a date."
                    )
    elif threshold == "max_period_days":
        wanted = at(form, "kind_details", "requested_days")
        if isinstance(wanted, int) and wanted > limit:
            sentence = f"The addressee grants at most {limit} days at once: ask for fewer and renew."
            yield Lack(field="$.kind_details.requested_days", sentence=sentence)
    elif threshold == "minimum_value":
        values = [amount for amount, currency in stated_values(form) if currency == text(row, "unit")]
        if values and sum(values) < limit:
            sentence = (
                f"The addressee acts from {limit} {text(row, 'unit')} on: say why this matter should count."
            )
            yield Lack(field="$.assistance", sentence=sentence)
    elif threshold == "max_attachment_mib":
        for path, size in spread(form, "attachments[].size_bytes"):
            if isinstance(size, int) and size > limit * _MIB:
                sentence = (
                    f"By mail the addressee takes at most {limit} MiB per attachment: send it another way."
                )
                yield Lack(field=path, sentence=sentence)
    else:
        note = f", {said}" if (said := text(row, "note")) else ""
        sentence = f"The addressee has published a threshold ({threshold} {limit}{note}): check it by hand."
        yield Lack(field="$", sentence=sentence, result=CheckResult.NOT_CHECKED)


def _days_until(value: object, today: date) -> int | None:
    try:
        return (date.fromisoformat(str(value)[:10]) - today).days
    except ValueError:
        return None
