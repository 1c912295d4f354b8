"""The local API: the command line and the authority's own case systems, over a unix socket.

Whoever may read the token file may use it; the socket's folder and the token are the gateway user's
alone. Serves the table of operations and nothing else. A caller that accepts ``application/x-ndjson``
gets progress lines before the last line, which is the result or the problem.
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway import __version__
from gateway.config import HomePaths
from gateway.errors import GatewayError, GatewayRefusal, expected, sentence_of
from gateway.model.described import described
from gateway.web.calls import CALLS, NDJSON, Call, Problem
from gateway.web.openapi import describe
from gateway.web.operations import Desk, perform
from gateway.web.problems import TYPE_PREFIX

#: Largest body: a form and the names of its documents. The documents themselves are read from their files.
BODY_MAX_BYTES = 4 * 1024 * 1024

_PROBLEM = "application/problem+json"

#: sun_path holds 108 bytes with its final NUL on Linux, 104 elsewhere.
_SOCKET_PATH_MAX = 100
_PROGRESS_EVERY_S = 0.2

_log = structlog.get_logger()
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS = {
    "not-found": 404,
    "token-invalid": 401,
    "duplicate": 409,
    "already-acknowledged": 409,
    "ambiguous-reference": 409,
    "home-in-use": 409,
    "unavailable": 503,
    "storage-full": 507,
    "internal": 500,
}


def problem_of(error: BaseException) -> Problem:
    """Return what a caller is told about an exception; defects of ours are named, never quoted."""
    if isinstance(error, msgspec.ValidationError):
        return Problem(
            code="params-invalid", sentence=f"The call is not as described: {described(str(error))}."
        )
    known = expected(error)
    if known is None:
        return Problem(code="internal", sentence=GatewayError.public_detail)
    if not isinstance(known, GatewayRefusal):
        return Problem(code=known.code, sentence=known.public_detail)
    return Problem(
        code=known.code,
        sentence=known.public_detail,
        field=known.field,
        items=[dict(item) for item in known.items],
    )


class LocalAPI:
    """Serves the operations on a unix socket from ``start`` to ``aclose``."""

    def __init__(self, *, paths: HomePaths, desk: Desk) -> None:
        self._paths = paths
        self._desk = desk
        self._token = secrets.token_urlsafe(32)
        self._runner: web.AppRunner | None = None
        self._private_folder: Path | None = None
        self._socket: Path | None = None

    async def start(self) -> Path:
        """Write the token into the home, listen, and write the socket's path beside it; return that path."""
        app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[self._guard()])
        for call in CALLS:
            app.router.add_route(call.method, call.path, self._handler(call))
        app.router.add_get("/v1/openapi.json", _openapi)
        self._runner = web.AppRunner(app, handler_cancellation=False, access_log=None)
        await self._runner.setup()
        socket = self._socket_path()
        socket.unlink(missing_ok=True)
        # Before anybody is answered: a process that was killed leaves its own token at the same place.
        _write_private(self._paths.token, self._token)
        old = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, str(socket)).start()
        finally:
            os.umask(old)
        self._socket = socket
        _write_private(self._paths.socket_record, str(socket))
        return socket

    async def aclose(self) -> None:
        """Stop listening, let running calls end, and remove socket and token."""
        for path in (self._paths.socket_record, self._paths.token):
            path.unlink(missing_ok=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
        if self._private_folder is not None:
            with contextlib.suppress(OSError):
                self._private_folder.rmdir()

    def _socket_path(self) -> Path:
        """Return where to listen: in the home, or in a private folder where the home's path is too long."""
        inside = self._paths.run / "api.sock"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_MAX:
            return inside
        self._private_folder = Path(tempfile.mkdtemp(prefix="rogatory-"))
        return self._private_folder / "api.sock"

    def _guard(self) -> Middleware:
        """Return what asks for the token, and turns whatever goes wrong into a problem document."""

        @web.middleware
        async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return _answer(Problem(code="token-invalid", sentence=sentence_of("token-invalid")))
            try:
                return await handler(request)
            except web.HTTPException as refused:
                code = {404: "not-found", 413: "too-large"}.get(refused.status, "params-invalid")
                return _answer(Problem(code=code, sentence=f"{refused.reason}."), status=refused.status)
            except Exception as error:
                return _answer(_reported(error, request.path))

        return guard

    def _handler(self, call: Call[Any, Any]) -> _Handler:
        async def handle(http: web.Request) -> web.StreamResponse:
            params = await _params(call, http)
            if NDJSON in http.headers.get("Accept", ""):
                return await self._stream(call, params, http)
            result = await perform(self._desk, call, params, _silent)
            return web.Response(body=msgspec.json.encode(result), content_type="application/json")

        return handle

    async def _stream(self, call: Call[Any, Any], params: Any, http: web.Request) -> web.StreamResponse:
        """Answer with progress lines while the call runs, then with its outcome."""
        response = web.StreamResponse(headers={"Content-Type": NDJSON})
        await response.prepare(http)
        latest: list[tuple[int, int]] = []

        def progress(done: int, total: int) -> None:
            latest[:] = [(done, total)]

        task = asyncio.ensure_future(perform(self._desk, call, params, progress))
        while not task.done():
            await asyncio.wait({task}, timeout=_PROGRESS_EVERY_S)
            if latest and not task.done():
                done, total = latest.pop()
                with contextlib.suppress(ConnectionError):
                    await response.write(msgspec.json.encode({"done": done, "total": total}) + b"\n")
        error = task.exception()
        line = {"result": task.result()} if error is None else {"problem": _reported(error, http.path)}
        with contextlib.suppress(ConnectionError):
            await response.write(msgspec.json.encode(line) + b"\n")
            await response.write_eof()
        return response


def _reported(error: BaseException, route: str) -> Problem:
    problem = problem_of(error)
    if problem.code == "internal":
        _log.error("api.failed", route=route, error=error)
    return problem


async def _params(call: Call[Any, Any], http: web.Request) -> Any:
    if call.method == "GET":
        return msgspec.convert(_single(http), call.params, strict=False)
    try:
        return msgspec.json.decode(await http.read(), type=call.params)
    except (msgspec.DecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise
        raise msgspec.ValidationError("the body is not JSON") from None


def _single(http: web.Request) -> Mapping[str, str]:
    """Return the query as a mapping; a repeated name is refused rather than chosen from."""
    if len(set(http.query)) != len(http.query):
        raise msgspec.ValidationError("a query name is repeated")
    return dict(http.query)


def _silent(_done: int, _total: int) -> None:
    """Report progress to nobody."""


def _answer(problem: Problem, *, status: int | None = None) -> web.Response:
    status = status or _STATUS.get(problem.code, 422)
    document = {
        "type": TYPE_PREFIX + problem.code,
        "status": status,
        "detail": problem.sentence,
        **msgspec.to_builtins(problem),
    }
    return web.Response(status=status, body=msgspec.json.encode(document), content_type=_PROBLEM)


async def _openapi(_http: web.Request) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(describe(CALLS, version=__version__)), content_type="application/json"
    )


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
