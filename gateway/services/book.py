"""What receipts, answers and silence make of a transmission: the one place that moves it.

The decision is pure (``model.transmission``, ``model.schedule``); here it becomes rows, in the caller's
transaction. A late consignment always wins, on whatever channel the bundle went; a receipt that does not fit
moves nothing and is entered in the log; only a signed rejection or a code that a person must mend, and that
no other channel may spare, ends a transmission before its time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gateway.model.audit import PendingAuditEntry
from gateway.model.channel_choice import CHANNEL_CODES, Answer, Outlook, Patience
from gateway.model.codes import Lane
from gateway.model.receipt import ISSUED_BY_SENDER, MOVES, ReceiptType
from gateway.model.schedule import Decision, Step, horizon_of, next_attempt, overdue_at
from gateway.model.transmission import TERMINAL, TransmissionEvent, TransmissionState, apply
from gateway.services.casebook import Casebook
from gateway.services.evidence import CheckedReceipt, LogPlace
from gateway.services.failover import PULL
from gateway.services.stamp import Stamp, Subject
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import bundles, channels
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
        took_over: The channel's turn had just come, after another one brought no consignment in time.
        ask: Channels that need a person's consent, and whose turn has come.
        hold: There was nothing to try, and only a person can change that.
        awaits_answer: A person was asked about a channel when the attempt began.
        outlook: What comes next; ``None`` where nothing needs to.
    """

    channel: str
    started_at: datetime
    ended_at: datetime
    verdict: str
    code: str | None = None
    receipts: Sequence[CheckedReceipt] = ()
    refused: Sequence[str] = ()
    took_over: bool = False
    ask: Sequence[str] = ()
    hold: bool = False
    awaits_answer: bool = False
    outlook: Outlook | None = None


