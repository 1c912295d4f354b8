"""The sender card as programs see it: facts about whoever is at the other end of a bundle, never content."""

from datetime import datetime
from typing import Annotated

import msgspec

from gateway.web.calls.shape import Value


class MarkView(Value, kw_only=True):
    """One thing that stands out about a sender."""

    code: str
    weight: str
    sentence: str


class KnownVoucherView(Value, kw_only=True):
    """Who lists an authority, and how far that is vouched for."""

    source: str
    assurance: str
    fresh_until: datetime | None


class NumberView(Value, kw_only=True):
    """A number of the directory's record, and what it is for."""

    use: str
    number: str


class CallView(Value, kw_only=True):
    """One call-back about a bundle."""

    id: str
    direction: Annotated[str, msgspec.Meta(description="made by us, or taken from the peer")]
    number: str | None
    officer: str
    started_at: datetime
    outcome: str | None
    spoken_with: Annotated[str, msgspec.Meta(description="function at the peer, never a name")] | None
    recorded_at: datetime | None


class SecondView(Value, kw_only=True):
    """What an emergency of one officer owes, and how it ended."""

    officer: str
    sent_at: datetime
    due_at: datetime
    told_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    closed_officer: str | None


class SignerView(Value, kw_only=True):
    """A second officer of the sending authority who stands by its emergency; assurance as verified here."""

    officer: str
    assurance: str
    at: datetime
    message_id: str


class CardResult(Value, kw_only=True):
    """The sender card of a bundle; of one of our own, that of its addressee."""

    sender: str
    bid: str
    authority_id: str
    name: str
    state: str
    roles: list[str]
    listed: str
    vouchers: list[KnownVoucherView]
    is_first_contact: bool
    key: str | None
    key_since: datetime | None
    time_zone: str
    there: Annotated[datetime, msgspec.Meta(description="the time at the authority")] | None
    usual_hours: list[int]
    last_day: int
    busiest_day: int
    urgency_level: str
    assurance: str | None
    officer: str | None
    weight: Annotated[str, msgspec.Meta(description="note, caution or warning")]
    marks: list[MarkView]
    check_words: Annotated[str, msgspec.Meta(description="to be compared by telephone")] | None
    numbers: list[NumberView]
    calls: list[CallView]
    second: SecondView | None
    stood_by: list[SignerView]
    is_alone: Annotated[bool, msgspec.Meta(description="an emergency, no second person verified")]


class CardBrief(Value, kw_only=True):
    """What of a sender card a list has room for."""

    weight: Annotated[str, msgspec.Meta(description="note, caution or warning")]
    marks: Annotated[list[str], msgspec.Meta(description="codes of what stands out")]
