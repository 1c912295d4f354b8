"""What single kinds of request must say beyond the common contents, each with its article.

Confiscation by limb (UNTOC 13(3), UNCAC 55(3)), preservation (Budapest 29(2)), traffic data (Budapest 30),
emergencies (Second Additional Protocol 9), and the details of other kinds, which warn: there the requested
State decides what it needs. Never raises.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.model.codes import CheckResult, Severity, is_known
from gateway.model.draft import Lack
from gateway.model.fields import at, is_given, rows, text, texts

#: Details by kind: (members of which one must be given, what to do, article).
_DETAILS: Mapping[str, tuple[tuple[tuple[str, ...], str, str], ...]] = {
    "extradition": (
        (("purpose",), "Say whether extradition is for prosecution or to enforce a sentence.", "UNTOC 16(1)"),
        (("person_no",), "Name the person sought.", "UNTOC 16(1)"),
        (("warrant", "conviction"), "Describe the warrant or the judgment.", "UNTOC 16(7)"),
        (("limitation",), "State that prosecution or enforcement is not time-barred.", "UNTOC 16(7)"),
    ),
    "provisional_arrest": (
        (("person_no",), "Name the person sought.", "UNTOC 16(9)"),
        (("warrant",), "Give reference and date of the warrant.", "UNTOC 16(9)"),
    ),
    "transfer_of_sentenced_person": ((("person_no",), "Name the sentenced person.", "UNTOC 17"),),
    "transfer_of_proceedings": (
        (("grounds",), "Choose the grounds for the transfer.", "UNTOC 21"),
        (("interests_of_justice",), "Say why the transfer serves the administration of justice.", "UNTOC 21"),
        (("file_inventory",), "List the contents of the file.", "UNTOC 21"),
        (("limitation_date",), "Give the date on which prosecution becomes time-barred.", "UNTOC 21"),
        (
            ("measures_in_force",),
            "List the measures in force and when they end, or say there are none.",
            "UNTOC 21",
        ),
        (("stay_undertaking",), "State the undertaking to stay the proceedings.", "UNTOC 21"),
        (("ne_bis_in_idem_statement",), "State whether a final judgment exists on these facts.", "UNTOC 21"),
    ),
    "maritime_flag_state": ((("vessel",), "Name and describe the vessel.", "1988 Convention 17(3)"),),
    "emergency_disclosure": (
        (("custodian",), "Name the provider or whoever holds the data.", "Second Additional Protocol 9(3)"),
        (("data_items",), "Describe the data in detail.", "Second Additional Protocol 9(3)"),
        (("useful_until",), "Say until when the data is of use.", "Second Additional Protocol 9, 10"),
        (
            ("return_channel",),
            "Say by which way the data is to come back.",
            "Second Additional Protocol 9(3)",
        ),
        (("certified_by",), "Name the office that certifies the emergency.", "design rule"),
    ),
    "preserved_traffic_data_disclosure": (
        (("communication", "data_items"), "Identify the communication.", "Budapest Convention 30(1)"),
        (("custodian",), "Name the provider that preserved the data.", "Budapest Convention 30(1)"),
    ),
}
#: Documents by kind: roles of which one must be attached.
_DOCUMENTS: Mapping[str, tuple[tuple[tuple[str, ...], str, str], ...]] = {
    "extradition": (
        (("warrant", "judgment"), "Attach the warrant or the judgment.", "UNTOC 16(7)"),
        (("legal_provisions",), "Attach the text of the provisions.", "UNTOC 16(7)"),
        (("identity_evidence",), "Attach evidence of identity.", "UNTOC 16(7)"),
    ),
    "transfer_of_sentenced_person": (
        (("consent",), "Attach the person's consent.", "UNTOC 17"),
        (("judgment",), "Attach the certified judgment.", "UNTOC 17"),
    ),
}


def kind_lacks(form: Mapping[str, Any], kind: str) -> Iterator[Lack]:
    """Yield what a kind's details and documents lack; these warn."""
    details = at(form, "kind_details")
    for members, sentence, source in _DETAILS.get(kind, ()):
        if not any(at(details, member) is not None for member in members):
            yield Lack(
                field=f"$.kind_details.{members[0]}", sentence=sentence, severity=Severity.W, source=source
            )
    yield from _LACKS_OF.get(kind, _nothing)(form)
    enforces = kind == "extradition" and text(details, "purpose") == "enforcement_of_sentence"
    if enforces and not is_given(at(details, "remaining_sentence")):
        yield Lack(
            field="$.kind_details.remaining_sentence",
            sentence="Give the sentence that remains to be served.",
            severity=Severity.W,
            source="UNTOC 16(7)",
        )
    for roles, sentence, source in _DOCUMENTS.get(kind, ()):
        if not set(roles) & _attached(form):
            yield Lack(field="$.attachments", sentence=sentence, severity=Severity.W, source=source)


