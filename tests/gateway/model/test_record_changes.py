"""What a holder reads before signing, and what need not wait because it only removes trust."""

from typing import Any

import pytest

from gateway.model.record_changes import record_changes

KEY = {
    "use": "sig",
    "alg": "GW-HYB1",
    "kid": "k" * 43,
    "pub": "x",
    "nbf": "n",
    "exp": "e",
    "status": "active",
}
OTHER = KEY | {"kid": "o" * 43}
RECORD: dict[str, Any] = {
    "authority_id": "xx-moj",
    "name_en": "Ministry",
    "status": "active",
    "verified_at": "2026-01-01",
    "channels": [{"channel": "gateway_https", "address": "https://a.example.org"}],
    "keys": [KEY],
}


def changed(**members: Any) -> dict[str, Any]:
    return RECORD | members


REVOKED = KEY | {"status": "revoked", "reason": "compromise", "revoked_at": "r", "invalid_since": "s"}
#: What is different -> (how many changes, whether all of them only remove trust).
TABLE: dict[str, tuple[dict[str, Any] | None, int, bool]] = {
    "nothing": (RECORD, 0, True),
    "confirmed on another day": (changed(verified_at="2026-06-01"), 0, True),
    "taken out": (None, 1, True),
    "suspended": (changed(status="suspended"), 1, True),
    "a key revoked": (changed(keys=[REVOKED]), 1, True),
    "a key revoked and made to live longer": (changed(keys=[REVOKED | {"exp": "later"}]), 1, False),
    "a key described otherwise": (changed(keys=[KEY | {"exp": "later"}]), 1, False),
    "a key gone": (changed(keys=[]), 1, False),
    "a key more": (changed(keys=[KEY, OTHER]), 1, False),
    "a key revoked and another made": (changed(keys=[REVOKED, OTHER]), 2, False),
    "another address": (changed(channels=[]), 1, False),
    "another name": (changed(name_en="Ministry of Truth"), 1, False),
}


@pytest.mark.parametrize("case", TABLE)
def test_every_difference_is_told_and_only_what_removes_trust_is_said_to(case: str) -> None:
    after, count, removes = TABLE[case]
    found = record_changes({"xx-moj": RECORD}, {} if after is None else {"xx-moj": after})
    assert len(found) == count
    assert all(change.removes_trust for change in found) is removes
    assert all("xx-moj" in change.sentence for change in found)


def test_back_to_active_gives_trust() -> None:
    (found,) = record_changes({"xx-moj": changed(status="suspended")}, {"xx-moj": RECORD})
    assert not found.removes_trust


def test_a_revoked_key_given_back_gives_trust() -> None:
    (found,) = record_changes({"xx-moj": changed(keys=[REVOKED])}, {"xx-moj": RECORD})
    assert not found.removes_trust


def test_a_new_authority_is_named() -> None:
    (found,) = record_changes({}, {"xx-moj": RECORD})
    assert "Ministry" in found.sentence
    assert not found.removes_trust


def test_long_values_are_cut_in_the_sentence() -> None:
    (found,) = record_changes({"xx-moj": RECORD}, {"xx-moj": changed(name_en="M" * 500)})
    assert len(found.sentence) < 200
