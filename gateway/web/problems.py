"""Errors as problem documents (RFC 9457) for peers: the only place that makes them.

A peer sees the code, a fixed sentence that says what to do, and for an upload where it really
stands; never what happened inside. Codes that only mean something at home become ``unavailable``,
and so does every unexpected exception, which is logged by kind and place, without its text:
that may quote content.
"""

import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from aiohttp import web

from gateway.errors import GatewayError, GatewayRefusal, sentence_of

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TYPE_PREFIX = "urn:gw:err:"
CONTENT_TYPE = "application/problem+json"

#: HTTP status of every code a peer may see (docs/peer-api.md section 6).
STATUS: Mapping[str, int] = MappingProxyType(
    {
        "auth-invalid": 401,
        "auth-replay": 409,
        "bid-conflict": 409,
        "busy": 423,
        "clock": 401,
        "directory-stale": 503,
        "expired": 410,
        "form-invalid": 422,
        "incomplete": 400,
        "key-expired": 422,
        "malformed": 400,
        "name-unsafe": 422,
        "not-for-us": 421,
        "not-found": 404,
        "offset": 409,
        "open-failed": 422,
        "part-digest": 422,
        "policy": 403,
        "proof-invalid": 422,
        "quota": 507,
        "rate": 429,
        "receipt-mismatch": 422,
        "sig-invalid": 422,
        "sig-revoked": 403,
        "too-large": 413,
        "unavailable": 503,
        "unknown-key": 403,
        "unknown-sender": 403,
        "version": 422,
    }
)

#: Codes of the own house that a peer may know by another name.
_OUTWARD: Mapping[str, str] = MappingProxyType({"storage-full": "quota", "content-erased": "not-found"})

#: When to come back, in seconds, where there is something to wait for.
_RETRY_AFTER: Mapping[str, int] = MappingProxyType({"busy": 2, "rate": 5, "unavailable": 10, "quota": 60})

#: Set on every answer: nothing is cached, sniffed, or told about the software.
HEADERS: Mapping[str, str] = MappingProxyType(
    {"Cache-Control": "no-store", "Server": "gateway", "X-Content-Type-Options": "nosniff"}
)


class Unsupported(GatewayRefusal):
    """A request in a form of HTTP that is not taken; ``status`` says which part."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("malformed", detail=detail)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a peer is told of a failure.

    Attributes:
        document: RFC 9457, JSON.
        retry_after_s: When to come back; ``None`` if there is nothing to wait for.
    """

    status: int
    document: bytes
    retry_after_s: int | None


def described(error: GatewayError | None) -> Problem:
    """Return what is told of an expected failure, or of ``None``, which is a defect of ours."""
    code = "unavailable" if error is None else _OUTWARD.get(error.code, error.code)
    if code not in STATUS:
        code = "unavailable"
    status = STATUS[code] if error is not None else 500
    if isinstance(error, Unsupported):
        status = error.status
    return Problem(status=status, document=_document(code, status), retry_after_s=_RETRY_AFTER.get(code))


def problem(error: GatewayError | None) -> web.Response:
    """Return the answer for an expected failure, or for ``None``, which is a defect of ours."""
    told = described(error)
    headers = dict(HEADERS)
    if told.retry_after_s is not None:
        headers["Retry-After"] = str(told.retry_after_s)
    if told.status == 401:
        headers["WWW-Authenticate"] = "GW"
    if isinstance(error, GatewayRefusal) and error.offset is not None:
        headers["Upload-Offset"] = str(error.offset)
    return web.Response(body=told.document, status=told.status, headers=headers, content_type=CONTENT_TYPE)


@cache
def _document(code: str, status: int) -> bytes:
    document = {"type": TYPE_PREFIX + code, "title": code.replace("-", " "), "status": status}
    if status != 500:
        document["detail"] = sentence_of(code)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem document for whatever goes wrong below."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(
            GatewayRefusal("not-found") if error.status == 404 else Unsupported(error.status, error.reason)
        )
    except Exception as error:
        return problem(_noted(error))


def explained(error: Exception) -> Problem:
    """Log a failure and return what the peer is told of it."""
    return described(_noted(error))


def _noted(error: Exception) -> GatewayError | None:
    """Log a failure and return it, ``None`` for a defect of ours."""
    if isinstance(error, GatewayError):
        if isinstance(error, GatewayRefusal):
            _log.info("peer.refused %s %s", error.code, error.detail)
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("peer.failed %s at %s:%s", type(error).__name__, frame.filename, frame.lineno)
    return None
