"""What comes after an attempt that brought no receipt: the wait, the next try, the question, the end.

Part of ``book``, which calls it with a row it has locked and stores what comes back. The decision is pure
(``model.schedule``, ``model.channel_choice``); here it becomes entries, tasks and the next row, in the
caller's transaction. Whatever was done on a channel stays done: what stands in an outbox stays there.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.errors import sentence_of
from gateway.model.audit import PendingAuditEntry
from gateway.model.channel_choice import (
    CARRIER_TIME,
    CHANNEL_CODES,
    Answer,
    Outlook,
    Patience,
)
from gateway.model.channels import CARRIER, PULL
from gateway.model.codes import Lane
from gateway.model.receipt import ReceiptType
from gateway.model.schedule import DIRECTORY_HOLDS, Decision, Step, horizon_of, next_attempt, overdue_at
from gateway.model.transmission import (
    TERMINAL,
    TransmissionEvent,
    TransmissionKey,
    TransmissionState,
    apply,
)
from gateway.services.casework.casebook import Casebook
from gateway.services.proofs.evidence import CheckedReceipt
from gateway.services.proofs.stamp import Stamp, Subject
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import bundles, channels
from gateway.storage.database import Transaction
from gateway.storage.transmissions import TransmissionRow

#: An open task is shown again after this time.
TASK_SHOWN_AGAIN = timedelta(hours=4)

_DAY = timedelta(days=1)

#: Who owns a transmission that failed, or that the directory holds, by lane.
OWNERS = {"urgent": "duty_officer", "routine": "operator"}


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
        expires_at: End of the envelope that was renewed because it had been held; ``None`` for others.
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
    expires_at: datetime | None = None

    @property
    def is_held(self) -> bool:
        """Whether the directory let nothing be sent there, though it may be listed."""
        return self.hold and self.code in DIRECTORY_HOLDS


#: Told, in the caller's transaction, of an urgent bundle that nobody tries to deliver any more.
OnStuck = Callable[[Transaction, TransmissionKey, datetime], None]


class Onward:
    """Moves a transmission on without a receipt. Every method runs inside a unit."""

    def __init__(
        self,
        *,
        stamp: Stamp,
        casebook: Casebook,
        rng: random.Random,
        patience: Patience,
        on_stuck: OnStuck,
    ) -> None:
        self._stamp = stamp
        self._on_stuck = on_stuck
        self._casebook = casebook
        self._rng = rng
        self._patience = patience

    def await_receipt(
        self, row: TransmissionRow, now: datetime, *, turn_at: datetime | None, due: datetime | None = None
    ) -> TransmissionRow:
        """Wait until it is ``due``, by default the lane's time for a channel, or another channel's turn."""
        due = due or now + self._patience.pace(row.lane).after
        return replace(
            row,
            next_action="await_receipt",
            next_action_at=overdue_at(
                horizon=horizon_for(row),
                now=now,
                due=due if turn_at is None else min(due, turn_at),
            ),
        )

    def without_receipt(
        self, tx: Transaction, row: TransmissionRow, tried: Tried, now: datetime
    ) -> TransmissionRow:
        """Return the row after an attempt without a receipt: a wait, the next try, or the end.

        Questions are put and tasks raised on the way, each once.
        """
        for code in tried.refused:
            log_receipt(tx, row, "receipt.refused", now, code=code)
        for channel in tried.ask:
            self._ask(tx, row, channel, now)
        row = self._held_or_freed(tx, row, tried, now)
        turn_at = turn_of(tried)
        if tried.awaits_answer and channels.is_given_since(
            tx.connection, (row.sender, row.bid, row.to_aid), tried.started_at
        ):
            # Somebody answered while the attempt went on.
            turn_at = now
        if tried.verdict != "dispatched":
            return self.after_failure(tx, row, tried.code, now, tried=tried, turn_at=turn_at)
        entry = log(tx, row, "transmission.dispatched", now, attempt=row.attempts)
        state = apply(TransmissionState(row.state), TransmissionEvent.DISPATCHED)
        if tried.channel == PULL and row.outbox_no is None:
            row = replace(row, outbox_no=entry + 1)
        due = None if tried.outlook is None else tried.outlook.resend_at
        if tried.channel == CARRIER:
            row = self._stand_for_carrier(tx, row, now)
            if row.exported_at is not None:
                # It was exported since this was planned; that is when its time began.
                due = row.exported_at + CARRIER_TIME
        if tried.outlook is not None and tried.outlook.retries:
            # A channel that answers at once is in use beside this one, and goes on at its own pace.
            again = self._decide(row, None, now).at
            due = again if due is None else min(due, again)
        return self.await_receipt(replace(row, state=str(state)), now, turn_at=turn_at, due=due)

    @staticmethod
    def _held_or_freed(tx: Transaction, row: TransmissionRow, tried: Tried, now: datetime) -> TransmissionRow:
        """Let somebody see to what the directory holds, daily, and begin its horizon anew; or let go."""
        if tried.is_held:
            is_other = row.repeats == 0
            if is_other and row.owner is not None:
                # What held it before does so no more: its task would tell a person the wrong thing.
                others = DIRECTORY_HOLDS - {tried.code or ""}
                close_tasks(tx, kind="transmission", sender=row.sender, bid=row.bid, codes=others, now=now)
            last = None if row.owner is None or is_other else row.counted_from
            if last is None or (now - row.created_at) // _DAY > (last - row.created_at) // _DAY:
                tell(tx, row, tried.code or "unavailable", now)
            return replace(row, counted_from=now, owner=OWNERS[row.lane])
        if row.owner is not None:
            close_tasks(
                tx, kind="transmission", sender=row.sender, bid=row.bid, codes=DIRECTORY_HOLDS, now=now
            )
        return replace(row, owner=None)

    @staticmethod
    def _stand_for_carrier(tx: Transaction, row: TransmissionRow, now: datetime) -> TransmissionRow:
        """Let a bundle stand here for a carrier, and somebody see to it unless a medium is under way."""
        if row.exported_at is not None and row.exported_at + CARRIER_TIME > now:
            return row
        _close_carrier_tasks(tx, row, now, "carrier-awaited")
        tell(tx, row, "carrier-needed", now, sentence=f"{sentence_of('carrier-needed')} For: {row.to_aid}.")
        return replace(row, carried_since=row.carried_since or now, exported_at=None)

    @staticmethod
    def await_medium(tx: Transaction, row: TransmissionRow, *, way: str, now: datetime) -> None:
        """Let somebody follow a medium that has left, until its receipt is back."""
        _close_carrier_tasks(tx, row, now, "carrier-needed", "carrier-awaited")
        due = now + CARRIER_TIME
        raise_task(
            tx,
            kind="transmission",
            sender=row.sender,
            bid=row.bid,
            thread_id=None,
            owner=OWNERS[row.lane],
            code="carrier-awaited",
            now=now,
            shown_again_at=due,
            sentence=f"Written to a medium for {row.to_aid} on {now:%Y-%m-%d}, to go by {way}. "
            f"If no receipt is back by {due:%Y-%m-%d}, ask there, then export it again.",
        )

    def _ask(self, tx: Transaction, row: TransmissionRow, channel: str, now: datetime) -> None:
        """Put the question before a person whether a bundle may go on a channel that protects it less."""
        key = (row.sender, row.bid, row.to_aid)
        if channels.answer_to(tx.view(("consent", *key)), key, channel) is not None:
            return
        channels.add_answer(tx, key, channel, Answer.ASKED, now)
        log(tx, replace(row, channel=channel), "transmission.consent_asked", now)
        tell(tx, row, "consent-needed", now)

    def _decide(
        self, row: TransmissionRow, code: str | None, now: datetime, *, is_held: bool = False
    ) -> Decision:
        return next_attempt(
            lane=row.lane,
            attempts=row.attempts,
            counted_from=row.counted_from or row.created_at,
            expires_at=row.expires_at,
            now=now,
            code=code,
            jitter=self._rng.random(),
            repeats=row.repeats,
            is_carried=is_carried(row),
            is_held=is_held,
        )

    def after_failure(
        self,
        tx: Transaction,
        row: TransmissionRow,
        code: str | None,
        now: datetime,
        *,
        tried: Tried | None = None,
        turn_at: datetime | None = None,
        goes_on: bool = False,
    ) -> TransmissionRow:
        """Return the row after an attempt that failed: tried again, by ``turn_at`` at latest, or given up."""
        outlook = None if tried is None else tried.outlook
        # What this channel cannot take another one may.
        goes_on = goes_on or (code in CHANNEL_CODES and outlook is not None and outlook.goes_on)
        is_held = tried is not None and tried.is_held
        decision = self._decide(row, None if goes_on else code, now, is_held=is_held)
        log(tx, row, "transmission.attempted", now, attempt=row.attempts, code=code or "unreachable")
        if decision.kind in (Step.PERSON, Step.GIVE_UP):
            return self.give_up(tx, row, code, now)
        is_new_hold = tried is not None and tried.hold and not is_held and row.repeats == 0
        if decision.alarm or (is_new_hold and tried is not None and not tried.ask):
            tell(tx, row, code or "unavailable", now)
        if turn_at is not None and turn_at < decision.at:
            decision = dataclasses.replace(decision, at=max(turn_at, now))
        # While nothing could be tried, what was to be wrapped first still is.
        is_still_due = tried is not None and tried.hold and row.next_action == "rewrap"
        return self._again(row, decision, now, is_rewrap=is_still_due or decision.kind is Step.REWRAP)

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
            exported_at=None if is_rewrap else row.exported_at,
            repeats=0 if decision.alarm else row.repeats,
            changed_at=now,
        )

    def give_up(
        self, tx: Transaction, row: TransmissionRow, code: str | None, now: datetime
    ) -> TransmissionRow:
        """Return the row as failed: with a receipt that says so, and a person who owns it from now on."""
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
        if row.lane == Lane.URGENT:
            self._on_stuck(tx, (row.sender, row.bid, row.to_aid), now)
        tell(tx, row, code or "unavailable", now)
        return replace(ended(row, state, now), owner=OWNERS[row.lane])


def _close_carrier_tasks(tx: Transaction, row: TransmissionRow, now: datetime, *codes: str) -> None:
    close_tasks(tx, kind="transmission", sender=row.sender, bid=row.bid, codes=codes, now=now)


def is_carried(row: TransmissionRow) -> bool:
    """Tell whether a bundle goes by a carrier, alone or beside other channels."""
    return row.carried_since is not None or row.channel == CARRIER


def horizon_for(row: TransmissionRow) -> datetime:
    """Return the instant after which a transmission is given up."""
    return horizon_of(
        lane=row.lane,
        counted_from=row.counted_from or row.created_at,
        expires_at=row.expires_at,
        is_carried=is_carried(row),
    )


def ended(row: TransmissionRow, state: TransmissionState, now: datetime) -> TransmissionRow:
    """Return the row in a new state; a last one waits for nothing, and a rejection has an owner."""
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


def tell(
    tx: Transaction, row: TransmissionRow, code: str, now: datetime, *, sentence: str | None = None
) -> None:
    """Put a transmission before the person of its lane, once for each code; a drill's test before nobody."""
    if row.only_channel is not None:
        return
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
        sentence=sentence,
    )


def log(tx: Transaction, row: TransmissionRow, event: str, now: datetime, **more: str | int) -> int:
    """Enter an event of a transmission and return the entry's index."""
    body = {"from": row.sender, "bid": row.bid, "to": row.to_aid, "channel": row.channel, **more}
    return tx.audit(PendingAuditEntry(event=event, body=body, at=now)).index


def log_receipt(tx: Transaction, row: TransmissionRow, event: str, now: datetime, **more: str) -> None:
    """Enter an event about a receipt of a bundle."""
    tx.audit(PendingAuditEntry(event=event, body={"from": row.sender, "bid": row.bid, **more}, at=now))


def turn_of(tried: Tried) -> datetime | None:
    """Return when another channel's turn comes, if one waits for it."""
    return None if tried.outlook is None else tried.outlook.turn_at
