"""Large documents are sealed in another process, as a thread would have sealed them, or by a thread."""

import asyncio
import base64
import hashlib
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crypto.bundle import ManifestPart
from crypto.errors import Refusal
from crypto.parts import open_part, seal_part
from gateway.services.lanes import Lanes
from gateway.services.sealing import bulk as bulk_module
from gateway.services.sealing import bulkprocess, seal
from gateway.services.sealing.bulk import Bulk, BulkGone, is_checked_apart
from gateway.services.sealing.seal import Document, seal_documents
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database
from gateway.storage.migrate import upgrade

pytestmark = pytest.mark.slow

BID, KEY = "ab" * 16, bytes(range(32))
SIZE = 3 * 1024 * 1024 + 17


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    url = f"sqlite:///{tmp_path}/test.db"
    await upgrade(url)
    database = await Database.open(url)
    made = Blobs(tmp_path / "blobs", database)
    await made.prepare()
    yield made
    await database.aclose()


@pytest.fixture(autouse=True)
def _small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "APART_BYTES", 1024 * 1024)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "evidence.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def document(path: Path, size: int = SIZE) -> Document:
    return Document(
        attachment_id="A1",
        role="digital_evidence",
        name="evidence.bin",
        media="application/octet-stream",
        lang=None,
        of=None,
        size=size,
        open=lambda: open(path, "rb"),
    )


async def sealed(blobs: Blobs, bulk: Bulk, one: Document, told: list[int], lane: str = "routine") -> bytes:
    ((part, ref),) = await seal_documents(
        blobs,
        bid=BID,
        content_key=KEY,
        documents=[one],
        progress=told.append,
        lane=lane,
        bulk=bulk,
    )
    assert (part.n, part.plain_size, ref.sha256, ref.size_bytes) == (2, SIZE, part.sha256, part.size)
    with blobs.open_sync(ref) as source:
        data = source.read()
    assert hashlib.sha256(data).hexdigest() == part.sha256
    plain = io.BytesIO()
    open_part(io.BytesIO(data), plain, bk=KEY, bid=BID, n=2, plain_size=SIZE, plain_sha256=part.plain_sha256)
    assert hashlib.sha256(plain.getvalue()).hexdigest() == part.plain_sha256
    return plain.getvalue()


@pytest.mark.parametrize("lane", ["routine", "urgent"])
async def test_another_process_seals_what_a_thread_would_have_sealed(
    blobs: Blobs, path: Path, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal, "_seal_one", None)
    told: list[int] = []
    assert await sealed(blobs, Bulk(lanes=Lanes()), document(path), told, lane) == path.read_bytes()
    assert sum(told) == SIZE


async def test_a_document_of_another_size_than_announced_is_refused_and_nothing_is_kept(
    blobs: Blobs, path: Path, tmp_path: Path
) -> None:
    for size in (SIZE - 1, SIZE + 1):
        with pytest.raises(ValueError, match="size"):
            await sealed(blobs, Bulk(lanes=Lanes()), document(path, size), [])
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []


