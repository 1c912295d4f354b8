"""Drills, the pure part: when a test rings, what a scorecard says, and its picture."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from gateway.model import drills
from gateway.model.drill_chart import drill_chart
from gateway.model.drills import (
    TAKEN_PER_DAY,
    Answer,
    ChannelScore,
    PointScore,
    Scorecard,
    TestState,
    Verdict,
    best_answer,
    counts_instead,
    is_too_much,
    rings_at,
    verdict_of,
)

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def rings(now: datetime, zone: str, *, agreed: bool = False, last: datetime | None = None) -> datetime:
    return rings_at(now, zone=zone, is_agreed=agreed, last_ring=last)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Bucharest", START),  # 11:00 there
        ("America/New_York", START + 4 * HOUR),  # 04:00 there
        ("Asia/Tokyo", START),  # 18:00 there
        ("Australia/Sydney", datetime(2026, 11, 21, 21, tzinfo=UTC)),  # 20:00 there: next morning
        ("Nowhere/Land", START),  # counts as UTC
    ],
)
def test_a_test_rings_by_day_and_otherwise_at_eight_in_the_morning(zone: str, expected: datetime) -> None:
    assert rings(START, zone) == expected
    assert rings(START, zone, agreed=True) == START


def test_eight_in_the_morning_is_the_zones_own_on_the_day_clocks_change() -> None:
    evening = datetime(2026, 10, 24, 22, tzinfo=UTC)  # Clocks in Bucharest are put back in this night.
    assert rings(evening, "Europe/Bucharest") == datetime(2026, 10, 25, 6, tzinfo=UTC)


def test_one_peer_rings_once_within_a_day_agreed_or_not() -> None:
    last = START - HOUR
    assert rings(START, "UTC", agreed=True, last=last) == last + 24 * HOUR
    assert rings(START, "UTC", last=last) == last + 24 * HOUR
    evening = START + 13 * HOUR  # 22:00, so that a day after the last ring is night.
    assert rings(START, "UTC", last=evening - 24 * HOUR) == datetime(2026, 11, 22, 8, tzinfo=UTC)


def test_a_days_measure_is_full_and_not_before() -> None:
    assert not is_too_much(TAKEN_PER_DAY - 1)
    assert is_too_much(TAKEN_PER_DAY)


ARRIVED = ChannelScore(channel="gateway_https", state=TestState.ARRIVED, took=timedelta(seconds=3))
LATE = ChannelScore(channel="email_sealed", state=TestState.ARRIVED, took=6 * MINUTE)
SILENT = ChannelScore(channel="email_sealed", state=TestState.SILENT)
UNDER_WAY = ChannelScore(channel="email_sealed", state=TestState.UNDER_WAY)
BY_HAND = ChannelScore(channel="interpol", state=TestState.BY_HAND)


@pytest.mark.parametrize(
    ("channels", "person", "is_over", "expected"),
    [
        ([ARRIVED, BY_HAND], 10 * MINUTE, False, Verdict.READY),
        ([ARRIVED, LATE], 10 * MINUTE, True, Verdict.SLOW),
        ([ARRIVED], 2 * HOUR + MINUTE, True, Verdict.SLOW),
        ([ARRIVED, UNDER_WAY], 10 * MINUTE, False, Verdict.RUNNING),
        ([ARRIVED], None, False, Verdict.RUNNING),
        ([ARRIVED, SILENT], 10 * MINUTE, True, Verdict.PARTLY),
        ([ARRIVED], None, True, Verdict.PARTLY),
        ([SILENT], None, True, Verdict.SILENT),
        ([BY_HAND], None, False, Verdict.BY_HAND),
        ([], None, True, Verdict.BY_HAND),
    ],
)
def test_a_verdict_needs_every_channel_and_a_person(
    channels: list[ChannelScore], person: timedelta | None, is_over: bool, expected: Verdict
) -> None:
    assert verdict_of(channels, person, is_over=is_over) is expected


@pytest.mark.parametrize(
    ("channels", "is_over", "expected"),
    [
        ([ARRIVED, BY_HAND], False, Verdict.UNSIGNED),
        ([ARRIVED, LATE], True, Verdict.UNSIGNED),
        ([ARRIVED, UNDER_WAY], False, Verdict.RUNNING),
        ([ARRIVED, SILENT], True, Verdict.PARTLY),
        ([SILENT], True, Verdict.PARTLY),
        ([BY_HAND], True, Verdict.BY_HAND),
    ],
)
def test_an_acknowledgement_that_nobody_signed_makes_no_point_ready(
    channels: list[ChannelScore], is_over: bool, expected: Verdict
) -> None:
    assert verdict_of(channels, None, MINUTE, is_over=is_over) is expected


@pytest.mark.parametrize("assurance", ["local_operator", None, "", "unheard-of"])
def test_the_first_signed_acknowledgement_counts_before_any_unsigned_one(assurance: str | None) -> None:
    unsigned = Answer(took=MINUTE, assurance=assurance)
    late = Answer(took=HOUR, assurance="passkey")
    first = Answer(took=2 * MINUTE, assurance="second_person_telephone")
    assert best_answer([]) is None
    assert best_answer([unsigned]) == unsigned
    assert best_answer([unsigned, late, first]) == first
    assert counts_instead(assurance, "passkey")
    assert not counts_instead("second_person_telephone", "passkey"), "the first signed one stays"
    assert not counts_instead("passkey", assurance)
    assert not counts_instead(None, assurance)


def test_channels_are_tested_once_in_the_order_of_the_record() -> None:
    listed = ["email_sealed", "gateway_https", "email_sealed", "interpol"]
    assert drills.tested_channels(listed, {"gateway_https", "email_sealed"}) == (
        "email_sealed",
        "gateway_https",
    )


def card(*points: PointScore) -> Scorecard:
    return Scorecard(
        drill_id="0" * 32,
        network="g7",
        officer="L-1",
        started_at=START,
        ends_at=START + 24 * HOUR,
        is_over=False,
        points=points,
    )


def point(aid: str, *, person: timedelta | None, unsigned: timedelta | None = None) -> PointScore:
    channels = [ARRIVED, SILENT, BY_HAND]
    verdict = verdict_of(channels, person, unsigned, is_over=True)
    return PointScore(
        authority_id=aid,
        name=aid,
        channels=channels,
        person_took=person,
        unsigned_took=unsigned,
        assurance="local_operator" if unsigned else "passkey",
        verdict=verdict,
    )


def test_the_chart_is_well_formed_loads_nothing_and_shows_every_point() -> None:
    svg = drill_chart(card(point("ro-diicot", person=10 * MINUTE), point('us-<"&x', person=None)))
    root = ElementTree.fromstring(svg)
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "ro-diicot" in said
    assert 'us-<"&x' in said
    assert not re.search(r"href|<script|<image|<style|@import|url\(", svg)


def test_in_the_chart_an_answer_that_nobody_signed_has_a_shape_and_words_of_its_own() -> None:
    def marks(svg: str) -> int:
        return len(re.findall("<path ", svg))

    signed = drill_chart(card(point("ro-diicot", person=10 * MINUTE)))
    unsigned = drill_chart(card(point("ro-diicot", person=None, unsigned=10 * MINUTE)))
    assert (marks(signed), marks(unsigned)) == (1, 2), "one of them explains the shape"
    assert "nobody signed" in unsigned
    # The person is still missing: the hollow diamond stands among what has not come.
    assert unsigned.count("<polygon") == signed.count("<polygon")


def test_a_chart_without_points_and_times_beyond_the_axis_are_drawn_all_the_same() -> None:
    ElementTree.fromstring(drill_chart(card()))
    long = drill_chart(card(point("ro-diicot", person=timedelta(days=9))))
    xs = [float(x) for x in re.findall(r'points="([\d.]+),', long)]
    assert max(xs) < 990
