"""Drills: running one, its scorecard, and acknowledging those of others."""

from datetime import datetime
from typing import Annotated

import msgspec

from gateway.web.calls.shape import Nothing, Officer, Value, call

_AID = Annotated[str, msgspec.Meta(pattern=r"^(?=.{4,63}$)[a-z]{2}(-[a-z0-9]+)+$")]
_Seconds = Annotated[float, msgspec.Meta(description="seconds")]


class DrillRunParams(Value, kw_only=True):
    """Which network is drilled; ``bilateral`` stands for the authorities enrolled by hand."""

    network: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    officer: Officer = "local"


class DrillShowParams(Value, kw_only=True):
    """Which drill; the newest one by default."""

    drill: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] | None = None


class ChannelScoreView(Value, kw_only=True):
    """How a test on one channel came out."""

    channel: str
    state: Annotated[str, msgspec.Meta(description="arrived, under_way, refused, silent or by_hand")]
    took_s: _Seconds | None


class PointScoreView(Value, kw_only=True):
    """One 24/7 point."""

    authority_id: str
    name: str
    channels: list[ChannelScoreView]
    person_took_s: Annotated[float, msgspec.Meta(description="until a person signed")] | None
    unsigned_took_s: (
        Annotated[float, msgspec.Meta(description="until an acknowledgement that nobody signed")] | None
    )
    assurance: str | None
    verdict: Annotated[
        str, msgspec.Meta(description="ready, slow, unsigned, partly, silent, running or by_hand")
    ]


class ScorecardResult(Value, kw_only=True):
    """A drill as it stands; ``chart`` is an SVG document."""

    drill_id: str
    network: str
    officer: str
    started_at: datetime
    ends_at: datetime
    is_over: bool
    ready: int
    points: list[PointScoreView]
    chart: str


class DrillReceivedView(Value, kw_only=True):
    """A test of another authority that waits for a person; no case is behind it."""

    sender: str
    bid: str
    drill_id: str
    arrived_at: datetime
    paged_at: Annotated[datetime, msgspec.Meta(description="when somebody was called")] | None
    next_action_at: datetime | None


class DrillReceivedResult(Value, kw_only=True):
    """The tests of others that wait, oldest first."""

    tests: list[DrillReceivedView]


class DrillAcknowledgeParams(Value, kw_only=True):
    """Whose drill is answered, and by whom."""

    peer: _AID
    officer: Officer


class DrillAcknowledgeResult(Value, kw_only=True):
    """What was sent, signed by nobody; or, with ``act``, what waits for the officer's passkey."""

    sender: str
    bid: str
    to: str
    act: str | None


DRILL_RUN = call(
    "runDrill",
    "POST",
    "/v1/drills",
    "Send test messages through every channel of every 24/7 point of a network",
    params=DrillRunParams,
    result=ScorecardResult,
    writes=True,
    queues=True,
)
DRILL_SHOW = call(
    "showDrill",
    "GET",
    "/v1/drills",
    "The scorecard of a drill",
    params=DrillShowParams,
    result=ScorecardResult,
)
DRILL_RECEIVED = call(
    "listReceivedDrills",
    "GET",
    "/v1/drills/received",
    "The tests of others that wait for a person",
    params=Nothing,
    result=DrillReceivedResult,
)
DRILL_ACKNOWLEDGE = call(
    "acknowledgeDrill",
    "POST",
    "/v1/drills/acknowledgements",
    "Answer another authority's drill as a person",
    params=DrillAcknowledgeParams,
    result=DrillAcknowledgeResult,
    writes=True,
    queues=True,
)

DRILL_CALLS = (DRILL_RUN, DRILL_SHOW, DRILL_RECEIVED, DRILL_ACKNOWLEDGE)
