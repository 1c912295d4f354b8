"""The write-once store of sealed bytes, content-addressed by SHA-256.

Below 256 KiB the bytes become a row of the unit that needs them; above, a file ``blobs/aa/<sha256>``, synced
with its folder before anything refers to it and never overwritten. A crash leaves temporary files and
files without a row, which ``sweep`` removes after a day. The store does not know what the bytes mean.
"""

import asyncio
import hashlib
import io
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from gateway.errors import StorageDamaged
from gateway.storage.database import Database, Transaction
from gateway.storage.disk import executor, in_thread, older_than, size_of, sync_folder
from gateway.storage.faults import raise_as_ours
from gateway.storage.schema import blob
from gateway.storage.spool import COPY_BYTES, Spool

#: Smaller blobs live in the database: a file costs two syncs more.
INLINE_LIMIT_BYTES = 256 * 1024
#: How long something unreferenced may lie: far longer than any unit that is about to refer to it.
SWEEP_AGE_S = 24 * 3600

T = TypeVar("T")

_FIND = select(blob.c.size_bytes, blob.c.data).where(blob.c.sha256 == bindparam("b_sha256"))
_KNOWN = select(blob.c.sha256).where(
    blob.c.sha256.in_(bindparam("b_names", expanding=True)), blob.c.data.is_(None)
)


class BlobMismatch(ValueError):
    """The bytes are not the ones that were announced; nothing was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRef:
    """A whole blob. ``data`` holds a small one's bytes; a large one is a durable file of that digest."""

    sha256: str
    size_bytes: int
    data: bytes | None = field(default=None, repr=False)


def find_blob(connection: Connection, sha256: str) -> BlobRef | None:
    """Return a blob that a committed unit has inserted."""
    row = connection.execute(_FIND, {"b_sha256": sha256}).first()
    return None if row is None else BlobRef(sha256=sha256, size_bytes=row.size_bytes, data=row.data)


def insert_blobs(tx: Transaction, refs: Iterable[BlobRef]) -> None:
    """Keep the blobs with this unit; equal ones that are there already are left as they are."""
    for ref in refs:
        tx.insert_once(blob, sha256=ref.sha256, size_bytes=ref.size_bytes, data=ref.data)


