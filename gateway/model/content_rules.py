"""The rules about contents that a form answers by itself (and its documents, for V22).

Each returns what is lacking, nothing where the rule holds, and ``None`` where it does not apply.
The table with severities and articles is in ``contents``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from gateway.model.codes import CheckResult, code_list
from gateway.model.draft import Draft, Lack, absent
from gateway.model.fields import Tree, any_outside, at, is_given, rows, spread, text, texts, tree_of
from gateway.model.kind_contents import confiscation_lacks, kind_lacks, preservation_lacks, stated_values


def authorities(draft: Draft) -> Iterator[Lack]:
    """V01: authority and proceeding."""
    for path, label in (
        (("requesting_authority", "name"), "the name of the requesting authority"),
        (("requesting_authority", "function"), "the function of the requesting authority"),
        (("proceeding", "conducting_authority", "name"), "the authority that conducts the proceeding"),
        (("proceeding", "conducting_authority", "functions"), "the functions of the conducting authority"),
        (("proceeding", "subject_matter"), "the subject matter of the proceeding"),
        (("proceeding", "nature"), "the nature of the proceeding"),
    ):
        if not text(draft.form, *path):
            yield absent("$." + ".".join(path), f"Give {label}.")


def facts(draft: Draft) -> Iterable[Lack] | None:
    """V02: the facts, unless documents are only to be served."""
    types = draft.item_types
    if types and all(one == "service_of_documents" for one in types):
        return None
    return () if text(draft.form, "facts_summary") else (absent("$.facts_summary", "Summarise the facts."),)


def assistance(draft: Draft) -> Iterator[Lack]:
    """V03: the assistance, and what its kind adds."""
    items = draft.items
    if not items:
        yield absent("$.assistance", "Name at least one item of assistance, with its type and a description.")
    numbers = [number for _, row in items if isinstance(number := row.get("item_no"), int)]
    times = Counter(numbers) if len(set(numbers)) < len(numbers) else {}
    for n, row in items:
        if not text(row, "type"):
            yield absent(f"$.assistance[{n}].type", "Choose the type of assistance.")
        if not text(row, "description"):
            yield absent(f"$.assistance[{n}].description", "Describe the assistance asked for.")
        if isinstance(number := row.get("item_no"), int) and times.get(number, 0) > 1:
            yield absent(f"$.assistance[{n}].item_no", "Give each item a number of its own.")
    yield from kind_lacks(draft.form, draft.kind)


def persons(draft: Draft) -> Iterable[Lack]:
    """V04: the persons, where possible."""
    if rows(draft.form, "persons"):
        return ()
    return (
        absent("$.persons", "No person is identified: name the persons concerned or say why you cannot."),
    )


def purpose(draft: Draft) -> Iterable[Lack]:
    """V05: the purpose."""
    if text(draft.form, "purpose"):
        return ()
    return (absent("$.purpose", "Say for what purpose the evidence, information or action is asked for."),)


def respond_by(draft: Draft) -> Iterable[Lack] | None:
    """V06: a suggested date has its reason."""
    if not is_given(at(draft.form, "respond_by")):
        return None
    reason = text(draft.form, "respond_by", "reason")
    return () if reason else (absent("$.respond_by.reason", "Give the reason for the date, or remove it."),)


def urgency(draft: Draft) -> Iterator[Lack] | None:
    """V07: urgency has ground and reason."""
    if text(draft.form, "urgency", "level") not in {"urgent", "emergency"}:
        return None
    return urgency_lacks(draft)


def urgency_lacks(draft: Draft) -> Iterator[Lack]:
    """Yield what a request that says it is urgent does not say of it (V07)."""
    if not texts(draft.form, "urgency", "grounds"):
        yield absent("$.urgency.grounds", "Choose at least one ground of urgency.")
    if not text(draft.form, "urgency", "reason"):
        yield absent("$.urgency.reason", "Give the reason for the urgency.")


def scope(draft: Draft) -> Iterator[Lack] | None:
    """V10: the grounds for the scope of UNTOC."""
    return scope_lacks(draft) if draft.primary == "untoc" else None


def scope_lacks(draft: Draft) -> Iterator[Lack]:
    """Yield what is missing of the scope of UNTOC (V10)."""
    for member, what in (
        ("transnational", "Say whether the offence is transnational in nature."),
        ("organized_criminal_group", "Say whether an organized criminal group is involved."),
    ):
        if at(draft.form, "scope", member) is not True:
            yield absent(f"$.scope.{member}", what)
    if not text(draft.form, "scope", "reasonable_grounds"):
        yield absent(
            "$.scope.reasonable_grounds", "State the reasonable grounds to suspect it; proof is not needed."
        )


def confiscation(draft: Draft) -> Iterable[Lack] | None:
    """V12: contents by limb."""
    if draft.kind not in {"confiscation", "freezing_for_confiscation"}:
        return None
    return confiscation_lacks(draft.form, draft.instruments)


def preservation(draft: Draft) -> Iterable[Lack] | None:
    """V13: contents of Budapest 29(2)."""
    return preservation_lacks(draft.form) if draft.kind == "preservation" else None


def addresses(draft: Draft) -> Iterator[Lack] | None:
    """V14: an address identifies only with port and time."""
    items = rows(draft.form, "kind_details", "data_items")
    return _address_lacks(items) if items else None


def _address_lacks(items: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Lack]:
    for n, item in items:
        if not {"subscriber", "identification"} & set(texts(item, "data_categories")):
            continue
        for m, identifier in rows(item, "identifiers"):
            if text(identifier, "type") == "ip_address" and not (
                is_given(identifier.get("port")) and text(identifier, "at")
            ):
                yield absent(
                    f"$.kind_details.data_items[{n}].identifiers[{m}]",
                    "Give the port and the exact time: an address alone may be shared by many users.",
                )


def detainee(draft: Draft) -> Iterator[Lack] | None:
    """V15: consent of the detained person."""
    if "temporary_transfer_of_detainee" not in draft.item_types:
        return None
    roles = {text(row, "role") for _, row in rows(draft.form, "attachments")}
    return iter(
        ()
        if "consent" in roles
        else (absent("$.attachments", "Attach the person's written informed consent."),)
    )


#: A sum below this, in whatever currency it is stated, gets the reminder; no treaty names a figure.
_SMALL_VALUE = 1000


def de_minimis(draft: Draft) -> Iterator[Lack] | None:
    """V16: a value that looks trivial."""
    stated = stated_values(draft.form)
    if not stated:
        return None
    small = sum(amount for amount, _ in stated) < _SMALL_VALUE
    note = "The value is small: say why the matter is not trivial, or expect a refusal as de minimis."
    return iter((absent("$.assistance", note),) if small else ())


def emergency(draft: Draft) -> Iterator[Lack] | None:
    """V20: an emergency is about life or safety."""
    if text(draft.form, "urgency", "level") != "emergency":
        return None
    grounds = texts(draft.form, "urgency", "grounds")
    note = "An emergency is a risk to life or safety: add the ground threat_to_life or choose urgent."
    return iter(() if "threat_to_life" in grounds else (absent("$.urgency.grounds", note),))


def documents(draft: Draft) -> Iterable[Lack] | None:
    """V22: the documents are those of the list."""
    listed = rows(draft.form, "attachments")
    if draft.documents is None:
        sentence = "The documents are not at hand: size and digest of the attachments could not be checked."
        return (
            [Lack(field="$.attachments", sentence=sentence, result=CheckResult.NOT_CHECKED)]
            if listed
            else None
        )
    return _document_lacks(listed, draft.documents)


def _document_lacks(
    listed: list[tuple[int, Mapping[str, Any]]], documents: Mapping[str, tuple[int, str]]
) -> Iterator[Lack]:
    ids = [text(row, "attachment_id") for _, row in listed]
    times = Counter(ids)
    for (n, row), attachment_id in zip(listed, ids, strict=True):
        path, document = f"$.attachments[{n}]", documents.get(attachment_id)
        if times[attachment_id] > 1:
            yield absent(f"{path}.attachment_id", "Give each attachment an id of its own.")
        elif document is None:
            yield absent(path, "The document is not there: attach it or remove it from the list.")
        elif row.get("size_bytes") != document[0]:
            yield absent(f"{path}.size_bytes", "The document has another size: attach the right one.")
        elif row.get("sha256") != document[1]:
            yield absent(f"{path}.sha256", "The document has another digest: attach the right one.")
    if set(documents) - set(ids):
        yield absent(
            "$.attachments", "A document is attached that the list does not name: add it or leave it out."
        )


def national(draft: Draft) -> Iterator[Lack] | None:
    """V24: extradition of a national."""
    if draft.kind not in {"extradition", "provisional_arrest"}:
        return None
    state = text(draft.form, "requested_authority", "state")
    nationalities = {code for _, row in rows(draft.form, "persons") for code in texts(row, "nationalities")}
    is_national = (
        at(draft.form, "kind_details", "nationality_of_requested_state") is True or state in nationalities
    )
    offered = {text(row, "type") for _, row in rows(draft.form, "assurances")}
    answered = "return_to_serve_sentence" in offered or is_given(
        at(draft.form, "kind_details", "temporary_surrender")
    )
    note = (
        "The person is a national of the requested State: say whether return to serve the sentence,"
        " prosecution there or enforcement there is proposed."
    )
    return iter((absent("$.kind_details.temporary_surrender", note),) if is_national and not answered else ())


#: Places that hold a date which should lie ahead.
_DATES = (
    "respond_by.date",
    "kind_details.provisional_arrest.documents_due",
    "kind_details.intended_mla.expected_by",
    "kind_details.limitation_date",
    "kind_details.retention_ends_at",
    "kind_details.data_items[].retention_ends_at",
    "kind_details.measures_in_force[].until",
    "assistance[].details.proposed_slots[].start",
    "assistance[].details.technical.test_slot",
    "assistance[].details.latest_service_date",
)


def past_dates(draft: Draft) -> Iterable[Lack]:
    """V27: dates that have passed."""
    ahead = _Ahead(draft.today.isoformat())
    return _past_date_lacks(draft.form, ahead) if any_outside(draft.form, _dates(ahead)) else ()


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The texts that name no day before today."""

    today: str

    def __contains__(self, written: object) -> bool:
        return not (isinstance(written, str) and written[:10] < self.today and written[:4].isdigit())


