"""The rules about contents that need the directory: language, basis, designation, route.

Without the directory they say that they could not be checked, which never counts as ok.
"""

from collections.abc import Iterable, Iterator

from gateway.model.addressee import DesignationMatch, DirectoryFacts
from gateway.model.codes import CheckResult, Severity, code_list, is_known
from gateway.model.draft import Draft, Lack, absent, without_directory
from gateway.model.fields import at, is_given, rows, text


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
