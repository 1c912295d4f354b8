"""Fetching mail from the own mailbox: IMAP under TLS, woken by IDLE, in one thread of its own.

Each mail is handed out whole and stays in the mailbox until whoever took it says it is done: what happens in
between, here or there, makes the mail come again. A mail that was not done is offered again later, so that
it holds up none behind it. Trouble with the server never ends the fetching: it is noted, and the server is
tried again.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError  # type: ignore[import-untyped]

from adapters.mailserver import MailServer, MailTLS

_T = TypeVar("_T")

#: Seconds: to connect and log in; for one answer; of one IDLE, or between looks where there is none.
_CONNECT_S, _READ_S, _IDLE_S, _POLL_S = 30.0, 120.0, 60.0, 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
#: A mail that was not done is offered again after so many seconds, each time later, up to eight times that.
_AGAIN_S = 60.0
_LATEST_AGAIN = 8
#: Mails of one look into the mailbox, and how many of them were offered before: whoever fills the mailbox,
#: or leaves mails there that nobody takes, must not keep new ones waiting.
_ONE_LOOK, _AGAIN_IN_LOOK = 128, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One mail.

    Attributes:
        raw: Its bytes; one byte more than the limit where it is larger than that.
        key: Names it in this mailbox as long as the mailbox lives.
        done: Takes it out of the mailbox; called once what came of it is durable, and before the next mail is
            asked for. Never raises.
    """

    raw: bytes = field(repr=False)
    key: str
    done: Callable[[], Awaitable[None]] = field(repr=False)


