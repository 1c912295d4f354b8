"""Claims under a lease: which worker acts on what is due, in two lanes; a crash loses and doubles nothing.

A claim moves ``next_action_at`` to the end of its lease. So a leased row is simply not due, the index never
wades through leased rows, and when a worker dies its row falls due by itself. Each claim has an owner of its
own, and only the owner still written in the row may record what came of it: a worker that was thought dead
and wakes up finds its lease lost. What is recorded stands in ``transmissions``, ``receipts`` and ``gaps``.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    or_,
    select,
    update,
)

from gateway.storage.database import Transaction
from gateway.storage.schema import receipt_gap, receipt_push, revocation_push, transmission
from gateway.storage.transmissions import TransmissionRow

#: What is left of ``lease_owner`` for the worker's own name.
OWNER_CHARACTERS = 23


class LeaseLost(Exception):
    """Another worker has taken the work over; what this one found out must not be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushClaim:
    """One receipt that is to be pushed, under a lease."""

    jws_sha256: str
    to_aid: str
    lane: str
    attempts: int
    outbox_no: int | None
    mailed_at: datetime | None
    lease_owner: str
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeClaim:
    """One notice that a peer is to be told of, under a lease."""

    aid: str
    kid: str
    to_aid: str
    attempts: int
    lease_owner: str
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GapClaim:
    """One chain of receipts of which some are to be pulled, under a lease."""

    sender: str
    bid: str
    iss: str
    lane: str
    attempts: int
    since: datetime
    lease_owner: str
    lease_until: datetime

    @property
    def chain(self) -> tuple[str, str, str]:
        """Sender, bundle and issuer."""
        return self.sender, self.bid, self.iss


def claim_transmissions(
    tx: Transaction,
    *,
    lane: str,
    now: datetime,
    until: datetime,
    worker: str,
    limit: int,
) -> list[TransmissionRow]:
    """Take up to ``limit`` due transmissions of a lane, the longest due first, until ``until``.

    Whoever claims must come to a result or ``extend`` the lease before ``until``. Each row's ``lease_owner``
    is the proof of the claim that ``hold_transmission`` asks for.
    """
    rows = _claim(tx, transmission, lane, now, until, worker, limit, "QUEUED")
    return [TransmissionRow(**row) for row in rows]


def claim_pushes(
    tx: Transaction, *, lane: str, now: datetime, until: datetime, worker: str, limit: int
) -> list[PushClaim]:
    """Take up to ``limit`` due receipt pushes of a lane, the longest due first, until ``until``."""
    names = PushClaim.__dataclass_fields__
    rows = _claim(tx, receipt_push, lane, now, until, worker, limit, "pending")
    return [PushClaim(**{name: row[name] for name in names}) for row in rows]


def claim_notices(
    tx: Transaction, *, now: datetime, until: datetime, worker: str, limit: int
) -> list[NoticeClaim]:
    """Take up to ``limit`` notices that are due to be passed on, until ``until``; all are urgent."""
    names = NoticeClaim.__dataclass_fields__
    rows = _claim(tx, revocation_push, "urgent", now, until, worker, limit, "pending")
    return [NoticeClaim(**{name: row[name] for name in names}) for row in rows]


def claim_gaps(
    tx: Transaction, *, lane: str, now: datetime, until: datetime, worker: str, limit: int
) -> list[GapClaim]:
    """Take up to ``limit`` gaps of a lane that are due to be pulled, until ``until``."""
    names = GapClaim.__dataclass_fields__
    rows = _claim(tx, receipt_gap, lane, now, until, worker, limit, "open")
    return [GapClaim(**{name: row[name] for name in names}) for row in rows]


def hold_transmission(
    tx: Transaction, *, sender: str, bid: str, to_aid: str, lease_owner: str, until: datetime | None = None
) -> None:
    """Make sure that the lease is still this owner's, until the transaction ends; ``until`` extends it.

    Call it in the unit that records a result, first. Raises ``LeaseLost``; nothing of the unit is kept then.
    """
    key = {"b_sender": sender, "b_bid": bid, "b_to_aid": to_aid}
    _hold(tx, transmission, key, lease_owner, until)


def hold_push(tx: Transaction, *, jws_sha256: str, lease_owner: str) -> None:
    """Make sure of the lease of a receipt push, like ``hold_transmission``."""
    _hold(tx, receipt_push, {"b_jws_sha256": jws_sha256}, lease_owner, None)


def hold_notice(tx: Transaction, claim: NoticeClaim) -> None:
    """Make sure of the lease of a notice, like ``hold_transmission``."""
    key = {"b_aid": claim.aid, "b_kid": claim.kid, "b_to_aid": claim.to_aid}
    _hold(tx, revocation_push, key, claim.lease_owner, None)


def hold_gap(tx: Transaction, claim: GapClaim) -> None:
    """Make sure of the lease of a gap, like ``hold_transmission``; one that is closed has none."""
    key = {"b_sender": claim.sender, "b_bid": claim.bid, "b_iss": claim.iss}
    _hold(tx, receipt_gap, key, claim.lease_owner, None)


def wake_peer(tx: Transaction, to_aid: str, now: datetime) -> int:
    """Make everything that waits for a peer due at once, because it was just heard of; return how many.

    What a worker is trying at the moment is left to it.
    """
    values = {"b_to": to_aid, "b_now": now}
    return sum(
        tx.execute(statement, values).rowcount
        for statement in (WAKE_TRANSMISSIONS, WAKE_PUSHES, WAKE_NOTICES)
    )


