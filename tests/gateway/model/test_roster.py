"""Who is on duty: zones, nights on which clocks change, leap days, covers, gaps."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.paging import Audience
from gateway.model.roster import Cover, Roster, Turn, gaps, on_duty, shifts, turn_fault

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
BUCHAREST = "Europe/Bucharest"


def turn(officer: str = "rd.day", **changes: Any) -> Turn:
    made = Turn(
        id=officer,
        officer=officer,
        part=Audience.DUTY,
        time_zone=BUCHAREST,
        days=EVERY_DAY,
        begins="08:00",
        ends="20:00",
        further_days=0,
        first_day=date(2026, 1, 1),
    )
    return replace(made, **changes)


DAY = turn()
NIGHT = turn("rd.night", begins="20:00", ends="08:00", further_days=1)
BOTH = Roster(turns=(DAY, NIGHT))


def local(text: str, zone: str = BUCHAREST, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def duty(roster: Roster, at: datetime) -> tuple[str, ...]:
    return on_duty(roster, at)[Audience.DUTY]


def test_a_turn_begins_with_its_first_minute_and_is_over_at_its_end() -> None:
    assert duty(BOTH, local("2026-11-21T07:59:59")) == ("rd.night",)
    assert duty(BOTH, local("2026-11-21T08:00:00")) == ("rd.day",)
    assert duty(BOTH, local("2026-11-21T20:00:00")) == ("rd.night",)


@pytest.mark.parametrize(
    ("night", "hours"),
    [("2026-03-28", 11), ("2026-10-24", 13), ("2026-11-20", 12)],
)
def test_a_night_on_which_clocks_change_is_an_hour_shorter_or_longer_and_nobody_is_missing(
    night: str, hours: int
) -> None:
    begins = local(f"{night}T20:00:00")
    found = shifts(BOTH, Audience.DUTY, begins, begins + timedelta(hours=20))
    assert [s.officers for s in found] == [("rd.night",), ("rd.day",)]
    assert found[0].ends_at - found[0].begins_at == timedelta(hours=hours)


def test_a_turn_that_changes_at_a_time_that_does_not_exist_leaves_no_gap() -> None:
    # On 29 March 2026 clocks in Bucharest go from 03:00 to 04:00.
    first = turn("rd.a", begins="15:30", ends="03:30", further_days=1)
    second = turn("rd.b", begins="03:30", ends="15:30")
    roster = Roster(turns=(first, second))
    since = local("2026-03-28T12:00:00")
    assert gaps(roster, Audience.DUTY, since, since + timedelta(days=2)) == []
    assert duty(roster, local("2026-03-29T02:59:00")) == ("rd.a",)
    assert duty(roster, local("2026-03-29T04:30:00")) == ("rd.b",)


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    # On 25 October 2026 clocks in Bucharest go from 04:00 back to 03:00.
    first = turn("rd.a", begins="15:30", ends="03:30", further_days=1)
    second = turn("rd.b", begins="03:30", ends="15:30")
    roster = Roster(turns=(first, second))
    assert duty(roster, local("2026-10-25T03:29:00")) == ("rd.a",)
    assert duty(roster, local("2026-10-25T03:31:00")) == ("rd.b",)
    assert duty(roster, local("2026-10-25T03:29:00", fold=1)) == ("rd.b",)


def test_a_leap_day_is_a_day_like_others() -> None:
    roster = Roster(turns=(turn(first_day=date(2028, 2, 29), last_day=date(2028, 2, 29)),))
    assert duty(roster, local("2028-02-29T12:00:00")) == ("rd.day",)
    assert duty(roster, local("2028-02-28T12:00:00")) == duty(roster, local("2028-03-01T12:00:00")) == ()
    assert gaps(BOTH, Audience.DUTY, local("2028-02-28T00:00:00"), local("2028-03-02T00:00:00")) == []


def test_a_week_of_duty_ends_where_the_next_one_begins_and_comes_again_each_third_week() -> None:
    week = {"days": (1,), "begins": "08:00", "ends": "08:00", "further_days": 7, "every_weeks": 3}
    roster = Roster(
        turns=tuple(
            turn(f"rd.{n}", first_day=date(2026, 12, 7) + timedelta(weeks=n), **week) for n in range(3)
        )
    )
    since = local("2026-12-07T08:00:00")
    found = shifts(roster, Audience.DUTY, since, since + timedelta(weeks=7))
    assert [s.officers[0] for s in found] == ["rd.0", "rd.1", "rd.2", "rd.0", "rd.1", "rd.2", "rd.0"]
    assert all(s.ends_at - s.begins_at == timedelta(weeks=1) for s in found)


def test_officers_in_different_zones_follow_the_sun() -> None:
    roster = Roster(
        turns=(
            turn("us.east", time_zone="America/New_York", begins="08:00", ends="20:00"),
            turn("us.guam", time_zone="Pacific/Guam", begins="08:00", ends="23:00"),
        )
    )
    assert duty(roster, local("2026-11-21T09:00:00", "America/New_York")) == ("us.east",)
    # Guam keeps UTC+10 all year: its turn ends at 13:00 UTC, which is 09:00 in New York in summer.
    assert duty(roster, local("2026-07-01T08:30:00", "America/New_York")) == ("us.east", "us.guam")


def test_a_cover_stands_in_for_its_time_and_no_longer() -> None:
    away = Cover(
        id="1",
        officer="rd.night",
        cover="rd.third",
        begins_at=local("2026-11-21T20:00:00"),
        ends_at=local("2026-11-22T02:00:00"),
    )
    roster = replace(BOTH, covers=(away,))
    assert duty(roster, local("2026-11-21T23:00:00")) == ("rd.third",)
    assert duty(roster, local("2026-11-22T02:00:00")) == ("rd.night",)
    found = shifts(roster, Audience.DUTY, local("2026-11-21T20:00:00"), local("2026-11-22T08:00:00"))
    assert [s.officers for s in found] == [("rd.third",), ("rd.night",)]


def test_covers_follow_each_other_and_a_circle_leaves_the_officer() -> None:
    since, until = local("2026-11-21T00:00:00"), local("2026-11-23T00:00:00")

    def cover(officer: str, by: str) -> Cover:
        return Cover(id=officer, officer=officer, cover=by, begins_at=since, ends_at=until)

    at = local("2026-11-21T12:00:00")
    chain = replace(BOTH, covers=(cover("rd.day", "rd.b"), cover("rd.b", "rd.c")))
    assert duty(chain, at) == ("rd.c",)
    for others in (("rd.b",), ("rd.b", "rd.c")):
        names = ("rd.day", *others, "rd.day")
        circle = replace(BOTH, covers=tuple(cover(*pair) for pair in pairwise(names)))
        assert duty(circle, at) == ("rd.day",)


def test_a_gap_is_shown_with_its_beginning_and_end() -> None:
    weekdays = replace(DAY, days=(1, 2, 3, 4, 5))
    since = local("2026-11-20T08:00:00")
    found = gaps(Roster(turns=(weekdays, NIGHT)), Audience.DUTY, since, since + timedelta(days=4))
    assert [(g.begins_at, g.ends_at) for g in found] == [
        (local(f"2026-11-{day}T08:00:00"), local(f"2026-11-{day}T20:00:00")) for day in (21, 22)
    ]
    whole = gaps(Roster(), Audience.BACKUP, since, since + timedelta(hours=1))
    assert [(g.begins_at, g.ends_at) for g in whole] == [(since, since + timedelta(hours=1))]


ZONES = (BUCHAREST, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC")


@given(
    zone=st.sampled_from(ZONES),
    changes=st.lists(
        st.times().map(lambda t: f"{t.hour:02}:{t.minute:02}"), min_size=1, max_size=4, unique=True
    ),
    day=st.dates(date(2024, 1, 1), date(2036, 12, 31)),
)
def test_turns_that_meet_by_the_clock_meet_in_time_on_every_night_of_every_zone(
    zone: str, changes: list[str], day: date
) -> None:
    at = sorted(changes)
    turns = [
        turn(
            f"o{n}",
            time_zone=zone,
            begins=begins,
            ends=at[(n + 1) % len(at)],
            further_days=int(n + 1 == len(at)),
            first_day=date(2023, 1, 1),
        )
        for n, begins in enumerate(at)
    ]
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert gaps(Roster(turns=tuple(turns)), Audience.DUTY, since, since + timedelta(days=3)) == []


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({}, None),
        ({"time_zone": "Europe/Bukarest"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"days": ()}, "days"),
        ({"days": (0,)}, "days"),
        ({"days": (1, 1)}, "days"),
        ({"begins": "24:00"}, "begins"),
        ({"begins": "8:00"}, "begins"),
        ({"ends": "08:00"}, "ends"),
        ({"ends": "x"}, "ends"),
        ({"further_days": 8}, "further_days"),
        ({"further_days": 7}, "further_days"),
        ({"last_day": date(2025, 12, 31)}, "last_day"),
        ({"every_weeks": 0}, "every_weeks"),
    ],
)
def test_a_turn_that_cannot_be_is_named_by_its_member(changes: dict[str, Any], member: str | None) -> None:
    assert turn_fault(turn(**changes)) == member
