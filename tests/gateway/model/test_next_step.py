"""Every state has a next step that names who acts, with a time where anybody does."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.codes import Track, code_list
from gateway.model.next_step import due_at, next_step

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
STATES = [*code_list("request_state"), *code_list("preservation_state")]


@pytest.mark.parametrize("state", STATES)
def test_each_state_says_who_acts_next_in_a_sentence(state: str) -> None:
    step = next_step(state)
    assert step.actor in {"requesting", "requested", "system", "nobody"}
    assert step.sentence.endswith(".")
    assert len(step.action) <= 40
    assert step.sentence != next_step(None).sentence
    due = due_at(step, track=Track.REQUEST, urgency_level="routine", since=NOON)
    assert (due is None) is (step.actor == "nobody")
    assert due is None or due > NOON


@pytest.mark.parametrize(
    ("track", "level", "period"),
    [
        (Track.REQUEST, "routine", timedelta(days=7)),
        (Track.REQUEST, "urgent", timedelta(minutes=30)),
        (Track.REQUEST, "emergency", timedelta(minutes=10)),
        (Track.PRESERVATION, "routine", timedelta(minutes=30)),
        (Track.REQUEST, "a_level_of_next_year", timedelta(days=7)),
    ],
)
def test_an_acknowledgement_is_due_by_urgency(track: Track, level: str, period: timedelta) -> None:
    step = next_step("delivered")
    assert due_at(step, track=track, urgency_level=level, since=NOON) == NOON + period


def test_an_open_question_goes_before_the_ordinary_course() -> None:
    assert next_step("in_execution", waiting=True).actor == "requesting"
    assert next_step("in_execution", waiting=True, missing=True).actor == "system"
    assert next_step("closed", consent_open=True).actor == "requested"
