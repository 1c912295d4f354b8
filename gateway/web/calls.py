"""What can be asked of a gateway on its own machine: one table of calls, each with its types and its route.

The table is all there is: the HTTP face, its OpenAPI description and the command line are made from it.
Types here are the API's own, so that services may change freely. Imports no service: a command that
only asks a running gateway starts quickly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from gateway.web.addressees import AuthorityParams, AuthorityView, ResolutionView, ResolveParams
from gateway.web.networkviews import AllowParams, DecideParams, ImportParams, NetworksResult, RefreshParams

#: Media type of an answer with progress lines before its last line.
NDJSON = "application/x-ndjson"

Reference = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=128, description="bundle id, from/bid, or either side's reference"),
]

#: Who acts: a pseudonym, never a name, because it is entered in the log.
Officer = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$", description="pseudonym, never a name")
]


#: A channel of the addressee's record, such as ``email_smime``.
ChannelName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,32}$")]


class _Type(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A value of the API."""


class Nothing(_Type, kw_only=True):
    """No parameters."""


class Problem(_Type, kw_only=True):
    """Why a call was refused (RFC 9457 members are added on the wire). Nothing was changed."""

    code: Annotated[str, msgspec.Meta(description="stable, for programs")]
    sentence: Annotated[str, msgspec.Meta(description="says what to do")]
    field: str | None = None
    items: list[dict[str, str]] = []


class GatewayInfo(_Type, kw_only=True):
    """Whose gateway this is."""

    authority_id: str
    name: str
    network: Literal["real", "lab"]
    version: str
    directory_issue: int
    time: datetime


class AttachmentFile(_Type, kw_only=True):
    """A document of the request: its file on this machine, and the name the form calls it by."""

    filename: Annotated[str, msgspec.Meta(description="as in the form; never used to build a path")]
    path: Annotated[
        str, msgspec.Meta(description="absolute path of the file, readable by the gateway's user")
    ]


class SubmitParams(_Type, kw_only=True):
    """A request form and its documents."""

    form: Annotated[
        msgspec.Raw, msgspec.Meta(description="the request or message, exactly as it is to be sealed")
    ]
    attachments: list[AttachmentFile] = []
    officer: Officer = "local"
    consents: Annotated[
        list[ChannelName],
        msgspec.Meta(max_length=16, description="channels of lower protection that may be used"),
    ] = []


class FindingView(_Type, kw_only=True):
    """One rule that did not hold, or what the addressee has published; only errors stop a submission."""

    code: str
    severity: str
    source: Annotated[str, msgspec.Meta(description="article")]
    field: str | None = None
    sentence: str
    result: Literal["failed", "not_checked", "ok"] = "failed"


class SubmissionView(_Type, kw_only=True):
    """A bundle that was sealed and queued, durably."""

    sender: str
    bid: str
    to: str
    thread_id: str
    lane: str
    channel: str | None
    state: str
    receipt: Annotated[str | None, msgspec.Meta(description="signed submission receipt (JWS)")] = None
    findings: list[FindingView] = []


class InboxItemView(_Type, kw_only=True):
    """One incoming message."""

    sender: str
    bid: str
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


class InboxResult(_Type, kw_only=True):
    """What has arrived, urgent first, then newest first."""

    items: list[InboxItemView]


class RefParams(_Type, kw_only=True):
    """Names one request."""

    ref: Reference


class MessageView(_Type, kw_only=True):
    """One message of a case."""

    sender: str
    bid: str
    message_type: str
    side: str
    effect: str
    stored_at: datetime
    consigned_at: datetime | None
    opened_at: datetime | None


class TransmissionView(_Type, kw_only=True):
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


class TaskView(_Type, kw_only=True):
    """Something only a person can decide; ``sentence`` says what happened and what to do."""

    owner: Annotated[str, msgspec.Meta(description="role that must act")]
    code: str
    sentence: str
    created_at: datetime