class TransmissionBook:
    """Records attempts and receipts. Every method runs inside a unit."""

    def __init__(
        self,
        *,
        authority_id: str,
        stamp: Stamp,
        casebook: Casebook,
        rng: random.Random,
        patience: Patience,
    ) -> None:
        self._authority_id = authority_id
        self._stamp = stamp
        self._casebook = casebook
        self._rng = rng
        self._patience = patience

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
        now, changed_at = tried.ended_at, row.changed_at
        row = self._add_attempt(tx, self._with_code(row, tried.code), tried)
        row = self._file(tx, row, tried.receipts, now)
        if row.state not in TERMINAL and not self._moved(tried.receipts):
            self._tell_of_silence(tx, row, since=changed_at, now=now, tried=tried)
            row = self._without_receipt(tx, row, tried, now)
        elif row.state == TransmissionState.RELAYED:
            row = self._await_receipt(row, now, turn_at=_turn_of(tried))
        store_transmission(tx, row)
        return row

    def _add_attempt(self, tx: Transaction, row: TransmissionRow, tried: Tried) -> TransmissionRow:
        row = replace(row, channel=tried.channel, attempts=row.attempts + 1, changed_at=tried.ended_at)
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
            self._log(tx, row, "transmission.failed_over", tried.ended_at, attempt=row.attempts)
        return row

    def _too_late(self, tx: Transaction, row: TransmissionRow, tried: Tried) -> None:
        """Enter an attempt that another channel's receipt overtook: it was made, and it changes nothing."""
        row = self._add_attempt(tx, row, tried)
        row = self._file(tx, row, tried.receipts, tried.ended_at)
        if tried.verdict == "dispatched":
            self._log(tx, row, "transmission.dispatched", tried.ended_at, attempt=row.attempts)
        elif not tried.receipts:
            code = tried.code or "unreachable"
            self._log(tx, row, "transmission.attempted", tried.ended_at, attempt=row.attempts, code=code)
        store_transmission(tx, row)

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
            after = self._await_receipt(after, now, turn_at=first_turn if first_turn > now else None)
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
        row = replace(self._with_code(row, code), outbox_no=None, changed_at=now)
        row = self._after_failure(tx, row, code, now)
        store_transmission(tx, row)
        return row

    def overdue(self, tx: Transaction, keys: Sequence[tuple[str, str, str]], now: datetime) -> None:
        """Put transmissions back in the queue that left and whose receipt did not come in time.

        What stands in an outbox stays there: the next channel comes beside it.
        """
        for key in keys:
            row = lock_transmission(tx.view(key[:2]), *key)
            if row is None or row.next_action_at is None or row.next_action_at > now:
                continue
            state = apply(TransmissionState(row.state), TransmissionEvent.RECEIPT_OVERDUE)
            self._log(tx, row, "transmission.overdue", now, attempt=row.attempts)
            self._tell_of_silence(tx, row, since=row.changed_at, now=now)
            row = replace(row, state=str(state), next_action="attempt", next_action_at=now, changed_at=now)
            if now >= horizon_of(lane=row.lane, created_at=row.created_at, expires_at=row.expires_at):
                row = self._give_up(tx, row, row.last_code, now)
            store_transmission(tx, row)

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

    def _await_receipt(
        self, row: TransmissionRow, now: datetime, *, turn_at: datetime | None, due: datetime | None = None
    ) -> TransmissionRow:
        """Wait until it is ``due``, by default the lane's time for a channel, or another channel's turn."""
        due = due or now + self._patience.pace(row.lane).after
        return replace(
            row,
            next_action="await_receipt",
            next_action_at=overdue_at(
                lane=row.lane,
                created_at=row.created_at,
                expires_at=row.expires_at,
                now=now,
                due=due if turn_at is None else min(due, turn_at),
            ),
        )

    def _without_receipt(
        self, tx: Transaction, row: TransmissionRow, tried: Tried, now: datetime
    ) -> TransmissionRow:
        for code in tried.refused:
            self._log_receipt(tx, row, "receipt.refused", now, code=code)
        for channel in tried.ask:
            self._ask(tx, row, channel, now)
        turn_at = _turn_of(tried)
        if tried.awaits_answer and channels.is_given_since(
            tx.connection, (row.sender, row.bid, row.to_aid), tried.started_at
        ):
            # Somebody answered while the attempt went on.
            turn_at = now
        if tried.verdict != "dispatched":
            return self._after_failure(tx, row, tried.code, now, tried=tried, turn_at=turn_at)
        entry = self._log(tx, row, "transmission.dispatched", now, attempt=row.attempts)
        state = apply(TransmissionState(row.state), TransmissionEvent.DISPATCHED)
        if tried.channel == PULL and row.outbox_no is None:
            row = replace(row, outbox_no=entry + 1)
        due = None if tried.outlook is None else tried.outlook.resend_at
        if tried.outlook is not None and tried.outlook.retries:
            # A channel that answers at once is in use beside this one, and goes on at its own pace.
            again = self._decide(row, None, now).at
            due = again if due is None else min(due, again)
        return self._await_receipt(replace(row, state=str(state)), now, turn_at=turn_at, due=due)

    def _tell_of_silence(
        self,
        tx: Transaction,
        row: TransmissionRow,
        *,
        since: datetime,
        now: datetime,
        tried: Tried | None = None,
    ) -> None:
        """Tell the duty officer, once, that an urgent bundle has no receipt in the time for one."""
        known = None if tried is None else tried.outlook
        at = row.created_at + (self._patience.pace(row.lane).after if known is None else known.after)
        if row.lane == Lane.URGENT and since < at <= now:
            self._task(tx, row, "no-receipt", now)

    def _ask(self, tx: Transaction, row: TransmissionRow, channel: str, now: datetime) -> None:
        """Put the question before a person whether a bundle may go on a channel that protects it less."""
        key = (row.sender, row.bid, row.to_aid)
        if channels.answer_to(tx.view(("consent", *key)), key, channel) is not None:
            return
        channels.add_answer(tx, key, channel, Answer.ASKED, now)
        self._log(tx, replace(row, channel=channel), "transmission.consent_asked", now)
        self._task(tx, row, "consent-needed", now)

    def _decide(self, row: TransmissionRow, code: str | None, now: datetime) -> Decision:
        return next_attempt(
            lane=row.lane,
            attempts=row.attempts,
            created_at=row.created_at,
            expires_at=row.expires_at,
            now=now,
            code=code,
            jitter=self._rng.random(),
            repeats=row.repeats,
        )

    def _after_failure(
        self,
        tx: Transaction,
        row: TransmissionRow,
        code: str | None,
        now: datetime,
        *,
        tried: Tried | None = None,
        turn_at: datetime | None = None,
    ) -> TransmissionRow:
        outlook = None if tried is None else tried.outlook
        # What this channel cannot take another one may.
        goes_on = code in CHANNEL_CODES and outlook is not None and outlook.goes_on
        decision = self._decide(row, None if goes_on else code, now)
        self._log(tx, row, "transmission.attempted", now, attempt=row.attempts, code=code or "unreachable")
        if decision.kind in (Step.PERSON, Step.GIVE_UP):
            return self._give_up(tx, row, code, now)
        if decision.alarm or (tried is not None and tried.hold and row.repeats == 0 and not tried.ask):
            self._task(tx, row, code or "unavailable", now)
        if turn_at is not None and turn_at < decision.at:
            decision = replace(decision, at=max(turn_at, now))
        # While nothing could be tried, what was to be wrapped first still is.
        is_held = tried is not None and tried.hold and row.next_action == "rewrap"
        return self._again(row, decision, now, is_rewrap=is_held or decision.kind is Step.REWRAP)

    @staticmethod
    def _again(
        row: TransmissionRow, decision: Decision, now: datetime, *, is_rewrap: bool
    ) -> TransmissionRow:
        state = apply(TransmissionState(row.state), TransmissionEvent.ATTEMPT_FAILED)
        return replace(
            row,
            state=str(state),
            next_action="rewrap" if is_rewrap else "attempt",
            next_action_at=decision.at,
            # Under its old envelope nobody should fetch it; otherwise it stays where it can be fetched.
            outbox_no=None if is_rewrap else row.outbox_no,
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


def _turn_of(tried: Tried) -> datetime | None:
    return None if tried.outlook is None else tried.outlook.turn_at


def _had_trouble(row: TransmissionRow) -> bool:
    """Tell whether a task may be open: spares the look-up where the first attempt went well."""
    return row.attempts > 1 or row.last_code is not None or row.state in TERMINAL


def _warn_of_proof(receipt: CheckedReceipt) -> None:
    """Say that a peer's log proof is false or damaged: it may show different logs to different people."""
    _logger.warning(
        "receipt.proof_invalid", peer=receipt.claims.iss, bid=receipt.claims.bid, code=receipt.proof_fault
    )
