"""Loopback mail servers for the mail adapters: an honest one, and one settable way to fail for each step.

They speak real SMTP with real STARTTLS on loopback; what they take is read with the product's own reader,
tokens verified. All authorities and addresses are fictional.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.base import Endpoint, Parcel, Verdict
from adapters.mailformat import checked_content, open_mail
from adapters.mailserver import MailServer, MailTLS, abort_now
from adapters.mimeread import read_mail
from adapters.sealedmail import SealedMailAdapter
from adapters.smtp import MailTimings, SmtpSender
from crypto.errors import Refusal
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey
from crypto.mailtoken import MailClaims, MailKind, Segment, read_mail_token, sign_mail
from crypto.x509 import make_tls_certificate

OURS, THEIRS = "gw@mj.xx.example", "gateway@mj.yy.example"
QUICK = MailTimings(connect_s=0.2, command_s=0.2, idle_s=0.2, answer_s=0.2)
PATIENT = MailTimings(connect_s=5.0, command_s=5.0, idle_s=5.0, answer_s=5.0)

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Handler:
    """Keeps what it is given, or says what it is told to say.

    Attributes:
        answers: Command (``MAIL``, ``RCPT``, ``DATA``) -> reply in place of yes.
        mails: What was taken: envelope sender, recipients, bytes.
        options: The parameters of each MAIL.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.hold: asyncio.Event | None = None
        self.mails: list[tuple[str | None, list[str], bytes]] = []
        self.options: list[list[str]] = []
        self.begun = asyncio.Condition()

    async def mails_begun(self, number: int) -> None:
        """Wait until so many mails were begun."""
        async with self.begun:
            await self.begun.wait_for(lambda: len(self.options) >= number)

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.options.append(options)
        async with self.begun:
            self.begun.notify_all()
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.hold is not None:
            await self.hold.wait()
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from
        self.mails.append((sender, list(envelope.rcpt_tos), envelope.content))
        return "250 taken"


class DyingSMTP(SMTP):
    """Says that it wants the mail, takes its first line, and is gone."""

    async def smtp_DATA(self, arg: str) -> None:
        await self.push("354 go on")
        await self._reader.readline()
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.abort()


async def not_smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(10_000):
        writer.write(b"220-" + b"x" * 500 + b"\r\n")
        await writer.drain()


class MailServerOnLoopback:
    """One SMTP server with STARTTLS, or implicit TLS, or (to be refused) none.

    Args:
        kind: What speaks SMTP; a ``Script`` takes the place of all of it.
    """

    def __init__(self, folder: Path, *, size_limit: int = 64 * 1024 * 1024) -> None:
        self.handler = Handler()
        self.kind: type[SMTP] = SMTP
        self.script: Script | None = None
        self.tls: MailTLS | None = MailTLS.STARTTLS
        self.port = 0
        self.connections = 0
        self._size_limit = size_limit
        self._folder = folder
        self._server: asyncio.Server | None = None
        self._protocols: list[SMTP] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._context = self._make("server")
        self.ca_file = folder / "server.pem"

    def _make(self, name: str) -> ssl.SSLContext:
        der, key = make_tls_certificate("mail server", now=datetime.now(UTC), hosts=("localhost",))
        pem, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        pem.write_text(ssl.DER_cert_to_PEM_cert(der))
        key_file.write_bytes(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key_file)
        return context

    def use_another_certificate(self) -> None:
        self._context = self._make("another")

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        implicit = self._context if self.tls is MailTLS.IMPLICIT else None
        if self.script is not None:
            self._server = await asyncio.start_server(self._run_script, "127.0.0.1", 0)
        else:
            self._server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=implicit)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        self.connections += 1
        is_starttls = self.tls is MailTLS.STARTTLS
        protocol = self.kind(
            self.handler,
            hostname="localhost",
            loop=asyncio.get_running_loop(),
            data_size_limit=self._size_limit,
            tls_context=self._context if is_starttls else None,
            require_starttls=is_starttls,
        )
        self._protocols.append(protocol)
        return protocol

    async def _run_script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert self.script is not None
        self._tasks.add(task)
        try:
            await self.script(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    def drop_connections(self) -> None:
        for protocol in self._protocols:
            if isinstance(protocol.transport, asyncio.WriteTransport):
                abort_now(protocol.transport)
        self._protocols.clear()

    async def stop(self) -> None:
        if self.handler.hold is not None:
            self.handler.hold.set()
        if self._server is not None:
            self._server.close()
        self.drop_connections()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # What the connections still have to do is done before the loop ends.
        for _ in range(5):
            await asyncio.sleep(0)

    def at(self, **changes: Any) -> MailServer:
        """Where the server is, for a client."""
        known: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "tls": self.tls or MailTLS.STARTTLS,
            "ca_file": self.ca_file,
        }
        return MailServer(**known | changes)


