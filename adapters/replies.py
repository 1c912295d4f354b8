"""Answers of a peer: bounded, strictly read, never believed further than their shape.

Everything that is not a well-formed answer becomes a ``Reply`` with status 0, which callers treat
as trouble on the way. Codes are taken from a problem's ``type`` only; what they mean for the
sender is the table of ``crypto.errors``.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import hdrs

from adapters.egress import EgressRefused
from crypto import strictjson
from crypto.encoding import is_digest
from crypto.errors import Refusal
from crypto.strictjson import JSONValue

#: Largest problem document read; more is treated as no explanation at all.
MAX_PROBLEM_BYTES = 64 * 1024
#: Largest JSON answer read: receipts with their proofs, or a page of the outbox.
MAX_ANSWER_BYTES = 4 * 1024 * 1024

#: Codes are kept, logged and shown, so nothing else passes for one.
_PROBLEM = re.compile(r"urn:gw:err:([a-z][a-z0-9-]{0,31})")
_MAX_RETRY_AFTER_S = 86_400
_TO_THE_END = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back.

    Attributes:
        status: Of HTTP; 0 if no well-formed answer came.
        body: Members of a JSON answer or problem, strictly parsed; empty if there was none.
        code: The peer's code from a problem document; ``None`` if it gave none that can be read.
        retry_after_s: The peer's wish, at most a day.
        offset: ``Upload-Offset``, or how far a download came.
        length: Whole size, where the answer states it.
        is_complete: ``Upload-Complete``.
        envelope_sha256: Which envelope an upload or download is about, if the peer says so.
        detail: For the local log, free of content.
    """

    status: int
    body: Mapping[str, JSONValue] = field(default_factory=dict, repr=False)
    code: str | None = None
    retry_after_s: float | None = None
    offset: int | None = None
    length: int | None = None
    is_complete: bool = False
    envelope_sha256: str | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the peer did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_trouble(self) -> bool:
        """Whether the network, not the peer's judgement, ended the request."""
        return self.status == 0


class OwnFault(Exception):
    """A source or sink of ours failed; its exception is the cause and is what the caller sees."""


async def read_reply(response: aiohttp.ClientResponse, progress: Callable[[int], None]) -> Reply:
    """Return a JSON answer or a problem; anything else is trouble. ``progress`` is told the bytes so far."""
    is_good = 200 <= response.status < 300
    data = await _read_bounded(response, MAX_ANSWER_BYTES if is_good else MAX_PROBLEM_BYTES, progress)
    if data is None:
        return Reply(status=0, detail="answer too long")
    if response.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        return Reply(status=0, detail="answer with a content encoding")
    code: str | None = None
    body: Mapping[str, JSONValue] = {}
    expected = "application/json" if is_good else "application/problem+json"
    if data and response.content_type == expected:
        try:
            body = strictjson.loads_object(data, max_bytes=MAX_ANSWER_BYTES)
        except Refusal:
            if is_good:
                return Reply(status=0, detail="answer is not strict JSON")
        if not is_good:
            code = _code(body)
    elif data and is_good:
        return Reply(status=0, detail="answer is not JSON")
    return _reply(response, body=body, code=code, detail=f"HTTP {response.status}")


def read_answers(reply: Reply, number: int) -> list[Reply] | None:
    """Return the answers to a batch as if each had come alone; ``None`` unless there is one for each."""
    rows = reply.body.get("answers")
    if not isinstance(rows, list) or len(rows) != number:
        return None
    answers = []
    for row in rows:
        if not isinstance(row, dict):
            return None
        status, body, wait = row.get("status"), row.get("body"), row.get("retry_after")
        if not isinstance(status, int) or not 200 <= status <= 599 or not isinstance(body, dict):
            return None
        answers.append(
            Reply(
                status=status,
                body=body,
                code=None if 200 <= status < 300 else _code(body),
                retry_after_s=_patience(wait) if isinstance(wait, int) else None,
                detail=f"HTTP {status} within a batch",
            )
        )
    return answers