class Mailbox:
    """One folder of the own mailbox.

    Args:
        max_bytes: Of one mail; what is larger is handed out cut, so that it can be refused.
        pause: How to wait before the server is tried again.

    Attributes:
        trouble: What is wrong with the server now, ``None`` while connected.
    """

    def __init__(
        self,
        server: MailServer,
        *,
        folder: str = "INBOX",
        max_bytes: int = 64 * 1024 * 1024,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        again_s: float = _AGAIN_S,
    ) -> None:
        self._server = server
        self._folder = folder
        self._max_bytes = max_bytes
        self._pause = pause
        self._again_s = again_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailbox")
        self._client: IMAPClient | None = None
        self._validity = 0
        #: Done but perhaps still there, and when each other mail may be offered again; by their keys.
        self._done: set[str] = set()
        self._rests_until: dict[str, float] = {}
        self._offered: dict[str, int] = {}
        self._is_more_waiting = False
        self._is_closed = False
        self.trouble: str | None = "not connected yet"

    async def fetch(self) -> AsyncGenerator[Incoming, None]:
        """Yield mails as they come, until closed.

        Raises ``OSError`` at the beginning if the own certificate or password file cannot be read.
        """
        await asyncio.to_thread(_read_files, self._server)
        pause_s = _FIRST_PAUSE_S
        while not self._is_closed:
            try:
                await self._in_thread(self._connect)
                self.trouble, pause_s = None, _FIRST_PAUSE_S
                while not self._is_closed:
                    for uid in await self._in_thread(self._waiting):
                        incoming = await self._offer(uid)
                        if incoming is not None:
                            yield incoming
                    wait_s = await self._in_thread(self._wait)
                    if wait_s:
                        await self._pause(wait_s)
            except (IMAPClientError, OSError, ValueError) as trouble:
                # ValueError: what the library says of an answer that is no answer.
                self.trouble = type(trouble).__name__
                if not self._is_closed:
                    await self._in_thread(self._disconnect)
                    await self._pause(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def check(self) -> str | None:
        """Connect, log in, open the folder; return what is wrong, ``None`` if nothing is. Fetches nothing.

        For a mailbox that nobody fetches from; it is closed afterwards. Raises ``OSError`` as ``fetch`` does.
        """
        await asyncio.to_thread(_read_files, self._server)
        try:
            await self._in_thread(self._connect)
        except (IMAPClientError, OSError, ValueError) as trouble:
            return type(trouble).__name__
        finally:
            await self.aclose()
        return None

    async def aclose(self) -> None:
        """End the connection, also one that is waiting."""
        self._is_closed = True
        client = self._client
        if client is not None:
            # Through a descriptor of its own: the thread's socket object is the thread's alone.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(client.socket().fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)
        await self._in_thread(self._disconnect)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _offer(self, uid: int) -> Incoming | None:
        key = f"{self._validity}.{uid}"
        times = self._offered[key] = self._offered.get(key, 0) + 1
        rest_s = self._again_s * min(2 ** (times - 1), _LATEST_AGAIN)
        self._rests_until[key] = time.monotonic() + rest_s
        raw = await self._in_thread(partial(self._read, uid))
        if raw is None:
            return None

        async def done() -> None:
            self._done.add(key)
            try:
                await self._in_thread(self._remove)
            except (IMAPClientError, OSError, RuntimeError) as trouble:
                # Gone, or closed: it is removed after the next connect, or comes again and changes nothing.
                self.trouble = type(trouble).__name__

        return Incoming(raw=raw, key=key, done=done)

    # What follows runs in the thread.

    def _connect(self) -> None:
        server = self._server
        context = server.context()
        is_implicit = server.tls is MailTLS.IMPLICIT
        client = IMAPClient(
            server.host,
            server.port,
            ssl=is_implicit,
            ssl_context=context if is_implicit else None,
            timeout=SocketTimeout(connect=_CONNECT_S, read=_READ_S),
        )
        self._client = client
        if not is_implicit:
            # Nothing is said in clear: a server that does not offer it is left.
            client.starttls(context)
        if server.user is not None:
            client.login(server.user, server.password())
        selected = client.select_folder(self._folder)
        self._validity = int(selected[b"UIDVALIDITY"])

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(IMAPClientError, OSError, AttributeError):
                client.shutdown()

    def _connected(self) -> IMAPClient:
        if self._client is None:
            raise OSError("not connected")
        return self._client

    def _waiting(self) -> list[int]:
        self._remove()
        now = time.monotonic()
        client = self._connected()
        self._has_news()
        found = {f"{self._validity}.{uid}": uid for uid in sorted(map(int, client.search("UNDELETED")))}
        rests = self._rests_until = {key: at for key, at in self._rests_until.items() if key in found}
        self._offered = {key: times for key, times in self._offered.items() if key in found}
        new = [uid for key, uid in found.items() if key not in self._offered]
        old = sorted((at, found[key]) for key, at in rests.items() if at <= now)
        again = [uid for _, uid in old[:_AGAIN_IN_LOOK]]
        self._is_more_waiting = len(new) > _ONE_LOOK or len(old) > _AGAIN_IN_LOOK
        return [*_from_both_ends(new, _ONE_LOOK), *again]

    def _read(self, uid: int) -> bytes | None:
        item = f"BODY.PEEK[]<0.{self._max_bytes + 1}>"
        fetched: dict[bytes, Any] = self._connected().fetch([uid], [item]).get(uid, {})
        raw = fetched.get(b"BODY[]<0>")
        return raw if isinstance(raw, bytes) else None

    def _remove(self) -> None:
        client = self._connected()
        ours = {key for key in self._done if key.startswith(f"{self._validity}.")}
        if ours:
            uids = [int(key.partition(".")[2]) for key in ours]
            client.delete_messages(uids)
            if client.has_capability("UIDPLUS"):
                client.uid_expunge(uids)
            else:
                client.expunge()
        self._done.clear()

    def _has_news(self) -> bool:
        """Whether the server spoke of new mail since this was asked last.

        It may do so in any answer, also in that to a search which did not find the mail yet; IDLE would not
        say it again.
        """
        return bool(self._connected()._imap.response("EXISTS")[1] != [None])

    def _wait(self) -> float:
        """Return after news or a while; where the server cannot say, return at once how long to wait."""
        client = self._connected()
        if self._has_news() or self._is_more_waiting:
            return 0.0
        rests = [at - time.monotonic() for at in self._rests_until.values()]
        most = max(0.1, min([_IDLE_S, *rests]))
        if not client.has_capability("IDLE"):
            return min(most, _POLL_S)
        client.idle()
        try:
            if not _is_buffered(client):
                client.idle_check(timeout=most)
        finally:
            client.idle_done()
        return 0.0


def _from_both_ends(uids: list[int], most: int) -> list[int]:
    """Return at most so many, the oldest first; of more, half are the newest: a flood lies between them."""
    return uids if len(uids) <= most else uids[: most // 2] + uids[-(most // 2) :]


def _is_buffered(client: IMAPClient) -> bool:
    """Whether the server said something together with its answer to IDLE.

    The library waits on the socket, from which that was read already.
    """
    sock = client.socket()
    sock.settimeout(0)
    try:
        return bool(client._imap.file.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        sock.settimeout(_READ_S)


def _read_files(server: MailServer) -> None:
    server.context()
    if server.user is not None:
        server.password()
