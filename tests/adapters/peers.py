"""Loopback peers for the adapters: honest ones, and one settable way to fail for each step.

All authorities here are fictional. ``PEERS`` has one peer class per scheme; the conformance suite runs
against each. The HTTPS peer serves the product's own peer API over a stand-in for the accepting service;
where it has to lie on the wire, a scripted TLS server takes its place.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from adapters.base import Adapter, Endpoint, Parcel, Verdict
from adapters.egress import EgressPolicy, Network
from adapters.https import HTTPSAdapter
from adapters.peerhttp import Timings
from adapters.sealedmail import SealedMailAdapter
from adapters.smimemail import SmimeMailAdapter
from adapters.tls import ServerTLS, TLSIdentity
from crypto.errors import Refusal
from crypto.keys import ED25519, KeyUse, PrivateKey, PublicKey, Signer
from crypto.opener import KeyInForce
from crypto.reqjwt import issue_request_token
from crypto.x509 import make_tls_certificate
from gateway.errors import GatewayRefusal
from gateway.services.arrivals.peergate import PeerGate
from gateway.web.intake import PeerLimits
from gateway.web.peer import PeerAPI
from gateway.web.server import PeerServer
from tests.adapters.lettermail import LetterPeer
from tests.adapters.mailpeers import SealedMailPeer

LAB = EgressPolicy(network=Network.LAB)
#: For peers that fail: how soon is not what the contract is about.
QUICK = Timings(connect_s=0.08, idle_s=0.08, urgent_s=0.08, routine_s=0.08)
PATIENT = Timings(connect_s=5.0, idle_s=5.0, urgent_s=5.0, routine_s=5.0)


class SettableClock:
    """Starts at the machine's time, because TLS certificates are judged by it; moves when told."""

    def __init__(self) -> None:
        self.instant = datetime.now(UTC)

    def now(self) -> datetime:
        return self.instant


@dataclass
class Authority:
    """A fictional authority with one request key and one TLS certificate."""

    aid: str
    signer: Signer
    certificate: bytes
    key_file: Path

    @classmethod
    def make(cls, aid: str, folder: Path, *, hosts: tuple[str, ...] = ("localhost",)) -> "Authority":
        certificate, pem = make_tls_certificate(aid, now=datetime.now(UTC), hosts=hosts)
        key_file = folder / f"{aid}-{secrets.token_hex(4)}.pem"
        key_file.write_bytes(pem)
        signer = PrivateKey.generate(KeyUse.REQ, ED25519).signer()
        return cls(aid=aid, signer=signer, certificate=certificate, key_file=key_file)

    @property
    def identity(self) -> TLSIdentity:
        return TLSIdentity(certificate=self.certificate, key_file=self.key_file)

    def token_maker(self, clock: SettableClock) -> "Tokens":
        return Tokens(self, clock)


class Tokens:
    """Makes request tokens and remembers what for."""

    def __init__(self, authority: Authority, clock: SettableClock) -> None:
        self._authority = authority
        self._clock = clock
        self.made: list[tuple[str, str, str]] = []

    def __call__(
        self,
        aud: str,
        method: str,
        path_qs: str,
        *,
        bd: bytes | None = None,
        off: int | None = None,
        len: int | None = None,
    ) -> str:
        self.made.append((aud, method, path_qs))
        return issue_request_token(
            self._authority.signer,
            iss=self._authority.aid,
            aud=aud,
            method=method,
            path_qs=path_qs,
            now=self._clock.now(),
            body_digest=bd,
            off=off,
            length=len,
        )


class Listing:
    """A directory in memory: who is listed, with which request key and certificates."""

    def __init__(self, *authorities: Authority) -> None:
        self.version = 1
        self._keys: dict[tuple[str, str], KeyInForce] = {}
        self._tls: dict[bytes, str] = {}
        for authority in authorities:
            self.add(authority)

    def add(self, authority: Authority) -> None:
        public: PublicKey = authority.signer.public
        start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        self._keys[authority.aid, public.kid] = KeyInForce(public=public, nbf=start, exp=end)
        self._tls[authority.certificate] = authority.aid
        self.version += 1

    def set_key(self, aid: str, key: KeyInForce) -> None:
        self._keys[aid, key.public.kid] = key

    def drop_certificate(self, authority: Authority) -> None:
        del self._tls[authority.certificate]
        self.version += 1

    def key_in_force(self, authority_id: str, use: str, kid: str) -> KeyInForce:
        if authority_id not in {aid for aid, _ in self._keys}:
            raise Refusal("unknown-sender")
        try:
            return self._keys[authority_id, kid]
        except KeyError:
            raise Refusal("unknown-key") from None

    def tls_certificates(self) -> Mapping[bytes, str]:
        return self._tls


