"""Requests and cases: what an officer submits, reads, opens, acknowledges, consents to and confirms."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.acts import PreparedActView
from gateway.web.calls.cards import CardResult
from gateway.web.calls.shape import ChannelName, Consents, Officer, Reference, Value, call


class AttachmentFile(Value, kw_only=True):
    """A document of the request: its file on this machine, and the name the form calls it by."""

    filename: Annotated[str, msgspec.Meta(description="as in the form; never used to build a path")]
    path: Annotated[
        str, msgspec.Meta(description="absolute path of the file, readable by the gateway's user")
    ]


class SubmitParams(Value, kw_only=True):
    """A request form and its documents."""

    form: Annotated[
        msgspec.Raw, msgspec.Meta(description="the request or message, exactly as it is to be sealed")
    ]
    attachments: list[AttachmentFile] = []
    officer: Officer = "local"
    consents: Consents = []
    follows: (
        Annotated[
            str,
            msgspec.Meta(min_length=1, max_length=128, description="preservation that this request follows"),
        ]
        | None
    ) = None
    override: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=3, max_length=1000, description="why it goes out although rules do not hold"
            ),
        ]
        | None
    ) = None


class FindingView(Value, kw_only=True):
    """One rule that did not hold, or what the addressee has published; only errors stop a submission."""

    code: str
    severity: str
    source: Annotated[str, msgspec.Meta(description="article")]
    field: str | None = None
    sentence: str
    result: Literal["failed", "not_checked", "ok"] = "failed"


class SubmissionView(Value, kw_only=True):
    """A bundle that was sealed and queued, durably; or an act that waits for its officer's passkey.

    Attributes:
        state: ``PREPARED`` where ``act`` says what has to be signed; nothing was sent then.
    """

    sender: str
    bid: str
    to: str
    thread_id: str
    lane: str
    channel: str | None
    state: str
    receipt: Annotated[str | None, msgspec.Meta(description="signed submission receipt (JWS)")] = None
    findings: list[FindingView] = []
    act: PreparedActView | None = None


class RefParams(Value, kw_only=True):
    """Names one request."""

    ref: Reference


class MessageView(Value, kw_only=True):
    """One message of a case."""

    sender: str
    bid: str
    message_type: str
    side: str
    effect: str
    via: Annotated[str, msgspec.Meta(description="mail: recorded here from a person's reply")] | None
    assurance: Annotated[str, msgspec.Meta(description="what vouches for the human act")] | None
    stored_at: datetime
    consigned_at: datetime | None
    opened_at: datetime | None


class TransmissionView(Value, kw_only=True):
    """Where one bundle is on its way; moved by receipts only."""

    to: str
    state: str
    channel: str | None
    attempts: int
    last_code: str | None
    next_action: str
    next_action_at: datetime | None
    owner: str | None
    consents: Annotated[
        dict[str, str], msgspec.Meta(description="channels of lower protection: asked, given or refused")
    ] = {}


class TaskView(Value, kw_only=True):
    """Something only a person can decide; ``sentence`` says what happened and what to do."""

    id: Annotated[str, msgspec.Meta(description="names it where a command asks for a task")]
    owner: Annotated[str, msgspec.Meta(description="role that must act")]
    code: str
    sentence: str
    created_at: datetime


class StatusResult(Value, kw_only=True):
    """Where a request stands. ``sentence`` says why, and who acts next."""

    sender: str
    bid: str
    check_words: Annotated[str, msgspec.Meta(description="of its envelope, to be compared by telephone")]
    thread_id: str
    peer: str
    side: str
    track: str
    request_kind: str
    urgency_level: str
    lane: str
    state: str
    state_at: datetime
    reference_requesting: str | None
    reference_requested: str | None
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    sentence: str
    transmissions: list[TransmissionView]
    messages: list[MessageView]
    tasks: list[TaskView] = []
    card: Annotated[CardResult, msgspec.Meta(description="of the other authority")] | None = None


class ReceiptView(Value, kw_only=True):
    """One signed receipt.

    Attributes:
        proves: What it proves, in words.
        in_log: Its place in the issuer's audit log is proved here, by ``proof`` (C2SP tlog-proof).
        leaf: Exact text of the log's leaf, which commits with ``salt`` to ``body``.
    """

    type: str
    iss: str
    sender: str
    bid: str
    n: int
    at: datetime
    reason: str | None
    proves: str
    own: bool
    in_log: bool
    jws: str
    leaf: str | None
    salt: str | None
    body: str | None
    proof: str | None


class ReceiptsResult(Value, kw_only=True):
    """Every receipt of one bundle, oldest first."""

    receipts: list[ReceiptView]


class OpenParams(Value, kw_only=True):
    """Which bundle to decrypt, and where to: an absolute path of an empty or absent folder."""

    ref: Reference
    directory: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    officer: Officer = "local"


class OpenedFile(Value, kw_only=True):
    """A file that was written: under a safe name; ``filename`` is what its sender called it."""

    path: str
    filename: str | None
    media: str | None
    size_bytes: int
    sha256: str


class OpenResult(Value, kw_only=True):
    """The decrypted request."""

    sender: str
    bid: str
    message_type: str
    files: list[OpenedFile]


class AcknowledgeParams(Value, kw_only=True):
    """A person's statement that the authority has the request.

    Attributes:
        office: The office that speaks; from the own directory record if it is not said.
        reference: Own reference, so that both sides can name the case; made if it is not said.
        email: The office's e-mail address; from the own directory record if it is not said.
        second: Who rang back the officer whose phone is lost; no passkey is asked for then.
    """

    ref: Reference
    officer: Officer = "local"
    office: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    email: Annotated[str, msgspec.Meta(pattern="^[^@ ]+@[^@ ]+$", max_length=254)] | None = None
    second: Officer | None = None
    consents: Consents = []


class ConsentParams(Value, kw_only=True):
    """A person's word on a channel that protects a bundle less than the first one."""

    ref: Reference
    channel: ChannelName
    given: bool
    officer: Officer = "local"


