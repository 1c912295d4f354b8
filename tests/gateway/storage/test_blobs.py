"""The write-once store: small rows, large files, resuming, reading, sweeping, and a full or lying disk."""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.errors import StorageDamaged, StorageFull, StorageUnavailable
from gateway.storage import spool as spool_module
from gateway.storage.blobs import BlobMismatch, BlobRef, Blobs, find_blob
from gateway.storage.database import Database
from gateway.storage.schema import blob

LIMIT = 1024
SMALL = b"small " * 10
LARGE = bytes(range(256)) * 40


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
async def blobs(database: Database, tmp_path: Path) -> Blobs:
    store = Blobs(tmp_path / "blobs", database, inline_limit_bytes=LIMIT)
    await store.prepare()
    return store


@pytest.fixture
async def sqlite_blobs(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Blobs]:
    """For what does not depend on the database."""
    database = await Database.open(sqlite_url)
    store = Blobs(tmp_path / "blobs", database, inline_limit_bytes=LIMIT)
    await store.prepare()
    yield store
    await database.aclose()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder / "blobs")) for path in folder.glob("blobs/**/*") if path.is_file()}


async def store(blobs: Blobs, data: bytes, *, chunk: int = 100, announced: int | None = None) -> BlobRef:
    writer = blobs.writer(announced)
    for start in range(0, len(data), chunk):
        await writer.write(data[start : start + chunk])
    return await writer.finish(digest(data), len(data))


async def read(blobs: Blobs, ref: BlobRef, *range_: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(ref, *range_, chunk_bytes=700)])


async def test_a_small_blob_is_a_row_and_no_file(blobs: Blobs, database: Database, tmp_path: Path) -> None:
    ref = await store(blobs, SMALL, announced=len(SMALL))
    assert ref == BlobRef(sha256=digest(SMALL), size_bytes=len(SMALL), data=SMALL)
    assert files(tmp_path) == set()
    await database.write(lambda tx: blobs.insert(tx, [ref]))
    assert await blobs.find(ref.sha256, ref.size_bytes) == ref
    assert await database.read(lambda c: find_blob(c, ref.sha256)) == ref
    assert await read(blobs, ref) == SMALL


@pytest.mark.parametrize("announced", [None, len(LARGE)])
async def test_a_large_blob_is_a_private_file_of_its_digest(
    blobs: Blobs, database: Database, tmp_path: Path, announced: int | None
) -> None:
    ref = await store(blobs, LARGE, announced=announced)
    assert ref == BlobRef(sha256=digest(LARGE), size_bytes=len(LARGE))
    assert files(tmp_path) == {f"{ref.sha256[:2]}/{ref.sha256}"}
    path = tmp_path / "blobs" / ref.sha256[:2] / ref.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    # Durable and findable before any unit refers to it, and after.
    assert await blobs.find(ref.sha256, ref.size_bytes) == ref
    await database.write(lambda tx: blobs.insert(tx, [ref]))
    assert await blobs.find(ref.sha256, ref.size_bytes) == ref
    assert await read(blobs, ref) == LARGE


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("span", [(0, 5), (3, 30), (7,), (59, 1), (60,), (50, 10**9)])
async def test_ranges_are_exact(sqlite_blobs: Blobs, data: bytes, span: tuple[int, ...]) -> None:
    ref = await store(sqlite_blobs, data)
    start, length = span[0], span[1] if len(span) > 1 else len(data)
    assert await read(sqlite_blobs, ref, *span) == data[start : start + length]
    with sqlite_blobs.open_sync(ref) as source:
        source.seek(start)
        assert source.read(length) == data[start : start + length]


async def test_a_blob_exactly_at_the_limit_is_a_file_and_one_below_is_not(sqlite_blobs: Blobs) -> None:
    for announced in (None, LIMIT):
        assert (await store(sqlite_blobs, bytes(LIMIT), announced=announced)).data is None
    for announced in (None, LIMIT - 1, LIMIT):
        assert (await store(sqlite_blobs, bytes(LIMIT - 1), announced=announced)).data is not None


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_bytes_that_were_not_announced_are_refused_and_nothing_stays(
    sqlite_blobs: Blobs, tmp_path: Path, data: bytes
) -> None:
    for wrong in ((digest(b"other"), len(data)), (digest(data), len(data) + 1)):
        writer = sqlite_blobs.writer(len(data))
        await writer.write(data)
        with pytest.raises(BlobMismatch):
            await writer.finish(*wrong)
    assert files(tmp_path) == set()


async def test_discarding_leaves_nothing(sqlite_blobs: Blobs, tmp_path: Path) -> None:
    writer = sqlite_blobs.writer(None)
    await writer.write(LARGE)
    await writer.sync()
    assert len(files(tmp_path)) == 1
    await writer.discard()
    assert files(tmp_path) == set()


async def test_the_same_blob_again_leaves_the_first_file_untouched(
    sqlite_blobs: Blobs, tmp_path: Path
) -> None:
    ref = await store(sqlite_blobs, LARGE)
    path = tmp_path / "blobs" / ref.sha256[:2] / ref.sha256
    before = path.stat().st_ino
    assert await store(sqlite_blobs, LARGE) == ref
    assert path.stat().st_ino == before
    assert len(files(tmp_path)) == 1