def _past_date_lacks(form: Mapping[str, Any], ahead: _Ahead) -> Iterator[Lack]:
    for pattern in _DATES:
        for path, value in spread(form, pattern):
            if value not in ahead:
                yield absent(path, "This date has passed: correct it, or send the request all the same.")


@lru_cache(maxsize=2)
def _dates(ahead: _Ahead) -> Tree:
    return tree_of(dict.fromkeys(_DATES, ahead))


#: Places that hold a code, and the list it should come from.
_CODED = {
    "request_kind": "request_kind",
    "instruments[].code": "instrument",
    "urgency.level": "urgency_level",
    "urgency.grounds[]": "urgency_ground",
    "confidentiality.level": "confidentiality_level",
    "proceeding.stage": "proceeding_stage",
    "offences[].crime_type": "crime_type",
    "persons[].role": "person_role",
    "assistance[].type": "assistance_type",
    "assistance[].details.property[].kind": "property_kind",
    "assurances[].type": "assurance_type",
    "attachments[].role": "document_role",
    "related_references[].relation": "reference_relation",
    "thread.message_type": "message_type",
    "kind_details.limb": "confiscation_limb",
    "kind_details.property_link": "property_link",
    "kind_details.data_items[].data_categories[]": "data_category",
    "kind_details.intended_mla.type": "assistance_type",
}


def unknown_codes(draft: Draft) -> Iterable[Lack]:
    """V28: codes this version does not know."""
    return _unknown_code_lacks(draft.form) if any_outside(draft.form, _codes()) else ()


def _unknown_code_lacks(form: Mapping[str, Any]) -> Iterator[Lack]:
    for pattern, name in _CODED.items():
        known = code_list(name)
        for path, value in spread(form, pattern):
            if isinstance(value, str) and value not in known:
                yield absent(path, "This code is unknown here: a person decides what it means.")


@cache
def _codes() -> Tree:
    return tree_of({pattern: frozenset(code_list(name)) for pattern, name in _CODED.items()})
