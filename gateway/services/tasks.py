"""Tasks: what only a person can decide, raised and closed in the caller's transaction and logged.

Decides what counts as the same task: one kind, one subject, one code. While it is open, raising it again only
moves the time at which it is shown again. Nothing here decides when a task is due; its callers do.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime

from gateway.errors import sentence_of
from gateway.model.audit import PendingAuditEntry
from gateway.storage import peers
from gateway.storage.database import Transaction

_CODE_LENGTH = 32


def raise_task(
    tx: Transaction,
    *,
    kind: str,
    sender: str,
    bid: str | None = None,
    thread_id: str | None = None,
    owner: str,
    code: str,
    now: datetime,
    shown_again_at: datetime,
    sentence: str | None = None,
) -> None:
    """Put something before a person, once; durable with the transaction.

    ``sender`` with ``bid`` names a bundle; without ``bid`` it is the peer of the thread. ``sentence``, free
    of content, says more than the code's own.
    """
    short = code[:_CODE_LENGTH]
    connection = tx.view(("task", kind, sender, thread_id or bid))
    for held in peers.open_tasks_about(connection, kind=kind, sender=sender, bid=bid, thread_id=thread_id):
        if (held.bid, held.thread_id, held.code) == (bid, thread_id, short):
            peers.show_task_again(tx, held.id, shown_again_at)
            return
    task_id = secrets.token_hex(16)
    peers.add_task(
        tx,
        peers.TaskRow(
            id=task_id,
            kind=kind,
            sender=sender,
            bid=bid,
            thread_id=thread_id,
            owner=owner,
            code=short,
            sentence=sentence or sentence_of(code),
            created_at=now,
            next_action_at=shown_again_at,
        ),
    )
    tx.audit(PendingAuditEntry(event="task.raised", body={"task": task_id, "code": short}, at=now))


def close_tasks(
    tx: Transaction,
    *,
    kind: str,
    sender: str,
    bid: str | None = None,
    thread_id: str | None = None,
    codes: Iterable[str] | None = None,
    now: datetime,
) -> None:
    """Close the open tasks of one subject, or those with these codes: what they asked for has happened."""
    connection = tx.view(("task", kind, sender, thread_id or bid))
    only = None if codes is None else frozenset(codes)
    for held in peers.open_tasks_about(connection, kind=kind, sender=sender, bid=bid, thread_id=thread_id):
        if only is None or held.code in only:
            peers.close_task(tx, held.id, now)
            tx.audit(
                PendingAuditEntry(event="task.closed", body={"task": held.id, "code": held.code}, at=now)
            )