class StatusResult(_Type, kw_only=True):
    """Where a request stands. ``sentence`` says why, and who acts next."""

    sender: str
    bid: str
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


class ReceiptView(_Type, kw_only=True):
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


class ReceiptsResult(_Type, kw_only=True):
    """Every receipt of one bundle, oldest first."""

    receipts: list[ReceiptView]


class OpenParams(_Type, kw_only=True):
    """Which bundle to decrypt, and where to: an absolute path of an empty or absent folder."""

    ref: Reference
    directory: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    officer: Officer = "local"


class OpenedFile(_Type, kw_only=True):
    """A file that was written: under a safe name; ``filename`` is what its sender called it."""

    path: str
    filename: str | None
    media: str | None
    size_bytes: int
    sha256: str


class OpenResult(_Type, kw_only=True):
    """The decrypted request."""

    sender: str
    bid: str
    message_type: str
    files: list[OpenedFile]


class AcknowledgeParams(_Type, kw_only=True):
    """A person's statement that the authority has the request.

    Attributes:
        office: The office that speaks; from the own directory record if it is not said.
        reference: Own reference, so that both sides can name the case; made if it is not said.
    """

    ref: Reference
    officer: Officer = "local"
    office: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class ConsentParams(_Type, kw_only=True):
    """A person's word on a channel that protects a bundle less than the first one."""

    ref: Reference
    channel: ChannelName
    given: bool
    officer: Officer = "local"


class ConsentResult(_Type, kw_only=True):
    """What was said, durably; ``waiting`` are the channels of this bundle still to be answered."""

    sender: str
    bid: str
    to: str
    channel: str
    answer: Literal["given", "refused"]
    waiting: list[str]


class ConfirmParams(_Type, kw_only=True):
    """A person's word that a request has gone by its formal route, or on paper, as well."""

    ref: Reference
    route: Literal["formal-route", "paper-original"]
    officer: Officer = "local"


class ConfirmResult(_Type, kw_only=True):
    """What was confirmed, durably; ``waiting`` are the routes of this request still to be confirmed."""

    sender: str
    bid: str
    to: str
    route: str
    waiting: list[str]


class RequirementsParams(_Type, kw_only=True):
    """What the own authority asks of requests, as data (requirements.schema.json)."""

    requirements: dict[str, Any]


class RequirementsResult(_Type, kw_only=True):
    """The issue that is published now; the enrolment file has to reach the peers."""

    issue: int
    valid_from: str
    enrolment: str


class AuditFault(_Type, kw_only=True):
    """One thing that is not as it must be; ``index`` names the entry, where it is one."""

    index: int | None
    sentence: str


class AuditResult(_Type, kw_only=True):
    """Outcome of checking the whole log against its signed heads.

    Attributes:
        unsigned: Entries after the head outside the database; a running service signs them at once.
        receipts: Own receipts found in the log.
        erased: Entries whose body was lawfully erased; their proofs stay.
    """

    authority: str
    size: int
    root: str
    verified: bool
    unsigned: int
    receipts: int
    erased: int
    faults: list[AuditFault] = []
    further_faults: int = 0


class DiagnosisView(_Type, kw_only=True):
    """One thing the doctor looked at."""

    check: str
    level: Literal["green", "yellow", "red"]
    sentence: str
    action: str


class DoctorResult(_Type, kw_only=True):
    """What was found, the worst first."""

    findings: list[DiagnosisView]
    healthy: bool


class KeyView(_Type, kw_only=True):
    """One key, without its private part."""

    use: str
    alg: str
    kid: str
    nbf: datetime
    begins: Annotated[datetime, msgspec.Meta(description="when this gateway uses it first")]
    exp: datetime
    status: str
    held: bool


class KeysResult(_Type, kw_only=True):
    """The keys of this authority, and the words that stand for them all."""

    keys: list[KeyView]
    words: list[str]


