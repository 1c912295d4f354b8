"""Fetching one container from a peer's outbox, from where an earlier fetch of it stopped.

It goes through the same open procedure as one that was pushed. A fetch that ends early keeps what came, and a
long one does so as it goes, so that a process that dies begins a little earlier instead of anew. A container
whose envelope is another by now, because its sender re-wrapped it, is begun anew.
"""

import contextlib

from adapters.base import Endpoint
from adapters.https import HTTPSAdapter
from gateway.errors import GatewayRefusal
from gateway.services.arrivals.accept import Acceptor
from gateway.services.arrivals.intake import Intake
from gateway.services.arrivals.release import Answer

#: What a fetch has taken is made durable whenever so much more came, in bytes.
KEPT_EVERY = 64 * 1024**2

#: How often a fetch that was cut goes on at once, before the container waits for the next poll.
_RESUMES = 100


class Fetcher:
    """Fetches containers that wait for us at peers."""

    def __init__(self, *, acceptor: Acceptor, adapter: HTTPSAdapter) -> None:
        self._acceptor = acceptor
        self._adapter = adapter

    async def fetch(
        self, endpoint: Endpoint, bid: str, *, envelope: str | None, urgent: bool
    ) -> Answer | None:
        """Return the answer to a bundle; ``None`` if the network does not let all of it through now.

        Args:
            envelope: Hex digest of the envelope that the peer's listing names.

        Raises ``GatewayRefusal`` as the open procedure does; nothing of the bundle is kept then.
        """
        intake = await self._begun(endpoint.authority_id, bid, envelope)
        sink = _Sink(intake)
        try:
            is_whole = await self._supply(endpoint, sink, urgent=urgent)
        except BaseException:
            # Within a piece the bundle is refused, or our own storage failed: the intake is over. Between
            # pieces we are stopping: what came stays.
            await (intake.abort() if sink.is_feeding else intake.suspend())
            raise
        if not is_whole:
            await intake.suspend()
            return None
        return await intake.finish()

    async def _begun(self, sender: str, bid: str, envelope: str | None) -> Intake:
        """Return an intake that stands where the last fetch of this very envelope stopped."""
        state = await self._acceptor.state(caller=sender, sender=sender, bid=bid)
        offset = 0 if state.complete or state.envelope != envelope else state.offset
        if offset:
            with contextlib.suppress(_Elsewhere):
                return await self._resumed(sender, bid, offset)
        return await self._acceptor.begin(caller=sender, jti=None, exp=None, sender=sender, bid=bid)

    async def _resumed(self, sender: str, bid: str, offset: int) -> Intake:
        for _ in range(2):
            try:
                return await self._acceptor.resume(
                    caller=sender, jti=None, exp=None, sender=sender, bid=bid, offset=offset
                )
            except GatewayRefusal as refusal:
                if refusal.code != "offset":
                    raise
                # A part that ended after it was last made durable is there whole: a little further on.
                offset = refusal.offset or 0
        raise _Elsewhere

    async def _supply(self, endpoint: Endpoint, sink: "_Sink", *, urgent: bool) -> bool:
        """Feed the intake to its end and return whether it came there."""
        intake = sink.intake
        for _ in range(_RESUMES):
            offset = intake.offset
            if intake.done or offset == intake.length:
                return True
            with contextlib.suppress(_Enough):
                await self._adapter.fetch(endpoint, intake.bid, offset=offset, sink=sink.take, urgent=urgent)
            if not intake.done and intake.offset == offset:
                return False
        return False


class _Sink:
    """Takes the pieces of one container."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        #: A piece is being taken; an error then is the open procedure's, or our storage's.
        self.is_feeding = False

    async def take(self, piece: bytes) -> None:
        """Take the next piece. Raises ``_Enough`` once the answer is known."""
        intake = self.intake
        self.is_feeding = True
        await intake.feed(piece)
        self.is_feeding = False
        if intake.done:
            raise _Enough
        if intake.length is not None and intake.offset - intake.durable >= KEPT_EVERY:
            await intake.keep()


class _Enough(Exception):
    """The answer is known; the rest of the container need not be read."""


class _Elsewhere(Exception):
    """What is held of a container does not stand still; it is begun anew."""
