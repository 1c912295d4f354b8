"""What the local API can do: one table of operations, each with its types, its route and its work.

The table is all there is: the HTTP face, its OpenAPI description and the command line without a
running service are made from it. Types here are the API's own, so that services may change freely;
what a service returns is converted, and checked, at this edge.
"""

import base64
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from gateway import __version__
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.errors import GatewayRefusal
from gateway.services.audits import audit_home
from gateway.services.cases import Cases, ReceiptInfo
from gateway.services.directory import Directory, entry_words
from gateway.services.doctor import Doctor
from gateway.services.home import rotate_keys
from gateway.services.keyring import HeldKey, Keyring
from gateway.services.submit import Attachment, Submission, Submitter
from gateway.storage.database import Database

Progress = Callable[[int, int], None]

Reference = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=128, description="bundle id, from/bid, or either side's reference"),
]

#: Who acts: a pseudonym, never a name, because it is entered in the log.
Officer = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$", description="pseudonym, never a name")
]


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


class FindingView(_Type, kw_only=True):
    """One rule that did not hold; errors stop a submission, warnings do not."""

    code: str
    severity: str
    source: Annotated[str, msgspec.Meta(description="article")]
    field: str | None = None
    sentence: str


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


class DirectoryEntryView(_Type, kw_only=True):
    """One authority of the directory."""

    authority_id: str
    state: str
    name: str
    channels: list[str]
    keys: int
    own: bool
    status: str


class DirectoryResult(_Type, kw_only=True):
    """Every authority listed."""

    issue: int
    network: Literal["real", "lab"]
    authorities: list[DirectoryEntryView]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the operations work with: the services of one opened home."""

    paths: HomePaths
    settings: Settings
    clock: Clock
    keyring: Keyring
    directory: Directory
    database: Database
    submitter: Submitter
    cases: Cases
    doctor: Doctor


P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[P, R]):
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
    run: Callable[[Desk, P, Progress], Awaitable[R]]
    writes: bool = False
    queues: bool = False


def _view(kind: type[R], value: object) -> R:
    """Return a service's value as the API's type; a mismatch is a defect and raises."""
    return msgspec.convert(value, kind, from_attributes=True)


async def _info(desk: Desk, _params: Nothing, _progress: Progress) -> GatewayInfo:
    own = desk.settings.authority
    return GatewayInfo(
        authority_id=own.id,
        name=own.name,
        network=own.network,
        version=__version__,
        directory_issue=desk.directory.version,
        time=desk.clock.now(),
    )


async def _list_keys(desk: Desk, _params: Nothing, _progress: Progress) -> KeysResult:
    return KeysResult(
        keys=[_key(key) for key in desk.keyring.held], words=list(entry_words(desk.directory.own))
    )


async def _rotate(desk: Desk, params: RotateParams, _progress: Progress) -> RotateResult:
    made = rotate_keys(
        desk.paths,
        params.uses,
        keyring=desk.keyring,
        directory=desk.directory,
        settings=desk.settings,
        now=desk.clock.now(),
    )
    return RotateResult(
        made=[_key(key) for key in made],
        enrolment=str(desk.paths.enrolment),
        words=list(entry_words(desk.directory.own)),
    )


def _key(key: HeldKey) -> KeyView:
    return KeyView(
        use=str(key.public.use),
        alg=key.public.alg,
        kid=key.public.kid,
        nbf=key.nbf,
        exp=key.exp,
        status=key.status,
        held=key.file is not None,
    )


async def _list_directory(desk: Desk, _params: Nothing, _progress: Progress) -> DirectoryResult:
    own = desk.settings.authority
    rows = [
        DirectoryEntryView(
            authority_id=entry.authority_id,
            state=entry.state,
            name=entry.name_en,
            channels=[channel.channel for channel in entry.channels],
            keys=len(entry.keys),
            own=entry.authority_id == own.id,
            status=entry.status,
        )
        for entry in desk.directory.entries()
    ]
    return DirectoryResult(issue=desk.directory.version, network=own.network, authorities=rows)


async def _enrol(desk: Desk, params: EnrolParams, _progress: Progress) -> EnrolResult:
    enrolled = desk.directory.enrol(
        params.statement.strip().encode(), now=desk.clock.now(), replace=params.replace
    )
    return EnrolResult(
        authority_id=enrolled.entry.authority_id,
        name=enrolled.entry.name_en,
        words=list(enrolled.words),
        replaced=enrolled.replaced,
    )


async def _verify(desk: Desk, _params: Nothing, progress: Progress) -> AuditResult:
    head_file = desk.paths.resolve(desk.settings.log.head_file)
    report = await audit_home(desk.database, keyring=desk.keyring, head_file=head_file, progress=progress)
    return AuditResult(
        authority=desk.keyring.authority_id,
        size=report.size,
        root=report.root,
        verified=report.verified,
        unsigned=report.unsigned,
        receipts=report.receipts,
        erased=report.erased,
        faults=[AuditFault(index=p.index, sentence=p.sentence) for p in report.problems],
        further_faults=report.further_problems,
    )


async def _examine(desk: Desk, _params: Nothing, _progress: Progress) -> DoctorResult:
    found = await desk.doctor.examine()
    return DoctorResult(
        findings=[_view(DiagnosisView, diagnosis) for diagnosis in found],
        healthy=all(diagnosis.level != "red" for diagnosis in found),
    )


async def _submit(desk: Desk, params: SubmitParams, progress: Progress) -> SubmissionView:
    attachments = [_attachment(item) for item in params.attachments]
    total, done = sum(item.size for item in attachments), 0

    def sealed(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    submission = await desk.submitter.submit(
        form_bytes=bytes(params.form), attachments=attachments, progress=sealed
    )
    return _submission(submission)


def _attachment(item: AttachmentFile) -> Attachment:
    """Return a document to be read from its file; the form's name for it never becomes a path."""
    path = Path(item.path)
    if not path.is_absolute():
        raise GatewayRefusal("attachment-unreadable", field=item.filename)
    try:
        # Opened by descriptor and checked to be a regular file: a device or pipe would never end.
        found = path.stat()
        path.open("rb").close()
    except OSError:
        raise GatewayRefusal("attachment-unreadable", field=item.filename) from None
    if not stat.S_ISREG(found.st_mode):
        raise GatewayRefusal("attachment-unreadable", field=item.filename)
    return Attachment(filename=item.filename, open=lambda: path.open("rb"), size=found.st_size)


