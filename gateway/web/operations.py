"""How each call of the local API is done: with the services of one opened home.

What a service returns is converted, and checked, at this edge. Used by the HTTP face, and by the command
line where no service runs.
"""

import base64
import io
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from gateway import __version__
from gateway.clock import Clock
from gateway.config import HomePaths, Settings
from gateway.errors import GatewayRefusal
from gateway.model.authority import USABLE_CHANNELS
from gateway.model.contents import Finding
from gateway.services.casefile import ReceiptInfo
from gateway.services.cases import Cases
from gateway.services.consent import ConsentDesk
from gateway.services.directory import Directory, entry_words
from gateway.services.doctor import Doctor
from gateway.services.formalroute import RouteDesk
from gateway.services.handin import Attachment
from gateway.services.keyring import HeldKey, Keyring
from gateway.services.liveness import Liveness
from gateway.services.networks import Networks
from gateway.services.revocations import Revocations
from gateway.services.submit import Submission, Submitter
from gateway.services.upkeep import Upkeep
from gateway.web import authorities, calls, choosing, networks
from gateway.web.calls import (
    AcknowledgeParams,
    AttachmentFile,
    AuditFault,
    AuditResult,
    Call,
    ChannelLifeView,
    ConfirmParams,
    ConfirmResult,
    ConsentParams,
    ConsentResult,
    DiagnosisView,
    DirectoryEntryView,
    DirectoryResult,
    DoctorResult,
    EnrolParams,
    EnrolResult,
    FindingView,
    GatewayInfo,
    InboxItemView,
    InboxResult,
    KeysResult,
    KeyView,
    Nothing,
    NoticeParams,
    NoticeResult,
    OpenParams,
    OpenResult,
    OwnRecordResult,
    ProbeParams,
    ProbeResult,
    Progress,
    ReceiptsResult,
    ReceiptView,
    RefParams,
    RenewParams,
    RequirementsParams,
    RequirementsResult,
    RevokeKeyParams,
    RotateParams,
    RotateResult,
    StatusResult,
    SubmissionView,
    SubmitParams,
)
from gateway.web.calls.addressees import AuthorityParams, AuthorityView, ResolutionView, ResolveParams
from gateway.web.calls.networks import NetworksResult

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the operations work with: the services of one opened home; ``carried``: channels it drives."""

    paths: HomePaths
    settings: Settings
    clock: Clock
    keyring: Keyring
    directory: Directory
    submitter: Submitter
    cases: Cases
    consents: ConsentDesk
    routes: RouteDesk
    doctor: Doctor
    liveness: Liveness
    upkeep: Upkeep
    revocations: Revocations
    networks: Networks
    carried: frozenset[str] = USABLE_CHANNELS


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
    made = await desk.upkeep.rotate(params.uses)
    return RotateResult(
        made=[_key(key) for key in made],
        enrolment=str(desk.paths.enrolment),
        words=list(entry_words(desk.directory.own)),
    )


async def _renew(desk: Desk, params: RenewParams, _progress: Progress) -> RotateResult:
    made = await desk.upkeep.renew(params.uses, early=params.early)
    return RotateResult(
        made=[_key(key) for key in made],
        enrolment=str(desk.paths.enrolment),
        words=list(entry_words(desk.directory.own)),
    )


async def _revoke(desk: Desk, params: RevokeKeyParams, _progress: Progress) -> NoticeResult:
    notice = desk.upkeep.make_notice(params.kid, reason=params.reason, since=params.since)
    return await _notice(desk, notice)


async def _take_notice(desk: Desk, params: NoticeParams, _progress: Progress) -> NoticeResult:
    return await _notice(desk, params.notice.strip().encode())


async def _notice(desk: Desk, data: bytes) -> NoticeResult:
    before = {key.public.kid for key in desk.keyring.held}
    taken = await desk.revocations.take(data)
    return NoticeResult(
        authority_id=taken.notice.aid,
        kid=taken.notice.kid,
        reason=taken.notice.reason,
        by_state=taken.notice.by_state,
        is_new=taken.is_new,
        notice=data.decode("ascii"),
        made=[_key(key) for key in desk.keyring.held if key.public.kid not in before],
    )


def _key(key: HeldKey) -> KeyView:
    return KeyView(
        use=str(key.public.use),
        alg=key.public.alg,
        kid=key.public.kid,
        nbf=key.nbf,
        begins=key.begins,
        exp=key.exp,
        status=key.status,
        held=key.file is not None,
    )


async def _list_directory(desk: Desk, _params: Nothing, _progress: Progress) -> DirectoryResult:
    own, today = desk.settings.authority, desk.clock.now().date()
    lives = [_view(ChannelLifeView, life) for life in await desk.liveness.known()]
    rows = [
        DirectoryEntryView(
            authority_id=entry.authority_id,
            state=entry.state,
            name=entry.name_en,
            channels=[channel.channel for channel in entry.channels],
            keys=len(entry.keys),
            own=entry.authority_id == own.id,
            status=entry.status,
            verified_at=entry.verified_at.isoformat() if entry.verified_at else None,
            is_unconfirmed=entry.is_unconfirmed(today),
            lives=[life for life in lives if life.authority_id == entry.authority_id],
        )
        for entry in desk.directory.entries()
    ]
    return DirectoryResult(issue=desk.directory.version, network=own.network, authorities=rows)


async def _probe(desk: Desk, params: ProbeParams, _progress: Progress) -> ProbeResult:
    found = await desk.liveness.probe(params.authorities)
    return ProbeResult(channels=[_view(ChannelLifeView, life) for life in found])


async def _show_authority(desk: Desk, params: AuthorityParams, _progress: Progress) -> AuthorityView:
    return authorities.show(desk.directory, params.authority_id, now=desk.clock.now())


async def _own_record(desk: Desk, _params: Nothing, _progress: Progress) -> OwnRecordResult:
    return authorities.own_record(desk.directory)


async def _resolve(desk: Desk, params: ResolveParams, _progress: Progress) -> ResolutionView:
    return choosing.choose(desk.directory, params, carried=desk.carried, now=desk.clock.now())


async def _enrol(desk: Desk, params: EnrolParams, _progress: Progress) -> EnrolResult:
    enrolled = await desk.upkeep.enrol(params.statement.strip().encode(), replace=params.replace)
    return EnrolResult(
        authority_id=enrolled.entry.authority_id,
        name=enrolled.entry.name_en,
        words=list(enrolled.words),
        replaced=enrolled.replaced,
    )


async def _verify(desk: Desk, _params: Nothing, progress: Progress) -> AuditResult:
    report = await desk.upkeep.verify(progress)
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
        form_bytes=bytes(params.form),
        attachments=attachments,
        officer=params.officer,
        consents=params.consents,
        progress=sealed,
    )
    return _submission(submission)


def _attachment(item: AttachmentFile) -> Attachment:
    """Return a document to be read from its file; the form's name for it never becomes a path."""
    path = Path(item.path)
    if not path.is_absolute():
        raise GatewayRefusal("attachment-unreadable", field=item.filename)
    with _open_regular(path, item.filename) as source:
        size = os.fstat(source.fileno()).st_size
    return Attachment(filename=item.filename, open=lambda: _open_regular(path, item.filename), size=size)


