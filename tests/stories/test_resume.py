"""Large evidence on a bad line, between two real gateways: it goes on where it was cut, never from the start.

A proxy in between counts the bytes, cuts the connection, or holds it open and says nothing more.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.network import free_port
from gateway.web import calls
from tests.stories.processes import Processes, running
from tests.stories.proxy import Proxy, proxy
from tests.world import sample_request

SENDER, RECIPIENT = "ke-ag", "sg-agc"
MIB = 1024 * 1024


@dataclass(slots=True)
class Evidence:
    """A request with one large document on the disk."""

    form: dict[str, Any]
    files: list[Path]
    sha256: str
    size: int


def make_evidence(folder: Path, size: int, seed: int) -> Evidence:
    """Write a sample request's documents, the first of them large."""
    form, documents = sample_request(1)
    large = form["attachments"][0]
    digest, rng, left = hashlib.sha256(), random.Random(seed), size
    for name, data in documents.items():
        (folder / name).write_bytes(data)
    with open(folder / large["filename"], "wb") as file:
        while left:
            chunk = rng.randbytes(min(left, 4 * MIB))
            file.write(chunk)
            digest.update(chunk)
            left -= len(chunk)
    large["size_bytes"], large["sha256"] = size, digest.hexdigest()
    return Evidence(form, [folder / name for name in documents], digest.hexdigest(), size)


@asynccontextmanager
async def bad_line(folder: Path, **peer: Any) -> AsyncIterator[tuple[Processes, Proxy]]:
    """Bring up sender and recipient, the recipient's listed address being the proxy's."""
    async with proxy(free_port()) as line:
        addresses = {RECIPIENT: f"https://127.0.0.1:{line.listen}"}
        settings = dict.fromkeys((SENDER, RECIPIENT), peer)
        async with running(folder, SENDER, RECIPIENT, addresses=addresses, peer=settings) as network:
            line.port = network.port(RECIPIENT)
            yield network, line


async def deliver(network: Processes, evidence: Evidence, folder: Path, *, within_s: float) -> None:
    """Submit, wait for the receipt, and compare what the recipient opens."""
    bid = await network.submit(SENDER, evidence.form, evidence.files)

    def consigned() -> bool:
        return network.rows(SENDER, "SELECT state FROM transmission") == [("CONSIGNED",)]

    await network.until(consigned, within_s=within_s, what="the evidence did not arrive")
    params = calls.OpenParams(ref=f"{SENDER}/{bid}", directory=str(folder / "opened"))
    opened = await network.call(RECIPIENT, calls.OPEN, params)
    assert evidence.sha256 in {file.sha256 for file in opened.files}
    largest = max((Path(file.path) for file in opened.files), key=lambda path: path.stat().st_size)
    assert await asyncio.to_thread(_digest, largest) == evidence.sha256
    assert network.rows(RECIPIENT, "SELECT count(*) FROM message") == [(1,)]
    assert network.rows(RECIPIENT, "SELECT count(*) FROM upload") == [(0,)]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def cut_story(folder: Path, *, size: int, seed: int, within_s: float, **peer: Any) -> None:
    rng = random.Random(seed)
    evidence = await asyncio.to_thread(make_evidence, folder, size, seed)
    async with bad_line(folder, **peer) as (network, line):
        line.plan(line.sent + at for at in rng.sample(range(100_000, size), 20))
        before = line.sent
        await deliver(network, evidence, folder, within_s=within_s)
        assert line.troubles == 20
        assert line.sent - before < 2 * size


@pytest.mark.slow
async def test_an_upload_that_is_cut_twenty_times_resumes_and_arrives_unchanged(tmp_path: Path) -> None:
    await cut_story(tmp_path, size=40 * MIB, seed=20, within_s=60)


@pytest.mark.soak
async def test_two_gibibytes_that_are_cut_twenty_times_resume_and_arrive_unchanged(tmp_path: Path) -> None:
    await cut_story(tmp_path, size=2048 * MIB, seed=21, within_s=900)


@pytest.mark.slow
async def test_an_upload_goes_on_after_the_receiving_process_was_killed(tmp_path: Path) -> None:
    size = 40 * MIB
    evidence = await asyncio.to_thread(make_evidence, tmp_path, size, 3)
    async with bad_line(tmp_path, segment_bytes=2 * MIB) as (network, line):

        async def power_cut() -> None:
            await network.cut_power(RECIPIENT)
            await network.start(RECIPIENT)

        before = line.sent
        line.plan([before + 9 * MIB + 1234, before + 25 * MIB], power_cut)
        await deliver(network, evidence, tmp_path, within_s=60)
        assert line.troubles == 2
        assert line.sent - before < 1.5 * size


@pytest.mark.slow
async def test_an_upload_that_stops_half_way_without_a_word_goes_on(tmp_path: Path) -> None:
    size = 6 * MIB
    evidence = await asyncio.to_thread(make_evidence, tmp_path, size, 4)
    async with bad_line(tmp_path, segment_bytes=1 * MIB, idle_timeout_s=1.0) as (network, line):
        silence = asyncio.Event()
        before = line.sent
        line.plan([before + 4 * MIB], lambda: silence.wait())  # type: ignore[arg-type,return-value]
        await deliver(network, evidence, tmp_path, within_s=60)
        assert line.troubles == 1
        assert line.sent - before < 2 * size