def _submission(submission: Submission) -> SubmissionView:
    return SubmissionView(
        sender=submission.sender,
        bid=submission.bid,
        to=submission.to,
        thread_id=submission.thread_id,
        lane=submission.lane,
        channel=submission.channel,
        state=submission.state,
        receipt=submission.receipt_jws,
        findings=[_view(FindingView, f) for f in submission.findings if f.result == "failed"],
    )


async def _inbox(desk: Desk, _params: Nothing, _progress: Progress) -> InboxResult:
    return InboxResult(items=[_view(InboxItemView, item) for item in await desk.cases.inbox()])


async def _status(desk: Desk, params: RefParams, _progress: Progress) -> StatusResult:
    return _view(StatusResult, await desk.cases.status(params.ref))


async def _receipts(desk: Desk, params: RefParams, _progress: Progress) -> ReceiptsResult:
    return ReceiptsResult(receipts=[_receipt(row) for row in await desk.cases.receipts(params.ref)])


def _receipt(row: ReceiptInfo) -> ReceiptView:
    return ReceiptView(
        type=row.type,
        iss=row.iss,
        sender=row.sender,
        bid=row.bid,
        n=row.n,
        at=row.at,
        reason=row.reason,
        proves=row.proves,
        own=row.own,
        in_log=row.in_log,
        jws=row.jws,
        leaf=row.leaf,
        salt=None if row.salt is None else base64.urlsafe_b64encode(row.salt).rstrip(b"=").decode(),
        body=row.body,
        proof=row.proof,
    )


