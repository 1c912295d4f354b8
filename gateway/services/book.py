"""What receipts, answers and silence make of a transmission: the one place that moves it.

The decision is pure (``model.transmission``, ``model.schedule``); here it becomes rows, in the caller's
transaction. A late consignment always wins; a receipt that does not fit moves nothing and is entered in
the log; only a signed rejection or a code that a person must mend ends a transmission before its time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gateway.model.audit import PendingAuditEntry
from gateway.model.receipt import ISSUED_BY_SENDER, MOVES, ReceiptType
from gateway.model.schedule import Decision, Step, next_attempt, receipt_overdue_at
from gateway.model.transmission import TERMINAL, TransmissionEvent, TransmissionState, apply
from gateway.services.casebook import Casebook
from gateway.services.evidence import CheckedReceipt, LogPlace
from gateway.services.stamp import Stamp, Subject
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import bundles
from gateway.storage.database import Transaction
from gateway.storage.receipts import ReceiptRow, Standing, add_proof, add_receipt, standing_of
from gateway.storage.transmissions import (
    AttemptRow,
    TransmissionRow,
    add_attempt,
    lock_transmission,
    store_transmission,
)
from gateway.telemetry import get_log

#: Entered for a receipt whose signature is good, and whose place in its issuer's log what came disproves.
PROOF_INVALID = "proof-invalid"

_logger = get_log("book")

#: An open task is shown again after this time.
TASK_SHOWN_AGAIN = timedelta(hours=4)

#: Who owns a transmission that failed, by lane.
OWNERS = {"urgent": "duty_officer", "routine": "operator"}

#: The peer has it, provably: nobody needs to see to the transmission any more.
PROVED = frozenset({TransmissionState.CONSIGNED, TransmissionState.HANDED_OVER})

_EVENTS = {
    TransmissionEvent.RELAYED: "transmission.relayed",
    TransmissionEvent.CONSIGNED: "transmission.consigned",
    TransmissionEvent.HANDED_OVER: "transmission.handed_over",
    TransmissionEvent.REJECTED: "transmission.rejected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How one attempt on one channel came out.

    Attributes:
        verdict: As the adapter gave it: accepted, dispatched, retry, refused.
        code: Of the refusal or problem; ``None`` for a network failure or success.
        receipts: Checked ones that came with the answer.
        refused: Codes of receipts in the answer that did not check.
    """

    channel: str
    started_at: datetime
    ended_at: datetime
    verdict: str
    code: str | None = None
    receipts: Sequence[CheckedReceipt] = ()
    refused: Sequence[str] = ()


