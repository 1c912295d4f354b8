"""Handing mail to the own mail server: SMTP under TLS, a few kept connections, every end an ``Outcome``.

A server without TLS, or with another certificate, gets no byte of mail. What a server answers is not signed,
so only its limit of size is taken as final; everything else is tried again. A connection that dies in the
middle of a mail leaves it open whether the mail went out: the next attempt sends it again, and a repeat
changes nothing. Routine mail never holds up urgent mail.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import aiosmtplib

from adapters.base import Outcome, Verdict
from adapters.mailserver import MailServer, MailTLS, abort_now
from adapters.mimeheaders import mailbox_form

#: Connections of each lane, at most.
_CONNECTIONS = 2
#: A mail leaves in stretches of about this size; no second copy of it is made.
_STRETCH = 256 * 1024

_ENHANCED = re.compile(r"[245]\.([0-9]{1,3}\.[0-9]{1,3})(?![0-9])")
#: RFC 3463: message too big for the system; longer than an administrator allows.
_TOO_LARGE = frozenset({"3.4", "2.3"})
#: The mailbox is full.
_FULL = "2.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTimings:
    """How long a server may take, seconds.

    Attributes:
        connect_s: Until a connection is secured and logged in.
        command_s: To answer one command.
        idle_s: Without taking a byte of a mail.
        answer_s: From the mail's last byte to the answer; RFC 5321 asks for ten minutes.
    """

    connect_s: float = 30.0
    command_s: float = 60.0
    idle_s: float = 60.0
    answer_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One mail for the server.

    Attributes:
        sender: Envelope sender, ``None`` for the null sender: nothing is reported back to anybody then.
        recipients: Envelope recipients; the mail goes to all of them or to none.
        read: Gives the mail in stretches of whole lines: ASCII, CRLF line ends and no others, ends with one.
            Called more than once, and always gives the same.
        envid: Asks for delivery notices under this identifier, where the server can.
    """

    sender: str | None
    recipients: tuple[str, ...]
    read: Callable[[], AsyncIterator[bytes]] = field(repr=False)
    envid: str | None = None


def in_memory(*stretches: bytes) -> Callable[[], AsyncIterator[bytes]]:
    """Return the ``read`` of a mail that is there in stretches of whole lines."""

    async def read() -> AsyncIterator[bytes]:
        for stretch in stretches:
            yield stretch

    return read


