"""The peer API: gateway to gateway, under ``/gw/v1`` (docs/peer-api.md).

Translates between HTTP and the services and decides nothing else: who may, whether bytes are
acceptable and what is answered is theirs. Every route authenticates first; the authority behind
the certificate is the one in the token, and on uploads the one in the path.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.message import wire_time
from gateway.services.arrivals.peergate import Caller, PeerGate
from gateway.services.lanes import working_for
from gateway.web.batch import BATCH_TYPE, answer_batch, batch_rows
from gateway.web.intake import PeerLimits, Places, Turns, body_chunks, body_length
from gateway.web.ports import (
    Acceptor,
    Intake,
    LogReader,
    NoticeDesk,
    Outbox,
    ProbeDesk,
    ReceiptDesk,
    UploadState,
)
from gateway.web.problems import HEADERS, Unsupported, problems

BASE = "/gw/v1"
VERSIONS = (1,)

PARTIAL_TYPE = "application/partial-upload"
CONTAINER_TYPE = "application/vnd.gw.bundle"

_AID = "[a-z]{2}(?:-[a-z0-9]+)+"
_BUNDLE = f"{BASE}/bundles/{{sender:{_AID}}}/{{bid:[0-9a-f]{{32}}}}"
_MAX_AID = 63
_COUNT = re.compile(r"[0-9]{1,15}")
_RANGE = re.compile(r"bytes=([0-9]{1,15})-")
_TILE = re.compile(r"(?P<high>(?:x[0-9]{3}/)*)(?P<low>[0-9]{3})(?:\.p/(?P<width>[0-9]{1,3}))?")
_LONGEST_POLL_S = 60

_encode = msgspec.json.Encoder().encode


class PeerAPI:
    """The routes. One object per server; ``application`` is what is served."""

    def __init__(
        self,
        *,
        gate: PeerGate,
        acceptor: Acceptor,
        outbox: Outbox,
        receipts: ReceiptDesk,
        notices: NoticeDesk,
        probes: ProbeDesk,
        log: LogReader,
        clock: Clock,
        limits: PeerLimits,
    ) -> None:
        self._gate = gate
        self._acceptor = acceptor
        self._outbox = outbox
        self._receipts = receipts
        self._notices = notices
        self._probes = probes
        self._log = log
        self._clock = clock
        self._limits = limits
        self._routine = Places(total=limits.routine_total, per_peer=limits.routine_per_peer)
        self._answer_batch = partial(
            answer_batch,
            acceptor=acceptor,
            places=self._routine,
            turns=Turns() if limits.batches_in_turn else None,
            limits=limits,
        )
        self._urgent = Places(total=limits.urgent_total, per_peer=limits.urgent_per_peer)
        self._calls = Places(total=limits.connections, per_peer=limits.calls_per_peer)
        self._polls = Places(total=limits.connections, per_peer=limits.polls_per_peer)
        self._polling: set[asyncio.Task[Any]] = set()
        self._hellos: Counter[str] = Counter()
        self._hello_minute = 0

    def application(self) -> web.Application:
        """Return the aiohttp application with every route."""
        app = web.Application(middlewares=[problems])
        app.add_routes(
            [
                web.post(f"{BASE}/bundles", self.post_bundles),
                web.put(_BUNDLE, self.put),
                web.patch(_BUNDLE, self.patch),
                web.head(_BUNDLE, self.head),
                web.get(f"{_BUNDLE}/receipts", self.bundle_receipts),
                web.post(f"{BASE}/receipts", self.post_receipts),
                web.post(f"{BASE}/revocations", self.post_notices),
                web.post(f"{BASE}/probes", self.post_probe),
                web.get(f"{BASE}/outbox", self.outbox, allow_head=False),
                web.get(f"{BASE}/outbox/{{bid:[0-9a-f]{{32}}}}", self.outbox_item, allow_head=False),
                web.get(f"{BASE}/hello", self.hello, allow_head=False),
                web.get(f"{BASE}/log/checkpoint", self.checkpoint, allow_head=False),
                web.get(
                    f"{BASE}/log/tile/{{level:[0-9]{{1,2}}}}/{{index:[x0-9/.p]+}}",
                    self.tile,
                    allow_head=False,
                ),
            ]
        )
        return app

    def stop_polls(self) -> None:
        """End every long poll, so that an orderly stop need not wait for them."""
        for task in tuple(self._polling):
            task.cancel()

    # Uploads

    async def put(self, http: web.Request) -> web.StreamResponse:
        """``PUT /bundles/{from}/{bid}``: a whole container, or the first segment of one."""
        complete = _flag(http, default=True)
        _content_type(http, CONTAINER_TYPE)
        caller, sender, bid, length = self._upload(http, offset=0)
        with self._place(http, caller):
            intake = await self._acceptor.begin(
                caller=caller.aid, jti=caller.jti, exp=caller.exp, sender=sender, bid=bid
            )
            return await self._receive(http, intake, length, complete=complete, status=201)

    async def patch(self, http: web.Request) -> web.StreamResponse:
        """``PATCH`` of the same: the bytes from ``Upload-Offset`` on."""
        complete = _flag(http, default=None)
        _content_type(http, PARTIAL_TYPE)
        offset = _count(http.headers.get("Upload-Offset", ""), "Upload-Offset")
        caller, sender, bid, length = self._upload(http, offset=offset)
        with self._place(http, caller):
            intake = await self._acceptor.resume(
                caller=caller.aid, jti=caller.jti, exp=caller.exp, sender=sender, bid=bid, offset=offset
            )
            return await self._receive(http, intake, length, complete=complete, status=200)

    async def head(self, http: web.Request) -> web.StreamResponse:
        """``HEAD`` of the same: how far the upload is."""
        caller = self._caller(http)
        sender, bid = _bundle(http, caller)
        with self._calls.taken_by(caller.aid):
            state = await self._acceptor.state(caller=caller.aid, sender=sender, bid=bid)
        return web.Response(status=200, headers=_upload_headers(state))

    async def post_bundles(self, http: web.Request) -> web.StreamResponse:
        """``POST /bundles?each=…``: several small containers, and one answer for each."""
        _content_type(http, BATCH_TYPE)
        caller = self._caller(http)
        rows = batch_rows(http, caller)
        return _json({"answers": await self._answer_batch(http.content, rows, caller=caller)})

    def _upload(self, http: web.Request, *, offset: int) -> tuple[Caller, str, str, int]:
        """Authenticate an upload and match what the token covers with what is announced."""
        caller = self._caller(http)
        sender, bid = _bundle(http, caller)
        length = body_length(http, self._limits.max_bundle_bytes - offset)
        if (caller.off, caller.len) != (offset, length):
            raise GatewayRefusal("auth-invalid", detail="token covers other bytes")
        return caller, sender, bid, length

    @contextmanager
    def _place(self, http: web.Request, caller: Caller) -> Iterator[None]:
        urgent = http.headers.get("Priority", "").startswith("u=1")
        places = self._urgent if urgent else self._routine
        with places.taken_by(caller.aid), working_for("urgent" if urgent else "routine"):
            yield

    async def _receive(
        self, http: web.Request, intake: Intake, length: int, *, complete: bool, status: int
    ) -> web.StreamResponse:
        """Feed the body to the intake; whatever ends it early leaves the intake suspended or aborted."""
        fed = False
        try:
            async for chunk in body_chunks(http.content, length, self._limits):
                fed = True
                await intake.feed(chunk)
                fed = False
                if intake.done:
                    break
        except BaseException:
            # Within a chunk the bundle is refused, or our own storage failed: the intake is over. Between
            # chunks the peer went away or was too slow, or we are stopping: what is durable stays.
            await (intake.abort() if fed else intake.suspend())
            raise
        if complete or intake.done:
            answer = await intake.finish()
            return _json(answer.body, status=answer.status)
        state = await intake.suspend()
        return web.Response(status=status, headers=_upload_headers(state))

    # Receipts

    async def bundle_receipts(self, http: web.Request) -> web.StreamResponse:
        """``GET /bundles/{from}/{bid}/receipts?after=n``."""
        caller = self._caller(http)
        after = _count(http.query.get("after", "0"), "after")
        with self._calls.taken_by(caller.aid):
            body = await self._receipts.for_bundle(
                caller=caller.aid, sender=http.match_info["sender"], bid=http.match_info["bid"], after=after
            )
        return _json(body)

    async def post_receipts(self, http: web.Request) -> web.StreamResponse:
        """``POST /receipts``: receipts and problems from a peer."""
        _content_type(http, "application/json")
        caller = self._caller(http)
        with self._calls.taken_by(caller.aid):
            body = await self._body(http, caller)
            answer = await self._receipts.take(caller=caller.aid, jti=caller.jti, exp=caller.exp, body=body)
        return _json(answer)

    async def _body(self, http: web.Request, caller: Caller) -> dict[str, Any]:
        """Read a JSON object that the caller's token covers."""
        length = body_length(http, self._limits.max_json_bytes)
        chunks = [chunk async for chunk in body_chunks(http.content, length, self._limits)]
        return self._gate.read_json(caller, b"".join(chunks))

    # Emergency

    async def post_notices(self, http: web.Request) -> web.StreamResponse:
        """``POST /revocations``: keys that are not to be trusted any more, passed on by a peer."""
        _content_type(http, "application/json")
        caller = self._caller(http)
        with self._calls.taken_by(caller.aid):
            body = await self._body(http, caller)
            answer = await self._notices.take_all(
                caller=caller.aid, jti=caller.jti, exp=caller.exp, body=body
            )
        return _json(answer)

    # https_pull

    async def outbox(self, http: web.Request) -> web.StreamResponse:
        """``GET /outbox?after=cursor&wait=seconds``: what waits for the caller; a long poll."""
        caller = self._caller(http)
        after = _count(http.query.get("after", "0"), "after")
        wait = min(_count(http.query.get("wait", "0"), "wait"), _LONGEST_POLL_S)
        task = asyncio.current_task()
        assert task is not None
        with self._polls.taken_by(caller.aid):
            self._polling.add(task)
            try:
                return _json(await self._outbox.listing(caller=caller.aid, after=after, wait_s=float(wait)))
            finally:
                self._polling.discard(task)

    async def outbox_item(self, http: web.Request) -> web.StreamResponse:
        """``GET /outbox/{bid}``: one container, from ``Range: bytes=n-`` on."""
        caller = self._caller(http)
        begin = _range(http)
        with self._place(http, caller):
            source = await self._outbox.open(caller=caller.aid, bid=http.match_info["bid"])
            if begin is not None and begin >= source.size:
                raise Unsupported(416, "range")
            response = web.StreamResponse(status=200 if begin is None else 206, headers=HEADERS)
            response.headers["ETag"] = f'"{source.envelope_sha256}"'
            response.content_type = CONTAINER_TYPE
            offset = begin or 0
            response.content_length = source.size - offset
            if begin is not None:
                response.headers["Content-Range"] = f"bytes {begin}-{source.size - 1}/{source.size}"
            await response.prepare(http)
            try:
                async for chunk in source.stream(offset):
                    async with asyncio.timeout(self._limits.idle_s):
                        await response.write(chunk)
                await response.write_eof()
            except (GatewayError, OSError, TimeoutError):
                # The status is out: only a cut connection still tells the peer that this is not all.
                http.protocol.force_close()
            return response

    # About this gateway

    async def hello(self, http: web.Request) -> web.StreamResponse:
        """``GET /hello``: advisory; never lowers what the directory says."""
        caller = self._caller(http)
        now = self._clock.now()
        self._count_hello(caller, now)
        return _json({"aid": self._gate.own_aid, "versions": VERSIONS, "time": wire_time(now)})

    async def post_probe(self, http: web.Request) -> web.StreamResponse:
        """``POST /probes``: the signed answer to a signed question; changes nothing, so no token is spent."""
        _content_type(http, "application/json")
        caller = self._caller(http)
        self._count_hello(caller, self._clock.now())
        question = (await self._body(http, caller)).get("question")
        if not isinstance(question, str):
            raise GatewayRefusal("malformed", detail="probe")
        return _json({"answer": self._probes.answer(question, caller=caller.aid)})

    def _count_hello(self, caller: Caller, now: datetime) -> None:
        minute = int(now.timestamp() // 60)
        if minute != self._hello_minute:
            self._hello_minute = minute
            self._hellos.clear()
        self._hellos[caller.aid] += 1
        if self._hellos[caller.aid] > self._limits.hellos_per_minute:
            raise GatewayRefusal("rate", detail="hello")

    async def checkpoint(self, http: web.Request) -> web.StreamResponse:
        """``GET /log/checkpoint``: the newest signed tree head."""
        caller = self._caller(http)
        with self._calls.taken_by(caller.aid):
            note = await self._log.checkpoint()
        if note is None:
            raise GatewayRefusal("not-found")
        return web.Response(body=note, headers=HEADERS, content_type="text/plain")

    async def tile(self, http: web.Request) -> web.StreamResponse:
        """``GET /log/tile/{level}/{index}[.p/{width}]``: hashes (C2SP tlog-tiles), no entries."""
        caller = self._caller(http)
        match = _TILE.fullmatch(http.match_info["index"])
        if match is None or len(match["high"]) > 20:
            raise GatewayRefusal("not-found")
        index = int(match["high"].replace("x", "").replace("/", "") + match["low"])
        width = int(match["width"]) if match["width"] else 256
        level = int(http.match_info["level"])
        data = None
        if level <= 7 and 0 < width <= 256:
            with self._calls.taken_by(caller.aid):
                data = await self._log.tile(level, index, width)
        if data is None:
            raise GatewayRefusal("not-found")
        return web.Response(body=data, headers=HEADERS, content_type="application/octet-stream")

    def _caller(self, http: web.Request) -> Caller:
        transport = http.transport
        connection = None if transport is None else transport.get_extra_info("ssl_object")
        return self._gate.authenticate(
            authorization=http.headers.get("Authorization"),
            method=http.method,
            path_qs=http.raw_path,
            peer_cert_der=None if connection is None else connection.getpeercert(binary_form=True),
            now=self._clock.now(),
        )


def _bundle(http: web.Request, caller: Caller) -> tuple[str, str]:
    """Return the bundle of the path; only the authority named in it may append or ask."""
    sender, bid = http.match_info["sender"], http.match_info["bid"]
    if len(sender) > _MAX_AID or sender != caller.aid:
        raise GatewayRefusal("auth-invalid", detail="another authority's bundle")
    return sender, bid


def _flag(http: web.Request, *, default: bool | None) -> bool:
    """Return ``Upload-Complete``, a structured-field boolean."""
    text = http.headers.get("Upload-Complete")
    if text is None and default is not None:
        return default
    if text not in ("?0", "?1"):
        raise GatewayRefusal("malformed", detail="Upload-Complete")
    return text == "?1"


def _content_type(http: web.Request, expected: str) -> None:
    if http.headers.get("Content-Type", "").partition(";")[0].strip().lower() != expected:
        raise Unsupported(415, "content type")


def _count(text: str, name: str) -> int:
    if not _COUNT.fullmatch(text):
        raise GatewayRefusal("malformed", detail=name)
    return int(text)


def _range(http: web.Request) -> int | None:
    text = http.headers.get("Range")
    if text is None:
        return None
    match = _RANGE.fullmatch(text)
    if match is None:
        raise Unsupported(416, "range")
    return int(match[1])


def _upload_headers(state: UploadState) -> dict[str, str]:
    headers = dict(HEADERS)
    headers["Upload-Offset"] = str(state.offset)
    headers["Upload-Complete"] = "?1" if state.complete else "?0"
    if state.envelope is not None:
        headers["ETag"] = f'"{state.envelope}"'
    if state.length is not None:
        headers["Upload-Length"] = str(state.length)
    return headers


def _json(body: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=_encode(body), status=status, headers=HEADERS, content_type="application/json")