class ConsentResult(Value, kw_only=True):
    """What was said, durably; ``waiting`` are the channels of this bundle still to be answered."""

    sender: str
    bid: str
    to: str
    channel: str
    answer: Literal["given", "refused"]
    waiting: list[str]


class ConfirmParams(Value, kw_only=True):
    """A person's word that a request has gone by its formal route, or on paper, as well."""

    ref: Reference
    route: Literal["formal-route", "paper-original"]
    officer: Officer = "local"


class ConfirmResult(Value, kw_only=True):
    """What was confirmed, durably; ``waiting`` are the routes of this request still to be confirmed."""

    sender: str
    bid: str
    to: str
    route: str
    waiting: list[str]


SUBMIT = call(
    "submitRequest",
    "POST",
    "/v1/requests",
    "Check, seal and queue a request or message; durable when it is answered",
    params=SubmitParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)

STATUS = call(
    "readStatus",
    "GET",
    "/v1/status",
    "Where a request stands and who acts next",
    params=RefParams,
    result=StatusResult,
)

RECEIPTS = call(
    "listReceipts",
    "GET",
    "/v1/receipts",
    "The signed receipts of a request",
    params=RefParams,
    result=ReceiptsResult,
)

OPEN = call(
    "openRequest",
    "POST",
    "/v1/openings",
    "Decrypt a request into a folder; its sender gets a handover receipt",
    params=OpenParams,
    result=OpenResult,
    writes=True,
)

ACKNOWLEDGE = call(
    "acknowledgeRequest",
    "POST",
    "/v1/acknowledgements",
    "Tell the requesting authority that its request is here",
    params=AcknowledgeParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)

CONSENT = call(
    "answerConsent",
    "POST",
    "/v1/consents",
    "Let a bundle go on a channel that protects it less, or refuse that",
    params=ConsentParams,
    result=ConsentResult,
    writes=True,
    queues=True,
)

CONFIRM = call(
    "confirmRoute",
    "POST",
    "/v1/confirmations",
    "Say that a request has gone by its formal route, or on paper, as well",
    params=ConfirmParams,
    result=ConfirmResult,
    writes=True,
)
