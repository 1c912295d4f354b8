"""What a person reads at night: whom to call, by the numbers of the directory, and nothing of any case."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.model.authority import DirectoryEntry, parse_entry
from gateway.model.escalation import Stage
from gateway.services.escalation.wording import CODES, Wording, is_contact_point
from gateway.storage.escalations import EscalationRow
from tests import sampledata
from tests.world import START

FILLED = {"keys": [], "forms": {"request": 1, "message": 1, "requirements": 1}}


def entry(authority_id: str, **changes: object) -> DirectoryEntry:
    return parse_entry({**sampledata.entry("us-ccips"), **FILLED, "authority_id": authority_id, **changes})


class Listed:
    """A directory of a few entries, one of them with numbers for enrolled authorities only."""

    def __init__(self, *entries: DirectoryEntry, contacts: dict[str, Any] | None = None) -> None:
        self._entries = {str(each.authority_id): each for each in entries}
        self._contacts = contacts or {}

    def lookup(self, authority_id: str) -> Any:
        return SimpleNamespace(entry=self._entries.get(authority_id))

    def entries(self) -> tuple[DirectoryEntry, ...]:
        return tuple(self._entries.values())

    def contacts(self, authority_id: str) -> Any:
        return self._contacts.get(authority_id)


CCIPS = entry("us-ccips")
OTHER = entry("us-fbi", name_en="Example Operations Centre", phones=[{"use": "duty", "number": "+999 7"}])
CLOSED = entry("us-old", status="inactive")
DESK = entry("us-oia", roles=["mla_central"], hours={"time_zone": "UTC", "always": False, "office": None})
ABROAD = parse_entry({**sampledata.entry("ro-diicot"), **FILLED})


def row(**changes: object) -> EscalationRow:
    values: dict[str, Any] = {
        "sender": "ro-diicot",
        "bid": "a" * 32,
        "to_aid": "us-ccips",
        "side": "out",
        "level": "urgent",
        "awaits": "person",
        "thread_id": "b" * 32,
        "seq": 1,
        "stage": "waiting",
        "stage_at": START,
        "started_at": START,
        "consigned_at": START,
        "unsigned_at": None,
        "next_action_at": START,
        "stopped_at": None,
        "stopped_by": None,
    }
    return EscalationRow(**{**values, **changes})


def wording(*entries: DirectoryEntry, **contacts: Any) -> Wording:
    directory: Any = Listed(*entries, contacts=contacts.get("contacts"))
    return Wording(directory=directory)


def test_when_the_target_has_passed_the_other_points_of_that_state_are_named_with_their_numbers() -> None:
    said = wording(CCIPS, OTHER, CLOSED, DESK, ABROAD).sentence(row(), Stage.TARGET_PASSED)
    assert "Turn to Example Operations Centre (+999 7 (duty)); INTERPOL (NCB US)" in said
    assert "+999 131 0001 (duty)" in said
    for not_asked in ("us-old", "us-oia", CLOSED.name_en * 2, ABROAD.name_en):
        assert not_asked not in said


def test_without_another_point_interpol_and_the_own_superior_are_left() -> None:
    said = wording(CCIPS).sentence(row(), Stage.TARGET_PASSED)
    assert "Turn to INTERPOL (NCB US); and tell your own superior." in said


def test_the_duty_number_comes_first_and_those_for_enrolled_authorities_are_known() -> None:
    hidden = entry("us-ccips", phones=[])
    assert "no number in the directory" in wording(hidden).sentence(row(), Stage.REMINDED)
    phones = [{"use": "office", "number": "+999 1"}, {"use": "duty", "number": "+999 2"}]
    said = wording(hidden, contacts={"us-ccips": {"phones": phones}}).sentence(row(), Stage.REMINDED)
    assert "Call the duty number now: +999 2 (duty), +999 1 (office)." in said


def test_an_authority_that_is_listed_no_more_is_named_by_its_identifier() -> None:
    said = wording().sentence(row(consigned_at=None), Stage.NOT_CONSIGNED)
    assert said.startswith("us-ccips has not received this in time")


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.WAITING])
@pytest.mark.parametrize("side", ["out", "in"])
@pytest.mark.parametrize("unsigned", [False, True])
def test_every_step_has_a_sentence_and_a_code(stage: Stage, side: str, unsigned: bool) -> None:
    words = wording(CCIPS, OTHER)
    one = row(side=side, unsigned_at=START if unsigned else None)
    assert words.code(one, stage) in CODES
    assert words.sentence(one, stage).endswith(".")
    assert "None" not in words.sentence(one, stage)


def test_who_answers_around_the_clock_is_a_contact_point() -> None:
    assert is_contact_point(CCIPS)
    assert is_contact_point(entry("us-x", roles=["mla_central"]))
    assert not is_contact_point(CLOSED)
    assert not is_contact_point(DESK)
