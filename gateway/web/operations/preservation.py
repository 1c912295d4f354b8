"""Preservation: how the officers' calls are done."""

from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.model.case import MessageEffect
from gateway.model.preservation_rules import RULES
from gateway.services.preservation.letters import Wanted
from gateway.services.preservation.standing import Standing
from gateway.services.sending.submit import Submission
from gateway.web import calls
from gateway.web.calls import (
    BrokenRuleView,
    LetterParams,
    LetterResult,
    PreparedActView,
    PreservationActParams,
    PreservationActResult,
    PreservationItemView,
    PreservationMessageView,
    PreservationRefParams,
    PreservationResult,
    Progress,
)
from gateway.web.operations.desk import Desk, Handler, view
from gateway.web.operations.requests import attachment_of, submission_view


async def _show(desk: Desk, params: PreservationRefParams, _progress: Progress) -> PreservationResult:
    return _result(await desk.preservation.standing(params.ref))


def _result(standing: Standing) -> PreservationResult:
    case, folded = standing.case, standing.view
    return PreservationResult(
        thread_id=case.thread_id,
        peer=case.peer,
        side=case.side,
        state=folded.state or case.state,
        state_at=case.state_at,
        reference_requesting=case.reference_requesting,
        reference_requested=case.reference_requested,
        sentence=folded.next_step.sentence,
        items=[
            PreservationItemView(
                item_no=number,
                status=status,
                effected_at=standing.effected.get(number),
                ends_at=standing.ends.get(number),
            )
            for number, status in folded.items.items()
        ],
        messages=[_message(each) for each in folded.effects],
        acts=standing.acts_now(),
    )


def _message(each: MessageEffect) -> PreservationMessageView:
    message = each.message
    sender, _, bid = message.message_id.partition("/")
    return PreservationMessageView(
        sender=sender,
        bid=bid,
        message_type=message.message_type,
        side=str(message.side),
        effect=str(each.effect),
        made_at=message.at,
        consigned_at=message.consigned_at,
        broken=[
            BrokenRuleView(code=code, source=RULES[code].source, sentence=RULES[code].sentence)
            for code in each.broken
            if code in RULES
        ],
    )


async def _act(desk: Desk, params: PreservationActParams, _progress: Progress) -> PreservationActResult:
    done = await desk.preservation.act(
        params.ref,
        params.act,
        params.content,
        officer=params.officer,
        approver=params.approver,
        attachments=[attachment_of(item) for item in params.attachments],
        consents=params.consents,
    )
    if isinstance(done, Submission):
        return PreservationActResult(sent=submission_view(done), prepared=None)
    return PreservationActResult(sent=None, prepared=view(PreparedActView, done))


async def _letter(desk: Desk, params: LetterParams, _progress: Progress) -> LetterResult:
    path = Path(params.path)
    if not path.is_absolute():
        raise GatewayRefusal("file-unusable", field="path")
    wanted = Wanted(
        language=params.language,
        custodian=params.custodian or "",
        legal_basis=params.legal_basis,
        until=params.until,
        items=tuple(params.items),
    )
    written = await desk.letters.write(params.ref, path, wanted, officer=params.officer)
    return view(LetterResult, written)


HANDLERS: Mapping[str, Handler] = {
    calls.PRESERVATION_SHOW.name: _show,
    calls.PRESERVATION_ACT.name: _act,
    calls.PRESERVATION_LETTER.name: _letter,
}
