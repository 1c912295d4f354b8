"""Signed heads of the log and proofs under them, made after each commit (docs/decisions/0003).

Decides when a head is signed: at once for those who wait, else within 200 ms; all who wait at one time share
one. Before signing, the new right edge is hashed again from what the database holds. A head is durable in
the second place before anybody sees it. If the database or the second place contradicts what was signed
before, nothing is signed any more and proofs are not given; that never blocks a receipt.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeVar

from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.errors import Refusal
from crypto.merkle import Frontier, inclusion_path
from crypto.proof import tlog_proof
from crypto.tiles import EdgeView, NotHeld
from gateway.clock import Clock
from gateway.services.log.headstore import HeadConflict, HeadDamaged, HeadStore
from gateway.services.log.logkeys import LogKeys, open_own_head
from gateway.services.log.logstate import (
    LogFault,
    LogState,
    changed_since,
    damaged,
    head_lost,
    head_unreadable,
    other_root,
    went_back,
)
from gateway.services.log.logtree import LogDamaged, StoredTree
from gateway.storage import audit as table
from gateway.storage.audit import Connection

T = TypeVar("T")

#: A head nobody waits for is signed at most this often: it costs two signatures and a write to disk.
LAZY_S = 0.2
#: After the disk or the database failed, the head is tried again no sooner.
RETRY_S = 1.0
#: A second place slower than this is written in a thread.
SLOW_S = 0.001


class LogReader(Protocol):
    """The part of ``storage.database.Database`` that is needed here."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what a short query finds; sees the last commit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head that is signed and durable in the second place.

    Attributes:
        note: The exact signed text.
        view: The tree as it stood, to prove recent entries from; may be smaller than the head.
    """

    checkpoint: Checkpoint
    note: str
    view: EdgeView


class LogHead:
    """The head of one log. Everything here belongs to one event loop."""

    def __init__(
        self,
        *,
        origin: str,
        keys: LogKeys,
        store: HeadStore,
        clock: Clock,
        alarm: Callable[[LogState, str], None],
    ) -> None:
        self._origin = origin
        self._keys = keys
        self._store = store
        self._clock = clock
        self._alarm = alarm
        self.state = LogState.STOPPED
        self.sentence = ""
        #: The newest head.
        self.signed: SignedHead | None = None
        #: Size of the head in the second place, also if it cannot be gone on from.
        self.stored_size: int | None = None
        #: The newest committed tree.
        self.committed = EdgeView.empty()
        self._hashed = Frontier()
        self._database: LogReader | None = None
        self._worker: asyncio.Task[None] | None = None
        self._behind = asyncio.Event()
        self._urgent = asyncio.Event()
        # One future for each who waits: whoever is cancelled takes only their own along.
        self._waiting: list[asyncio.Future[None]] = []
        self._is_failing = False
        self._store_is_slow = False

    async def start(self, database: LogReader, committed: EdgeView) -> None:
        """Compare the database with the second place, advance the head if it is behind, begin to sign."""
        self._database = database
        self.committed = committed
        try:
            await database.read(self._compare)
        except LogFault as fault:
            self._stop(fault)
            return
        self.state, self.sentence = LogState.SIGNING, ""
        await self._try_to_advance()
        self._release()
        if self._is_failing:
            self._behind.set()
        self._worker = asyncio.create_task(self._work(), name="log head")

    async def aclose(self) -> None:
        """Sign what is committed and stop."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
        if self.state is LogState.SIGNING:
            await self._try_to_advance()
            self.state = LogState.STOPPED
        self._release()

    def advance_to(self, committed: EdgeView) -> None:
        """Take note of a commit; a head that covers it follows."""
        if self.signed is not None and committed.size < self.signed.checkpoint.size:
            if self.state is LogState.SIGNING:
                self._stop(went_back(self.signed.checkpoint.size, committed.size))
        elif committed.size != self.committed.size:
            self._behind.set()
        self.committed = committed

    async def proof(self, index: int, timeout_s: float) -> str | None:
        """Return the tlog-proof of a committed entry; None if no head covers it within ``timeout_s``."""
        deadline = perf_counter() + timeout_s
        while self.signed is None or index >= self.signed.checkpoint.size:
            remaining = deadline - perf_counter()
            can_come = self.state is LogState.SIGNING and index < self.committed.size and not self._is_failing
            if not can_come or remaining <= 0:
                return None
            self._urgent.set()
            await self._next_head(remaining)
        return await self._prove(index, self.signed)

    async def _next_head(self, timeout_s: float) -> None:
        """Wait until the next head was signed, or tried, for so long at most."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        self._waiting.append(ended)
        timer = loop.call_later(timeout_s, _end, ended)
        try:
            await ended
        finally:
            timer.cancel()

    async def _prove(self, index: int, head: SignedHead) -> str | None:
        size = head.checkpoint.size
        try:
            path = inclusion_path(index, size, head.view.node)
        except NotHeld:
            try:
                path = await self._read(lambda connection: _stored_path(connection, index, head))
            except LogDamaged as error:
                self._stop(damaged(str(error)))
                return None
        return tlog_proof(index, path, head.note)

    def _compare(self, connection: Connection) -> None:
        size = table.log_size(connection)
        tree = StoredTree(connection)
        try:
            note = self._store.read()
            if note is None:
                signed = table.largest_head(connection)
                if signed is not None:
                    raise head_lost(signed)
                return
            head = open_own_head(note, self._origin, self._keys.known())
            self.stored_size = head.size
            if head.size > size:
                raise went_back(head.size, size)
            self._hashed = tree.frontier(head.size)
        except LogDamaged as error:
            raise damaged(str(error)) from None
        except (HeadDamaged, Refusal) as error:
            raise head_unreadable(str(error)) from None
        if self._hashed.root() != head.root:
            raise other_root(head.size)
        self.signed = SignedHead(checkpoint=head, note=note, view=self.committed)

    def _is_behind(self) -> bool:
        return self.signed is None or self.signed.checkpoint.size < self.committed.size

    async def _work(self) -> None:
        while self.state is LogState.SIGNING:
            await self._behind.wait()
            self._behind.clear()
            if not self._urgent.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAZY_S):
                        await self._urgent.wait()
            self._urgent.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._try_to_advance()
            finally:
                for ended in waiting:
                    _end(ended)
            if self._is_failing:
                await asyncio.sleep(RETRY_S)
                self._behind.set()
        self._release()

    def _release(self) -> None:
        """Let go all who wait: their head has come, or will not."""
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            _end(ended)

    async def _try_to_advance(self) -> None:
        try:
            if self._is_behind():
                await self._advance()
            self._is_failing = False
        except LogFault as fault:
            self._stop(fault)
        except Exception as error:
            # Entries are safe. Receipts go out without a proof until disk and database work again.
            self._is_failing = True
            self._alarm(self.state, f"The log's head could not be advanced ({type(error).__name__}).")

    async def _advance(self) -> None:
        """Sign the committed tree and make the head durable in the second place."""
        view = self.committed
        hashed = await self._hash_again(view)
        checkpoint = Checkpoint(origin=self._origin, size=view.size, root=hashed.root())
        now = self._clock.now()
        # Asked for each head: a successor takes over in a running service when its time has come.
        note = sign_checkpoint(checkpoint, *self._keys.signers(now), now)
        try:
            await self._store_head(note)
        except HeadConflict as conflict:
            await self._follow(conflict.stored)
            return
        except HeadDamaged as error:
            raise head_unreadable(str(error)) from None
        self._hashed = hashed
        self.stored_size = view.size
        self.signed = SignedHead(checkpoint=checkpoint, note=note, view=view)

    async def _hash_again(self, view: EdgeView) -> Frontier:
        """Return the frontier of ``view`` made from what the database holds, not from what memory says."""
        hashed = self._hashed.copy()
        try:
            await self._read(lambda connection: StoredTree(connection).extend(hashed, view.size))
        except LogDamaged as error:
            raise damaged(str(error)) from None
        if hashed.root() != view.root():
            raise changed_since(self._hashed.size, view.size)
        return hashed

    async def _store_head(self, note: str) -> None:
        if self._store_is_slow:
            await asyncio.to_thread(self._store.replace, note)
            return
        start = perf_counter()
        self._store.replace(note)
        self._store_is_slow = perf_counter() - start > SLOW_S

    async def _follow(self, stored: str) -> None:
        """Take over the head another process of this log has signed, if the database bears it out."""
        try:
            head = open_own_head(stored, self._origin, self._keys.known())
        except Refusal as error:
            raise head_unreadable(str(error)) from None
        self.stored_size = head.size

        def frontier(connection: Connection) -> Frontier:
            size = table.log_size(connection)
            if size < head.size:
                raise went_back(head.size, size)
            return StoredTree(connection).frontier(head.size)

        try:
            hashed = await self._read(frontier)
        except LogDamaged as error:
            raise damaged(str(error)) from None
        if hashed.root() != head.root:
            raise other_root(head.size)
        self._hashed = hashed
        self.signed = SignedHead(checkpoint=head, note=stored, view=self.committed)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        if self._database is None:
            raise RuntimeError("the log was not started")
        return await self._database.read(query)

    def _stop(self, fault: LogFault) -> None:
        self.state, self.sentence = fault.state, fault.sentence
        self._alarm(fault.state, fault.sentence)


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _stored_path(connection: Connection, index: int, head: SignedHead) -> list[bytes]:
    tree = StoredTree(connection)

    def node(level: int, at: int) -> bytes:
        try:
            return head.view.node(level, at)
        except NotHeld:
            return tree.node(level, at)

    return inclusion_path(index, head.checkpoint.size, node)
