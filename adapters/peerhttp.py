"""HTTP as it is spoken to a peer: pools, timeouts, bounded answers, strictly read problems.

Decides what an answer may look like and turns everything the network or the peer can do into
a ``Reply``; raises only for our own defects, among them a source or sink that fails. Follows
no redirect, keeps no cookie, reads no proxy from the environment, decodes no content.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.payload import Payload

from adapters.base import Endpoint
from adapters.egress import CheckedResolver, EgressPolicy, EgressRefused, Lookup, check_origin, system_lookup
from adapters.replies import OwnFault, Reply, describe, pour, read_reply
from adapters.tls import PinnedContext, TLSIdentity, client_context

#: One header line, and the number of lines: together at most 64 KiB of response headers.
_MAX_FIELD_BYTES = 4096
_MAX_HEADERS = 16

#: Mean rate that a JSON answer must keep once its head is here and the longest silence has passed.
_MIN_ANSWER_BYTES_PER_S = 4096

_log = logging.getLogger(__name__)


#: Gives a container's bytes from an offset on.
Source = Callable[[int], AsyncIterator[bytes]]


class TokenMaker(Protocol):
    """Makes the token of one request; ``bd`` is the SHA-256 of a JSON body."""

    def __call__(
        self,
        aud: str,
        method: str,
        path_qs: str,
        *,
        bd: bytes | None = None,
        off: int | None = None,
        len: int | None = None,
    ) -> str:
        """Return the token for exactly this request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long anything may take, in seconds.

    Attributes:
        connect_s: Name, connection, proxy and handshake together.
        idle_s: Longest silence while bytes go out or come in.
        urgent_s, routine_s: From the last byte of a request to the first of its answer.
    """

    connect_s: float = 10.0
    idle_s: float = 60.0
    urgent_s: float = 20.0
    routine_s: float = 60.0


class ContainerPayload(Payload):
    """A stretch of a container as a request body: read again from its start if it must be sent again."""

    def __init__(
        self,
        read: Source,
        *,
        offset: int,
        size: int,
        content_type: str,
        progress: Callable[[], None],
    ) -> None:
        super().__init__(read, content_type=content_type)
        self._read = read
        self._offset = offset
        self._size = size
        self._progress = progress
        #: What went wrong on our side, if anything did.
        self.fault: BaseException | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Sealed bytes have no text form."""
        raise TypeError("a container is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the stretch."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write exactly the declared number of bytes, telling of progress after each chunk."""
        left = self._size if self._size is not None else 0
        source = self._read(self._offset)
        try:
            while left:
                try:
                    chunk = await anext(source)
                except StopAsyncIteration:
                    self.fault = ValueError("the container is shorter than its parcel says")
                    raise self.fault from None
                except Exception as exc:
                    self.fault = exc
                    raise
                chunk = chunk[:left]
                left -= len(chunk)
                await writer.write(chunk)
                self._progress()
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()


class PeerHTTP:
    """Requests to peers over kept-alive, pinned connections.

    Args:
        identity: The own TLS certificate in force; a new one makes new connections.
        token: Makes the token of each request.
        proxy_url: Explicit CONNECT proxy; TLS and pins stay end to end.
    """

    def __init__(
        self,
        *,
        identity: Callable[[], TLSIdentity],
        token: TokenMaker,
        policy: EgressPolicy,
        timings: Timings,
        proxy_url: str | None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._identity = identity
        self._token = token
        self._policy = policy
        self.timings = timings
        self._proxy_url = proxy_url or None
        self._lookup = lookup
        self._pools: dict[str, aiohttp.ClientSession] = {}
        self._contexts: dict[str, tuple[TLSIdentity, tuple[bytes, ...], PinnedContext]] = {}
        self._origins: dict[str, str] = {}

    async def request(
        self,
        endpoint: Endpoint,
        method: str,
        path_qs: str,
        *,
        pool: str,
        answer_s: float,
        headers: Mapping[str, str] | None = None,
        json: bytes | None = None,
        container: tuple[bytes | Source, int, int] | None = None,
        content_type: str = "application/json",
        sink: Callable[[bytes], Awaitable[None]] | None = None,
        sink_offset: int = 0,
    ) -> Reply:
        """Make one request and return what came of it.

        Args:
            pool: Connections are shared within a pool only, so that one lane never waits for another.
            answer_s: From the last byte sent to the first received.
            json: A JSON body; its digest goes into the token.
            container: The bytes or their source, their offset and number, for the body.
            sink: Takes the bytes of a successful answer; without it the answer is JSON.
            sink_offset: Where in the container those bytes begin.
        """
        loop = asyncio.get_running_loop()
        timings = self.timings
        claims: dict[str, bytes | int] = {}
        body: bytes | ContainerPayload | None = None
        sent = dict(headers or {})
        try:
            origin = self._origin(endpoint)
        except EgressRefused as exc:
            return Reply(status=0, detail=describe(exc))
        # Outside the conversion below: an own key file that cannot be read is no trouble of the network.
        context = self._context(endpoint)
        try:
            # The whole exchange hangs on one timer that progress pushes ahead.
            async with asyncio.timeout(timings.connect_s + answer_s) as deadline:

                def progress() -> None:
                    deadline.reschedule(loop.time() + max(timings.idle_s, answer_s))

                if json is not None:
                    body = json
                    claims = {"bd": hashlib.sha256(json).digest()}
                    sent[hdrs.CONTENT_TYPE] = content_type
                elif container is not None:
                    source, offset, size = container
                    claims = {"off": offset, "len": size}
                    sent[hdrs.CONTENT_TYPE] = content_type
                    body = (
                        source
                        if isinstance(source, bytes)
                        else ContainerPayload(
                            source, offset=offset, size=size, content_type=content_type, progress=progress
                        )
                    )

                async def authorise(
                    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
                ) -> aiohttp.ClientResponse:
                    # For every try: a kept connection that proves dead is replaced silently by the
                    # library, and the same token twice would be a replay.
                    token = self._token(endpoint.authority_id, method, path_qs, **claims)  # type: ignore[arg-type]
                    request.headers[hdrs.AUTHORIZATION] = f"GW {token}"
                    return await handler(request)

                async with self._pool(pool).request(
                    method,
                    origin + path_qs,
                    data=body,
                    headers=sent,
                    ssl=context,
                    proxy=self._proxy_url,
                    allow_redirects=False,
                    middlewares=(authorise,),
                ) as response:
                    latest = loop.time() + max(timings.idle_s, answer_s)

                    def arrived(total: int) -> None:
                        # Silence ends an answer, and so does dripping: some attempts are all there are.
                        end = latest + total / _MIN_ANSWER_BYTES_PER_S
                        deadline.reschedule(min(loop.time() + max(timings.idle_s, answer_s), end))

                    try:
                        if sink is not None and response.status in (200, 206):
                            return await pour(response, sink, sink_offset, progress)
                        return await read_reply(response, arrived)
                    finally:
                        if response.status >= 300:
                            # What is still unsent of a refused body must not keep the connection busy.
                            response.close()
        except OwnFault as exc:
            cause = exc.__cause__
            assert cause is not None
            raise cause from None
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            if isinstance(body, ContainerPayload) and body.fault is not None:
                raise body.fault from None
            _log.debug("peer.trouble %s %s", endpoint.authority_id, type(exc).__name__)
            return Reply(status=0, detail=describe(exc))
        except ValueError:
            if isinstance(body, ContainerPayload) and body.fault is not None:
                raise body.fault from None
            raise

    def _origin(self, endpoint: Endpoint) -> str:
        origin = self._origins.get(endpoint.address)
        if origin is None:
            origin = check_origin(endpoint.address, self._policy).url
            self._origins[endpoint.address] = origin
        return origin

    def _context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return the context that trusts this peer's certificates and no others."""
        identity = self._identity()
        known = self._contexts.get(endpoint.authority_id)
        if known is not None and known[0] == identity and known[1] == endpoint.certificates:
            return known[2]
        context = client_context(identity, endpoint.certificates)
        self._contexts[endpoint.authority_id] = (identity, endpoint.certificates, context)
        return context

    def _pool(self, name: str) -> aiohttp.ClientSession:
        session = self._pools.get(name)
        if session is None or session.closed:
            resolver: AbstractResolver | None = CheckedResolver(self._policy, lookup=self._lookup)
            if self._proxy_url is not None:
                # The proxy is named by the operator and usually stands on an internal address.
                resolver = None
            session = self._pools[name] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=resolver,
                    use_dns_cache=False,
                    limit=0,
                    # Shorter than the server keeps it, so that it is we who close.
                    keepalive_timeout=60.0,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING),
                timeout=aiohttp.ClientTimeout(total=None, connect=self.timings.connect_s),
                max_line_size=_MAX_FIELD_BYTES,
                max_field_size=_MAX_FIELD_BYTES,
                max_headers=_MAX_HEADERS,
                read_bufsize=256 * 1024,
            )
        return session

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._pools = list(self._pools.values()), {}
        for session in pools:
            await session.close()
