"""Preservation: where one stands, and every act in it, in one call; the content is the message's."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from gateway.web.calls.acts import PreparedActView
from gateway.web.calls.requests import AttachmentFile, SubmissionView
from gateway.web.calls.shape import Consents, Officer, Reference, Value, call

#: What may be said in a preservation, by message type (docs/preservation.md).
PreservationActName = Literal[
    "preservation_acknowledgement",
    "preservation_report",
    "preservation_risk_notice",
    "preservation_risk_decision",
    "preservation_extension_request",
    "preservation_extension_report",
    "mla_follow_up_notice",
    "traffic_data_disclosure",
    "preservation_expiry_warning",
    "preservation_release",
    "competence_notice",
    "refusal",
    "status_query",
    "status_report",
]

Language = Literal["ar", "en", "es", "fr", "ru", "zh"]


class PreservationRefParams(Value, kw_only=True):
    """Names one preservation."""

    ref: Reference


class PreservationActParams(Value, kw_only=True):
    """One act. ``content`` holds what only the officer knows; the rest is filled in from the case."""

    ref: Reference
    act: PreservationActName
    content: Annotated[
        dict[str, Any], msgspec.Meta(description="members of the message's content (docs/preservation.md)")
    ] = {}
    officer: Officer = "local"
    approver: (
        Annotated[
            str,
            msgspec.Meta(
                pattern="^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$",
                description="who signs a refusal, conditions or a disclosure; not the one who drafted it",
            ),
        ]
        | None
    ) = None
    attachments: Annotated[list[AttachmentFile], msgspec.Meta(max_length=64)] = []
    consents: Consents = []


class PreservationActResult(Value, kw_only=True):
    """What came of an act: sent, or prepared for the officer's passkey. Exactly one is there."""

    sent: SubmissionView | None
    prepared: PreparedActView | None


class PreservationItemView(Value, kw_only=True):
    """One data item: its status, since when and until when it is preserved."""

    item_no: int
    status: str
    effected_at: datetime | None
    ends_at: datetime | None


class BrokenRuleView(Value, kw_only=True):
    """A rule that kept a message from its effect; both sides read the same."""

    code: str
    source: Annotated[str, msgspec.Meta(description="article")]
    sentence: str


class PreservationMessageView(Value, kw_only=True):
    """One message of the thread and what it did."""

    sender: str
    bid: str
    message_type: str
    side: str
    effect: str
    made_at: datetime
    consigned_at: datetime | None
    broken: list[BrokenRuleView]


class PreservationResult(Value, kw_only=True):
    """Where a preservation stands, and what our side may say in it now."""

    thread_id: str
    peer: str
    side: str
    state: str
    state_at: datetime
    reference_requesting: str | None
    reference_requested: str | None
    sentence: str
    items: list[PreservationItemView]
    messages: list[PreservationMessageView]
    acts: list[str]


class LetterParams(Value, kw_only=True):
    """Which letter: for a preservation that was asked of us, in one language of the office."""

    ref: Reference
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=4096, description="absolute path of the PDF")]
    language: Language = "en"
    custodian: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    legal_basis: Annotated[
        str, msgspec.Meta(max_length=1000, description="of the domestic order; a blank to fill in if absent")
    ] = ""
    until: date | None = None
    items: Annotated[list[int], msgspec.Meta(max_length=500)] = []
    officer: Officer = "local"


class LetterResult(Value, kw_only=True):
    """The letter that was written."""

    path: str
    sha256: str
    items: list[int]
    until: date


PRESERVATION_SHOW = call(
    "showPreservation",
    "GET",
    "/v1/preservation",
    "Where a preservation stands, item by item, and what may be said in it now",
    params=PreservationRefParams,
    result=PreservationResult,
)
PRESERVATION_ACT = call(
    "actInPreservation",
    "POST",
    "/v1/preservation/acts",
    "Say something in a preservation; checked before it is sealed, durable when it is answered",
    params=PreservationActParams,
    result=PreservationActResult,
    writes=True,
    queues=True,
)
PRESERVATION_LETTER = call(
    "writePreservationLetter",
    "POST",
    "/v1/preservation/letters",
    "Write the letter to the custodian, for the domestic step, as PDF",
    params=LetterParams,
    result=LetterResult,
    writes=True,
)