class RotateParams(_Type, kw_only=True):
    """For which uses to make new keys."""

    uses: Annotated[list[Literal["sig", "enc", "req", "rcpt", "tls"]], msgspec.Meta(min_length=1)]


class RotateResult(_Type, kw_only=True):
    """The new keys; the enrolment file now has to reach the peers."""

    made: list[KeyView]
    enrolment: str
    words: list[str]


class RenewParams(_Type, kw_only=True):
    """Which keys are to have a successor; ``early`` however long they still last."""

    uses: Annotated[list[Literal["sig", "enc", "req", "rcpt", "tls"]], msgspec.Meta(min_length=1)]
    early: bool = False


class RevokeKeyParams(_Type, kw_only=True):
    """An own key that is not to be trusted any more."""

    kid: Annotated[str, msgspec.Meta(min_length=8, max_length=43, description="as much as names one key")]
    reason: Literal["superseded", "cessation", "compromise"]
    since: Annotated[
        datetime | None, msgspec.Meta(description="for a compromise: since when others may have signed")
    ] = None


class NoticeParams(_Type, kw_only=True):
    """An emergency notice about a key, its text as it was received."""

    notice: Annotated[str, msgspec.Meta(max_length=128 * 1024)]


class NoticeResult(_Type, kw_only=True):
    """What a notice did; ``notice`` is the text to pass on by any other way."""

    authority_id: str
    kid: str
    reason: str
    by_state: bool
    is_new: Annotated[bool, msgspec.Meta(description="false: it, or a weightier one, was known")]
    notice: str
    made: Annotated[list[KeyView], msgspec.Meta(description="own keys made in place of the revoked one")] = []


class ChannelLifeView(_Type, kw_only=True):
    """When a channel of a peer last showed that somebody is there; ``code`` says why it did not."""

    authority_id: str
    channel: str
    asked_at: Annotated[datetime | None, msgspec.Meta(description="null where the authority calls us")]
    answered_at: Annotated[datetime | None, msgspec.Meta(description="last signed answer or call")]
    code: str | None


class DirectoryEntryView(_Type, kw_only=True):
    """One authority of the directory."""

    authority_id: str
    state: str
    name: str
    channels: list[str]
    keys: int
    own: bool
    status: str
    verified_at: Annotated[str | None, msgspec.Meta(description="when its State last confirmed it")] = None
    is_unconfirmed: Annotated[bool, msgspec.Meta(description="not confirmed for 180 days")] = False
    lives: list[ChannelLifeView] = []


class ProbeParams(_Type, kw_only=True):
    """Whom to ask; everybody if nobody is named."""

    authorities: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=63)]], msgspec.Meta(max_length=500)
    ] = []


class ProbeResult(_Type, kw_only=True):
    """What is known of each channel now."""

    channels: list[ChannelLifeView]


class DirectoryResult(_Type, kw_only=True):
    """Every authority listed."""

    source: Annotated[str, msgspec.Meta(description="``sample``: fictional, for a look only")] = "home"
    issue: int
    network: Literal["real", "lab"]
    authorities: list[DirectoryEntryView]


class OwnRecordResult(_Type, kw_only=True):
    """What the directory holds of the own authority, to hand to others; no secret."""

    record: dict[str, Any]
    state: Annotated[dict[str, Any] | None, msgspec.Meta(description="what it says of the own State")]
    requirements: Annotated[dict[str, Any] | None, msgspec.Meta(description="as published in a network")]


class EnrolParams(_Type, kw_only=True):
    """A peer's enrolment file, its text as it was received."""

    statement: Annotated[str, msgspec.Meta(max_length=1024 * 1024)]
    replace: bool = False


class EnrolResult(_Type, kw_only=True):
    """The peer and the words to compare with it by telephone before anything is sent."""

    authority_id: str
    name: str
    words: list[str]
    replaced: bool


P = TypeVar("P")
R = TypeVar("R")