@dataclass
class State:
    offset: int
    length: int | None = None
    complete: bool = False
    envelope: str | None = None


@dataclass
class Answer:
    status: int
    body: Mapping[str, Any]


def receipt_for(container: bytes) -> dict[str, Any]:
    """A stand-in for a receipt: names the bytes it is for, so that tests can tell whose it is."""
    digest = hashlib.sha256(container).hexdigest()
    return {"jws": f"fictional.{digest}", "leaf": None, "salt": None, "body": None, "proof": None}


class FakeAcceptor:
    """Follows the contract of the accepting service, and keeps containers in memory.

    Attributes:
        refuse: Code that the first chunk is refused with.
        hold: Set to an unset event, ``finish`` waits for it.
        finishing: Set once a ``finish`` has begun.
        whole: Containers that are in.
        partial: Bytes of uploads under way.
        calls: What was asked, in order.
    """

    def __init__(self) -> None:
        self.refuse: str | None = None
        self.hold: asyncio.Event | None = None
        self.finishing = asyncio.Event()
        self.relay = False
        self.envelope: str | None = None
        self.whole: dict[tuple[str, str], bytes] = {}
        self.partial: dict[tuple[str, str], bytes] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.tokens: list[str] = []
        self._running: set[tuple[str, str]] = set()
        self._changed = asyncio.Condition()

    async def begin(self, *, caller: str, jti: str, exp: datetime, sender: str, bid: str) -> "FakeIntake":
        self.calls.append(("begin", sender, bid))
        self.tokens.append(jti)
        intake = self._enter((sender, bid), b"")
        async with self._changed:
            self._changed.notify_all()
        return intake

    async def resume(
        self, *, caller: str, jti: str, exp: datetime, sender: str, bid: str, offset: int
    ) -> "FakeIntake":
        self.calls.append(("resume", sender, bid, offset))
        self.tokens.append(jti)
        held = self.partial.get((sender, bid), b"")
        if len(held) != offset:
            raise GatewayRefusal("offset", offset=len(held))
        return self._enter((sender, bid), held)

    async def state(self, *, caller: str, sender: str, bid: str) -> State:
        self.calls.append(("state", sender, bid))
        key = (sender, bid)
        if key in self.whole:
            size = len(self.whole[key])
            return State(offset=size, length=size, complete=True)
        return State(offset=len(self.partial.get(key, b"")), envelope=self.envelope)

    def _enter(self, key: tuple[str, str], held: bytes) -> "FakeIntake":
        if key in self._running:
            raise GatewayRefusal("busy")
        self._running.add(key)
        return FakeIntake(self, key, held)

    async def begun(self, number: int) -> None:
        """Wait until so many uploads are under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._running) >= number)

    def leave(self, key: tuple[str, str]) -> None:
        self._running.discard(key)


class FakeIntake:
    def __init__(self, acceptor: FakeAcceptor, key: tuple[str, str], held: bytes) -> None:
        self._acceptor = acceptor
        self._key = key
        self._bytes = bytearray(held)
        self.done = False

    async def feed(self, chunk: bytes) -> None:
        if self._acceptor.refuse is not None:
            raise GatewayRefusal(self._acceptor.refuse, detail="secret inside")
        self.done = self._key in self._acceptor.whole
        self._bytes += chunk

    async def suspend(self) -> State:
        self._acceptor.calls.append(("suspend", len(self._bytes)))
        self._acceptor.partial[self._key] = bytes(self._bytes)
        self._acceptor.leave(self._key)
        return State(offset=len(self._bytes))

    async def finish(self) -> Answer:
        self._acceptor.finishing.set()
        if self._acceptor.hold is not None:
            await self._acceptor.hold.wait()
        self._acceptor.leave(self._key)
        self._acceptor.partial.pop(self._key, None)
        is_new = self._key not in self._acceptor.whole
        container = self._acceptor.whole.setdefault(self._key, bytes(self._bytes))
        body = {"receipts": [receipt_for(container)], "problems": [], "checkpoint_update": None}
        if self._acceptor.relay:
            return Answer(status=202, body=body)
        return Answer(status=201 if is_new else 200, body=body)

    async def abort(self) -> None:
        self._acceptor.calls.append(("abort",))
        self._acceptor.leave(self._key)


@dataclass
class Waiting:
    """A container in an outbox; gives its first ``cut_after`` bytes and breaks, if told to."""

    data: bytes
    cut_after: int | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def envelope_sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    async def stream(self, offset: int) -> AsyncIterator[bytes]:
        cut, self.cut_after = self.cut_after, None
        for begin in range(offset, len(self.data), 1000):
            if cut is not None and begin - offset >= cut:
                raise OSError("the disk went away")
            yield self.data[begin : begin + 1000]


class FakeOutbox:
    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], Waiting] = {}
        self.asked: list[tuple[str, int, float]] = []
        self.polled = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def listing(self, *, caller: str, after: int, wait_s: float) -> Mapping[str, Any]:
        self.asked.append((caller, after, wait_s))
        self.polled.set()
        if self.hold is not None:
            await self.hold.wait()
        items = [
            {"no": n, "bid": bid, "size": w.size}
            for n, ((aid, bid), w) in enumerate(self.waiting.items(), 1)
            if aid == caller and n > after
        ]
        return {"items": items, "receipts": [], "cursor": len(self.waiting)}

    async def open(self, *, caller: str, bid: str) -> Waiting:
        try:
            return self.waiting[caller, bid]
        except KeyError:
            raise GatewayRefusal("not-found") from None


class FakeDesk:
    def __init__(self, acceptor: FakeAcceptor) -> None:
        self._acceptor = acceptor
        self.taken: list[tuple[str, Mapping[str, Any]]] = []

    async def take(self, *, caller: str, jti: str, exp: datetime, body: dict[str, Any]) -> Mapping[str, Any]:
        self.taken.append((caller, body))
        return {"cosignatures": []}

    async def for_bundle(self, *, caller: str, sender: str, bid: str, after: int) -> Mapping[str, Any]:
        if caller != sender:
            raise GatewayRefusal("auth-invalid")
        container = self._acceptor.whole.get((sender, bid))
        return {"receipts": [] if container is None else [receipt_for(container)]}


class FakeNotices:
    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []

    async def take_all(
        self, *, caller: str, jti: str, exp: datetime, body: dict[str, Any]
    ) -> Mapping[str, Any]:
        self.taken.append((caller, body))
        return {"refused": [None for _ in body["notices"]]}


class FakeProbes:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuse: str | None = None

    def answer(self, question: str, *, caller: str) -> str:
        if self.refuse is not None:
            raise GatewayRefusal(self.refuse)
        self.asked.append((caller, question))
        return f"answer to {question}"


class FakeLog:
    async def checkpoint(self) -> bytes | None:
        return b"yy-moj/log\n1\nAAAA\n"

    async def tile(self, level: int, index: int, width: int) -> bytes | None:
        return bytes(32) * width if (level, index) == (0, 1234067) else None


@dataclass
class Served:
    """The peer API of ``yy-moj`` on loopback, over stand-ins."""

    authority: Authority
    listing: Listing
    clock: SettableClock
    limits: PeerLimits = field(default_factory=PeerLimits)

    def __post_init__(self) -> None:
        self.acceptor = FakeAcceptor()
        self.outbox = FakeOutbox()
        self.desk = FakeDesk(self.acceptor)
        self.notices = FakeNotices()
        self.probes = FakeProbes()
        self.gate = PeerGate(own_aid=self.authority.aid, directory=self.listing)
        api = PeerAPI(
            gate=self.gate,
            acceptor=self.acceptor,
            outbox=self.outbox,
            receipts=self.desk,
            notices=self.notices,
            probes=self.probes,
            log=FakeLog(),
            clock=self.clock,
            limits=self.limits,
        )
        tls = ServerTLS(
            identity=lambda: self.authority.identity,
            certificates=lambda: tuple(self.listing.tls_certificates()),
            version=lambda: self.listing.version,
        )
        self.server = PeerServer(api=api, tls=tls.context, limits=self.limits)
        self.port = 0

    async def start(self) -> None:
        self.port = await self.server.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self.server.stop()

    @property
    def endpoint(self) -> Endpoint:
        return endpoint_of(self.authority, self.port)


def endpoint_of(authority: Authority, port: int) -> Endpoint:
    return Endpoint(
        authority_id=authority.aid,
        address=f"https://localhost:{port}",
        certificates=(authority.certificate,),
    )


def parcel_of(container: bytes, *, urgent: bool = False, sender: str = "xx-moj", bid: str = "") -> Parcel:
    """A parcel over bytes in memory; the bytes stand for a sealed container."""

    async def read(offset: int) -> AsyncIterator[bytes]:
        for begin in range(offset, len(container), 65536):
            yield container[begin : begin + 65536]

    digest = hashlib.sha256(container).hexdigest()
    return Parcel(
        sender=sender,
        bid=bid or digest[:32],
        envelope_sha256=digest,
        size_bytes=len(container),
        urgent=urgent,
        read=read,
    )


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Relay:
    """Passes TCP bytes on to a port and cuts connections when told; optionally asks for CONNECT first.

    Attributes:
        cut_after: For each connection to come, after how many bytes from the client it is cut.
        asked: The CONNECT lines.
    """

    def __init__(self, target: int, *, connect: bool = False) -> None:
        self._target = target
        self._connect = connect
        self.cut_after: list[int] = []
        self.asked: list[str] = []
        self.connections = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_all(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        if self._connect:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.split(b"\r\n")[0].decode())
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        limit = self.cut_after.pop(0) if self.cut_after else None
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back}
        up = asyncio.create_task(self._copy(reader, back, limit))
        down = asyncio.create_task(self._copy(there, writer, None))
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
            self._writers.discard(end)
        await asyncio.gather(up, down, return_exceptions=True)
        self._tasks.discard(task)

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int | None
    ) -> None:
        passed = 0
        try:
            while chunk := await source.read(65536):
                passed += len(chunk)
                if limit is not None and passed > limit:
                    return
                sink.write(chunk)
                await sink.drain()
        except OSError:
            return


class Scripted:
    """A TLS server that shows the right certificate and then follows a script instead of HTTP."""

    def __init__(self, authority: Authority, clients: Listing, script: Script) -> None:
        self._tls = ServerTLS(
            identity=lambda: authority.identity,
            certificates=lambda: tuple(clients.tls_certificates()),
            version=lambda: clients.version,
        )
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls.context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()


def answering(answer: bytes, *, seen: list[bytes] | None = None) -> Script:
    """A script that reads whole requests and answers each with the same bytes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
            length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
            body = await reader.readexactly(length)
            if seen is not None:
                seen.append(head + body)
            writer.write(answer)
            await writer.drain()

    return script


