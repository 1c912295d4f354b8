"""The ladder of the urgent lane: every step in its time, none that is missing, and what may end it."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.codes import Assurance, code_list, data
from gateway.model.escalation import (
    ANSWERS,
    Due,
    Periods,
    Said,
    Stage,
    Standing,
    Way,
    called,
    is_answer,
    is_signed,
    next_due,
    reason_for,
    target_at,
)
from gateway.model.paging import Audience, PageReason

START = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the night on which Europe's clocks go back
MINUTE = timedelta(minutes=1)
URGENT = Periods(
    consignment=5 * MINUTE, backup=10 * MINUTE, reminder=30 * MINUTE, target=120 * MINUTE, again=60 * MINUTE
)
EMERGENCY = Periods(
    consignment=2 * MINUTE, backup=3 * MINUTE, reminder=10 * MINUTE, target=30 * MINUTE, again=15 * MINUTE
)


def standing(way: Way = Way.OUT, **changes: object) -> Standing:
    values: dict[str, object] = {
        "way": way,
        "stage": Stage.WAITING,
        "stage_at": START,
        "started_at": START,
        "consigned_at": None,
        "expires_at": START + timedelta(days=60),
    }
    return Standing(**{**values, **changes})  # type: ignore[arg-type]


def climb(here: Standing, periods: Periods, steps: int) -> list[tuple[str, int]]:
    """Take steps as they fall due; return each with its minute."""
    taken = []
    for _ in range(steps):
        due = next_due(here, periods)
        taken.append((str(due.stage), int((due.at - START) / MINUTE)))
        here = here.stepped(due.stage, due.at)
    return taken


@pytest.mark.parametrize(
    ("way", "periods", "steps"),
    [
        (Way.OUT, URGENT, [("not_consigned", 5), ("reminded", 30), ("target_passed", 120)]),
        (Way.OUT, EMERGENCY, [("not_consigned", 2), ("reminded", 10), ("target_passed", 30)]),
        (Way.IN, URGENT, [("backup", 10), ("reminded", 30), ("target_passed", 120)]),
        (Way.IN, EMERGENCY, [("backup", 3), ("reminded", 10), ("target_passed", 30)]),
    ],
)
def test_each_level_has_the_periods_of_the_domain(
    way: Way, periods: Periods, steps: list[tuple[str, int]]
) -> None:
    assert climb(standing(way), periods, 3) == steps


def test_after_the_target_it_calls_again_and_again_until_the_bundle_expires() -> None:
    here, calls = standing(), 0
    while (due := next_due(here, URGENT)).stage is not Stage.EXPIRED:
        assert due.at > here.stage_at
        here, calls = here.stepped(due.stage, due.at), calls + 1
    assert due == Due(stage=Stage.EXPIRED, at=START + timedelta(days=60))
    # 60 days of 24 calls, but for the first three steps in two hours.
    assert calls == 3 + 60 * 24 - 3


def test_a_gateway_that_was_away_takes_every_step_it_missed_and_calls_once_from_then_on() -> None:
    here, now, taken = standing(), START + timedelta(days=2), []
    while (due := next_due(here, URGENT)).at <= now:
        here = here.stepped(due.stage, now)
        taken.append(due.stage)
    assert taken == [Stage.NOT_CONSIGNED, Stage.REMINDED, Stage.TARGET_PASSED]
    assert next_due(here, URGENT).at == now + URGENT.again


def test_once_consigned_the_clock_counts_from_there_and_the_receipt_is_asked_for_no_more() -> None:
    here = standing(stage=Stage.REMINDED).consigned(START + 40 * MINUTE)
    assert climb(here, URGENT, 2) == [("reminded", 70), ("target_passed", 160)]
    assert target_at(here, URGENT) == START + 160 * MINUTE
    assert reason_for(here, Stage.REMINDED) is PageReason.NOT_ACKNOWLEDGED
    assert reason_for(standing(), Stage.REMINDED) is PageReason.NOT_CONSIGNED


def test_what_was_rejected_or_given_up_calls_at_once() -> None:
    assert next_due(standing(is_stuck=True), URGENT) == Due(stage=Stage.NOT_CONSIGNED, at=START)


def test_no_period_gets_longer_on_a_clock_that_was_set_back() -> None:
    by = timedelta(hours=3)
    here = standing(stage=Stage.NOT_CONSIGNED, stage_at=START + 5 * MINUTE, consigned_at=None)
    before, after = next_due(here, URGENT), next_due(here.moved(by), URGENT)
    assert (after.stage, after.at) == (before.stage, before.at - by)
    consigned = here.consigned(START + 6 * MINUTE)
    assert next_due(consigned.moved(by), URGENT).at == next_due(consigned, URGENT).at - by


def test_every_step_calls_somebody_and_the_later_ones_the_shift_leader() -> None:
    for way in Way:
        here, periods = standing(way), URGENT
        while (due := next_due(here, periods)).stage is not Stage.TARGET_PASSED:
            assert called(way, due.stage)
            here = here.stepped(due.stage, due.at)
        for stage in (Stage.REMINDED, Stage.TARGET_PASSED, Stage.EXPIRED):
            assert Audience.SHIFT_LEADER in called(way, stage)
    assert called(Way.IN, Stage.WAITING) == (Audience.DUTY,)


def test_only_a_persons_signature_or_two_persons_on_the_telephone_stop_a_clock() -> None:
    stops = {str(level) for level in Assurance if is_signed(level)}
    assert stops == {"passkey", "token", "second_person_telephone"}
    assert {code for code in code_list("assurance_level") if not is_signed(code)} == {"local_operator"}
    assert not is_signed(None)
    assert not is_signed("none")
    # A signed reply to a letter, which quotes its code; the domain's list has no name for it.
    assert is_signed("mail_signature")


def test_the_answers_are_the_facts_and_decisions_of_the_requested_authority() -> None:
    ranks = data("state_machine.json")["crossing"]["ranks"]
    assert frozenset(name for row in ranks if row["rank"] in {1, 3} for name in row["messages"]) == ANSWERS


def said(message_type: str, *, side: str = "requested", reply: str | None = "xx-a/1", seen: int = 1) -> Said:
    return Said(side=side, message_type=message_type, in_reply_to=reply, seen=seen)


@pytest.mark.parametrize(
    ("what", "is_one"),
    [
        (said("preservation_acknowledgement"), True),
        (said("acknowledgement"), True),
        # It names another request of the thread, or is said by the other side.
        (said("acknowledgement", reply="xx-a/2"), False),
        (said("acknowledgement", side="requesting"), False),
        (said("preservation_report"), True),
        (said("preservation_report", reply="xx-a/2", seen=1), True),
        # Its author had not seen the request.
        (said("preservation_report", seen=0), False),
        (said("status_report"), False),
        (said("correction"), False),
        (said("a_code_of_tomorrow"), False),
    ],
)
def test_an_answer_is_a_word_about_this_request_by_somebody_who_had_it(what: Said, is_one: bool) -> None:
    assert is_answer(what, message_id="xx-a/1", seq=1) is is_one
