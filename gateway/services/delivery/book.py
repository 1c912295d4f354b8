"""What receipts, answers and silence make of a transmission: the one place that moves it.

The decision is pure (``model.transmission``, ``model.schedule``); here it becomes rows, in the caller's
transaction. A late consignment always wins, on whatever channel the bundle went; a receipt that does not fit
moves nothing and is entered in the log; only a signed rejection or a code that a person must mend, and that
no other channel may spare, ends a transmission before its time.
"""

import random
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from gateway.model.channel_choice import Patience
from gateway.model.channels import CARRIER
from gateway.model.codes import Lane
from gateway.model.receipt import ISSUED_BY_SENDER, MOVES, ReceiptType
from gateway.model.transmission import TERMINAL, TransmissionEvent, TransmissionState, apply
from gateway.services.casework.casebook import Casebook
from gateway.services.delivery.chain import placed
from gateway.services.delivery.mailbook import mailed
from gateway.services.delivery.onward import (
    OnStuck,
    Onward,
    Tried,
    ended,
    horizon_for,
    log,
    log_receipt,
    tell,
    turn_of,
)
from gateway.services.proofs.evidence import CheckedReceipt, LogPlace
from gateway.services.proofs.stamp import Stamp
from gateway.services.tasks import close_tasks
from gateway.storage import bundles
from gateway.storage.database import Transaction
from gateway.storage.receipts import ReceiptRow, Standing, add_proof, add_receipt, standing_of
from gateway.storage.transmissions import (
    AttemptRow,
    TransmissionRow,
    add_attempt,
    lock_transmission,
    store_export,
    store_transmission,
)
from gateway.telemetry import get_log

#: Entered for a receipt whose signature is good, and whose place in its issuer's log what came disproves.
PROOF_INVALID = "proof-invalid"

_logger = get_log("book")

#: The peer has it, provably: nobody needs to see to the transmission any more.
PROVED = frozenset({TransmissionState.CONSIGNED, TransmissionState.HANDED_OVER})

_EVENTS = {
    TransmissionEvent.RELAYED: "transmission.relayed",
    TransmissionEvent.CONSIGNED: "transmission.consigned",
    TransmissionEvent.HANDED_OVER: "transmission.handed_over",
    TransmissionEvent.REJECTED: "transmission.rejected",
}