class Blobs:
    """The blobs of one gateway. One object per home; call ``prepare`` first."""

    def __init__(
        self, folder: Path, database: Database, *, inline_limit_bytes: int = INLINE_LIMIT_BYTES
    ) -> None:
        self.inline_limit_bytes = inline_limit_bytes
        self._folder = folder
        self._temporary = folder / "tmp"
        self._database = database
        # Held while a file gets a new reference and while one is removed, so that never both happen.
        self._naming = threading.Lock()
        self._dirty: set[Path] = set()
        self._settling: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make the folders, readable by their owner only."""
        await in_thread(self._make_folders)

    def _make_folders(self) -> None:
        for folder in (self._folder, self._temporary):
            folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folders((self._folder, self._folder.parent))

    def writer(self, size_bytes: int | None = None, *, hashing: bool = True) -> "BlobWriter":
        """Return a writer for one blob; with ``size_bytes`` known to be large it uses a file from the start.

        Without ``hashing`` the digest given to ``finish`` is trusted: the caller computed it while sealing.
        """
        return BlobWriter(self, self._spool(size_bytes, hashing))

    def hold(self, data: bytes, sha256: str) -> BlobRef:
        """Return the blob of bytes that are all here and fewer than go to a file; it still needs ``insert``.

        Raises:
            BlobMismatch: The digest is another.
        """
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BlobMismatch("size or digest differs from what was announced")
        return BlobRef(sha256=sha256, size_bytes=len(data), data=data)

    def sink(self, size_bytes: int | None = None) -> Spool:
        """Return a synchronous sink that trusts the digest given to ``keep``, for sealing in a thread."""
        return self._spool(size_bytes, hashing=False)

    def _spool(self, size_bytes: int | None, hashing: bool) -> Spool:
        is_large = size_bytes is not None and size_bytes >= self.inline_limit_bytes
        in_memory = 0 if is_large else self.inline_limit_bytes
        return Spool(self._temporary, in_memory_bytes=in_memory, hashing=hashing)

    async def reopen(self, name: str, *, offset: int) -> "BlobWriter":
        """Continue the blob that ``BlobWriter.sync`` named at a durable ``offset``; what lies behind is cut.

        Raises ``FileNotFoundError`` if less than ``offset`` bytes are left of it: start again.
        """
        path = self._temporary_path(name)
        limit = self.inline_limit_bytes
        spool = await in_thread(lambda: Spool.reopen(path, offset=offset, in_memory_bytes=limit))
        return BlobWriter(self, spool)

    async def discard(self, name: str) -> None:
        """Remove what ``BlobWriter.sync`` had named; nothing happens if it is gone."""
        path = self._temporary_path(name)
        await in_thread(path.unlink, True)

    def _temporary_path(self, name: str) -> Path:
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise FileNotFoundError("no temporary file has such a name")
        return self._temporary / name

    async def keep(self, spool: Spool, sha256: str, size_bytes: int) -> BlobRef:
        """Turn what was written into a blob: small ones still need ``insert``, large ones are durable.

        Raises:
            BlobMismatch: Size or digest is another; nothing is kept.
            StorageFull: No space; nothing is kept.
        """
        try:
            if spool.size_bytes != size_bytes or spool.digest() not in (None, sha256):
                raise BlobMismatch("size or digest differs from what was announced")
            data = spool.in_memory()
            if data is None and size_bytes < self.inline_limit_bytes:
                data = await in_thread(spool.read_all)
            if data is not None:
                return BlobRef(sha256=sha256, size_bytes=size_bytes, data=data)
            await in_thread(lambda: self._publish(spool.sync(), sha256, size_bytes))
            await self.settle()
            return BlobRef(sha256=sha256, size_bytes=size_bytes)
        finally:
            if spool.path is None:
                # Nothing on the disk: closing costs less than a thread.
                spool.close(remove=True)
            else:
                await in_thread(lambda: spool.close(remove=True))

    def _publish(self, temporary: Path, sha256: str, size_bytes: int) -> None:
        final = self._path(sha256)
        with self._naming:
            if not final.parent.exists():
                final.parent.mkdir(mode=0o700, exist_ok=True)
                self._dirty.add(self._folder)
            if final.exists():
                if final.stat().st_size != size_bytes:
                    raise StorageDamaged()
                # Young again: the sweep must leave it to the unit that is about to refer to it.
                os.utime(final)
            else:
                temporary.rename(final)
            self._dirty.add(final.parent)

    async def settle(self) -> None:
        """Make all names given so far durable. Callers that wait together share one sync for each folder."""
        if self._settling is not None:
            # It may have begun before our name was given, so it does not count.
            await asyncio.wait({self._settling})
        if self._settling is None and self._dirty:
            self._settling = asyncio.create_task(self._sync_dirty())
        if self._settling is not None:
            await asyncio.shield(self._settling)

    async def _sync_dirty(self) -> None:
        with self._naming:
            folders, self._dirty = self._dirty, set()
        try:
            await in_thread(_sync_folders, folders)
        except BaseException:
            with self._naming:
                self._dirty |= folders
            raise
        finally:
            self._settling = None

    def mark_temporary(self) -> None:
        """Have the next ``settle`` make the names of temporary files durable too."""
        with self._naming:
            self._dirty.add(self._temporary)

    def insert(self, tx: Transaction, refs: Iterable[BlobRef]) -> None:
        """Keep the blobs with this unit."""
        insert_blobs(tx, refs)

    async def find(self, sha256: str, size_bytes: int) -> BlobRef:
        """Return a stored blob, also a large one that no unit refers to yet.

        Raises:
            FileNotFoundError: There is none of that digest.
            StorageDamaged: It has another size, or its file is gone.
        """
        found = await self._database.read(lambda c: find_blob(c, sha256))
        if found is None or found.data is None:
            on_disk = await in_thread(size_of, self._path(sha256))
            if on_disk is None and found is None:
                raise FileNotFoundError(sha256)
            if on_disk != size_bytes:
                raise StorageDamaged()
            return BlobRef(sha256=sha256, size_bytes=size_bytes)
        if found.size_bytes != size_bytes or len(found.data) != size_bytes:
            raise StorageDamaged()
        return found

    def open_sync(self, ref: BlobRef) -> io.BytesIO | io.FileIO:
        """Return the blob as a file open for reading; for use in a thread. The caller closes it."""
        if ref.data is not None:
            return io.BytesIO(ref.data)
        try:
            return open(self._path(ref.sha256), "rb", buffering=0)
        except FileNotFoundError as error:
            raise StorageDamaged() from error

    async def read(
        self, ref: BlobRef, offset: int = 0, length: int | None = None, *, chunk_bytes: int = COPY_BYTES
    ) -> AsyncGenerator[bytes, None]:
        """Yield ``length`` bytes from ``offset`` on, or all of them, in chunks of at most ``chunk_bytes``."""
        end = ref.size_bytes if length is None else min(ref.size_bytes, offset + length)
        if ref.data is not None:
            for start in range(offset, end, chunk_bytes):
                yield ref.data[start : min(start + chunk_bytes, end)]
            return
        file = await in_thread(self.open_sync, ref)
        try:
            while offset < end:
                wanted = min(chunk_bytes, end - offset)
                # Positioned, so that a read left over from a cancelled turn cannot move the next one.
                chunk = await in_thread(os.pread, file.fileno(), wanted, offset)
                if not chunk:
                    raise StorageDamaged()
                offset += len(chunk)
                yield chunk
        finally:
            file.close()

    def _path(self, sha256: str) -> Path:
        # A digest that came from outside must not become a path.
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("not a SHA-256 in lower-case hex")
        return self._folder / sha256[:2] / sha256

    async def sweep(
        self,
        *,
        keep: frozenset[str] = frozenset(),
        age_s: float = SWEEP_AGE_S,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Remove what a crash left: temporary files not in ``keep``, files without a row. Returns how many.

        Args:
            keep: Unfinished uploads: names (``BlobWriter.sync``) and digests of parts that are whole.
            age_s: Younger files stay, seconds.
            progress: Called with (folders done, folders in all), in the loop.
        """
        oldest = time.time() - age_s
        folders = await in_thread(lambda: sorted(entry for entry in self._folder.iterdir() if entry.is_dir()))
        removed = 0
        for done, folder in enumerate(folders, start=1):
            old = await in_thread(older_than, folder, oldest)
            spare = set(keep)
            if folder != self._temporary:
                spare |= await self._known([path.name for path in old])
            gone = [path for path in old if path.name not in spare]
            removed += await in_thread(self._remove, gone, oldest)
            if progress is not None:
                progress(done, len(folders))
        return removed

    async def _known(self, names: Sequence[str]) -> set[str]:
        known: set[str] = set()
        for start in range(0, len(names), 500):
            known |= await self._database.read(partial(_known, names=names[start : start + 500]))
        return known

    def _remove(self, paths: Sequence[Path], oldest: float) -> int:
        removed = 0
        for path in paths:
            with self._naming:
                if path.exists() and path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
        return removed


