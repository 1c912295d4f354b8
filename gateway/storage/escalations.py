"""Ladders of the urgent lane: made with the bundle, found when due, stopped by a person's signed word."""

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, select, update

from gateway.storage.database import Transaction
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


_KEY = and_(
    escalation.c.sender == bindparam("b_sender"),
    escalation.c.bid == bindparam("b_bid"),
    escalation.c.to_aid == bindparam("b_to"),
)
_FIND = select(escalation).where(_KEY)
_LOCK = _FIND.with_for_update()
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
_LEAVES = select(transmission.c.expires_at).where(
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


def find_escalation(connection: Connection, key: Key) -> EscalationRow | None:
    """Return a ladder, ended or not, or ``None``."""
    row = connection.execute(_FIND, _of(key)).first()
    return None if row is None else EscalationRow(**row._mapping)


def lock_escalation(connection: Connection, key: Key) -> EscalationRow | None:
    """Return a ladder that this unit is about to change, or ``None``."""
    row = connection.execute(_LOCK, _of(key)).first()
    return None if row is None else EscalationRow(**row._mapping)


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


def bundle_expiry(connection: Connection, row: EscalationRow) -> datetime | None:
    """Return until when the bundle may be delivered, as it is known now; ``None`` if it is not here."""
    if row.side == "out":
        leaves: datetime | None = connection.scalar(_LEAVES, _of(row.key))
        if leaves is not None:
            return leaves
    came: datetime | None = connection.scalar(_CAME, {"b_sender": row.sender, "b_bid": row.bid})
    return came


def _of(key: Key) -> dict[str, str]:
    return {"b_sender": key[0], "b_bid": key[1], "b_to": key[2]}
