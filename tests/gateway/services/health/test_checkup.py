"""What the doctor says of channels that are silent and records that nobody confirms."""

from datetime import UTC, datetime, timedelta

from gateway.model.authority import parse_entry
from gateway.services.health.checkup import check_channels, check_records
from gateway.services.health.liveness import ChannelLife
from tests.sampledata import sample

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def life(days: float | None, *, asked: bool = True, aid: str = "sg-agc") -> ChannelLife:
    return ChannelLife(
        authority_id=aid,
        channel="gateway_https",
        asked_at=NOW if asked else None,
        answered_at=None if days is None else NOW - timedelta(days=days),
        code=None,
    )


def test_a_channel_is_spoken_of_once_it_was_silent_for_three_days() -> None:
    [found] = check_channels([life(3), life(3.01, aid="ke-ag"), life(None, aid="tn-mj")], NOW)
    assert found.level == "yellow"
    assert "sg-agc" not in found.sentence
    assert "ke-ag by gateway_https (3 days ago), tn-mj by gateway_https (never)" in found.sentence
    assert "rogatory directory probe" in found.action


def test_channels_that_answer_are_well_and_those_never_tried_are_counted_apart() -> None:
    [found] = check_channels([life(1), life(None, asked=False, aid="ke-ag")], NOW)
    assert (found.level, found.action) == ("green", "")
    assert found.sentence == "1 channel of peers answered in the last 3 days; 1 was never tried."
    assert check_channels([life(None, asked=False)], NOW) == []


def test_long_lists_are_cut() -> None:
    [found] = check_channels([life(9, aid=f"xx-{n}") for n in range(8)], NOW)
    assert "and 3 more" in found.sentence


def test_a_record_is_unconfirmed_after_a_hundred_and_eighty_days() -> None:
    rows = {row["authority_id"]: row for row in sample("directory.json")["authorities"]}
    entries = [
        parse_entry({**rows["sg-agc"], "verified_at": "2026-05-25"}),
        parse_entry({**rows["ke-ag"], "verified_at": "2026-05-24"}),
        parse_entry({**rows["gh-ag"], "verified_at": "2020-01-01"}),
    ]
    [found] = check_records(entries, "gh-ag", datetime(2026, 11, 21, tzinfo=UTC))
    assert found.level == "yellow"
    assert found.sentence == "Not confirmed in the last 180 days: the records of ke-ag."
    assert check_records(entries[:1], "gh-ag", NOW) == []
