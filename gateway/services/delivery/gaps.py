"""Pulling what the chain of a peer's receipts lacks, because a push was lost on the way.

A gap is noted with the receipt that skips a number (``chain``). What comes goes the way of every receipt that
a peer posts, and the row ends in the transaction that files the last one missing. An issuer that only calls
out is not asked: it brings what is missing, or nobody does. What did not come in a fortnight is a person's.
"""

import asyncio
import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapters.https import HTTPSAdapter
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model.codes import Lane
from gateway.model.receipt_chain import gap_after
from gateway.services.delivery.chain import FIRST_PULL, MISSING, tell_of_chain
from gateway.services.delivery.receipts import MOST_RECEIPTS, ReceiptDesk
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at, push_address
from gateway.services.rounds import go_round
from gateway.storage.database import Database, Transaction
from gateway.storage.gaps import gap_later, leave_gap, numbers_of
from gateway.storage.queue import GapClaim, LeaseLost, claim_gaps, hold_gap, is_gap_due
from gateway.telemetry import get_log

#: From the receipt that skipped a number until a person sees to it.
GIVEN = timedelta(days=14)

_LONGEST_PAUSE = timedelta(hours=6)
#: Where nobody can be asked: how often it is looked whether that has changed.
_UNREACHABLE_PAUSE = timedelta(days=1)

#: Gaps of a lane that are pulled side by side.
_MOST_AT_ONCE = 8

#: How long one pull may take, and when somebody else tries one whose end nobody recorded.
_PATIENCE_S = 75.0
_LEASE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pull:
    """One gap to be pulled, and after which number; ``None`` if the chain is longer than is looked at."""

    claim: GapClaim
    after: int | None


class GapPuller:
    """Asks issuers for the receipts that their chains lack. ``run`` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        desk: ReceiptDesk,
        adapter: HTTPSAdapter,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._database = database
        self._directory = directory
        self._desk = desk
        self._adapter = adapter
        self._clock = clock
        self._rng = rng
        self._worker = secrets.token_hex(8)
        self._log = get_log("gaps")

    async def run(self) -> None:
        """Pull what is due until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in Lane:
                group.create_task(self._run_lane(lane))

    async def _run_lane(self, lane: Lane) -> None:
        await go_round(
            partial(self.pull_due, (lane,)),
            asyncio.Event(),
            on_trouble=lambda error: self._log.warning("gap.unavailable", code=error.code),
        )

    async def pull_due(self, lanes: Iterable[Lane] = Lane) -> int:
        """Pull what is due of these lanes, one after the other, and return how many gaps were looked at."""
        return sum([await self._pull_lane(lane) for lane in lanes])

    async def _pull_lane(self, lane: Lane) -> int:
        pulls = await self._claim_due(lane, self._clock.now())
        # Side by side: a peer that does not answer must not hold up the others.
        outcomes = await asyncio.gather(*(self._handle(pull) for pull in pulls), return_exceptions=True)
        for pull, outcome in zip(pulls, outcomes, strict=True):
            if isinstance(outcome, GatewayError):
                self._log.warning("gap.unavailable", code=outcome.code, peer=pull.claim.iss)
            elif outcome is not None:
                self._log.error("gap.defect", code=type(outcome).__name__, peer=pull.claim.iss)
        return len(pulls)

    async def _claim_due(self, lane: str, now: datetime) -> list[_Pull]:
        # Reading first: an idle gateway must not write.
        if not await self._database.read(lambda c: is_gap_due(c, lane, now)):
            return []
        return await self._database.write(lambda tx: self._claim(tx, lane, now))

    def _claim(self, tx: Transaction, lane: str, now: datetime) -> list[_Pull]:
        claims = claim_gaps(
            tx, lane=lane, now=now, until=now + _LEASE, worker=self._worker, limit=_MOST_AT_ONCE
        )
        return [_Pull(claim=claim, after=gap_after(numbers_of(tx, claim.chain))) for claim in claims]

    async def _handle(self, pull: _Pull) -> None:
        try:
            is_asked = await self._pull(pull)
        except Exception:
            # It counts all the same: what fails each time would be pulled for ever.
            await self._put_off(pull.claim, is_asked=True)
            raise
        await self._put_off(pull.claim, is_asked=is_asked)

    async def _pull(self, pull: _Pull) -> bool:
        """Ask the issuer and file what it answers; false if it cannot be asked."""
        claim = pull.claim
        address = push_address(self._directory, claim.iss)
        if address is None or pull.after is None:
            return False
        try:
            # The others of its round wait for it.
            async with asyncio.timeout(_PATIENCE_S):
                reply = await self._adapter.get_receipts(
                    endpoint_at(self._directory, claim.iss, address),
                    claim.sender,
                    claim.bid,
                    after=pull.after,
                    urgent=claim.lane == Lane.URGENT,
                )
        except TimeoutError:
            self._log.warning("gap.slow", peer=claim.iss, bid=claim.bid)
            return True
        if reply.ok:
            await self._file(claim, reply.body)
        return True

    async def _file(self, claim: GapClaim, body: Mapping[str, Any]) -> None:
        """File the receipts of an answer; what does not belong there changes nothing."""
        came = body.get("receipts")
        if not isinstance(came, list) or len(came) > MOST_RECEIPTS:
            self._log.warning("gap.refused", peer=claim.iss, bid=claim.bid, code="malformed")
        elif came:
            about = (claim.sender, claim.bid)
            answer = await self._desk.take(
                caller=claim.iss, jti=None, exp=None, body={"receipts": came}, about=about
            )
            for code in sorted(set(answer["refused"])):
                self._log.warning("gap.refused", peer=claim.iss, bid=claim.bid, code=code)

    async def _put_off(self, claim: GapClaim, *, is_asked: bool) -> None:
        """Pull again later, or leave it to a person; nothing if the gap was closed meanwhile."""
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            hold_gap(tx, claim)
            if now >= claim.since + GIVEN:
                leave_gap(tx, claim)
                tell_of_chain(tx, claim.chain, MISSING, lane=claim.lane, now=now)
                tx.after_commit(lambda: self._log.warning("gap.left", peer=claim.iss, bid=claim.bid))
            else:
                gap_later(tx, claim, at=now + self._pause(claim, is_asked))

        try:
            await self._database.write(unit)
        except LeaseLost:
            return

    def _pause(self, claim: GapClaim, is_asked: bool) -> timedelta:
        longest = _LONGEST_PAUSE if is_asked else _UNREACHABLE_PAUSE
        step = FIRST_PULL * 2 ** min(claim.attempts + 1, 16) if is_asked else longest
        return min(step, longest) * (0.5 + self._rng.random() / 2)
