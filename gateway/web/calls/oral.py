"""Oral requests: noting one, confirming it in writing, what is owed."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.requests import AttachmentFile, FindingView
from gateway.web.calls.shape import Consents, Nothing, Officer, Reference, Value, call

_Office = Annotated[str, msgspec.Meta(min_length=1, max_length=300, description="an office, never a person")]


class OralNoteParams(Value, kw_only=True):
    """What was asked for by word of mouth, by whom, of whom."""

    peer: Annotated[str, msgspec.Meta(pattern=r"^(?=.{4,63}$)[a-z]{2}(-[a-z0-9]+)+$")]
    side: Annotated[Literal["requesting", "requested"], msgspec.Meta(description="ours")]
    made_at: datetime
    means: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "telephone"
    made_by_office: _Office
    received_by_office: _Office
    urgency_level: Literal["urgent", "emergency"]
    request_kind: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,64}$")]
    substance: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    language: Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]+)*$", max_length=35)] = "en"
    officer: Officer = "local"
    office: Annotated[str, msgspec.Meta(max_length=300)] | None = None


class OralConfirmParams(Value, kw_only=True):
    """The written request that confirms an oral one; ``also``: further notes of the same call."""

    ref: Reference
    form: msgspec.Raw
    attachments: list[AttachmentFile] = []
    officer: Officer = "local"
    consents: Consents = []
    also: Annotated[list[Reference], msgspec.Meta(max_length=8)] = []


class OralSentResult(Value, kw_only=True):
    """What was sent; or, with ``act``, what waits for the officer's passkey."""

    sender: str
    bid: str
    to: str
    thread_id: str
    lane: str
    act: Annotated[str, msgspec.Meta(description="the act to sign")] | None = None
    findings: list[FindingView] = []


class OralView(Value, kw_only=True):
    """One oral request, and until when its written confirmation is due."""

    thread_id: str
    peer: str
    sender: str
    bid: str
    side: Annotated[str, msgspec.Meta(description="ours")]
    request_kind: str
    urgency_level: str
    made_at: datetime
    due_at: datetime
    alerts: Annotated[int, msgspec.Meta(description="how many of the two were given")]
    confirmed_at: datetime | None
    confirmed_by: str | None


class OralListResult(Value, kw_only=True):
    """The oral requests of both directions, those without a confirmation first."""

    oral: list[OralView]


ORAL_NOTE = call(
    "noteOral",
    "POST",
    "/v1/oral",
    "Note a request made by word of mouth, and tell the other side",
    params=OralNoteParams,
    result=OralSentResult,
    writes=True,
    queues=True,
)
ORAL_CONFIRM = call(
    "confirmOral",
    "POST",
    "/v1/oral/confirmations",
    "Send the written request that confirms an oral one",
    params=OralConfirmParams,
    result=OralSentResult,
    writes=True,
    queues=True,
)
ORAL_LIST = call(
    "listOral",
    "GET",
    "/v1/oral",
    "Oral requests and their written confirmations",
    params=Nothing,
    result=OralListResult,
)

ORAL_CALLS = (ORAL_NOTE, ORAL_CONFIRM, ORAL_LIST)
