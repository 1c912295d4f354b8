"""Where a group and a query run: in the loop, in a thread, or on an asynchronous connection.

A backend owns its connections. It knows nothing of who waits for a group; that is ``database``.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar, cast

from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from gateway.errors import StorageUnavailable
from gateway.storage.engines import (
    BEGIN_READING,
    driver_of,
    postgresql_engine,
    sqlite_readers,
    sqlite_writer,
    sync_time_s,
)
from gateway.storage.faults import is_transient
from gateway.storage.group import Commit, GroupHook, Outcome, Unit, run_group
from gateway.storage.inplace import InPlace
from gateway.storage.wal import Checkpointer, fold_all

T = TypeVar("T")

#: From this sync time on, COMMIT would hold up the event loop and is given a thread.
SLOW_SYNC_S = 0.001


class Backend(Protocol):
    """What differs between the engines: where a group and a query run."""

    dialect: str
    inline: bool

    def run_now(self, units: Sequence[Unit]) -> list[Outcome]:
        """Run a group in this thread and return how each unit came out; only an ``inline`` one can."""
        ...

    async def run(self, units: Sequence[Unit]) -> list[Outcome]:
        """Run a group apart from the loop and return how each unit came out."""
        ...

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what a short query gives."""
        ...

    async def read_slow(self, query: Callable[[Connection], T]) -> T:
        """Return what a long query gives, without holding anybody up."""
        ...

    def check_in_place(self) -> None:
        """Raise ``StorageUnavailable`` if the file that was opened is not where it was."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


class SQLiteBackend:
    """One writing connection, one for short reads in the loop, and a few for long reads in threads."""

    dialect = "sqlite"

    def __init__(
        self, path: Path, read_only: bool, hook: GroupHook | None, inline: bool, commit: Commit
    ) -> None:
        self.inline = inline
        self._writer_engine = None if read_only else sqlite_writer(path)
        self._readers = sqlite_readers(path, read_only=read_only)
        self._hook = hook
        self._commit = commit
        self._writer = None if self._writer_engine is None else self._writer_engine.connect()
        self._reader = self._readers.connect()
        self._place = InPlace(path)
        self._place.check()
        self._thread = None if inline else ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._checkpointer = None if read_only else Checkpointer(path)

    @classmethod
    async def open(
        cls, path: Path, read_only: bool, hook: GroupHook | None, inline: bool | None, commit: Commit
    ) -> "SQLiteBackend":
        if inline is None:
            inline = read_only or await asyncio.to_thread(sync_time_s, path.parent) <= SLOW_SYNC_S
        return cls(path, read_only, hook, inline, commit)

    def run_now(self, units: Sequence[Unit]) -> list[Outcome]:
        if self._writer is None:
            raise RuntimeError("this database was opened for reading only")
        outcomes = run_group(self._writer, units, self._hook, self._commit)
        if self._checkpointer is not None:
            self._checkpointer.written()
        return outcomes

    async def run(self, units: Sequence[Unit]) -> list[Outcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, units)

    async def read(self, query: Callable[[Connection], T]) -> T:
        reader = self._reader
        # SQLAlchemy's own transaction, which costs as much as a short query, joins in if the query needs it.
        driver = driver_of(reader)
        driver.execute(BEGIN_READING)
        try:
            return query(reader)
        finally:
            if reader.in_transaction():
                reader.rollback()
            else:
                driver.rollback()

    def check_in_place(self) -> None:
        self._place.check()

    async def read_slow(self, query: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._read_apart, query)

    def _read_apart(self, query: Callable[[Connection], T]) -> T:
        with self._readers.begin() as connection:
            return query(connection)

    async def aclose(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._reader.close()
        self._readers.dispose()
        if self._writer is not None and self._writer_engine is not None:
            fold_all(driver_of(self._writer))
            self._writer.close()
            self._writer_engine.dispose()


class PostgreSQLBackend:
    """One writing connection, kept while it lives, and a pool for short reads."""

    dialect = "postgresql"
    inline = False

    def __init__(self, url: URL, read_only: bool, hook: GroupHook | None, commit: Commit) -> None:
        self._url = url
        self._read_only = read_only
        self._engine = postgresql_engine(url, read_only=read_only)
        self._hook = hook
        self._commit = commit
        self._writer: AsyncConnection | None = None

    def run_now(self, units: Sequence[Unit]) -> list[Outcome]:
        raise RuntimeError("PostgreSQL is never driven from within one turn of the loop")

    async def run(self, units: Sequence[Unit]) -> list[Outcome]:
        if self._read_only:
            raise RuntimeError("this database was opened for reading only")
        if self._writer is None:
            self._writer = await self._engine.connect()
        try:
            outcomes = await self._writer.run_sync(run_group, units, self._hook, self._commit)
        except BaseException:
            await self._drop_writer()
            raise
        if any(isinstance(outcome.error, StorageUnavailable) for outcome in outcomes):
            # Begin the next group on a new connection, in case this one is the trouble.
            await self._drop_writer()
        return outcomes

    def check_in_place(self) -> None:
        """A server looks after its own files."""

    async def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                await writer.invalidate()
            finally:
                await writer.close()

    async def read(self, query: Callable[[Connection], T]) -> T:
        try:
            return await self._read_once(query)
        except Exception as error:
            if not is_transient(error):
                raise
        return await self._read_once(query)

    async def _read_once(self, query: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(query)

    async def read_slow(self, query: Callable[[Connection], T]) -> T:
        # A loop and a connection of its own: a query that also computes must not stop the gateway's loop.
        return await asyncio.to_thread(lambda: asyncio.run(self._read_apart(query)))

    async def _read_apart(self, query: Callable[[Connection], T]) -> T:
        engine = postgresql_engine(self._url, read_only=True, poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                return cast(T, await connection.run_sync(query))
        finally:
            await engine.dispose()

    async def aclose(self) -> None:
        if self._writer is not None:
            await self._writer.close()
        await self._engine.dispose()
