"""The listening side of the duty page: a socket of its own, apart from peers and from the own command line.

Bounds what HTTP itself does not: headers, connections, how long a connection may say nothing. With a
certificate of its own it looks once a minute whether that was renewed; nobody is cut off for it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import structlog
from aiohttp import web

from gateway.web.duty.rate import network_of

#: A session's cookie and what browsers say of themselves; far less than the usual 8 KiB for each line.
_MAX_FIELD_BYTES = 4096
_MAX_LINE_BYTES = 2048
_MAX_HEADERS = 48

_HANDSHAKE_S = 10.0
#: Also ends a connection whose first request never gets complete.
_KEEPALIVE_S = 60.0
_STOP_S = 5.0
_MOST_CONNECTIONS = 512
#: Of one address, where browsers come to us and not to a proxy: an office behind one address has enough.
_MOST_OF_ONE = 64
_RENEWAL_S = 60.0

_log = structlog.get_logger()


class DutyServer:
    """Serves the page from ``start`` to ``stop``, with TLS where there is a certificate."""

    def __init__(
        self,
        app: web.Application,
        *,
        tls: ssl.SSLContext | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._app = app
        self._tls = tls
        self._certificate = certificate
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; with ``port`` 0 the system chooses one. Raises ``OSError``."""
        runner = web.AppRunner(
            self._app,
            handle_signals=False,
            handler_cancellation=False,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=_STOP_S,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_FIELD_BYTES,
            max_headers=_MAX_HEADERS,
            shutdown_timeout=_STOP_S,
        )
        await runner.setup()
        self._runner = runner
        with_tls = self._tls is not None
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._arriving(runner),
                host,
                port,
                ssl=self._tls,
                backlog=128,
                ssl_handshake_timeout=_HANDSHAKE_S if with_tls else None,
                ssl_shutdown_timeout=_STOP_S if with_tls else None,
            )
        except OSError:
            await runner.cleanup()
            raise
        if self._certificate is not None:
            self._renewal = asyncio.create_task(self._renewed(*self._certificate))
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, let requests under way end, then close every connection."""
        server, runner, self._server, self._runner = self._server, self._runner, None, None
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        if server is not None:
            server.close()
        if runner is not None:
            await runner.shutdown()
            await runner.cleanup()

    def _arriving(self, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
        server = runner.server
        assert server is not None
        is_behind_proxy = self._tls is None

        def arriving() -> asyncio.Protocol:
            if len(server.connections) >= _MOST_CONNECTIONS:
                return _Full()
            return server() if is_behind_proxy else _Counted(server)

        return arriving

    async def _renewed(self, certificate: Path, key: Path) -> None:
        """Take a certificate that was renewed into use, for connections from then on."""
        seen = _stamp(certificate)
        while True:
            await asyncio.sleep(_RENEWAL_S)
            stamp = await asyncio.to_thread(_stamp, certificate)
            if stamp in (seen, None) or self._tls is None:
                continue
            seen = stamp
            with contextlib.suppress(OSError):
                # One that does not fit is left alone: the old one is still good, and the doctor looks at it.
                self._tls.load_cert_chain(certificate, key)
                _log.info("duty.certificate_renewed")


def _stamp(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


class _Counted(asyncio.Protocol):
    """Hands a connection on to HTTP unless its address has as many as one may have."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = _client_of(transport)
        if sum(_client_of(held.transport) == client for held in self._server.connections) >= _MOST_OF_ONE:
            transport.close()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)


def _client_of(transport: asyncio.BaseTransport | None) -> str | None:
    """Return the network at the other end; ``None`` once the connection is gone."""
    peer = None if transport is None else transport.get_extra_info("peername")
    return network_of(peer[0]) if peer else None


class _Full(asyncio.Protocol):
    """Closes a connection for which there is no place."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