async def _open(desk: Desk, params: OpenParams, progress: Progress) -> OpenResult:
    folder = Path(params.directory)
    if not folder.is_absolute():
        raise GatewayRefusal("folder-unusable", field="directory")
    try:
        opened = await desk.cases.open(params.ref, folder, officer=params.officer, progress=progress)
    except (PermissionError, NotADirectoryError, FileNotFoundError):
        raise GatewayRefusal("folder-unusable", field="directory") from None
    return _view(OpenResult, opened)


async def _acknowledge(desk: Desk, params: AcknowledgeParams, _progress: Progress) -> SubmissionView:
    return _submission(
        await desk.cases.acknowledge(
            params.ref, officer=params.officer, office=params.office, reference=params.reference
        )
    )


def _operation(
    name: str,
    method: Literal["GET", "POST"],
    path: str,
    summary: str,
    run: Callable[[Desk, P, Progress], Awaitable[R]],
    *,
    params: type[P],
    result: type[R],
    writes: bool = False,
    queues: bool = False,
) -> Operation[P, R]:
    return Operation(
        name=name,
        method=method,
        path=path,
        summary=summary,
        params=params,
        result=result,
        run=run,
        writes=writes,
        queues=queues,
    )


INFO = _operation(
    "readGateway", "GET", "/v1/gateway", "Whose gateway this is", _info, params=Nothing, result=GatewayInfo
)
SUBMIT = _operation(
    "submitRequest",
    "POST",
    "/v1/requests",
    "Check, seal and queue a request or message; durable when it is answered",
    _submit,
    params=SubmitParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)
INBOX = _operation(
    "listInbox", "GET", "/v1/inbox", "What has arrived", _inbox, params=Nothing, result=InboxResult
)
STATUS = _operation(
    "readStatus",
    "GET",
    "/v1/status",
    "Where a request stands and who acts next",
    _status,
    params=RefParams,
    result=StatusResult,
)
RECEIPTS = _operation(
    "listReceipts",
    "GET",
    "/v1/receipts",
    "The signed receipts of a request",
    _receipts,
    params=RefParams,
    result=ReceiptsResult,
)
OPEN = _operation(
    "openRequest",
    "POST",
    "/v1/openings",
    "Decrypt a request into a folder; its sender gets a handover receipt",
    _open,
    params=OpenParams,
    result=OpenResult,
    writes=True,
)
ACKNOWLEDGE = _operation(
    "acknowledgeRequest",
    "POST",
    "/v1/acknowledgements",
    "Tell the requesting authority that its request is here",
    _acknowledge,
    params=AcknowledgeParams,
    result=SubmissionView,
    writes=True,
    queues=True,
)
KEYS_LIST = _operation(
    "listKeys", "GET", "/v1/keys", "The keys of this authority", _list_keys, params=Nothing, result=KeysResult
)
KEYS_ROTATE = _operation(
    "rotateKeys",
    "POST",
    "/v1/keys/rotations",
    "Make new keys and renew the enrolment file",
    _rotate,
    params=RotateParams,
    result=RotateResult,
    writes=True,
)
DIRECTORY_LIST = _operation(
    "listDirectory",
    "GET",
    "/v1/directory",
    "The authorities listed",
    _list_directory,
    params=Nothing,
    result=DirectoryResult,
)
DIRECTORY_ENROL = _operation(
    "enrolPeer",
    "POST",
    "/v1/directory/enrolments",
    "Take a peer's enrolment file into the directory",
    _enrol,
    params=EnrolParams,
    result=EnrolResult,
    writes=True,
)
AUDIT_VERIFY = _operation(
    "verifyLog",
    "GET",
    "/v1/audit/verification",
    "Check every entry of the audit log and its signed heads",
    _verify,
    params=Nothing,
    result=AuditResult,
)
DOCTOR = _operation(
    "examine",
    "GET",
    "/v1/doctor",
    "What is well and what is not",
    _examine,
    params=Nothing,
    result=DoctorResult,
)

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    INFO,
    SUBMIT,
    INBOX,
    STATUS,
    RECEIPTS,
    OPEN,
    ACKNOWLEDGE,
    KEYS_LIST,
    KEYS_ROTATE,
    DIRECTORY_LIST,
    DIRECTORY_ENROL,
    AUDIT_VERIFY,
    DOCTOR,
)