def _nothing(form: Mapping[str, Any]) -> Iterator[Lack]:
    yield from ()


def _emergency_lacks(form: Mapping[str, Any]) -> Iterator[Lack]:
    """Yield what makes it an emergency, which nothing can stand in for (Second Additional Protocol 9(3))."""
    for member, sentence in (
        ("risk_facts", "Give the facts that show the imminent risk to life or safety."),
        ("relationship_to_risk", "Say how the data relates to that risk."),
    ):
        if not text(form, "kind_details", member):
            yield Lack(
                field=f"$.kind_details.{member}", sentence=sentence, source="Second Additional Protocol 9(3)"
            )
    if not any(text(row, "max_penalty") for _, row in rows(form, "offences")):
        yield Lack(
            field="$.offences",
            sentence="Name the offence with its penalty.",
            severity=Severity.W,
            source="Second Additional Protocol 9(3)",
        )


def _traffic_lacks(form: Mapping[str, Any]) -> Iterator[Lack]:
    """Yield what ties a disclosure of traffic data to its preservation (Budapest 30(1))."""
    related = [text(row, "relation") for _, row in rows(form, "related_references")]
    if "follows_preservation" not in related and not text(form, "kind_details", "preservation_reference"):
        yield Lack(
            field="$.related_references",
            sentence="Name the preservation in which the data is kept.",
            source="Budapest Convention 30(1)",
        )


#: What a kind lacks beyond ``_DETAILS``.
_LACKS_OF: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Lack]]] = {
    "emergency_disclosure": _emergency_lacks,
    "preserved_traffic_data_disclosure": _traffic_lacks,
}


def confiscation_lacks(form: Mapping[str, Any], instruments: frozenset[str]) -> Iterator[Lack]:
    """Yield what a confiscation request lacks for its limb (UNTOC 13(3), UNCAC 55(3))."""
    limb = text(form, "kind_details", "limb")
    if not limb:
        sentence = "Choose what is asked for: a domestic order, execution of your order, or freezing."
        yield Lack(field="$.kind_details.limb", sentence=sentence)
        return
    if not is_known("confiscation_limb", limb):
        sentence = "The limb is unknown here, so its contents could not be checked."
        yield Lack(field="$.kind_details.limb", sentence=sentence, result=CheckResult.NOT_CHECKED)
        return
    letter = {"domestic_order": "a", "foreign_order": "b", "freeze_seize": "c"}[limb]
    articles = ["UNTOC 13(3)", "UNCAC 55(3)"] if "uncac" in instruments else ["UNTOC 13(3)"]
    source = ", ".join(f"{article}({letter})" for article in articles)
    if not text(form, "facts_summary"):
        yield Lack(field="$.facts_summary", sentence="State the facts relied upon.", source=source)
    if limb == "domestic_order":
        yield from _property_lacks(form, source)
    elif limb == "foreign_order":
        yield from _order_lacks(form, source)
    elif not text(form, "kind_details", "actions_requested"):
        yield Lack(
            field="$.kind_details.actions_requested",
            sentence="Describe the actions requested.",
            source=source,
        )
    if "uncac" in instruments:
        yield from _uncac_lacks(form, limb)


def _property_lacks(form: Mapping[str, Any], source: str) -> Iterator[Lack]:
    found = _property(form)
    if not found:
        yield Lack(field="$.assistance", sentence="Describe the property to be confiscated.", source=source)
    for path, row in found:
        if not text(row, "description"):
            yield Lack(field=f"{path}.description", sentence="Describe the property.", source=source)


def _order_lacks(form: Mapping[str, Any], source: str) -> Iterator[Lack]:
    if "confiscation_order" not in _attached(form):
        sentence = "Attach a legally admissible copy of the confiscation order."
        yield Lack(field="$.attachments", sentence=sentence, source=source)
    if not text(form, "kind_details", "extent_of_execution"):
        sentence = "Say to what extent the order is to be executed."
        yield Lack(field="$.kind_details.extent_of_execution", sentence=sentence, source=source)


