"""The delivery workers: claim, attempt, record; urgent and routine apart.

Failure policy: temporary unless proved permanent. Whatever the network or the peer does is an outcome and
becomes a row; an attempt that dies with its process leaves a lease that runs out, and another worker claims
the transmission. A repeat is harmless, because the peer answers it with the stored receipt.

What a crash leaves: before the attempt a lease; during it a lease and perhaps a bundle at the peer; after it,
before the result is recorded, the same: the next attempt gets the receipt the first one earned.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from adapters.base import Adapter, Endpoint, Outcome, Parcel, Verdict
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.channel_choice import CHANNEL_CODES
from gateway.model.schedule import DIRECTORY_HOLDS, NO_KEY
from gateway.services.container import ContainerSource, load_container
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.composer import Composer
from gateway.services.delivery.failover import STANDING, Failover, Leg
from gateway.services.delivery.onward import Tried
from gateway.services.delivery.rewrap import Rewrapper
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at
from gateway.services.lanes import LaneLimits, Lanes
from gateway.services.proofs.evidence import CheckedReceipt, check_receipt
from gateway.services.sealing.seal import LIFE
from gateway.storage import queue, transmissions
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database, Transaction
from gateway.telemetry import get_log

#: How long a claim lasts; it is renewed while an attempt goes on.
LEASE = timedelta(seconds=120)
_RENEWAL_S = 40.0

#: Transmissions that a lane may have in hand before new ones wait in the database only.
_BACKLOG = 64

#: Longest sleep of a lane without anything due, seconds: a row that another process queued is found by then.
_IDLE_S = 5.0

_URGENT, _ROUTINE = "urgent", "routine"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A transmission this process holds the lease of; ``source`` is there if it was sealed just now."""

    to: str
    lane: str
    sender: str = ""
    bid: str = ""
    next_action: str = "attempt"
    lease_owner: str = ""
    #: Attempts before this one, and the channel of the last, or the one that was named at submission.
    attempts: int = 0
    channel: str | None = None
    #: The one channel that a drill tests.
    only_channel: str | None = None
    #: At the last attempt the directory let nothing be sent there.
    is_held: bool = False
    source: ContainerSource | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """Sender, bid and addressee."""
        if self.source is not None:
            return self.source.sender, self.source.bid, self.to
        return self.sender, self.bid, self.to