def _code(problem: Mapping[str, JSONValue]) -> str | None:
    """Return the code that a problem document names, if it names one that can be kept."""
    kind = problem.get("type")
    match = _PROBLEM.fullmatch(kind) if isinstance(kind, str) else None
    return None if match is None else match[1]


def _patience(seconds: int | None) -> float | None:
    return None if seconds is None else float(min(max(seconds, 0), _MAX_RETRY_AFTER_S))


async def _read_bounded(
    response: aiohttp.ClientResponse, limit: int, progress: Callable[[int], None]
) -> bytes | None:
    chunks, total = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        total += len(chunk)
        if total > limit:
            return None
        if not response.content.at_eof():
            progress(total)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def pour(
    response: aiohttp.ClientResponse,
    sink: Callable[[bytes], Awaitable[None]],
    offset: int,
    progress: Callable[[], None],
) -> Reply:
    """Hand the bytes of a download on as they come; a cut says how far it came."""
    begin, length = _content_range(response)
    if begin != offset or response.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        return Reply(status=0, offset=offset, detail="answer with another range than asked for")
    detail = ""
    try:
        async for chunk in response.content.iter_any():
            if length is not None and offset + len(chunk) > length:
                return Reply(status=0, offset=offset, length=length, detail="more bytes than announced")
            try:
                await sink(chunk)
            except Exception as exc:
                raise OwnFault from exc
            offset += len(chunk)
            progress()
    except (aiohttp.ClientError, OSError) as exc:
        detail = describe(exc)
    if detail or offset != length:
        return Reply(status=0, offset=offset, length=length, detail=detail or "download cut short")
    return _reply(response, offset=offset, length=length, is_complete=True)


def _content_range(response: aiohttp.ClientResponse) -> tuple[int, int | None]:
    if response.status == 200:
        return 0, response.content_length
    unit, _, rest = response.headers.get(hdrs.CONTENT_RANGE, "").partition(" ")
    span, _, whole = rest.partition("/")
    begin, length = _count(span.partition("-")[0]), _count(whole)
    return (begin, length) if unit == "bytes" and begin is not None else (-1, None)


def _reply(
    response: aiohttp.ClientResponse,
    *,
    body: Mapping[str, JSONValue] | None = None,
    code: str | None = None,
    offset: int | None = None,
    length: int | None = None,
    is_complete: bool | None = None,
    detail: str = "",
) -> Reply:
    headers = response.headers
    tag = headers.get(hdrs.ETAG, "").strip('"')
    return Reply(
        status=response.status,
        body=body if body is not None else {},
        code=code,
        retry_after_s=_patience(_count(headers.get(hdrs.RETRY_AFTER, ""))),
        offset=offset if offset is not None else _count(headers.get("Upload-Offset", "")),
        length=length if length is not None else _count(headers.get("Upload-Length", "")),
        is_complete=is_complete if is_complete is not None else headers.get("Upload-Complete") == "?1",
        envelope_sha256=tag if is_digest(tag) else None,
        detail=detail,
    )


def _count(text: str) -> int | None:
    """Return a plain decimal number of bytes or seconds, or ``None`` for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return None
    value = int(text)
    return value if value < _TO_THE_END else None


#: From the special to the general; the first that fits names the trouble.
_TROUBLES: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, "the peer's certificate is not the one listed"),
    (aiohttp.ClientConnectorSSLError, "TLS could not be agreed"),
    (aiohttp.ClientHttpProxyError, "the proxy refused the connection"),
    (aiohttp.ClientProxyConnectionError, "the proxy does not answer"),
    (aiohttp.ClientConnectorDNSError, "the name does not resolve to an allowed address"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.ClientConnectorError, "no connection"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "the answer was cut short"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (aiohttp.ClientOSError, "the connection broke"),
    (aiohttp.ClientError, "the exchange failed"),
    (OSError, "the connection failed"),
)


def describe(exc: BaseException) -> str:
    """Return what went wrong on the way, in words without content."""
    if isinstance(exc, EgressRefused):
        return str(exc)
    return next(text for kind, text in _TROUBLES if isinstance(exc, kind))
