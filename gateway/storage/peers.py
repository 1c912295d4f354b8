"""What is known of a peer beside its directory entry, the request tokens it used, and tasks for people."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.schema import peer, seen_token, task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """What only a person can decide; ``sentence`` says what happened and what to do, without content."""

    id: str
    kind: str
    sender: str | None
    bid: str | None
    thread_id: str | None
    owner: str
    code: str
    sentence: str
    created_at: datetime
    next_action_at: datetime | None


_PEER = select(peer).where(peer.c.authority_id == bindparam("b_aid"))
_CURSOR = (
    update(peer).where(peer.c.authority_id == bindparam("b_aid")).values(pull_cursor=bindparam("v_cursor"))
)
_HEARD = update(peer).where(peer.c.authority_id == bindparam("b_aid")).values(heard_at=bindparam("v_at"))
_FORGET = delete(seen_token).where(seen_token.c.next_action_at <= bindparam("b_now"))
_TASKS = select(task).where(task.c.done_at.is_(None)).order_by(task.c.created_at).limit(500)


def use_token(tx: Transaction, *, iss: str, jti: str, forget_at: datetime) -> None:
    """Record a request token as used, in the transaction that accepts; a second use is an IntegrityError."""
    tx.insert(seen_token, iss=iss, jti=jti, next_action_at=forget_at)


def forget_tokens(tx: Transaction, now: datetime) -> None:
    """Drop tokens that could not be accepted any more anyway."""
    tx.execute(_FORGET, {"b_now": now})


def pull_cursor(connection: Connection, authority_id: str) -> int:
    """Return how far the outbox of a peer has been taken."""
    row = connection.execute(_PEER, {"b_aid": authority_id}).first()
    return 0 if row is None else row.pull_cursor


def heard_at(connection: Connection, authority_id: str) -> datetime | None:
    """Return when the last authenticated word came from a peer."""
    row = connection.execute(_PEER, {"b_aid": authority_id}).first()
    return None if row is None else row.heard_at


def set_pull_cursor(tx: Transaction, authority_id: str, cursor: int) -> None:
    """Remember how far the outbox of a peer has been taken."""
    if tx.execute(_CURSOR, {"b_aid": authority_id, "v_cursor": cursor}).rowcount == 0:
        tx.insert(peer, authority_id=authority_id, heard_at=None, pull_cursor=cursor)


def set_heard(tx: Transaction, authority_id: str, at: datetime) -> None:
    """Remember when a peer was last heard of."""
    if tx.execute(_HEARD, {"b_aid": authority_id, "v_at": at}).rowcount == 0:
        tx.insert(peer, authority_id=authority_id, heard_at=at, pull_cursor=0)


def add_task(tx: Transaction, row: TaskRow) -> None:
    """Put something before a person."""
    tx.insert(
        task,
        id=row.id,
        kind=row.kind,
        sender=row.sender,
        bid=row.bid,
        thread_id=row.thread_id,
        owner=row.owner,
        code=row.code,
        sentence=row.sentence,
        created_at=row.created_at,
        next_action_at=row.next_action_at,
        done_at=None,
    )


def open_tasks(connection: Connection) -> list[TaskRow]:
    """Return what still waits for a person, oldest first."""
    found = []
    for row in connection.execute(_TASKS):
        values = {key: value for key, value in row._mapping.items() if key != "done_at"}
        found.append(TaskRow(**values))
    return found