async def test_a_file_of_another_size_under_the_same_name_is_damage_and_stays_for_a_person(
    sqlite_blobs: Blobs, tmp_path: Path
) -> None:
    ref = await store(sqlite_blobs, LARGE)
    path = tmp_path / "blobs" / ref.sha256[:2] / ref.sha256
    path.write_bytes(b"short")
    with pytest.raises(StorageDamaged):
        await store(sqlite_blobs, LARGE)
    with pytest.raises(StorageDamaged):
        await sqlite_blobs.find(ref.sha256, ref.size_bytes)
    with pytest.raises(StorageDamaged):
        await read(sqlite_blobs, ref)
    assert path.read_bytes() == b"short"


async def test_a_blob_nobody_has_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(FileNotFoundError):
        await blobs.find(digest(b"never"), 5)


async def test_a_row_whose_file_is_gone_is_damage(blobs: Blobs, database: Database, tmp_path: Path) -> None:
    ref = await store(blobs, LARGE)
    await database.write(lambda tx: blobs.insert(tx, [ref]))
    (tmp_path / "blobs" / ref.sha256[:2] / ref.sha256).unlink()
    with pytest.raises(StorageDamaged):
        await blobs.find(ref.sha256, ref.size_bytes)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 31, "A" * 32, "a" * 31 + "/"])
