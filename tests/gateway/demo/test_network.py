"""Twelve gateways on one machine: ports, marked homes, processes that never stay behind."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.config import HomePaths, read_settings
from gateway.demo import network as under_test
from gateway.demo.memory import peak_rss_mib
from gateway.demo.network import DemoFailed, LabNetwork, PortTaken, free_port
from gateway.demo.samples import read_directory
from gateway.demo.ways import Way
from gateway.web import calls as api


async def never_asked(home: Path, asked: Any, params: Any, *, progress: Any = None) -> Any:
    raise AssertionError("nobody asks here")


def network(tmp_path: Path, **options: Any) -> LabNetwork:
    return LabNetwork(
        homes=tmp_path / "homes",
        logs=tmp_path / "logs",
        directory=read_directory(),
        ask=never_asked,
        settings=Way().settings,
        channels=Way().channels,
        **options,
    )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let a small program stand in for ``python -m gateway serve``; the test writes it."""
    program = tmp_path / "stand-in"
    monkeypatch.setattr(under_test, "sys", SimpleNamespace(executable=str(program)))
    return program


def write(program: Path, text: str) -> None:
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)


READY = "import json, sys, time\nprint(json.dumps({'ready': True}), flush=True)\n"


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_free_port_lies_below_those_the_system_takes_for_calls_out() -> None:
    assert free_port() in under_test.PORTS
    assert under_test.PORTS.stop <= 32_768


def test_a_port_somebody_listens_on_is_seen_as_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        assert not under_test._can_bind(busy.getsockname()[1])


@pytest.mark.slow
async def test_homes_are_marked_in_a_lab_and_listen_on_loopback_or_not_at_all(tmp_path: Path) -> None:
    lab = network(tmp_path, choose_port=lambda: 20_001)
    for authority_id, listens in (("ke-ag", "127.0.0.1:20001"), ("tn-mj", "")):
        await asyncio.to_thread(lab._make_home_now, authority_id)
        settings = read_settings(HomePaths(lab.home(authority_id)).settings)
        assert (settings.authority.network, settings.authority.demo) == ("lab", True)
        assert settings.peer.listen == listens


async def test_a_taken_port_means_another_one_and_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    def make(self: LabNetwork, authority_id: str) -> None:
        made.append(self.home(authority_id).exists())
        self.home(authority_id).mkdir(parents=True)

    async def start(self: LabNetwork, authority_id: str) -> None:
        if len(made) < 3:
            raise PortTaken

    monkeypatch.setattr(LabNetwork, "_make_home_now", make)
    monkeypatch.setattr(LabNetwork, "start", start)
    await network(tmp_path).bring_up("ke-ag")
    assert made == [False, False, False]


async def test_no_free_port_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(self: LabNetwork, authority_id: str) -> None:
        raise PortTaken

    monkeypatch.setattr(LabNetwork, "_make_home_now", lambda self, aid: self.home(aid).mkdir(parents=True))
    monkeypatch.setattr(LabNetwork, "start", start)
    with pytest.raises(DemoFailed, match="No free port"):
        await network(tmp_path).bring_up("ke-ag")
    assert list((tmp_path / "homes").iterdir()) == []


async def test_a_gateway_that_will_not_start_leaves_no_process_and_its_last_words(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LabNetwork, "_port_is_taken", lambda self, authority_id: False)
    write(stand_in, "import sys\nfor n in range(40): print('line', n, file=sys.stderr)\nsys.exit(3)\n")
    lab = network(tmp_path)
    with pytest.raises(DemoFailed, match="ke-ag did not start") as failed:
        await lab.start("ke-ag")
    assert lab.running == ()
    assert lab.log_tails(failed.value.authorities)["ke-ag"][-1] == "line 39"
    assert len(lab.log_tails(["ke-ag"])["ke-ag"]) == 12


async def test_a_gateway_that_has_died_is_not_asked(tmp_path: Path, stand_in: Path) -> None:
    write(stand_in, READY + "sys.exit(1)\n")
    lab = network(tmp_path)
    await lab.start("ke-ag")
    await lab._running["ke-ag"].process.wait()
    with pytest.raises(DemoFailed, match="ke-ag has stopped"):
        await lab.request("ke-ag", api.INFO, api.Nothing())
    with pytest.raises(DemoFailed, match="ended with code 1"):
        await lab.stop("ke-ag")
    await lab.close()


async def test_closing_ends_every_process_even_one_that_will_not_listen(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_STOP_TIMEOUT_S", 0.05)
    write(
        stand_in,
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(60)\n",
    )
    lab = network(tmp_path)
    await lab.start("ke-ag")
    pid = lab._running["ke-ag"].process.pid
    await lab.close()
    assert gone(pid)
    assert lab.running == ()


async def test_the_largest_memory_of_every_process_is_noted(tmp_path: Path, stand_in: Path) -> None:
    if peak_rss_mib(os.getpid()) is None:
        pytest.skip("this system does not tell")
    write(stand_in, READY + "time.sleep(60)\n")
    lab = network(tmp_path)
    await lab.start("ke-ag")
    lab.measure()
    await lab.close()
    assert set(lab.peak_rss_mib) == {"ke-ag", "demo"}
    assert all(mib > 1 for mib in lab.peak_rss_mib.values())


def test_the_memory_of_a_process_that_is_gone_is_not_told() -> None:
    assert peak_rss_mib(2**22 + 1) is None
