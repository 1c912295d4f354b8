"""Signatures of envelopes, made in a process of their own while many bundles are sealed at once.

A hybrid signature takes most of the time of sealing, and the event loop does everything else meanwhile. The
process is started when it is first of use, holds no state, and may die: from then on, as before it was ready
and for a bundle that is sealed alone, the signature is made here. Invariant: every message gets exactly the
signature its signer would have made, or the error that signer raises.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from crypto.keys import HYBRID_SIGNATURE_SIZE, Signer
from gateway.model.codes import Lane
from gateway.services.keys.keyring import Keyring
from gateway.services.lanes import Gate, Lanes, is_urgent
from gateway.services.sealing.signingprocess import READY, question
from gateway.telemetry import get_log

#: Bundles of a lane between sealing and commit at once. The event loop runs all that can run before it looks
#: at the network again: without a limit whatever waits is sealed first, and the peer waits for all of it.
#: Fewer share a COMMIT too seldom.
_SEALED_AT_ONCE = 16

#: Urgent envelopes that are signed here before the process, where routine ones wait, is of use for them.
_URGENT_HERE = 3

#: Longest time an answer may take; it takes a few milliseconds.
_PATIENCE_S = 5.0

_log = get_log("signing")


class _Line(asyncio.Protocol):
    """The connection: a first byte when the process is ready, then answers in the order of questions.

    It ends where the oldest question waits too long for its answer.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = self._loop.create_future()
        #: What becomes the answers, each with the time by which it has to be here.
        self._answers: deque[tuple[asyncio.Future[bytes | None], float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            data = data.removeprefix(READY)
            self.ready.set_result(True)
        self._received += data
        while self._answers and len(self._received) >= HYBRID_SIGNATURE_SIZE:
            signature = bytes(self._received[:HYBRID_SIGNATURE_SIZE])
            del self._received[:HYBRID_SIGNATURE_SIZE]
            answer, _ = self._answers.popleft()
            if not answer.done():
                answer.set_result(signature)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.ready.done():
            self.ready.set_result(False)
        if self._watch is not None:
            self._watch.cancel()
        for answer, _ in self._answers:
            if not answer.done():
                answer.set_result(None)
        self._answers.clear()

    def ask(self, kid: str, message: bytes) -> asyncio.Future[bytes | None]:
        """Return what becomes the signature, or ``None`` if the process ends before it is made."""
        answer: asyncio.Future[bytes | None] = self._loop.create_future()
        if self._transport is None:
            answer.set_result(None)
        else:
            self._answers.append((answer, self._loop.time() + _PATIENCE_S))
            # One watch for all questions: a timeout for each would cost more than asking.
            if self._watch is None:
                self._watch = self._loop.call_later(_PATIENCE_S, self._look)
            self._transport.write(question(kid, message))
        return answer

    def _look(self) -> None:
        self._watch = None
        if not self._answers:
            return
        _, latest = self._answers[0]
        if self._loop.time() >= latest:
            self.close()
        else:
            self._watch = self._loop.call_at(latest, self._look)

    def close(self) -> None:
        """End the process: it reads the end of the connection."""
        if self._transport is not None:
            self._transport.abort()


class Signing:
    """Signs envelopes of one gateway. Use from one event loop."""

    def __init__(self, *, keyring: Keyring, lanes: Lanes, processors: int | None = None) -> None:
        self._keyring = keyring
        self._lanes = lanes
        # On one processor the two would only take turns.
        self._is_of_use = (processors or len(os.sched_getaffinity(0))) > 1
        self._urgent = asyncio.Semaphore(_SEALED_AT_ONCE)
        self._routine = Gate(lanes, routine=_SEALED_AT_ONCE)
        #: Bundles that have a turn or wait for one, and whether there were ever several since there was none.
        self._in_hand = 0
        self._had_company = False
        #: The same of the time before that: bundles that came together come together again.
        self._comes_in_company = False
        self._urgent_in_hand = 0
        self._process: asyncio.subprocess.Process | None = None
        self._line: _Line | None = None
        self._is_ready = False
        self._starting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self, lane: str) -> AsyncIterator[None]:
        """Hold one of the lane's turns to seal and store a bundle."""
        urgent = lane == Lane.URGENT
        if self._in_hand == 0:
            self._comes_in_company, self._had_company = self._had_company, False
        else:
            self._had_company = True
        self._in_hand += 1
        self._urgent_in_hand += urgent
        try:
            with self._lanes.working(lane):
                async with self._urgent if urgent else self._routine.passing(lane):
                    yield
        finally:
            self._in_hand -= 1
            self._urgent_in_hand -= urgent

    async def sign(self, signer: Signer, message: bytes) -> bytes:
        """Return the signer's signature of an envelope; made here if no other bundle is being sealed.

        The first of several is asked for like the others: while it was made here they would all wait. An
        urgent one waits behind no routine one: it is made here as well, unless many are urgent.
        """
        beside = (
            self._urgent_in_hand > _URGENT_HERE
            if is_urgent()
            else self._in_hand > 1 or self._comes_in_company
        )
        if self._is_of_use and beside:
            if self._line is not None and self._is_ready:
                signature = await self._asked(self._line, signer.public.kid, message)
                if signature is not None:
                    return signature
            elif self._starting is None:
                self._starting = asyncio.create_task(self._start(), name="signing")
        return signer.sign(message)

    async def _asked(self, line: _Line, kid: str, message: bytes) -> bytes | None:
        signature = await line.ask(kid, message)
        if signature is None:
            self._give_up()
        return signature

    def _give_up(self) -> None:
        """Sign here from now on: whatever ended the process would end the next one too."""
        self._end()
        if self._is_of_use:
            self._is_of_use = False
            _log.warning("signing.alone")

    def _end(self) -> None:
        """End the process at once: it holds nothing that could be lost."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            # The same packages from the same places, and nothing from the folder we happen to be in.
            places = os.pathsep.join(place for place in sys.path if place)
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "gateway.services.sealing.signingprocess"),
                    str(self._keyring.folder),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": places},
                )
            _, self._line = await asyncio.get_running_loop().create_unix_connection(_Line, sock=ours)
        except OSError:
            ours.close()
            self._give_up()
            return
        self._is_ready = await self._line.ready
        if not self._is_ready:
            self._give_up()

    async def aclose(self) -> None:
        """End the process."""
        self._is_of_use = False
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        self._end()
        if self._process is not None:
            await self._process.wait()
