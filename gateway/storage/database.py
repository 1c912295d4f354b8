"""The database of one process: group commit, short reads and long ones, on SQLite and PostgreSQL alike.

Decides which units share a group and when it runs; where it runs is in ``backends``, what happens inside
it in ``group``. There is no fixed delay: whatever waits when the writer is free shares the next
COMMIT, and what is submitted in the same turn of the event loop always does. One group runs at a time. A
group with an urgent unit gathers no more, and takes few routine ones along.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gateway.errors import StorageUnavailable
from gateway.storage.backends import Backend, PostgreSQLBackend, SQLiteBackend
from gateway.storage.engines import parse_url, sqlite_path
from gateway.storage.faults import raise_as_ours, storage_fault
from gateway.storage.group import Commit, GroupHook, Outcome, Transaction, Unit, commit_now
from gateway.storage.lane import is_urgent

__all__ = ["Connection", "Database", "GroupHook", "IntegrityError", "Transaction"]

T = TypeVar("T")

#: Units that share one COMMIT at most: bounds the memory of a group and what a poison unit makes run again.
GROUP_LIMIT = 256
#: Turns of the event loop that must bring no new unit before a group begins, and turns it may take in all.
QUIET_TURNS = 8
MOST_TURNS = 60
#: Routine units that may share a group with an urgent one: each makes it wait.
BESIDE_URGENT = 8


class Database:
    """One gateway's database. Use from one event loop."""

    def __init__(self, backend: Backend, *, group_limit: int = GROUP_LIMIT) -> None:
        self._backend = backend
        self._group_limit = group_limit
        self._waiting: deque[tuple[Unit, asyncio.Future[Any]]] = deque()
        self._urgent: deque[tuple[Unit, asyncio.Future[Any]]] = deque()
        self._kicked = False
        self._running: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        read_only: bool = False,
        hook: GroupHook | None = None,
        inline: bool | None = None,
        group_limit: int = GROUP_LIMIT,
        commit: Commit = commit_now,
    ) -> "Database":
        """Open a database whose tables exist already (``migrate.upgrade``).

        Args:
            url: ``sqlite:////path/to/file.db``, a bare path, or ``postgresql://user@host/name``.
            read_only: Refuse ``write``, and have the engine refuse it too.
            hook: The audit log; without one ``Transaction.audit`` raises.
            inline: SQLite: commit in the event loop or in a thread; by default the disk's sync time decides.
            group_limit: Units per COMMIT at most.
            commit: Replaces COMMIT, in tests of crashes only.

        Raises:
            StorageUnavailable: The file or its folder cannot be opened. PostgreSQL may be away at first.
        """
        parsed = parse_url(url)
        try:
            backend = (
                await SQLiteBackend.open(sqlite_path(parsed), read_only, hook, inline, commit)
                if parsed.get_backend_name() == "sqlite"
                else PostgreSQLBackend(parsed, read_only, hook, commit)
            )
        except Exception as error:
            raise_as_ours(error)
        return cls(backend, group_limit=group_limit)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._backend.dialect

    @property
    def commits_in_loop(self) -> bool:
        """Whether COMMIT runs in the event loop, as on a fast disk, so that nothing goes on beside it."""
        return self._backend.inline

    def check_in_place(self) -> None:
        """Raise ``StorageUnavailable`` if an SQLite file was moved away or another put in its place since."""
        self._backend.check_in_place()

    async def write(self, unit: Callable[[Transaction], T]) -> T:
        """Run a unit in the next group's transaction and return its value once that is durable.

        The unit is synchronous, touches nothing but the transaction, and may run several times: only the last
        run counts. A cancelled caller leaves the group alone; its unit may or may not have been kept.

        Raises:
            StorageUnavailable: Not kept, or not known to be; the same unit may be written again.
            IntegrityError: A constraint or an append-only trigger refused this unit; nothing of it was kept.
            Exception: Whatever the unit raised; nothing of it was kept.
        """
        if self._closed:
            raise StorageUnavailable("The gateway is stopping. Try again once it runs.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        (self._urgent if is_urgent() else self._waiting).append((unit, future))
        self._idle.clear()
        self._kick()
        return await future

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what a short query finds, in one unchanging view that includes the last COMMIT."""
        try:
            return await self._backend.read(query)
        except Exception as error:
            raise_as_ours(error)

    async def read_slow(self, query: Callable[[Connection], T]) -> T:
        """Return what a long query finds, like ``read``, but in a thread so that the event loop goes on."""
        try:
            return await self._backend.read_slow(query)
        except Exception as error:
            raise_as_ours(error)

    async def aclose(self) -> None:
        """Finish what waits, then close. Later writes raise ``StorageUnavailable``."""
        self._closed = True
        await self._idle.wait()
        if self._running is not None:
            await self._running
        await self._backend.aclose()

    def _kick(self) -> None:
        if not self._kicked and self._running is None:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._gather, len(self._waiting), 0, MOST_TURNS)

    def _gather(self, seen: int, quiet: int, turns: int) -> None:
        """Let the loop's other work bring more units: COMMIT costs more than turns."""
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == seen else 0
        if quiet < QUIET_TURNS and turns and waiting < self._group_limit and not self._urgent:
            asyncio.get_running_loop().call_soon(self._gather, waiting, quiet, turns - 1)
        else:
            self._start()

    def _start(self) -> None:
        self._kicked = False
        group = self._next_group()
        if not group:
            self._idle.set()
        elif self._backend.inline:
            units = [unit for unit, _ in group]
            try:
                outcomes = self._backend.run_now(units)
            except BaseException as error:
                self._settle(group, _all_failed(group, error))
                if not isinstance(error, Exception):
                    raise
            else:
                self._settle(group, outcomes)
        else:
            self._running = asyncio.get_running_loop().create_task(self._run(group))

    async def _run(self, group: list[tuple[Unit, asyncio.Future[Any]]]) -> None:
        try:
            outcomes = await self._backend.run([unit for unit, _ in group])
        except BaseException as error:
            outcomes = _all_failed(group, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._running = None
            self._settle(group, outcomes)

    def _next_group(self) -> list[tuple[Unit, asyncio.Future[Any]]]:
        group: list[tuple[Unit, asyncio.Future[Any]]] = []
        limit = self._group_limit
        for waiting in (self._urgent, self._waiting):
            while waiting and len(group) < limit:
                unit, future = waiting.popleft()
                if not future.done():
                    group.append((unit, future))
            if group:
                limit = min(limit, len(group) + BESIDE_URGENT)
        return group

    def _settle(self, group: list[tuple[Unit, asyncio.Future[Any]]], outcomes: list[Outcome]) -> None:
        loop = asyncio.get_running_loop()
        for (_, future), outcome in zip(group, outcomes, strict=True):
            for callback in outcome.callbacks:
                # As events of their own: a failing one reaches the loop's handler and hurts nobody else.
                loop.call_soon(callback)
            if future.done():
                continue
            if outcome.error is None:
                future.set_result(outcome.value)
            else:
                future.set_exception(outcome.error)
        if self._waiting or self._urgent:
            self._kick()
        else:
            self._idle.set()


def _all_failed(group: Sequence[object], error: BaseException) -> list[Outcome]:
    # The group never reached its transaction, or the process is being interrupted.
    ours = isinstance(error, Exception) and storage_fault(error) is None
    return [Outcome(error=error if ours else storage_fault(error) or StorageUnavailable()) for _ in group]
