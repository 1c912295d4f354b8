"""The inlet behind the site's mail server: LMTP on a Unix socket.

A mail is taken with 250 only after the handler has made it durable; whatever else happens is a 4xx, and the
mail server keeps the mail and comes again. So nothing is lost between the two, and a mail that came twice
changes nothing. Who may connect is a matter of the socket's folder, and no mail is believed for that.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

#: Takes one mail: its bytes and its envelope sender, ``""`` for the null sender. Durable when it returns.
Take = Callable[[bytes, str], Awaitable[None]]

#: Connections with a mail under way; the server brings the others later.
_AT_ONCE = 4
_IDLE_S = 300.0

# The library would log the lines of a mail for whoever turns its debugging on.
logging.getLogger("mail.log").disabled = True


class LmtpInlet:
    """Listens on ``path`` once started.

    Args:
        take: What it raises is answered with 451.
        max_bytes: Of one mail; a larger one is refused for good with 552.

    Attributes:
        failed: How many mails were sent back for later.
    """

    def __init__(self, take: Take, *, path: Path, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._take = take
        self._path = path
        self._max_bytes = max_bytes
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.failed = 0

    async def start(self) -> None:
        """Listen; a socket that a process before us left is replaced.

        Raises ``OSError`` if the socket cannot be made.
        """
        self._server = await asyncio.get_running_loop().create_unix_server(self._connect, self._path)
        # The mail server's user comes in by the group; nobody else does.
        self._path.chmod(0o660)

    async def stop(self) -> None:
        """Stop listening; a mail under way was not taken, and comes again."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _connect(self) -> LMTP:
        return _Connection(
            _Handler(self),
            connections=self._connections,
            hostname="gateway",
            ident="LMTP",
            loop=asyncio.get_running_loop(),
            data_size_limit=self._max_bytes,
            timeout=_IDLE_S,
        )

    async def taken(self, raw: bytes, sender: str) -> str:
        """Hand one mail on and return the answer to the server."""
        try:
            await self._take(raw, sender)
        except Exception:
            # Whatever it was is in the handler's log; here it only counts that the mail is not durable.
            self.failed += 1
            return "451 4.3.0 not now"
        return "250 2.0.0 taken"

    def has_room(self, session: Session) -> bool:
        """Whether one more connection may have a mail under way."""
        busy = {id(c.session) for c in self._connections if c.envelope is not None and c.envelope.rcpt_tos}
        return len(busy - {id(session)}) < _AT_ONCE


class _Connection(LMTP):
    """One connection, known to the inlet as long as it lives."""

    def __init__(self, handler: "_Handler", *, connections: "set[_Connection]", **options: object) -> None:
        super().__init__(handler, **options)  # type: ignore[arg-type]
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)

    def abort(self) -> None:
        """Close without an answer."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Handler:
    """What is asked of the inlet for each command. Methods are called by their names."""

    def __init__(self, inlet: LmtpInlet) -> None:
        self._inlet = inlet

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take one recipient: LMTP owes an answer for each, and the library gives one."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if not self._inlet.has_room(session):
            return "451 4.3.2 too many at once"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 yes"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Have the mail made durable, then say so."""
        raw, sender = envelope.original_content, envelope.mail_from
        # Not kept by the session as well while the mail is worked on.
        envelope.content = envelope.original_content = None
        # The library writes the null sender as it stands in the command.
        return await self._inlet.taken(raw or b"", "" if sender in (None, "<>") else str(sender))

    async def handle_exception(self, _error: Exception) -> str:
        """Answer our own defects as trouble that passes."""
        return "451 4.3.0 not now"
