"""Oral requests: how the calls about them are done."""

from collections.abc import Mapping

from gateway.errors import GatewayRefusal
from gateway.model.oral import OralCall
from gateway.services.acts.acts import PreparedAct
from gateway.services.oral.desk import OralNote
from gateway.services.sending.handin import read_form
from gateway.services.sending.submit import Submission
from gateway.web.calls import FindingView, Nothing, Progress
from gateway.web.calls import oral as calls
from gateway.web.calls.oral import (
    OralConfirmParams,
    OralListResult,
    OralNoteParams,
    OralSentResult,
    OralView,
)
from gateway.web.operations.desk import Desk, Handler, view
from gateway.web.operations.requests import attachment_of


async def _note(desk: Desk, params: OralNoteParams, _progress: Progress) -> OralSentResult:
    if params.made_at.tzinfo is None:
        raise GatewayRefusal("oral-time", field="made_at")
    said = OralNote(
        peer=params.peer,
        side=params.side,
        call=OralCall(
            made_at=params.made_at,
            means=params.means,
            made_by_office=params.made_by_office,
            received_by_office=params.received_by_office,
            urgency_level=params.urgency_level,
            request_kind=params.request_kind,
            substance=params.substance,
        ),
        reference=params.reference,
        language=params.language,
        office=params.office,
    )
    return _sent(await desk.trust.oral.note(said, officer=params.officer))


async def _confirm(desk: Desk, params: OralConfirmParams, _progress: Progress) -> OralSentResult:
    form = read_form(bytes(params.form))
    sent = await desk.trust.oral.confirm(
        params.ref,
        form,
        officer=params.officer,
        attachments=[attachment_of(item) for item in params.attachments],
        consents=params.consents,
        also=params.also,
    )
    return _sent(sent)


def _sent(sent: Submission | PreparedAct) -> OralSentResult:
    findings = () if isinstance(sent, PreparedAct) else sent.findings
    return OralSentResult(
        sender=sent.sender,
        bid=sent.bid,
        to=sent.to,
        thread_id=sent.thread_id,
        lane=sent.lane,
        act=sent.id if isinstance(sent, PreparedAct) else None,
        findings=[view(FindingView, finding) for finding in findings if finding.result == "failed"],
    )


async def _list(desk: Desk, _params: Nothing, _progress: Progress) -> OralListResult:
    return OralListResult(oral=[view(OralView, row) for row in await desk.trust.oral.listing()])


HANDLERS: Mapping[str, Handler] = {
    calls.ORAL_NOTE.name: _note,
    calls.ORAL_CONFIRM.name: _confirm,
    calls.ORAL_LIST.name: _list,
}
