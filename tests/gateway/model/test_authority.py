"""Directory records: parsed once, and only channels the record allows are ever chosen."""

from typing import Any

import pytest

from gateway.model.addressee import DesignationMatch, asked_in, facts_about, match_designation
from gateway.model.authority import channels_for, is_authority_id, parse_entry
from gateway.model.record_parts import EntryInvalid
from gateway.model.states import parse_state
from tests.sampledata import entry, request, sample

STATES = {row["state"]: parse_state(row) for row in sample("directory.json")["states"]}


def with_channels(*rows: dict[str, Any]) -> dict[str, Any]:
    return {**entry("sg-agc"), "channels": list(rows)}


def channel(name: str = "gateway_https", **changes: Any) -> dict[str, Any]:
    row = {"channel": name, "priority": 1, "use": ["formal", "urgent"], "address": "https://a.example.org"}
    return {**row, "status": "accepted", **changes}


def test_every_authority_of_the_sample_directory_is_read() -> None:
    rows = sample("directory.json")["authorities"]
    assert [parse_entry(row).authority_id for row in rows] == [row["authority_id"] for row in rows]


def test_an_authority_that_only_calls_out_is_reached_through_the_outbox_first() -> None:
    assert [c.channel for c in channels_for(parse_entry(entry("gh-ag")), "routine")] == [
        "https_pull",
        "gateway_https",
    ]


def test_a_channel_we_cannot_drive_is_never_chosen() -> None:
    assert {c.channel for c in channels_for(parse_entry(entry("ro-diicot")), "urgent")} == {"gateway_https"}


@pytest.mark.parametrize(
    ("changes", "routine", "urgent"),
    [
        ({}, True, True),
        ({"status": "suspended"}, False, False),
        ({"status": "accepted_urgent"}, False, True),
        ({"use": ["urgent"]}, False, True),
        ({"use": ["formal"]}, True, False),
        ({"use": ["advance_copy"]}, True, True),
        ({"use": ["notice"]}, False, False),
        ({"status": "a_status_of_next_year"}, False, False),
    ],
)
def test_a_channel_serves_only_what_its_record_allows(
    changes: dict[str, Any], routine: bool, urgent: bool
) -> None:
    parsed = parse_entry(with_channels(channel(**changes)))
    assert bool(channels_for(parsed, "routine")) is routine
    assert bool(channels_for(parsed, "urgent")) is urgent


def test_a_required_channel_comes_first() -> None:
    parsed = parse_entry(with_channels(channel(), channel("https_pull", priority=9, status="required")))
    assert [c.channel for c in channels_for(parsed, "routine")] == ["https_pull", "gateway_https"]


@pytest.mark.parametrize(
    "broken",
    [
        {"authority_id": "SG-AGC"},
        {"authority_id": "my-agc"},
        {"authority_id": "sg-agc\n"},
        {"channels": None},
        {"channels": [channel(status=["accepted"])]},
        {"designations": [{}]},
        {"keys": [{"use": "sig", "alg": "X", "kid": "k", "nbf": "now", "exp": "never", "status": "active"}]},
    ],
)
def test_a_record_that_cannot_be_used_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(EntryInvalid):
        parse_entry({**entry("sg-agc"), **broken})


def test_a_missing_member_is_named() -> None:
    record = dict(entry("sg-agc"))
    del record["languages"]
    with pytest.raises(EntryInvalid, match="languages is missing"):
        parse_entry(record)


def key(**changes: Any) -> dict[str, Any]:
    row = {"use": "sig", "alg": "Ed25519", "kid": "k" * 43, "pub": "AAEC", "status": "active"}
    return {**row, "nbf": "2026-01-01T00:00:00Z", "exp": "2028-01-01T00:00:00Z", **changes}


def test_a_key_is_read_with_its_times() -> None:
    parsed = parse_entry({**entry("sg-agc"), "keys": [key()]})
    assert parsed.keys_for("sig")[0].material == b"\0\1\2"
    assert parsed.keys_for("enc") == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"pub": "AAEC="},
        {"pub": "AB"},
        {"pub": "!!"},
        {"cert": "AAEC"},
        {"nbf": "2026-01-01T00:00:00+00:00"},
        {"status": {}},
    ],
)
def test_another_spelling_of_a_key_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EntryInvalid):
        parse_entry({**entry("sg-agc"), "keys": [key(**changes)]})


@pytest.mark.parametrize("text", ["ro-diicot", "gb-sc-copfs", "xx-a", "ab-" + "c" * 60])
def test_an_authority_id_has_a_state_and_labels(text: str) -> None:
    assert is_authority_id(text)


@pytest.mark.parametrize(
    "text", ["ro", "r-diicot", "ro--x", "ro-", "Ro-x", "ro-x\n", "ro-ä", "ab-" + "c" * 61, 7, None]
)
def test_anything_else_is_no_authority_id(text: object) -> None:
    assert not is_authority_id(text)


@pytest.mark.parametrize(
    ("aid", "kind", "instruments", "match"),
    [
        ("us-ccips", "preservation", ["budapest"], DesignationMatch.EXACT),
        ("sg-agc", "mla", ["untoc"], DesignationMatch.EXACT),
        ("sg-agc", "mla", ["budapest"], DesignationMatch.NONE),
        ("sg-agc", "mla", ["reciprocity"], DesignationMatch.EXACT),
        ("eg-ppo", "preservation", ["budapest"], DesignationMatch.FALLBACK),
        ("us-ccips", "extradition", ["untoc"], DesignationMatch.NONE),
        ("sg-agc", "a_kind_of_next_year", ["untoc"], DesignationMatch.NONE),
    ],
)
def test_the_addressee_must_be_designated_for_the_kind(
    aid: str, kind: str, instruments: list[str], match: DesignationMatch
) -> None:
    assert match_designation(parse_entry(entry(aid)), kind, instruments) is match


@pytest.mark.parametrize("number", range(1, 7))
def test_the_sample_requests_go_to_designated_authorities_under_a_treaty_in_force(number: int) -> None:
    form = request(number)
    requested = parse_entry(entry(form["requested_authority"]["authority_id"]))
    requesting = parse_entry(entry(form["requesting_authority"]["authority_id"]))
    facts = facts_about(asked_in(form), requested, requesting=requesting, states=STATES)
    assert facts.designation is DesignationMatch.EXACT
    assert facts.both_bound is True


def test_a_treaty_that_is_not_in_force_binds_nobody_and_an_unknown_state_is_not_guessed() -> None:
    form = request(3)
    requested = parse_entry(entry("us-ccips"))
    form["instruments"] = [{"code": "uncc", "articles": ["42"], "primary": True}]
    assert facts_about(asked_in(form), requested, states=STATES).both_bound is False
    assert facts_about(asked_in(form), requested, states={}).both_bound is None
    form["instruments"] = [{"code": "reciprocity", "articles": [], "primary": True}]
    assert facts_about(asked_in(form), requested, states={}).both_bound is True
