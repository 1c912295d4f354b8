"""Contents rules: the samples pass, each mandatory thing that is missing is named with its article."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.addressee import DesignationMatch, DirectoryFacts, asked_in, facts_about
from gateway.model.authority import parse_entry
from gateway.model.contents import MAX_FINDINGS_PER_RULE, RULES, Finding, blocking, check_contents
from gateway.model.states import parse_state
from tests.sampledata import entry, request, sample

TODAY = date(2026, 9, 1)
STATES = {row["state"]: parse_state(row) for row in sample("directory.json")["states"]}
FACTS = DirectoryFacts(
    accepted_languages=frozenset({"en"}),
    both_bound=True,
    designation=DesignationMatch.EXACT,
    requires_paper_original=False,
    requires_diplomatic_channel=False,
    both_accept_oral=True,
)
Form = dict[str, Any]


def documents_of(form: Form) -> dict[str, tuple[int, str]]:
    return {row["attachment_id"]: (row["size_bytes"], row["sha256"]) for row in form["attachments"]}


def check(form: Form, *, today: date = TODAY, **facts: Any) -> tuple[Finding, ...]:
    given_facts = DirectoryFacts(**{**{f: getattr(FACTS, f) for f in DirectoryFacts.__slots__}, **facts})
    return check_contents(form, facts=given_facts, documents=documents_of(form), today=today)


def failed(findings: tuple[Finding, ...]) -> set[str]:
    return {f.code for f in findings if f.result == "failed"}


@pytest.mark.parametrize("number", range(1, 7))
def test_the_sample_requests_are_complete(number: int) -> None:
    form = request(number)
    requested = parse_entry(entry(form["requested_authority"]["authority_id"]))
    requesting = parse_entry(entry(form["requesting_authority"]["authority_id"]))
    facts = facts_about(asked_in(form), requested, requesting=requesting, states=STATES)
    findings = check_contents(form, facts=facts, documents=documents_of(form), today=TODAY)
    assert blocking(findings) == ()
    assert [f for f in findings if f.result == "failed" and f.code not in {"V25"}] == []


def drop(*path: str) -> Callable[[Form], None]:
    def change(form: Form) -> None:
        node = form
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    return change


def put(value: Any, *path: str | int) -> Callable[[Form], None]:
    def change(form: Form) -> None:
        node: Any = form
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


BLOCKED = [
    (
        1,
        drop("requesting_authority", "function"),
        "V01",
        "$.requesting_authority.function",
        "UNTOC 18(15)(a)",
    ),
    (1, put(" ", "requesting_authority", "name"), "V01", "$.requesting_authority.name", "UNTOC 18(15)(a)"),
    (1, drop("proceeding"), "V01", "$.proceeding.nature", "UNTOC 18(15)(a)"),
    (1, drop("facts_summary"), "V02", "$.facts_summary", "UNTOC 18(15)(c)"),
    (1, put("\n", "facts_summary"), "V02", "$.facts_summary", "UNTOC 18(15)(c)"),
    (1, put([], "assistance"), "V03", "$.assistance", "UNTOC 18(15)(d)"),
    (1, put("", "assistance", 1, "description"), "V03", "$.assistance[1].description", "UNTOC 18(15)(d)"),
    (1, put(1, "assistance", 1, "item_no"), "V03", "$.assistance[1].item_no", "UNTOC 18(15)(d)"),
    (1, drop("purpose"), "V05", "$.purpose", "UNTOC 18(15)(f)"),
    (1, drop("respond_by", "reason"), "V06", "$.respond_by.reason", "UNTOC 18(24)"),
    (3, put([], "urgency", "grounds"), "V07", "$.urgency.grounds", "UNTOC 18(13)"),
    (3, put(None, "urgency", "reason"), "V07", "$.urgency.reason", "UNTOC 18(13)"),
    (4, drop("kind_details", "limb"), "V12", "$.kind_details.limb", "UNTOC 13(3)"),
    (
        4,
        put("", "kind_details", "actions_requested"),
        "V12",
        "$.kind_details.actions_requested",
        "UNTOC 13(3)(c)",
    ),
    (3, drop("kind_details", "necessity"), "V13", "$.kind_details.necessity", "Budapest Convention 29(2)(e)"),
    (3, put(False, "kind_details", "intends_mla"), "V13", "$.kind_details.intends_mla", "29(2)(f)"),
    (3, put([], "kind_details", "data_items"), "V13", "$.kind_details.data_items", "29(2)(c)"),
    (
        3,
        drop("kind_details", "relationship_to_offence"),
        "V13",
        "$.kind_details.relationship_to_offence",
        "29(2)(c)",
    ),
    (3, put([], "offences"), "V13", "$.offences", "29(2)(b)"),
    (3, put(["content", "x"], "kind_details"), "V13", "$.kind_details.data_items", "29(2)(c)"),
]


@pytest.mark.parametrize(("number", "change", "code", "field", "source"), BLOCKED)
def test_a_mandatory_content_that_is_missing_blocks_and_names_its_article(
    number: int, change: Callable[[Form], None], code: str, field: str, source: str
) -> None:
    form = request(number)
    change(form)
    found = [f for f in blocking(check(form, accepted_languages=frozenset({"en", "es"}))) if f.field == field]
    assert [f.code for f in found if f.code == code] == [code]
    assert any(source in f.source for f in found)
    assert all(f.sentence.endswith(".") for f in found)


def test_the_same_contents_are_cited_from_the_treaty_that_is_the_basis() -> None:
    form = request(1)
    del form["purpose"]
    for instrument, source in (("uncac", "UNCAC 46(15)(f)"), ("drugs_1988", "1988 Convention 7(10)(f)")):
        form["instruments"] = [{"code": instrument, "articles": [], "primary": True}]
        assert [f.source for f in blocking(check(form))] == [source]


def test_serving_documents_needs_no_facts() -> None:
    form = request(1)
    del form["facts_summary"]
    form["assistance"] = [{"item_no": 1, "type": "service_of_documents", "description": "Serve the summons."}]
    assert "V02" not in failed(check(form))


def foreign_order(form: Form) -> Form:
    form["request_kind"] = "confiscation"
    form["kind_details"] = {"limb": "foreign_order", "extent_of_execution": "In full."}
    form["attachments"].append(
        {**form["attachments"][0], "attachment_id": "A9", "role": "confiscation_order"}
    )
    return form


def test_executing_a_foreign_order_needs_the_order_and_its_extent() -> None:
    spanish = frozenset({"es"})
    form = foreign_order(request(4))
    assert blocking(check(form, accepted_languages=spanish)) == ()
    del form["kind_details"]["extent_of_execution"]
    del form["attachments"][-1]
    assert [f.source for f in blocking(check(form, accepted_languages=spanish))] == ["UNTOC 13(3)(b)"] * 2


def test_uncac_adds_notice_to_third_parties_and_finality() -> None:
    form = foreign_order(request(4))
    form["instruments"].append({"code": "uncac", "articles": ["55"], "primary": False})
    found = blocking(check(form, accepted_languages=frozenset({"es"})))
    assert [f.source for f in found] == ["UNCAC 55(3)(b)"] * 2
    form["kind_details"].update(third_parties={"notice_given": False}, domestic_order={"final": True})
    assert blocking(check(form, accepted_languages=frozenset({"es"}))) == ()


def test_a_domestic_order_needs_a_description_of_the_property() -> None:
    form = request(4)
    form["kind_details"] = {"limb": "domestic_order"}
    spanish = frozenset({"es"})
    assert blocking(check(form, accepted_languages=spanish)) == ()
    for item in form["assistance"]:
        item["details"] = {}
    assert [f.code for f in blocking(check(form, accepted_languages=spanish))] == ["V12"]


def test_a_language_needs_acceptance_a_translation_or_a_waiver() -> None:
    form = request(2)
    assert "V08" not in failed(check(form, accepted_languages=frozenset({"fr"})))
    assert "V08" not in failed(check(form, accepted_languages=frozenset({"ar"})))
    assert [f.code for f in blocking(check(form, accepted_languages=frozenset({"en"})))] == ["V08"]
    form["attachments"] = [row for row in form["attachments"] if row["attachment_id"] != "A5"]
    assert "V08" in {f.code for f in blocking(check(form, accepted_languages=frozenset({"ar"})))}
    form["special_circumstances"] = {"translation_waiver": "By letter of 1 March."}
    findings = check(form, accepted_languages=frozenset({"en"}))
    assert [f.severity for f in findings if f.code == "V08"] == ["W"]


def test_a_regional_variant_of_an_accepted_language_is_accepted() -> None:
    assert "V08" not in failed(check({**request(1), "language": "en-GB"}))


def test_an_addressee_without_designation_blocks_and_the_fallback_warns() -> None:
    form = request(3)
    assert [f.code for f in blocking(check(form, designation=DesignationMatch.NONE))] == ["V11"]
    findings = check(form, designation=DesignationMatch.FALLBACK)
    assert blocking(findings) == ()
    assert [(f.severity, f.result) for f in findings if f.code == "V11"] == [("W", "failed")]


def test_without_directory_or_documents_nothing_counts_as_ok() -> None:
    findings = check_contents(request(1), facts=None, documents=None, today=TODAY)
    results = {f.code: f.result for f in findings}
    assert [results[code] for code in ("V08", "V09", "V11", "V22", "V26")] == ["not_checked"] * 5


@pytest.mark.parametrize(
    "documents",
    [
        {},
        {"A1": (98112, "f" * 64)},
        {"A1": (1, "40d728194ccff10c1b00224edd2de45c44f827459cc293dbb5cbda00e9c90e6d")},
    ],
)
def test_documents_that_are_not_those_of_the_list_block(documents: dict[str, tuple[int, str]]) -> None:
    form = request(3)
    findings = check_contents(form, facts=FACTS, documents={**documents_of(form), **documents}, today=TODAY)
    assert bool(blocking(findings)) is bool(documents)
    findings = check_contents(form, facts=FACTS, documents=documents, today=TODAY)
    assert {f.code for f in blocking(findings)} == {"V22"}


def test_a_document_too_many_and_a_doubled_id_block() -> None:
    form = request(3)
    extra = {**documents_of(form), "A9": (1, "0" * 64)}
    assert {f.code for f in blocking(check_contents(form, facts=FACTS, documents=extra, today=TODAY))} == {
        "V22"
    }
    form["attachments"].append(form["attachments"][0])
    assert {f.code for f in blocking(check(form))} == {"V22"}


def oral(form: Form) -> None:
    form["thread"]["message_type"] = "written_confirmation"
    form["related_references"] = [{"reference": "ORAL-1", "relation": "confirms_oral"}]
    form["oral_request"] = {"made_at": "2026-11-18T22:00:00Z", "channel": "oral", "agreed": False}


WARNED: list[tuple[int, Callable[[Form], None], str, dict[str, Any]]] = [
    (1, put([], "persons"), "V04", {}),
    (1, lambda form: None, "V09", {"both_bound": False}),
    (1, put({"transnational": True}, "scope"), "V10", {}),
    (3, lambda form: form["kind_details"]["data_items"][1]["identifiers"][0].pop("port"), "V14", {}),
    (4, lambda form: [item.update(details={}) for item in form["assistance"][1:]], "V16", {}),
    (3, put("emergency", "urgency", "level"), "V20", {}),
    (2, put(True, "kind_details", "nationality_of_requested_state"), "V24", {}),
    (1, lambda form: None, "V25", {"requires_paper_original": True}),
    (1, lambda form: None, "V25", {"requires_diplomatic_channel": True}),
    (1, put("2026-08-31", "respond_by", "date"), "V27", {}),
    (1, put("a_kind_of_next_year", "request_kind"), "V28", {}),
    (1, put(["a_ground_of_next_year"], "urgency", "grounds"), "V28", {}),
]


@pytest.mark.parametrize(("number", "change", "code", "facts"), WARNED)
def test_what_is_only_advisable_warns_and_never_blocks(
    number: int, change: Callable[[Form], None], code: str, facts: dict[str, Any]
) -> None:
    form = request(number)
    accepted = {"accepted_languages": frozenset({"en", "fr", "es"}), **facts}
    if code == "V16":
        form["assistance"][0]["details"]["property"][0]["estimated_value"]["amount"] = "900.00"
    if code == "V24":
        form["kind_details"].pop("temporary_surrender")
        form["assurances"] = []
    assert code not in failed(check(request(number), accepted_languages=frozenset({"en", "fr", "es"})))
    change(form)
    findings = check(form, **accepted)
    assert code in failed(findings)
    assert blocking(findings) == ()


def test_moving_a_detained_person_needs_consent() -> None:
    form = request(1)
    form["assistance"][0]["type"] = "temporary_transfer_of_detainee"
    assert [f.code for f in blocking(check(form))] == ["V15"]
    form["attachments"][0]["role"] = "consent"
    assert blocking(check(form)) == ()


def test_an_oral_request_must_be_possible_and_named() -> None:
    form = request(3)
    oral(form)
    assert blocking(check(form)) == ()
    assert [f.code for f in blocking(check(form, both_accept_oral=False))] == ["V21"]
    form["oral_request"]["agreed"] = True
    assert blocking(check(form, both_accept_oral=False)) == ()
    form["related_references"] = []
    assert [f.code for f in blocking(check(form))] == ["V21"]


def test_published_requirements_warn() -> None:
    form = request(1)
    requirements = sample("requirements/sg-agc.json")
    assert "V26" not in failed(check(form, requirements=requirements))
    form["attachments"] = [row for row in form["attachments"] if row["role"] != "legal_provisions"]
    form["respond_by"] = {"date": "2026-09-20", "reason": "Hearing."}
    findings = [f for f in check(form, requirements=requirements) if f.code == "V26" and f.result == "failed"]
    assert [f.field for f in findings] == ["$.attachments", "$.respond_by.date"]
    assert {f.severity for f in findings} == {"W"}


def test_the_issue_that_was_checked_is_named_and_one_not_yet_in_force_is_not_used() -> None:
    form, requirements = request(1), sample("requirements/sg-agc.json")
    form["attachments"] = [row for row in form["attachments"] if row["role"] != "legal_provisions"]
    found = [f for f in check(form, requirements=requirements) if f.code == "V26"]
    assert [(f.severity, f.result) for f in found if "issue 3" in f.sentence] == [("I", "ok")]
    later = {**requirements, "version": 4, "valid_from": "2026-09-02"}
    found = [f for f in check(form, requirements=later) if f.code == "V26"]
    assert [f.result for f in found] == ["not_checked"]
    assert "Issue 4" in found[0].sentence


def test_conditions_originals_and_forms_are_told_in_words() -> None:
    form, requirements = request(2), sample("requirements/ma-mj.json")
    requirements["model_forms"] = [
        {"request_kind": "extradition", "title": "Form E", "languages": ["fr"], "mandatory": True}
    ]
    form["attachments"] = [row for row in form["attachments"] if row["role"] == "warrant"]
    form["attachments"][0]["language"], form["translations"] = "en", []
    said = {f.sentence: f for f in check(form, requirements=requirements) if f.code == "V26"}
    told = "\n".join(said)
    assert "identity_evidence, if the person has not been identified by a court" in told
    assert "warrant as certified_paper, within 30 days" in told
    assert "Form E" in told
    assert "minimum_penalty_months 12, Prosecution" in told
    translated = [f for f in said.values() if f.field == "$.attachments[0]"]
    assert [f.result for f in translated] == ["failed"]
    assert not {f.severity for f in said.values()} - {"W", "I"}


def test_requirements_of_every_sample_are_understood() -> None:
    form = request(3)
    form["kind_details"]["requested_days"] = 120
    findings = check(form, requirements=sample("requirements/us-ccips.json"))
    assert "$.kind_details.requested_days" in {f.field for f in findings if f.code == "V26"}


def test_a_finding_tells_no_content_of_the_form() -> None:
    form = request(1)
    form["request_kind"] = form["purpose"] = "Lanternfield"
    form["respond_by"] = {"date": "2020-01-01"}
    assert "Lanternfield" not in str(check(form))


def test_a_hostile_draft_does_not_make_a_book() -> None:
    form = {**request(1), "assistance": [{}] * 10_000}
    assert len([f for f in check(form) if f.code == "V03"]) == MAX_FINDINGS_PER_RULE


def test_the_table_has_each_rule_about_requests_once_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert set(codes) == {f"V{n:02}" for n in range(1, 29)} - {"V17", "V18", "V19", "V23"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.integers(1, 6), st.data())
def test_a_draft_of_any_shape_gets_findings_and_never_an_exception(number: int, data: st.DataObject) -> None:
    form = request(number)
    for _ in range(3):
        node: Any = form
        while isinstance(node, dict | list) and node:
            key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
                node[key] = data.draw(JSON)
                break
            node = node[key]
    for facts in (None, FACTS):
        assert check_contents(form, facts=facts, documents={}, today=TODAY)
