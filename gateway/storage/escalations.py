"""Ladders of the urgent lane: made with the bundle, found when due, stopped by a person's signed word."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, select, update

from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import bundle, escalation, transmission

Key = tuple[str, str, str]


class EscalationRow(TableRow, frozen=True, kw_only=True):
    """One ladder; meanings in ``schema.escalation``."""

    sender: str
    bid: str
    to_aid: str
    side: str
    level: str
    awaits: str
    thread_id: str
    seq: int
    stage: str
    stage_at: datetime
    started_at: datetime
    consigned_at: datetime | None
    unsigned_at: datetime | None
    next_action_at: datetime | None
    stopped_at: datetime | None
    stopped_by: str | None

    @property
    def key(self) -> Key:
        """Sender, bid and addressee."""
        return self.sender, self.bid, self.to_aid

    @property
    def message_id(self) -> str:
        """Identifier of the message, as forms name it."""
        return f"{self.sender}/{self.bid}"

    @property
    def peer(self) -> str:
        """The other authority."""
        return self.to_aid if self.side == "out" else self.sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a bundle fares: until when it may be delivered, and whether nothing is tried any more."""

    expires_at: datetime | None
    is_stuck: bool


#: Nothing more is sent, and nobody has it.
_STUCK = frozenset({"REJECTED", "FAILED"})

_KEY = and_(
    escalation.c.sender == bindparam("b_sender"),
    escalation.c.bid == bindparam("b_bid"),
    escalation.c.to_aid == bindparam("b_to"),
)
_COLUMNS = tuple(column.name for column in escalation.columns)
_LOCK = select(escalation).where(_KEY).with_for_update()
_OPEN = select(escalation).where(escalation.c.next_action_at.is_not(None))
_OPEN_OF_BUNDLE = (
    _OPEN.where(escalation.c.sender == bindparam("b_sender"), escalation.c.bid == bindparam("b_bid"))
    .order_by(escalation.c.to_aid)
    .with_for_update()
)
_OPEN_OF_THREAD = (
    _OPEN.where(escalation.c.thread_id == bindparam("b_thread")).order_by(escalation.c.seq).with_for_update()
)
_ALL_OPEN = _OPEN.order_by(escalation.c.next_action_at)
_DUE = _OPEN.where(escalation.c.next_action_at <= bindparam("b_now")).order_by(escalation.c.next_action_at)
_NEXT = select(func.min(escalation.c.next_action_at))
_AHEAD = _OPEN.where(escalation.c.stage_at > bindparam("b_at"))
_LEAVES = select(transmission.c.expires_at, transmission.c.state).where(
    transmission.c.sender == bindparam("b_sender"),
    transmission.c.bid == bindparam("b_bid"),
    transmission.c.to_aid == bindparam("b_to"),
)
_CAME = select(bundle.c.expires_at).where(
    bundle.c.sender == bindparam("b_sender"), bundle.c.bid == bindparam("b_bid")
)
_STORE = (
    update(escalation)
    .where(_KEY)
    .values(
        **{
            name: bindparam(f"v_{name}")
            for name in (
                "stage",
                "stage_at",
                "started_at",
                "consigned_at",
                "unsigned_at",
                "next_action_at",
                "stopped_at",
                "stopped_by",
            )
        }
    )
)


def add_escalation(tx: Transaction, row: EscalationRow) -> None:
    """Add a ladder, in the transaction that makes its bundle durable."""
    tx.insert(escalation, **{name: getattr(row, name) for name in row.__struct_fields__})


def store_escalation(tx: Transaction, row: EscalationRow) -> None:
    """Store where a ladder stands now."""
    moving = ("stage", "stage_at", "started_at", "consigned_at", "unsigned_at")
    ending = ("next_action_at", "stopped_at", "stopped_by")
    values = {f"v_{name}": getattr(row, name) for name in (*moving, *ending)}
    tx.later(_STORE, **values, **_of(row.key))


def lock_escalation(connection: Connection, key: Key) -> EscalationRow | None:
    """Return a ladder that this unit is about to change, or ``None``."""
    rows = fetch(connection, _LOCK, _of(key))
    return EscalationRow(**dict(zip(_COLUMNS, rows[0], strict=True))) if rows else None


def open_escalations(connection: Connection) -> list[EscalationRow]:
    """Return every ladder that nobody has ended, the one that is due first first."""
    return [EscalationRow(**row._mapping) for row in connection.execute(_ALL_OPEN)]


def open_of_bundle(connection: Connection, sender: str, bid: str) -> list[EscalationRow]:
    """Return the ladders of a bundle that nobody has ended."""
    rows = connection.execute(_OPEN_OF_BUNDLE, {"b_sender": sender, "b_bid": bid})
    return [EscalationRow(**row._mapping) for row in rows]


def open_of_thread(connection: Connection, thread_id: str, peer: str) -> list[EscalationRow]:
    """Return the ladders of a thread with one peer that nobody has ended, in order of their messages."""
    rows = connection.execute(_OPEN_OF_THREAD, {"b_thread": thread_id})
    return [row for row in (EscalationRow(**each._mapping) for each in rows) if row.peer == peer]


def due_escalations(connection: Connection, now: datetime, limit: int) -> list[EscalationRow]:
    """Return up to ``limit`` ladders whose next step is due, the longest due first."""
    return [EscalationRow(**row._mapping) for row in connection.execute(_DUE.limit(limit), {"b_now": now})]


def next_escalation(connection: Connection) -> datetime | None:
    """Return when the next step is due, ``None`` if no ladder is under way."""
    due: datetime | None = connection.scalar(_NEXT)
    return due


def ahead_of(connection: Connection, at: datetime) -> list[EscalationRow]:
    """Return the ladders whose last step is later than an instant: the clock was set back since."""
    return [EscalationRow(**row._mapping) for row in connection.execute(_AHEAD, {"b_at": at})]


def fate_of(connection: Connection, row: EscalationRow) -> Fate:
    """Return how the bundle of a ladder fares."""
    leaves = connection.execute(_LEAVES, _of(row.key)).first() if row.side == "out" else None
    if leaves is not None:
        return Fate(expires_at=leaves.expires_at, is_stuck=leaves.state in _STUCK)
    came = connection.scalar(_CAME, {"b_sender": row.sender, "b_bid": row.bid})
    return Fate(expires_at=came, is_stuck=False)


def _of(key: Key) -> dict[str, str]:
    return {"b_sender": key[0], "b_bid": key[1], "b_to": key[2]}