class Courier:
    """Delivers what is due. ``run`` until cancelled; ``hand`` gives it what was sealed just now."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        directory: Directory,
        rewrapper: Rewrapper,
        book: TransmissionBook,
        failover: Failover,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        limits: LaneLimits,
        lanes: Lanes,
        on_dispatched: Callable[[str], None],
        on_recorded: Callable[[tuple[str, str, str]], None] = lambda key: None,
        composers: Mapping[str, Composer] | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._directory = directory
        self._rewrapper = rewrapper
        self._book = book
        self._failover = failover
        self._adapters = adapters
        self._composers = composers or {}
        self._clock = clock
        self._lanes = lanes
        self._limits = {_URGENT: limits.urgent, _ROUTINE: limits.routine}
        self._on_dispatched = on_dispatched
        self._on_recorded = on_recorded
        self._worker = secrets.token_hex(8)
        self._queues: dict[str, deque[Job]] = {_URGENT: deque(), _ROUTINE: deque()}
        self._wake = {_URGENT: asyncio.Event(), _ROUTINE: asyncio.Event()}
        #: When each lane looks into the database next, by the loop's clock: looking costs more than it finds.
        self._look_at = {_URGENT: 0.0, _ROUTINE: 0.0}
        self._keepers: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._running = False
        self._log = get_log("courier")

    def lease(self, lane: str, now: datetime) -> tuple[str, datetime] | None:
        """Return owner and end of the lease a new transmission is born with, ``None`` if the lane is full."""
        if not self._running or len(self._queues[lane]) >= _BACKLOG:
            return None
        return f"{self._worker}.{secrets.token_hex(8)}", now + LEASE

    def hand(self, job: Job) -> None:
        """Take a transmission that was just made durable; one without a lease is only a reason to look."""
        if job.lease_owner:
            self._queues[job.lane].append(job)
        else:
            self._look_at[job.lane] = 0.0
        self._wake[job.lane].set()

    def wake(self) -> None:
        """Something may be due now: a peer was heard of, say."""
        for lane, event in self._wake.items():
            self._look_at[lane] = 0.0
            event.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                for lane, slots in self._limits.items():
                    group.create_task(self._run_lane(lane, slots))
        finally:
            self._running = False

    async def _run_lane(self, lane: str, slots: int) -> None:
        busy: set[asyncio.Task[None]] = set()
        queue, wake, loop = self._queues[lane], self._wake[lane], asyncio.get_running_loop()

        def ended(task: asyncio.Task[None]) -> None:
            busy.discard(task)
            wake.set()

        try:
            while True:
                wake.clear()
                while queue and len(busy) < self._lanes.room(lane, slots) and self._may_start(lane):
                    task = asyncio.create_task(self._attempt_safely(queue.popleft()))
                    busy.add(task)
                    task.add_done_callback(ended)
                if lane == _URGENT:
                    # Whatever waited for the urgent lane to begin its own may begin now.
                    self._wake[_ROUTINE].set()
                free = self._lanes.room(lane, slots) - len(busy)
                if free > 0 and not queue and loop.time() >= self._look_at[lane]:
                    claimed = await self._guarded(partial(self.claim, lane, free))
                    queue.extend(claimed or ())
                    if claimed:
                        continue
                    pause = await self._guarded(partial(self._pause, lane))
                    self._look_at[lane] = loop.time() + (_IDLE_S if pause is None else pause)
                patience = self._look_at[lane] - loop.time() if free > 0 else _IDLE_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(patience, 0.0)):
                        await wake.wait()
        finally:
            left = tuple(busy)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _may_start(self, lane: str) -> bool:
        """Tell whether the lane may begin another attempt: routine waits while urgent has any to begin."""
        return lane == _URGENT or not self._queues[_URGENT]

    async def _guarded(self, call: Callable[[], Awaitable[_T]]) -> _T | None:
        """Return what the call returns, ``None`` if the database is away: the lane waits and goes on."""
        try:
            return await call()
        except GatewayError as error:
            self._log.warning("queue.unavailable", code=error.code)
            return None

    async def claim(self, lane: str, free: int) -> list[Job]:
        """Take up to ``free`` transmissions that are due, each under a lease."""
        now = self._clock.now()
        late = await self._database.read(lambda c: transmissions.overdue(c, lane, now))
        if late:
            lets_nothing = {to for _, _, to in late if self._directory.hold(to, lane) in DIRECTORY_HOLDS}
            await self._database.write(lambda tx: self._book.overdue(tx, late, now, held=lets_nothing))
        # Reading first: an idle lane must not write.
        due = await self._database.read(lambda c: transmissions.next_transmission(c, lane))
        if due is None or due > now:
            return []
        rows = await self._database.write(
            lambda tx: queue.claim_transmissions(
                tx, lane=lane, now=now, until=now + LEASE, worker=self._worker, limit=free
            )
        )
        return [
            Job(
                to=row.to_aid,
                lane=lane,
                sender=row.sender,
                bid=row.bid,
                next_action=row.next_action,
                lease_owner=row.lease_owner or "",
                attempts=row.attempts,
                channel=row.channel,
                only_channel=row.only_channel,
                is_held=row.counted_from is not None and row.last_code in DIRECTORY_HOLDS,
            )
            for row in rows
        ]

    async def _pause(self, lane: str) -> float:
        due = await self._database.read(lambda c: transmissions.next_transmission(c, lane))
        if due is None:
            return _IDLE_S
        return min(_IDLE_S, max(0.0, (due - self._clock.now()).total_seconds()))

    async def _attempt_safely(self, job: Job) -> None:
        """One attempt. Trouble of our own leaves the lease, which runs out; it never stops the lane."""
        try:
            with self._lanes.working(job.lane):
                await self.attempt(job)
        except GatewayError as error:
            self._log.warning("attempt.unrecorded", code=error.code, bid=job.key[1])
        except Exception as error:
            self._log.error("attempt.defect", code=type(error).__name__, bid=job.key[1])

    async def attempt(self, job: Job) -> None:
        """Make one attempt and record how it came out; durable when it returns."""
        renewal = asyncio.get_running_loop().call_later(_RENEWAL_S, self._renew, job)
        try:
            is_due = job.next_action == "rewrap" or job.is_held or await self._rewrapper.is_outdated(job.key)
            may = self._directory.hold(job.to, job.lane) is None
            expires_at = self._clock.now() + LIFE if job.is_held and may else None
            if is_due and may and not self._failover.is_letters_only(job.to, job.lane):
                # What the directory held may have run out meanwhile.
                env = await self._rewrapper.rewrap(job.key, lives=LIFE if job.is_held else None)
                expires_at = env.expires if job.is_held else None
                job = replace(job, source=None)
            tried = await self._try(job)
            if expires_at is not None:
                tried = replace(tried, expires_at=expires_at)
        except GatewayRefusal as refusal:
            if refusal.code != NO_KEY:
                raise
            leg = self._failover.held(job.key, job.lane, planned=job.channel, hold=refusal.code)
            tried = await self._nothing(leg, self._clock.now())
        finally:
            renewal.cancel()
            keeper = self._keepers.pop(job.key, None)
            if keeper is not None:
                keeper.cancel()
        row = await self._database.write(
            lambda tx: self._book.record_attempt(tx, job.key, tried, lease_owner=job.lease_owner)
        )
        if row is not None and row.outbox_no is not None:
            self._on_dispatched(row.to_aid)
        if row is not None and row.next_action_at is not None:
            self._look_by(job.lane, row.next_action_at)
        self._on_recorded(job.key)

    def _look_by(self, lane: str, at: datetime) -> None:
        left = (at - self._clock.now()).total_seconds()
        self._look_at[lane] = min(self._look_at[lane], asyncio.get_running_loop().time() + left)
        self._wake[lane].set()

    def _renew(self, job: Job) -> None:
        """Keep the lease of an attempt that takes long; most end before this is ever called."""
        self._keepers[job.key] = asyncio.create_task(self._keep_lease(job))

    async def _keep_lease(self, job: Job) -> None:
        with contextlib.suppress(queue.LeaseLost):
            while True:
                await self._guarded(partial(self._database.write, partial(self._extend, job)))
                await asyncio.sleep(_RENEWAL_S)

    def _extend(self, job: Job, tx: Transaction) -> None:
        sender, bid, to_aid = job.key
        until = self._clock.now() + LEASE
        queue.hold_transmission(
            tx, sender=sender, bid=bid, to_aid=to_aid, lease_owner=job.lease_owner, until=until
        )

    async def _try(self, job: Job) -> Tried:
        started = self._clock.now()
        leg = await self._failover.choose(
            job.key, job.lane, attempts=job.attempts, planned=job.channel, now=started, only=job.only_channel
        )
        channel = leg.channel
        if channel is None:
            return await self._nothing(leg, started)
        if channel.channel in STANDING:
            # It stands here from now on: the peer comes for it, or a person writes it to a medium.
            return await self._judge(leg, channel.channel, started, Outcome(verdict=Verdict.DISPATCHED))
        endpoint = endpoint_at(self._directory, job.to, channel.address)
        composer = self._composers.get(channel.channel)
        if composer is not None:
            outcome = await self._deliver_composed(composer, channel.channel, endpoint, job)
        else:
            if job.channel in self._composers:
                # What was meant for people only may be wrapped for nobody yet.
                await self._rewrapper.rewrap(job.key)
                job = replace(job, source=None)
            parcel = await self._sealed(job)
            outcome = await self._adapters[channel.channel].deliver(parcel, endpoint)
        return await self._judge(leg, channel.channel, started, outcome)

    async def _sealed(self, job: Job) -> Parcel:
        source = job.source or await load_container(self._database, self._blobs, job.sender, job.bid)
        return Parcel(
            sender=source.sender,
            bid=source.bid,
            envelope_sha256=source.envelope_sha256,
            size_bytes=source.size,
            urgent=job.lane == _URGENT,
            read=source.stream if job.lane == _URGENT else partial(self._lanes.paced, source.stream),
        )

    async def _deliver_composed(
        self, composer: Composer, scheme: str, endpoint: Endpoint, job: Job
    ) -> Outcome:
        """Deliver one parcel after another; the first that does not leave ends the attempt."""
        outcome = Outcome(verdict=Verdict.RETRY, detail="nothing was composed")
        parcels = composer.parcels(job.key, address=endpoint.address, urgent=job.lane == _URGENT)
        try:
            async for parcel in parcels:
                outcome = await self._adapters[scheme].deliver(parcel, endpoint)
                if outcome.verdict is not Verdict.DISPATCHED:
                    break
        except GatewayRefusal as refusal:
            closes = refusal.code in CHANNEL_CODES
            verdict = Verdict.REFUSED if closes else Verdict.RETRY
            return Outcome(verdict=verdict, code=refusal.code, detail=refusal.detail)
        finally:
            if isinstance(parcels, AsyncGenerator):
                await parcels.aclose()
        return outcome

    async def _nothing(self, leg: Leg, started: datetime) -> Tried:
        """No channel is open: the bundle waits, and is looked at again like one that was not delivered."""
        outcome = Outcome(verdict=Verdict.RETRY, code=leg.hold)
        return replace(await self._judge(leg, "none", started, outcome), hold=True)

    async def _judge(self, leg: Leg, channel: str, started: datetime, outcome: Outcome) -> Tried:
        """Check the receipts of an answer; what does not check makes the attempt one to repeat."""
        checked: list[CheckedReceipt] = []
        refused: list[str] = []
        for offered in outcome.receipts:
            try:
                receipt = check_receipt(offered, self._directory, self._clock.now())
                claims = receipt.claims
                if (claims.sender, claims.bid, claims.iss) != leg.key:
                    raise Refusal("receipt-mismatch", "not the addressee's, or about another bundle")
                checked.append(receipt)
            except Refusal as refusal:
                refused.append(refusal.code)
        verdict = outcome.verdict
        if outcome.receipts and not checked:
            verdict = Verdict.RETRY
        outlook = await self._failover.outlook(
            leg,
            started_at=started,
            is_refused=verdict is Verdict.REFUSED,
            code=outcome.code,
            receipts=checked,
        )
        return Tried(
            channel=channel,
            started_at=started,
            ended_at=self._clock.now(),
            verdict=str(verdict),
            code=outcome.code,
            receipts=checked,
            refused=refused,
            took_over=leg.choice.takes_over,
            ask=leg.choice.ask,
            awaits_answer=leg.awaits_answer,
            outlook=outlook,
        )
