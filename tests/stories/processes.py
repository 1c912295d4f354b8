"""Gateways as real processes on loopback: made, enrolled, asked, killed without warning, started again.

Homes, ports and processes are those of the demonstration's network; here is what it must never do itself:
``cut_power`` ends a process without warning. Whatever a test does, leaving ``running`` leaves no process.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.app import App, make_home
from gateway.cli.output import CommandFailed
from gateway.cli.session import ask_service
from gateway.config import (
    AuthoritySettings,
    HomePaths,
    PeerSettings,
    Settings,
    TelemetrySettings,
    read_settings,
)
from gateway.demo.network import LabNetwork
from gateway.demo.ways import Way
from gateway.errors import GatewayRefusal
from gateway.services.home import HomePlan, plan_record
from gateway.web import calls
from tests.sampledata import sample
from tests.stories.stuck import what_waits
from tests.world import audit

P = TypeVar("P")
R = TypeVar("R")

#: How often a test looks whether what it waits for has come.
LOOK_S = 0.05


class NotRunning(Exception):
    """Nobody answered, or the answer was lost: whether anything was kept is not known."""


@dataclass(slots=True, kw_only=True)
class Processes(LabNetwork):
    """Some authorities that know each other, each a process.

    Attributes:
        pull_only: Those that do not listen.
        addresses: The origin that peers call where it is not the one listened on: a proxy's.
        peer: Settings of the peer face that differ from the default, by authority.
    """

    pull_only: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    peer: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    async def _make_home(self, authority_id: str) -> None:
        listen = "" if authority_id in self.pull_only else f"127.0.0.1:{self.choose_port()}"
        settings = Settings(
            authority=AuthoritySettings(
                id=authority_id, state=authority_id[:2].upper(), name=authority_id, network="lab"
            ),
            peer=PeerSettings(listen=listen, **self.peer.get(authority_id, {})),
            telemetry=TelemetrySettings(level="warning"),
        )
        address = self.addresses.get(authority_id) or (f"https://{listen}" if listen else "")
        record, state = plan_record(settings=settings, address=address, given=self.directory)
        plan = HomePlan(settings=settings, record=record, state=state)
        await make_home(HomePaths(self.home(authority_id)), plan)

    def port(self, authority_id: str) -> int:
        """Return the port a gateway listens on."""
        listen = read_settings(HomePaths(self.home(authority_id)).settings).peer.listen
        return int(listen.rpartition(":")[2])

    async def cut_power(self, authority_id: str) -> None:
        """End a process at once, as it stands."""
        running = self._running.pop(authority_id)
        running.process.kill()
        await running.process.wait()
        await asyncio.gather(running.drain, return_exceptions=True)

    async def call(self, authority_id: str, asked: calls.Call[P, R], params: P) -> R:
        """Ask as the command line does. Raises ``NotRunning``, or ``CommandFailed`` with a refusal."""
        try:
            return await ask_service(self.home(authority_id), asked, params, lambda done, total: None)
        except GatewayRefusal as refusal:
            if refusal.code == "not-running":
                raise NotRunning from None
            raise
        except CommandFailed as failure:
            if failure.code == "not-running":
                raise NotRunning from None
            raise
        except OSError:
            raise NotRunning from None

    async def submit(self, sender: str, form: Mapping[str, Any], files: Iterable[Path]) -> str:
        """Submit a form whose message id is fixed, as often as it takes, and return its bid.

        A ``duplicate`` after a lost answer says that the first one was kept.
        """
        params = calls.SubmitParams(
            form=msgspec.Raw(json.dumps(form).encode()),
            attachments=[calls.AttachmentFile(filename=path.name, path=str(path)) for path in files],
        )
        while True:
            try:
                return (await self.call(sender, calls.SUBMIT, params)).bid
            except NotRunning:
                await asyncio.sleep(LOOK_S)
            except CommandFailed as failure:
                if failure.code != "duplicate":
                    raise
                bid: str = form["thread"]["message_id"].partition("/")[2]
                return bid

    def database(self, authority_id: str) -> Path:
        """Return the SQLite file of a home."""
        return next(self.home(authority_id).glob("*.db"))

    def rows(self, authority_id: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a home's SQLite file holds just now, read beside the running process."""
        path = self.database(authority_id)
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

    async def until(
        self,
        is_so: Callable[[], bool],
        *,
        within_s: float,
        what: str,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """Return once something is so.

        Raises ``AssertionError`` if it is not so and ``progress`` gives the same for ``within_s``: with what
        waits in each home, and the ends of the logs.
        """
        loop = asyncio.get_running_loop()
        end, seen = loop.time() + within_s, progress()
        while not is_so():
            if (now := progress()) != seen:
                end, seen = loop.time() + within_s, now
            if loop.time() > end:
                raise AssertionError(f"{what}; {within_s} s without progress at {seen}\n{self._told()}")
            await asyncio.sleep(LOOK_S)

    def _told(self) -> str:
        lines: list[str] = []
        for home in sorted(self.homes.iterdir()):
            state = "runs" if home.name in self.running else "does not run"
            lines.append(f"{home.name}, which {state}, has waiting:")
            lines.extend(f"  {line}" for line in what_waits(self.database(home.name)))
            lines.extend(f"  log: {line}" for line in self.log_tails([home.name]).get(home.name, ()))
        return "\n".join(lines)

    async def verify(self, authority_id: str) -> None:
        """Check the whole log of a home that nobody serves any more."""
        async with App.open(self.home(authority_id), writer=False) as app:
            report = await audit(app)
            assert report.verified, report.as_json()


@asynccontextmanager
async def running(
    folder: Path,
    *authorities: str,
    pull_only: Iterable[str] = (),
    addresses: Mapping[str, str] | None = None,
    peer: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[Processes]:
    """Bring up these authorities of the sample directory, enrolled with each other."""
    network = Processes(
        homes=folder / "homes",
        logs=folder / "logs",
        directory=sample("directory.json"),
        ask=ask_service,  # type: ignore[arg-type]
        settings=Way().settings,
        channels=Way().channels,
        pull_only=frozenset(pull_only),
        addresses=addresses or {},
        peer=peer or {},
    )
    network.homes.mkdir(parents=True, exist_ok=True)
    try:
        await asyncio.gather(*(network.bring_up(aid) for aid in authorities))
        for aid in authorities:
            for other in authorities:
                if other != aid:
                    statement = HomePaths(network.home(other)).enrolment.read_text()
                    await network.call(aid, calls.DIRECTORY_ENROL, calls.EnrolParams(statement=statement))
        yield network
    finally:
        await network.close()
        network.kill()
