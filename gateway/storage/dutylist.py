"""What the duty page lists: requests of the urgent lane whose ladder is open, or was ended a short time ago.

Only columns that hold no content are read: cases, counters and times, never a bundle's parts.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, and_, bindparam, func, select

from gateway.storage.cases import CaseRow
from gateway.storage.escalations import EscalationRow
from gateway.storage.schema import cases, escalation


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """One ladder of a request with its case."""

    ladder: EscalationRow
    case: CaseRow


_LADDER, _CASE = tuple(escalation.c.keys()), tuple(cases.c.keys())
_peer = func.coalesce(func.nullif(escalation.c.to_aid, bindparam("b_own")), escalation.c.sender)
_ALL = (
    select(*escalation.c, *cases.c)
    .join(cases, and_(cases.c.thread_id == escalation.c.thread_id, cases.c.peer == _peer))
    .where(escalation.c.awaits == "person")
    .limit(bindparam("b_limit"))
)
_open = (
    select(
        *escalation.c,
        func.row_number()
        .over(
            partition_by=(_peer, escalation.c.side),
            order_by=(escalation.c.level, escalation.c.started_at, escalation.c.bid),
        )
        .label("place"),
        _peer.label("with_whom"),
    )
    .where(escalation.c.awaits == "person", escalation.c.next_action_at.is_not(None))
    .subquery()
)
_OPEN = (
    select(*(_open.c[name] for name in _LADDER), *cases.c)
    .join(cases, and_(cases.c.thread_id == _open.c.thread_id, cases.c.peer == _open.c.with_whom))
    .where(_open.c.place <= bindparam("b_each"))
    .order_by(_open.c.level, _open.c.started_at, _open.c.bid)
    .limit(bindparam("b_limit"))
)
_COUNT = select(_open.c.with_whom, func.count().label("open")).group_by(_open.c.with_whom)
_ENDED = _ALL.where(escalation.c.stopped_at >= bindparam("b_since")).order_by(
    escalation.c.stopped_at.desc(), escalation.c.bid
)
_ONE = _ALL.where(escalation.c.sender == bindparam("b_sender"), escalation.c.bid == bindparam("b_bid"))


def open_listed(connection: Connection, own: str, *, each_peer: int, limit: int) -> list[ListedRow]:
    """Return what no person has acknowledged: emergencies first, then the oldest first.

    ``each_peer`` is the most of one peer and direction, so that nobody fills the list alone.
    """
    values = {"b_own": own, "b_each": each_peer, "b_limit": limit}
    return [_row(row) for row in connection.execute(_OPEN, values)]


def open_by_peer(connection: Connection, own: str) -> dict[str, int]:
    """Return how much no person has acknowledged, by peer."""
    return {row.with_whom: row.open for row in connection.execute(_COUNT, {"b_own": own})}


def ended_listed(connection: Connection, own: str, since: datetime, limit: int) -> list[ListedRow]:
    """Return what was ended since an instant, the newest first."""
    found = connection.execute(_ENDED, {"b_own": own, "b_since": since, "b_limit": limit})
    return [_row(row) for row in found]


def listed(connection: Connection, own: str, sender: str, bid: str) -> ListedRow | None:
    """Return one ladder with its case, open or ended, or ``None``."""
    values = {"b_own": own, "b_sender": sender, "b_bid": bid, "b_limit": 1}
    row = connection.execute(_ONE, values).first()
    return None if row is None else _row(row)


def _row(row: Row[tuple[object, ...]]) -> ListedRow:
    values = tuple(row)
    ladder = dict(zip(_LADDER, values[: len(_LADDER)], strict=True))
    case = dict(zip(_CASE, values[len(_LADDER) :], strict=True))
    return ListedRow(ladder=EscalationRow(**ladder), case=CaseRow(**case))  # type: ignore[arg-type]
