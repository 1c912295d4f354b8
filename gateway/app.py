"""One gateway as a process: a home opened, made reachable, and stopped in order.

Opens a home for its one writer (under the home's lock) or for reading beside it; ``gateway.wiring``
constructs what it is made of. Starting adds what others can reach: peers over HTTPS, officers on the duty
page, the own people over a unix socket, and the background work. Stopping goes backwards: nobody new,
running work ends, the log's head is signed, the database closes.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from adapters.base import Adapter
from adapters.https import HTTPSAdapter
from adapters.tls import ServerTLS
from crypto.selftest import run_selftest
from gateway import __version__
from gateway.clock import Clock, SystemClock
from gateway.config import NetworkSettings, find_home, split_address
from gateway.model.audit import PendingAuditEntry
from gateway.services.log.logpages import LogPages
from gateway.services.log.sequence import Sequencer
from gateway.services.registry.follower import Fetch
from gateway.storage.group import Commit, commit_now
from gateway.storage.queue import release_leases
from gateway.telemetry import get_log
from gateway.web.api import LocalAPI
from gateway.web.intake import PeerLimits
from gateway.web.peer import PeerAPI
from gateway.web.server import PeerServer
from gateway.wiring.channels import Channels, Credentials, open_channels
from gateway.wiring.duty import DutyRoom
from gateway.wiring.founding import make_home as make_home
from gateway.wiring.ground import Ground, open_ground
from gateway.wiring.services import Services

#: A background task that failed is started again after this, doubling up to the second.
_RESTART_S = (1.0, 30.0)

_log = get_log("app")


class App(Services):
    """One opened home. Made by ``open``; ``start`` makes it reachable and begins the background work."""

    def __init__(self, ground: Ground, channels: Channels) -> None:
        super().__init__(ground, channels)
        self.pid = os.getpid()
        self._identity = Credentials(ground).identity
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.duty = DutyRoom(ground, self.desk)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Path,
        *,
        clock: Clock | None = None,
        writer: bool = True,
        transport: HTTPSAdapter | None = None,
        further: Sequence[Adapter] = (),
        repositories: Callable[[NetworkSettings], Fetch] | None = None,
        commit: Commit = commit_now,
    ) -> "AsyncIterator[App]":
        """Open a home; leaving the block stops whatever was started, in order.

        With ``writer`` the home's lock is held, tables are brought up to date and entries can be recorded;
        without, everything is read only and may be used beside a running service. Tests hand in a clock, a
        ``transport`` that needs no network, ``further`` ones beside it, ``repositories`` in place of web
        servers, and a ``commit`` that fails.

        Raises what ``open_ground`` does.
        """
        paths = find_home(home)
        async with AsyncExitStack() as stack:
            ground = await open_ground(
                paths, stack=stack, clock=clock or SystemClock(), writer=writer, commit=commit
            )
            channels = open_channels(
                ground, stack=stack, transport=transport, further=further, repositories=repositories
            )
            app = cls(ground, channels)
            await app.load()
            try:
                yield app
            finally:
                await app._stop()

    async def start(self) -> None:
        """Listen for peers and for the own people, and begin the background work; returns when ready.

        Raises ``SelfTestFailed`` or ``OSError`` (an address in use); what was begun is stopped by ``open``.
        """
        if self.sequencer is None:
            raise RuntimeError("a home opened for reading cannot be served")
        await asyncio.to_thread(run_selftest)
        await self.recover()
        listen = self.settings.peer.listen
        if listen:
            await self._listen(listen, self.sequencer)
        await self.duty.start()
        self._local = LocalAPI(paths=self.home, desk=self.desk)
        await self._local.start()
        for name, run in self.background():
            self._tasks.append(asyncio.create_task(self._supervised(name, run), name=name))
        await self._journal("service.started")
        own = self.settings.authority
        _log.info(
            "service.started", authority=own.id, network=own.network, listen=listen, version=__version__
        )

    @property
    def peer_limits(self) -> PeerLimits:
        """What peers may do to this gateway, by its settings and its disk."""
        peer = self.settings.peer
        return PeerLimits(
            max_bundle_bytes=peer.max_bundle_bytes,
            idle_s=peer.idle_timeout_s,
            # Side by side they would end together (decision 0024), which is good where they share a wait.
            batches_in_turn=self.database.commits_in_loop,
        )

    async def _listen(self, address: str, sequencer: Sequencer) -> None:
        host, port = split_address(address)
        tls = ServerTLS(
            identity=self._identity,
            certificates=lambda: self.directory.tls_certificates().keys(),
            version=lambda: self.directory.tls_version,
        )
        limits = self.peer_limits
        api = PeerAPI(
            gate=self.peer_gate,
            acceptor=self.acceptor,
            outbox=self.outbox,
            receipts=self.receipt_desk,
            notices=self.revocations,
            probes=self.liveness,
            log=LogPages(sequencer=sequencer, database=self.database),
            clock=self.clock,
            limits=limits,
        )
        self._server = PeerServer(api=api, tls=tls.context, limits=limits)
        await self._server.start(host, port)

    async def recover(self) -> None:
        """Take up at once what a process that died left behind, instead of waiting until its leases end.

        Only on SQLite does the home's lock prove that nobody else works on this database.
        """
        if self.database.dialect == "sqlite":
            await self.database.write(lambda tx: release_leases(tx, self.clock.now()))
        await self.acceptor.resume_relayed()
        await self.revocations.end_own()

    _server: PeerServer | None = None
    _local: LocalAPI | None = None

    async def wait_stopped(self) -> None:
        """Return once ``request_stop`` was called."""
        await self._stopping.wait()

    async def serve(self) -> None:
        """Start, and return once ``request_stop`` was called; leaving ``open`` then stops in order."""
        await self.start()
        await self.wait_stopped()

    def request_stop(self) -> None:
        """Ask for an orderly stop; safe from a signal handler of the loop."""
        self._stopping.set()

    async def _stop(self) -> None:
        """Take nobody in any more, end what runs, and record that the service ended."""
        was_running = self._local is not None
        if self._server is not None:
            await self._server.stop()
        await self.duty.stop()
        if self._local is not None:
            await self._local.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.paging.pager.aclose()
        await self.presence.aclose()
        await self.acceptor.aclose()
        await self.signing.aclose()
        if was_running:
            with contextlib.suppress(Exception):
                await self._journal("service.stopped")
            _log.info("service.stopped", authority=self.authority_id)

    async def _supervised(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep one background task going: a defect in it is logged and it begins again, later each time."""
        pause, longest = _RESTART_S
        while True:
            try:
                await run()
                return
            except Exception as error:
                _log.error("task.failed", task=name, error=error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _journal(self, event: str) -> None:
        entry = PendingAuditEntry(event=event, body={"version": __version__}, at=self.clock.now())
        await self.database.write(lambda tx: tx.audit(entry))