class TransmissionBook:
    """Records attempts and receipts. Every method runs inside a unit."""

    def __init__(
        self,
        *,
        stamp: Stamp,
        casebook: Casebook,
        rng: random.Random,
        patience: Patience,
        on_stuck: OnStuck = lambda tx, key, now: None,
    ) -> None:
        self._stamp = stamp
        self._on_stuck = on_stuck
        self._casebook = casebook
        self._patience = patience
        self._onward = Onward(stamp=stamp, casebook=casebook, rng=rng, patience=patience, on_stuck=on_stuck)

    def record_attempt(
        self, tx: Transaction, key: tuple[str, str, str], tried: Tried, *, lease_owner: str
    ) -> TransmissionRow | None:
        """Record an attempt and return the new row, or ``None`` if the lease was lost meanwhile."""
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None:
            return None
        if row.lease_owner != lease_owner:
            if row.state in TERMINAL:
                self._too_late(tx, row, tried)
            return None
        now = tried.ended_at
        if tried.expires_at is not None:
            row = replace(row, expires_at=tried.expires_at)
        row = self._add_attempt(tx, self._with_code(row, tried.code), tried)
        mailed(tx, self._stamp, row, channel=tried.channel, verdict=tried.verdict)
        row = self._file(tx, row, tried.receipts, now)
        if row.state == TransmissionState.RELAYED and tried.receipts:
            row = self._onward.await_receipt(row, now, turn_at=turn_of(tried))
        elif row.state not in TERMINAL:
            # Also where receipts came: those that it had, or that are about something else, move nothing.
            row = self._onward.without_receipt(tx, row, tried, now)
        store_transmission(tx, row)
        return row

    def _add_attempt(self, tx: Transaction, row: TransmissionRow, tried: Tried) -> TransmissionRow:
        # Where nothing could be tried, the channel it is meant for stays known.
        channel = row.channel if tried.hold else tried.channel
        row = replace(row, channel=channel, attempts=row.attempts + 1, changed_at=tried.ended_at)
        add_attempt(
            tx,
            row,
            AttemptRow(
                no=row.attempts,
                channel=tried.channel,
                started_at=tried.started_at,
                ended_at=tried.ended_at,
                verdict=tried.verdict,
                code=tried.code,
            ),
        )
        if tried.took_over:
            log(tx, row, "transmission.failed_over", tried.ended_at, attempt=row.attempts)
        return row

    def _too_late(self, tx: Transaction, row: TransmissionRow, tried: Tried) -> None:
        """Enter an attempt that another channel's receipt overtook: it was made, and it changes nothing."""
        row = self._add_attempt(tx, row, tried)
        mailed(tx, self._stamp, row, channel=tried.channel, verdict=tried.verdict)
        row = self._file(tx, row, tried.receipts, tried.ended_at)
        if tried.verdict == "dispatched":
            log(tx, row, "transmission.dispatched", tried.ended_at, attempt=row.attempts)
        elif not tried.receipts:
            code = tried.code or "unreachable"
            log(tx, row, "transmission.attempted", tried.ended_at, attempt=row.attempts, code=code)
        store_transmission(tx, row)

    def record_export(
        self, tx: Transaction, key: tuple[str, str, str], *, way: str, expires_at: datetime, now: datetime
    ) -> bool:
        """Record that a bundle was written to a medium, which leaves by a ``way``; false if it has arrived.

        It is an attempt on its channel: a medium that brings no receipt is asked for again from now on.
        """
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None or row.state in TERMINAL:
            return False
        row = replace(
            row,
            channel=CARRIER,
            attempts=row.attempts + 1,
            carried_since=row.carried_since or now,
            exported_at=now,
            expires_at=expires_at,
        )
        add_attempt(
            tx,
            row,
            AttemptRow(
                no=row.attempts,
                channel=CARRIER,
                started_at=now,
                ended_at=now,
                verdict="dispatched",
                code=None,
            ),
        )
        store_export(tx, row)
        log(tx, row, "transmission.dispatched", now, attempt=row.attempts)
        self._onward.await_medium(tx, row, way=way, now=now)
        return True

    def file_receipts(
        self, tx: Transaction, key: tuple[str, str, str], receipts: Sequence[CheckedReceipt], now: datetime
    ) -> TransmissionRow | None:
        """Record receipts that came by themselves; return the row, ``None`` if we never sent this there."""
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None:
            return None
        after = self._file(tx, row, receipts, now)
        if after.state == TransmissionState.RELAYED and row.state != TransmissionState.RELAYED:
            # A relay receipt shows progress and stops no clock.
            first_turn = row.created_at + self._patience.pace(row.lane).after
            after = self._onward.await_receipt(after, now, turn_at=first_turn if first_turn > now else None)
        if after is not row:
            store_transmission(tx, after)
        return after

    def file_problem(
        self,
        tx: Transaction,
        key: tuple[str, str, str],
        *,
        code: str,
        envelope: str,
        goes_on: bool = False,
        now: datetime,
    ) -> TransmissionRow | None:
        """Record a problem that a peer reports later: as the same answer to a PUT would be.

        One about an envelope that is no longer in force, or never was, says nothing about the present one.
        ``goes_on`` if the channel cannot carry the bundle and another is left: its turn comes at once.
        """
        connection = tx.view(key[:2])
        row, held = lock_transmission(connection, *key), bundles.find_bundle(connection, *key[:2])
        if row is None or held is None or row.state in TERMINAL or held.envelope_sha256 != envelope:
            return row
        row = replace(self._with_code(row, code), outbox_no=None, changed_at=now)
        if goes_on:
            row = self._close_channel(tx, row, code, now)
        row = self._onward.after_failure(tx, row, code, now, goes_on=goes_on)
        if goes_on and row.state not in TERMINAL:
            row = replace(row, next_action_at=now)
        store_transmission(tx, row)
        return row

    @staticmethod
    def _close_channel(tx: Transaction, row: TransmissionRow, code: str, now: datetime) -> TransmissionRow:
        """Enter that the last channel cannot carry the bundle: it is not chosen for it again."""
        row = replace(row, attempts=row.attempts + 1)
        attempt = AttemptRow(
            no=row.attempts,
            channel=row.channel or "none",
            started_at=now,
            ended_at=now,
            verdict="refused",
            code=code,
        )
        add_attempt(tx, row, attempt)
        return row

    def take_back(self, tx: Transaction, key: tuple[str, str, str], now: datetime) -> None:
        """Take a bundle off the peer's outbox, due at once, to be wrapped anew before it stands there again.

        One that is being tried at the moment is wrapped anew by that attempt or the next.
        """
        row = lock_transmission(tx.view(key[:2]), *key)
        if row is None or row.state in TERMINAL or row.outbox_no is None or row.lease_owner is not None:
            return
        row = replace(self._with_code(row, "key-expired"), changed_at=now)
        row = self._onward.after_failure(tx, row, "key-expired", now)
        if row.state not in TERMINAL:
            row = replace(row, next_action_at=now)
        store_transmission(tx, row)

    def overdue(
        self,
        tx: Transaction,
        keys: Sequence[tuple[str, str, str]],
        now: datetime,
        *,
        held: Collection[str] = (),
    ) -> None:
        """Put transmissions back in the queue that left and whose receipt did not come in time.

        ``held`` names addressees to whom the directory lets nothing be sent: nothing to them is given up.
        What stands in an outbox stays there: the next channel comes beside it.
        """
        for key in keys:
            row = lock_transmission(tx.view(key[:2]), *key)
            if row is None or row.next_action_at is None or row.next_action_at > now:
                continue
            state = apply(TransmissionState(row.state), TransmissionEvent.RECEIPT_OVERDUE)
            log(tx, row, "transmission.overdue", now, attempt=row.attempts)
            row = replace(row, state=str(state), next_action="attempt", next_action_at=now, changed_at=now)
            if now >= horizon_for(row) and row.to_aid not in held:
                row = self._onward.give_up(tx, row, row.last_code, now)
            store_transmission(tx, row)

    @staticmethod
    def _with_code(row: TransmissionRow, code: str | None) -> TransmissionRow:
        """Note the code of an answer, and whether it only repeats the one before."""
        again = code is not None and code == row.last_code
        return replace(row, last_code=code, repeats=row.repeats + 1 if again else 0)

    def _file(
        self, tx: Transaction, row: TransmissionRow, receipts: Sequence[CheckedReceipt], now: datetime
    ) -> TransmissionRow:
        for at, receipt in enumerate(receipts):
            if at:
                # What was just kept may be this one's neighbour, or the very same.
                tx.flush()
            standing = self._standing(tx, row, receipt)
            if standing is None:
                log_receipt(tx, row, "receipt.refused", now, receipt=receipt.digest, code="receipt-mismatch")
                continue
            if receipt.proof_fault is not None:
                # The signature is good, so the receipt counts; that its issuer's log contradicts it is kept.
                log_receipt(tx, row, "receipt.refused", now, receipt=receipt.digest, code=PROOF_INVALID)
                tx.after_commit(partial(_warn_of_proof, receipt))
            if standing.is_stored:
                if receipt.place is not None and not standing.is_proved:
                    self._prove(tx, receipt.digest, receipt.place)
            else:
                self._keep(tx, receipt, now)
                placed(tx, row, receipt, standing.near, now)
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
            iss=claims.iss,
            n=claims.n,
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
            log_receipt(tx, row, "receipt.received", now, receipt=receipt.digest)
            return row
        event = MOVES[ReceiptType(claims.type)]
        state = apply(TransmissionState(row.state), event)
        log(tx, row, _EVENTS[event], now, receipt=receipt.digest)
        if event is TransmissionEvent.CONSIGNED:
            self._casebook.consigned(tx, row.sender, row.bid, at=claims.at, now=now)
        if state in PROVED and _had_trouble(row):
            close_tasks(tx, kind="transmission", sender=row.sender, bid=row.bid, now=now)
        if event is TransmissionEvent.REJECTED and state is TransmissionState.REJECTED:
            tell(tx, row, claims.reason or "rejection", now)
            if row.lane == Lane.URGENT:
                self._on_stuck(tx, (row.sender, row.bid, row.to_aid), now)
        return ended(row, state, now)


def _had_trouble(row: TransmissionRow) -> bool:
    """Tell whether a task may be open: spares the look-up where the first attempt went well."""
    return (
        row.attempts > 1
        or row.last_code is not None
        or row.carried_since is not None
        or row.state in TERMINAL
    )


def _warn_of_proof(receipt: CheckedReceipt) -> None:
    """Say that a peer's log proof is false or damaged: it may show different logs to different people."""
    _logger.warning(
        "receipt.proof_invalid", peer=receipt.claims.iss, bid=receipt.claims.bid, code=receipt.proof_fault
    )
