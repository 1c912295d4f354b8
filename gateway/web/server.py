"""The listening side of the peer API: connections, their limits, orderly start and stop.

Speaks TLS with the context it is given, which knows who is listed; guards what HTTP itself does
not bound: handshakes, headers that never end, the number of connections. Writes no access log.
A handler is not cancelled when its peer goes away: what a transaction began, it ends.
"""

import asyncio
import socket
import ssl

from aiohttp import web

from gateway.web.intake import PeerLimits
from gateway.web.peer import PeerAPI

#: One header line or the request line; the authorisation is the longest, at most 4 KiB.
_MAX_FIELD_BYTES = 4352
_MAX_LINE_BYTES = 1024
_MAX_HEADERS = 24

_HANDSHAKE_S = 10.0
#: Buffer of one connection; twice as much is the most a body may be ahead of the service.
_READ_BYTES = 256 * 1024
#: How long an orderly stop waits for requests under way.
_STOP_S = 5.0


class PeerServer:
    """Serves one ``PeerAPI`` over mutual TLS."""

    def __init__(self, *, api: PeerAPI, tls: ssl.SSLContext, limits: PeerLimits) -> None:
        self._api = api
        self._tls = tls
        self._limits = limits
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._silent: set[web.RequestHandler] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; with ``port`` 0 the system chooses one. Raises ``OSError``."""
        app = self._api.application()
        app.middlewares.insert(0, self._spoken)
        runner = web.AppRunner(
            app,
            handle_signals=False,
            handler_cancellation=False,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self._limits.keepalive_s,
            lingering_time=self._limits.lingering_s,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_FIELD_BYTES,
            max_headers=_MAX_HEADERS,
            read_bufsize=_READ_BYTES,
            shutdown_timeout=_STOP_S,
        )
        await runner.setup()
        self._runner = runner
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connection,
                host,
                port,
                ssl=self._tls,
                backlog=256,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_STOP_S,
            )
        except OSError:
            await runner.cleanup()
            raise
        bound: socket.socket = self._server.sockets[0]
        return int(bound.getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, let requests under way end, then close every connection."""
        server, runner, self._server, self._runner = self._server, self._runner, None, None
        if server is not None:
            server.close()
        self._api.stop_polls()
        if runner is not None:
            await runner.shutdown()
            await runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        assert self._runner is not None
        assert self._runner.server is not None
        if len(self._runner.server.connections) >= self._limits.connections:
            return _Refusing()
        protocol: web.RequestHandler = self._runner.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._limits.first_request_s, self._close_if_silent, protocol)
        return protocol

    def _close_if_silent(self, protocol: web.RequestHandler) -> None:
        """End a connection whose first request never came: the library's own timer starts only after it."""
        if protocol in self._silent:
            self._silent.discard(protocol)
            protocol.force_close()

    @web.middleware
    async def _spoken(self, request: web.Request, handler: object) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        response: web.StreamResponse = await handler(request)  # type: ignore[operator]
        return response


class _Refusing(asyncio.Protocol):
    """A connection beyond the limit: closed as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
