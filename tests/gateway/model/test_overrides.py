"""Rules that an officer sets aside at night with a reason, and those that nobody ever does."""

from datetime import date
from typing import Any

import pytest

from gateway.model.contents import check_contents
from gateway.model.overrides import (
    KINDS,
    NEVER,
    OverrideImpossible,
    overridden,
    standing_in_the_way,
    with_override,
)
from tests.sampledata import request


def form(kind: str = "preservation", **override: Any) -> dict[str, Any]:
    said = {"rules": ["V08"], "reason": "No translator is on duty."} | override
    return {"request_kind": kind, "special_circumstances": {"override": said}}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_rule_is_set_aside_for_what_one_officer_may_always_send(kind: str) -> None:
    assert overridden(form(kind)) == ("V08",)


@pytest.mark.parametrize("code", sorted(NEVER))
def test_addressee_contents_of_29_2_and_digests_are_never_set_aside(code: str) -> None:
    with pytest.raises(OverrideImpossible):
        overridden(form(rules=["V08", code]))


@pytest.mark.parametrize(
    "said", [form("mla"), form(reason=" "), form(reason=None), form("preservation", rules=["V13"])]
)
def test_without_reason_or_urgency_nothing_is_set_aside(said: dict[str, Any]) -> None:
    with pytest.raises(OverrideImpossible):
        overridden(said)


def test_only_what_the_form_names_is_set_aside() -> None:
    sample = request(3)
    del sample["purpose"], sample["proceeding"]["nature"]
    found = check_contents(sample, facts=None, documents=None, today=date(2026, 11, 18))
    assert {f.code for f in standing_in_the_way(found, sample)} == {"V01", "V05"}
    sample["special_circumstances"] = {"override": {"rules": ["V05"], "reason": "It is night."}}
    assert {f.code for f in standing_in_the_way(found, sample)} == {"V01"}
    whole = with_override(sample, found, "It is night.")
    assert standing_in_the_way(found, whole) == ()
    assert whole["special_circumstances"]["override"]["rules"] == ["V01", "V05"]


def test_a_form_in_which_nothing_fails_is_left_as_it_is() -> None:
    sample = request(3)
    found = check_contents(sample, facts=None, documents=None, today=date(2026, 11, 18))
    assert with_override(sample, found, "It is night.") == sample
