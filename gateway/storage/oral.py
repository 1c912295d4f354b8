"""Oral requests whose written confirmation is owed, or was given."""

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import oral_request


class OralRow(TableRow, frozen=True, kw_only=True):
    """One oral request; meanings in ``schema.oral_request``."""

    thread_id: str
    peer: str
    sender: str
    bid: str
    side: str
    request_kind: str
    urgency_level: str
    made_at: datetime
    due_at: datetime
    alerts: int
    confirmed_at: datetime | None
    confirmed_by: str | None
    next_action_at: datetime | None


_KEY = and_(oral_request.c.thread_id == bindparam("b_thread"), oral_request.c.peer == bindparam("b_peer"))
_FIND = select(oral_request).where(_KEY)
_OPEN = oral_request.c.confirmed_at.is_(None)
_OPEN_OF = select(oral_request).where(_OPEN, oral_request.c.peer == bindparam("b_peer")).limit(200)
_DUE = (
    select(oral_request)
    .where(oral_request.c.next_action_at <= bindparam("b_now"))
    .order_by(oral_request.c.next_action_at)
    .limit(bindparam("b_limit"))
)
_NEWEST = select(oral_request).order_by(oral_request.c.made_at.desc()).limit(bindparam("b_limit"))
_ALERTED = (
    update(oral_request).where(_KEY).values(alerts=bindparam("v_alerts"), next_action_at=bindparam("v_next"))
)
_CONFIRMED = (
    update(oral_request)
    .where(_KEY)
    .values(confirmed_at=bindparam("v_at"), confirmed_by=bindparam("v_by"), next_action_at=None)
)


def add_oral(tx: Transaction, row: OralRow) -> None:
    """Enter an oral request."""
    tx.insert(
        oral_request,
        thread_id=row.thread_id,
        peer=row.peer,
        sender=row.sender,
        bid=row.bid,
        side=row.side,
        request_kind=row.request_kind,
        urgency_level=row.urgency_level,
        made_at=row.made_at,
        due_at=row.due_at,
        alerts=row.alerts,
        confirmed_at=row.confirmed_at,
        confirmed_by=row.confirmed_by,
        next_action_at=row.next_action_at,
    )


def find_oral(connection: Connection, thread_id: str, peer: str) -> OralRow | None:
    """Return the oral request of a thread or ``None``."""
    row = connection.execute(_FIND, {"b_thread": thread_id, "b_peer": peer}).first()
    return None if row is None else OralRow(**row._mapping)


def open_orals(connection: Connection, peer: str) -> list[OralRow]:
    """Return what a peer and we still owe each other in writing."""
    return [OralRow(**row._mapping) for row in connection.execute(_OPEN_OF, {"b_peer": peer})]


def due_orals(connection: Connection, now: datetime, limit: int) -> list[OralRow]:
    """Return the oral requests about which somebody has to be alerted."""
    return [OralRow(**row._mapping) for row in connection.execute(_DUE, {"b_now": now, "b_limit": limit})]


def newest_orals(connection: Connection, limit: int) -> list[OralRow]:
    """Return the newest oral requests, confirmed or not."""
    return [OralRow(**row._mapping) for row in connection.execute(_NEWEST, {"b_limit": limit})]


def alert_oral(tx: Transaction, row: OralRow, *, alerts: int, next_at: datetime) -> None:
    """Note that people were alerted, and when they are asked again."""
    tx.later(_ALERTED, b_thread=row.thread_id, b_peer=row.peer, v_alerts=alerts, v_next=next_at)


def confirm_oral(tx: Transaction, row: OralRow, *, by: str, at: datetime) -> None:
    """Note that the written confirmation is there."""
    tx.later(_CONFIRMED, b_thread=row.thread_id, b_peer=row.peer, v_at=at, v_by=by)
