"""Whom to believe: sender cards, call-backs, and the second person of an emergency."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.cards import CallView as CallView
from gateway.web.calls.cards import CardResult as CardResult
from gateway.web.calls.cards import NumberView as NumberView
from gateway.web.calls.cards import SecondView as SecondView
from gateway.web.calls.requests import RefParams, SubmissionView
from gateway.web.calls.shape import Officer, Reference, Value, call

_CallID = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{32}$", description="as the start of the call gave it")
]


class CallbackStartParams(Value, kw_only=True):
    """About which bundle, and who rings whom."""

    ref: Reference
    officer: Officer
    direction: Literal["made", "taken"] = "made"


class CallbackScriptResult(Value, kw_only=True):
    """A call that begins: whom to ring, what to say, which words to hear."""

    id: str
    sender: str
    bid: str
    peer: str
    name: str
    direction: str
    number: str | None
    numbers: list[NumberView]
    there: datetime | None
    words: str
    steps: list[str]
    started_at: datetime


class CallbackRecordParams(Value, kw_only=True):
    """What came of a call; ``words`` are those that the other side read out."""

    call: _CallID
    officer: Officer
    outcome: Literal["confirmed", "denied", "unanswered"]
    words: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    spoken_with: Officer = "nobody"


class CallbackResult(Value, kw_only=True):
    """A call that ended."""

    call: CallView
    sender: str
    bid: str


class SecondSignParams(Value, kw_only=True):
    """The emergency that a second officer stands by."""

    ref: Reference
    officer: Officer


class SecondSignResult(Value, kw_only=True):
    """What is owed; it ends when the message that stands by it is sent, and not before.

    Attributes:
        officer: Who sent the emergency alone.
        message: What was sent, or prepared for the second officer's passkey.
    """

    sender: str
    bid: str
    peer: str
    officer: str
    sent_at: datetime
    due_at: datetime
    message: SubmissionView


CARD = call(
    "showCard",
    "GET",
    "/v1/cards",
    "The sender card of a bundle: who vouches for its sender, and what stands out",
    params=RefParams,
    result=CardResult,
)
CALLBACK_START = call(
    "startCallback",
    "POST",
    "/v1/callbacks",
    "Begin a call-back about a bundle, by the directory's number",
    params=CallbackStartParams,
    result=CallbackScriptResult,
    writes=True,
)
CALLBACK_RECORD = call(
    "recordCallback",
    "POST",
    "/v1/callbacks/outcomes",
    "Record what came of a call-back",
    params=CallbackRecordParams,
    result=CallbackResult,
    writes=True,
)
SECOND_SIGN = call(
    "signSecond",
    "POST",
    "/v1/second-signatures",
    "A second officer stands by an emergency that one officer sent, as a message to its addressee",
    params=SecondSignParams,
    result=SecondSignResult,
    writes=True,
)

TRUST_CALLS = (CARD, CALLBACK_START, CALLBACK_RECORD, SECOND_SIGN)