def release_leases(tx: Transaction, now: datetime) -> int:
    """Make everything due that a process which is no more had claimed; return how many rows that were.

    Only for a process that knows itself to be the only one on this database.
    """
    return sum(tx.execute(statement, {"b_now": now}).rowcount for statement in RELEASES)


def is_push_due(connection: Connection, lane: str, now: datetime) -> bool:
    """Tell whether a receipt push of a lane is due, without writing anything."""
    due = connection.scalar(NEXT_PUSH, {"b_lane": lane})
    return due is not None and due <= now


def is_gap_due(connection: Connection, lane: str, now: datetime) -> bool:
    """Tell whether a gap of a lane is due, without writing anything."""
    due = connection.scalar(NEXT_GAP, {"b_lane": lane})
    return due is not None and due <= now


def _is_free(table: Table) -> ColumnElement[bool]:
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= bindparam("b_now"))


def _wake(table: Table, state: str) -> Executable:
    return (
        update(table)
        .where(
            table.c.to_aid == bindparam("b_to"),
            table.c.state == state,
            table.c.next_action_at > bindparam("b_now"),
            _is_free(table),
        )
        .values(next_action_at=bindparam("b_now"))
    )


def _release(table: Table, state: str) -> Executable:
    return (
        update(table)
        .where(table.c.state == state, table.c.lease_owner.is_not(None))
        .values(lease_owner=None, lease_until=None, next_action_at=bindparam("b_now"))
    )


WAKE_TRANSMISSIONS = _wake(transmission, "QUEUED")
WAKE_PUSHES = _wake(receipt_push, "pending")
WAKE_NOTICES = _wake(revocation_push, "pending")
RELEASES = (
    _release(transmission, "QUEUED"),
    _release(receipt_push, "pending"),
    _release(revocation_push, "pending"),
    _release(receipt_gap, "open"),
)


def _next(table: Table, state: str) -> Select[Any]:
    return (
        select(table.c.next_action_at)
        .where(table.c.state == state, table.c.lane == bindparam("b_lane"))
        .order_by(table.c.next_action_at)
        .limit(1)
    )


NEXT_PUSH = _next(receipt_push, "pending")
NEXT_GAP = _next(receipt_gap, "open")


def _due(table: Table) -> Executable:
    return (
        select(table)
        .where(
            table.c.state == bindparam("b_state"),
            table.c.lane == bindparam("b_lane"),
            table.c.next_action_at <= bindparam("b_now"),
            _is_free(table),
        )
        .order_by(table.c.next_action_at)
        .limit(bindparam("b_limit", type_=Integer))
        # PostgreSQL: pass over what another worker is claiming at this moment. SQLite has no such clause and
        # needs none, because the transaction holds the only write lock from its beginning.
        .with_for_update(skip_locked=True)
    )


def _key(table: Table) -> ColumnElement[bool]:
    return and_(*(column == bindparam(f"b_{column.name}") for column in table.primary_key))


def _lease(table: Table) -> Executable:
    return (
        update(table)
        .where(_key(table))
        .values(
            next_action_at=bindparam("v_until"),
            lease_until=bindparam("v_until"),
            lease_owner=bindparam("v_owner"),
        )
    )


def _extension(table: Table) -> Executable:
    return (
        update(table)
        .where(_key(table), table.c.lease_owner == bindparam("b_owner"))
        .values(next_action_at=bindparam("v_until"), lease_until=bindparam("v_until"))
    )


_TABLES = (transmission, receipt_push, revocation_push, receipt_gap)
DUE = {table: _due(table) for table in _TABLES}
_LEASE = {table: _lease(table) for table in _TABLES}
_EXTEND = {table: _extension(table) for table in _TABLES}
_OWNER = {table: select(table.c.lease_owner).where(_key(table)).with_for_update() for table in _TABLES}


def _claim(
    tx: Transaction,
    table: Table,
    lane: str,
    now: datetime,
    until: datetime,
    worker: str,
    limit: int,
    state: str,
) -> list[dict[str, Any]]:
    if until <= now:
        raise ValueError("a lease must end after it begins")
    parameters = {"b_state": state, "b_lane": lane, "b_now": now, "b_limit": limit}
    rows = [dict(row._mapping) for row in tx.execute(DUE[table], parameters)]
    lease = {
        "next_action_at": until,
        "lease_until": until,
        "lease_owner": f"{worker[:OWNER_CHARACTERS]}.{secrets.token_hex(8)}",
    }
    for row in rows:
        row.update(lease)
        key = {f"b_{column.name}": row[column.name] for column in table.primary_key}
        tx.later(_LEASE[table], **key, v_until=until, v_owner=lease["lease_owner"])
    return rows


def _hold(
    tx: Transaction, table: Table, key: dict[str, str], lease_owner: str, until: datetime | None
) -> None:
    if until is None:
        is_held = tx.execute(_OWNER[table], key).scalar() == lease_owner
    else:
        values = {**key, "b_owner": lease_owner, "v_until": until}
        is_held = tx.execute(_EXTEND[table], values).rowcount == 1
    if not is_held:
        raise LeaseLost("another worker has this now")