class BlobWriter:
    """One blob on its way in, fed from one task; ends in ``finish``, ``sync`` and ``aclose``, or ``discard``.

    Large writes go to the disk in a thread, one at a time and one ahead of the caller: at most 2 MiB wait.
    """

    def __init__(self, blobs: Blobs, spool: Spool) -> None:
        self._blobs = blobs
        self._spool = spool
        self._gathered = bytearray()
        self._ahead: asyncio.Future[int] | None = None

    @property
    def size_bytes(self) -> int:
        """How many bytes were taken."""
        return self._spool.size_bytes + len(self._gathered)

    async def write(self, chunk: "bytes | bytearray | memoryview") -> None:
        """Append a copy of ``chunk``. Raises ``StorageFull`` when the disk is, perhaps at a later call."""
        self._gathered += chunk
        if len(self._gathered) >= COPY_BYTES:
            await self._pass_on()

    async def _pass_on(self) -> None:
        await self._caught_up()
        if self._gathered:
            data, self._gathered = self._gathered, bytearray()
            self._ahead = asyncio.get_running_loop().run_in_executor(executor(), self._spool.write, data)

    async def _caught_up(self) -> None:
        if self._ahead is not None:
            ahead = self._ahead
            try:
                # Shielded: the thread cannot be stopped, and the next write must come after it.
                await asyncio.shield(ahead)
            except OSError as error:
                raise_as_ours(error)
            self._ahead = None

    async def _all_written(self) -> None:
        if (
            self._ahead is None
            and len(self._gathered) + self._spool.size_bytes < self._blobs.inline_limit_bytes
        ):
            # Small: a few microseconds here are less than a thread costs.
            data, self._gathered = self._gathered, bytearray()
            self._spool.write(data)
            return
        await self._pass_on()
        await self._caught_up()

    async def finish(self, sha256: str, size_bytes: int) -> BlobRef:
        """Return the blob, as ``Blobs.keep`` does. Raises ``BlobMismatch`` (a ``ValueError``) for another."""
        try:
            await self._all_written()
        except BaseException:
            await self.discard()
            raise
        return await self._blobs.keep(self._spool, sha256, size_bytes)

    async def sync(self) -> str:
        """Make what was taken so far durable and return its name for ``Blobs.reopen``; writing may go on."""
        await self._all_written()
        path = await in_thread(self._spool.sync)
        self._blobs.mark_temporary()
        await self._blobs.settle()
        return path.name

    async def aclose(self) -> None:
        """Let go of the file and leave it where it is, for ``Blobs.reopen``."""
        await in_thread(lambda: self._spool.close(remove=False))

    async def discard(self) -> None:
        """Remove what was written."""
        self._gathered = bytearray()
        await in_thread(lambda: self._spool.close(remove=True))


def _sync_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        sync_folder(folder)


def _known(connection: Connection, names: Sequence[str]) -> set[str]:
    return set(connection.scalars(_KNOWN, {"b_names": list(names)}))
