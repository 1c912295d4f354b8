"""Back-off, horizon and what each code makes the sender do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.schedule import Decision, Step, horizon_of, next_attempt, overdue_at

START = datetime(2026, 11, 18, 22, 31, tzinfo=UTC)
EXPIRES = START + timedelta(days=60)


def decide(
    *,
    lane: str = "routine",
    attempts: int = 1,
    code: str | None = None,
    after: timedelta = timedelta(0),
    jitter: float = 1.0,
    repeats: int = 0,
) -> Decision:
    return next_attempt(
        lane=lane,
        attempts=attempts,
        counted_from=START,
        expires_at=EXPIRES,
        now=START + after,
        code=code,
        jitter=jitter,
        repeats=repeats,
    )


def test_the_first_attempt_is_due_at_once() -> None:
    assert decide(attempts=0).at == START


@pytest.mark.parametrize(
    ("lane", "attempts", "pause"),
    [
        ("routine", 1, timedelta(seconds=30)),
        ("routine", 2, timedelta(minutes=1)),
        ("routine", 8, timedelta(hours=1)),
        ("routine", 5000, timedelta(hours=1)),
        ("urgent", 1, timedelta(seconds=1)),
        ("urgent", 9, timedelta(seconds=256)),
        ("urgent", 10, timedelta(minutes=5)),
    ],
)
def test_the_pause_doubles_up_to_its_limit(lane: str, attempts: int, pause: timedelta) -> None:
    assert decide(lane=lane, attempts=attempts).at == START + pause
    assert decide(lane=lane, attempts=attempts, jitter=0.0).at == START + pause / 2


def test_routine_gives_up_after_fourteen_days_and_urgent_tries_until_expiry() -> None:
    fortnight = timedelta(days=14)
    assert decide(after=fortnight - timedelta(seconds=1), attempts=400).at == START + fortnight
    assert decide(after=fortnight, attempts=400).kind is Step.GIVE_UP
    assert decide(lane="urgent", after=fortnight, attempts=4000).kind is Step.WAIT
    assert decide(lane="urgent", after=timedelta(days=60), attempts=4000).kind is Step.GIVE_UP


@pytest.mark.parametrize(
    ("code", "step"),
    [
        *[
            (c, Step.WAIT)
            for c in ("part-digest", "incomplete", "offset", "busy", "unavailable", "quota", "rate")
        ],
        ("clock", Step.WAIT),
        ("a-code-of-next-year", Step.WAIT),
        *[(c, Step.REFRESH) for c in ("unknown-key", "unknown-sender", "directory-stale", "sig-revoked")],
        ("auth-invalid", Step.REFRESH),
        ("key-expired", Step.REWRAP),
        *[(c, Step.PERSON) for c in ("malformed", "version", "sig-invalid", "not-for-us", "bid-conflict")],
        *[(c, Step.PERSON) for c in ("expired", "too-large", "policy", "auth-replay")],
    ],
)
def test_each_code_leads_to_its_action(code: str, step: Step) -> None:
    assert decide(code=code, repeats=2).kind is step


@pytest.mark.parametrize("code", ["malformed", "version", "sig-invalid"])
def test_what_damage_on_the_way_can_cause_is_tried_again_before_a_person_is_asked(code: str) -> None:
    assert [decide(code=code, repeats=n).kind for n in range(3)] == [Step.WAIT, Step.WAIT, Step.PERSON]


def test_a_person_is_told_after_three_repeats_that_a_refresh_did_not_help_and_the_attempts_go_on() -> None:
    assert [decide(code="unknown-key", repeats=n).alarm for n in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert decide(code="unknown-key", repeats=9).kind is Step.REFRESH
    assert not decide(code="busy", repeats=9).alarm


@given(
    st.sampled_from(["urgent", "routine"]),
    st.integers(0, 10**6),
    st.timedeltas(timedelta(0), timedelta(days=100)),
    st.one_of(st.none(), st.sampled_from(["busy", "key-expired", "unknown-key", "policy", "?"])),
    st.floats(0, 1),
)
def test_every_decision_has_a_time_that_is_not_past(
    lane: str, attempts: int, after: timedelta, code: str | None, jitter: float
) -> None:
    now = START + after
    decision = decide(lane=lane, attempts=attempts, after=after, code=code, jitter=jitter)
    assert now <= decision.at <= max(now, horizon_of(lane=lane, counted_from=START, expires_at=EXPIRES))


def test_a_missing_receipt_is_looked_for_when_it_is_due_or_at_the_horizon_and_never_in_the_past() -> None:
    soon, late = START + timedelta(minutes=5), START + timedelta(days=90)
    horizon = horizon_of(lane="routine", counted_from=START, expires_at=EXPIRES)
    assert overdue_at(horizon=horizon, now=START, due=soon) == soon
    assert overdue_at(horizon=horizon, now=START, due=late) == START + timedelta(days=14)
    assert overdue_at(horizon=horizon, now=late, due=late + timedelta(hours=1)) == late


def test_what_goes_by_a_carrier_is_not_given_up_after_14_days() -> None:
    times = {"counted_from": START, "expires_at": EXPIRES}
    for lane in ("routine", "urgent"):
        assert horizon_of(lane=lane, **times, is_carried=True) == EXPIRES
    late = START + timedelta(days=15)
    asked = {"attempts": 3, "now": late, "code": None, "jitter": 0.5, "lane": "routine", **times}
    assert next_attempt(**asked).kind is Step.GIVE_UP
    assert next_attempt(**asked, is_carried=True).kind is Step.WAIT