async def test_a_name_from_outside_never_becomes_a_path(sqlite_blobs: Blobs, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        await sqlite_blobs.reopen(name, offset=0)
    with pytest.raises(FileNotFoundError):
        await sqlite_blobs.discard(name)
    with pytest.raises(ValueError):
        sqlite_blobs.open_sync(BlobRef(sha256=name, size_bytes=1))


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("behind", [b"", b"never promised" * 1000])
async def test_an_upload_resumes_at_its_durable_offset(
    sqlite_blobs: Blobs, tmp_path: Path, data: bytes, behind: bytes
) -> None:
    writer = sqlite_blobs.writer(len(data))
    await writer.write(data[:50])
    name = await writer.sync()
    await writer.write(behind)
    await writer._all_written()
    await writer.aclose()
    again = await sqlite_blobs.reopen(name, offset=50)
    assert again.size_bytes == 50
    await again.write(data[50:])
    ref = await again.finish(digest(data), len(data))
    assert await read(sqlite_blobs, ref) == data
    assert (ref.data is None) is (data is LARGE)
    if ref.data is None:
        assert await sqlite_blobs.find(ref.sha256, ref.size_bytes) == ref, "nothing lies behind the end"
    assert f"tmp/{name}" not in files(tmp_path)


async def test_a_writer_goes_on_after_sync(sqlite_blobs: Blobs) -> None:
    writer = sqlite_blobs.writer(len(LARGE))
    names = set()
    for start in range(0, len(LARGE), 2048):
        await writer.write(LARGE[start : start + 2048])
        names.add(await writer.sync())
    assert len(names) == 1
    assert (await writer.finish(digest(LARGE), len(LARGE))).size_bytes == len(LARGE)


async def test_an_upload_of_which_too_little_is_left_starts_again(
    sqlite_blobs: Blobs, tmp_path: Path
) -> None:
    writer = sqlite_blobs.writer(len(LARGE))
    await writer.write(LARGE[:50])
    name = await writer.sync()
    await writer.aclose()
    with pytest.raises(FileNotFoundError):
        await sqlite_blobs.reopen(name, offset=51)
    assert (tmp_path / "blobs" / "tmp" / name).read_bytes() == LARGE[:50]
    await sqlite_blobs.discard(name)
    with pytest.raises(FileNotFoundError):
        await sqlite_blobs.reopen(name, offset=0)


async def test_sealing_in_a_thread_writes_through_a_synchronous_sink(
    sqlite_blobs: Blobs, tmp_path: Path
) -> None:
    for data in (SMALL, LARGE):
        sink = sqlite_blobs.sink(len(data))
        await asyncio.to_thread(lambda s=sink, d=data: [s.write(d[n : n + 64]) for n in range(0, len(d), 64)])
        ref = await sqlite_blobs.keep(sink, digest(data), len(data))
        assert await read(sqlite_blobs, ref) == data
    assert len(files(tmp_path)) == 1


async def test_the_digest_is_computed_once_or_not_at_all(
    sqlite_blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    class Counting:
        def __init__(self) -> None:
            self._real = hashlib.new("sha256")

        def update(self, data: Any) -> None:
            hashed.append(len(data))
            self._real.update(data)

        def hexdigest(self) -> str:
            return self._real.hexdigest()

    monkeypatch.setattr(spool_module.hashlib, "sha256", Counting)
    writer = sqlite_blobs.writer(len(LARGE))
    await writer.write(LARGE)
    await writer.finish(hashlib.new("sha256", LARGE).hexdigest(), len(LARGE))
    assert sum(hashed) == len(LARGE)
    hashed.clear()
    writer = sqlite_blobs.writer(len(LARGE), hashing=False)
    await writer.write(LARGE)
    await writer.finish(hashlib.new("sha256", LARGE).hexdigest(), len(LARGE))
    assert hashed == []


async def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(
    sqlite_blobs: Blobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps: list[str] = []
    fdatasync, fsync, rename = os.fdatasync, os.fsync, Path.rename

    def seen(name: str, call: Any) -> Any:
        def wrapper(*arguments: Any) -> Any:
            target = os.readlink(f"/proc/self/fd/{arguments[0]}") if isinstance(arguments[0], int) else ""
            steps.append(f"{name} {Path(target).name}".strip())
            return call(*arguments)

        return wrapper

    monkeypatch.setattr(os, "fdatasync", seen("file", fdatasync))
    monkeypatch.setattr(os, "fsync", seen("folder", fsync))
    monkeypatch.setattr(Path, "rename", seen("rename", rename))
    ref = await store(sqlite_blobs, LARGE)
    assert steps[0].startswith("file ")
    assert steps[1] == "rename"
    assert set(steps[2:]) == {"folder blobs", f"folder {ref.sha256[:2]}"}


async def test_writers_that_finish_together_share_the_folder_syncs(
    sqlite_blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(store(sqlite_blobs, bytes([n]) * LIMIT) for n in range(2)))
    passes = []
    real = sqlite_blobs._sync_dirty

    async def counted() -> None:
        passes.append(1)
        await real()

    monkeypatch.setattr(sqlite_blobs, "_sync_dirty", counted)
    await asyncio.gather(*(store(sqlite_blobs, bytes([n]) * LIMIT) for n in range(2, 40)))
    assert len(passes) < 38
    assert sqlite_blobs._dirty == set()


async def test_a_folder_that_cannot_be_synced_fails_the_blob_and_is_tried_again(
    sqlite_blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError(errno.EIO, "io")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StorageUnavailable):
            await store(sqlite_blobs, LARGE)
    assert sqlite_blobs._dirty
    await store(sqlite_blobs, LARGE)
    assert sqlite_blobs._dirty == set()


async def test_a_full_disk_is_reported_and_leaves_nothing(
    sqlite_blobs: Blobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(self: Any, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gateway.storage.spool.Spool.write", full)
    writer = sqlite_blobs.writer(10 * 1024 * 1024)
    # The write that fails is one behind the caller's.
    await writer.write(bytes(1024 * 1024))
    with pytest.raises(StorageFull):
        await writer.write(bytes(1024 * 1024))
    await writer.discard()
    assert files(tmp_path) == set()


async def test_a_cancelled_writer_can_be_discarded_while_its_thread_still_writes(
    sqlite_blobs: Blobs, tmp_path: Path
) -> None:
    writer = sqlite_blobs.writer(64 * 1024 * 1024)

    async def feed() -> None:
        while True:
            await writer.write(bytes(1024 * 1024))

    task = asyncio.create_task(feed())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writer.discard()
    assert files(tmp_path) == set()


async def test_sweeping_removes_only_old_things_nobody_refers_to(
    blobs: Blobs, database: Database, tmp_path: Path
) -> None:
    kept = await store(blobs, LARGE + b"kept")
    await database.write(lambda tx: blobs.insert(tx, [kept]))
    lost = await store(blobs, LARGE + b"lost")
    fresh = await store(blobs, LARGE + b"fresh")
    uploads = []
    for _ in range(2):
        writer = blobs.writer(None)
        await writer.write(LARGE)
        uploads.append(await writer.sync())
        await writer.aclose()
    for name in files(tmp_path):
        if not name.endswith(fresh.sha256):
            os.utime(tmp_path / "blobs" / name, (0, 0))
    seen: list[tuple[int, int]] = []
    removed = await blobs.sweep(keep=frozenset(uploads[:1]), progress=lambda *step: seen.append(step))
    assert removed == 2
    assert {Path(name).name for name in files(tmp_path)} == {kept.sha256, fresh.sha256, uploads[0]}
    assert lost.sha256 not in {Path(name).name for name in files(tmp_path)}
    assert seen[-1][0] == seen[-1][1] == len(seen)


async def test_a_blob_stored_again_is_young_again_for_the_sweep(sqlite_blobs: Blobs, tmp_path: Path) -> None:
    ref = await store(sqlite_blobs, LARGE)
    path = tmp_path / "blobs" / ref.sha256[:2] / ref.sha256
    os.utime(path, (0, 0))
    await store(sqlite_blobs, LARGE)
    assert await sqlite_blobs.sweep() == 0
    assert path.exists()


async def test_bytes_never_show_in_a_repr(blobs: Blobs, database: Database) -> None:
    ref = await store(blobs, SMALL)
    assert "small" not in repr(ref)
    await database.write(lambda tx: blobs.insert(tx, [ref, ref]))
    assert await database.read(lambda c: len(c.execute(select(blob)).all())) == 1
