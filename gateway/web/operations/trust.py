"""Sender cards, call-backs and second signatures: how the calls about them are done."""

from collections.abc import Mapping

from gateway.web.calls import Progress, RefParams
from gateway.web.calls import trust as calls
from gateway.web.calls.trust import (
    CallbackRecordParams,
    CallbackResult,
    CallbackScriptResult,
    CallbackStartParams,
    CallView,
    CardResult,
    SecondSignParams,
    SecondSignResult,
)
from gateway.web.operations.desk import Desk, Handler, view
from gateway.web.operations.requests import act_view


async def _card(desk: Desk, params: RefParams, _progress: Progress) -> CardResult:
    return view(CardResult, await desk.trust.cards.card(params.ref))


async def _start(desk: Desk, params: CallbackStartParams, _progress: Progress) -> CallbackScriptResult:
    script = await desk.trust.callbacks.start(params.ref, officer=params.officer, direction=params.direction)
    return view(CallbackScriptResult, script)


async def _record(desk: Desk, params: CallbackRecordParams, _progress: Progress) -> CallbackResult:
    row = await desk.trust.callbacks.record(
        params.call,
        officer=params.officer,
        outcome=params.outcome,
        words=params.words,
        spoken_with=params.spoken_with,
    )
    return CallbackResult(call=view(CallView, row), sender=row.sender, bid=row.bid)


async def _sign(desk: Desk, params: SecondSignParams, _progress: Progress) -> SecondSignResult:
    done = await desk.trust.seconds.sign(params.ref, officer=params.officer)
    owed = done.owed
    return SecondSignResult(
        sender=owed.sender,
        bid=owed.bid,
        peer=owed.peer,
        officer=owed.officer,
        sent_at=owed.sent_at,
        due_at=owed.due_at,
        message=act_view(done.made),
    )


HANDLERS: Mapping[str, Handler] = {
    calls.CARD.name: _card,
    calls.CALLBACK_START.name: _start,
    calls.CALLBACK_RECORD.name: _record,
    calls.SECOND_SIGN.name: _sign,
}
