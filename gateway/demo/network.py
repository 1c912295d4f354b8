"""Twelve gateways side by side on this machine: homes, ports, processes, memory.

Decides how a lab network comes to life and goes away: every authority has a home and, while it is
needed, a process ``rogatory serve`` of its own. Homes are marked as a demonstration's, bind to loopback
only and cannot be enrolled in a real network. Whatever happens, ``close`` leaves no process behind.
"""

import asyncio
import contextlib
import errno
import json
import os
import random
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.config import (
    HOME_VARIABLE,
    AuthoritySettings,
    DirectorySettings,
    HomePaths,
    NetworkSettings,
    Settings,
    TelemetrySettings,
    parse_settings,
    render_settings,
)
from gateway.demo.memory import peak_rss_mib
from gateway.services.home import HomePlan, plan_record
from gateway.web.calls import Call

P = TypeVar("P")
R = TypeVar("R")

Progress = Callable[[int, int], None]

#: Below the range from which the system takes ports for calls out, so that no call of ours takes them.
PORTS = range(20_000, 32_000)

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_PORT_TRIES = 4
_TAIL_LINES = 12


class DemoFailed(Exception):
    """The story cannot go on; the text is for people. ``authorities`` are those whose logs may say why."""

    def __init__(self, sentence: str, *, authorities: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.authorities = authorities


class PortTaken(Exception):
    """Somebody took the port between our look and our listening; another one will do."""


class Ask(Protocol):
    """Asks the running service of a home through its local API. Raises ``DemoFailed`` with its refusal."""

    async def __call__(
        self, home: Path, asked: Call[P, R], params: P, *, progress: Progress | None = None
    ) -> R:
        """Return what the call gives."""
        ...


@dataclass(slots=True, kw_only=True)
class _Running:
    """One process that serves a home."""

    process: asyncio.subprocess.Process
    drain: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class LabNetwork:
    """The homes of a demonstration and the processes that serve them.

    Attributes:
        homes: Folder that gets one home per authority, named after it.
        logs: Folder for what the processes write; not part of any home.
        directory: Lab directory with records and States: what its people know of each authority.
        follows: Network whose directory the gateways follow; ``None``: they know nobody.
        settings, channels: What the way of the requests puts into settings and records.
        peak_rss_mib: Largest resident memory of each process so far, where the system tells.
    """

    homes: Path
    logs: Path
    directory: Mapping[str, Any] = field(repr=False)
    ask: Ask
    settings: Callable[[Settings, str], Settings]
    channels: Callable[[Settings, Sequence[Mapping[str, Any]]], list[dict[str, Any]]]
    follows: NetworkSettings | None = None
    choose_port: Callable[[], int] = field(default_factory=lambda: free_port)
    peak_rss_mib: dict[str, float] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    #: One home at a time: what brings tables up to date keeps its place in variables of its module.
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    def home(self, authority_id: str) -> Path:
        """Return the home of an authority."""
        return self.homes / authority_id

    def log(self, authority_id: str) -> Path:
        """Return the file with everything its process has written."""
        return self.logs / f"{authority_id}.log"

    async def bring_up(self, authority_id: str) -> None:
        """Make the home of an authority and serve it; returns when peers and people can reach it.

        A port that was taken meanwhile means another port, and so another home: the address stands in
        the record that peers will enrol.
        """
        for _ in range(_PORT_TRIES):
            async with self._making:
                await asyncio.to_thread(self._make_home_now, authority_id)
            try:
                await self.start(authority_id)
            except PortTaken:
                await asyncio.to_thread(shutil.rmtree, self.home(authority_id))
                continue
            return
        raise DemoFailed(
            f"No free port was found on this machine for {authority_id} in {_PORT_TRIES} attempts.",
            authorities=(authority_id,),
        )

    def _make_home_now(self, authority_id: str) -> None:
        # A loop of its own: making keys and tables is work, and the demonstration's loop goes on meanwhile.
        asyncio.run(self._make_home(authority_id))

    async def _make_home(self, authority_id: str) -> None:
        from gateway.app import make_home

        rows = self.directory["authorities"]
        row = next(row for row in rows if row["authority_id"] == authority_id)
        wanted = Settings(
            authority=AuthoritySettings(
                id=authority_id, state=row["state"], name=row["name_en"], network="lab", demo=True
            ),
            directory=DirectorySettings(network=() if self.follows is None else (self.follows,)),
            telemetry=TelemetrySettings(level="warning"),
        )
        # Through the text and back: the demonstration keeps to the rules of every settings file.
        settings = parse_settings(render_settings(self.settings(wanted, f"127.0.0.1:{self.choose_port()}")))
        listen = settings.peer.listen
        address = f"https://{listen}" if listen else ""
        record, state = plan_record(settings=settings, address=address, given=self.directory)
        record["channels"] = self.channels(settings, record["channels"])
        plan = HomePlan(settings=settings, record=record, state=state)
        await make_home(HomePaths(self.home(authority_id)), plan)

    async def start(self, authority_id: str, *, days_ahead: int = 0) -> None:
        """Serve a home by its own process, ``days_ahead`` of today if a medium was that long under way.

        Raises ``PortTaken``, or ``DemoFailed`` if it never starts.
        """
        home = str(self.home(authority_id))
        command: tuple[str, ...] = ("gateway", "serve", "--json", "--home", home)
        if days_ahead:
            command = ("gateway.cli.later", str(days_ahead), home)
        environment = {name: value for name, value in os.environ.items() if name != HOME_VARIABLE}
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(authority_id).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
                # Ctrl-C at the terminal is for us; we stop the gateways in order.
                start_new_session=True,
            )
        stdout = process.stdout
        if stdout is None:
            raise TypeError("the process was started without a pipe")
        running = self._running[authority_id] = _Running(process=process)
        try:
            first = await asyncio.wait_for(stdout.readline(), _READY_TIMEOUT_S)
            ready = bool(first) and json.loads(first).get("ready") is True
        except (TimeoutError, ValueError):
            ready = False
        if not ready:
            await _end(process)
            del self._running[authority_id]
            if self._port_is_taken(authority_id):
                raise PortTaken
            raise DemoFailed(f"The gateway of {authority_id} did not start.", authorities=(authority_id,))
        running.drain = asyncio.create_task(_drain(stdout))

    def _port_is_taken(self, authority_id: str) -> bool:
        settings = parse_settings(HomePaths(self.home(authority_id)).settings.read_text(encoding="utf-8"))
        if not settings.peer.listen:
            return False
        return not _can_bind(int(settings.peer.listen.rpartition(":")[2]))

    async def request(
        self, authority_id: str, asked: Call[P, R], params: P, *, progress: Progress | None = None
    ) -> R:
        """Ask the service of an authority. Raises ``DemoFailed`` if it refuses or is gone."""
        running = self._running.get(authority_id)
        if running is None or running.process.returncode is not None:
            raise DemoFailed(f"The gateway of {authority_id} has stopped.", authorities=(authority_id,))
        return await self.ask(self.home(authority_id), asked, params, progress=progress)

    @property
    def running(self) -> tuple[str, ...]:
        """Authorities whose process is up."""
        return tuple(self._running)

    def measure(self) -> None:
        """Note the largest memory of every running process, and of this one."""
        for authority_id, running in self._running.items():
            self._note_peak(authority_id, running.process.pid)
        self._note_peak("demo", os.getpid())

    def _note_peak(self, name: str, pid: int) -> None:
        peak = peak_rss_mib(pid)
        if peak is not None:
            self.peak_rss_mib[name] = max(peak, self.peak_rss_mib.get(name, 0.0))

    async def stop(self, authority_id: str) -> None:
        """Stop a process in order. Raises ``DemoFailed`` if it had died or did not end well."""
        running = self._running[authority_id]
        self._note_peak(authority_id, running.process.pid)
        code = await _end(running.process)
        del self._running[authority_id]
        await _end_drains([running])
        if code != 0:
            raise DemoFailed(
                f"The gateway of {authority_id} ended with code {code}.", authorities=(authority_id,)
            )

    async def close(self) -> None:
        """Stop whatever still runs; never raises for a process that ended badly."""
        self.measure()
        ending = [_end(running.process) for running in self._running.values()]
        await asyncio.gather(*ending, return_exceptions=True)
        await _end_drains(self._running.values())
        self._running.clear()

    def kill(self) -> None:
        """Stop by force what ``close`` could not, when this process itself is being torn down."""
        for running in self._running.values():
            if running.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.process.pid, signal.SIGKILL)

    def log_tails(self, authorities: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the last lines of the logs of some authorities."""
        tails = {}
        for authority_id in authorities:
            try:
                with open(self.log(authority_id), encoding="utf-8", errors="replace") as log:
                    tails[authority_id] = tuple(deque((line.rstrip() for line in log), maxlen=_TAIL_LINES))
            except FileNotFoundError:
                continue
        return tails


async def _drain(stdout: asyncio.StreamReader) -> None:
    """Read on until the process ends, so that it never blocks on its own output."""
    while await stdout.read(65_536):
        pass


async def _end_drains(ended: Iterable[_Running]) -> None:
    """Let go of the output of processes that have ended."""
    drains = [running.drain for running in ended if running.drain is not None]
    for drain in drains:
        drain.cancel()
    await asyncio.gather(*drains, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> int:
    """Stop a process, by force if it must be, and return its exit code."""
    if process.returncode is None:
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        return await process.wait()


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    for _ in range(200):
        port = random.choice(PORTS)  # noqa: S311 - any will do
        if _can_bind(port):
            return port
    raise DemoFailed("No free port was found on this machine.")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
