"""Fetching what waits at the peers, for an authority that can only call out (``https_pull``).

One long poll for each peer it deals with, and seldom a short look at every other one (``visits``); an
authority that does not list ``https_pull`` itself polls nobody. A bundle goes through the same open procedure
as one that was pushed; its receipt is posted back, and the peer takes it off its outbox. What could not be
fetched or posted stays there, so that a crash at any point only means fetching it again (``fetch``).
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from adapters.base import Endpoint
from adapters.https import HTTPSAdapter
from crypto import strictjson
from crypto.encoding import is_bid
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.channels import PULL
from gateway.services.arrivals.accept import Acceptor
from gateway.services.arrivals.arrival import problem_body
from gateway.services.arrivals.fetch import Fetcher
from gateway.services.delivery.receipts import ReceiptDesk
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at, pullable
from gateway.services.following.dealings import DEALT_WITH, PER_HOST, dealt_with, enrolled_by_hand, host_of
from gateway.services.revocations import MOST_NOTICES, Revocations
from gateway.services.visits import Visits
from gateway.storage import peers
from gateway.storage.database import Database
from gateway.telemetry import get_log

_POLL_S = 50.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_DIRECTORY_CHECK_S = 1.0

#: How often it is looked up with whom we deal, seconds: a first request to a peer is followed from then on.
_DEALINGS_CHECK_S = 5.0


class PullWorkers:
    """Polls the peers that take calls. ``run`` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        acceptor: Acceptor,
        desk: ReceiptDesk,
        adapter: HTTPSAdapter,
        revocations: Revocations,
        authority_id: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._database = database
        self._directory = directory
        self._desk = desk
        self._adapter = adapter
        self._fetcher = Fetcher(acceptor=acceptor, adapter=adapter)
        self._revocations = revocations
        self._authority_id = authority_id
        self._clock = clock
        self._visits = Visits(rng)
        self._known: frozenset[str] = frozenset()
        self._look_at = 0.0
        self._log = get_log("pull")

    async def run(self) -> None:
        """Poll until cancelled; peers listed meanwhile are polled too, and those that moved at once anew."""
        running: dict[str, asyncio.Task[None]] = {}
        ending: dict[str, asyncio.Task[None]] = {}
        visits: dict[str, asyncio.Task[None]] = {}
        addresses: dict[str, str] = {}
        try:
            while True:
                wanted, others = await self._whom()
                ending = {aid: task for aid, task in ending.items() if not task.done()}
                visits = {aid: task for aid, task in visits.items() if not task.done()}
                for aid in [aid for aid in running if wanted.get(aid) != addresses[aid]]:
                    ending[aid] = running.pop(aid)
                    ending[aid].cancel()
                # One that comes back waits until its last poll has let go of what it was taking.
                for aid in wanted.keys() - running.keys() - ending.keys() - visits.keys():
                    addresses[aid] = wanted[aid]
                    running[aid] = asyncio.create_task(self._poll(aid))
                free = {aid: at for aid, at in others.items() if aid not in ending}
                now = asyncio.get_running_loop().time()
                for aid in self._visits.begin(free, now, under_way=[addresses[aid] for aid in visits]):
                    addresses[aid] = others[aid]
                    visits[aid] = asyncio.create_task(self._visit(aid))
                await asyncio.sleep(_DIRECTORY_CHECK_S)
        finally:
            tasks = [*running.values(), *ending.values(), *visits.values()]
            for task in (*running.values(), *visits.values()):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _whom(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the addresses of those polled without a pause, and of those looked in at."""
        if all(channel.channel != PULL for channel in self._directory.own.channels):
            return {}, {}
        loop_time = asyncio.get_running_loop().time()
        if loop_time >= self._look_at:
            self._look_at = loop_time + _DEALINGS_CHECK_S
            since = self._clock.now() - DEALT_WITH
            with contextlib.suppress(GatewayError):
                # While the database is away it stays as it was known last.
                self._known = frozenset(await dealt_with(self._directory, self._database, since))
        addresses = pullable(self._directory, self._authority_id)
        by_hand = enrolled_by_hand(self._directory)
        polls: Counter[str] = Counter()
        closely = {}
        for aid in sorted(addresses.keys() & (self._known | by_hand)):
            host = host_of(addresses[aid])
            polls[host] += aid not in by_hand
            if aid in by_hand or polls[host] <= PER_HOST:
                closely[aid] = addresses[aid]
        return closely, {aid: at for aid, at in addresses.items() if aid not in closely}

    async def _visit(self, authority_id: str) -> None:
        """Look in once at a peer we never dealt with; what it holds for us makes it one we deal with."""
        try:
            await self.poll_once(authority_id, wait_s=0)
        except GatewayError as error:
            self._log.warning("pull.unavailable", code=error.code, peer=authority_id)
        except Exception as error:
            self._log.error("pull.defect", code=type(error).__name__, peer=authority_id)

    async def _poll(self, authority_id: str) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                went_well = await self.poll_once(authority_id, wait_s=_POLL_S)
            except GatewayError as error:
                self._log.warning("pull.unavailable", code=error.code, peer=authority_id)
                went_well = False
            except Exception as error:
                self._log.error("pull.defect", code=type(error).__name__, peer=authority_id)
                went_well = False
            if went_well:
                pause = _FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _endpoint(self, authority_id: str) -> Endpoint | None:
        address = pullable(self._directory, self._authority_id).get(authority_id)
        return None if address is None else endpoint_at(self._directory, authority_id, address)

    async def poll_once(self, authority_id: str, *, wait_s: float) -> bool:
        """Take what waits at one peer and return whether all of it was taken."""
        endpoint = self._endpoint(authority_id)
        if endpoint is None:
            return False
        cursor = await self._database.read(lambda c: peers.pull_cursor(c, authority_id))
        reply = await self._adapter.get_outbox(endpoint, after=cursor, wait_s=wait_s)
        if not reply.ok:
            return False
        receipts, items = reply.body.get("receipts"), reply.body.get("items")
        upto = reply.body.get("cursor")
        if isinstance(receipts, list) and receipts and isinstance(upto, int) and upto > cursor:
            await self._desk.take(caller=authority_id, jti=None, exp=None, body={"receipts": receipts})
            await self._database.write(lambda tx: peers.set_pull_cursor(tx, authority_id, upto))
        went_well = await self._take_notices(endpoint, reply.body.get("notices"))
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and item.get("from") == authority_id and is_bid(item.get("bid")):
                went_well &= await self._take(endpoint, item)
        return went_well

    async def _take_notices(self, endpoint: Endpoint, notices: Any) -> bool:
        """Take notices about keys and hand them back, so that the peer knows; return whether it does."""
        if not isinstance(notices, list) or not notices:
            return True
        body = {"notices": notices[:MOST_NOTICES]}
        await self._revocations.take_all(caller=endpoint.authority_id, jti=None, exp=None, body=body)
        return (await self._adapter.post_notices(endpoint, strictjson.dumps(body))).ok

    async def _take(self, endpoint: Endpoint, item: Mapping[str, Any]) -> bool:
        """Fetch one bundle, open it, post what came of it; return whether the peer knows."""
        bid, urgent = item["bid"], item.get("lane") == "urgent"
        try:
            answer = await self._fetcher.fetch(endpoint, bid, envelope=item.get("envelope"), urgent=urgent)
        except GatewayRefusal as refusal:
            body: Mapping[str, Any] = problem_body(
                sender=endpoint.authority_id, bid=bid, envelope=item.get("envelope"), code=refusal.code
            )
        else:
            if answer is None:
                return False
            now = self._clock.now()
            await self._database.write(lambda tx: peers.set_heard(tx, endpoint.authority_id, now))
            body = answer.body
        reply = await self._adapter.post_receipts(endpoint, strictjson.dumps(dict(body)), urgent=urgent)
        return reply.ok
