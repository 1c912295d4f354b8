"""To whom a request goes: what a person reads in single cases, and what is never done silently."""

import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.model import advice, doubts, legal_basis
from gateway.model.addressee import match_designation
from gateway.model.authority import LookupStatus, parse_entry
from gateway.model.listing import Listing, Query, Requester, listing_of
from gateway.model.resolution import Candidate, Outcome, Resolution, resolve
from gateway.model.routes import Carries
from gateway.model.states import parse_state
from tests.sampledata import entry

SATURDAY = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ROMANIA = Requester(state="RO", entry=parse_entry(entry("ro-diicot")))


def directory(*changed: dict[str, Any], states: Iterable[dict[str, Any]] = ()) -> Listing:
    """Return the sample directory with some records changed."""
    rows = read_sample_directory()
    records = {row["authority_id"]: row for row in rows["authorities"]} | {
        row["authority_id"]: row for row in changed
    }
    countries = {row["state"]: row for row in rows["states"]} | {row["state"]: row for row in states}
    return listing_of(
        [parse_entry(row) for row in records.values()],
        {code: parse_state(row) for code, row in countries.items()},
        requirements=read_sample_requirements(),
    )


SAMPLE = directory()


def ask(
    state: str,
    kind: str = "mla",
    *instruments: str,
    listing: Listing = SAMPLE,
    requester: Requester = ROMANIA,
    now: datetime = SATURDAY,
    **more: str,
) -> Resolution:
    query = Query(state=state, request_kind=kind, instruments=instruments, **more)
    return resolve(query, listing, requester=requester, now=now)


def preservation(state: str, **more: Any) -> Resolution:
    return ask(state, "preservation", "budapest", urgency="urgent", **more)


def ids(found: Resolution) -> list[str]:
    return [candidate.entry.authority_id for candidate in found.candidates]


def channels(candidate: Candidate) -> list[str]:
    return [route.channel.channel for route in candidate.routes.ordered]


def codes(found: Resolution | Candidate) -> set[str]:
    return {note.code for note in found.warnings}


def state_record(code: str, **changes: Any) -> dict[str, Any]:
    row = next(row for row in read_sample_directory()["states"] if row["state"] == code)
    return {**deepcopy(dict(row)), **changes}


def test_a_preservation_goes_to_the_24_7_point_by_its_urgent_channels_in_order() -> None:
    found = preservation("US")
    assert (found.outcome, found.lane, found.basis.binds_both) == (Outcome.ONE, "urgent", True)
    assert ids(found) == ["us-ccips"]
    point = found.candidates[0]
    assert (point.match, point.role, point.is_open) == ("exact", "contact_24_7", True)
    assert channels(point) == ["gateway_https", "email_sealed", "email_smime", "interpol"]
    assert [route.by_gateway for route in point.routes.ordered] == [True, False, False, False]
    assert [(out.channel.channel, out.sentence) for out in point.routes.left_out] == [
        ("offline_media", "Its record does not allow it for the urgent lane.")
    ]
    assert not codes(point)
    assert [row.entry.authority_id for row in found.passed_over] == ["us-oia"]


@pytest.mark.parametrize(
    ("state", "expected", "outcome"),
    [
        ("EG", ["eg-moj", "eg-ppo"], "ask"),
        ("KE", ["ke-ag"], "one"),
        ("MX", ["mx-fgr"], "one"),
        ("CN", ["cn-moj", "cn-hk-doj", "cn-mo-dsaj"], "ask"),
    ],
)
def test_a_state_without_a_24_7_point_is_reached_through_its_central_authority(
    state: str, expected: list[str], outcome: str
) -> None:
    found = preservation(state)
    assert (ids(found), found.outcome) == (expected, outcome)
    assert "basis-gap" in codes(found)
    for candidate in found.candidates:
        assert candidate.match == "fallback"
        assert "lists no 24/7 point" in candidate.reasons[0]
        assert "fallback" in codes(candidate)
        assert {route.carries for route in candidate.routes.ordered} == {Carries.URGENT}
        assert channels(candidate)[-1] == "interpol"
        assert candidate.statement.startswith(
            "Sent to the central authority; no 24/7 designation under the named instrument (budapest);"
        )
        assert "untoc / uncac / drugs_1988 / domestic law of" in candidate.statement


