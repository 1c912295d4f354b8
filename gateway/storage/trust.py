"""Second signatures and call-backs: what one officer sent alone, and what the telephone brought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, select, update

from gateway.model.opening import ASKING
from gateway.model.second_signature import STANDING_BY
from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import callback, message, second_signature


class SecondRow(TableRow, frozen=True, kw_only=True):
    """An emergency that one officer sent alone; meanings in ``schema.second_signature``."""

    sender: str
    bid: str
    peer: str
    thread_id: str
    officer: str
    sent_at: datetime
    due_at: datetime
    told_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    closed_officer: str | None
    next_action_at: datetime | None


class CallRow(TableRow, frozen=True, kw_only=True):
    """One call-back; meanings in ``schema.callback``."""

    id: str
    sender: str
    bid: str
    peer: str
    thread_id: str
    direction: str
    number: str | None
    words_sha256: str
    officer: str
    started_at: datetime
    outcome: str | None
    spoken_with: str | None
    recorded_at: datetime | None
    next_action_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRow:
    """When a message of a peer came, and whether it asked for something."""

    stored_at: datetime
    is_request: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """A message that may stand by another; ``facts`` as in ``MessageRow``."""

    bid: str
    officer: str | None
    assurance: str | None
    made_at: datetime
    facts: str


_SECOND = and_(
    second_signature.c.sender == bindparam("b_sender"), second_signature.c.bid == bindparam("b_bid")
)
_FIND_SECOND = select(second_signature).where(_SECOND)
_OPEN_SECONDS = select(second_signature).where(
    second_signature.c.closed_at.is_(None),
    second_signature.c.thread_id == bindparam("b_thread"),
    second_signature.c.peer == bindparam("b_peer"),
)
_DUE_SECONDS = (
    select(second_signature)
    .where(second_signature.c.next_action_at <= bindparam("b_now"))
    .order_by(second_signature.c.next_action_at)
    .limit(bindparam("b_limit"))
)
_TELL_SECOND = (
    update(second_signature)
    .where(_SECOND)
    .values(told_at=bindparam("v_told_at"), next_action_at=bindparam("v_next"))
)
_CLOSE_SECOND = (
    update(second_signature)
    .where(_SECOND, second_signature.c.closed_at.is_(None))
    .values(
        closed_at=bindparam("v_at"),
        closed_by=bindparam("v_by"),
        closed_officer=bindparam("v_officer"),
        next_action_at=None,
    )
)
_FIND_CALL = select(callback).where(callback.c.id == bindparam("b_id"))
_CALLS = (
    select(callback)
    .where(callback.c.sender == bindparam("b_sender"), callback.c.bid == bindparam("b_bid"))
    .order_by(callback.c.started_at, callback.c.id)
)
_DUE_CALLS = (
    select(callback)
    .where(callback.c.next_action_at <= bindparam("b_now"))
    .order_by(callback.c.next_action_at)
    .limit(bindparam("b_limit"))
)
_MOVE_CALL = (
    update(callback).where(callback.c.id == bindparam("b_id")).values(next_action_at=bindparam("v_next"))
)
_RECORD_CALL = (
    update(callback)
    .where(callback.c.id == bindparam("b_id"), callback.c.recorded_at.is_(None))
    .values(
        outcome=bindparam("v_outcome"),
        spoken_with=bindparam("v_spoken_with"),
        recorded_at=bindparam("v_at"),
        next_action_at=None,
    )
)
_STANDING = (
    select(message.c.bid, message.c.officer, message.c.assurance, message.c.made_at, message.c.facts)
    .where(
        message.c.thread_id == bindparam("b_thread"),
        message.c.peer == bindparam("b_peer"),
        message.c.sender == bindparam("b_sender"),
        message.c.message_type == STANDING_BY,
        message.c.in_reply_to == bindparam("b_reply"),
        message.c.via.is_(None),
        message.c.effect != "forked",
        # Whatever else was said in answer hides nobody beyond the limit.
        message.c.facts.contains('"stands_by"', autoescape=True),
    )
    .order_by(message.c.stored_at)
    .limit(bindparam("b_limit"))
)
_PAST = (
    select(message.c.stored_at, message.c.message_type)
    .where(message.c.sender == bindparam("b_peer"), message.c.stored_at < bindparam("b_before"))
    .order_by(message.c.stored_at.desc())
    .limit(bindparam("b_limit"))
)


def add_second(tx: Transaction, row: SecondRow) -> None:
    """Enter that a second person is owed."""
    tx.insert(
        second_signature,
        sender=row.sender,
        bid=row.bid,
        peer=row.peer,
        thread_id=row.thread_id,
        officer=row.officer,
        sent_at=row.sent_at,
        due_at=row.due_at,
        told_at=row.told_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        closed_officer=row.closed_officer,
        next_action_at=row.next_action_at,
    )


def find_second(connection: Connection, sender: str, bid: str) -> SecondRow | None:
    """Return what is owed or was owed for a bundle, ``None`` if nothing ever was."""
    row = connection.execute(_FIND_SECOND, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else SecondRow(**row._mapping)


def open_seconds(connection: Connection, thread_id: str, peer: str) -> list[SecondRow]:
    """Return what is owed in a case."""
    rows = connection.execute(_OPEN_SECONDS, {"b_thread": thread_id, "b_peer": peer})
    return [SecondRow(**row._mapping) for row in rows]


def due_seconds(connection: Connection, now: datetime, limit: int) -> list[SecondRow]:
    """Return what is owed and due, oldest first."""
    rows = connection.execute(_DUE_SECONDS, {"b_now": now, "b_limit": limit})
    return [SecondRow(**row._mapping) for row in rows]


def tell_second(tx: Transaction, row: SecondRow, *, told_at: datetime, again_at: datetime) -> None:
    """Note that shift leader and auditor were told, and when they are asked again."""
    tx.later(_TELL_SECOND, b_sender=row.sender, b_bid=row.bid, v_told_at=told_at, v_next=again_at)


def close_second(tx: Transaction, sender: str, bid: str, *, by: str, officer: str, at: datetime) -> None:
    """End what is owed; ending it twice changes nothing."""
    tx.later(_CLOSE_SECOND, b_sender=sender, b_bid=bid, v_at=at, v_by=by, v_officer=officer)


def add_call(tx: Transaction, row: CallRow) -> None:
    """Enter a call that begins."""
    tx.insert(
        callback,
        id=row.id,
        sender=row.sender,
        bid=row.bid,
        peer=row.peer,
        thread_id=row.thread_id,
        direction=row.direction,
        number=row.number,
        words_sha256=row.words_sha256,
        officer=row.officer,
        started_at=row.started_at,
        outcome=row.outcome,
        spoken_with=row.spoken_with,
        recorded_at=row.recorded_at,
        next_action_at=row.next_action_at,
    )


def find_call(connection: Connection, call_id: str) -> CallRow | None:
    """Return a call or ``None``."""
    row = connection.execute(_FIND_CALL, {"b_id": call_id}).first()
    return None if row is None else CallRow(**row._mapping)


def calls_about(connection: Connection, sender: str, bid: str) -> list[CallRow]:
    """Return the calls about a bundle, oldest first."""
    return [CallRow(**row._mapping) for row in connection.execute(_CALLS, {"b_sender": sender, "b_bid": bid})]


def due_calls(connection: Connection, now: datetime, limit: int) -> list[CallRow]:
    """Return the calls that nobody has finished."""
    rows = connection.execute(_DUE_CALLS, {"b_now": now, "b_limit": limit})
    return [CallRow(**row._mapping) for row in rows]


def ask_about_call(tx: Transaction, call_id: str, *, again_at: datetime) -> None:
    """Note when an unfinished call is asked about again."""
    tx.later(_MOVE_CALL, b_id=call_id, v_next=again_at)


def record_call(tx: Transaction, call_id: str, *, outcome: str, spoken_with: str, at: datetime) -> None:
    """End a call with its outcome; a second outcome changes nothing."""
    tx.later(_RECORD_CALL, b_id=call_id, v_outcome=outcome, v_spoken_with=spoken_with, v_at=at)


def standing_by(
    connection: Connection, *, sender: str, bid: str, thread_id: str, peer: str, limit: int
) -> list[StandingRow]:
    """Return the sealed messages by which a message's own sender may stand by it, oldest first."""
    values = {"b_thread": thread_id, "b_peer": peer, "b_sender": sender, "b_limit": limit}
    rows = connection.execute(_STANDING, {**values, "b_reply": f"{sender}/{bid}"})
    return [StandingRow(**row._mapping) for row in rows]


def past_of(connection: Connection, peer: str, before: datetime, limit: int) -> Sequence[PastRow]:
    """Return the newest messages of a peer that were stored before an instant, newest first."""
    rows = connection.execute(_PAST, {"b_peer": peer, "b_before": before, "b_limit": limit})
    return [PastRow(stored_at=row.stored_at, is_request=row.message_type in ASKING) for row in rows]
