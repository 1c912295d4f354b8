"""Emergency notices in force, one for each key, and which peer still has to be told of which."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.schema import revocation, revocation_push


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationRow:
    """One notice; ``received_at`` is when the key ended for us, ``at`` is what its signers state.

    ``source`` is the network whose holders signed it, ``None`` where the key itself did.
    """

    aid: str
    kid: str
    reason: str
    at: datetime
    invalid_since: datetime | None
    by_state: bool
    notice: str = field(repr=False)
    received_at: datetime
    source: str | None = None


_KEY = (revocation.c.aid == bindparam("b_aid")) & (revocation.c.kid == bindparam("b_kid"))
_ALL = select(revocation).order_by(revocation.c.aid, revocation.c.kid)
_ONE = select(revocation).where(_KEY)
_DROP = delete(revocation).where(_KEY)
_PUSH_KEY = (revocation_push.c.aid == bindparam("b_aid")) & (revocation_push.c.kid == bindparam("b_kid"))
_DROP_PUSHES = delete(revocation_push).where(_PUSH_KEY)
_TOLD_OF = _PUSH_KEY & (revocation_push.c.to_aid == bindparam("b_to"))
_DONE = (
    update(revocation_push)
    .where(_TOLD_OF)
    .values(state="done", next_action_at=None, lease_owner=None, lease_until=None)
)
_LATER = (
    update(revocation_push)
    .where(_TOLD_OF)
    .values(
        attempts=bindparam("v_attempts"), next_action_at=bindparam("v_at"), lease_owner=None, lease_until=None
    )
)
_NEXT = (
    select(revocation_push.c.next_action_at)
    .where(revocation_push.c.state == "pending", revocation_push.c.lane == "urgent")
    .order_by(revocation_push.c.next_action_at)
    .limit(1)
)
_ADDRESSED = select(revocation_push.c.aid, revocation_push.c.kid, revocation_push.c.to_aid)
_WAITING = (
    select(revocation)
    .join(
        revocation_push,
        (revocation_push.c.aid == revocation.c.aid) & (revocation_push.c.kid == revocation.c.kid),
    )
    .where(revocation_push.c.to_aid == bindparam("b_to"), revocation_push.c.state == "pending")
    .order_by(revocation.c.received_at)
    .limit(20)
)


def all_revocations(connection: Connection) -> list[RevocationRow]:
    """Return every notice in force."""
    return [RevocationRow(**row._mapping) for row in connection.execute(_ALL)]


def find_revocation(connection: Connection, aid: str, kid: str) -> RevocationRow | None:
    """Return the notice in force for a key."""
    row = connection.execute(_ONE, {"b_aid": aid, "b_kid": kid}).first()
    return None if row is None else RevocationRow(**row._mapping)


def put_revocation(tx: Transaction, row: RevocationRow) -> None:
    """Keep a notice instead of what was known of the key; everybody has to be told anew."""
    key = {"b_aid": row.aid, "b_kid": row.kid}
    tx.execute(_DROP_PUSHES, key)
    tx.execute(_DROP, key)
    tx.insert(
        revocation,
        aid=row.aid,
        kid=row.kid,
        reason=row.reason,
        at=row.at,
        invalid_since=row.invalid_since,
        by_state=row.by_state,
        notice=row.notice,
        received_at=row.received_at,
        source=row.source,
    )


def add_notice_push(tx: Transaction, *, aid: str, kid: str, to_aid: str, at: datetime, known: bool) -> None:
    """Let a peer be told of a notice from ``at`` on, or note that it is ``known`` there."""
    tx.insert(
        revocation_push,
        aid=aid,
        kid=kid,
        to_aid=to_aid,
        state="done" if known else "pending",
        lane="urgent",
        attempts=0,
        next_action_at=None if known else at,
    )


def addressed(connection: Connection) -> frozenset[tuple[str, str, str]]:
    """Return (authority, key, peer) of everybody who was told or is to be told."""
    return frozenset((row.aid, row.kid, row.to_aid) for row in connection.execute(_ADDRESSED))


def notices_waiting(connection: Connection, to_aid: str) -> list[RevocationRow]:
    """Return the notices a peer has not confirmed yet, oldest first, the first 20."""
    return [RevocationRow(**row._mapping) for row in connection.execute(_WAITING, {"b_to": to_aid})]


def is_notice_due(connection: Connection, now: datetime) -> bool:
    """Tell whether a peer is to be told of something now, without writing anything."""
    due = connection.scalar(_NEXT)
    return due is not None and due <= now


def notice_told(tx: Transaction, *, aid: str, kid: str, to_aid: str) -> None:
    """Note that a peer has a notice; nothing happens where it was not to be told."""
    tx.execute(_DONE, {"b_aid": aid, "b_kid": kid, "b_to": to_aid})


def notice_later(tx: Transaction, *, aid: str, kid: str, to_aid: str, attempts: int, at: datetime) -> None:
    """Try again to tell a peer, from ``at`` on."""
    tx.execute(_LATER, {"b_aid": aid, "b_kid": kid, "b_to": to_aid, "v_attempts": attempts, "v_at": at})
