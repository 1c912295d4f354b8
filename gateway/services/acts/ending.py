"""Ending a prepared act unsigned: what it held is let go of, and the log says how it ended."""

import json
from datetime import datetime

from gateway.model.audit import PendingAuditEntry
from gateway.storage import acts
from gateway.storage.acts import ActRow
from gateway.storage.database import Transaction

#: Where the digest of the ciphertext stands in an entry of ``parts``; the first entry is the form's.
_DIGEST = 4


def end_unsigned(tx: Transaction, row: ActRow, state: str, now: datetime) -> bool:
    """End an act as ``withdrawn`` or ``expired``, in the caller's transaction; ``False`` if it was over."""
    if not acts.end_act(tx, row.id, state, now):
        return False
    acts.forget_documents(tx, [part[_DIGEST] for part in json.loads(row.parts)[1:]])
    body = {"from": row.sender, "bid": row.bid, "officer": row.officer, "code": state}
    tx.audit(PendingAuditEntry(event="act.ended", body=body, at=now))
    return True
