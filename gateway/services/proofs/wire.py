"""Own receipts on their way out: with their place in the log where it is known, pushed where they must be.

A receipt travels in the answer to the bundle where it can; what does not gets a row that a peer is sent
or, where it only calls out, finds in its outbox. The proof is asked for and waited for briefly, never long.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict

from crypto.encoding import b64u
from gateway.storage.database import Transaction
from gateway.storage.receipts import ReceiptRow, add_push, push_once_more

#: How long an answer waits for the log proof; then it goes without and the proof follows.
PROOF_PATIENCE_S = 1.0

#: Where nobody can be called, the row waits for the peer to fetch it and is looked at again after this time.
PULL_PATIENCE = timedelta(days=1)


class _Plan(TypedDict):
    to_aid: str
    lane: str
    at: datetime
    outbox_no: int | None


class ProofSource(Protocol):
    """Gives the place of a leaf in the own log."""

    async def proof(self, index: int, timeout_s: float) -> str | None:
        """Return the C2SP tlog-proof of a leaf, or ``None`` if no checkpoint covers it in time."""
        ...


class Reachability(Protocol):
    """Tells which peers can be called."""

    def calls_out_only(self, authority_id: str) -> bool:
        """Tell whether the peer has to be waited for because it lists no server of its own."""
        ...


class ReceiptWire:
    """Makes receipt objects, and arranges for those that did not travel in an answer."""

    def __init__(self, *, proofs: ProofSource, reach: Reachability) -> None:
        self._proofs = proofs
        self._reach = reach

    async def answer(self, rows: Sequence[ReceiptRow]) -> Mapping[str, Any]:
        """Return the body of an answer or of a POST of receipts (docs/peer-api.md)."""
        return {
            "receipts": [await self.receipt(row) for row in rows],
            "problems": [],
            "checkpoint_update": None,
        }

    async def receipt(self, row: ReceiptRow) -> dict[str, Any]:
        """Return one receipt object; ``proof`` is ``None`` where it is not there in time."""
        proof = row.proof
        if proof is None and row.leaf_index is not None:
            proof = await self._proofs.proof(row.leaf_index, PROOF_PATIENCE_S)
        return {
            "jws": row.jws,
            "leaf": row.leaf,
            "salt": None if row.salt is None else b64u(row.salt),
            "body": row.body,
            "proof": proof,
        }

    def push(
        self, tx: Transaction, row: ReceiptRow, *, lane: str, now: datetime, at_once: bool = False
    ) -> None:
        """Arrange for a receipt to reach whom it is for, in the transaction that made it.

        ``at_once``: also where the peer calls us, because its bundle came without a call.
        """
        add_push(tx, row.jws_sha256, **self._plan(row, lane, now, at_once=at_once))

    def push_again(self, tx: Transaction, row: ReceiptRow, *, lane: str, now: datetime) -> None:
        """Let a receipt go out once more, because its sender did not get it; one under way stays as it is."""
        push_once_more(tx, row.jws_sha256, **self._plan(row, lane, now, at_once=True))

    def _plan(self, row: ReceiptRow, lane: str, now: datetime, *, at_once: bool) -> _Plan:
        waits = self._reach.calls_out_only(row.to_aid)
        return {
            "to_aid": row.to_aid,
            "lane": lane,
            "at": now + PULL_PATIENCE if waits and not at_once else now,
            # The place in the log grows for ever: it numbers the outbox too.
            "outbox_no": row.leaf_index + 1 if waits and row.leaf_index is not None else None,
        }
