"""Files that any web server can serve, fetched over HTTPS: how a gateway reads a network's directory.

The same rules hold as towards peers: only https, only addresses that were checked, the very ones that are
connected to; no redirect, no proxy from the environment, no cookie, no compression, bounded answers.
What a file says is verified by whoever asked for it; the server is trusted with nothing but its bytes.
"""

import asyncio
import re
import ssl
from pathlib import Path

import aiohttp
from aiohttp import hdrs

from adapters.egress import CheckedResolver, EgressPolicy, EgressRefused, Lookup, check_origin, system_lookup
from adapters.replies import describe

#: A repository's address: an origin, and a path of plain names.
_ADDRESS = re.compile(r"(https://[^/?#@\s]+)((?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*)/?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")

_CONNECT_S = 10.0
#: The whole of one file, so that a server that drips cannot hold a refresh for ever.
_FILE_S = 120.0
_PIECE = 64 * 1024
_MAX_FIELD_BYTES = 4096
_MAX_HEADERS = 64


class FetchFailed(OSError):
    """The file could not be had: the network, the server, or an address that may not be connected to."""


class FileTooLarge(Exception):
    """The server sends more than the file may be."""


class StaticFiles:
    """One place on one web server. ``aclose`` when done.

    Args:
        address: ``https://host[:port][/path]``; raises ``EgressRefused`` unless it may be connected to.
        ca_file: PEM certificates that vouch for the server; ``None`` for those of the system.
        proxy_url: Explicit CONNECT proxy.
    """

    def __init__(
        self,
        address: str,
        *,
        policy: EgressPolicy,
        ca_file: Path | None = None,
        proxy_url: str | None = None,
        lookup: Lookup = system_lookup,
        file_s: float = _FILE_S,
    ) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise EgressRefused("address is not https://host[:port]/path")
        self._base = check_origin(match[1], policy).url + match[2]
        self._policy = policy
        self._ca_file = ca_file
        self._proxy_url = proxy_url or None
        self._lookup = lookup
        self._file_s = file_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, name: str, max_bytes: int) -> bytes | None:
        """Return a file, ``None`` if the server says that there is none.

        Raises ``FetchFailed``, or ``FileTooLarge`` beyond ``max_bytes``; no more than that is ever read.
        """
        if not _NAME.fullmatch(name):
            raise ValueError("not the name of a file in a repository")
        try:
            async with (
                asyncio.timeout(self._file_s),
                self._open().get(
                    f"{self._base}/{name}",
                    proxy=self._proxy_url,
                    allow_redirects=False,
                    headers={hdrs.ACCEPT_ENCODING: "identity"},
                ) as response,
            ):
                if response.status in (404, 410):
                    return None
                if response.status != 200:
                    raise FetchFailed(f"the server answers {response.status}")
                return await _bounded(response, max_bytes)
        except (FetchFailed, FileTooLarge):
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FetchFailed(describe(error)) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            context = ssl.create_default_context(cafile=self._ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            # The proxy is named by the operator and usually stands on an internal address.
            resolver = None if self._proxy_url else CheckedResolver(self._policy, lookup=self._lookup)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=context, limit=2),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=(hdrs.USER_AGENT,),
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S),
                max_line_size=_MAX_FIELD_BYTES,
                max_field_size=_MAX_FIELD_BYTES,
                max_headers=_MAX_HEADERS,
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


async def _bounded(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if response.content_length is not None and response.content_length > max_bytes:
        raise FileTooLarge
    if response.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise FetchFailed("the server sends compressed content")
    data = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        data += piece
        if len(data) > max_bytes:
            raise FileTooLarge
    return bytes(data)
