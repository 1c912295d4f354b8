"""Drills: how the calls about them are done."""

from collections.abc import Mapping
from datetime import timedelta

from gateway.model.drill_chart import drill_chart
from gateway.model.drills import Scorecard, Verdict
from gateway.services.acts.acts import PreparedAct
from gateway.web.calls import Nothing, Progress
from gateway.web.calls import drills as calls
from gateway.web.calls.drills import (
    ChannelScoreView,
    DrillAcknowledgeParams,
    DrillAcknowledgeResult,
    DrillReceivedResult,
    DrillReceivedView,
    DrillRunParams,
    DrillShowParams,
    PointScoreView,
    ScorecardResult,
)
from gateway.web.operations.desk import Desk, Handler, view


async def _run(desk: Desk, params: DrillRunParams, _progress: Progress) -> ScorecardResult:
    return _card(await desk.trust.drills.run(params.network, officer=params.officer))


async def _show(desk: Desk, params: DrillShowParams, _progress: Progress) -> ScorecardResult:
    return _card(await desk.trust.drills.report(params.drill))


async def _received(desk: Desk, _params: Nothing, _progress: Progress) -> DrillReceivedResult:
    rows = await desk.trust.drills.received()
    return DrillReceivedResult(tests=[view(DrillReceivedView, row) for row in rows])


async def _acknowledge(
    desk: Desk, params: DrillAcknowledgeParams, _progress: Progress
) -> DrillAcknowledgeResult:
    sent = await desk.trust.drills.acknowledge(params.peer, officer=params.officer)
    act = sent.id if isinstance(sent, PreparedAct) else None
    return DrillAcknowledgeResult(sender=sent.sender, bid=sent.bid, to=sent.to, act=act)


def _card(card: Scorecard) -> ScorecardResult:
    return ScorecardResult(
        drill_id=card.drill_id,
        network=card.network,
        officer=card.officer,
        started_at=card.started_at,
        ends_at=card.ends_at,
        is_over=card.is_over,
        ready=card.count(Verdict.READY),
        points=[
            PointScoreView(
                authority_id=point.authority_id,
                name=point.name,
                channels=[
                    ChannelScoreView(channel=c.channel, state=str(c.state), took_s=_seconds(c.took))
                    for c in point.channels
                ],
                person_took_s=_seconds(point.person_took),
                unsigned_took_s=_seconds(point.unsigned_took),
                assurance=point.assurance,
                verdict=str(point.verdict),
            )
            for point in card.points
        ],
        chart=drill_chart(card),
    )


def _seconds(took: timedelta | None) -> float | None:
    return None if took is None else took.total_seconds()


HANDLERS: Mapping[str, Handler] = {
    calls.DRILL_RUN.name: _run,
    calls.DRILL_SHOW.name: _show,
    calls.DRILL_RECEIVED.name: _received,
    calls.DRILL_ACKNOWLEDGE.name: _acknowledge,
}
