"""Transmissions and their attempts: what is under way to whom, and when somebody acts next.

Claims under a lease are in ``queue``; this module records what came of them. A result is recorded only
by whoever still holds the lease, so that a worker that was thought dead cannot overwrite its successor.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, select, update

from gateway.model.transmission import TransmissionKey
from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import attempt, bundle, transmission


class TransmissionRow(TableRow, frozen=True, kw_only=True):
    """Sending one bundle to one authority; meanings in ``schema.transmission``."""

    sender: str
    bid: str
    to_aid: str
    state: str
    lane: str
    channel: str | None
    attempts: int
    repeats: int
    last_code: str | None
    next_action: str
    next_action_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    outbox_no: int | None
    owner: str | None
    created_at: datetime
    expires_at: datetime
    changed_at: datetime
    carried_since: datetime | None = None
    exported_at: datetime | None = None
    counted_from: datetime | None = None
    only_channel: str | None = None


class AttemptRow(TableRow, frozen=True, kw_only=True):
    """One try: ``verdict`` as the adapter gave it, ``code`` where there was one."""

    no: int
    channel: str
    started_at: datetime
    ended_at: datetime
    verdict: str
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWayRow:
    """One bundle of ours without a receipt; ``carried_since`` if it stands here for a carrier."""

    sender: str
    bid: str
    to_aid: str
    lane: str
    size_bytes: int
    carried_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One bundle that waits for a peer that only calls out."""

    no: int
    sender: str
    bid: str
    lane: str
    size_bytes: int
    envelope_sha256: str


_KEY = and_(
    transmission.c.sender == bindparam("b_sender"),
    transmission.c.bid == bindparam("b_bid"),
    transmission.c.to_aid == bindparam("b_to"),
)
_COLUMNS = tuple(transmission.c.keys())
_FIND = select(transmission).where(_KEY)
# Until the transaction ends nobody else changes what is read; SQLite's one writer needs no clause for it.
_LOCK = _FIND.with_for_update()
_OF_BUNDLE = select(transmission).where(
    transmission.c.sender == bindparam("b_sender"), transmission.c.bid == bindparam("b_bid")
)
_MOVE = (
    update(transmission)
    .where(_KEY)
    .values(
        state=bindparam("v_state"),
        channel=bindparam("v_channel"),
        attempts=bindparam("v_attempts"),
        repeats=bindparam("v_repeats"),
        last_code=bindparam("v_last_code"),
        next_action=bindparam("v_next_action"),
        next_action_at=bindparam("v_next_action_at"),
        lease_owner=None,
        lease_until=None,
        outbox_no=bindparam("v_outbox_no"),
        carried_since=bindparam("v_carried_since"),
        exported_at=bindparam("v_exported_at"),
        counted_from=bindparam("v_counted_from"),
        owner=bindparam("v_owner"),
        expires_at=bindparam("v_expires_at"),
        changed_at=bindparam("v_changed_at"),
    )
)
_STATE_AND_LANE = and_(
    transmission.c.state == bindparam("b_state"), transmission.c.lane == bindparam("b_lane")
)
_OVERDUE = select(transmission.c.sender, transmission.c.bid, transmission.c.to_aid).where(
    _STATE_AND_LANE, transmission.c.next_action_at <= bindparam("b_now")
)
_NEXT = (
    select(transmission.c.next_action_at)
    .where(_STATE_AND_LANE)
    .order_by(transmission.c.next_action_at)
    .limit(1)
)
_ATTEMPTS = (
    select(
        attempt.c.no,
        attempt.c.channel,
        attempt.c.started_at,
        attempt.c.ended_at,
        attempt.c.verdict,
        attempt.c.code,
    )
    .where(
        attempt.c.sender == bindparam("b_sender"),
        attempt.c.bid == bindparam("b_bid"),
        attempt.c.to_aid == bindparam("b_to"),
    )
    .order_by(attempt.c.no)
)
_OUTBOX = (
    select(
        transmission.c.outbox_no.label("no"),
        transmission.c.sender,
        transmission.c.bid,
        transmission.c.lane,
        bundle.c.size_bytes,
        bundle.c.envelope_sha256,
    )
    .join(bundle, and_(bundle.c.sender == transmission.c.sender, bundle.c.bid == transmission.c.bid))
    .where(
        transmission.c.to_aid == bindparam("b_to"),
        transmission.c.state.in_(("QUEUED", "DISPATCHED", "RELAYED")),
        transmission.c.outbox_no.is_not(None),
    )
    # 'urgent' sorts after 'routine'.
    .order_by(transmission.c.lane.desc(), transmission.c.outbox_no)
    .limit(100)
)

_UNDER_WAY = (
    select(
        transmission.c.sender,
        transmission.c.bid,
        transmission.c.to_aid,
        transmission.c.lane,
        bundle.c.size_bytes,
        transmission.c.carried_since,
    )
    .join(bundle, and_(bundle.c.sender == transmission.c.sender, bundle.c.bid == transmission.c.bid))
    .where(transmission.c.state.in_(("QUEUED", "DISPATCHED", "RELAYED")))
    .order_by(transmission.c.to_aid, transmission.c.lane.desc(), transmission.c.created_at)
)
_STANDING = _UNDER_WAY.where(transmission.c.carried_since.is_not(None))
_UNDER_WAY_TO = _UNDER_WAY.where(transmission.c.to_aid == bindparam("b_to"))
_EXPORTED = (
    update(transmission)
    .where(_KEY)
    .values(
        channel=bindparam("v_channel"),
        attempts=bindparam("v_attempts"),
        carried_since=bindparam("v_carried_since"),
        exported_at=bindparam("v_exported_at"),
        expires_at=bindparam("v_expires_at"),
    )
)


