"""What the doctor calls 24/7 ready, and everything that keeps it from saying so."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.model.paging import Audience
from gateway.model.roster import Roster, Turn
from gateway.services.diagnosis import Level
from gateway.services.paging.readiness import Night, judge
from gateway.storage.alarms import PathRow

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def turn(officer: str, part: Audience) -> Turn:
    return Turn(
        id=officer,
        officer=officer,
        part=part,
        time_zone="Europe/Bucharest",
        days=(1, 2, 3, 4, 5, 6, 7),
        begins="08:00",
        ends="08:00",
        further_days=1,
        first_day=date(2026, 1, 1),
    )


def path(officer: str, kind: str = "mail", *, proved: datetime | None = NOW - DAY) -> PathRow:
    return PathRow(
        id=f"{officer}-{kind}",
        officer=officer,
        kind=kind,
        target="x@example.org",
        place=1,
        added_at=NOW - 90 * DAY,
        added_by="ro.admin",
        proved_at=proved,
        next_action_at=NOW + DAY,
    )


READY = Night(
    roster=Roster(turns=(turn("ro.one", Audience.DUTY), turn("ro.two", Audience.BACKUP))),
    paths=(path("ro.one"), path("ro.two", "webhook")),
    beat=NOW - timedelta(seconds=30),
    is_contact_point=True,
    kinds=frozenset({"mail", "webhook"}),
)


def test_a_point_with_people_on_paths_they_answered_is_ready() -> None:
    (found,) = judge(READY, NOW)
    assert found.level is Level.GREEN
    assert found.sentence.startswith("24/7 ready")


def test_an_answer_holds_for_thirty_days_and_not_a_second_longer() -> None:
    last = NOW - 30 * DAY
    held = replace(READY, paths=(path("ro.one", proved=last), READY.paths[1]))
    assert judge(held, NOW)[0].level is Level.GREEN
    (found,) = judge(held, NOW + timedelta(seconds=1))
    assert found.level is Level.RED
    assert found.sentence.startswith("Not 24/7 ready: no alarm of ro.one")


@pytest.mark.parametrize(
    ("night", "said"),
    [
        (replace(READY, roster=Roster()), "there is no duty roster"),
        (
            replace(READY, roster=Roster(turns=(replace(READY.roster.turns[0], days=(1, 2, 3, 4, 5)),))),
            "nobody is on duty from 2026-11-21 06:00 to 2026-11-23 06:00",
        ),
        (replace(READY, paths=()), "no alarm of ro.one, ro.two"),
        (replace(READY, paths=(path("ro.one", proved=None), READY.paths[1])), "no alarm of ro.one"),
        # Taken by a server a minute ago, answered by nobody.
        (
            replace(READY, paths=(replace(path("ro.one", proved=None), tested_at=NOW), READY.paths[1])),
            "no alarm of ro.one",
        ),
        (
            replace(READY, paths=(replace(path("ro.one"), silent_since=NOW - DAY), *READY.paths)),
            "has been silent since 2026-11-20 03:00",
        ),
        (replace(READY, kinds=frozenset({"webhook"})), "nothing about alarms by mail"),
        (replace(READY, beat=None), "nobody has been looking after alarms"),
        (replace(READY, beat=NOW - timedelta(minutes=6)), "since 2026-11-21 02:54 UTC"),
        (replace(READY, beat=NOW + timedelta(days=1)), "nobody has been looking after alarms"),
    ],
)
def test_whatever_is_missing_refuses_ready_and_says_what_to_do(night: Night, said: str) -> None:
    found = judge(night, NOW)
    assert any(said in diagnosis.sentence for diagnosis in found)
    assert all(d.level is Level.RED and d.sentence.startswith("Not 24/7 ready") and d.action for d in found)


def test_an_authority_that_is_no_contact_point_and_keeps_no_roster_is_told_nothing() -> None:
    assert judge(replace(READY, roster=Roster(), is_contact_point=False), NOW) == []
    # One that keeps a roster is judged by it.
    kept = replace(READY, is_contact_point=False, paths=())
    assert judge(kept, NOW)[0].level is Level.RED


def test_one_officer_or_one_kind_of_path_is_ready_and_could_be_better() -> None:
    alone = replace(READY, roster=Roster(turns=READY.roster.turns[:1]), paths=READY.paths[:1])
    found = judge(alone, NOW)
    assert [d.level for d in found] == [Level.GREEN, Level.YELLOW, Level.YELLOW]
    assert all(d.action for d in found[1:])