class SealedMailPeer:
    """The conformance suite's peer for ``email_sealed``: a mail server on the way and a reader behind it."""

    VERDICT = Verdict.DISPATCHED
    RECEIPTS = 0

    #: What can go wrong on the way. Text: what the server says at a command.
    FAILURES: Mapping[str, tuple[str, str] | Script | type[SMTP] | None] = {
        "absent": None,
        "slow": None,
        "no TLS": None,
        "another certificate": None,
        "silent": silent,
        "not SMTP": not_smtp,
        "endless greeting": endless,
        "dies in the middle of a mail": DyingSMTP,
        "does not take us": ("MAIL", "530 5.7.0 log in first"),
        "greylisted": ("RCPT", "450 4.2.0 come back later"),
        "shuts down": ("RCPT", "421 4.3.2 shutting down"),
        "no such mailbox": ("RCPT", "550 5.1.1 unknown"),
        "mailbox full": ("RCPT", "552 5.2.2 full"),
        "does not like the mail": ("DATA", "554 5.7.1 spam"),
        "no room": ("DATA", "452 4.3.1 no space"),
        "says something else": ("DATA", "251 perhaps"),
    }

    def __init__(self, folder: Path) -> None:
        self.server = MailServerOnLoopback(folder)
        self.own = PrivateKey.generate(KeyUse.REQ, ED25519)
        self.endpoint = Endpoint(authority_id="yy-moj", address=THEIRS, certificates=())

    async def start(self, failure: str | None = None) -> None:
        server, wrong = self.server, self.FAILURES.get(failure or "")
        if failure == "slow":
            server.handler.hold = asyncio.Event()
        elif failure == "no TLS":
            server.tls = None
        elif failure == "another certificate":
            server.use_another_certificate()
        elif isinstance(wrong, tuple):
            server.handler.answers = dict([wrong])
        elif isinstance(wrong, type):
            server.kind = wrong
        elif wrong is not None:
            server.script = wrong
        await server.start()
        if failure == "absent":
            await server.stop()

    async def start_eavesdropped(self) -> None:
        await self.start()

    def token(
        self, to: str, kind: MailKind, *, sha256: str, size: int, segment: Segment | None = None
    ) -> str:
        return sign_mail(
            self.own.signer(),
            sender="xx-moj",
            to=to,
            kind=kind,
            sha256=sha256,
            size=size,
            now=datetime.now(UTC),
            segment=segment,
        )

    def adapter(self, timings: MailTimings = PATIENT, **options: Any) -> SealedMailAdapter:
        sender = SmtpSender(self.server.at(), name="gw.mj.xx.example", timings=timings)
        return SealedMailAdapter(
            sender=sender, mailbox=OURS, token=self.token, now=lambda: datetime.now(UTC), **options
        )

    def quick_adapter(self) -> SealedMailAdapter:
        return self.adapter(QUICK)

    def opened(self) -> list[tuple[MailClaims, bytes]]:
        """What came, mail by mail, tokens verified."""
        found = []
        for _, _, data in self.server.handler.mails:
            mail = open_mail(read_mail(data))
            claims = read_mail_token(mail.token, own="yy-moj", find_key=self._key, now=datetime.now(UTC))
            found.append((claims, checked_content(mail, claims)))
        return found

    def _key(self, aid: str, kid: str) -> PublicKey:
        if (aid, kid) != ("xx-moj", self.own.public.kid):
            raise Refusal("unknown-key")
        return self.own.public

    @property
    def received(self) -> Mapping[tuple[str, str], bytes]:
        """Containers of which every stretch came."""
        held: dict[tuple[str, str], dict[int, bytes]] = {}
        totals = {}
        for claims, content in self.opened():
            if claims.segment is not None:
                key = (claims.sender, claims.segment.bid)
                held.setdefault(key, {})[claims.segment.offset] = content
                totals[key] = claims.segment.total
        joined = {key: b"".join(pieces[at] for at in sorted(pieces)) for key, pieces in held.items()}
        return {key: data for key, data in joined.items() if len(data) == totals[key]}

    def check_seen(self, parcel: Parcel, sealed: bytes, *, urgent: bool) -> None:
        """One mail with the headers of gw-mail/1 and no others, whatever the lane."""
        [(sender, recipients, data)] = self.server.handler.mails
        assert (sender, recipients) == (OURS, [THEIRS])
        mail = read_mail(data)
        said = dict(mail.headers)
        names = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type"}
        assert set(said) == names | {"auto-submitted", "x-auto-response-suppress"}
        assert (said["from"], said["to"], said["subject"]) == (OURS, THEIRS, f"[GW] {parcel.bid}")
        assert [part.media for part in mail.parts][1:] == [
            "application/vnd.gw.bundle",
            "application/vnd.gw.mail+jws",
        ]
        assert mail.parts[1].body() == sealed

    async def stop(self) -> None:
        await self.server.stop()
