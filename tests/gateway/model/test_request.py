"""What follows from a request form: lane, track, basis and dates."""

from datetime import UTC, datetime

import pytest

from gateway.model.request import (
    lane_of,
    primary_basis,
    read_request,
    requested_items,
    respond_by_instant,
    track_of,
)
from tests.sampledata import request


@pytest.mark.parametrize(
    ("level", "kind", "lane"),
    [
        ("routine", "mla", "routine"),
        ("priority", "mla", "routine"),
        ("urgent", "mla", "urgent"),
        ("emergency", None, "urgent"),
        ("routine", "preservation", "urgent"),
        ("routine", None, "routine"),
        ("a_level_of_next_year", "mla", None),
        ("a_level_of_next_year", "preservation", "urgent"),
        ("routine", "a_kind_of_next_year", "routine"),
    ],
)
def test_the_lane_follows_from_urgency_and_kind(level: str, kind: str | None, lane: str | None) -> None:
    assert lane_of(level, kind) == lane


def test_the_suggested_date_ends_with_its_day() -> None:
    assert respond_by_instant(request(3)) == datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    assert respond_by_instant({}) is None


def test_the_primary_instrument_is_the_basis() -> None:
    assert primary_basis(request(3)) == ("budapest", "29")
    assert primary_basis({"instruments": [{"code": "bilateral", "articles": [], "primary": True}]}) == (
        "bilateral",
        None,
    )
    assert primary_basis({}) == (None, None)


def test_an_unknown_kind_runs_on_the_request_track() -> None:
    assert [track_of(kind) for kind in ("mla", "preservation", "?")] == ["request", "preservation", "request"]


def test_the_items_of_a_preservation_are_its_data_items() -> None:
    assert requested_items(request(3)) == (1, 2)
    assert requested_items(request(1)) == (1, 2, 3)


def test_a_request_shows_no_content_in_its_repr() -> None:
    parsed = read_request(request(1))
    assert parsed.subject not in repr(parsed)
    assert (parsed.requesting, parsed.requested, parsed.lane, parsed.seq) == ("ke-ag", "sg-agc", "routine", 1)
