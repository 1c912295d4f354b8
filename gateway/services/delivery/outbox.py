"""What waits for authorities that only call out: they fetch it, and post their receipts.

A bundle stands here from the moment its transmission is DISPATCHED on ``https_pull`` until a receipt moves
it; the same bundle, the same receipts as by push. Numbers come from the audit log and only grow, so that
a peer's place in its outbox survives every restart. What is wrapped for a key that was revoked meanwhile is
not handed out: it is taken back, and stands here again once it is wrapped for another.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.transmission import TransmissionKey
from gateway.services.container import ContainerSource, load_container
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.rewrap import Rewrapper
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.revocations import Revocations
from gateway.storage import receipts, transmissions
from gateway.storage.blobs import Blobs
from gateway.storage.database import Connection, Database

#: Longest wait of one poll, seconds.
LONGEST_WAIT_S = 60.0


class Outbox:
    """The outboxes of all peers that only call out."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        wire: ReceiptWire,
        revocations: Revocations,
        rewrapper: Rewrapper,
        book: TransmissionBook,
        authority_id: str,
        clock: Clock,
        on_taken_back: Callable[[], None],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._wire = wire
        self._revocations = revocations
        self._rewrapper = rewrapper
        self._book = book
        self._authority_id = authority_id
        self._clock = clock
        self._on_taken_back = on_taken_back
        self._changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def changed(self, to_aid: str) -> None:
        """Something new may wait for this peer: answer its poll."""
        self._changed[to_aid].set()

    async def listing(self, *, caller: str, after: int, wait_s: float) -> Mapping[str, Any]:
        """Return every bundle that waits for the caller, urgent first, and its receipts above ``after``.

        Notices about keys stand there until the caller hands them back.

        Waits up to ``wait_s`` for the first. Asking with a number says that every receipt up to it was
        taken; a bundle leaves when its own receipt comes back, and not before.
        """
        if after > 0:
            await self._taken(caller, after)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(0.0, min(wait_s, LONGEST_WAIT_S))
        while True:
            event = self._changed[caller]
            event.clear()
            page = await self._page(caller, after)
            left = deadline - loop.time()
            if page["items"] or page["receipts"] or page["notices"] or left <= 0:
                return page
            try:
                await asyncio.wait_for(event.wait(), left)
            except TimeoutError:
                return await self._page(caller, after)

    async def _taken(self, caller: str, upto: int) -> None:
        waiting = await self._database.read(lambda c: receipts.outbox_receipts(c, caller, 0))
        if any(no <= upto for no, _ in waiting):
            await self._database.write(lambda tx: receipts.outbox_taken(tx, caller, upto))

    async def _page(self, caller: str, after: int) -> dict[str, Any]:
        def query(
            connection: Connection,
        ) -> tuple[list[transmissions.OutboxRow], list[tuple[int, receipts.ReceiptRow]]]:
            return (
                transmissions.outbox_of(connection, caller),
                [
                    (no, earlier)
                    for no, row in receipts.outbox_receipts(connection, caller, after)
                    # An answer may have been lost: each receipt brings those before it along.
                    for earlier in receipts.chain_of(connection, row)
                ],
            )

        standing, own = await self._database.read(query)
        bundles = [row for row in standing if await self._may_go((row.sender, row.bid, caller))]
        items = [
            {
                "no": row.no,
                "from": row.sender,
                "bid": row.bid,
                "size": row.size_bytes,
                "lane": row.lane,
                "envelope": row.envelope_sha256,
            }
            for row in bundles
        ]
        notes = [{"no": no, **await self._wire.receipt(row)} for no, row in own]
        return {
            "items": items,
            "receipts": notes,
            "notices": await self._revocations.waiting(caller),
            "cursor": max((no for no, _ in own), default=after),
        }

    async def _may_go(self, key: TransmissionKey) -> bool:
        """Tell whether a bundle is wrapped for a key that holds; one that is not is taken back."""
        if not await self._rewrapper.is_outdated(key):
            return True
        await self._database.write(lambda tx: self._book.take_back(tx, key, self._clock.now()))
        self._on_taken_back()
        return False

    async def open(self, *, caller: str, bid: str) -> ContainerSource:
        """Return a container that waits for the caller. Raises ``GatewayRefusal`` ``not-found``."""
        sender = self._authority_id
        row = await self._database.read(lambda c: transmissions.find_transmission(c, sender, bid, caller))
        if row is None or row.outbox_no is None or not await self._may_go((sender, bid, caller)):
            raise GatewayRefusal("not-found")
        return await load_container(self._database, self._blobs, sender, bid)
