"""One door for whole containers that came without a connection: by mail, or on a medium.

Reads who sent it from the container's head, then gives it to the same open procedure as an upload. There is
no answer to travel in: a receipt has its push row in the transaction that made it. A repeat changes nothing,
and its receipt may go out again, because the one before may have been lost. Whoever brought the container
proves nothing: what counts is the envelope's signature.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crypto.bundle import ContainerReader, Envelope
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, from_refusal
from gateway.services.arrivals.accept import Acceptor
from gateway.services.arrivals.intake import Intake
from gateway.services.proofs.wire import ReceiptWire
from gateway.storage import bundles
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.receipts import last_own_receipt

#: Gives a container's bytes from an offset to its end; may be called more than once.
Read = Callable[[int], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the first bytes of a container say of it; nothing is verified yet.

    Attributes:
        envelope: Hex digest of the envelope.
        size: Of the whole container, as its envelope says.
    """

    sender: str
    bid: str
    envelope: str
    lane: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A container that was taken in, or was here before.

    Attributes:
        body: Receipts for the sender, as POST /receipts has them (docs/peer-api.md); a signed rejection too.
        is_repeat: It had been taken in before; the receipts are the stored ones, byte for byte.
    """

    head: Head
    body: Mapping[str, Any] = field(repr=False)
    is_repeat: bool


class Arrivals:
    """Takes in containers that were brought whole."""

    def __init__(
        self, *, database: Database, acceptor: Acceptor, wire: ReceiptWire, authority_id: str, clock: Clock
    ) -> None:
        self._database = database
        self._acceptor = acceptor
        self._wire = wire
        self._authority_id = authority_id
        self._clock = clock

    async def take(self, *, size: int, read: Read) -> Arrived:
        """Take in one container of ``size`` bytes and return its receipts; durable when it returns.

        A new one's receipt is pushed by itself; whether a repeat's is pushed once more is the caller's.

        Raises ``GatewayRefusal`` for everything the open procedure refuses unsigned: ``malformed``,
        ``incomplete``, ``unknown-*``, ``not-for-us``, ``part-digest``, ``busy`` …; nothing was changed then.
        """
        head = await read_head(read)
        if head.sender == self._authority_id:
            raise GatewayRefusal("not-for-us", detail="a bundle of our own")
        if size != head.size:
            code = "incomplete" if size < head.size else "malformed"
            raise GatewayRefusal(code, detail="the container's size is not its envelope's")

        intake = await self._acceptor.begin(
            caller=head.sender, jti=None, exp=None, sender=head.sender, bid=head.bid, is_by_post=True
        )
        try:
            await _feed(intake, read)
        except BaseException:
            await intake.abort()
            raise
        answer = await intake.finish()
        return Arrived(head=head, body=answer.body, is_repeat=answer.status != 201)

    async def known(self, sender: str, bid: str, envelope: str) -> Head | None:
        """Return what is held of a bundle that came in this very envelope before; ``None`` if it did not."""

        def query(connection: Connection) -> tuple[bundles.BundleRow | None, list[bundles.EnvelopeRow]]:
            return bundles.find_bundle(connection, sender, bid), bundles.envelopes_of(connection, sender, bid)

        row, envelopes = await self._database.read(query)
        if row is None or row.direction != "in" or envelope not in {each.sha256 for each in envelopes}:
            return None
        return Head(sender=sender, bid=bid, envelope=envelope, lane=row.lane, size=row.size_bytes)

    async def push_again(self, head: Head) -> None:
        """Let the newest receipt about a bundle go out once more; a push brings those before it along."""

        def unit(tx: Transaction) -> None:
            row = last_own_receipt(tx.connection, iss=self._authority_id, sender=head.sender, bid=head.bid)
            if row is not None:
                self._wire.push_again(tx, row, lane=head.lane, now=self._clock.now())

        await self._database.write(unit)


async def read_head(read: Read) -> Head:
    """Return what a container's first bytes say, reading no more than its envelope and one piece.

    Raises ``GatewayRefusal`` ``malformed``, ``version``, ``sig-invalid``, ``incomplete``.
    """
    reader = ContainerReader()
    pieces = read(0)
    try:
        async for piece in pieces:
            reader.feed(piece)
            if reader.envelope is not None:
                return _head(reader.envelope)
    except Refusal as refusal:
        raise from_refusal(refusal) from None
    finally:
        await _ended(pieces)
    raise GatewayRefusal("incomplete")


async def _feed(intake: Intake, read: Read) -> None:
    pieces = read(0)
    try:
        async for piece in pieces:
            await intake.feed(piece)
            if intake.done:
                break
    finally:
        await _ended(pieces)


def problem_body(*, sender: str, bid: str, envelope: str | None, code: str) -> dict[str, Any]:
    """Return the body that tells a sender of an unsigned refusal, as an error on PUT would."""
    problem = {"from": sender, "bid": bid, "envelope": envelope, "code": code}
    return {"receipts": [], "problems": [problem], "checkpoint_update": None}


def _head(envelope: Envelope) -> Head:
    return Head(
        sender=envelope.sender,
        bid=envelope.bid,
        envelope=envelope.digest,
        lane=envelope.lane,
        size=envelope.container_size,
    )


async def _ended(pieces: AsyncIterator[bytes]) -> None:
    """Close what need not be read to its end, its file with it."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
