"""Ending a prepared act unsigned: what it held is let go of, and the log says how it ended."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Lane
from gateway.model.paging import PageReason
from gateway.services.casework.refold import CASE_TASK
from gateway.services.paging.pages import settle_pages
from gateway.services.tasks import raise_task
from gateway.storage import acts
from gateway.storage.acts import ActRow
from gateway.storage.database import Transaction

#: Where the digest of the ciphertext stands in an entry of ``parts``; the first entry is the form's.
_DIGEST = 4
#: An act that ended unsigned is shown again after this time.
_SHOWN_AGAIN = timedelta(days=1)


def end_unsigned(tx: Transaction, row: ActRow, state: str, now: datetime) -> bool:
    """End an act as ``withdrawn``, ``outdated`` or ``expired``; ``False`` if it was over."""
    if not acts.end_act(tx, row.id, state, now):
        return False
    no_longer_waiting(tx, row, now, by=None)
    acts.forget_documents(tx, [part[_DIGEST] for part in json.loads(row.parts)[1:]])
    body = {"from": row.sender, "bid": row.bid, "officer": row.officer, "code": state}
    tx.audit(PendingAuditEntry(event="act.ended", body=body, at=now))
    return True


def no_longer_waiting(tx: Transaction, row: ActRow, now: datetime, *, by: str | None) -> None:
    """Call nobody any more about an act that is over; ``by`` signed it."""
    if row.lane == Lane.URGENT:
        subject, reason = (row.sender, row.bid), PageReason.ACT_WAITING
        settle_pages(tx, peer=row.to_aid, reason=reason, subject=subject, now=now, by=by)


def end_expired(tx: Transaction, due: Iterable[ActRow], now: datetime) -> None:
    """End what nobody signed in time, and put each before a person."""
    for row in due:
        if end_unsigned(tx, row, "expired", now):
            raise_task(
                tx,
                kind=CASE_TASK,
                sender=row.to_aid,
                thread_id=row.thread_id,
                owner="operator",
                code="act-unsigned",
                now=now,
                shown_again_at=now + _SHOWN_AGAIN,
            )
