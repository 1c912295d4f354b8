"""No room left, on either side and at any place: said as such, nothing half kept, and on it goes later."""

import errno
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.app import App
from gateway.errors import GatewayError, GatewayRefusal, StorageFull
from gateway.storage.spool import Spool
from tests.hostile import Members, craft, look, send, unchanged, verdict
from tests.world import World, audit, sample_request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

KE, SG = "ke-ag", "sg-agc"
LARGE = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World.create(tmp_path_factory.mktemp("world"), KE, SG) as made:
        yield made


def a_request(size: int) -> tuple[Members, dict[str, bytes]]:
    form, documents = sample_request(1, size=size)
    form["reference_requesting"] = f"KE/{secrets.token_hex(6)}"
    return form, documents


@contextmanager
def full_database(app: App) -> Iterator[None]:
    """Let the database file not grow by a page, as on a full disk."""
    writer = app.database._backend._writer  # type: ignore[attr-defined]
    connection = writer.connection.driver_connection

    def pragma(text: str) -> int:
        value: int = connection.execute(f"PRAGMA {text}").fetchone()[0]
        return value

    pages = pragma("page_count") - pragma("freelist_count")
    pragma(f"max_page_count = {pages}")
    try:
        yield
    finally:
        pragma("max_page_count = 1073741823")


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, *, after: int = 0) -> Iterator[None]:
    """Let files of the blob store take ``after`` bytes more, all in all."""
    left, whole = [after], Spool._to_file

    class Full:
        """A file on a disk with little room: some of a write fits, the next one fails."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: Any) -> int:
            if left[0] <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written: int = self.file.write(data[: left[0]])
            left[0] -= written
            return written

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "_to_file", lambda self: Full(whole(self)))
        yield


async def test_a_submission_on_a_full_database_is_refused_and_passes_when_there_is_room(world: World) -> None:
    form, documents = a_request(30_000)
    async with unchanged(world[KE]):
        with full_database(world[KE]), pytest.raises(StorageFull) as caught:
            await world.submit(KE, form, documents)
    assert (caught.value.code, caught.value.retryable) == ("storage-full", True)
    assert "Free some space" in caught.value.public_detail
    assert (await world.submit(KE, form, documents)).state == "QUEUED"
    await world.run()
    await world.check()


@pytest.mark.parametrize("after", [0, 300_000])
async def test_a_submission_on_a_full_disk_is_refused_and_passes_when_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    form, documents = a_request(LARGE)
    async with unchanged(world[KE]):
        with full_disk(monkeypatch, after=after), pytest.raises(StorageFull):
            await world.submit(KE, form, documents)
    assert (await world.submit(KE, form, documents)).state == "QUEUED"
    await world.run()
    await world.check()


async def test_a_bundle_that_meets_a_full_database_leaves_nothing_and_is_taken_later(world: World) -> None:
    bundles = [craft(world[KE], world[SG], *a_request(30_000)) for _ in range(12)]
    stored = []
    with full_database(world[SG]):
        for bundle in bundles:
            before = await look(world[SG])
            try:
                await send(world[SG], bundle)
                stored.append(bundle)
            except StorageFull:
                assert await look(world[SG]) == before
    assert len(stored) < len(bundles)
    for bundle in bundles:
        answer = await send(world[SG], bundle)
        assert verdict(answer) == ("consignment", None)
        assert answer.status == (200 if bundle in stored else 201)
    assert (await audit(world[SG])).verified


@pytest.mark.parametrize("after", [0, 300_000, LARGE])
async def test_a_bundle_that_meets_a_full_disk_leaves_nothing_and_is_taken_later(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    bundle = craft(world[KE], world[SG], *a_request(LARGE))
    before = await look(world[SG])
    with full_disk(monkeypatch, after=after), pytest.raises(GatewayError) as caught:
        await send(world[SG], bundle)
    assert caught.value.code == "storage-full"
    kept = await look(world[SG])
    # Whole blobs may stay for the repeat to find; no half one does, and no row.
    assert kept.rows == before.rows
    assert not [name for name, _ in kept.files - before.files if name.startswith("tmp")]
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)
    assert (await audit(world[SG])).verified


async def test_an_upload_that_is_suspended_on_a_full_disk_starts_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = craft(world[KE], world[SG], *a_request(LARGE))
    acceptor = world[SG].acceptor
    intake = await acceptor.begin(caller=KE, jti=None, exp=None, sender=KE, bid=bundle.bid)
    await intake.feed(bundle.container[:600_000])
    with full_disk(monkeypatch), pytest.raises(GatewayError):
        await intake.suspend()
    state = await acceptor.state(caller=KE, sender=KE, bid=bundle.bid)
    assert (state.offset, state.complete) == (0, False)
    assert verdict(await send(world[SG], bundle)) == ("consignment", None)


async def test_opening_onto_a_full_disk_leaves_no_file_and_earns_no_handover(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    form, documents = a_request(200)
    sent = await world.submit(KE, form, documents)
    await world.run()
    library = world[SG].cases._library
    whole = library.read_part

    async def full(bundle: Any, n: int, sink: Any, **how: Any) -> None:
        await whole(bundle, n, sink, **how)
        if n == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    async with unchanged(world[SG]):
        monkeypatch.setattr(library, "read_part", full)
        with pytest.raises(StorageFull):
            await world[SG].cases.open(sent.bid, tmp_path / "out")
        monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    opened = await world[SG].cases.open(sent.bid, tmp_path / "out")
    assert len(opened.files) == 1 + len(documents)


# --- folders to open into --------------------------------------------------------------------------


async def test_a_folder_that_is_not_empty_or_no_folder_is_refused(world: World, tmp_path: Path) -> None:
    form, documents = a_request(200)
    sent = await world.submit(KE, form, documents)
    await world.run()
    full, file, loop = tmp_path / "full", tmp_path / "file", tmp_path / "loop"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    file.write_text("kept")
    loop.symlink_to(loop)
    dangling, to_full = tmp_path / "dangling", tmp_path / "to-full"
    dangling.symlink_to(tmp_path / "elsewhere")
    to_full.symlink_to(full)
    codes = {}
    for place in (
        full,
        file,
        loop,
        dangling,
        to_full,
        file / "below",
        Path("/proc/nothing"),
        tmp_path / ("x" * 300),
    ):
        async with unchanged(world[SG]):
            with pytest.raises(GatewayRefusal) as caught:
                await world[SG].cases.open(sent.bid, place)
        codes[place.name[:9]] = caught.value.code
    assert set(codes.values()) == {"folder-not-empty", "folder-unusable"}
    assert codes["full"] == codes["to-full"] == "folder-not-empty"
    assert (full / "kept.txt").read_text() == file.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file", "full", "loop", "to-full"]
    async with unchanged(world[SG]):
        with pytest.raises(GatewayRefusal, match="folder-unusable"):
            await world[SG].cases.open(sent.bid, Path("a\0b"))


async def test_an_empty_folder_behind_a_link_of_the_officer_is_used(world: World, tmp_path: Path) -> None:
    form, documents = a_request(200)
    sent = await world.submit(KE, form, documents)
    await world.run()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    opened = await world[SG].cases.open(sent.bid, tmp_path / "link")
    assert {Path(f.path).name for f in opened.files} == {path.name for path in (tmp_path / "real").iterdir()}
