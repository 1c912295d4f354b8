"""What letters add to the book: that one left, was read, was answered, or came back undelivered.

Part of ``book``. The receipts are our own gateway's about its own bundle, so they prove nothing about a
peer's: a letter that left or was read moves no transmission, a person's matched reply ends it, and a
consignment still wins later. A mail server's word is never believed; it only brings the next attempt or
channel forward. Every function runs inside a unit.
"""

from datetime import datetime

from msgspec.structs import replace

from gateway.model.audit import PendingAuditEntry
from gateway.model.channels import LETTERS
from gateway.model.receipt import ReceiptType
from gateway.model.transmission import TransmissionEvent, TransmissionKey, TransmissionState, apply
from gateway.services.delivery.onward import ended, log, tell
from gateway.services.proofs.stamp import Stamp, Subject
from gateway.services.tasks import close_tasks
from gateway.storage import bundles
from gateway.storage.database import Transaction
from gateway.storage.receipts import ReceiptRow
from gateway.storage.transmissions import (
    AttemptRow,
    TransmissionRow,
    add_attempt,
    attempts_of,
    lock_transmission,
    store_transmission,
)

#: Code of an attempt that a mail server reports as failed; it closes no channel.
BOUNCED = "mail-bounced"

#: So many reports may bring attempts forward; anybody can forge one.
MOST_BOUNCES = 3


def issue(
    tx: Transaction, stamp: Stamp, kind: ReceiptType, key: TransmissionKey, *, now: datetime
) -> ReceiptRow | None:
    """Issue a receipt about a letter of ours; ``None`` if there is no such bundle."""
    held = bundles.find_bundle(tx.view(key[:2]), key[0], key[1])
    if held is None:
        return None
    subject = Subject(
        sender=key[0],
        bid=key[1],
        envelope=held.envelope_sha256,
        manifest=held.manifest_sha256,
        to=key[0],
    )
    return stamp.issue(tx, kind, subject, at=now)


def mailed(tx: Transaction, stamp: Stamp, row: TransmissionRow, *, channel: str, verdict: str) -> None:
    """Enter that a letter has left, in the transaction that records the attempt."""
    if channel == LETTERS and verdict == "dispatched":
        issue(tx, stamp, ReceiptType.MAILED, (row.sender, row.bid, row.to_aid), now=row.changed_at)


def answered(tx: Transaction, key: TransmissionKey, receipt: ReceiptRow, *, now: datetime) -> bool:
    """End a transmission that a person has answered; false if we never sent this there.

    One that was given up or refused by a machine is reconciled; what a gateway has proved stays.
    """
    row = lock_transmission(tx.view(key[:2]), *key)
    if row is None:
        return False
    state = apply(TransmissionState(row.state), TransmissionEvent.ANSWERED)
    log(tx, row, "transmission.answered", now, receipt=receipt.jws_sha256)
    close_tasks(tx, kind="transmission", sender=row.sender, bid=row.bid, now=now)
    if state != row.state:
        store_transmission(tx, replace(ended(row, state, now), owner=None))
    return True


def bounced(tx: Transaction, key: TransmissionKey, *, channel: str, now: datetime) -> bool:
    """Bring forward what follows a mail that a server reports as undelivered; false if nothing does.

    An attempt is due at once, and the turn of the next channel has come; a few times, because a report
    proves nothing.
    """
    row = lock_transmission(tx.view(key[:2]), *key)
    if row is None or row.state != TransmissionState.DISPATCHED:
        return False
    tries = attempts_of(tx.connection, *key)
    if sum(attempt.verdict == "bounced" for attempt in tries) >= MOST_BOUNCES:
        return False
    row = replace(
        row,
        state=str(apply(TransmissionState(row.state), TransmissionEvent.RECEIPT_OVERDUE)),
        attempts=row.attempts + 1,
        last_code=BOUNCED,
        next_action="attempt",
        next_action_at=now,
        changed_at=now,
    )
    add_attempt(
        tx,
        row,
        AttemptRow(
            no=row.attempts,
            channel=channel,
            started_at=now,
            ended_at=now,
            verdict="bounced",
            code=BOUNCED,
        ),
    )
    log(tx, row, "transmission.attempted", now, attempt=row.attempts, code=BOUNCED)
    tell(tx, row, BOUNCED, now)
    store_transmission(tx, row)
    return True


def note(tx: Transaction, key: TransmissionKey, code: str, now: datetime) -> None:
    """Enter what a mail server or program said about a letter; nothing rests on it."""
    body = {"from": key[0], "bid": key[1], "to": key[2], "code": code}
    tx.audit(PendingAuditEntry(event="mail.noted", body=body, at=now))
