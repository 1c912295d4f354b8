"""Lists of requests and messages: what has arrived, and what this authority has asked for."""

from datetime import datetime
from typing import Annotated

import msgspec

from gateway.web.calls.cards import CardBrief
from gateway.web.calls.shape import Nothing, Value, call


class InboxItemView(Value, kw_only=True):
    """One incoming message; ``peer`` is whose it is, also where it came by mail and we keep it."""

    sender: str
    bid: str
    peer: str
    via: Annotated[str, msgspec.Meta(description="mail: recorded here from a person's reply")] | None
    thread_id: str
    message_type: str
    request_kind: str
    urgency_level: str
    lane: str
    size_bytes: int
    reference_requesting: str | None
    reference_requested: str | None
    state: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    stored_at: datetime
    opened_at: datetime | None
    card: Annotated[CardBrief, msgspec.Meta(description="of the first urgent ones (showCard)")] | None = None


class InboxResult(Value, kw_only=True):
    """What has arrived, urgent first, then newest first."""

    items: list[InboxItemView]


class SentItemView(Value, kw_only=True):
    """One request of ours; ``delivery`` says how far it is on its way, ``state`` where the case is."""

    sender: str
    bid: str
    to: str
    thread_id: str
    request_kind: str
    urgency_level: str
    lane: str
    size_bytes: int
    reference_requesting: str | None
    reference_requested: str | None
    delivery: str
    channel: str | None
    state: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    stored_at: datetime


class SentResult(Value, kw_only=True):
    """What this authority has asked for, newest first."""

    items: list[SentItemView]


INBOX = call("listInbox", "GET", "/v1/inbox", "What has arrived", params=Nothing, result=InboxResult)

SENT = call(
    "listSent", "GET", "/v1/sent", "The requests of this authority", params=Nothing, result=SentResult
)
