"""A notice only ever removes trust, and holds until a record says otherwise that was stated after it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.authority import DirectoryEntry, parse_entry
from gateway.model.revoked import KeyNotice, with_notices
from tests.sampledata import entry

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
KID = "k" * 43
NOTICE = KeyNotice(
    aid="ke-ag",
    kid=KID,
    reason="compromise",
    at=AT,
    received_at=AT + HOUR,
    invalid_since=AT - HOUR,
    by_state=False,
)


def record(**members: Any) -> DirectoryEntry:
    key = {
        "use": "sig",
        "alg": "GW-HYB1",
        "kid": KID,
        "pub": "AAAA",
        "nbf": "2026-01-01T00:00:00Z",
        "exp": "2028-01-01T00:00:00Z",
        "status": "active",
    }
    return parse_entry({**entry("ke-ag"), "keys": [key | members, key | {"kid": "o" * 43}]})


def ended(stated_at: datetime | None, notice: KeyNotice = NOTICE, **members: Any) -> tuple[str, str | None]:
    told = with_notices(record(**members), {(notice.aid, notice.kid): notice}, stated_at)
    assert told.keys[1].status == "active", "other keys are left alone"
    return told.keys[0].status, told.keys[0].reason


@pytest.mark.parametrize(
    ("stated_at", "status"),
    [(None, "revoked"), (AT - HOUR, "revoked"), (AT, "revoked"), (AT + timedelta(seconds=1), "active")],
)
def test_it_holds_until_a_later_record(stated_at: datetime | None, status: str) -> None:
    assert ended(stated_at)[0] == status


def test_the_key_ended_when_the_notice_came() -> None:
    told = with_notices(record(), {("ke-ag", KID): NOTICE}, None)
    assert (told.keys[0].revoked_at, told.keys[0].invalid_since) == (AT + HOUR, AT - HOUR)


REVOKED = {"status": "revoked", "revoked_at": "2026-06-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("listed", "said", "left"),
    [
        ("superseded", "compromise", "compromise"),
        ("compromise", "superseded", "compromise"),
        ("superseded", "cessation", "superseded"),
    ],
)
def test_what_takes_away_more_holds(listed: str, said: str, left: str) -> None:
    since = {"invalid_since": "2026-05-01T00:00:00Z"} if listed == "compromise" else {}
    notice = replace(NOTICE, reason=said, invalid_since=AT if said == "compromise" else None)
    assert ended(None, notice, **REVOKED, reason=listed, **since) == ("revoked", left)


def test_another_authoritys_key_of_that_name_is_left_alone() -> None:
    assert with_notices(record(), {("gh-ag", KID): replace(NOTICE, aid="gh-ag")}, None) == record()


def test_a_compromise_outweighs_other_reasons_and_then_the_state_the_key() -> None:
    mild = replace(NOTICE, reason="superseded", invalid_since=None)
    order = [mild, replace(mild, by_state=True), NOTICE, replace(NOTICE, by_state=True)]
    assert [notice.weight for notice in order] == sorted(notice.weight for notice in order)
