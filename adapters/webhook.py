"""Webhooks to the own people, signed as Standard Webhooks 1.0.0 says; address and secret lie in a file.

Where a webhook goes is the operator's choice, so this looks further than calls to peers: ``https`` to public
addresses and to the site's own hosts that the settings name, ``http`` on this machine only. Never to
link-local addresses, where machines of a cloud keep their passwords. No redirect is followed, no answer read.
"""

import asyncio
import base64
import binascii
import hmac
import json
import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.alarm import Notice
from adapters.base import Outcome, Verdict
from adapters.egress import EgressRefused, Lookup, Network, is_allowed, system_lookup

_PREFIX = "whsec_"
#: What the specification allows, bytes.
_SECRET_BYTES = range(24, 65)
_FILE_MAX_BYTES = 4096
#: The specification advises 15 to 30 seconds; a night is short.
_ANSWER_S = 15.0
_MAX_FIELD_BYTES = 4096
_MAX_HEADERS = 64
_URL = re.compile(r"[!-~]{1,2000}")
#: For push services that sort by a number from 1 to 10.
_PRIORITY = {"routine": 5, "urgent": 8, "emergency": 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where a webhook goes, and the key that signs it; both are secret, an address may hold a token."""

    url: str = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """Where webhooks may go.

    Attributes:
        site_hosts: Names or addresses of the own site, which may lie in private networks.
    """

    network: Network = Network.REAL
    site_hosts: frozenset[str] = frozenset()


def new_secret() -> str:
    """Return a new secret as receivers take it: ``whsec_`` and base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_webhook(data: bytes) -> Webhook:
    """Return the webhook of a file: its address in the first line, its secret in the second.

    Raises ``ValueError`` for anything else.
    """
    if len(data) > _FILE_MAX_BYTES:
        raise ValueError("a webhook file is two lines")
    lines = [line.strip() for line in data.decode("ascii").splitlines() if line.strip()]
    if len(lines) != 2 or not _URL.fullmatch(lines[0]) or not lines[1].startswith(_PREFIX):
        raise ValueError("a webhook file is two lines")
    try:
        key = base64.b64decode(lines[1].removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret is not base64") from None
    if len(key) not in _SECRET_BYTES:
        raise ValueError("a secret has 24 to 64 bytes")
    return Webhook(url=lines[0], key=key)


def check_webhook_url(url: str, policy: WebhookPolicy) -> str:
    """Return the host of an address that a webhook may go to, in lower case.

    Raises ``EgressRefused`` unless it is ``https``, or ``http`` on this machine, without user or fragment,
    and its host is a name, or an address of this machine or the site.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise EgressRefused("address is no URL") from None
    if not _URL.fullmatch(url) or not host or port == 0:
        raise EgressRefused("address is no URL")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise EgressRefused("address with a user or a fragment")
    local = _is_local(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise EgressRefused("address is neither https nor on this machine")
    if policy.network is Network.LAB and not local:
        raise EgressRefused("a lab network calls only this machine")
    literal = _literal(host)
    if literal is not None:
        _check_address(literal, host, policy)
    elif not local and not re.search(r"[a-z][a-z0-9-]*\Z", host):
        # A last label of digits is how 127.1 and 0x7f000001 reach a resolver.
        raise EgressRefused("host is not a name")
    return host


def sign(webhook: Webhook, *, id: str, timestamp: int, body: bytes) -> str:
    """Return the signature header: ``v1,`` and base64 of HMAC-SHA256 over id, time and body, dots between."""
    signed = f"{id}.{timestamp}.".encode("ascii") + body
    return "v1," + base64.b64encode(hmac.digest(webhook.key, signed, "sha256")).decode("ascii")


def body_of(notice: Notice) -> bytes:
    """Return the JSON of a notice; push services look for ``title``, ``message`` and ``priority``."""
    form = {
        "type": f"rogatory.{notice.kind}",
        "timestamp": notice.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "title": notice.title,
        "message": notice.text,
        "priority": _PRIORITY.get(notice.level, 10),
        "data": {"level": notice.level, "count": notice.count, "link": notice.link, "code": notice.code},
    }
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()


class WebhookPath:
    """Calls people by webhook.

    Args:
        folder: Where the files lie; a path's target is the name of one.
        ca_file: PEM certificates that vouch for receivers; ``None`` for those of the system.
        proxy_url: Explicit CONNECT proxy for receivers outside the site.
        seconds: The time that is signed, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        folder: Path,
        policy: WebhookPolicy,
        ca_file: Path | None = None,
        proxy_url: str | None = None,
        lookup: Lookup = system_lookup,
        answer_s: float = _ANSWER_S,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._policy = policy
        self._ca_file = ca_file
        self._proxy_url = proxy_url
        self._lookup = lookup
        self._answer_s = answer_s
        self._seconds = seconds
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def ring(self, target: str, notice: Notice) -> Outcome:
        """Make one attempt; any 2xx means that the receiver has it."""
        return await self._post(target, id=notice.id, body=body_of(notice))

    async def beat(self, target: str, at: datetime) -> Outcome:
        """Tell a watch outside that the gateway is there, in one attempt and in no more words."""
        form = {"type": "rogatory.heartbeat", "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        body = json.dumps(form, separators=(",", ":")).encode()
        return await self._post(target, id=f"heartbeat-{int(at.timestamp())}", body=body)

    async def _post(self, target: str, *, id: str, body: bytes) -> Outcome:
        try:
            webhook = read_webhook(await asyncio.to_thread(self._read, target))
            host = check_webhook_url(webhook.url, self._policy)
        except (OSError, ValueError) as error:
            refused = isinstance(error, EgressRefused)
            return Outcome(
                verdict=Verdict.RETRY,
                code="address-refused" if refused else "webhook-file",
                detail=str(error) if refused else type(error).__name__,
            )
        timestamp = int(self._seconds())
        headers = {
            hdrs.CONTENT_TYPE: "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(webhook, id=id, timestamp=timestamp, body=body),
        }
        through = self._proxy_url if self._is_outside(host) else None
        try:
            async with (
                asyncio.timeout(self._answer_s),
                self._session(proxied=through is not None).post(
                    webhook.url, data=body, headers=headers, allow_redirects=False, proxy=through
                ) as response,
            ):
                status = response.status
                response.close()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # What the library says may quote the address: only its kind is kept.
            return Outcome(verdict=Verdict.RETRY, code="no-answer", detail=type(error).__name__)
        if 200 <= status < 300:
            return Outcome(verdict=Verdict.DISPATCHED, detail=f"answered {status}")
        return Outcome(verdict=Verdict.RETRY, code="refused", detail=f"answered {status}")

    async def aclose(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    def _read(self, target: str) -> bytes:
        with (self._folder / Path(target).name).open("rb") as file:
            return file.read(_FILE_MAX_BYTES + 1)

    def _is_outside(self, host: str) -> bool:
        return not _is_local(host) and host not in self._policy.site_hosts

    def _session(self, *, proxied: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(proxied)
        if session is None or session.closed:
            context = ssl.create_default_context(cafile=self._ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            # The proxy is named by the operator and usually stands on an internal address.
            resolver = None if proxied else SiteResolver(self._policy, self._lookup)
            session = self._sessions[proxied] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=resolver, use_dns_cache=False, ssl=context, limit=8, force_close=True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT_ENCODING),
                max_line_size=_MAX_FIELD_BYTES,
                max_field_size=_MAX_FIELD_BYTES,
                max_headers=_MAX_HEADERS,
            )
        return session


class SiteResolver(AbstractResolver):
    """Resolves a name once and gives out only addresses that passed; the connection goes to exactly these."""

    def __init__(self, policy: WebhookPolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses; raises ``EgressRefused`` if any is not allowed, or there is none."""
        # RFC 6761 section 6.3: these names are loopback and need no resolver.
        found = ("127.0.0.1", "::1") if _is_local(host) else await self._lookup(host, port, family)
        results = []
        for text in found:
            address = ip_address(text)
            _check_address(address, host.lower().rstrip("."), self._policy)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        if not results:
            raise EgressRefused("host resolves to nothing")
        return results

    async def close(self) -> None:
        """Nothing is held."""


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    literal = _literal(host)
    if literal is not None:
        return is_allowed(literal, Network.LAB)
    return host == "localhost" or host.endswith(".localhost")


def _check_address(address: IPv4Address | IPv6Address, host: str, policy: WebhookPolicy) -> None:
    """Raise ``EgressRefused`` unless a connection to the address of this host is allowed."""
    if _is_local(host):
        allowed = is_allowed(address, Network.LAB)
    elif host in policy.site_hosts:
        allowed = not (
            address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address.is_loopback
            or address.is_reserved
        )
    else:
        allowed = _literal(host) is None and is_allowed(address, Network.REAL)
    if not allowed:
        raise EgressRefused("host has an address that is not allowed")
