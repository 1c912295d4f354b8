"""Containers that come in several mails: each stretch is durable on its own, and they are put together.

Every stretch came with a token of the sender's key, so that no stranger's bytes get in between; which
container it belongs to, and where, is the token's word. Order does not matter, and a stretch that is here
already changes nothing. What never comes whole is dropped at its time, with a log line and an audit entry.

Crash points: a staged file without a row (swept later); a row, and the same mail again (known by its number);
all stretches here and the container not taken yet: the last mail is not done at its server, and comes again.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crypto.mailtoken import MailClaims, Segment
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.storage import mail as store
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.mail import SegmentRow
from gateway.storage.staging import Staging
from gateway.telemetry import get_log

#: How long stretches wait for the others: longer than any mail server keeps trying.
KEPT = timedelta(days=7)

#: Largest container that comes by mail, and what is held for one peer and for all, in bytes. Two of the
#: largest fit into a peer's room: one that never comes whole keeps out no other.
MOST_TOTAL = 128 * 1024 * 1024
MOST_OF_PEER = 256 * 1024 * 1024
MOST_IN_ALL = 2 * 1024 * 1024 * 1024

#: Stretches held for one peer: a flood of tiny ones must not fill the table.
MOST_ROWS_OF_PEER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A container all of whose stretches are here."""

    sender: str
    bid: str
    size: int
    rows: Sequence[SegmentRow] = field(repr=False)
    staging: Staging = field(repr=False)

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """Yield the container's bytes from ``offset`` on."""
        for row in self.rows:
            begin = max(0, offset - row.offset_bytes)
            if begin < row.size_bytes:
                async for chunk in self.staging.read(row.file, begin):
                    yield chunk


class Segments:
    """The stretches held in one home."""

    def __init__(self, *, database: Database, staging: Staging, clock: Clock) -> None:
        self._database = database
        self._staging = staging
        self._clock = clock
        self._log = get_log("mail")

    async def take(self, claims: MailClaims, segment: Segment, content: bytes) -> Whole | None:
        """Keep one stretch, durably, and return its container if it is whole now.

        ``content`` is what the verified claims are about. Raises ``GatewayRefusal`` ``too-large``;
        ``malformed`` for stretches that do not fit together, which are dropped; ``quota`` where too much is
        held already: the mail is to come again later.
        """
        if segment.total > MOST_TOTAL:
            raise GatewayRefusal("too-large", detail="a container in mails")
        held, foreign = await self._held(claims.sender, segment)
        if any(row.signed_at > claims.at for row in foreign):
            # The sender cut it anew since then; this is a late piece of an older cut.
            return None
        if segment.i not in {row.i for row in held}:
            await self._keep(claims, segment, content, foreign)
            held, _ = await self._held(claims.sender, segment)
        if len(held) < segment.n:
            return None
        return await self._joined(claims.sender, segment, held)

    async def _held(self, sender: str, segment: Segment) -> tuple[list[SegmentRow], list[SegmentRow]]:
        """Return the stretches of this very cut of the container, and those of other cuts."""
        rows = await self._database.read(lambda c: store.segments_of(c, sender, segment.bid))
        mine: list[SegmentRow] = []
        foreign: list[SegmentRow] = []
        for row in rows:
            if row.envelope_sha256 == segment.envelope_sha256:
                same = (row.n, row.total_bytes) == (segment.n, segment.total)
                (mine if same else foreign).append(row)
        return mine, foreign

    async def _keep(
        self, claims: MailClaims, segment: Segment, content: bytes, foreign: Sequence[SegmentRow]
    ) -> None:
        def query(connection: Connection) -> tuple[store.Held, store.Held]:
            return store.held_segments(connection, claims.sender), store.held_segments(connection)

        of_peer, in_all = await self._database.read(query)
        if (
            of_peer.count >= MOST_ROWS_OF_PEER
            or of_peer.size_bytes + len(content) > MOST_OF_PEER
            or in_all.size_bytes + len(content) > MOST_IN_ALL
        ):
            raise GatewayRefusal("quota", detail="stretches of containers in mails")
        row = SegmentRow(
            sender=claims.sender,
            bid=segment.bid,
            envelope_sha256=segment.envelope_sha256,
            i=segment.i,
            n=segment.n,
            total_bytes=segment.total,
            offset_bytes=segment.offset,
            size_bytes=len(content),
            file=await self._staging.put(content),
            signed_at=claims.at,
            next_action_at=self._clock.now() + KEPT,
        )

        def unit(tx: Transaction) -> None:
            if foreign:
                store.drop_segments(tx, row.sender, row.bid, row.envelope_sha256)
            store.add_segment(tx, row)

        try:
            await self._database.write(unit)
        except IntegrityError:
            # The same mail twice at once.
            await self._staging.drop(row.file)
        else:
            await self._staging.drop(*(other.file for other in foreign))

    async def _joined(self, sender: str, segment: Segment, rows: Sequence[SegmentRow]) -> Whole:
        at = 0
        for row in rows:
            if row.offset_bytes != at:
                await self.drop(sender, segment.bid)
                raise GatewayRefusal("malformed", detail="stretches that do not fit together")
            at += row.size_bytes
        if at != segment.total:
            await self.drop(sender, segment.bid)
            raise GatewayRefusal("malformed", detail="stretches that do not fit together")
        return Whole(sender=sender, bid=segment.bid, size=at, rows=tuple(rows), staging=self._staging)

    async def drop(self, sender: str, bid: str) -> None:
        """Forget every stretch of a bundle: it was taken, or never can be."""
        rows = await self._database.read(lambda c: store.segments_of(c, sender, bid))
        if rows:
            await self._database.write(lambda tx: store.drop_segments(tx, sender, bid))
            await self._staging.drop(*(row.file for row in rows))

    async def drop_expired(self, now: datetime) -> int:
        """Drop what never came whole in its time; return how many bundles that were."""
        late = await self._database.read(lambda c: store.late_bundles(c, now))
        for sender, bid in late:
            await self._give_up(sender, bid, now)
        return len(late)

    async def _give_up(self, sender: str, bid: str, now: datetime) -> None:
        rows = await self._database.read(lambda c: store.segments_of(c, sender, bid))

        def unit(tx: Transaction) -> None:
            store.drop_segments(tx, sender, bid)
            for envelope in sorted({row.envelope_sha256 for row in rows}):
                held = sum(1 for row in rows if row.envelope_sha256 == envelope)
                body: dict[str, str | int | None] = {
                    "from": sender,
                    "bid": bid,
                    "envelope": envelope,
                    "held": held,
                }
                tx.audit(PendingAuditEntry(event="mail.incomplete", body=body, at=now))

        await self._database.write(unit)
        await self._staging.drop(*(row.file for row in rows))
        self._log.warning("mail.incomplete", peer=sender, bid=bid, held=len(rows))
