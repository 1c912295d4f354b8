"""Every State of the sample directory and every request kind, against a second reading of the rules.

The table in the samples says for each State and kind who is found; a person can read it. The second reading
below works on the raw records and shares no code with the product.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.model.authority import parse_entry
from gateway.model.codes import code_list
from gateway.model.listing import Listing, Query, Requester, listing_of
from gateway.model.resolution import Outcome, Resolution, resolve
from gateway.model.states import parse_state
from tests.sampledata import FOLDER

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TABLE = FOLDER / "resolution.json"

#: Under which instrument each kind is asked for in the table.
BASIS = {
    "preservation": "budapest",
    "data_location_inquiry": "budapest",
    "preserved_traffic_data_disclosure": "budapest",
    "emergency_disclosure": "budapest",
    "maritime_flag_state": "drugs_1988",
    "order_given_effect": "budapest_2ap",
    "epoc": "eu_2023_1543",
    "epoc_pr": "eu_2023_1543",
}

#: Roles per kind, from the domain reference, in order.
ROLES = {
    "mla": ["mla_central"],
    "freezing_for_confiscation": ["confiscation", "mla_central"],
    "confiscation": ["confiscation", "mla_central"],
    "asset_return_or_sharing": ["confiscation", "mla_central"],
    "extradition": ["extradition_central"],
    "provisional_arrest": ["extradition_central"],
    "prosecution_or_enforcement_in_lieu": ["extradition_central", "mla_central"],
    "transfer_of_sentenced_person": ["transfer_sentenced_persons", "mla_central"],
    "transfer_of_proceedings": ["transfer_of_proceedings", "mla_central"],
    "joint_investigation": ["mla_central"],
    "controlled_delivery": ["law_enforcement", "mla_central"],
    "law_enforcement_information": ["law_enforcement", "contact_24_7", "mla_central"],
    "maritime_flag_state": ["maritime_1988_17", "maritime_smuggling_migrants"],
    "preservation": ["contact_24_7", "mla_central"],
    "data_location_inquiry": ["contact_24_7", "mla_central"],
    "preserved_traffic_data_disclosure": ["contact_24_7", "mla_central"],
    "emergency_disclosure": ["contact_24_7", "mla_central"],
    "order_given_effect": ["mla_central"],
    "epoc": ["executing_authority", "mla_central"],
    "epoc_pr": ["executing_authority", "mla_central"],
}

STATES = sorted(row["state"] for row in read_sample_directory()["states"])


@cache
def listing() -> Listing:
    rows = read_sample_directory()
    return listing_of(
        [parse_entry(row) for row in rows["authorities"]],
        {row["state"]: parse_state(row) for row in rows["states"]},
        requirements=read_sample_requirements(),
    )


def ask(state: str, kind: str, **more: Any) -> Resolution:
    query = Query(state=state, request_kind=kind, instruments=(BASIS.get(kind, "untoc"),), **more)
    return resolve(query, listing(), requester=Requester(state="RO"), now=NOW)


def in_short(found: Resolution) -> str:
    """Say a resolution in one cell: ``=`` designated, ``~`` by the fallback; ``?`` where a person chooses."""
    cells = [("~" if c.match == "fallback" else "=") + c.entry.authority_id for c in found.candidates]
    return ("? " if found.outcome is Outcome.ASK else "") + " ".join(cells)


def second_reading(state: str, kind: str) -> str:
    """Answer from the raw records alone; only what the sample directory needs of the rules."""
    instrument, roles = BASIS.get(kind, "untoc"), ROLES[kind]
    rows = [row for row in read_sample_directory()["authorities"] if row["state"] == state]

    def holding(role: str, region: str | None, *, under: str | None) -> list[str]:
        return [
            row["authority_id"]
            for row in rows
            if row["region"] == region
            and any(d["role"] == role and under in (None, d["instrument"]) for d in row["designations"])
        ]

    def pick(region: str | None) -> list[str]:
        chosen: list[str] = []
        for role in roles:
            if exact := holding(role, region, under=instrument):
                return [*chosen, *("=" + aid for aid in exact)]
            if "contact_24_7" in roles and not chosen:
                chosen = ["~" + aid for aid in holding(role, region, under=None)]
        return chosen

    def role_of(cell: str) -> str:
        row = next(row for row in rows if row["authority_id"] == cell[1:])
        return "contact_24_7" if "contact_24_7" in row["roles"] else "other"

    cells = pick(None)
    has_point = any(role == "contact_24_7" for row in rows for role in row["roles"])
    regional = False
    for region in dict.fromkeys(row["region"] for row in rows if row["region"]):
        own = pick(region)
        if (
            has_point
            and "contact_24_7" in roles
            and not ({role_of(cell) for cell in cells} - {"contact_24_7"})
        ):
            continue
        regional = regional or bool(own)
        cells += own
    asks = regional or len(cells) > 1
    return ("? " if asks else "") + " ".join(cells)


def test_the_roles_of_each_kind_are_those_of_the_domain_reference() -> None:
    assert {kind: list(row.roles) for kind, row in code_list("request_kind").items()} == ROLES


@pytest.mark.parametrize("state", STATES)
def test_the_table_and_a_second_reading_agree_for_every_kind(state: str) -> None:
    table: Mapping[str, Mapping[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))
    found = {kind: in_short(ask(state, kind)) for kind in ROLES}
    assert found == {kind: second_reading(state, kind) for kind in ROLES}
    assert found == table[state]


def test_the_table_has_every_state() -> None:
    assert sorted(json.loads(TABLE.read_text(encoding="utf-8"))) == STATES
    assert len(STATES) == 43


@pytest.mark.parametrize("state", STATES)
def test_no_candidate_is_without_a_reason_and_none_of_several_is_chosen(state: str) -> None:
    for kind in ROLES:
        found = ask(state, kind)
        assert all(candidate.reasons for candidate in found.candidates)
        assert (len(found.candidates) > 1) <= bool(found.questions)
        assert (found.outcome is Outcome.ASK) == bool(found.questions)
        if not found.candidates:
            assert found.outcome is Outcome.NONE
            assert "nobody" in {note.code for note in found.warnings}


def write_table(path: Path = TABLE) -> None:
    """Write the table anew from the second reading, for a person to compare."""
    table = {state: {kind: second_reading(state, kind) for kind in ROLES} for state in STATES}
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