class TransmissionBook:
    """Records attempts and receipts. Every method runs inside a unit."""

    def __init__(self, *, authority_id: str, stamp: Stamp, casebook: Casebook, rng: random.Random) -> None:
        self._authority_id = authority_id
        self._stamp = stamp
        self._casebook = casebook
        self._rng = rng

    def record_attempt(
        self, tx: Transaction, key: tuple[str, str, str], tried: Tried, *, lease_owner: str
    ) -> TransmissionRow | None:
        """Record an attempt and return the new row, or ``None`` if the lease was lost meanwhile."""
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None or row.lease_owner != lease_owner:
            return None
        now = tried.ended_at
        row = replace(
            self._with_code(row, tried.code), channel=tried.channel, attempts=row.attempts + 1, changed_at=now
        )
        add_attempt(
            tx,
            row,
            AttemptRow(
                no=row.attempts,
                channel=tried.channel,
                started_at=tried.started_at,
                ended_at=now,
                verdict=tried.verdict,
                code=tried.code,
            ),
        )
        row = self._file(tx, row, tried.receipts, now)
        if row.state not in TERMINAL and not self._moved(tried.receipts):
            row = self._without_receipt(tx, row, tried, now)
        elif row.state == TransmissionState.RELAYED:
            row = self._await_receipt(row, now)
        store_transmission(tx, row)
        return row

    def file_receipts(
        self, tx: Transaction, key: tuple[str, str, str], receipts: Sequence[CheckedReceipt], now: datetime
    ) -> TransmissionRow | None:
        """Record receipts that came by themselves; return the row, ``None`` if we never sent this there."""
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None:
            return None
        after = self._file(tx, row, receipts, now)
        if after.state == TransmissionState.RELAYED and row.state != TransmissionState.RELAYED:
            after = self._await_receipt(after, now)
        if after is not row:
            store_transmission(tx, after)
        return after

    def file_problem(
        self, tx: Transaction, key: tuple[str, str, str], *, code: str, envelope: str, now: datetime
    ) -> TransmissionRow | None:
        """Record a problem that a puller reports: as the same answer to a PUT would be.

        One about an envelope that is no longer in force, or never was, says nothing about the present one.
        """
        connection = tx.view(key[:2])
        row, held = lock_transmission(connection, *key), bundles.find_bundle(connection, *key[:2])
        if row is None or held is None or row.state in TERMINAL or held.envelope_sha256 != envelope:
            return row
        row = self._after_failure(tx, replace(self._with_code(row, code), changed_at=now), code, now)
        store_transmission(tx, row)
        return row

    def overdue(self, tx: Transaction, keys: Sequence[tuple[str, str, str]], now: datetime) -> None:
        """Put transmissions back in the queue that left and whose receipt did not come in time."""
        for key in keys:
            row = lock_transmission(tx.view(key[:2]), *key)
            if row is not None and row.next_action_at is not None and row.next_action_at <= now:
                state = apply(TransmissionState(row.state), TransmissionEvent.RECEIPT_OVERDUE)
                self._log(tx, row, "transmission.overdue", now, attempt=row.attempts)
                store_transmission(
                    tx,
                    replace(
                        row,
                        state=str(state),
                        next_action="attempt",
                        next_action_at=now,
                        outbox_no=None,
                        changed_at=now,
                    ),
                )

    @staticmethod
    def _with_code(row: TransmissionRow, code: str | None) -> TransmissionRow:
        """Note the code of an answer, and whether it only repeats the one before."""
        again = code is not None and code == row.last_code
        return replace(row, last_code=code, repeats=row.repeats + 1 if again else 0)

    @staticmethod
    def _moved(receipts: Sequence[CheckedReceipt]) -> bool:
        return any(receipt.claims.type in MOVES for receipt in receipts)

    def _file(
        self, tx: Transaction, row: TransmissionRow, receipts: Sequence[CheckedReceipt], now: datetime
    ) -> TransmissionRow:
        for receipt in receipts:
            standing = self._standing(tx, row, receipt)
            if standing is None:
                self._log_receipt(
                    tx, row, "receipt.refused", now, receipt=receipt.digest, code="receipt-mismatch"
                )
                continue
            if receipt.proof_fault is not None:
                # The signature is good, so the receipt counts; that its issuer's log contradicts it is kept.
                self._log_receipt(tx, row, "receipt.refused", now, receipt=receipt.digest, code=PROOF_INVALID)
                tx.after_commit(partial(_warn_of_proof, receipt))
            if standing.is_stored:
                if receipt.place is not None and not standing.is_proved:
                    self._prove(tx, receipt.digest, receipt.place)
            else:
                self._keep(tx, receipt, now)
                row = self._move(tx, row, receipt, now)
        return row

    @staticmethod
    def _standing(tx: Transaction, row: TransmissionRow, receipt: CheckedReceipt) -> Standing | None:
        """Return what is known of a receipt, ``None`` unless it is about this bundle and by its recipient.

        It must name an envelope that we signed, and the manifest or none.
        """
        claims = receipt.claims
        if (claims.sender, claims.bid) != (row.sender, row.bid) or claims.type in ISSUED_BY_SENDER:
            return None
        if claims.iss != row.to_aid or claims.to != row.sender:
            return None
        standing = standing_of(
            tx.connection,
            sender=row.sender,
            bid=row.bid,
            envelope_sha256=claims.envelope,
            jws_sha256=receipt.digest,
        )
        if standing is None or claims.manifest not in (None, standing.manifest_sha256):
            return None
        return standing

    @staticmethod
    def _prove(tx: Transaction, digest: str, place: LogPlace) -> None:
        """Add the log proof to a receipt that came without one."""
        add_proof(tx, digest, leaf=place.leaf, salt=place.salt, body=place.body, proof=place.proof)

    @staticmethod
    def _keep(tx: Transaction, receipt: CheckedReceipt, now: datetime) -> None:
        """Store a new receipt, verbatim, with its place in the log where it is proved."""
        place = receipt.place
        claims = receipt.claims
        add_receipt(
            tx,
            ReceiptRow(
                jws_sha256=receipt.digest,
                sender=claims.sender,
                bid=claims.bid,
                iss=claims.iss,
                to_aid=claims.to,
                type=claims.type,
                n=claims.n,
                at=claims.at,
                reason=claims.reason,
                jws=receipt.jws,
                own=False,
                stored_at=now,
                leaf=None if place is None else place.leaf,
                salt=None if place is None else place.salt,
                body=None if place is None else place.body,
                proof=None if place is None else place.proof,
            ),
        )

    def _move(
        self, tx: Transaction, row: TransmissionRow, receipt: CheckedReceipt, now: datetime
    ) -> TransmissionRow:
        claims = receipt.claims
        if claims.type not in MOVES:
            self._log_receipt(tx, row, "receipt.received", now, receipt=receipt.digest)
            return row
        event = MOVES[ReceiptType(claims.type)]
        state = apply(TransmissionState(row.state), event)
        self._log(tx, row, _EVENTS[event], now, receipt=receipt.digest)
        if event is TransmissionEvent.CONSIGNED:
            self._casebook.consigned(tx, row.sender, row.bid, at=claims.at, now=now)
        if state in PROVED and _had_trouble(row):
            close_tasks(tx, kind="transmission", sender=row.sender, bid=row.bid, now=now)
        if event is TransmissionEvent.REJECTED and state is TransmissionState.REJECTED:
            self._task(tx, row, claims.reason or "rejection", now)
        return self._at(row, state, now)

    def _at(self, row: TransmissionRow, state: TransmissionState, now: datetime) -> TransmissionRow:
        if state in TERMINAL:
            return replace(
                row,
                state=str(state),
                next_action="none",
                next_action_at=None,
                outbox_no=None,
                owner=None if state is not TransmissionState.REJECTED else OWNERS[row.lane],
                changed_at=now,
            )
        return replace(row, state=str(state), changed_at=now)

    def _await_receipt(self, row: TransmissionRow, now: datetime) -> TransmissionRow:
        due = receipt_overdue_at(lane=row.lane, dispatched_at=now, expires_at=row.expires_at)
        return replace(row, next_action="await_receipt", next_action_at=due)

    def _without_receipt(
        self, tx: Transaction, row: TransmissionRow, tried: Tried, now: datetime
    ) -> TransmissionRow:
        for code in tried.refused:
            self._log_receipt(tx, row, "receipt.refused", now, code=code)
        if tried.verdict == "dispatched":
            entry = self._log(tx, row, "transmission.dispatched", now, attempt=row.attempts)
            state = apply(TransmissionState(row.state), TransmissionEvent.DISPATCHED)
            row = replace(row, state=str(state), outbox_no=entry + 1)
            return self._await_receipt(row, now)
        return self._after_failure(tx, row, tried.code, now)

    def _after_failure(
        self, tx: Transaction, row: TransmissionRow, code: str | None, now: datetime
    ) -> TransmissionRow:
        decision = next_attempt(
            lane=row.lane,
            attempts=row.attempts,
            created_at=row.created_at,
            expires_at=row.expires_at,
            now=now,
            code=code,
            jitter=self._rng.random(),
            repeats=row.repeats,
        )
        self._log(tx, row, "transmission.attempted", now, attempt=row.attempts, code=code or "unreachable")
        if decision.kind in (Step.PERSON, Step.GIVE_UP):
            return self._give_up(tx, row, code, now)
        if decision.alarm:
            self._task(tx, row, code or "unavailable", now)
        return self._again(row, decision, now)

    def _again(self, row: TransmissionRow, decision: Decision, now: datetime) -> TransmissionRow:
        state = apply(TransmissionState(row.state), TransmissionEvent.ATTEMPT_FAILED)
        return replace(
            row,
            state=str(state),
            next_action="rewrap" if decision.kind is Step.REWRAP else "attempt",
            next_action_at=decision.at,
            outbox_no=None,
            repeats=0 if decision.alarm else row.repeats,
            changed_at=now,
        )

    def _give_up(
        self, tx: Transaction, row: TransmissionRow, code: str | None, now: datetime
    ) -> TransmissionRow:
        state = apply(TransmissionState(row.state), TransmissionEvent.GIVEN_UP)
        held = bundles.find_bundle(tx.connection, row.sender, row.bid)
        if held is not None:
            subject = Subject(
                sender=row.sender,
                bid=row.bid,
                envelope=held.envelope_sha256,
                manifest=held.manifest_sha256,
                to=row.sender,
            )
            self._stamp.issue(tx, ReceiptType.FAILURE, subject, at=now, reason=code or "unavailable")
        self._casebook.given_up(tx, row.sender, row.bid, now=now)
        self._task(tx, row, code or "unavailable", now)
        return replace(self._at(row, state, now), owner=OWNERS[row.lane])

    @staticmethod
    def _task(tx: Transaction, row: TransmissionRow, code: str, now: datetime) -> None:
        raise_task(
            tx,
            kind="transmission",
            sender=row.sender,
            bid=row.bid,
            thread_id=None,
            owner=OWNERS[row.lane],
            code=code,
            now=now,
            shown_again_at=now + TASK_SHOWN_AGAIN,
        )

    @staticmethod
    def _log(tx: Transaction, row: TransmissionRow, event: str, now: datetime, **more: str | int) -> int:
        body = {"from": row.sender, "bid": row.bid, "to": row.to_aid, "channel": row.channel, **more}
        return tx.audit(PendingAuditEntry(event=event, body=body, at=now)).index

    @staticmethod
    def _log_receipt(tx: Transaction, row: TransmissionRow, event: str, now: datetime, **more: str) -> None:
        tx.audit(PendingAuditEntry(event=event, body={"from": row.sender, "bid": row.bid, **more}, at=now))


def _had_trouble(row: TransmissionRow) -> bool:
    """Tell whether a task may be open: spares the look-up where the first attempt went well."""
    return row.attempts > 1 or row.last_code is not None or row.state in TERMINAL


def _warn_of_proof(receipt: CheckedReceipt) -> None:
    """Say that a peer's log proof is false or damaged: it may show different logs to different people."""
    _logger.warning(
        "receipt.proof_invalid", peer=receipt.claims.iss, bid=receipt.claims.bid, code=receipt.proof_fault
    )