def test_a_24_7_point_of_another_network_is_found_by_its_role_alone() -> None:
    found = preservation("SG")
    assert ids(found) == ["sg-spf"]
    assert found.candidates[0].reasons == ("Designated as contact_24_7 under g7_24_7, not budapest.",)
    assert "basis-gap" in codes(found)


def test_between_a_point_and_a_designated_central_authority_a_person_chooses() -> None:
    found = ask("SG", "preservation", "untoc", urgency="urgent")
    assert (ids(found), found.outcome) == (["sg-spf", "sg-agc"], Outcome.ASK)
    assert [candidate.match for candidate in found.candidates] == ["fallback", "exact"]


def test_a_provisional_designation_is_marked() -> None:
    found = ask("VN", "preservation", "uncc")
    assert ids(found) == ["vn-a05"]
    assert "provisional" in codes(found.candidates[0])
    assert "basis-gap" in codes(found)


def test_a_kind_without_the_24_7_fallback_needs_the_instrument() -> None:
    found = ask("FR", "extradition", "uncac")
    assert (ids(found), found.outcome) == ([], Outcome.NONE)
    assert "nobody" in codes(found)
    said = {row.entry.authority_id: row.sentence for row in found.passed_over}
    assert said["fr-mae"].endswith("under budapest, drugs_1988, untoc, not under uncac.")
    assert said["fr-mj"] == "Central authority, not designated for this kind: ask it whom to address."


@pytest.mark.parametrize("state", ["FR", "MX", "CL", "IN", "CN", "JP"])
def test_where_the_diplomatic_channel_is_required_the_gateway_sends_an_advance_copy(state: str) -> None:
    candidate = ask(state, "extradition", "untoc").candidates[0]
    assert candidate.routes.required is not None
    first, second = candidate.routes.ordered[:2]
    assert (first.channel.channel, first.carries, first.by_gateway) == ("diplomatic", Carries.FORMAL, False)
    assert (second.channel.channel, second.carries, second.by_gateway) == (
        "gateway_https",
        Carries.ADVANCE_COPY,
        True,
    )
    assert [task.code for task in candidate.tasks] == ["formal-route"]
    assert "courier" not in channels(candidate)


def test_the_required_channel_wins_in_the_urgent_lane_too() -> None:
    candidate = ask("FR", "provisional_arrest", "untoc", urgency="urgent").candidates[0]
    assert channels(candidate)[0] == "diplomatic"
    assert {route.carries for route in candidate.routes.ordered[1:]} == {Carries.ADVANCE_COPY}


def test_a_paper_original_is_a_task() -> None:
    assert "paper-original" in {note.code for note in ask("AE", "mla", "untoc").candidates[0].tasks}


@pytest.mark.parametrize("region", ["scotland", "Scotland", " SCOTLAND ", "scot-land"])
def test_a_region_is_found_however_it_is_written(region: str) -> None:
    found = ask("GB", "mla", "untoc", region=region)
    if region == "scot-land":
        assert (found.outcome, codes(found)) == (Outcome.ASK, {"unknown-region"})
    else:
        assert (ids(found), found.outcome) == (["gb-copfs"], Outcome.ONE)
        assert {row.entry.authority_id for row in found.passed_over} == {"gb-ukca", "gb-hmrc"}


@pytest.mark.parametrize(("region", "expected"), [("hong kong", ["cn-hk-doj"]), ("Macao", ["cn-mo-dsaj"])])
def test_the_first_words_of_a_region_are_enough(region: str, expected: list[str]) -> None:
    assert ids(ask("CN", "confiscation", "untoc", region=region)) == expected


def test_a_region_without_the_role_is_served_by_the_whole_state() -> None:
    ministry = ask("CN", "extradition", "untoc", region="macao")
    assert (ids(ministry), "whole-state" in codes(ministry.candidates[0])) == (["cn-mfa"], True)
    # A 24/7 point serves every region.
    point = preservation("GB", region="scotland")
    assert (ids(point), "whole-state" in codes(point.candidates[0])) == (["gb-nca"], False)


def test_a_suspended_authority_of_a_region_is_still_its_own() -> None:
    listing = directory({**entry("cn-mo-dsaj"), "status": "suspended"})
    found = ask("CN", "confiscation", "untoc", region="macao", listing=listing)
    assert (ids(found), "unknown-region" in codes(found)) == (["cn-moj"], False)
    assert "whole-state" in codes(found.candidates[0])
    said = {row.entry.authority_id: row.sentence for row in found.passed_over}
    assert said["cn-mo-dsaj"].endswith("its record is suspended.")