async def test_a_process_that_cannot_begin_or_dies_is_done_without(
    blobs: Blobs, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("/nonexistent/python", "/bin/true", "/bin/cat"):
        monkeypatch.setattr("sys.executable", program)
        assert await sealed(blobs, Bulk(lanes=Lanes()), document(path), []) == path.read_bytes()


async def test_what_lies_in_memory_is_sealed_here(
    blobs: Blobs, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "_ask", None)
    data = path.read_bytes()
    one = Document(
        attachment_id="A1",
        role="digital_evidence",
        name="evidence.bin",
        media="application/octet-stream",
        lang=None,
        of=None,
        size=SIZE,
        open=lambda: io.BytesIO(data),
    )
    assert await sealed(blobs, Bulk(lanes=Lanes()), one, []) == data


async def test_an_urgent_document_waits_behind_no_routine_one(blobs: Blobs, path: Path) -> None:
    bulk = Bulk(lanes=Lanes())
    await bulk._apart["routine"].acquire()
    waiting = asyncio.create_task(sealed(blobs, bulk, document(path), []))
    assert await sealed(blobs, bulk, document(path), [], "urgent") == path.read_bytes()
    assert not waiting.done()
    bulk._apart["routine"].release()
    assert await waiting == path.read_bytes()


async def test_whoever_stops_waiting_ends_the_process_and_leaves_no_file(
    blobs: Blobs, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[asyncio.subprocess.Process] = []
    started = asyncio.Event()
    create = asyncio.create_subprocess_exec

    async def noted(*command: str, **more: object) -> asyncio.subprocess.Process:
        process = await create(*command, **more)  # type: ignore[arg-type]
        began.append(process)
        started.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    work = asyncio.create_task(sealed(blobs, Bulk(lanes=Lanes()), document(path), []))
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert began[0].returncode is not None
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("lane", ["routine", "urgent"])
@pytest.mark.parametrize("damage", [None, 0, 2_000_000, -1])
def test_another_process_checks_a_large_part_as_a_thread_would(
    tmp_path: Path, lane: str, damage: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "APART_BYTES", 1024 * 1024)
    one, source = _sealed_part(tmp_path, damage)
    envelope: Any = SimpleNamespace(bid=BID, lane=lane)
    with source.open("rb", buffering=0) as file:
        if damage is None:
            assert is_checked_apart(envelope, one, file, KEY)
            return
        with pytest.raises(Refusal) as refused:
            is_checked_apart(envelope, one, file, KEY)
    assert (refused.value.code, refused.value.step) == ("content-digest", 13)


@pytest.mark.parametrize("program", ["/nonexistent/python", "/bin/true", "/bin/cat", ""])
def test_a_check_that_no_process_can_do_is_left_to_the_thread_from_the_first_byte(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "APART_BYTES", 1024 * 1024)
    # The last one dies after it has read: the two share one place in the file.
    dying = tmp_path / "dying"
    dying.write_text(f"#!{sys.executable}\nimport os, sys\nos.read(int(sys.argv[4]), 1000)\n")
    dying.chmod(0o755)
    monkeypatch.setattr("sys.executable", program or str(dying))
    one, source = _sealed_part(tmp_path, None)
    envelope: Any = SimpleNamespace(bid=BID, lane="routine")
    with source.open("rb", buffering=0) as file:
        assert not is_checked_apart(envelope, one, file, KEY)
        assert file.tell() == 0
    assert not is_checked_apart(envelope, one, io.BytesIO(b""), KEY)


def test_a_service_that_may_not_change_its_place_on_the_processor_works_from_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one, source = _sealed_part(tmp_path, None)
    job = {"key": base64.b64encode(KEY).decode(), "bid": BID, "n": 2, "plain_size": SIZE, "pad": True}
    job |= {"plain_sha256": one.sha256, "steps_back": True}

    def forbidden(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "nice", forbidden)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["bulkprocess", str(os.open(source, os.O_RDONLY))])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(job).encode())))
    bulkprocess.main()
    assert json.loads(capfd.readouterr().out) == {"refused": None}


def _sealed_part(folder: Path, damage: int | None) -> tuple[ManifestPart, Path]:
    """A sealed document and what its manifest says; ``damage`` flips a bit of the byte there."""
    plain, sink = os.urandom(SIZE), io.BytesIO()
    part = seal_part(io.BytesIO(plain), sink, bk=KEY, bid=BID, n=2, plain_size=SIZE)
    data = bytearray(sink.getvalue())
    if damage is not None:
        data[damage] ^= 1
    path = folder / "part"
    path.write_bytes(data)
    one = ManifestPart(
        n=2,
        role="digital_evidence",
        attachment_id="A1",
        name="evidence.bin",
        media="application/octet-stream",
        size=SIZE,
        sha256=part.plain_sha256,
        lang=None,
        of=None,
        pad=True,
    )
    return one, path


async def test_an_answer_that_is_none_is_no_sealed_part(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nonsense(*_: object) -> dict[str, object]:
        return {"n": 2}

    monkeypatch.setattr(bulk_module, "_ask", nonsense)
    with pytest.raises(BulkGone):
        await Bulk(lanes=Lanes()).seal(
            0, 0, lane="routine", content_key=KEY, bid=BID, n=2, plain_size=SIZE, progress=None
        )
