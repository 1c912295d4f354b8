"""Who is there: peers that are heard of, greeted after a start, or asked by the doctor.

Any sign of life from a peer lets what waits for it be tried at once. Decides how often one peer may cause
that; what is then tried is the courier's and the pusher's work. Nothing here moves a transmission.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from adapters.https import HTTPSAdapter
from crypto.encoding import parse_wire_time
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model.authority import DirectoryEntry
from gateway.services.directory import Directory
from gateway.services.directory.peers import endpoint_at, pullable, push_address
from gateway.services.following.dealings import DEALT_WITH, PER_HOST, dealt_with, host_of
from gateway.services.health.doctor import PeerAnswer
from gateway.storage import peers
from gateway.storage.database import Database, Transaction
from gateway.storage.queue import wake_peer
from gateway.telemetry import get_log

#: What a peer's calls may cause here at most once in this time.
_HEARD_EVERY_S = 2.0

#: Peers that are greeted at the same time after a start, and the pause before the next ones are.
_GREETINGS_AT_ONCE = 8
_GREETINGS_PAUSE_S = 1.0

_NEVER = datetime.min.replace(tzinfo=UTC)


class Presence:
    """Notes signs of life. Owns the writes they cause: ``aclose`` awaits them."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        adapter: HTTPSAdapter,
        authority_id: str,
        clock: Clock,
        on_heard: Callable[[], None],
    ) -> None:
        self._database = database
        self._directory = directory
        self._adapter = adapter
        self._authority_id = authority_id
        self._clock = clock
        self._on_heard = on_heard
        self._heard_at: dict[str, float] = {}
        #: Those heard of again too soon: noted once their time has come, because that may be their last word.
        self._again: dict[str, asyncio.TimerHandle] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._log = get_log("presence")

    def heard(self, aid: str, _now: datetime) -> None:
        """A peer is there: let what waits for it be tried now, but not more often than it can help."""
        loop = asyncio.get_running_loop()
        left = self._heard_at.get(aid, -_HEARD_EVERY_S) + _HEARD_EVERY_S - loop.time()
        if left <= 0:
            self._note(aid)
        elif aid not in self._again:
            self._again[aid] = loop.call_later(left, self._note, aid)

    def _note(self, aid: str) -> None:
        self._again.pop(aid, None)
        self._heard_at[aid] = asyncio.get_running_loop().time()
        task = asyncio.ensure_future(self._wake(aid))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _wake(self, aid: str, *, has_called: bool = True) -> None:
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            if has_called:
                peers.set_heard(tx, aid, now)
            wake_peer(tx, aid, now)

        try:
            await self._database.write(unit)
        except GatewayError as error:
            self._log.warning("peer.not_noted", peer=aid, code=error.code)
            return
        self._on_heard()

    async def greet(self) -> None:
        """Say hello once to whom we deal with: what waits since we were away is then tried, there and here.

        A few at a time, those heard of last before others, and no host more than ``PER_HOST`` times.
        """
        waiting = await self._to_greet()
        while waiting:
            few, waiting = waiting[:_GREETINGS_AT_ONCE], waiting[_GREETINGS_AT_ONCE:]
            await asyncio.gather(*(self._greet(aid, address) for aid, address in few))
            await asyncio.sleep(_GREETINGS_PAUSE_S if waiting else 0)

    async def _greet(self, aid: str, address: str) -> None:
        """Let what waits for a peer be tried if it answers; whom only we call does not become dealt with."""
        reply = await self._adapter.hello(endpoint_at(self._directory, aid, address))
        if reply.ok:
            await self._wake(aid, has_called=False)

    async def _to_greet(self) -> list[tuple[str, str]]:
        known = await dealt_with(self._directory, self._database, self._clock.now() - DEALT_WITH)
        heard = await self._database.read(peers.all_heard)
        addresses = pullable(self._directory, self._authority_id)
        calls: Counter[str] = Counter()
        found = []
        for aid in sorted(known & addresses.keys(), key=lambda aid: heard.get(aid, _NEVER), reverse=True):
            host = host_of(addresses[aid])
            calls[host] += 1
            if calls[host] <= PER_HOST:
                found.append((aid, addresses[aid]))
        return found

    async def hello(self, entry: DirectoryEntry) -> PeerAnswer:
        """Ask a peer for its hello, for the doctor. Raises ``OSError`` where it cannot be reached."""
        address = push_address(self._directory, entry.authority_id)
        if address is None:
            raise OSError("the peer only calls out")
        asked_at = self._clock.now()
        reply = await self._adapter.hello(endpoint_at(self._directory, entry.authority_id, address))
        if not reply.ok:
            if reply.code == "clock":
                return PeerAnswer(ahead=None)
            raise OSError(reply.detail)
        now = self._clock.now()
        try:
            theirs = parse_wire_time(str(reply.body.get("time")))
        except Refusal:
            raise OSError("the peer's hello has no time") from None
        return PeerAnswer(ahead=theirs - (asked_at + (now - asked_at) / 2))

    async def aclose(self) -> None:
        """Return once every write that was begun has ended; a next start greets whoever was to be noted."""
        for timer in self._again.values():
            timer.cancel()
        self._again.clear()
        await asyncio.gather(*self._writes, return_exceptions=True)