def test_where_the_region_is_open_no_authority_of_a_region_is_taken_for_the_state() -> None:
    # Only the regions have the role that comes first; the mainland's central authority must not be lost.
    found = ask("CN", "confiscation", "untoc")
    assert (ids(found), found.outcome) == (["cn-moj", "cn-hk-doj", "cn-mo-dsaj"], Outcome.ASK)
    assert "Hong Kong SAR and Macao SAR" in found.questions[0]


def test_one_authority_of_a_region_alone_is_not_chosen_silently() -> None:
    found = ask(
        "CN", "confiscation", "uncac", listing=directory({**entry("cn-mo-dsaj"), "status": "suspended"})
    )
    assert ids(found) == ["cn-moj", "cn-hk-doj"]
    rest = listing_of((parse_entry(entry("cn-hk-doj")),), SAMPLE.states)
    alone = ask("CN", "mla", "untoc", listing=rest)
    assert (ids(alone), alone.outcome) == (["cn-hk-doj"], Outcome.ASK)
    assert ask("CN", "mla", "untoc", listing=rest, region="hong kong").outcome is Outcome.ONE


def test_an_unknown_region_narrows_nothing_and_is_said() -> None:
    found = ask("GB", "mla", "untoc", region="wales")
    assert ids(found) == ids(ask("GB", "mla", "untoc"))
    assert any("Scotland" in note.sentence for note in found.warnings if note.code == "unknown-region")


def test_several_authorities_are_shown_with_their_own_notes() -> None:
    found = ask("GB", "mla", "untoc")
    assert found.outcome is Outcome.ASK
    assert len(found.questions) == 2
    notes = {c.entry.authority_id: codes(c) for c in found.candidates}
    assert "procedural-note" in notes["gb-hmrc"]
    assert "procedural-note" not in notes["gb-ukca"]


def test_an_unknown_state_is_not_listed() -> None:
    found = ask("XX", "mla", "untoc")
    assert (found.status, found.outcome, ids(found)) == (LookupStatus.NOT_LISTED, Outcome.NONE, [])
    assert "not-listed" in codes(found)


@pytest.mark.parametrize("status", [LookupStatus.STALE, LookupStatus.UNVERIFIABLE])
def test_a_directory_that_does_not_know_never_says_not_listed(status: LookupStatus) -> None:
    found = ask("XX", "mla", "untoc", listing=replace(SAMPLE, status=status))
    assert (found.status, codes(found) & {"not-listed", str(status)}) == (status, {str(status)})


def test_a_doubtful_candidate_stays_and_is_marked() -> None:
    listing = replace(
        SAMPLE, doubtful={"us-ccips": LookupStatus.UNVERIFIABLE}, attested=frozenset({"us-ccips"})
    )
    found = preservation("US", listing=listing)
    assert (found.status, found.candidates[0].status) == ("found", "unverifiable")
    assert {"unverifiable", "attested"} <= codes(found.candidates[0])


def test_a_suspended_or_withdrawn_authority_is_no_candidate_and_is_named() -> None:
    for status in ("suspended", "withdrawn", "a_status_of_next_year"):
        found = preservation("US", listing=directory({**entry("us-ccips"), "status": status}))
        assert "us-ccips" not in ids(found)
        said = {row.entry.authority_id: row.sentence for row in found.passed_over}
        assert said["us-ccips"].endswith(f"its record is {status}.")


@pytest.mark.parametrize(
    ("basis", "code"),
    [
        ("untoc", None),
        ("bilateral", None),
        ("reciprocity", None),
        ("domestic_law", None),
        ("budapest", "basis-gap"),
        ("uncc", "basis-gap"),
        ("regional", "basis-unknown"),
    ],
)
def test_the_primary_instrument_must_bind_both_states(basis: str, code: str | None) -> None:
    assert codes(ask("KE", "mla", basis)) & {"basis-gap", "basis-unknown"} == ({code} if code else set())


def test_a_gap_names_the_state_and_what_may_serve_instead() -> None:
    said = next(n.sentence for n in ask("KE", "mla", "budapest").warnings if n.code == "basis-gap")
    assert "Kenya is not a party to budapest" in said
    assert "In force between the States: untoc, uncac, drugs_1988." in said


