"""Issuing our own receipts: signed, chained, entered in the log, all in the caller's transaction.

A receipt is signed once and stored verbatim; what is replayed later is this row, byte for byte, also
after the keys were rotated. Its place in the log is detached and travels beside it.
"""

from dataclasses import dataclass
from datetime import datetime

from crypto.keys import KeyUse
from crypto.receipts import ReceiptClaims, issue, receipt_digest
from gateway.model.audit import PendingAuditEntry
from gateway.model.receipt import ReceiptType
from gateway.services.keys.keyring import Keyring
from gateway.storage.database import Transaction
from gateway.storage.receipts import ReceiptRow, add_receipt, last_receipt

#: The log event that each receipt we issue is entered as.
EVENTS = {
    ReceiptType.SUBMISSION: "bundle.submitted",
    ReceiptType.RELAY: "bundle.relayed",
    ReceiptType.CONSIGNMENT: "bundle.consigned",
    ReceiptType.REJECTION: "bundle.rejected",
    ReceiptType.HANDOVER: "bundle.handed_over",
    ReceiptType.FAILURE: "bundle.failed",
    ReceiptType.MAILED: "bundle.mailed",
    ReceiptType.MAIL_READ: "bundle.mail_read",
    ReceiptType.MAIL_REPLY: "bundle.mail_reply",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a receipt speaks about: the bundle and the envelope in which it was seen.

    Attributes:
        manifest: ``None`` if the bundle was not opened.
        to: Whom the receipt is for.
    """

    sender: str
    bid: str
    envelope: str
    manifest: str | None
    to: str


class Stamp:
    """Issues the receipts of one authority."""

    def __init__(self, *, keyring: Keyring) -> None:
        self._keyring = keyring

    def issue(
        self,
        tx: Transaction,
        kind: ReceiptType,
        subject: Subject,
        *,
        at: datetime,
        reason: str | None = None,
        is_first: bool = False,
    ) -> ReceiptRow:
        """Sign, store and log one receipt in the running transaction; return its row.

        ``is_first`` spares a look-up where the caller knows that the bundle is new here.
        """
        iss = self._keyring.authority_id
        n, prev = (
            (0, None)
            if is_first
            else last_receipt(
                tx.view((subject.sender, subject.bid)), iss=iss, sender=subject.sender, bid=subject.bid
            )
        )
        jws = issue(
            ReceiptClaims(
                type=str(kind),
                sender=subject.sender,
                bid=subject.bid,
                envelope=subject.envelope,
                manifest=subject.manifest,
                iss=iss,
                to=subject.to,
                at=at.replace(microsecond=0),
                n=n + 1,
                prev=prev,
                reason=reason,
            ),
            self._keyring.signer(KeyUse.RCPT, at),
        )
        digest = receipt_digest(jws)
        entry = tx.audit(
            PendingAuditEntry(
                event=EVENTS[kind],
                body={"from": subject.sender, "bid": subject.bid, "receipt": digest},
                at=at,
            )
        )
        row = ReceiptRow(
            jws_sha256=digest,
            sender=subject.sender,
            bid=subject.bid,
            iss=iss,
            to_aid=subject.to,
            type=str(kind),
            n=n + 1,
            at=at.replace(microsecond=0),
            reason=reason,
            jws=jws,
            own=True,
            stored_at=at,
            leaf_index=entry.index,
            leaf=entry.leaf.decode(),
            salt=entry.salt,
            body=entry.body.decode(),
        )
        add_receipt(tx, row)
        return row
