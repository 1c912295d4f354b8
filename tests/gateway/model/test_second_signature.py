"""When a second person is owed for an emergency, and who counts as one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.second_signature import due_at, is_owed, is_second


def form(level: str) -> dict[str, Any]:
    return {"urgency": {"level": level}}


@pytest.mark.parametrize("message_type", ["request", "preservation_request", "written_confirmation"])
@pytest.mark.parametrize("assurance", ["passkey", "token", "local_operator", None])
def test_an_emergency_that_one_person_sent_owes_a_second_one(
    message_type: str, assurance: str | None
) -> None:
    assert is_owed(form("emergency"), message_type, assurance)
    assert not is_owed(form("urgent"), message_type, assurance)


def test_two_persons_on_the_telephone_are_two_persons_already() -> None:
    assert not is_owed(form("emergency"), "request", "second_person_telephone")


def test_an_oral_emergency_owes_one_to_the_side_that_asks_only() -> None:
    asked = {"side": "requesting", "content": {"urgency_level": "emergency"}}
    assert is_owed(asked, "oral_request_note", "passkey")
    assert not is_owed({**asked, "side": "requested"}, "oral_request_note", "passkey")


def test_answers_and_forms_of_the_wrong_shape_owe_nothing() -> None:
    assert not is_owed({"content": {}}, "preservation_acknowledgement", "passkey")
    assert not is_owed({"urgency": "emergency"}, "request", "passkey")


def test_sixty_minutes_are_counted_in_elapsed_time() -> None:
    # The night on which clocks in Bucharest are put back.
    sent = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert due_at(sent) - sent == timedelta(minutes=60)


def test_the_same_officer_spelled_otherwise_is_no_second_one() -> None:
    assert not is_second("d-1", "D-1")
    assert is_second("D-2", "D-1")
