"""Mappings: every column is declared, and no mapping reaches what a register has no business with."""

import json
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.registers.mapping import known_registers, packaged_mapping, parse_mapping
from gateway.services.registers.tables import read_table

SMALL: dict[str, Any] = {
    "v": 1,
    "register": "trial",
    "title": "Trial",
    "publisher": "Nobody",
    "kind": "authorities",
    "layout": "Made up.",
    "instruments": ["untoc"],
    "phrases": {
        "designation": {"MLA": [{"instrument": "untoc", "article": "18(13)", "role": "mla_central"}]}
    },
    "columns": [
        {"headings": ["State"], "value": "state", "needed": True},
        {"headings": ["Name"], "value": "name_en", "needed": True},
        {"headings": ["Task"], "value": "designation", "needed": True},
        {"headings": ["Person"], "left_out": "Offices, not persons."},
    ],
}


def refused(**changed: Any) -> str:
    with pytest.raises(GatewayRefusal) as caught:
        parse_mapping(json.dumps({**SMALL, **changed}).encode())
    assert caught.value.code == "register-mapping"
    return " ".join(item["sentence"] for item in caught.value.items)


def columns(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"columns": [*SMALL["columns"], *rows]}


@pytest.mark.parametrize("register", known_registers())
def test_every_mapping_of_the_product_is_sound_and_says_where_its_layout_is_known_from(register: str) -> None:
    mapping = packaged_mapping(register)
    assert mapping.register == register
    assert mapping.layout.startswith(("Assumed.", "Published:"))


def test_a_mapping_that_fits_is_taken() -> None:
    assert parse_mapping(json.dumps(SMALL).encode()).instruments == ("untoc",)


@pytest.mark.parametrize("value", ["keys", "forms", "status", "gateway_https", "channels", "authority_id"])
def test_no_mapping_can_fill_keys_channels_forms_or_status(value: str) -> None:
    assert value in refused(**columns({"headings": ["X"], "value": value}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"v": 2}, "v must be 1"),
        ({"extra": 1}, "extra"),
        ({"kind": "people"}, "kind"),
        ({"instruments": ["magna_carta"]}, "magna_carta"),
        ({"register": "a b"}, "short word"),
        ({"columns": SMALL["columns"][:2]}, "designation"),
        ({"columns": 1}, "wrong type"),
        (columns({"headings": ["State "], "value": "region"}), "two columns"),
        (columns({"headings": ["Land"], "value": "state"}), "Two columns"),
        (columns({"headings": ["X"], "value": "fax", "left_out": "no"}), "either"),
        (columns({"headings": [], "value": "fax"}), "Headings"),
        (columns({"headings": ["X"], "value": "fax", "run": "rm"}), "run"),
        (
            {"phrases": {"designation": {"X": [{"instrument": "uncac", "article": "1", "role": "x"}]}}},
            "uncac",
        ),
        ({"phrases": {"forms_of_transmission": {"Telex": "telex"}}}, "telex"),
        ({"date_form": "mm/dd/yyyy"}, "date_form"),
    ],
)
def test_a_mapping_that_could_be_misread_is_refused(changed: dict[str, Any], said: str) -> None:
    assert said in refused(**changed)


def test_an_unknown_column_is_refused_by_name() -> None:
    mapping = parse_mapping(json.dumps(SMALL).encode())
    table = read_table(b"State,Name,Task,Rank\nKE,A,MLA,1\n", "csv", is_known=mapping.is_known)
    with pytest.raises(GatewayRefusal) as caught:
        mapping.value_columns(table)
    assert caught.value.code == "register-columns"
    assert "Rank" in caught.value.items[0]["sentence"]


def test_a_missing_column_is_refused_and_a_declared_one_may_be_left_out() -> None:
    mapping = parse_mapping(json.dumps(SMALL).encode())
    table = read_table(b"State,Name,Person\nKE,A,B\n", "csv", is_known=mapping.is_known)
    with pytest.raises(GatewayRefusal) as caught:
        mapping.value_columns(table)
    assert [item["sentence"] for item in caught.value.items] == ["The column “Task” is missing."]
