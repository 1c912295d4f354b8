"""Who is rung next, and when a new page rings."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.paging import (
    Audience,
    Climb,
    Rung,
    first_ring_at,
    is_higher,
    is_test_time,
    ladder,
    next_rungs,
)

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
ON_DUTY = {
    Audience.DUTY: ("duty",),
    Audience.BACKUP: ("backup",),
    Audience.SHIFT_LEADER: ("leader",),
}
PATHS = {"duty": ("d1", "d2"), "backup": ("b1",), "leader": ("l1",), "third": ("t1",)}


def names(rungs: tuple[Rung, ...]) -> list[str]:
    return [rung.path for rung in rungs]


@pytest.mark.parametrize(
    ("audience", "order"),
    [
        (Audience.DUTY, ["d1", "d2", "b1", "l1"]),
        (Audience.BACKUP, ["b1", "l1", "d1", "d2"]),
        (Audience.SHIFT_LEADER, ["l1", "b1", "d1", "d2"]),
    ],
)
def test_the_audience_is_rung_first_and_the_others_on_duty_after_it(
    audience: Audience, order: list[str]
) -> None:
    assert names(ladder(audience, on_duty=ON_DUTY, paths=PATHS)) == order


def test_a_roster_that_names_nobody_with_a_path_lets_everybody_with_one_be_rung() -> None:
    assert names(ladder(Audience.DUTY, on_duty={}, paths=PATHS)) == ["b1", "d1", "d2", "l1", "t1"]
    ill = {Audience.DUTY: ("without",)}
    assert names(ladder(Audience.DUTY, on_duty=ill, paths=PATHS)) == ["b1", "d1", "d2", "l1", "t1"]
    assert ladder(Audience.DUTY, on_duty=ON_DUTY, paths={}) == ()
    assert next_rungs((), rings={}, level="urgent") == ()


def test_whoever_has_two_parts_is_one_rung() -> None:
    both = {Audience.DUTY: ("duty",), Audience.SHIFT_LEADER: ("duty",)}
    assert names(ladder(Audience.DUTY, on_duty=both, paths=PATHS)) == ["d1", "d2"]


def test_each_path_rings_before_any_rings_again_and_it_never_ends() -> None:
    rungs, rings, rung = ladder(Audience.DUTY, on_duty=ON_DUTY, paths=PATHS), dict[str, int](), []
    for _ in range(9):
        (following,) = next_rungs(rungs, rings=rings, level="urgent")
        rings[following.path] = rings.get(following.path, 0) + 1
        rung.append(following.path)
    assert rung == ["d1", "d2", "b1", "l1", "d1", "d2", "b1", "l1", "d1"]


def test_in_an_emergency_all_paths_of_an_officer_ring_together() -> None:
    rungs = ladder(Audience.DUTY, on_duty=ON_DUTY, paths=PATHS)
    assert names(next_rungs(rungs, rings={}, level="emergency")) == ["d1", "d2"]
    assert names(next_rungs(rungs, rings={"d1": 1, "d2": 1}, level="emergency")) == ["b1"]


def test_whoever_comes_on_duty_during_a_page_is_rung_next() -> None:
    rungs = ladder(Audience.DUTY, on_duty={Audience.DUTY: ("third",)}, paths=PATHS)
    assert names(next_rungs(rungs, rings={"d1": 3, "d2": 3, "b1": 3}, level="urgent")) == ["t1"]


def test_an_emergency_climbs_by_its_own_period() -> None:
    climb = Climb(urgent=timedelta(minutes=5), emergency=timedelta(minutes=1))
    assert climb.period("emergency") == timedelta(minutes=1)
    assert climb.period("routine") == climb.period("urgent") == timedelta(minutes=5)


def test_levels_are_ordered_and_one_that_is_unknown_is_taken_seriously() -> None:
    assert is_higher("emergency", "urgent")
    assert is_higher("urgent", "routine")
    assert is_higher("apocalyptic", "emergency")
    assert not is_higher("urgent", "urgent")


@pytest.mark.parametrize(
    ("level", "answered", "at"),
    [
        ("urgent", None, NOW),
        ("urgent", NOW - timedelta(seconds=30), NOW + timedelta(seconds=90)),
        ("emergency", NOW - timedelta(seconds=30), NOW),
        ("urgent", NOW - timedelta(minutes=5), NOW),
        # A clock set back: an answer from the future keeps nobody quiet.
        ("urgent", NOW + timedelta(hours=1), NOW),
    ],
)
def test_a_new_page_is_quiet_only_while_somebody_has_just_answered(
    level: str, answered: datetime | None, at: datetime
) -> None:
    found = first_ring_at(
        level=level, now=NOW, answered_at=answered, answered_level="urgent", quiet=timedelta(minutes=2)
    )
    assert found == at


def test_a_test_rings_by_day_and_at_night_only_for_whoever_is_never_there_by_day() -> None:
    assert is_test_time(7, waited=timedelta(0))
    assert not is_test_time(3, waited=timedelta(hours=23))
    assert is_test_time(3, waited=timedelta(days=1))
