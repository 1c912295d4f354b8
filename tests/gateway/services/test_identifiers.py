"""Identifiers that the gateway makes: in the order of time, and not to be guessed."""

from datetime import UTC, datetime, timedelta

from crypto.encoding import is_bid
from gateway.services.identifiers import new_identifier

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def test_an_identifier_is_that_of_a_bundle_and_says_when_it_was_made() -> None:
    made = new_identifier(NOW)
    assert is_bid(made)
    assert datetime.fromtimestamp(int(made[:12], 16) / 1000, UTC) == NOW.replace(microsecond=123_000)


def test_identifiers_stand_in_the_order_in_which_they_were_made() -> None:
    made = [new_identifier(NOW + timedelta(milliseconds=step)) for step in range(0, 10_000, 7)]
    assert made == sorted(made)
    assert (
        new_identifier(datetime(1970, 1, 1, tzinfo=UTC))
        < made[0]
        < new_identifier(datetime.max.replace(tzinfo=UTC))
    )
    assert is_bid(new_identifier(datetime.max.replace(tzinfo=UTC)))


def test_what_is_made_at_one_instant_differs_in_eighty_bits() -> None:
    made = {new_identifier(NOW)[12:] for _ in range(1000)}
    assert len(made) == 1000
    # Every one of the bits is seen in both states.
    assert all({(int(one, 16) >> bit) & 1 for one in made} == {0, 1} for bit in range(80))
