"""Sender card: what stands out about a sender, and what does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crypto.words import callback_words
from gateway.model.authority import LookupStatus
from gateway.model.sender_card import Caution, KnownVoucher, SenderFacts, habits, sender_card

NIGHT = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)

KNOWN = SenderFacts(
    authority_id="ro-diicot",
    listed=LookupStatus.FOUND,
    vouchers=[KnownVoucher(source="bilateral", assurance="bilateral", fresh_until=None)],
    is_point=True,
    is_unconfirmed=False,
    key_since=NIGHT - 90 * DAY,
    is_key_revoked=False,
    time_zone="Europe/Bucharest",
    urgency_level="urgent",
    arrived_at=NIGHT,
    before=[NIGHT - n * DAY for n in range(60, 0, -3)],
    is_first=False,
    assurance="passkey",
    officer="D-1",
)


def marks(facts: SenderFacts) -> set[str]:
    return {mark.code for mark in sender_card(facts, NIGHT).marks}


def test_a_sender_who_does_what_it_always_does_has_no_mark() -> None:
    card = sender_card(KNOWN, NIGHT)
    assert list(card.marks) == []
    assert card.weight is Caution.NOTE
    assert card.habits.hours == [(3, 9), (4, 11)], "hours of the sender's own day, summer time counted"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"listed": LookupStatus.NOT_LISTED}, "listing-not-listed"),
        ({"listed": LookupStatus.UNVERIFIABLE}, "listing-unverifiable"),
        ({"listed": LookupStatus.STALE}, "listing-stale"),
        ({"vouchers": [KnownVoucher(source="n", assurance="attested", fresh_until=None)]}, "attested-only"),
        ({"is_unconfirmed": True}, "record-unconfirmed"),
        ({"is_point": False}, "no-point"),
        ({"is_key_revoked": True}, "key-revoked"),
        ({"key_since": None}, "key-unlisted"),
        ({"key_since": NIGHT - 7 * DAY + timedelta(seconds=1)}, "key-young"),
        ({"is_first": True, "before": []}, "first-contact"),
        ({"assurance": "local_operator"}, "assurance-low"),
        ({"assurance": None}, "assurance-low"),
        ({"assurance": "second_person_telephone"}, "assurance-low"),
        ({"urgency_level": "emergency"}, "emergency"),
    ],
)
def test_each_thing_that_is_out_of_the_ordinary_is_marked(change: dict[str, object], expected: str) -> None:
    assert marks(replace(KNOWN, **change)) == {expected}  # type: ignore[arg-type]


def test_a_key_of_seven_days_is_young_no_more() -> None:
    assert marks(replace(KNOWN, key_since=NIGHT - 7 * DAY)) == set()


def test_an_hour_at_which_hardly_anything_came_is_unusual_by_the_senders_clock() -> None:
    office = [datetime(2026, 10, 1, 8, tzinfo=UTC) + n * DAY for n in range(40)]
    assert marks(replace(KNOWN, before=office)) == {"hour-unusual"}
    # The same instant is office time somewhere else.
    assert marks(replace(KNOWN, before=office, time_zone="Asia/Tokyo")) == {"hour-unusual"}
    morning = [moment - timedelta(hours=7) for moment in office]
    assert marks(replace(KNOWN, before=morning)) == set(), "within an hour of what is usual"


def test_too_little_history_says_nothing_about_hours() -> None:
    few = [datetime(2026, 11, n, 9, tzinfo=UTC) for n in range(1, 10)]
    assert marks(replace(KNOWN, before=few)) == set()
    assert habits(replace(KNOWN, before=few)).hours == []


def test_an_unknown_zone_counts_in_utc_and_fails_nothing() -> None:
    assert marks(replace(KNOWN, time_zone="Nowhere/At-All")) == set()
    assert marks(replace(KNOWN, time_zone="../etc/passwd")) == set()


def test_a_rate_is_unusual_by_what_the_sender_itself_did_before() -> None:
    quiet = [NIGHT - 40 * DAY]
    flood = [*quiet, *(NIGHT - timedelta(minutes=n) for n in range(5, 0, -1))]
    assert "rate-unusual" in marks(replace(KNOWN, before=flood))
    assert "rate-unusual" not in marks(replace(KNOWN, before=flood[:-1])), "five within a day are calm"
    busy = [NIGHT - 40 * DAY + timedelta(minutes=n) for n in range(20)]
    assert "rate-unusual" not in marks(replace(KNOWN, before=[*busy, *flood[1:]]))


def test_a_flood_is_a_warning_and_weighs_more_than_cautions() -> None:
    flood = [NIGHT - timedelta(minutes=n) for n in range(9, 0, -1)]
    card = sender_card(replace(KNOWN, before=flood, is_point=False), NIGHT)
    assert card.weight is Caution.WARNING


def test_of_a_message_of_our_own_only_the_peer_matters() -> None:
    own = replace(KNOWN, arrived_at=None, assurance=None, is_first=True, is_point=False)
    assert marks(own) == {"no-point"}


def test_call_back_words_are_alike_on_both_sides_and_for_nobody_else() -> None:
    digest, sender, addressee = bytes(range(32)), "a" * 43, "b" * 43
    words = callback_words(digest, (sender, addressee))
    assert words == callback_words(digest, (addressee, sender))
    assert len(words.split()) == 6
    others = {
        callback_words(bytes(32), (sender, addressee)),
        callback_words(digest, (sender, "c" * 43)),
        callback_words(digest, ("c" * 43, addressee)),
    }
    assert words not in others
    assert len(others) == 3


def test_call_back_words_need_two_keys_and_a_digest() -> None:
    with pytest.raises(ValueError, match="two keys"):
        callback_words(bytes(32), ("a" * 43, "a" * 43))
    with pytest.raises(ValueError, match="32 bytes"):
        callback_words(b"short", ("a" * 43, "b" * 43))
