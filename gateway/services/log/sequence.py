"""The sequencer: audit entries become leaves inside the group's own transaction, heads are signed after it.

Each crash point leaves a state that ``start`` knows (docs/decisions/0003):

1. ``append`` gives an entry its index under the writer's lock;       crash: nothing happened
2. ``flush`` writes leaves, bodies and tiles, then COMMIT;            crash before: nothing happened
3. the new leaves are read back and hashed again;                     crash: the database is ahead
4. the head is signed and made durable in the second place;           crash before: as 3; after: equal
5. only then it is handed out, with proofs for all who wait.          crash: a proof is asked for again

The database may be ahead of the stored head, never behind it. If it is behind, or has another root, nothing
more is signed (``logstate``), while entries go on being recorded and receipts go out without a proof.
"""

import asyncio
import os
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable

from crypto.leaf import SALT_SIZE, commitment
from crypto.merkle import leaf_hash
from crypto.tiles import Edge
from gateway.clock import Clock
from gateway.model.audit import AuditEntry, PendingAuditEntry, body_bytes, leaf_bytes, log_time
from gateway.services.log.headstore import HeadStore
from gateway.services.log.loghead import LogHead, LogReader, SignedHead
from gateway.services.log.logkeys import LogKeys
from gateway.services.log.logstate import LogState, LogStatus
from gateway.services.log.logtree import CHUNK, LogDamaged, StoredTree
from gateway.storage import audit as table
from gateway.storage.audit import Connection


class Sequencer:
    """The one writer of a log, as the ``GroupHook`` of its database, and the source of its proofs.

    ``begin``, ``append``, ``flush``, ``rolled_back`` and ``committed`` are called by the database, one group
    at a time, from any one thread at a time; everything else belongs to the event loop.
    """

    def __init__(
        self,
        *,
        origin: str,
        keys: LogKeys,
        head_store: HeadStore,
        clock: Clock,
        alarm: Callable[[LogState, str], None] = lambda state, sentence: None,
    ) -> None:
        """Make the sequencer of the log ``origin`` (``<aid>/log``).

        Args:
            keys: What signs each head, and all log keys this authority has had, for reading the stored one.
            alarm: Told what is the matter whenever a head could not be signed.
        """
        self._head = LogHead(
            origin=origin,
            keys=keys,
            store=head_store,
            clock=clock,
            alarm=alarm,
        )
        self._edge = Edge()
        self._before = self._edge.view()
        self._committed = self._before
        self._rows = table.NewRows()
        self._kept: SignedHead | None = None
        self._keeping: SignedHead | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0

    # The hook of the group

    def begin(self, connection: Connection) -> None:
        """Take the log for this transaction and catch up with what others appended."""
        table.lock_log(connection)
        stored = table.log_size(connection)
        if stored != self._edge.size:
            self._catch_up(connection, stored)
        self._before = self._edge.view()
        self._rows = table.NewRows()

    def append(self, entry: PendingAuditEntry) -> AuditEntry:
        """Return the entry with its index; durable when the transaction is."""
        index = self._edge.size
        t = log_time(entry.at)
        body = body_bytes(entry, t)
        salt = os.urandom(SALT_SIZE)
        hidden = urlsafe_b64encode(commitment(salt, body))[:43].decode("ascii")
        leaf = leaf_bytes(t, entry.event, hidden)
        for tile in self._edge.append(leaf_hash(leaf)):
            self._rows.tiles.append({"level": tile.level, "n": tile.n, "hashes": tile.hashes})
        self._rows.leaves.append({"idx": index, "leaf": leaf})
        self._rows.bodies.append({"idx": index, "salt": salt, "body": body})
        return AuditEntry(index=index, leaf=leaf, salt=salt, body=body)

    def flush(self, connection: Connection) -> None:
        """Write the group's rows, and the last signed head beside them: that costs no commit of its own."""
        rows, self._rows = self._rows, table.NewRows()
        table.add_rows(connection, rows)
        head = self._head.signed
        if head is not None and head is not self._kept:
            table.add_head(connection, head.checkpoint.size, head.note)
        self._keeping = head

    def rolled_back(self) -> None:
        """Forget the group; the next ``begin`` finds out what the database really kept."""
        self._edge.reset(self._before)
        self._rows = table.NewRows()

    def committed(self) -> None:
        """Take the group as durable and see to it that a head covers it."""
        self._kept = self._keeping
        self._committed = self._edge.view()
        if self._loop is None or self._loop.is_closed():
            return
        if threading.get_ident() == self._loop_thread:
            self._head.advance_to(self._committed)
        else:
            self._loop.call_soon_threadsafe(self._head.advance_to, self._committed)

    def _catch_up(self, connection: Connection, stored: int) -> None:
        """Take what the database holds: another process appended, or a COMMIT that failed was kept."""
        tree = StoredTree(connection)
        if not self._edge.size < stored <= self._edge.size + CHUNK:
            self._edge = tree.edge(stored)
            return
        for leaf in tree.leaves(self._edge.size, stored):
            self._edge.append(leaf_hash(leaf))

    # The log as others see it

    @property
    def status(self) -> LogStatus:
        """How the log stands."""
        return LogStatus(
            state=self._head.state,
            size=self._committed.size,
            head_size=self._head.stored_size,
            sentence=self._head.sentence,
        )

    @property
    def head_note(self) -> str | None:
        """The newest signed head, durable in the second place."""
        return None if self._head.signed is None else self._head.signed.note

    async def start(self, database: LogReader) -> LogStatus:
        """Compare database and stored head, advance the head if the database is ahead, and begin to sign.

        The database is ahead after a crash: what lies beyond the head is hashed anew, then signed. Call it
        before the first ``write``.
        """
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

        def edge(connection: Connection) -> Edge:
            size = table.log_size(connection)
            try:
                return StoredTree(connection).edge(size)
            except LogDamaged:
                # ``LogHead.start`` meets the same damage and signs nothing; recording goes on.
                return Edge.resume_unknown(size)

        self._edge = await database.read(edge)
        self._before = self._committed = self._edge.view()
        await self._head.start(database, self._committed)
        return self.status

    async def aclose(self) -> None:
        """Sign what is committed and stop; the head store belongs to the caller."""
        await self._head.aclose()
        self._loop = None

    async def proof(self, index: int, timeout_s: float) -> str | None:
        """Return the tlog-proof of a committed entry, waiting up to ``timeout_s`` for a head that covers it.

        None if there is none in time or the log does not sign: the receipt then goes without, and the
        proof can be asked for later. All who wait at one time share one head.
        """
        return await self._head.proof(index, timeout_s)
