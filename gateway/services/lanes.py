"""Room for the urgent lane: while urgent work is about, routine work begins little at a time.

One event loop does everything, so an urgent bundle waits for whatever routine work is ready before it; what
is in flight decides how long, not the order of queues. Routine keeps its whole width while nothing is urgent,
two places for each processor while something is and for a moment after; it always keeps those.
"""

import os
import time
from asyncio import Future, get_running_loop, sleep
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass

from gateway.model.codes import Lane
from gateway.storage.lane import is_urgent as is_urgent
from gateway.storage.lane import working_for as working_for

#: Routine work in flight for each processor while urgent work is about.
_BESIDE = 2

#: How long after the last urgent work routine stays narrow: a case at night is several messages.
_CALM_AFTER_S = 1.0

#: What a large routine transfer sends at a time while urgent work is about.
_PIECE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """Attempts in flight at once, by lane; urgent has its own, and goes first whenever one may begin."""

    urgent: int
    routine: int


class Lanes:
    """What is under way in one gateway, by lane. Use from one event loop."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, processors: int | None = None
    ) -> None:
        self._monotonic = monotonic
        self._beside = _BESIDE * (processors or len(os.sched_getaffinity(0)))
        self._urgent = 0
        self._last = -_CALM_AFTER_S

    def working(self, lane: str) -> AbstractContextManager[None]:
        """Do a piece of work of a lane."""
        return self._urgently() if lane == Lane.URGENT else working_for(lane)

    @contextmanager
    def _urgently(self) -> Iterator[None]:
        self._urgent += 1
        try:
            with working_for(Lane.URGENT):
                yield
        finally:
            self._urgent -= 1
            self._last = self._monotonic()

    async def paced(
        self, read: Callable[[int], AsyncGenerator[bytes, None]], offset: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a routine source gives; while urgent work is about in small pieces, with turns between.

        Encrypting and sending a large piece takes the loop for as long as a whole urgent step.
        """
        # Closed with this one: the loop would make a task of its own of closing what is left half read.
        async with aclosing(read(offset)) as pieces:
            async for piece in pieces:
                if len(piece) <= _PIECE_BYTES or not self.is_urgent_about:
                    yield piece
                    continue
                for at in range(0, len(piece), _PIECE_BYTES):
                    yield piece[at : at + _PIECE_BYTES]
                    await sleep(0)

    @property
    def is_urgent_about(self) -> bool:
        """Whether urgent work is under way, or was a moment ago."""
        return self._urgent > 0 or self._monotonic() - self._last < _CALM_AFTER_S

    def room(self, lane: str, usual: int) -> int:
        """Return how many pieces of work of a lane may be in flight, of ``usual`` ones; one at least."""
        if lane == Lane.URGENT or not self.is_urgent_about:
            return usual
        return max(1, min(usual, self._beside))


class Gate:
    """Lets so many pieces of routine work through at once as there is room for; urgent work never waits."""

    def __init__(self, lanes: Lanes, *, routine: int) -> None:
        self._lanes = lanes
        self._routine = routine
        self._inside = 0
        self._waiting: deque[Future[None]] = deque()

    def passing(self, lane: str) -> AbstractAsyncContextManager[None]:
        """Hold a place; in order of arrival."""
        return nullcontext() if lane == Lane.URGENT else _Place(self)

    async def enter(self) -> None:
        """Take a place, once there is one; ``leave`` gives it back."""
        while self._inside >= self._lanes.room(Lane.ROUTINE, self._routine):
            turn: Future[None] = get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except BaseException:
                self._next()
                raise
        self._inside += 1

    def leave(self) -> None:
        """Give a place back."""
        self._inside -= 1
        self._next()

    def _next(self) -> None:
        """Wake as many as there is room for now; each looks again for itself."""
        free = self._lanes.room(Lane.ROUTINE, self._routine) - self._inside
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


class _Place:
    """A place behind a gate, for the length of a block."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __aenter__(self) -> None:
        await self._gate.enter()

    async def __aexit__(self, *_: object) -> None:
        self._gate.leave()