PROBLEM = "application/problem+json"


def http_answer(status: int, body: bytes, *, media: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{extra}\r\n".encode() + body


async def half_read(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the beginning, then nothing more, and keep the connection."""
    await reader.readexactly(100)
    await asyncio.Event().wait()


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the beginning and close."""
    await reader.readexactly(100)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with more than anybody should read."""
    await reader.readexactly(100)
    writer.write(b"HTTP/1.1 201 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


_GOOD = http_answer(201, b'{"receipts":[{"jws":"fictional"}]}')


class LoopbackPeer(Protocol):
    """What the conformance suite needs of the peer of a scheme.

    Attributes:
        VERDICT, RECEIPTS: How an attempt ends with the honest peer, and the number of receipts it brings.
        received: Containers that are whole at the peer.
    """

    endpoint: Endpoint

    def __init__(self, folder: Path) -> None: ...

    @property
    def VERDICT(self) -> Verdict: ...

    @property
    def RECEIPTS(self) -> int: ...

    @property
    def received(self) -> Mapping[tuple[str, str], bytes]: ...

    async def start(self, failure: str | None = None) -> None: ...

    async def start_eavesdropped(self) -> None: ...

    def adapter(self) -> Adapter: ...

    def quick_adapter(self) -> Adapter: ...

    def check_seen(self, parcel: Parcel, sealed: bytes, *, urgent: bool) -> None:
        """Assert that nothing but the sealed bytes, size, address and urgent mark left the process."""

    async def stop(self) -> None: ...


class HTTPSPeer:
    """The conformance suite's peer for ``gateway_https``."""

    VERDICT = Verdict.ACCEPTED
    RECEIPTS = 1

    #: What this peer can do wrong. ``None`` is the honest peer.
    FAILURES: Mapping[str, Script | None] = {
        "absent": None,
        "slow": None,
        "another certificate": None,
        "half-reading": half_read,
        "hangs up": hang_up,
        "not HTTP": answering(b"220 mail.example.org ESMTP\r\n"),
        "endless answer": endless,
        "not JSON": answering(http_answer(201, b"{receipts")),
        "duplicate members": answering(http_answer(201, b'{"receipts":[],"receipts":[{"jws":"x"}]}')),
        "no receipt": answering(http_answer(201, b'{"receipts":[]}')),
        "wrong media type": answering(http_answer(201, b"<html>", media="text/html")),
        "compressed": answering(http_answer(201, b"{}", extra="Content-Encoding: gzip\r\n")),
        "redirect": answering(http_answer(307, b"", extra="Location: https://localhost:1/\r\n")),
        "wrong status": answering(http_answer(599, b"")),
        "unknown problem": answering(http_answer(418, b'{"type":"urn:gw:err:teapot"}', media=PROBLEM)),
        "problem too long": answering(
            http_answer(403, b'{"type":"urn:gw:err:policy"' + b" " * 70_000 + b"}", media=PROBLEM)
        ),
        "header too long": answering(http_answer(201, b"{}", extra=f"X: {'y' * 70_000}\r\n")),
    }

    def __init__(self, folder: Path) -> None:
        self.clock = SettableClock()
        self.own = Authority.make("xx-moj", folder)
        self.peer = Authority.make("yy-moj", folder)
        self.stranger = Authority.make("zz-moj", folder)
        self.listing = Listing(self.own)
        self.served = Served(self.peer, self.listing, self.clock)
        self._scripted: Scripted | None = None
        self.tokens = self.own.token_maker(self.clock)
        self.endpoint = endpoint_of(self.peer, 1)
        #: Everything that reached the honest peer's wire, in clear.
        self.seen: list[bytes] = []

    @property
    def received(self) -> Mapping[tuple[str, str], bytes]:
        return self.served.acceptor.whole

    async def start(self, failure: str | None = None) -> None:
        if failure == "absent":
            # Bound and closed again: nobody listens there.
            probe = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
            self.endpoint = endpoint_of(self.peer, probe.sockets[0].getsockname()[1])
            probe.close()
        elif failure is not None and self.FAILURES[failure] is not None:
            script = self.FAILURES[failure]
            assert script is not None
            await self.start_script(script)
        else:
            if failure == "slow":
                self.served.acceptor.hold = asyncio.Event()
            if failure == "another certificate":
                self.served.authority = self.stranger
            await self.served.start()
            self.endpoint = endpoint_of(self.peer, self.served.port)

    async def start_eavesdropped(self) -> None:
        await self.start_script(answering(_GOOD, seen=self.seen))

    async def start_script(self, script: Script) -> None:
        self._scripted = Scripted(self.peer, self.listing, script)
        self.endpoint = endpoint_of(self.peer, await self._scripted.start())

    def adapter(self, timings: Timings = PATIENT, **options: Any) -> HTTPSAdapter:
        async def no_pause(_seconds: float) -> None:
            await asyncio.sleep(0)

        return HTTPSAdapter(
            identity=lambda: self.own.identity,
            token=self.tokens,
            policy=LAB,
            timings=timings,
            pause=no_pause,
            **options,
        )

    def quick_adapter(self) -> Adapter:
        """An adapter that gives up soon."""
        return self.adapter(QUICK)

    def check_seen(self, parcel: Parcel, sealed: bytes, *, urgent: bool) -> None:
        """One request with the headers of the peer API and no others."""
        [seen] = self.seen
        head, _, body = seen.partition(b"\r\n\r\n")
        assert body == sealed
        lines = head.decode().split("\r\n")
        assert lines[0] == f"PUT /gw/v1/bundles/{parcel.sender}/{parcel.bid} HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in lines[1:])
        token = headers.pop("Authorization")
        assert re.fullmatch(r"GW [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", token)
        expected = {
            "Host": self.endpoint.address.removeprefix("https://"),
            "Upload-Complete": "?1",
            "Content-Type": "application/vnd.gw.bundle",
            "Content-Length": str(len(sealed)),
        }
        assert headers == (expected | {"Priority": "u=1"} if urgent else expected)

    async def stop(self) -> None:
        if self.served.acceptor.hold is not None:
            self.served.acceptor.hold.set()
        if self.served.port:
            await self.served.stop()
        if self._scripted is not None:
            await self._scripted.stop()


PEERS: Mapping[str, type[LoopbackPeer]] = {
    HTTPSAdapter.scheme: HTTPSPeer,
    SealedMailAdapter.scheme: SealedMailPeer,
    SmimeMailAdapter.scheme: LetterPeer,
}
