"""The marks of an end: days of 24 hours, a day named by its date in the other State's time, short nights."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.model.preservation_clock import (
    WARNING_DAYS,
    Mark,
    MarkKind,
    due_marks,
    end_of_day,
    marks,
    next_mark,
)

DAY = timedelta(days=1)
END = datetime(2027, 4, 20, 1, 10, tzinfo=UTC)


def kinds(found: tuple[Mark, ...], kind: MarkKind) -> list[int]:
    return [mark.days for mark in found if mark.kind is kind]


def test_an_end_has_five_warnings_and_itself() -> None:
    found = marks(END)
    assert kinds(found, MarkKind.WARNING) == list(WARNING_DAYS) == [30, 14, 7, 3, 1]
    assert (found[-1].kind, found[-1].at) == (MarkKind.END, END)
    assert [mark.at for mark in found] == sorted(mark.at for mark in found)


def test_a_day_before_the_end_is_twenty_four_hours_also_where_summer_time_begins() -> None:
    # In New York the night before this end has 23 hours.
    end = datetime(2027, 3, 14, 12, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    last = [mark for mark in marks(end, zone="America/New_York") if mark.kind is MarkKind.WARNING][-1]
    assert end - last.at == timedelta(hours=24)


@pytest.mark.parametrize(
    ("day", "zone", "ends"),
    [
        (date(2027, 3, 13), "America/New_York", "2027-03-14T05:00"),
        # Summer time begins and ends: days of 23 and of 25 hours.
        (date(2027, 3, 14), "America/New_York", "2027-03-15T04:00"),
        (date(2027, 11, 7), "America/New_York", "2027-11-08T05:00"),
        (date(2027, 3, 28), "Europe/Bucharest", "2027-03-28T21:00"),
        (date(2027, 10, 31), "Europe/Bucharest", "2027-10-31T22:00"),
        # Midnight itself does not exist: clocks go from 24:00 to 01:00.
        (date(2027, 4, 29), "Africa/Cairo", "2027-04-29T22:00"),
        (date(2027, 9, 4), "America/Santiago", "2027-09-05T04:00"),
        # Leap days, and the day after a February without one.
        (date(2028, 2, 28), "Asia/Singapore", "2028-02-28T16:00"),
        (date(2028, 2, 29), "Asia/Singapore", "2028-02-29T16:00"),
        (date(2027, 2, 28), "UTC", "2027-03-01T00:00"),
        (date(2027, 2, 28), "Nowhere/Atall", "2027-03-01T00:00"),
        (date(2027, 2, 28), "../../etc/passwd", "2027-03-01T00:00"),
    ],
)
def test_a_day_ends_when_it_ends_there(day: date, zone: str, ends: str) -> None:
    assert end_of_day(day, zone) == datetime.fromisoformat(ends + "+00:00")


def test_the_last_day_of_a_renewal_is_told_a_week_and_a_day_before_and_when_it_is_over() -> None:
    found = marks(END, renew_by=date(2027, 4, 10), zone="America/New_York")
    over = datetime(2027, 4, 11, 4, tzinfo=UTC)
    told = [(mark.at, mark.days) for mark in found if mark.kind is MarkKind.RENEWAL]
    assert told == [(over - 7 * DAY, 7), (over - DAY, 1), (over, 0)]
    # It never lies behind the end.
    late = [mark.at for mark in marks(END, renew_by=date(2027, 5, 1)) if mark.kind is MarkKind.RENEWAL]
    assert late[-1] == END


def test_leap_days_are_days() -> None:
    end = datetime(2028, 3, 1, 12, tzinfo=UTC)
    assert marks(end)[-2].at == datetime(2028, 2, 29, 12, tzinfo=UTC)


def test_only_the_nearest_of_each_kind_is_told_and_never_twice() -> None:
    found = marks(END, renew_by=date(2027, 4, 10))
    now = END - 5 * DAY
    come = due_marks(found[:-1], now=now, told=None)
    assert [(mark.kind, mark.days) for mark in come] == [(MarkKind.RENEWAL, 0), (MarkKind.WARNING, 7)]
    assert due_marks(found[:-1], now=now, told=come[-1].at) == ()
    following = next_mark(found, told=come[-1].at)
    assert following is not None
    assert (following.kind, following.days) == (MarkKind.WARNING, 3)
    assert next_mark(found, told=END) is None


def test_ends_at_the_edges_of_the_calendar_do_no_harm() -> None:
    for end in (datetime(1900, 1, 1, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC)):
        assert marks(end, renew_by=date(2027, 1, 1))[-1].at == end
    assert end_of_day(date.max, "UTC") > end_of_day(date.min, "UTC")
