"""What stands before every route: who asks from where, and what an answer looks like when it is no.

A request counts only under the page's own name (no rebinding of names). What changes something must come from
the page itself: the browser says so by ``Origin`` and ``Sec-Fetch-Site``, and for who is signed in a token of
the session says it again. Refusals are pages for people and JSON for the page's own script, in the language
of who asks; a defect is logged by kind and place only.
"""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.errors import GatewayError, GatewayRefusal, expected
from gateway.web.duty.frame import HEADERS
from gateway.web.duty.languages import Language, chosen
from gateway.web.duty.rate import Rate
from gateway.web.duty.words import refusal

#: Largest body: a passkey's answer is a few KiB.
BODY_MAX_BYTES = 32 * 1024

#: The language chosen on the page. It says nothing of the officer, so scripts may not read it either.
LANGUAGE_COOKIE = "__Host-language"
LANGUAGE_KEPT_S = 365 * 86_400

#: Requests of one address in a minute; a page with its assets is four.
_REQUESTS_A_MINUTE = 240

_STATUS = {
    "not-found": 404,
    "page-foreign": 403,
    "officer-role": 403,
    "signed-out": 401,
    "rate": 429,
    "too-large": 413,
    "malformed": 400,
    "unavailable": 503,
}

_log = structlog.get_logger()
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Makes the page that says no: request, language, code, sentence, status.
RefusalPage = Callable[[web.Request, Language, str, str, int], web.Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Under which name the page is reached.

    Attributes:
        origin: As browsers state it.
        is_behind_proxy: Clients are then named by the proxy, in the last ``X-Forwarded-For``.
        keeps_https: Browsers are told to come by TLS only; not for trials, which share a name with others.
    """

    origin: str
    is_behind_proxy: bool
    keeps_https: bool

    @property
    def host(self) -> str:
        """What requests name as their host."""
        return urlsplit(self.origin).netloc


def is_scripted(request: web.Request) -> bool:
    """Say whether the page's own script asks, and not a form or a person."""
    return request.content_type == "application/json"


def spoken_in(request: web.Request, officer_language: str | None = None) -> Language:
    """Return the language of who asks: chosen just now, before, the officer's, the browser's."""
    asked = request.query.get("lang")
    return chosen(
        asked,
        request.cookies.get(LANGUAGE_COOKIE),
        officer_language,
        accepted=request.headers.get("Accept-Language", ""),
    )


def client_of(request: web.Request, site: Site) -> str:
    """Return the address of whoever asks; behind a proxy the one that the proxy itself saw."""
    if site.is_behind_proxy:
        return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return request.remote or ""


def guard(site: Site, refused: RefusalPage) -> Middleware:
    """Return what stands before every route of the page."""
    rate = Rate(_REQUESTS_A_MINUTE)

    @web.middleware
    async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if not rate.take(client_of(request, site)):
                raise GatewayRefusal("rate")
            _check_where_from(request, site)
            answer = await handler(request)
        except web.HTTPException as error:
            answer = error if error.status < 400 else _no(request, _of_http(error), refused)
        except Exception as error:
            answer = _no(request, _known(error, request), refused)
        _finish(request, answer, site)
        return answer

    return guarded


def _check_where_from(request: web.Request, site: Site) -> None:
    """Raise ``GatewayRefusal`` for another name, a frame around the page, or a request from elsewhere."""
    if request.host != site.host:
        raise GatewayRefusal("not-found", detail="another host")
    if request.headers.get("Sec-Fetch-Dest", "") in {"iframe", "frame", "embed", "object"}:
        raise GatewayRefusal("page-foreign", detail="framed")
    if request.method in {"GET", "HEAD"}:
        return
    if request.headers.get("Origin") != site.origin:
        raise GatewayRefusal("page-foreign", detail="origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise GatewayRefusal("page-foreign", detail="site")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise GatewayRefusal("malformed", detail="content encoding")


def _of_http(error: web.HTTPException) -> GatewayError:
    codes = {404: "not-found", 405: "not-found", 413: "too-large"}
    return GatewayRefusal(codes.get(error.status, "malformed"), detail=str(error.status))


def _known(error: Exception, request: web.Request) -> GatewayError:
    known = expected(error)
    if known is not None:
        return known
    frame = traceback.extract_tb(error.__traceback__)[-1]
    route = request.match_info.route.resource
    _log.error(
        "duty.failed",
        kind=type(error).__name__,
        at=f"{frame.filename}:{frame.lineno}",
        route=None if route is None else route.canonical,
    )
    return GatewayError()


def _no(request: web.Request, error: GatewayError, refused: RefusalPage) -> web.Response:
    """Return the answer to what is not done: free of content, as ``error`` is."""
    shown_in = spoken_in(request)
    status = _STATUS.get(error.code, 500 if error.code == "internal" else 422)
    sentence = shown_in.say(refusal(error.code))
    if is_scripted(request):
        return web.json_response({"code": error.code, "sentence": sentence}, status=status)
    return refused(request, shown_in, error.code, sentence, status)


def _finish(request: web.Request, answer: web.StreamResponse, site: Site) -> None:
    for name, value in HEADERS.items():
        if name not in answer.headers:
            answer.headers[name] = value
    answer.headers["Server"] = HEADERS["Server"]
    if site.keeps_https:
        answer.headers["Strict-Transport-Security"] = "max-age=31536000"
    if answer.status == 429:
        answer.headers["Retry-After"] = "60"
    asked = request.query.get("lang")
    if asked is not None and chosen(asked).code == asked:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            asked,
            max_age=LANGUAGE_KEPT_S,
            path="/",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