def _uncac_lacks(form: Mapping[str, Any], limb: str) -> Iterator[Lack]:
    """Yield what UNCAC 55(3) adds: for an order it is required, location and value as far as possible."""
    if limb == "domestic_order":
        for path, row in _property(form):
            for member, words in (("location", "location"), ("estimated_value", "estimated value")):
                if not is_given(row.get(member)):
                    sentence = f"Give the {words} of the property as far as possible."
                    yield Lack(
                        field=f"{path}.{member}",
                        sentence=sentence,
                        severity=Severity.W,
                        source="UNCAC 55(3)(a)",
                    )
    elif limb == "foreign_order":
        if not is_given(at(form, "kind_details", "third_parties", "notice_given")):
            sentence = "State the measures taken to notify bona fide third parties and to ensure due process."
            yield Lack(
                field="$.kind_details.third_parties.notice_given", sentence=sentence, source="UNCAC 55(3)(b)"
            )
        if at(form, "kind_details", "domestic_order", "final") is not True:
            sentence = "State that the confiscation order is final."
            yield Lack(
                field="$.kind_details.domestic_order.final", sentence=sentence, source="UNCAC 55(3)(b)"
            )
    elif not {"domestic_order", "confiscation_order"} & _attached(form):
        sentence = "Attach a legally admissible copy of the order, where there is one."
        yield Lack(field="$.attachments", sentence=sentence, severity=Severity.W, source="UNCAC 55(3)(c)")


def preservation_lacks(form: Mapping[str, Any]) -> Iterator[Lack]:
    """Yield what a preservation request lacks; each names its letter of Budapest 29(2)."""
    details = at(form, "kind_details")

    def lack(letter: str, member: str, sentence: str, severity: Severity | None = None) -> Lack:
        source = f"Budapest Convention 29(2)({letter})"
        return Lack(field=f"$.{member}", sentence=sentence, severity=severity, source=source)

    if not text(form, "requesting_authority", "authority_id"):
        yield lack("a", "requesting_authority", "Name the authority that seeks the preservation.")
    if not rows(form, "offences"):
        yield lack("b", "offences", "Name the offence that is investigated.")
    if not text(form, "facts_summary"):
        yield lack("b", "facts_summary", "Summarise the facts briefly.")
    items = rows(details, "data_items")
    if not items:
        yield lack("c", "kind_details.data_items", "Name the data to be preserved.")
    for n, row in items:
        if not text(row, "description"):
            yield lack("c", f"kind_details.data_items[{n}].description", "Describe the data.")
        if not texts(row, "data_categories"):
            yield lack("c", f"kind_details.data_items[{n}].data_categories", "Choose the categories of data.")
    if not text(details, "relationship_to_offence"):
        yield lack("c", "kind_details.relationship_to_offence", "Say how the data relates to the offence.")
    if not is_given(at(details, "custodian")) and not is_given(at(details, "system_location")):
        sentence = "Give what is known of the custodian or of the location of the system."
        yield lack("d", "kind_details.custodian", sentence, Severity.W)
    if not text(details, "necessity"):
        yield lack("e", "kind_details.necessity", "Say why the preservation is necessary.")
    if at(details, "intends_mla") is not True:
        sentence = (
            "State that a request for mutual assistance will follow; without it data cannot be preserved."
        )
        yield lack("f", "kind_details.intends_mla", sentence)
    elif not is_given(at(details, "intended_mla")):
        sentence = "Say what request will follow, when and by which route."
        yield lack("f", "kind_details.intended_mla", sentence, Severity.W)


def stated_values(form: Mapping[str, Any]) -> list[tuple[Decimal, str]]:
    """Return amount and currency of every value stated for property; unreadable ones are left out."""
    values = [at(row, "details", "value") for _, row in rows(form, "assistance")]
    values += [row.get("estimated_value") for _, row in _property(form)]
    found = []
    for value in values:
        written = text(value, "amount")
        if not written:
            continue
        try:
            amount = Decimal(written)
        except InvalidOperation:
            continue
        if amount.is_finite():
            found.append((amount, text(value, "currency")))
    return found


def _property(form: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the property named, with paths: in the kind's details or in those of an item."""
    found = [(f"$.kind_details.property[{n}]", row) for n, row in rows(form, "kind_details", "property")]
    for n, item in rows(form, "assistance"):
        found += [
            (f"$.assistance[{n}].details.property[{m}]", row) for m, row in rows(item, "details", "property")
        ]
    return found


def _attached(form: Mapping[str, Any]) -> set[str]:
    return {text(row, "role") for _, row in rows(form, "attachments")}
