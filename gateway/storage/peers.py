"""What is known of a peer beside its directory entry, the request tokens it used, and tasks for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

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
_ALL_HEARD = select(peer.c.authority_id, peer.c.heard_at).where(peer.c.heard_at.is_not(None))
_CURSOR = (
    update(peer).where(peer.c.authority_id == bindparam("b_aid")).values(pull_cursor=bindparam("v_cursor"))
)
_HEARD = update(peer).where(peer.c.authority_id == bindparam("b_aid")).values(heard_at=bindparam("v_at"))
_FORGET = delete(seen_token).where(seen_token.c.next_action_at <= bindparam("b_now"))
_OPEN = select(task).where(task.c.done_at.is_(None)).order_by(task.c.created_at, task.c.id)
_TASKS = _OPEN.limit(500)
_TASK_COUNT = select(func.count()).select_from(task).where(task.c.done_at.is_(None))
_SHOWN = update(task).where(task.c.id == bindparam("b_id")).values(next_action_at=bindparam("v_at"))
_DONE = update(task).where(task.c.id == bindparam("b_id")).values(done_at=bindparam("v_at"))


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


def all_heard(connection: Connection) -> dict[str, datetime]:
    """Return when the last authenticated word came, by peer."""
    return {row.authority_id: row.heard_at for row in connection.execute(_ALL_HEARD)}


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


def show_task_again(tx: Transaction, task_id: str, at: datetime) -> None:
    """Move the time at which an open task is shown again."""
    tx.later(_SHOWN, b_id=task_id, v_at=at)


def close_task(tx: Transaction, task_id: str, at: datetime) -> None:
    """Note that an open task needs nobody any more."""
    tx.later(_DONE, b_id=task_id, v_at=at)


def open_tasks(connection: Connection) -> list[TaskRow]:
    """Return what still waits for a person, oldest first, the first 500."""
    return [_task(row) for row in connection.execute(_TASKS)]


def count_open_tasks(connection: Connection) -> int:
    """Return how many tasks wait for a person."""
    return connection.execute(_TASK_COUNT).scalar_one()


def open_tasks_about(
    connection: Connection,
    *,
    kind: str | None = None,
    sender: str | None = None,
    bid: str | None = None,
    thread_id: str | None = None,
) -> list[TaskRow]:
    """Return the open tasks with all of these, oldest first; what is not said may be anything."""
    wanted = {"kind": kind, "sender": sender, "bid": bid, "thread_id": thread_id}
    tests: list[ColumnElement[bool]] = [
        task.c[name] == value for name, value in wanted.items() if value is not None
    ]
    return [_task(row) for row in connection.execute(_OPEN.where(*tests))]


def _task(row: Row[Any]) -> TaskRow:
    return TaskRow(**{name: value for name, value in row._mapping.items() if name != "done_at"})
