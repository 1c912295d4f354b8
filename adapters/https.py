"""The peer API's client: sealed bundles over HTTPS, whole or in segments (docs/peer-api.md).

``deliver`` sends a small container in one PUT whose answer is the receipt, or in one request with
others (``batches``), and a large one in segments, going on from wherever the peer says it stands,
however often the line is cut, as long as there is progress. It keeps no state of a bundle between
attempts: the peer's offset is the truth. The other calls serve receipts and ``https_pull``. Receipts
are handed back unverified.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from itertools import islice

from adapters.base import Endpoint, Outcome, Parcel, ProbeOutcome, Verdict
from adapters.batches import SMALL_BYTES, Batches, Small
from adapters.egress import EgressPolicy, Lookup, system_lookup
from adapters.peerhttp import PeerHTTP, Source, Timings, TokenMaker
from adapters.replies import Reply
from adapters.tls import TLSIdentity
from crypto import strictjson
from crypto.errors import CODES, Action
from crypto.strictjson import JSONValue

BASE = "/gw/v1"

#: Media types of a whole container, of a stretch of one.
CONTAINER_TYPE = "application/vnd.gw.bundle"
PARTIAL_TYPE = "application/partial-upload"
#: Of several whole containers in one body.
BATCH_TYPE = "application/vnd.gw.bundles"

#: RFC 9218; routine transfers carry no mark.
URGENT = "u=1"

SEGMENT_BYTES = 8 * 1024 * 1024
#: Bodies up to this size are collected first: one write, one TLS record run, no task of its own.
_COLLECT_BYTES = 256 * 1024
#: Cuts in a row without a byte of progress after which the attempt ends; the next one goes on from there.
_STALLED_CUTS = 4
_WRONG_OFFSETS = 3
_LONG_POLL_S = 60.0
#: Receipts of one answer that are handed on: each costs a signature to verify. An honest chain is a handful.
_MOST_RECEIPTS = 100


class HTTPSAdapter:
    """The transport ``gateway_https``.

    Args:
        identity: The own TLS certificate in force, asked per request.
        token: Makes the token of one request.
        proxy_url: Explicit CONNECT proxy, ``http://host:port``, or ``None``.
        segment_bytes: Containers above this size travel in segments of this size.
        pause: How to wait between two tries within one attempt.
    """

    scheme = "gateway_https"

    def __init__(
        self,
        *,
        identity: Callable[[], TLSIdentity],
        token: TokenMaker,
        policy: EgressPolicy,
        timings: Timings | None = None,
        proxy_url: str | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        lookup: Lookup = system_lookup,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._segment_bytes = segment_bytes
        self._pause = pause
        self._timings = timings if timings is not None else Timings()
        self._http = PeerHTTP(
            identity=identity,
            token=token,
            policy=policy,
            timings=self._timings,
            proxy_url=proxy_url,
            lookup=lookup,
        )
        self._batches = Batches(alone=self._send_small, together=self._send_batch)

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Make one attempt; see ``Adapter``. Raises only if the parcel's own source fails."""
        if not parcel.urgent and parcel.size_bytes <= min(SMALL_BYTES, self._segment_bytes):
            container = await _collect(parcel, 0, parcel.size_bytes)
            return _outcome(await self._batches.send(parcel, endpoint, container))
        if parcel.size_bytes <= self._segment_bytes:
            return _outcome(await self._send(parcel, endpoint, 0, parcel.size_bytes))
        return await self._deliver_in_segments(parcel, endpoint)

    async def _deliver_in_segments(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        cuts, wrong_offsets, furthest = 0, 0, -1
        # A peer that forgets what it was sent must not have it sent for ever.
        budget = 2 * parcel.size_bytes + 64 * self._segment_bytes
        offset: int | None = None
        while True:
            if offset is None:
                reply = await self._state(parcel, endpoint)
                if reply.is_complete:
                    return await self._stored_answer(parcel, endpoint)
                offset = _resume_at(reply, parcel)
            if offset is not None:
                if offset > furthest:
                    cuts, furthest = 0, offset
                end = min(offset + self._segment_bytes, parcel.size_bytes)
                budget -= end - offset
                if budget < 0:
                    return Outcome(verdict=Verdict.RETRY, detail="the peer keeps too little of what it gets")
                reply = await self._send(parcel, endpoint, offset, end)
                if reply.ok and (end == parcel.size_bytes or _receipts(reply.body)):
                    return _outcome(reply)
                if reply.ok:
                    if reply.offset != end:
                        return _retry(reply, "the peer took a segment and reports another offset")
                    offset = end
                    continue
                if reply.code == "offset" and wrong_offsets < _WRONG_OFFSETS:
                    wrong_offsets += 1
                    offset = reply.offset if (reply.offset or 0) <= parcel.size_bytes else None
                    continue
            # A cut that we saw, or the peer did (incomplete), or that it has not noticed yet (busy).
            is_cut = reply.is_trouble or reply.status == 423 or reply.code == "incomplete"
            if not is_cut or cuts >= _STALLED_CUTS:
                return _outcome(reply)
            offset = None
            await self._pause(0.05 * 4**cuts)
            cuts += 1

    async def _send_small(self, small: Small) -> Reply:
        parcel = small.parcel
        return await self._send(parcel, small.endpoint, 0, parcel.size_bytes, body=small.container)

    async def _send_batch(self, batch: Sequence[Small]) -> Reply:
        body = b"".join(small.container for small in batch)
        each = ",".join(f"{small.parcel.bid}.{small.parcel.size_bytes}" for small in batch)
        return await self._http.request(
            batch[0].endpoint,
            "POST",
            f"{BASE}/bundles?each={each}",
            pool="routine",
            answer_s=self._timings.routine_s,
            container=(body, 0, len(body)),
            content_type=BATCH_TYPE,
        )

    async def _send(
        self, parcel: Parcel, endpoint: Endpoint, offset: int, end: int, *, body: bytes | None = None
    ) -> Reply:
        """Send the bytes from ``offset`` to ``end``: PUT from the beginning, PATCH from further on."""
        headers = {"Upload-Complete": "?1" if end == parcel.size_bytes else "?0"}
        if parcel.urgent:
            headers["Priority"] = URGENT
        if offset == 0:
            method, content_type = "PUT", CONTAINER_TYPE
            if end != parcel.size_bytes:
                headers["Upload-Length"] = str(parcel.size_bytes)
        else:
            method, content_type = "PATCH", PARTIAL_TYPE
            headers["Upload-Offset"] = str(offset)
        source: bytes | Source = parcel.read if body is None else body
        if body is None and end - offset <= _COLLECT_BYTES:
            source = await _collect(parcel, offset, end)
        return await self._http.request(
            endpoint,
            method,
            _bundle_path(parcel.sender, parcel.bid),
            pool="urgent" if parcel.urgent else "routine",
            answer_s=self._answer_s(parcel.urgent),
            headers=headers,
            container=(source, offset, end - offset),
            content_type=content_type,
        )

    async def _state(self, parcel: Parcel, endpoint: Endpoint) -> Reply:
        return await self._http.request(
            endpoint,
            "HEAD",
            _bundle_path(parcel.sender, parcel.bid),
            pool="urgent" if parcel.urgent else "routine",
            answer_s=self._answer_s(parcel.urgent),
        )

    async def _stored_answer(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """The peer has it all: the answer was lost on the way, and is asked for again."""
        reply = await self.get_receipts(endpoint, parcel.sender, parcel.bid, after=0, urgent=parcel.urgent)
        return _outcome(reply)

    def _answer_s(self, urgent: bool) -> float:
        return self._timings.urgent_s if urgent else self._timings.routine_s

    async def post_receipts(self, endpoint: Endpoint, body: bytes, *, urgent: bool = False) -> Reply:
        """Push receipts and problems, a JSON object as bytes; the answer's body has ``cosignatures``."""
        return await self._http.request(
            endpoint,
            "POST",
            f"{BASE}/receipts",
            pool="urgent" if urgent else "routine",
            answer_s=self._answer_s(urgent),
            json=body,
        )

    async def post_notices(self, endpoint: Endpoint, body: bytes) -> Reply:
        """Pass emergency notices on, a JSON object as bytes; the answer's body has ``refused``."""
        return await self._http.request(
            endpoint,
            "POST",
            f"{BASE}/revocations",
            pool="urgent",
            answer_s=self._timings.urgent_s,
            json=body,
        )

    async def probe(self, endpoint: Endpoint, question: str) -> ProbeOutcome:
        """Put a probe to the peer, whose answer comes at once."""
        reply = await self._http.request(
            endpoint,
            "POST",
            f"{BASE}/probes",
            pool="routine",
            answer_s=self._timings.routine_s,
            json=strictjson.dumps({"question": question}),
        )
        answer = reply.body.get("answer") if reply.ok else None
        if not isinstance(answer, str):
            return ProbeOutcome(is_sent=False, code=reply.code)
        return ProbeOutcome(answer=answer, is_sent=True)

    async def get_receipts(
        self, endpoint: Endpoint, sender: str, bid: str, *, after: int, urgent: bool = False
    ) -> Reply:
        """Pull the receipts of one bundle whose ``n`` is above ``after``."""
        return await self._get(endpoint, f"{_bundle_path(sender, bid)}/receipts?after={after}", urgent=urgent)

    async def get_outbox(self, endpoint: Endpoint, *, after: int, wait_s: float) -> Reply:
        """Ask what waits for us, for up to ``wait_s`` (at most 60) seconds. Has connections of its own."""
        wait = int(min(max(wait_s, 0.0), _LONG_POLL_S))
        return await self._http.request(
            endpoint,
            "GET",
            f"{BASE}/outbox?after={after}&wait={wait}",
            pool="poll",
            answer_s=wait + self._timings.urgent_s,
        )

    async def fetch(
        self,
        endpoint: Endpoint,
        bid: str,
        *,
        offset: int,
        sink: Callable[[bytes], Awaitable[None]],
        urgent: bool = False,
    ) -> Reply:
        """Fetch a waiting container from ``offset`` to its end into ``sink``.

        ``Reply.offset`` says how far it came, also after a cut, so that the next call goes on from there.
        What ``sink`` raises is raised here.
        """
        headers = {"Priority": URGENT} if urgent else {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return await self._http.request(
            endpoint,
            "GET",
            f"{BASE}/outbox/{bid}",
            pool="urgent" if urgent else "routine",
            answer_s=self._answer_s(urgent),
            headers=headers,
            sink=sink,
            sink_offset=offset,
        )

    async def hello(self, endpoint: Endpoint) -> Reply:
        """Ask who is there; advisory, and never lowers what the directory says."""
        return await self._get(endpoint, f"{BASE}/hello", urgent=True)

    async def _get(self, endpoint: Endpoint, path_qs: str, *, urgent: bool) -> Reply:
        pool = "urgent" if urgent else "routine"
        return await self._http.request(endpoint, "GET", path_qs, pool=pool, answer_s=self._answer_s(urgent))

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as ``RETRY``."""
        await self._http.aclose()
        await self._batches.aclose()


def _bundle_path(sender: str, bid: str) -> str:
    return f"{BASE}/bundles/{sender}/{bid}"


def _resume_at(reply: Reply, parcel: Parcel) -> int | None:
    """Return where to go on, or ``None`` if the peer's state cannot be known now."""
    if reply.ok and reply.offset is not None:
        # An upload of an older envelope of this bundle (it was re-wrapped since) is begun anew.
        is_ours = reply.envelope_sha256 in (None, parcel.envelope_sha256)
        return reply.offset if is_ours and reply.offset <= parcel.size_bytes else 0
    # A refusal of HEAD has no document to say why; the PUT that follows gets one.
    is_passing = reply.is_trouble or reply.status >= 500 or reply.status in (423, 429)
    return None if is_passing else 0


def _outcome(reply: Reply) -> Outcome:
    receipts = _receipts(reply.body)
    if reply.ok:
        if not receipts:
            return _retry(reply, "an answer without a receipt")
        verdict = Verdict.DISPATCHED if reply.status == 202 else Verdict.ACCEPTED
        return Outcome(verdict=verdict, receipts=receipts, detail=reply.detail)
    rule = CODES.get(reply.code) if reply.code is not None else None
    if rule is None:
        return _retry(reply, reply.detail)
    if receipts or rule.action is Action.PERSON:
        return Outcome(
            verdict=Verdict.REFUSED,
            code=reply.code,
            receipts=receipts,
            retry_after_s=reply.retry_after_s,
            detail=reply.detail,
        )
    # Also a terminal code without a signature: only a signed rejection ends a transmission.
    return Outcome(
        verdict=Verdict.RETRY, code=reply.code, retry_after_s=reply.retry_after_s, detail=reply.detail
    )


def _retry(reply: Reply, detail: str) -> Outcome:
    return Outcome(verdict=Verdict.RETRY, retry_after_s=reply.retry_after_s, detail=detail)


def _receipts(body: Mapping[str, JSONValue]) -> tuple[Mapping[str, JSONValue], ...]:
    rows = body.get("receipts")
    if not isinstance(rows, list):
        return ()
    found = (row for row in rows if isinstance(row, dict) and isinstance(row.get("jws"), str))
    return tuple(islice(found, _MOST_RECEIPTS))


async def _collect(parcel: Parcel, offset: int, end: int) -> bytes:
    chunks, left = [], end - offset
    source = parcel.read(offset)
    try:
        while left:
            chunks.append((await anext(source))[:left])
            left -= len(chunks[-1])
    except StopAsyncIteration:
        raise ValueError("the container is shorter than its parcel says") from None
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
    return b"".join(chunks)
