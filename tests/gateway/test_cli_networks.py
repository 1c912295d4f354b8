"""`rogatory directory status, refresh, import, decide, allow-urgent`: what people see and programs read."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.config import HomePaths
from tests.following import Following
from tests.gateway.services.registry.networks import NETWORK
from tests.world import make_lab_home

KE, SG = "ke-ag", "sg-agc"

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture
async def carried(tmp_path: Path) -> AsyncIterator[Following]:
    """Two authorities whose network is carried to them; nobody serves their homes."""
    async with Following.create(tmp_path, KE, SG, carried=True) as lab:
        for aid in (KE, SG):
            await lab.world.close(aid)
        yield lab


async def ask(lab: Following, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Run one command in a thread of its own, because it has a loop of its own."""
    home = str(lab.world.folder / KE)
    code = await asyncio.to_thread(main, ["directory", *words, "--home", home, "--json"])
    return code, json.loads(capsys.readouterr().out)


async def shown(lab: Following, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    await asyncio.to_thread(main, ["directory", *words, "--home", str(lab.world.folder / KE)])
    return " ".join(capsys.readouterr().out.split())


async def test_a_carried_network_is_imported_from_a_file_or_a_folder_and_its_standing_shown(
    carried: Following, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = await ask(carried, capsys, "status")
    assert code == 1
    assert [(n["name"], n["state"], n["authorities"]) for n in found["networks"]] == [
        (NETWORK, "unreadable", 0)
    ]

    folder = carried.net.publication.repository
    bundle = max(folder.glob("*.bundle"), key=lambda path: int(path.stem))
    torn = tmp_path / "7.bundle"
    torn.write_bytes(bundle.read_bytes()[:5000])
    code, found = await ask(carried, capsys, "import", str(torn))
    assert (code, found["error"]["code"]) == (1, "directory-damaged")
    code, found = await ask(carried, capsys, "import", str(tmp_path / "absent"))
    assert (code, found["error"]["code"]) == (1, "bundle-unreadable")
    empty = tmp_path / "empty"
    empty.mkdir()
    code, found = await ask(carried, capsys, "import", str(empty))
    assert (code, found["error"]["code"]) == (1, "bundle-unreadable")

    # The world's clock is that of the records; the command's is the machine's. Both must agree here.
    monkeypatch.setattr("gateway.app.SystemClock", lambda: carried.world.clock)
    for source in (bundle, folder):
        code, found = await ask(carried, capsys, "import", str(source))
        assert code == 0
        (network,) = found["networks"]
        assert (network["state"], network["authorities"], network["carried"]) == ("fresh", 2, True)
    assert "current" in await shown(carried, capsys, "status")
    code, found = await ask(carried, capsys, "refresh", NETWORK)
    assert (code, found["error"]["code"]) == (1, "directory-unreachable")
    code, found = await ask(carried, capsys, "refresh", "another")
    assert (code, found["error"]["code"]) == (1, "network-unknown")
    code, found = await ask(carried, capsys, "allow-urgent", NETWORK)
    assert (code, found["error"]["code"]) == (1, "not-stale")


async def test_a_contradiction_is_shown_and_decided(
    carried: Following, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.app.SystemClock", lambda: carried.world.clock)
    await ask(carried, capsys, "import", str(carried.net.publication.repository))
    other = tmp_path / "other"
    await make_lab_home(other, SG, clock=carried.world.clock)
    await ask(carried, capsys, "enrol", str(HomePaths(other).enrolment), "--replace")

    code, found = await ask(carried, capsys, "status")
    assert code == 1
    assert found["contradicted"] == [{"authority_id": SG, "sources": [f"network:{NETWORK}", "bilateral"]}]
    assert "Keys in contradiction" in await shown(carried, capsys, "status")
    code, found = await ask(carried, capsys, "decide", SG, "network:nobody")
    assert (code, found["error"]["code"]) == (1, "not-contradicted")
    code, found = await ask(carried, capsys, "decide", SG, f"network:{NETWORK}", "--officer", "duty-3")
    assert (code, found["contradicted"]) == (0, [])
    code, found = await ask(carried, capsys, "status")
    assert code == 0


async def test_without_networks_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Following.create(tmp_path, KE, carried=True) as lab:
        await lab.world.close(KE)
        shutil.rmtree(tmp_path / KE)
        await make_lab_home(tmp_path / KE, KE, clock=lab.world.clock)
        code, found = await ask(lab, capsys, "status")
        assert (code, found["networks"], found["enrolled"]) == (0, [], 0)
        assert "No network is followed" in await shown(lab, capsys, "status")