def test_a_gap_on_our_own_side_counts_as_well() -> None:
    found = ask("US", "mla", "budapest", requester=Requester(state="KE"))
    assert any("Kenya is not a party" in note.sentence for note in found.warnings)
    assert found.basis.binds_both is False


def test_without_an_instrument_the_role_decides_and_the_basis_is_open() -> None:
    found = ask("KE", "mla")
    assert ids(found) == ["ke-ag"]
    assert "basis-open" in codes(found)


def test_a_state_that_extradites_on_a_treaty_only_says_so() -> None:
    for basis in ("reciprocity", "domestic_law", "untoc"):
        assert "treaty-required" in codes(ask("GB", "extradition", basis))
    assert "treaty-required" not in codes(ask("GB", "extradition", "bilateral"))
    taken = state_record("GB")
    taken["treaty_conditions"]["extradition_untoc_as_basis"] = "accepted"
    assert "treaty-required" not in codes(
        ask("GB", "extradition", "untoc", listing=directory(states=[taken]))
    )


def test_a_reservation_on_dual_criminality_is_shown_for_preservation() -> None:
    row = state_record("US")
    row["treaty_conditions"]["preservation_dual_criminality_reservation"] = True
    assert "dual-criminality" in codes(preservation("US", listing=directory(states=[row])))


@pytest.mark.parametrize(
    ("requester", "is_listed", "condition"),
    [
        (ROMANIA, True, False),
        (Requester(state="RO"), True, True),
        (Requester(state="FR", entry=parse_entry(entry("fr-mae"))), False, False),
    ],
)
def test_interpol_needs_urgency_and_both_sides(
    requester: Requester, is_listed: bool, condition: bool
) -> None:
    candidate = preservation("US", requester=requester).candidates[0]
    routes = [route for route in candidate.routes.ordered if route.channel.channel == "interpol"]
    assert bool(routes) is is_listed
    assert [bool(route.condition) for route in routes] == ([condition] if is_listed else [])
    assert "interpol" not in channels(ask("US", "mla", "untoc", requester=requester).candidates[0])


def test_interpol_is_never_for_the_routine_lane_whatever_the_record_says() -> None:
    row = {**entry("us-oia")}
    row["channels"] = [{**row["channels"][0], "channel": "interpol", "status": "accepted", "use": ["formal"]}]
    assert channels(ask("US", "mla", "untoc", listing=directory(row)).candidates[0]) == []


def test_oral_requests_need_both_sides() -> None:
    assert preservation("US").candidates[0].takes_oral is True
    assert preservation("US", requester=Requester(state="RO")).candidates[0].takes_oral is None
    assert preservation("KE").candidates[0].takes_oral is False


@pytest.mark.parametrize(("language", "needed"), [("en", False), ("en-GB", False), ("fr", True), ("", None)])
def test_a_language_that_is_not_accepted_needs_a_translation(language: str, needed: bool | None) -> None:
    candidate = ask("KE", "mla", "untoc", language=language).candidates[0]
    assert candidate.needs_translation is needed
    assert ("translation" in codes(candidate)) is bool(needed)


def test_the_authoritys_languages_override_its_states() -> None:
    # Austria accepts German; its 24/7 point lists English as well.
    assert preservation("AT", language="en").candidates[0].needs_translation is False
    assert ask("AT", "mla", "untoc", language="en").candidates[0].needs_translation is True


def test_a_closed_office_is_said_with_its_next_opening_in_both_zones() -> None:
    said = next(n.sentence for n in preservation("EG").candidates[0].warnings if n.code == "closed")
    assert "until Sun 2026-11-22 08:30 there (Sun 06:30 UTC)" in said
    sunday = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    assert preservation("EG", now=sunday).candidates[0].is_open is True


def test_a_record_nobody_confirmed_for_180_days_is_flagged() -> None:
    assert "unconfirmed" not in codes(preservation("US").candidates[0])
    later = datetime(2027, 4, 1, tzinfo=UTC)
    assert "unconfirmed" in codes(preservation("US", now=later).candidates[0])


def test_an_authority_without_a_channel_for_the_lane_is_said() -> None:
    row = {**entry("ke-ag")}
    row["channels"] = [dict(c) for c in row["channels"] if c["channel"] == "courier"]
    candidate = preservation("KE", listing=directory(row)).candidates[0]
    assert (channels(candidate), "no-channel" in codes(candidate)) == ([], True)


