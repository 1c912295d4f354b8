"""One Chromium for all browser tests, and duty pages under names of their own, in one background loop.

Tests stay plain functions: ``run`` does a coroutine on the stage's loop, where browser and servers live as
long as the session. Names are mapped to loopback, certificates come from the page's own issuer, and nothing
else is reachable: a request to elsewhere fails, and is counted.
"""

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.async_api import Browser, BrowserContext, Page, Playwright, Request, async_playwright

from crypto.pagecert import make_page_certificate, make_page_issuer, page_tls
from gateway.web.duty.server import DutyServer

T = TypeVar("T")

CHROMIUM = "/usr/bin/chromium"
#: A small phone held upright.
PHONE = {"width": 390, "height": 844}

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * 127.0.0.1",
]
#: Every one of these names has a certificate; the browser is told their keys.
HOSTS = ("duty.ro-diicot.example", "duty.us-ccips.example")

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


class Stage:
    """The loop, the browser and the certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage", daemon=True)
        self._axe = Axe()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine gives, on the stage's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=100)

    def open(self) -> None:
        """Make the certificates and start the browser."""
        now, pins = datetime.now(UTC), []
        for host in HOSTS:
            issuer = make_page_issuer(host.split(".")[1], host=host, now=now)
            chain, key = make_page_certificate(issuer, host=host, now=now)
            self.certificate(host)[0].write_bytes(chain)
            self.certificate(host)[1].write_bytes(key)
            pins.append(_pin(chain))
        self._thread.start()
        self.run(self._start(pins))

    def close(self) -> None:
        """Stop the browser and the loop."""
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self, pins: list[str]) -> None:
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*_FLAGS, f"--ignore-certificate-errors-spki-list={','.join(pins)}"],
        )

    async def _stop(self) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    def certificate(self, host: str) -> tuple[Path, Path]:
        """Return where the certificate of a name and its private key lie."""
        return self._folder / f"{host}.crt", self._folder / f"{host}.key"

    @asynccontextmanager
    async def serving(self, host: str, app: web.Application, port: int = 0) -> AsyncIterator[int]:
        """Serve a page under its name by TLS; give the port."""
        server = DutyServer(app, tls=page_tls(*map(str, self.certificate(host))))
        try:
            yield await server.start("127.0.0.1", port)
        finally:
            await server.stop()

    @asynccontextmanager
    async def phone(self, **more: Any) -> AsyncIterator["Phone"]:
        """Give a phone of its own: 390 pixels wide, touched, with a passkey inside."""
        assert self._browser is not None
        settings = {
            "viewport": PHONE,
            "device_scale_factor": 1,
            "has_touch": True,
            "is_mobile": True,
            **more,
        }
        context = await self._browser.new_context(**settings)
        context.set_default_timeout(15_000)
        try:
            yield await Phone.unpacked(context, self._axe)
        finally:
            await context.close()


class Phone:
    """One browser context with a page and a virtual authenticator; counts what goes wrong."""

    def __init__(self, context: BrowserContext, page: Page, axe: Axe) -> None:
        self.context = context
        self.page = page
        self._axe = axe
        self.wrong: list[str] = []
        #: Of the page that is looked at, where a test says so.
        self.origin = ""

    @classmethod
    async def unpacked(cls, context: BrowserContext, axe: Axe) -> "Phone":
        """Return a phone whose passkeys ask for a finger, which is always laid on."""
        phone = cls(context, await context.new_page(), axe)
        client = await context.new_cdp_session(phone.page)
        await client.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        await client.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        phone.page.on("requestfailed", phone._missed)
        phone.page.on("pageerror", lambda error: phone.wrong.append(f"script: {error}"))
        phone.page.on("console", phone._heard)
        return phone

    def _missed(self, request: Request) -> None:
        # What the page left behind when it went on to another one is nothing wrong.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.url}")

    def _heard(self, message: Any) -> None:
        # The browser reports every answer that is a refusal; those a test asks for by itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")

    async def is_scrolled_sideways(self) -> bool:
        """Say whether anything is wider than the screen."""
        return bool(
            await self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )

    async def barriers(self) -> list[str]:
        """Return what axe-core finds against WCAG 2.2 A and AA."""
        found = await self._axe.run(self.page, options=_RULES)
        return [
            f"{rule['id']}: {rule['help']}: {[node['html'][:120] for node in rule['nodes'][:3]]}"
            for rule in found.response["violations"]
        ]

    async def small_targets(self) -> list[str]:
        """Return what is touched and smaller than 44 pixels in height, but for links within a sentence."""
        found: list[str] = await self.page.evaluate(
            """() => [...document.querySelectorAll('button, select, summary, .languages a, .numbers a')]
               .filter(e => e.offsetParent && e.getBoundingClientRect().height < 44)
               .map(e => e.outerHTML.slice(0, 90))"""
        )
        return found


def _pin(chain: bytes) -> str:
    key = x509.load_pem_x509_certificates(chain)[0].public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