def add_transmission(tx: Transaction, row: TransmissionRow) -> None:
    """Add a transmission; it may be born leased, so that its maker can send it at once."""
    tx.add(transmission, row)


def find_transmission(connection: Connection, sender: str, bid: str, to_aid: str) -> TransmissionRow | None:
    """Return a transmission or ``None``."""
    row = connection.execute(_FIND, {"b_sender": sender, "b_bid": bid, "b_to": to_aid}).first()
    return None if row is None else TransmissionRow(**row._mapping)


def lock_transmission(connection: Connection, sender: str, bid: str, to_aid: str) -> TransmissionRow | None:
    """Return a transmission that this unit is about to change, or ``None``."""
    rows = fetch(connection, _LOCK, {"b_sender": sender, "b_bid": bid, "b_to": to_aid})
    return TransmissionRow(**dict(zip(_COLUMNS, rows[0], strict=True))) if rows else None


def overdue(connection: Connection, lane: str, now: datetime) -> list[TransmissionKey]:
    """Return the keys of what left, and whose receipt has not come by the time it was expected."""
    found: list[TransmissionKey] = []
    for state in ("DISPATCHED", "RELAYED"):
        rows = fetch(connection, _OVERDUE, {"b_state": state, "b_lane": lane, "b_now": now})
        found.extend((sender, bid, to_aid) for sender, bid, to_aid in rows)
    return found


def next_transmission(connection: Connection, lane: str) -> datetime | None:
    """Return when the next transmission of a lane falls due, ``None`` if none waits."""
    found: list[datetime] = []
    for state in ("QUEUED", "DISPATCHED", "RELAYED"):
        found.extend(due for (due,) in fetch(connection, _NEXT, {"b_state": state, "b_lane": lane}) if due)
    return min(found, default=None)


def transmissions_of(connection: Connection, sender: str, bid: str) -> list[TransmissionRow]:
    """Return the transmissions of a bundle, one for each recipient."""
    rows = connection.execute(_OF_BUNDLE, {"b_sender": sender, "b_bid": bid})
    return [TransmissionRow(**row._mapping) for row in rows]


def store_transmission(tx: Transaction, row: TransmissionRow) -> None:
    """Write the new state of a transmission and release its lease."""
    tx.later(
        _MOVE,
        b_sender=row.sender,
        b_bid=row.bid,
        b_to=row.to_aid,
        v_state=row.state,
        v_channel=row.channel,
        v_attempts=row.attempts,
        v_repeats=row.repeats,
        v_last_code=row.last_code,
        v_next_action=row.next_action,
        v_next_action_at=row.next_action_at,
        v_outbox_no=row.outbox_no,
        v_carried_since=row.carried_since,
        v_exported_at=row.exported_at,
        v_counted_from=row.counted_from,
        v_owner=row.owner,
        v_expires_at=row.expires_at,
        v_changed_at=row.changed_at,
    )


def store_export(tx: Transaction, row: TransmissionRow) -> None:
    """Write that a bundle went onto a medium. State, clock and lease stay: other channels go on beside it."""
    tx.execute(
        _EXPORTED,
        {
            "b_sender": row.sender,
            "b_bid": row.bid,
            "b_to": row.to_aid,
            "v_channel": row.channel,
            "v_attempts": row.attempts,
            "v_carried_since": row.carried_since,
            "v_exported_at": row.exported_at,
            "v_expires_at": row.expires_at,
        },
    )


def add_attempt(tx: Transaction, row: TransmissionRow, result: AttemptRow) -> None:
    """Add one attempt of a transmission."""
    tx.insert(
        attempt,
        sender=row.sender,
        bid=row.bid,
        to_aid=row.to_aid,
        no=result.no,
        channel=result.channel,
        started_at=result.started_at,
        ended_at=result.ended_at,
        verdict=result.verdict,
        code=result.code,
    )


def attempts_of(connection: Connection, sender: str, bid: str, to_aid: str) -> list[AttemptRow]:
    """Return the attempts of a transmission in order."""
    rows = connection.execute(_ATTEMPTS, {"b_sender": sender, "b_bid": bid, "b_to": to_aid})
    return [AttemptRow(**row._mapping) for row in rows]


def outbox_of(connection: Connection, to_aid: str) -> list[OutboxRow]:
    """Return what waits for a peer that only calls out, urgent first, at most 100."""
    rows = connection.execute(_OUTBOX, {"b_to": to_aid})
    return [OutboxRow(**row._mapping) for row in rows]


def standing_for_carrier(connection: Connection) -> list[UnderWayRow]:
    """Return what stands here for a carrier, by addressee, urgent first."""
    return [UnderWayRow(**row._mapping) for row in connection.execute(_STANDING)]


def under_way_to(connection: Connection, to_aid: str) -> list[UnderWayRow]:
    """Return everything that is under way to one authority, urgent first."""
    rows = connection.execute(_UNDER_WAY_TO, {"b_to": to_aid})
    return [UnderWayRow(**row._mapping) for row in rows]
