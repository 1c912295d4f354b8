"""The rules about contents that need the directory: language, basis, designation, route, requirements.

Without the directory they say that they could not be checked, which never counts as ok. What an
addressee has published only warns, because the requested authority decides; a condition in words and
a threshold that no field answers are shown as not checked.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.model.addressee import DesignationMatch, DirectoryFacts
from gateway.model.codes import CheckResult, Severity, code_list, is_known
from gateway.model.draft import Draft, Lack, absent, without_directory
from gateway.model.fields import at, is_given, rows, spread, text
from gateway.model.kind_contents import stated_values

_MIB = 1024 * 1024


def language(draft: Draft) -> Iterable[Lack]:
    """V08: the addressee can read it."""
    if draft.facts is None:
        return without_directory("The language")
    accepted = {_base(language) for language in draft.facts.accepted_languages}
    if _base(text(draft.form, "language")) in accepted:
        return []
    attached = {text(row, "attachment_id") for _, row in rows(draft.form, "attachments")}
    translations = rows(draft.form, "translations")
    if any(
        _base(text(row, "language")) in accepted and text(row, "attachment_id") in attached
        for _, row in translations
    ):
        return []
    codes = ", ".join(sorted(accepted))
    if text(draft.form, "special_circumstances", "translation_waiver"):
        sentence = f"The addressee accepts {codes}; a waiver is recorded: keep its proof with the file."
        return [Lack(field="$.translations", sentence=sentence, severity=Severity.W)]
    return [
        absent("$.translations", f"The addressee accepts {codes}: attach a translation or record a waiver.")
    ]


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def basis(draft: Draft) -> Iterable[Lack]:
    """V09: the primary instrument binds both States."""
    bound = None if draft.facts is None else draft.facts.both_bound
    if bound is None:
        sentence = "The directory does not say whether the primary instrument binds both States: look it up."
        return [Lack(field="$.instruments", sentence=sentence, result=CheckResult.NOT_CHECKED)]
    if bound:
        return []
    return [
        absent(
            "$.instruments",
            "The primary instrument is not in force between the two States: choose another one, a bilateral"
            " treaty, reciprocity or the domestic law of the requested State.",
        )
    ]


def designation(draft: Draft) -> Iterable[Lack]:
    """V11: the addressee is designated (UNTOC 18(13))."""
    if draft.facts is None or not is_known("request_kind", draft.kind):
        return without_directory("The addressee's designation")
    if draft.facts.designation is DesignationMatch.FALLBACK:
        sentence = (
            "Sent to this authority without a 24/7 designation under the named instrument: make sure that the"
            " legal basis binds the requested State."
        )
        return [Lack(field="$.requested_authority", sentence=sentence, severity=Severity.W)]
    if draft.facts.designation is DesignationMatch.NONE:
        needed = " or ".join(code_list("request_kind")[draft.kind].roles)
        return [
            absent(
                "$.requested_authority",
                f"The addressee is not designated for this kind under the named instruments ({needed}):"
                " choose the designated authority from the directory.",
            )
        ]
    return []


def oral(draft: Draft) -> Iterable[Lack] | None:
    """V21: an oral request that is confirmed was possible and is named."""
    confirms = text(draft.form, "thread", "message_type") == "written_confirmation"
    if not confirms and not is_given(at(draft.form, "oral_request")):
        return None
    lacks = []
    relations = {text(row, "relation") for _, row in rows(draft.form, "related_references")}
    if "confirms_oral" not in relations:
        lacks.append(absent("$.related_references", "Name the oral request with the relation confirms_oral."))
    if at(draft.form, "oral_request", "agreed") is not True:
        if draft.facts is None or draft.facts.both_accept_oral is None:
            lacks += without_directory("Whether both sides take oral requests")
        elif not draft.facts.both_accept_oral:
            lacks.append(
                absent("$.oral_request", "One side takes no oral requests: send a full request instead.")
            )
    return lacks


def formal_route(draft: Draft) -> Iterator[Lack] | None:
    """V25: another formal route is required."""
    return None if draft.facts is None else _formal_route_notes(draft.facts)


def _formal_route_notes(facts: DirectoryFacts) -> Iterator[Lack]:
    if facts.requires_diplomatic_channel:
        yield absent(
            "$.requested_authority",
            "The diplomatic channel is required: send the print set as well; this is the advance copy.",
        )
    if facts.requires_paper_original:
        yield absent(
            "$.requested_authority", "The addressee wants a paper original: send it after this request."
        )


def requirements(draft: Draft) -> Iterable[Lack] | None:
    """V26: what the addressee has published (UNTOC 18(14), (15))."""
    if draft.facts is None:
        return without_directory("The addressee's published requirements")
    if draft.facts.requirements is None:
        return None
    return _requirement_lacks(draft.form, draft.facts.requirements, today=draft.today)


def _requirement_lacks(
    form: Mapping[str, Any], requirements: Mapping[str, Any], *, today: date
) -> Iterator[Lack]:
    """Yield what the draft lacks against a requirements file; whatever its shape, nothing is raised."""
    kind = text(form, "request_kind")
    attached = {text(row, "role") for _, row in rows(form, "attachments")}
    for row in _of_kind(requirements, "annexes", kind):
        role = text(row, "document_role")
        if role in attached:
            continue
        if text(row, "required") == "always":
            yield Lack(
                field="$.attachments", sentence=f"The addressee asks for this annex: {role}. Attach it."
            )
        else:
            sentence = f"In some cases the addressee asks for this annex: {role}. Read its condition."
            yield Lack(field="$.attachments", sentence=sentence, result=CheckResult.NOT_CHECKED)
    for row in _of_kind(requirements, "originals", kind):
        if text(row, "document_role") in attached:
            sentence = f"Send the original on paper too, as the addressee asks: {text(row, 'document_role')}."
            yield Lack(field="$.attachments", sentence=sentence)
    yield from _language_lacks(form, requirements)
    for row in _of_kind(requirements, "thresholds", kind):
        yield from _threshold_lacks(form, row, today)


def _of_kind(requirements: Mapping[str, Any], member: str, kind: str) -> list[Mapping[str, Any]]:
    return [row for _, row in rows(requirements, member) if text(row, "request_kind") == kind]


def _language_lacks(form: Mapping[str, Any], requirements: Mapping[str, Any]) -> Iterator[Lack]:
    language = text(form, "language").partition("-")[0]
    handling = {
        text(row, "handling")
        for _, row in rows(requirements, "languages")
        if text(row, "language").partition("-")[0] == language and text(row, "part") in {"request", "all"}
    }
    if "with_translation" in handling and "accepted" not in handling and not rows(form, "translations"):
        sentence = "The addressee takes this language only with a translation: attach one."
        yield Lack(field="$.translations", sentence=sentence)


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
        sentence = f"The addressee has published a threshold ({threshold}): check it by hand."
        yield Lack(field="$", sentence=sentence, result=CheckResult.NOT_CHECKED)


def _days_until(value: object, today: date) -> int | None:
    try:
        return (date.fromisoformat(str(value)[:10]) - today).days
    except ValueError:
        return None
