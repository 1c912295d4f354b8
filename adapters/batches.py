"""Small routine bundles that are ready for one peer at the same moment travel in one request.

Nothing waits for company: what is ready in the same turns of the event loop goes together, and one alone
goes alone. Decides what travels together; what an answer means is for ``https``. Where a batch came to
nothing, each bundle goes by itself, at once or with its next attempt, and so do all others for that peer for
a while: a peer need not know batches, and one bundle that breaks the line must not hold up others for long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from adapters.base import Endpoint, Parcel
from adapters.replies import Reply, read_answers

#: Containers up to this size travel together, so many at most: what a peer takes is more (docs/peer-api.md).
SMALL_BYTES = 32 * 1024
MOST = 8
#: Turns of the event loop that must bring no further bundle before a batch leaves.
_QUIET_TURNS = 2
#: How long a peer gets each bundle by itself after a batch came to nothing.
_APART_S = 600.0

#: What a peer says about the form of a call rather than about what is in it: it takes no batches, or no such.
_ABOUT_THE_CALL = frozenset({400, 404, 405, 411, 413, 414, 415})


def _is_about_the_caller(reply: Reply) -> bool:
    """Tell whether a gateway refused the caller, the hour or the directory: what it would say of each alone.

    A failure of its own may be one bundle's doing, and without a code something before it may have spoken.
    """
    return reply.code is not None and reply.status != 500 and reply.status not in _ABOUT_THE_CALL


@dataclass(slots=True, kw_only=True, eq=False)
class Small:
    """One small bundle on its way; ``reply`` is what came of it."""

    parcel: Parcel
    endpoint: Endpoint
    container: bytes = field(repr=False)
    reply: "asyncio.Future[Reply]" = field(repr=False)


class Batches:
    """Gathers small bundles by peer. Use from one event loop.

    Args:
        alone: Sends one bundle.
        together: Sends several for one peer in one request, at least two.
    """

    def __init__(
        self,
        *,
        alone: Callable[[Small], Awaitable[Reply]],
        together: Callable[[Sequence[Small]], Awaitable[Reply]],
    ) -> None:
        self._alone = alone
        self._together = together
        self._waiting: dict[Endpoint, list[Small]] = {}
        self._apart_until: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, parcel: Parcel, endpoint: Endpoint, container: bytes) -> Reply:
        """Send one bundle, with those that are ready for the same peer, and return what came of it."""
        loop = asyncio.get_running_loop()
        small = Small(parcel=parcel, endpoint=endpoint, container=container, reply=loop.create_future())
        if loop.time() < self._apart_until.get(endpoint.authority_id, 0.0):
            return await self._alone(small)
        waiting = self._waiting.setdefault(endpoint, [])
        waiting.append(small)
        if len(waiting) == 1:
            loop.call_soon(self._gather, endpoint, 1, 0)
        return await small.reply

    def _gather(self, endpoint: Endpoint, seen: int, quiet: int) -> None:
        """Let the loop's other work bring more, as long as it does."""
        loop, waiting = asyncio.get_running_loop(), self._waiting[endpoint]
        quiet = quiet + 1 if len(waiting) == seen else 0
        if quiet < _QUIET_TURNS and len(waiting) < MOST:
            loop.call_soon(self._gather, endpoint, len(waiting), quiet)
            return
        batch, rest = waiting[:MOST], waiting[MOST:]
        if rest:
            self._waiting[endpoint] = rest
            loop.call_soon(self._gather, endpoint, len(rest), 0)
        else:
            del self._waiting[endpoint]
        task = loop.create_task(self._deliver([small for small in batch if not small.reply.done()]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, batch: Sequence[Small]) -> None:
        """Send what left together and settle each; whatever goes wrong here reaches all of them."""
        try:
            if len(batch) > 1:
                replies = await self._answers(batch)
            else:
                replies = [await self._alone(small) for small in batch]
        except Exception as error:
            # A defect of ours, as ``PeerHTTP`` raises no other.
            for small in batch:
                if not small.reply.done():
                    small.reply.set_exception(error)
            return
        for small, reply in zip(batch, replies, strict=True):
            if not small.reply.done():
                small.reply.set_result(reply)

    async def _answers(self, batch: Sequence[Small]) -> Sequence[Reply]:
        reply = await self._together(batch)
        if reply.ok:
            answers = read_answers(reply, len(batch))
            if answers is not None:
                return answers
            reply = Reply(status=0, detail="not one answer for each bundle")
        elif _is_about_the_caller(reply):
            return [reply] * len(batch)
        loop, aid = asyncio.get_running_loop(), batch[0].endpoint.authority_id
        self._apart_until[aid] = loop.time() + _APART_S
        if reply.status not in _ABOUT_THE_CALL:
            return [reply] * len(batch)
        return await asyncio.gather(*(self._alone(small) for small in batch))

    async def aclose(self) -> None:
        """Return once nothing is under way; for after the connections were closed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
