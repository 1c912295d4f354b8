"""The listening side of the peer API: connections, their limits, orderly start and stop.

Speaks TLS with the context it is given, which knows who is listed; guards what HTTP itself does
not bound: handshakes, headers that never end, the number of connections. Writes no access log.
A handler is not cancelled when its peer goes away: what a transaction began, it ends.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

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
        self._held: dict[web.RequestHandler, bytes | None] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; with ``port`` 0 the system chooses one. Raises ``OSError``."""
        runner = web.AppRunner(
            self._api.application(),
            handle_signals=False,
            handler_cancellation=False,
            access_log=None,
            auto_decompress=False,
            # Also ends a connection whose first request, or half a header, never gets complete.
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
                lambda: _Arriving(self._admit),
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

    def _admit(self, transport: asyncio.BaseTransport, certificate: bytes | None) -> None:
        """Give a connection, past its handshake, to HTTP, or close it when there are too many.

        Counted by certificate, so that no peer can take the connections of the others.
        """
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        alive = set(server.connections)
        self._held = {handler: held for handler, held in self._held.items() if handler in alive}
        of_this_peer = sum(1 for held in self._held.values() if held == certificate)
        if len(alive) >= self._limits.connections or of_this_peer >= self._limits.connections_per_peer:
            transport.close()
            return
        handler = server()
        self._held[handler] = certificate
        transport.set_protocol(handler)
        handler.connection_made(transport)


class _Arriving(asyncio.Protocol):
    """Stands in until the handshake has shown who is there."""

    def __init__(self, admit: Callable[[asyncio.BaseTransport, bytes | None], None]) -> None:
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = transport.get_extra_info("ssl_object")
        self._admit(transport, connection.getpeercert(binary_form=True))
