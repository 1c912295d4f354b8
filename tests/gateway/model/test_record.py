"""The parts of a directory record: hours in any zone, texts per language, links, treaties, regions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model.authority import parse_entry
from gateway.model.profile import in_language, parse_profile
from gateway.model.record_parts import EntryInvalid, Hours, parse_hours
from gateway.model.states import both_bound, parse_state, treaty_gaps
from gateway.services.forms import check_form
from tests.sampledata import entry, sample

ENTRIES = {row["authority_id"]: parse_entry(row) for row in sample("directory.json")["authorities"]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("aid", "closed", "opens"),
    [
        # Half an hour off: 08:30 in India is 03:00 UTC.
        ("in-mha", "2026-11-20T02:59", "2026-11-20T03:00"),
        # Sunday is a working day in Egypt, Friday is not.
        ("eg-moj", "2026-11-20T09:00", "2026-11-22T06:30"),
        # Summer time in both hemispheres.
        ("us-oia", "2026-07-20T12:29", "2026-07-20T12:30"),
        ("us-oia", "2026-12-21T13:29", "2026-12-21T13:30"),
        ("au-agd", "2026-07-19T22:29", "2026-07-19T22:30"),
        ("au-agd", "2026-12-20T21:29", "2026-12-20T21:30"),
    ],
)
def test_offices_open_by_their_own_clock(aid: str, closed: str, opens: str) -> None:
    hours = ENTRIES[aid].hours
    assert (hours.is_open(at(closed)), hours.is_open(at(opens))) == (False, True)
    following = hours.next_opening(at(closed))
    assert following is not None
    assert following.astimezone(UTC) == at(opens)
    assert hours.next_opening(at(opens)) is None


def test_a_point_that_always_answers_is_open_at_any_hour() -> None:
    assert ENTRIES["us-ccips"].hours.is_open(at("2026-12-25T03:00")) is True


@pytest.mark.parametrize(
    "row",
    [
        {"time_zone": "Atlantis/Capital", "always": False, "office": None},
        {"time_zone": "UTC", "always": False, "office": {"days": ["mon"], "from": "25:00", "to": "16:00"}},
        {
            "time_zone": "../../etc/passwd",
            "always": False,
            "office": {"days": ["mon"], "from": "9", "to": "1"},
        },
        {"time_zone": "UTC", "always": False},
    ],
)
def test_hours_that_do_not_tell_leave_it_open(row: dict[str, Any]) -> None:
    hours = parse_hours(row)
    assert (hours.is_open(at("2026-11-23T10:00")), hours.next_opening(at("2026-11-23T10:00"))) == (None, None)


def test_hours_of_an_unknown_zone_have_no_local_time() -> None:
    assert Hours(time_zone="Atlantis/Capital", always=True).local(at("2026-11-23T10:00")) is None


def test_texts_come_with_or_without_their_language() -> None:
    record = {**entry("fr-mae"), "procedural_notes": {"fr": "Notes.", "ar": "ملاحظات"}}
    notes = parse_entry(record).profile.procedural_notes
    assert (in_language(notes, "ar"), in_language(notes)) == ("ملاحظات", "Notes.")
    assert in_language(parse_entry(entry("gb-hmrc")).profile.procedural_notes) == (
        "Direct tax, VAT and customs matters only"
    )
    assert in_language(parse_profile({}).procedural_notes) == ""


def with_record(**changes: Any) -> dict[str, Any]:
    whole = sample("directory.json")
    record = {**entry("fr-mae"), **changes}
    return {**whole, "states": [], "authorities": [record]}


def test_the_schema_takes_texts_per_language_links_and_the_digest_of_member_contacts() -> None:
    good = with_record(
        urgent_procedure={"en": "Call.", "fr": "Appeler."},
        legal_basis_notes=None,
        legislation=["Code of procedure", {"title": "Extradition Act", "url": "https://law.example.org/x"}],
        agreements=[{"title": "Treaty of 1999", "note": "in force"}],
        member_contacts_sha256="0" * 64,
    )
    assert check_form(good, "directory") == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"urgent_procedure": {}},
        {"urgent_procedure": {"english": "Call."}},
        {"urgent_procedure": ""},
        {"legislation": [{"url": "https://law.example.org/x"}]},
        {"legislation": [{"title": "Act", "url": "javascript:alert(1)"}]},
        {"agreements": [{"title": "Treaty", "more": 1}]},
        {"member_contacts_sha256": "0" * 63},
    ],
)
def test_the_schema_refuses_other_forms_of_them(changes: dict[str, Any]) -> None:
    assert check_form(with_record(**changes), "directory") != ()


def test_what_people_read_never_breaks_a_record() -> None:
    odd = {"phones": 7, "contacts": [1], "address": "here", "agreements": {}, "templates": [{}, " ", 3]}
    profile = parse_entry(
        {**entry("fr-mae"), **odd, "urgent_procedure": 7, "informal_cooperation": []}
    ).profile
    assert (profile.phones, profile.templates, profile.agreements, dict(profile.urgent_procedure)) == (
        (),
        (),
        (),
        {},
    )


@pytest.mark.parametrize(
    "broken",
    [{"hours": None}, {"hours": {"always": True}}, {"hours": {"time_zone": 7, "always": True}}, {"forms": 7}],
)
def test_what_decisions_rest_on_is_strict(broken: dict[str, Any]) -> None:
    with pytest.raises(EntryInvalid):
        parse_entry({**entry("fr-mae"), **broken})


def test_the_sample_knows_its_special_regions_and_both_parts() -> None:
    regions = {aid: row.region for aid, row in ENTRIES.items() if row.region}
    assert regions == {"gb-copfs": "Scotland", "cn-hk-doj": "Hong Kong SAR", "cn-mo-dsaj": "Macao SAR"}
    assert {row.part for row in ENTRIES.values()} == {"part_1_central", "part_2_competent"}
    published = ENTRIES["us-ccips"].published
    assert published is not None
    assert published.version == 7


def state(status: str, **more: Any) -> Any:
    row = {"status": status, "basis": "depositary_list", **more}
    return parse_state(
        {"state": "AT", "name": "Austria", "accepted_languages": [], "participation": {"untoc": row}}
    )


@pytest.mark.parametrize(
    ("one", "other", "bound"),
    [
        (state("party"), state("party"), True),
        (state("party"), state("bound"), True),
        (state("party"), state("signatory"), False),
        (state("not_party"), state("unknown"), False),
        (state("party", instrument_in_force=False), state("party"), False),
        (state("party"), state("unknown"), None),
        (state("party"), state("a_status_of_next_year"), None),
        (state("party"), None, None),
    ],
)
def test_a_treaty_binds_two_states_only_if_it_binds_each(one: Any, other: Any, bound: bool | None) -> None:
    assert both_bound("untoc", one, other) is bound
    assert both_bound("untoc", other, one) is bound
    assert both_bound("reciprocity", one, other) is True
    assert both_bound(None, one, other) is None


def test_a_gap_says_what_is_wrong_with_which_state() -> None:
    assert treaty_gaps("untoc", [state("party")]) == ()
    assert treaty_gaps("untoc", [state("signatory")]) == ("Austria has signed but not joined untoc",)
    assert treaty_gaps("untoc", [state("party", instrument_in_force=False)]) == (
        "untoc is not in force (Austria is a party to it)",
    )
    assert treaty_gaps("uncac", [state("party")]) == (
        "the directory does not know whether uncac binds Austria",
    )
