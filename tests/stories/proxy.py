"""A small TCP proxy between two gateways that does what networks do: it cuts, or falls silent.

It sees TLS records only. Trouble comes at given numbers of bytes from caller to listener, counted over all
connections, so that a story can say how much was sent again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Trouble = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Proxy:
    """Forwards to ``port``; set it before the first call."""

    listen: int
    port: int = 0
    #: Bytes from caller to listener so far.
    sent: int = 0
    #: How often trouble has come.
    troubles: int = 0
    _due: list[tuple[int, Trouble | None]] = field(default_factory=list)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    def plan(self, moments: Iterable[int], trouble: Trouble | None = None) -> None:
        """Let trouble come at these numbers of bytes: by default the connection is cut."""
        self._due = sorted([*self._due, *((at, trouble) for at in moments)], key=lambda due: due[0])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until one side ends it or trouble comes."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        peer: asyncio.StreamWriter | None = None
        try:
            back, peer = await asyncio.open_connection("127.0.0.1", self.port)
            async with asyncio.TaskGroup() as group:
                answers = group.create_task(_copy(back, writer))
                await self._forward(reader, peer)
                answers.cancel()
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            for end in (writer, peer):
                if end is not None:
                    end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, peer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.sent += len(data)
            if self._due and self.sent >= self._due[0][0]:
                _, trouble = self._due.pop(0)
                self.troubles += 1
                if trouble is None:
                    return
                await trouble()
            peer.write(data)
            await peer.drain()

    async def aclose(self) -> None:
        """End every connection."""
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxy(listen: int) -> AsyncIterator[Proxy]:
    """Serve a proxy on a loopback port."""
    found = Proxy(listen=listen)
    server = await asyncio.start_server(found.serve, "127.0.0.1", listen)
    try:
        yield found
    finally:
        server.close()
        await found.aclose()
        await server.wait_closed()