class SmtpSender:
    """Sends through one server. Safe to use for several mails at once.

    Args:
        name: What the gateway calls itself to the server, a DNS name.
    """

    def __init__(self, server: MailServer, *, name: str, timings: MailTimings | None = None) -> None:
        self._server = server
        self._name = name
        self._timings = timings if timings is not None else MailTimings()
        self._lanes = {urgent: _Lane() for urgent in (False, True)}
        self._tasks: set[asyncio.Task[Outcome]] = set()
        self._busy: set[_Connection] = set()
        self._is_closed = False

    async def send(self, mail: Submission, *, urgent: bool = False) -> Outcome:
        """Make one attempt; ``DISPATCHED`` when the server has taken the mail.

        Raises ``ValueError`` for a mail that is not in order, ``OSError`` if the own certificate or password
        file cannot be read.
        """
        size = await _check(mail)
        task = asyncio.create_task(self._attempt(mail, size, self._lanes[urgent]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._is_closed and task.cancelled() and current is not None and not current.cancelling():
                return Outcome(verdict=Verdict.RETRY, detail="closed")
            raise

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as ``RETRY``."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        # A cancellation that comes together with an answer is lost in the library; without its connection the
        # attempt cannot go on.
        for connection in self._busy:
            connection.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes.values():
            while lane.idle:
                await lane.idle.pop().quit()

    async def check(self) -> str | None:
        """Connect, log in and leave; return what is wrong, ``None`` if nothing is. No mail is sent.

        Raises ``OSError`` if the own certificate or password file cannot be read.
        """
        connection = await asyncio.to_thread(_Connection, self._server)
        try:
            await self._open(connection)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as trouble:
            connection.abort()
            return _said(trouble)
        await connection.quit()
        return None

    async def _attempt(self, mail: Submission, size: int, lane: "_Lane") -> Outcome:
        if self._is_closed:
            return Outcome(verdict=Verdict.RETRY, detail="closed")
        async with lane.places:
            kept = await self._kept(lane)
            # Own files first: that they cannot be read is our defect and no outcome.
            connection = kept if kept is not None else await asyncio.to_thread(_Connection, self._server)
            self._busy.add(connection)
            try:
                if kept is None:
                    await self._open(connection)
                return await self._transact(connection, mail, size)
            except _Answered as answer:
                await connection.reset(self._timings.command_s)
                return answer.outcome
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as trouble:
                connection.abort()
                return Outcome(verdict=Verdict.RETRY, detail=_said(trouble))
            except asyncio.CancelledError:
                connection.abort()
                raise
            finally:
                self._busy.discard(connection)
                if connection.is_open:
                    lane.idle.append(connection)

    async def _kept(self, lane: "_Lane") -> "_Connection | None":
        """Return a connection that is still good, or ``None``."""
        while lane.idle:
            connection = lane.idle.pop()
            await connection.reset(self._timings.command_s)
            if connection.is_open:
                return connection
        return None

    async def _open(self, connection: "_Connection") -> None:
        try:
            async with asyncio.timeout(self._timings.connect_s):
                await connection.open(self._name, self._timings.connect_s)
        except ssl.SSLError:
            raise
        except ValueError as error:
            # What the library says of an answer that is no answer.
            raise aiosmtplib.SMTPException(type(error).__name__) from None
        if self._is_closed:
            connection.abort()
            raise aiosmtplib.SMTPServerDisconnected("closed")

    async def _transact(self, connection: "_Connection", mail: Submission, size: int) -> Outcome:
        client, command_s = connection.client, self._timings.command_s
        offered = client.esmtp_extensions.get("size", "")
        if offered.isdecimal() and 0 < int(offered) < size:
            return _too_large("the server announces a smaller limit")
        sender_options, recipient_options = _options(client, mail, size)
        with _answers("MAIL"):
            await client.mail(mail.sender or "", options=sender_options, timeout=command_s)
        for recipient in mail.recipients:
            with _answers("RCPT"):
                await client.rcpt(
                    recipient, options=[o.format(recipient) for o in recipient_options], timeout=command_s
                )
        with _answers("DATA"):
            await connection.data(mail, self._timings)
        return Outcome(verdict=Verdict.DISPATCHED, detail="taken by the mail server")


class _Lane:
    def __init__(self) -> None:
        self.places = asyncio.Semaphore(_CONNECTIONS)
        self.idle: list[_Connection] = []


class _Connection:
    """One connection to the server, secured before anything else is said.

    Raises ``OSError`` if the own files cannot be read.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._context = server.context()
        self._password = server.password() if server.user is not None else None
        self._writer: asyncio.StreamWriter | None = None
        self.client = aiosmtplib.SMTP()

    @property
    def is_open(self) -> bool:
        return self.client.is_connected

    async def open(self, name: str, timeout_s: float) -> None:
        """Connect, secure, log in. Raises the library's errors, ``OSError``, ``ValueError``."""
        is_implicit = self._server.tls is MailTLS.IMPLICIT
        self.client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            local_hostname=name,
            timeout=timeout_s,
            use_tls=is_implicit,
            # True, not None: a server that does not offer it is left.
            start_tls=not is_implicit,
            tls_context=self._context,
        )
        await self.client.connect()
        protocol = self.client.protocol
        if protocol is None or self.client.get_transport_info("ssl_object") is None:
            raise aiosmtplib.SMTPServerDisconnected("not secured")
        # Kept as long as the connection: a writer that is dropped closes its transport.
        self._writer = asyncio.StreamWriter(
            protocol.transport,  # type: ignore[arg-type]
            protocol,
            None,
            asyncio.get_running_loop(),
        )
        await self.client.ehlo()
        password, self._password = self._password, None
        if self._server.user is not None and password is not None:
            await self.client.login(self._server.user, password)

    async def data(self, mail: Submission, timings: MailTimings) -> None:
        """Send the mail's bytes, lines that begin with a dot as RFC 5321 says.

        Raises ``SMTPResponseException`` for any answer but yes.
        """
        answer = await self.client.execute_command(b"DATA", timeout=timings.command_s)
        if answer.code != 354:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        writer, protocol = self._writer, self.client.protocol
        if writer is None or protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("closed")
        async for lines in mail.read():
            for stretch in _stuffed(lines):
                writer.write(stretch)
                async with asyncio.timeout(timings.idle_s):
                    await writer.drain()
        protocol.write(b".\r\n")
        answer = await protocol.read_response(timeout=timings.answer_s)
        if answer.code != 250:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)

    async def reset(self, timeout_s: float) -> None:
        """Make ready for the next mail, or close."""
        if self.is_open:
            try:
                await self.client.rset(timeout=timeout_s)
            except (aiosmtplib.SMTPException, OSError):
                self.abort()

    async def quit(self) -> None:
        """Say good-bye, without waiting long for the answer."""
        if self.is_open:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self.client.quit(timeout=1.0)
        self.abort()

    def abort(self) -> None:
        """Close at once: the library's way waits for the other side to say that TLS ends."""
        transport = self._writer.transport if self._writer is not None else self.client.transport
        self.client.close()
        if isinstance(transport, asyncio.WriteTransport):
            abort_now(transport)


