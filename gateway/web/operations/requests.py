"""Requests and cases: how the officers' calls are done."""

import base64
import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.model.codes import Lane
from gateway.model.contents import Finding
from gateway.services.acts.acts import PreparedAct
from gateway.services.casework.casefile import ReceiptInfo
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.web import calls
from gateway.web.calls import (
    AcknowledgeParams,
    AttachmentFile,
    ConfirmParams,
    ConfirmResult,
    ConsentParams,
    ConsentResult,
    FindingView,
    InboxItemView,
    InboxResult,
    Nothing,
    OpenParams,
    OpenResult,
    PreparedActView,
    Progress,
    ReceiptsResult,
    ReceiptView,
    RefParams,
    SentItemView,
    SentResult,
    StatusResult,
    SubmissionView,
    SubmitParams,
)
from gateway.web.calls.cards import CardBrief, CardResult
from gateway.web.operations.desk import Desk, Handler, view

#: Senders of so many urgent messages are judged in the list; `rogatory card` judges any.
_CARDS_LISTED = 20


async def _submit(desk: Desk, params: SubmitParams, progress: Progress) -> SubmissionView:
    attachments = [attachment_of(item) for item in params.attachments]
    total, done = sum(item.size for item in attachments), 0

    def sealed(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    form_bytes = bytes(params.form)
    if params.follows is not None or params.override is not None:
        form_bytes = await desk.preservation.complete_request(
            form_bytes, follows=params.follows, override=params.override
        )
    made = await desk.acts.submit(
        form_bytes=form_bytes,
        attachments=attachments,
        officer=params.officer,
        consents=params.consents,
        progress=sealed,
    )
    return act_view(made)


def attachment_of(item: AttachmentFile) -> Attachment:
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


def act_view(done: Submission | PreparedAct) -> SubmissionView:
    """Return what came of an act: sent, or prepared for its officer's passkey."""
    if isinstance(done, Submission):
        return submission_view(done)
    return SubmissionView(
        sender=done.sender,
        bid=done.bid,
        to=done.to,
        thread_id=done.thread_id,
        lane=done.lane,
        channel=None,
        state="PREPARED",
        act=view(PreparedActView, done),
    )


def submission_view(submission: Submission) -> SubmissionView:
    return SubmissionView(
        sender=submission.sender,
        bid=submission.bid,
        to=submission.to,
        thread_id=submission.thread_id,
        lane=submission.lane,
        channel=submission.channel,
        state=submission.state,
        receipt=submission.receipt_jws,
        findings=[view(FindingView, f) for f in submission.findings if _is_told(f)],
    )


def _is_told(finding: Finding) -> bool:
    """What did not hold, and all that the addressee has published: its people ask for it, in their words."""
    return finding.result == "failed" or finding.code == "V26"


async def _inbox(desk: Desk, _params: Nothing, _progress: Progress) -> InboxResult:
    items = [view(InboxItemView, item) for item in await desk.cases.inbox()]
    for item in [each for each in items if each.lane == Lane.URGENT and each.via is None][:_CARDS_LISTED]:
        card = await desk.trust.cards.card(f"{item.sender}/{item.bid}")
        item.card = CardBrief(weight=card.weight, marks=[mark.code for mark in card.marks])
    return InboxResult(items=items)


async def _sent(desk: Desk, _params: Nothing, _progress: Progress) -> SentResult:
    return SentResult(items=[view(SentItemView, item) for item in await desk.cases.sent()])


async def _status(desk: Desk, params: RefParams, _progress: Progress) -> StatusResult:
    found = view(StatusResult, await desk.cases.status(params.ref))
    found.card = view(CardResult, await desk.trust.cards.card(f"{found.sender}/{found.bid}"))
    return found


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
    return view(OpenResult, opened)


async def _acknowledge(desk: Desk, params: AcknowledgeParams, _progress: Progress) -> SubmissionView:
    said: dict[str, Any] = {
        "office": params.office,
        "reference": params.reference,
        "email": params.email,
        "consents": params.consents,
    }
    if params.second is not None:
        by_telephone = desk.cases.acknowledge_by_telephone
        return submission_view(
            await by_telephone(params.ref, officer=params.officer, second=params.second, **said)
        )
    return act_view(await desk.cases.acknowledge(params.ref, officer=params.officer, **said))


async def _consent(desk: Desk, params: ConsentParams, _progress: Progress) -> ConsentResult:
    answered = await desk.consents.answer(
        params.ref, params.channel, given=params.given, officer=params.officer
    )
    return view(ConsentResult, answered)


async def _confirm(desk: Desk, params: ConfirmParams, _progress: Progress) -> ConfirmResult:
    confirmed = await desk.routes.confirm(params.ref, params.route, officer=params.officer)
    return view(ConfirmResult, confirmed)


HANDLERS: Mapping[str, Handler] = {
    calls.SUBMIT.name: _submit,
    calls.INBOX.name: _inbox,
    calls.SENT.name: _sent,
    calls.STATUS.name: _status,
    calls.RECEIPTS.name: _receipts,
    calls.OPEN.name: _open,
    calls.ACKNOWLEDGE.name: _acknowledge,
    calls.CONSENT.name: _consent,
    calls.CONFIRM.name: _confirm,
}
