"""Receivers of notices: one in memory, a real web server, a real mail server on loopback; each can fail.

The web server verifies signatures with an implementation of its own, made from the text of the Standard
Webhooks specification 1.0.0 and RFC 2104, and shares no line with the one it judges.
"""

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.alarm import AlarmPath, Notice, NoticeKind
from adapters.base import Outcome, Verdict
from adapters.egress import Network
from adapters.noticemail import MailPath
from adapters.smtp import SmtpSender
from adapters.webhook import WebhookPath, WebhookPolicy, new_secret
from crypto.x509 import make_tls_certificate
from tests.adapters.mailpeers import OURS, QUICK, MailServerOnLoopback

#: A notice as a pager makes it; its text has more than ASCII.
NOTICE = Notice(
    id="0123456789abcdef0123456789abcdef-1",
    kind=NoticeKind.PAGE,
    level="emergency",
    count=2,
    title="Rogatory: 2 × emergency",
    text="Two things wait for a person.\nاثنان\nhttps://duty.example.org/\nCode: AAAA-BBBB-CCCC-DDDD",
    link="https://duty.example.org/",
    code="AAAA-BBBB-CCCC-DDDD",
    at=datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
)


@dataclass(frozen=True)
class Heard:
    """What a receiver got of one ring."""

    id: str
    title: str
    text: str


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104 by its formula."""
    key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()


def is_signed(secret: str, headers: Any, body: bytes, *, now: float, tolerance_s: float = 300.0) -> bool:
    """Judge a request as a receiver does: right key, these very bytes, not old."""
    key = base64.b64decode(secret.split("_", 1)[1])
    id, at = headers["webhook-id"], headers["webhook-timestamp"]
    expected = base64.b64encode(hmac_sha256(key, id.encode() + b"." + at.encode() + b"." + body)).decode()
    signatures = [s.split(",", 1) for s in headers["webhook-signature"].split(" ")]
    return "." not in id and abs(now - int(at)) <= tolerance_s and ["v1", expected] in signatures


@dataclass
class FakePath:
    """A path in memory. ``answers``: what it says to the next rings; then it takes everything."""

    heard: list[tuple[str, Notice]] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)
    is_down: bool = False

    async def ring(self, target: str, notice: Notice) -> Outcome:
        """Take a notice, or do what was told."""
        if self.is_down:
            return Outcome(verdict=Verdict.RETRY, code="no-answer")
        if self.answers:
            return self.answers.pop(0)
        self.heard.append((target, notice))
        return Outcome(verdict=Verdict.DISPATCHED)

    async def aclose(self) -> None:
        """Nothing to close."""

    def to(self, target: str) -> list[Notice]:
        """Return what came for one target."""
        return [notice for heard, notice in self.heard if heard == target]


class FakeReceiver:
    """The path in memory, as the contract's tests use it."""

    FAILURES = ("down",)
    target = "memory"

    def __init__(self, _folder: Path) -> None:
        self._path = FakePath()

    async def start(self, failure: str | None = None) -> None:
        """Begin, failing if told so."""
        self._path.is_down = failure is not None

    def path(self) -> AlarmPath:
        """Return the path under test."""
        return self._path

    def heard(self) -> list[Heard]:
        """Return what arrived."""
        return [Heard(id=n.id, title=n.title, text=n.text) for _, n in self._path.heard]

    async def stop(self) -> None:
        """Nothing to stop."""