def _open_regular(path: Path, filename: str) -> io.BufferedReader:
    """Return a regular file open for reading; a pipe or device would make the service wait for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        raise GatewayRefusal("attachment-unreadable", field=filename) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise GatewayRefusal("attachment-unreadable", field=filename)
    return os.fdopen(handle, "rb")


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
        findings=[_view(FindingView, f) for f in submission.findings if _is_told(f)],
    )


def _is_told(finding: Finding) -> bool:
    """What did not hold, and all that the addressee has published: its people ask for it, in their words."""
    return finding.result == "failed" or finding.code == "V26"


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
    opened = await desk.cases.open(params.ref, folder, officer=params.officer, progress=progress)
    return _view(OpenResult, opened)


async def _acknowledge(desk: Desk, params: AcknowledgeParams, _progress: Progress) -> SubmissionView:
    return _submission(
        await desk.cases.acknowledge(
            params.ref, officer=params.officer, office=params.office, reference=params.reference
        )
    )


async def _consent(desk: Desk, params: ConsentParams, _progress: Progress) -> ConsentResult:
    answered = await desk.consents.answer(
        params.ref, params.channel, given=params.given, officer=params.officer
    )
    return _view(ConsentResult, answered)


async def _confirm(desk: Desk, params: ConfirmParams, _progress: Progress) -> ConfirmResult:
    confirmed = await desk.routes.confirm(params.ref, params.route, officer=params.officer)
    return _view(ConfirmResult, confirmed)


async def _require(desk: Desk, params: RequirementsParams, _progress: Progress) -> RequirementsResult:
    await desk.upkeep.publish_requirements(params.requirements)
    return RequirementsResult(
        issue=params.requirements["version"],
        valid_from=params.requirements["valid_from"],
        enrolment=str(desk.paths.enrolment),
    )


async def _network_status(desk: Desk, _params: Nothing, _progress: Progress) -> NetworksResult:
    return await networks.status(desk.networks, desk.directory, now=desk.clock.now())


def _about_networks(work: Callable[..., Awaitable[NetworksResult]]) -> "_Handler":
    """Return the handler of a call that changes something about networks and answers how they stand."""

    async def handle(desk: Desk, params: Any, _progress: Progress) -> NetworksResult:
        return await work(desk.networks, desk.directory, params, now=desk.clock.now())

    return handle


_Handler = Callable[[Desk, Any, Progress], Awaitable[Any]]

_HANDLERS: Mapping[str, _Handler] = {
    calls.INFO.name: _info,
    calls.SUBMIT.name: _submit,
    calls.INBOX.name: _inbox,
    calls.STATUS.name: _status,
    calls.RECEIPTS.name: _receipts,
    calls.OPEN.name: _open,
    calls.ACKNOWLEDGE.name: _acknowledge,
    calls.CONSENT.name: _consent,
    calls.CONFIRM.name: _confirm,
    calls.KEYS_LIST.name: _list_keys,
    calls.KEYS_ROTATE.name: _rotate,
    calls.KEYS_RENEW.name: _renew,
    calls.KEYS_REVOKE.name: _revoke,
    calls.DIRECTORY_NOTICE.name: _take_notice,
    calls.DIRECTORY_LIST.name: _list_directory,
    calls.DIRECTORY_SHOW.name: _show_authority,
    calls.DIRECTORY_OWN.name: _own_record,
    calls.DIRECTORY_RESOLVE.name: _resolve,
    calls.DIRECTORY_REQUIRE.name: _require,
    calls.DIRECTORY_ENROL.name: _enrol,
    calls.DIRECTORY_PROBE.name: _probe,
    calls.DIRECTORY_STATUS.name: _network_status,
    calls.DIRECTORY_REFRESH.name: _about_networks(networks.refresh),
    calls.DIRECTORY_IMPORT.name: _about_networks(networks.take),
    calls.DIRECTORY_DECIDE.name: _about_networks(networks.decide),
    calls.DIRECTORY_ALLOW.name: _about_networks(networks.allow),
    calls.AUDIT_VERIFY.name: _verify,
    calls.DOCTOR.name: _examine,
}


async def perform(desk: Desk, call: Call[P, R], params: P, progress: Progress) -> R:
    """Do what a call asks and return its result. Raises what the services raise; nothing is then changed."""
    return cast(R, await _HANDLERS[call.name](desk, params, progress))
