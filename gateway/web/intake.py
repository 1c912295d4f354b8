"""Bodies as they come in from peers: counted, timed, and in bounded number.

Decides how slow a peer may be and how many transfers it may have open; what the bytes are is
for the services. A peer that stops sending, or drips, ends as ``incomplete`` and frees its
place. Urgent transfers have places of their own that routine ones never take; the mark is the
peer's word, and what a false one gains is bounded by that peer's own urgent places.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from aiohttp import ClientError, StreamReader, web

from gateway.errors import GatewayRefusal
from gateway.web.problems import Unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLimits:
    """Bounds of what peers may do to this server.

    Attributes:
        max_bundle_bytes: Largest container taken.
        max_json_bytes: Largest JSON body: receipts and problems.
        idle_s: Longest silence within a body, in either direction.
        grace_s: From the beginning of a body until the minimum rate counts.
        min_bytes_per_s: Mean rate that a body must keep after the grace.
        keepalive_s: How long a connection is kept on which no whole request header comes.
        lingering_s: How long what is left of a refused body is read away, so that the answer arrives.
        routine_total, routine_per_peer, urgent_total, urgent_per_peer: Transfers at the same time.
        batches_in_turn: Batches of small bundles are opened and stored one after the other.
        calls_per_peer: Other requests of one peer at the same time.
        polls_per_peer: Long polls of one peer at the same time.
        hellos_per_minute: Of one peer.
        connections, connections_per_peer: Open at the same time; a peer is counted by its certificate.
    """

    max_bundle_bytes: int = 128 * 1024**3
    max_json_bytes: int = 4 * 1024**2
    idle_s: float = 60.0
    grace_s: float = 30.0
    min_bytes_per_s: int = 4096
    keepalive_s: float = 75.0
    lingering_s: float = 5.0
    routine_total: int = 128
    routine_per_peer: int = 64
    urgent_total: int = 64
    urgent_per_peer: int = 16
    batches_in_turn: bool = False
    calls_per_peer: int = 32
    polls_per_peer: int = 2
    hellos_per_minute: int = 30
    connections: int = 2048
    connections_per_peer: int = 128


class Places:
    """A number of things that may happen at once, in all and for one peer."""

    def __init__(self, *, total: int, per_peer: int) -> None:
        self._total = total
        self._per_peer = per_peer
        self._taken: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def taken_by(self, aid: str, number: int = 1) -> Iterator[None]:
        """Hold places. Raises ``GatewayRefusal`` ``rate`` if there are too few; the peer comes back later."""
        if self._all + number > self._total or self._taken[aid] + number > self._per_peer:
            raise GatewayRefusal("rate", detail="no place")
        self._all += number
        self._taken[aid] += number
        try:
            yield
        finally:
            self._all -= number
            self._taken[aid] -= number
            if not self._taken[aid]:
                del self._taken[aid]


class Turns:
    """One thing at a time, and one after the other of each peer: whoever brings many waits for itself."""

    def __init__(self) -> None:
        self._all = asyncio.Lock()
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def taken_by(self, aid: str) -> AsyncIterator[None]:
        """Wait for the peer's turn and hold it."""
        own = self._own.setdefault(aid, asyncio.Lock())
        async with own, self._all:
            yield


def body_length(http: web.Request, limit: int) -> int:
    """Return the length of the body as announced.

    Raises ``GatewayRefusal``: ``malformed`` (411, 415) without a length or with a content encoding,
    ``too-large`` above ``limit``.
    """
    # A decoder in front of the limits is how a small body becomes a large one.
    if http.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported(415, "content encoding")
    length = http.content_length
    if length is None:
        raise Unsupported(411, "no content length")
    if length > limit:
        raise GatewayRefusal("too-large", detail="announced length")
    return length


async def body_chunks(content: StreamReader, length: int, limits: PeerLimits) -> AsyncIterator[bytes]:
    """Yield the body as it comes, exactly ``length`` bytes.

    Only waiting for the peer counts as its time; what the caller does between chunks does not.

    Raises ``GatewayRefusal`` ``incomplete`` when the peer is silent too long, too slow on the whole, or gone.
    """
    loop = asyncio.get_running_loop()
    received, waited = 0, 0.0
    while received < length:
        allowed = limits.grace_s + received / limits.min_bytes_per_s - waited
        begun = loop.time()
        try:
            async with asyncio.timeout(min(limits.idle_s, allowed)):
                chunk = await content.readany()
        except TimeoutError:
            raise GatewayRefusal("incomplete", detail="too slow") from None
        except (ClientError, OSError, web.RequestPayloadError):
            raise GatewayRefusal("incomplete", detail="connection lost") from None
        if not chunk:
            raise GatewayRefusal("incomplete", detail="body ended early")
        waited += loop.time() - begun
        received += len(chunk)
        yield chunk