def test_channels_the_gateway_cannot_drive_are_by_hand() -> None:
    candidate = ask("GB", "mla", "untoc", region="scotland").candidates[0]
    assert "by-hand" in codes(candidate)
    driven = replace(SAMPLE, carried=frozenset({"guest_pickup"}))
    candidate = ask("GB", "mla", "untoc", region="scotland", listing=driven).candidates[0]
    assert "by-hand" not in codes(candidate)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": "suspended"}, "The authority has suspended it."),
        ({"status": "a_status_of_next_year"}, "This version does not know it: a person reads the record."),
        ({"channel": "a_channel_of_next_year"}, "This version does not know it: a person reads the record."),
        ({"use": ["notice"]}, "It carries a notice without case data, never a request."),
        ({"use": ["formal"]}, "Its record does not allow it for the urgent lane."),
    ],
)
def test_a_channel_is_left_out_with_its_reason(changes: dict[str, Any], sentence: str) -> None:
    row = {**entry("us-ccips")}
    row["channels"] = [{**row["channels"][0], **changes}, *row["channels"][1:]]
    candidate = preservation("US", listing=directory(row)).candidates[0]
    assert "gateway_https" not in channels(candidate)
    assert candidate.routes.left_out[0].sentence == sentence


def test_published_requirements_are_told_for_the_kind_and_only_in_force() -> None:
    assert preservation("US").candidates[0].asks_for[0] == (
        "Longest period asked for at once, days: 90 (Renewable once by 90)."
    )
    before = preservation("US", now=datetime(2026, 8, 31, 12, 0, tzinfo=UTC)).candidates[0]
    assert before.asks_for == ("Issue 7 of its requirements is not in force yet.",)


def test_member_only_contacts_are_shown_where_they_are_known() -> None:
    public = {key: value for key, value in entry("us-ccips").items() if key not in {"phones", "contacts"}}
    listing = directory(public)
    assert preservation("US", listing=listing).candidates[0].profile.phones == ()
    told = replace(listing, contacts={"us-ccips": {"phones": [{"use": "duty", "number": "+999 1"}]}})
    assert preservation("US", listing=told).candidates[0].profile.phones[0].number == "+999 1"


def test_unknown_codes_are_named_with_similar_ones() -> None:
    found = ask("US", "preservatoin", "budapst")
    said = {note.code: note.sentence for note in found.warnings}
    assert "similar: preservation" in said["unknown-kind"]
    assert "similar: budapest" in said["unknown-instrument"]
    assert found.outcome is Outcome.NONE


@pytest.mark.parametrize(
    ("kind", "instrument", "state", "code"),
    [
        ("asset_return_or_sharing", "untoc", "US", "copy"),
        ("prosecution_or_enforcement_in_lieu", "untoc", "US", "kind"),
        ("maritime_flag_state", "drugs_1988", "GB", "kind"),
        ("epoc", "eu_2023_1543", "FR", "kind"),
    ],
)
def test_what_holds_for_a_kind_is_said(kind: str, instrument: str, state: str, code: str) -> None:
    told = {"kind", "copy"} & codes(ask(state, kind, instrument))
    holders = [
        row
        for row in read_sample_directory()["authorities"]
        if row["state"] == state and "asset_recovery_focal_point" in row["roles"]
    ]
    assert told == ({code} if code == "kind" or holders else set())


def test_every_code_of_a_warning_or_task_is_on_the_page_and_no_other() -> None:
    sources = [Path(module.__file__ or "") for module in (advice, doubts, legal_basis)]
    said = {c for path in sources for c in re.findall(r'code="([a-z-]+)"', path.read_text(encoding="utf-8"))}
    said |= {"basis-gap", "basis-unknown"}
    page = (Path(__file__).parents[3] / "docs/directory.md").read_text(encoding="utf-8")
    table = page.partition("### Warnings and tasks")[2].partition("###")[0]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| `")]
    listed = {c for row in rows for c in re.findall(r"`([a-z-]+)`", row[1])}
    assert listed == said


def test_every_candidate_of_a_form_is_one_the_draft_rules_accept() -> None:
    # V11 and the choice must not contradict each other: whoever is offered is designated, or a fallback.
    for state in SAMPLE.entries:
        for kind, basis in (("mla", "untoc"), ("preservation", "budapest"), ("confiscation", "uncac")):
            for candidate in ask(state, kind, basis).candidates:
                assert match_designation(candidate.entry, kind, [basis]) == candidate.match
