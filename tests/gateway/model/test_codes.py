"""The enumerations of the program are those of the domain's lists."""

from enum import StrEnum

import pytest

from gateway.model.codes import Assurance, CheckResult, Severity, Track, code_list, is_known
from gateway.model.receipt import PROVES, ReceiptType


@pytest.mark.parametrize(
    ("enumeration", "name"),
    [
        (Severity, "check_severity"),
        (CheckResult, "check_result"),
        (Assurance, "assurance_level"),
        (ReceiptType, "receipt_type"),
    ],
)
def test_an_enumeration_is_its_list(enumeration: type[StrEnum], name: str) -> None:
    assert {member.value for member in enumeration} == set(code_list(name))


def test_every_kind_runs_on_a_track_and_has_an_addressee() -> None:
    kinds = code_list("request_kind").values()
    assert {kind.track for kind in kinds} == set(Track)
    assert all(set(kind.roles) <= set(code_list("authority_role")) and kind.roles for kind in kinds)


@pytest.mark.parametrize("code", ["a_code_of_next_year", "", None, 7, ["mla"]])
def test_anything_that_is_not_in_the_list_is_unknown(code: object) -> None:
    assert not is_known("request_kind", code)


def test_each_receipt_says_what_it_proves() -> None:
    assert set(PROVES) == set(ReceiptType)
