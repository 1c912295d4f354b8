"""Receipts that come and go by themselves: posted by peers, asked for by peers, pushed to peers.

What travels in the answer to a bundle is handled where the answer is; here is the rest: the consignment
after a relay, the handover when an officer opens, what a puller posts, what a sender asks for again.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crypto import strictjson
from crypto.encoding import is_bid
from crypto.errors import CODES, Refusal
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.channel_choice import CHANNEL_CODES
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.failover import Failover
from gateway.services.delivery.post import PeerPost
from gateway.services.directory import Directory
from gateway.services.proofs.evidence import CheckedReceipt, check_receipt
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.rounds import go_round
from gateway.services.tokens import request_token
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.queue import LeaseLost, PushClaim, claim_pushes, hold_push, is_push_due
from gateway.storage.receipts import (
    ReceiptRow,
    chain_of,
    find_receipt,
    own_receipts,
    push_done,
    push_later,
)
from gateway.telemetry import get_log

#: Receipts and problems in one body, at most.
MOST_RECEIPTS = 100

#: Pushes in one body; each brings the receipts before it along, because an answer may have been lost.
_MOST_PUSHES = 30

_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = {"urgent": timedelta(minutes=5), "routine": timedelta(hours=1)}

#: How long one push may take before somebody else tries it.
_LEASE = timedelta(seconds=120)


class ReceiptDesk:
    """Takes and gives receipts over the peer API."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        book: TransmissionBook,
        failover: Failover,
        wire: ReceiptWire,
        authority_id: str,
        clock: Clock,
        on_recorded: Callable[[tuple[str, str, str]], None] = lambda key: None,
        on_requeued: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._book = book
        self._failover = failover
        self._wire = wire
        self._authority_id = authority_id
        self._clock = clock
        self._on_recorded = on_recorded
        self._on_requeued = on_requeued

    async def take(
        self,
        *,
        caller: str,
        jti: str | None,
        exp: datetime | None,
        body: Mapping[str, Any],
        about: tuple[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """File what a peer posts about bundles we sent it; durable when it returns. A repeat is harmless.

        ``about`` names the one bundle that it was asked about.

        Raises ``GatewayRefusal`` ``malformed``, ``auth-replay``. A receipt that does not check is left out,
        and named in the answer, so that one bad receipt cannot hold up the others.
        """
        offered, problems = body.get("receipts", []), body.get("problems", [])
        if not (isinstance(offered, list) and isinstance(problems, list)):
            raise GatewayRefusal("malformed")
        if len(offered) + len(problems) > MOST_RECEIPTS:
            raise GatewayRefusal("too-large")
        checked, refused = self._check(caller, offered, about)
        now = self._clock.now()
        token = request_token(caller, jti, exp)
        others = await self._carried_on(caller, problems, now)

        def unit(tx: Transaction) -> None:
            if token is not None:
                token.spend(tx)
            for receipt in checked:
                key = (receipt.claims.sender, receipt.claims.bid, caller)
                self._book.file_receipts(tx, key, [receipt], now)
            for problem in problems:
                self._file_problem(tx, caller, problem, others, now)

        try:
            await self._database.write(unit)
        except IntegrityError:
            raise GatewayRefusal("auth-replay") from None
        for receipt in checked:
            self._on_recorded((receipt.claims.sender, receipt.claims.bid, caller))
        if problems:
            self._on_requeued()
        return {"cosignatures": [], "refused": refused}

    def _check(
        self, caller: str, offered: Sequence[Any], about: tuple[str, str] | None
    ) -> tuple[list[CheckedReceipt], list[str]]:
        checked: list[CheckedReceipt] = []
        refused: list[str] = []
        for row in offered:
            try:
                receipt = check_receipt(
                    row if isinstance(row, dict) else {}, self._directory, self._clock.now()
                )
                if receipt.claims.iss != caller or receipt.claims.sender != self._authority_id:
                    raise Refusal("receipt-mismatch", "not the caller's, or not about a bundle of ours")
                if about not in (None, (receipt.claims.sender, receipt.claims.bid)):
                    raise Refusal("receipt-mismatch", "not about the bundle that was asked about")
            except Refusal as refusal:
                refused.append(refusal.code)
            else:
                checked.append(receipt)
        return checked, refused

    async def _carried_on(self, caller: str, problems: Sequence[Any], now: datetime) -> frozenset[str]:
        """Return the bids whose channel cannot carry them, as the peer says, and another one may."""
        rows = [row for row in problems if isinstance(row, dict) and isinstance(row.get("code"), str)]
        bids = {str(row.get("bid")) for row in rows if row["code"] in CHANNEL_CODES}
        keys = [(self._authority_id, bid, caller) for bid in bids if is_bid(bid)]
        return frozenset([key[1] for key in keys if await self._failover.goes_on_without(key, now)])

    def _file_problem(
        self, tx: Transaction, caller: str, problem: Any, others: Collection[str], now: datetime
    ) -> None:
        """A puller's way to say what an unsigned error on PUT says; an unknown code is tried again."""
        if not isinstance(problem, dict):
            raise GatewayRefusal("malformed")
        bid, code = problem.get("bid"), problem.get("code")
        if not (isinstance(bid, str) and isinstance(code, str)):
            raise GatewayRefusal("malformed")
        if problem.get("from") != self._authority_id or not is_bid(bid) or code not in CODES:
            return
        envelope = str(problem.get("envelope"))
        key = (self._authority_id, bid, caller)
        goes_on = bid in others and code in CHANNEL_CODES
        self._book.file_problem(tx, key, code=code, envelope=envelope, goes_on=goes_on, now=now)

    async def for_bundle(self, *, caller: str, sender: str, bid: str, after: int) -> Mapping[str, Any]:
        """Return our receipts above ``after`` about a bundle the caller sent us; none if there is none."""
        if caller != sender:
            raise GatewayRefusal("auth-invalid")

        def query(connection: Connection) -> list[ReceiptRow]:
            return own_receipts(connection, iss=self._authority_id, sender=sender, bid=bid, after=after)

        return await self._wire.answer(await self._database.read(query))


class ReceiptPusher:
    """Sends the receipts that did not travel in an answer. ``run`` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        wire: ReceiptWire,
        post: PeerPost,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._database = database
        self._directory = directory
        self._wire = wire
        self._post = post
        self._clock = clock
        self._rng = rng
        self._worker = secrets.token_hex(8)
        self._wake = asyncio.Event()
        self._log = get_log("receipts")

    def wake(self) -> None:
        """A receipt was just made, or a peer was heard of."""
        self._wake.set()

    async def run(self) -> None:
        """Push what is due until cancelled."""
        await go_round(
            self.push_due,
            self._wake,
            on_trouble=lambda error: self._log.warning("push.unavailable", code=error.code),
        )

    async def push_due(self) -> int:
        """Send what is due, one body per peer, and return how many receipts were tried."""
        now = self._clock.now()
        by_peer: dict[str, list[tuple[PushClaim, list[ReceiptRow]]]] = {}
        for lane in ("urgent", "routine"):
            for push, chain in await self._claim_due(lane, now):
                by_peer.setdefault(push.to_aid, []).append((push, chain))
        # Peers side by side: one that does not answer must not hold up the others.
        outcomes = await asyncio.gather(
            *(self._push(aid, rows) for aid, rows in by_peer.items()), return_exceptions=True
        )
        for aid, outcome in zip(by_peer, outcomes, strict=True):
            if isinstance(outcome, GatewayError):
                self._log.warning("push.unavailable", code=outcome.code, peer=aid)
            elif outcome is not None:
                self._log.error("push.defect", code=type(outcome).__name__, peer=aid)
        return sum(len(rows) for rows in by_peer.values())

    async def _claim_due(self, lane: str, now: datetime) -> list[tuple[PushClaim, list[ReceiptRow]]]:
        # Reading first: an idle gateway must not write.
        if not await self._database.read(lambda c: is_push_due(c, lane, now)):
            return []
        return await self._database.write(lambda tx: self._claim(tx, lane, now))

    def _claim(self, tx: Transaction, lane: str, now: datetime) -> list[tuple[PushClaim, list[ReceiptRow]]]:
        claims = claim_pushes(
            tx, lane=lane, now=now, until=now + _LEASE, worker=self._worker, limit=_MOST_PUSHES
        )
        found = ((claim, find_receipt(tx.connection, claim.jws_sha256)) for claim in claims)
        return [(claim, chain_of(tx.connection, receipt)) for claim, receipt in found]

    async def _push(self, authority_id: str, rows: Sequence[tuple[PushClaim, list[ReceiptRow]]]) -> None:
        told = {receipt.jws_sha256: receipt for _, chain in rows for receipt in chain}
        body = await self._wire.answer(list(told.values()))
        posted = await self._post.receipts(
            authority_id,
            strictjson.dumps(dict(body)),
            urgent=any(push.lane == "urgent" for push, _ in rows),
            by_mail=any(push.mailed_at is None for push, _ in rows),
        )
        now = self._clock.now()
        # One that is only not known for now is tried like one that can be called.
        hold = self._directory.hold(authority_id, "routine")
        reachable = posted.is_reachable or hold not in (None, "not-listed")

        def unit(tx: Transaction) -> None:
            for push, _ in rows:
                hold_push(tx, jws_sha256=push.jws_sha256, lease_owner=push.lease_owner)
                if posted.is_over:
                    push_done(tx, push.jws_sha256)
                else:
                    push_later(
                        tx,
                        push.jws_sha256,
                        attempts=push.attempts + 1,
                        at=now + self._pause(push, reachable),
                        mailed_at=now if posted.is_mailed else push.mailed_at,
                    )

        try:
            await self._database.write(unit)
        except LeaseLost:
            self._log.warning("push.taken_over", peer=authority_id)

    def _pause(self, push: PushClaim, is_reachable: bool) -> timedelta:
        """Return when it is tried again; a peer that calls us finds it waiting, and is rarely tried."""
        longest = _LONGEST_PAUSE[push.lane] if is_reachable else timedelta(days=1)
        step = _FIRST_PAUSE * 2 ** min(push.attempts, 16) if is_reachable else longest
        return min(step, longest) * (0.5 + self._rng.random() / 2)