#: Told how many bytes or entries are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[P, R]):
    """One thing that can be asked for.

    Attributes:
        writes: Needs the home's lock where no service runs.
        queues: What it makes travels only while a service runs.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    params: type[P]
    result: type[R]
    writes: bool = False
    queues: bool = False


def _call(
    name: str,
    method: Literal["GET", "POST"],
    path: str,
    summary: str,
    *,
    params: type[P],
    result: type[R],
    writes: bool = False,
    queues: bool = False,
) -> Call[P, R]:
    return Call(
        name=name,
        method=method,
        path=path,
        summary=summary,
        params=params,
        result=result,
        writes=writes,
        queues=queues,
    )


INFO = _call("readGateway", "GET", "/v1/gateway", "Whose gateway this is", params=Nothing, result=GatewayInfo)
SUBMIT = _call(
    "submitRequest",
    "POST",
    "/v1/requests",
    "Check, seal and queue a request or message; durable when it is answered",
    params=SubmitParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)
INBOX = _call("listInbox", "GET", "/v1/inbox", "What has arrived", params=Nothing, result=InboxResult)
STATUS = _call(
    "readStatus",
    "GET",
    "/v1/status",
    "Where a request stands and who acts next",
    params=RefParams,
    result=StatusResult,
)
RECEIPTS = _call(
    "listReceipts",
    "GET",
    "/v1/receipts",
    "The signed receipts of a request",
    params=RefParams,
    result=ReceiptsResult,
)
OPEN = _call(
    "openRequest",
    "POST",
    "/v1/openings",
    "Decrypt a request into a folder; its sender gets a handover receipt",
    params=OpenParams,
    result=OpenResult,
    writes=True,
)
ACKNOWLEDGE = _call(
    "acknowledgeRequest",
    "POST",
    "/v1/acknowledgements",
    "Tell the requesting authority that its request is here",
    params=AcknowledgeParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)
CONSENT = _call(
    "answerConsent",
    "POST",
    "/v1/consents",
    "Let a bundle go on a channel that protects it less, or refuse that",
    params=ConsentParams,
    result=ConsentResult,
    writes=True,
    queues=True,
)
CONFIRM = _call(
    "confirmRoute",
    "POST",
    "/v1/confirmations",
    "Say that a request has gone by its formal route, or on paper, as well",
    params=ConfirmParams,
    result=ConfirmResult,
    writes=True,
)
DIRECTORY_REQUIRE = _call(
    "publishRequirements",
    "POST",
    "/v1/directory/requirements",
    "Publish what the own authority asks of requests, and renew the enrolment file",
    params=RequirementsParams,
    result=RequirementsResult,
    writes=True,
)
KEYS_LIST = _call(
    "listKeys", "GET", "/v1/keys", "The keys of this authority", params=Nothing, result=KeysResult
)
KEYS_ROTATE = _call(
    "rotateKeys",
    "POST",
    "/v1/keys/rotations",
    "Make new keys and renew the enrolment file",
    params=RotateParams,
    result=RotateResult,
    writes=True,
)
KEYS_RENEW = _call(
    "renewKeys",
    "POST",
    "/v1/keys/renewals",
    "Make and list the successors of keys that end soon; nothing is used before its time",
    params=RenewParams,
    result=RotateResult,
    writes=True,
)
KEYS_REVOKE = _call(
    "revokeKey",
    "POST",
    "/v1/keys/revocations",
    "Tell everybody that an own key is not to be trusted any more",
    params=RevokeKeyParams,
    result=NoticeResult,
    writes=True,
    queues=True,
)
DIRECTORY_NOTICE = _call(
    "takeNotice",
    "POST",
    "/v1/directory/notices",
    "Take an emergency notice about a key, whoever brought it",
    params=NoticeParams,
    result=NoticeResult,
    writes=True,
    queues=True,
)
DIRECTORY_LIST = _call(
    "listDirectory",
    "GET",
    "/v1/directory",
    "The authorities listed",
    params=Nothing,
    result=DirectoryResult,
)
DIRECTORY_OWN = _call(
    "readOwnRecord",
    "GET",
    "/v1/directory/own",
    "The own record and published requirements, as data",
    params=Nothing,
    result=OwnRecordResult,
)
DIRECTORY_ENROL = _call(
    "enrolPeer",
    "POST",
    "/v1/directory/enrolments",
    "Take a peer's enrolment file into the directory",
    params=EnrolParams,
    result=EnrolResult,
    writes=True,
)
DIRECTORY_SHOW = _call(
    "readAuthority",
    "GET",
    "/v1/directory/authority",
    "Everything the directory says of one authority",
    params=AuthorityParams,
    result=AuthorityView,
)
DIRECTORY_RESOLVE = _call(
    "resolveAddressee",
    "POST",
    "/v1/directory/resolutions",
    "To whom a request goes: candidates with reasons and channels; nothing is kept",
    params=ResolveParams,
    result=ResolutionView,
)
DIRECTORY_PROBE = _call(
    "probePeers",
    "POST",
    "/v1/directory/probes",
    "Ask peers, channel by channel, whether they can be reached",
    params=ProbeParams,
    result=ProbeResult,
    writes=True,
)
DIRECTORY_STATUS = _call(
    "network_status",
    "GET",
    "/v1/directory/networks",
    "How the followed networks stand, and what contradicts",
    params=Nothing,
    result=NetworksResult,
)
DIRECTORY_REFRESH = _call(
    "refresh_networks",
    "POST",
    "/v1/directory/networks/refreshes",
    "Ask networks now, instead of waiting for the hourly refresh",
    params=RefreshParams,
    result=NetworksResult,
    writes=True,
)
DIRECTORY_IMPORT = _call(
    "import_network",
    "POST",
    "/v1/directory/networks/imports",
    "Take a network's bundle that was carried here, by the same verifier",
    params=ImportParams,
    result=NetworksResult,
    writes=True,
)
DIRECTORY_DECIDE = _call(
    "decide_authority",
    "POST",
    "/v1/directory/decisions",
    "Say which source is right about an authority whose keys sources contradict each other about",
    params=DecideParams,
    result=NetworksResult,
    writes=True,
)
DIRECTORY_ALLOW = _call(
    "allow_urgent",
    "POST",
    "/v1/directory/networks/allowances",
    "Let what is urgent go on by a network that is past its end",
    params=AllowParams,
    result=NetworksResult,
    writes=True,
)
AUDIT_VERIFY = _call(
    "verifyLog",
    "GET",
    "/v1/audit/verification",
    "Check every entry of the audit log and its signed heads",
    params=Nothing,
    result=AuditResult,
)
DOCTOR = _call(
    "examine",
    "GET",
    "/v1/doctor",
    "What is well and what is not",
    params=Nothing,
    result=DoctorResult,
)

CALLS: tuple[Call[Any, Any], ...] = (
    INFO,
    SUBMIT,
    INBOX,
    STATUS,
    RECEIPTS,
    OPEN,
    ACKNOWLEDGE,
    CONSENT,
    CONFIRM,
    KEYS_LIST,
    KEYS_ROTATE,
    KEYS_RENEW,
    KEYS_REVOKE,
    DIRECTORY_NOTICE,
    DIRECTORY_LIST,
    DIRECTORY_SHOW,
    DIRECTORY_OWN,
    DIRECTORY_RESOLVE,
    DIRECTORY_REQUIRE,
    DIRECTORY_ENROL,
    DIRECTORY_PROBE,
    DIRECTORY_STATUS,
    DIRECTORY_REFRESH,
    DIRECTORY_IMPORT,
    DIRECTORY_DECIDE,
    DIRECTORY_ALLOW,
    AUDIT_VERIFY,
    DOCTOR,
)