class WebhookReceiver:
    """A web server that takes webhooks, over TLS; what is not signed rightly is not taken."""

    FAILURES = ("nobody-listens", "status-500", "status-404", "redirect", "hangs", "wrong-secret", "no-file")
    target = "duty.webhook"

    def __init__(self, folder: Path, *, tls: bool = True, clock: Callable[[], float] | None = None) -> None:
        self.folder = folder
        self.secret = new_secret()
        #: Where more than one path leads here: any of these.
        self.secrets: list[str] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.refused = 0
        self._arrived = asyncio.Condition()
        self._clock = clock or (lambda: datetime.now(UTC).timestamp())
        self._tls = tls
        self._failure: str | None = None
        self._runner: web.AppRunner | None = None
        self.ca_file: Path | None = None
        self.port = 0

    async def start(self, failure: str | None = None) -> None:
        """Listen, failing in this way."""
        self._failure = failure
        app = web.Application()
        app.router.add_post("/notify", self._take)
        app.router.add_post("/elsewhere", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context() if self._tls else None)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if failure == "nobody-listens":
            await self._runner.cleanup()
        if failure != "no-file":
            secret = new_secret() if failure == "wrong-secret" else self.secret
            self.write(f"{'https' if self._tls else 'http'}://localhost:{self.port}/notify", secret)

    def write(self, url: str, secret: str, name: str = target) -> None:
        """Write the file of a path."""
        file = self.folder / name
        file.write_text(f"{url}\n{secret}\n")
        file.chmod(0o600)

    def path(self, **changes: Any) -> WebhookPath:
        """Return the path under test."""
        given: dict[str, Any] = {
            "folder": self.folder,
            "policy": WebhookPolicy(network=Network.LAB),
            "ca_file": self.ca_file,
            "answer_s": 0.2 if self._failure else 5.0,
            "seconds": self._clock,
        }
        return WebhookPath(**{**given, **changes})

    async def until(self, count: int) -> None:
        """Wait until so many notices have arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    def heard(self) -> list[Heard]:
        """Return what arrived, signed rightly."""
        forms = [(headers["webhook-id"], json.loads(body)) for headers, body in self.requests]
        return [Heard(id=id, title=form["title"], text=form["message"]) for id, form in forms]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._failure == "hangs":
            await asyncio.Event().wait()
        if self._failure == "redirect":
            return web.Response(status=307, headers={"Location": "/elsewhere"})
        if self._failure in ("status-500", "status-404"):
            return web.Response(status=int(self._failure[-3:]))
        known = self.secrets or [self.secret]
        if not any(is_signed(secret, request.headers, body, now=self._clock()) for secret in known):
            self.refused += 1
            return web.Response(status=401)
        async with self._arrived:
            self.requests.append((dict(request.headers), body))
            self._arrived.notify_all()
        return web.Response(status=204)

    def _context(self) -> ssl.SSLContext:
        der, key = make_tls_certificate("push", now=datetime.now(UTC), days=2, hosts=["localhost"])
        self.ca_file, key_file = self.folder / "push.pem", self.folder / "push.key"
        self.ca_file.write_text(ssl.DER_cert_to_PEM_cert(der))
        key_file.write_bytes(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key_file)
        return context


class MailReceiver:
    """A mail server on loopback that takes the notices of one officer."""

    FAILURES = ("nobody-listens", "greylisted", "unknown-user")
    target = "officer@mj.yy.example"

    def __init__(self, folder: Path) -> None:
        self._server = MailServerOnLoopback(folder)
        self._sender: SmtpSender | None = None

    async def start(self, failure: str | None = None) -> None:
        """Listen, failing in this way."""
        if failure == "greylisted":
            self._server.handler.answers = {"RCPT": "450 4.2.0 come back"}
        if failure == "unknown-user":
            self._server.handler.answers = {"RCPT": "550 5.1.1 no such user"}
        await self._server.start()
        self._sender = SmtpSender(self._server.at(), name="gw.mj.xx.example", timings=QUICK)
        if failure == "nobody-listens":
            await self._server.stop()

    def path(self) -> MailPath:
        """Return the path under test."""
        assert self._sender is not None
        return MailPath(sender=self._sender, mailbox=OURS, now=lambda: datetime.now(UTC))

    def heard(self) -> list[Heard]:
        """Return what arrived."""
        found = []
        for _, to, data in self._server.handler.mails:
            mail = message_from_bytes(data, policy=default)
            assert to == [self.target] == [mail["To"]]
            body = mail.get_body()
            assert body is not None
            text = body.get_content().replace("\r\n", "\n").removesuffix("\n")
            found.append(Heard(id=mail["Message-ID"][1:].split("@")[0], title=mail["Subject"], text=text))
        return found

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()