class _Answered(Exception):
    """The server said no."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@contextlib.contextmanager
def _answers(command: str) -> Iterator[None]:
    try:
        yield
    except aiosmtplib.SMTPResponseException as answer:
        raise _Answered(_judge(command, answer.code, answer.message)) from None


def _judge(command: str, code: int, message: str) -> Outcome:
    """Return what a refusal of a command means; its text is not kept, because it may quote anything."""
    enhanced = match[1] if (match := _ENHANCED.match(message)) else None
    detail = f"{command} answered {code}" if enhanced is None else f"{command} answered {code} x.{enhanced}"
    if 500 <= code < 600 and (enhanced in _TOO_LARGE or (code == 552 and enhanced is None)):
        return _too_large(detail)
    return Outcome(verdict=Verdict.RETRY, code="quota" if enhanced == _FULL else None, detail=detail)


def _too_large(detail: str) -> Outcome:
    return Outcome(verdict=Verdict.REFUSED, code="too-large", detail=detail)


def _said(trouble: Exception) -> str:
    """Return what happened without a server's text."""
    if isinstance(trouble, aiosmtplib.SMTPResponseException):
        return f"{type(trouble).__name__} {trouble.code}"
    return type(trouble).__name__


def _options(client: aiosmtplib.SMTP, mail: Submission, size: int) -> tuple[list[str], list[str]]:
    for_sender, for_recipients = [], []
    if client.supports_extension("size"):
        for_sender.append(f"SIZE={size}")
    if mail.envid is not None and client.supports_extension("dsn"):
        for_sender += ["RET=HDRS", f"ENVID={mail.envid}"]
        for_recipients += ["NOTIFY=SUCCESS,FAILURE,DELAY", "ORCPT=rfc822;{}"]
    return for_sender, for_recipients


def _stuffed(lines: bytes) -> Iterator[bytes]:
    """Yield lines in stretches of whole lines, a dot before each line that begins with one."""
    begin = 0
    while begin < len(lines):
        end = lines.find(b"\n", begin + _STRETCH) + 1 or len(lines)
        stretch = lines[begin:end].replace(b"\r\n.", b"\r\n..")
        yield b"." + stretch if stretch.startswith(b".") else stretch
        begin = end


async def _check(mail: Submission) -> int:
    """Return the mail's size; ``ValueError`` unless the server sees just this mail, for these addresses."""
    size = 0
    async for lines in mail.read():
        size += len(lines)
        if not (lines.isascii() and lines.endswith(b"\r\n")):
            raise ValueError("a mail is ASCII, and it and its stretches end with a line end")
        # One kind of line end: where servers differ about others, a second mail can be smuggled into one.
        if not lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r"):
            raise ValueError("a mail has line ends that are not CRLF")
    for address in (*mail.recipients, *(() if mail.sender is None else (mail.sender,))):
        if mailbox_form(address) is None:
            raise ValueError("not a mailbox")
    if (
        not size
        or not mail.recipients
        or (mail.envid is not None and not re.fullmatch(r"[0-9a-zA-Z.-]{1,100}", mail.envid))
    ):
        raise ValueError("no mail, no recipient, or no envelope identifier")
    return size
