"""The wiring of one gateway: the only place that constructs things, and starts and stops them in order.

Opens a home for its one writer (under the home's lock) or for reading beside it. Starting adds what
others can reach: peers over HTTPS, the own people over a unix socket, and the background work.
Stopping goes backwards: nobody new, running work ends, the log's head is signed, the database closes.
"""

import asyncio
import contextlib
import fcntl
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from adapters.base import Adapter
from adapters.egress import EgressPolicy, Network
from adapters.https import HTTPSAdapter
from adapters.peerhttp import Timings
from adapters.tls import ServerTLS, TLSIdentity
from crypto.errors import Refusal
from crypto.keys import KeyUse
from crypto.reqjwt import issue_request_token
from crypto.selftest import run_selftest
from gateway import __version__
from gateway.clock import Clock, SystemClock
from gateway.config import (
    DeliverySettings,
    HomePaths,
    NetworkSettings,
    Settings,
    find_home,
    read_settings,
    split_address,
)
from gateway.errors import GatewayRefusal
from gateway.founding import log_sequencer
from gateway.founding import make_home as make_home
from gateway.model.audit import PendingAuditEntry
from gateway.model.channel_choice import Patience
from gateway.services.accept import Acceptor
from gateway.services.admission import Admission, AdmissionLimits
from gateway.services.book import TransmissionBook
from gateway.services.casebook import Casebook
from gateway.services.cases import Cases
from gateway.services.checkup import check_channels, check_records
from gateway.services.consent import ConsentDesk
from gateway.services.courier import Courier, LaneLimits
from gateway.services.directory import Directory
from gateway.services.directorychecks import check_directory, check_networks
from gateway.services.doctor import Diagnosis, Doctor
from gateway.services.failover import PULL, Failover
from gateway.services.formalroute import RouteDesk
from gateway.services.headstore import HeadStore
from gateway.services.keyring import Keyring, KeyringError
from gateway.services.library import Library
from gateway.services.liveness import Liveness
from gateway.services.logpages import LogPages, StoredProofs
from gateway.services.networks import Followed, Networks
from gateway.services.outbox import Outbox
from gateway.services.peergate import PeerGate
from gateway.services.peers import DirectoryReach
from gateway.services.presence import Presence
from gateway.services.pull import PullWorkers
from gateway.services.receipts import ReceiptDesk, ReceiptPusher
from gateway.services.registry.follower import Fetch
from gateway.services.revocations import Revocations
from gateway.services.sequence import Sequencer
from gateway.services.served import serve_from
from gateway.services.stamp import Stamp
from gateway.services.submit import Submitter
from gateway.services.upkeep import Upkeep
from gateway.services.vault import Vault
from gateway.services.watch import Watch
from gateway.services.wire import ReceiptWire
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database
from gateway.storage.group import Commit, commit_now
from gateway.storage.migrate import upgrade
from gateway.storage.queue import release_leases
from gateway.telemetry import get_log
from gateway.web.api import LocalAPI
from gateway.web.intake import PeerLimits
from gateway.web.operations import Desk
from gateway.web.peer import PeerAPI
from gateway.web.server import PeerServer

#: A background task that failed is started again after this, doubling up to the second.
_RESTART_S = (1.0, 30.0)

_log = get_log("app")


class App:
    """One opened home. Made by ``open``; ``start`` makes it reachable and begins the background work."""

    def __init__(self, *, paths: HomePaths, settings: Settings, clock: Clock, keyring: Keyring) -> None:
        self.home = paths
        self.settings = settings
        self.clock = clock
        self.keyring = keyring
        self.authority_id = settings.authority.id
        self.pid = os.getpid()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    directory: Directory
    database: Database
    blobs: Blobs
    vault: Vault
    sequencer: Sequencer | None
    adapter: HTTPSAdapter
    adapters: Mapping[str, Adapter]
    submitter: Submitter
    cases: Cases
    acceptor: Acceptor
    outbox: Outbox
    receipt_desk: ReceiptDesk
    presence: Presence
    liveness: Liveness
    peer_gate: PeerGate
    courier: Courier
    pusher: ReceiptPusher
    pull: PullWorkers
    revocations: Revocations
    networks: Networks
    upkeep: Upkeep
    watch: Watch
    desk: Desk

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

        Raises ``SettingsError``, or ``GatewayRefusal`` ``home-in-use``, ``keys-unreadable``,
        ``directory-unverifiable``, ``home-invalid``.
        """
        paths = find_home(home)
        settings = read_settings(paths.settings)
        keyring = _open_keyring(paths, settings)
        app = cls(paths=paths, settings=settings, clock=clock or SystemClock(), keyring=keyring)
        async with AsyncExitStack() as stack:
            if writer:
                stack.enter_context(_locked(paths))
            app._repositories = repositories
            await app._open(stack, writer=writer, transport=transport, further=further, commit=commit)
            try:
                yield app
            finally:
                await app._stop()

    async def _open(
        self,
        stack: AsyncExitStack,
        *,
        writer: bool,
        transport: HTTPSAdapter | None,
        further: Sequence[Adapter],
        commit: Commit,
    ) -> None:
        """Open directory, log and database, then make the services around them."""
        paths, settings, clock = self.home, self.settings, self.clock
        self.directory = Directory.open(paths.directory, keyring=self.keyring, clock=clock)
        if self.directory.network != settings.authority.network:
            raise GatewayRefusal("home-invalid", detail="network differs from the directory's")
        if self.directory.own.state != settings.authority.state:
            raise GatewayRefusal("home-invalid", detail="State differs from the directory's")
        url = paths.database_url(settings.database)
        self.sequencer = None
        if writer:
            if not settings.database.url:
                await upgrade(url)
            store = HeadStore(paths.resolve(settings.log.head_file))
            stack.callback(store.close)
            self.sequencer = log_sequencer(self.keyring, store, clock)
        self.database = await Database.open(url, read_only=not writer, hook=self.sequencer, commit=commit)
        stack.push_async_callback(self.database.aclose)
        if self.sequencer is not None:
            await self.sequencer.start(self.database)
            stack.push_async_callback(self.sequencer.aclose)
        self.blobs = Blobs(
            paths.resolve(settings.storage.blobs_folder),
            self.database,
            inline_limit_bytes=settings.storage.inline_max_bytes,
        )
        if writer:
            await self.blobs.prepare()
        self.vault = await Vault.open(self.database, kek=self.keyring.kek, now=clock.now())
        self.adapter = transport or self._https()
        self.adapters = {adapter.scheme: adapter for adapter in (self.adapter, *further)}
        self.networks = self._follow(stack)
        self._make_services()
        for adapter in self.adapters.values():
            stack.push_async_callback(adapter.aclose)
        await self.networks.load()
        await self.revocations.load()

    _repositories: Callable[[NetworkSettings], Fetch] | None = None

    def _follow(self, stack: AsyncExitStack) -> Networks:
        """Return what follows the networks of the settings."""

        def fetch(network: NetworkSettings) -> Fetch | None:
            if not network.url:
                return None
            if self._repositories is not None:
                return self._repositories(network)
            served = serve_from(
                network,
                self.home,
                policy=EgressPolicy(network=Network(self.settings.authority.network)),
                proxy_url=self.settings.peer.proxy_url or None,
            )
            stack.push_async_callback(served.aclose)
            return served

        return Networks(
            followed=[
                Followed(
                    name=network.name,
                    root_sha256=network.root_sha256,
                    folder=self.home.network(network.name),
                    fetch=fetch(network),
                )
                for network in self.settings.directory.network
            ],
            directory=self.directory,
            database=self.database,
            keyring=self.keyring,
            clock=self.clock,
            rng=random.SystemRandom(),
            on_changed=self._wake_senders,
        )

    def _https(self) -> HTTPSAdapter:
        settings = self.settings
        return HTTPSAdapter(
            identity=self._identity,
            token=self._token,
            policy=EgressPolicy(network=Network(settings.authority.network)),
            timings=Timings(connect_s=settings.peer.connect_timeout_s, idle_s=settings.peer.idle_timeout_s),
            proxy_url=settings.peer.proxy_url or None,
            segment_bytes=settings.peer.segment_bytes,
        )

    def _make_services(self) -> None:
        settings, clock, directory, database = self.settings, self.clock, self.directory, self.database
        own, keyring, blobs, vault = self.authority_id, self.keyring, self.blobs, self.vault
        rng = random.SystemRandom()
        stamp = Stamp(keyring=keyring)
        library = Library(database=database, blobs=blobs, vault=vault)
        casebook = Casebook(database=database, library=library, authority_id=own)
        patience = _patience(settings.delivery)
        book = TransmissionBook(stamp=stamp, casebook=casebook, rng=rng, patience=patience)
        proofs = self.sequencer or StoredProofs(
            database=database, head_file=self.home.resolve(settings.log.head_file)
        )
        wire = ReceiptWire(proofs=proofs, reach=DirectoryReach(directory))
        self.revocations = Revocations(
            database=database,
            directory=directory,
            adapter=self.adapter,
            authority_id=own,
            clock=clock,
            rng=rng,
            on_waiting=lambda aid: self.outbox.changed(aid),
            on_own=lambda notice: self.upkeep.own_key_revoked(notice),
        )
        self.outbox = Outbox(
            database=database, blobs=blobs, wire=wire, revocations=self.revocations, authority_id=own
        )
        failover = Failover(
            database=database, directory=directory, patience=patience, carried={*self.adapters, PULL}
        )
        self.courier = Courier(
            database=database,
            blobs=blobs,
            directory=directory,
            keyring=keyring,
            vault=vault,
            book=book,
            failover=failover,
            adapters=self.adapters,
            clock=clock,
            limits=LaneLimits(
                urgent=settings.delivery.urgent_workers, routine=settings.delivery.routine_workers
            ),
            on_dispatched=self.outbox.changed,
        )
        self.acceptor = Acceptor(
            database=database,
            blobs=blobs,
            directory=directory,
            keyring=keyring,
            vault=vault,
            stamp=stamp,
            casebook=casebook,
            wire=wire,
            admission=Admission(
                limits=AdmissionLimits(max_bundle_bytes=settings.peer.max_bundle_bytes), clock=clock
            ),
            clock=clock,
        )
        self.receipt_desk = ReceiptDesk(
            database=database,
            directory=directory,
            book=book,
            wire=wire,
            authority_id=own,
            clock=clock,
            on_requeued=self.courier.wake,
        )
        self.submitter = Submitter(
            database=database,
            blobs=blobs,
            directory=directory,
            keyring=keyring,
            vault=vault,
            stamp=stamp,
            casebook=casebook,
            courier=self.courier,
            failover=failover,
            clock=clock,
        )
        self.pusher = ReceiptPusher(
            database=database, directory=directory, wire=wire, adapter=self.adapter, clock=clock, rng=rng
        )
        self.pull = PullWorkers(
            database=database,
            directory=directory,
            acceptor=self.acceptor,
            desk=self.receipt_desk,
            adapter=self.adapter,
            revocations=self.revocations,
            authority_id=own,
        )
        self.upkeep = Upkeep(
            paths=self.home,
            settings=settings,
            keyring=keyring,
            directory=directory,
            database=database,
            clock=clock,
        )
        self.watch = Watch(
            database=database,
            blobs=blobs,
            acceptor=self.acceptor,
            casebook=casebook,
            upkeep=self.upkeep,
            clock=clock,
        )
        self.presence = Presence(
            database=database,
            directory=directory,
            adapter=self.adapter,
            authority_id=own,
            clock=clock,
            on_heard=self._wake_senders,
        )
        self.liveness = Liveness(
            database=database, directory=directory, keyring=keyring, adapters=self.adapters, clock=clock
        )
        self.peer_gate = PeerGate(own_aid=own, directory=directory, heard=self.presence.heard)
        self.cases = Cases(
            database=database,
            library=library,
            directory=directory,
            authority_id=own,
            stamp=stamp,
            submitter=self.submitter,
            wire=wire,
            clock=clock,
            on_receipt=self.pusher.wake,
        )
        self.desk = Desk(
            paths=self.home,
            settings=settings,
            clock=clock,
            keyring=keyring,
            directory=directory,
            carried=frozenset({*self.adapters, PULL}),
            submitter=self.submitter,
            cases=self.cases,
            consents=ConsentDesk(
                database=database,
                failover=failover,
                resolve=self.cases.resolve,
                authority_id=own,
                clock=clock,
                on_given=self.courier.wake,
            ),
            routes=RouteDesk(database=database, resolve=self.cases.resolve, authority_id=own, clock=clock),
            upkeep=self.upkeep,
            revocations=self.revocations,
            networks=self.networks,
            doctor=Doctor(
                paths=self.home,
                settings=settings,
                keyring=keyring,
                directory=directory,
                database=database,
                clock=clock,
                hello=self.presence.hello,
                origin=f"{own}/log",
                further={
                    "directory": self._check_directory,
                    "channels": self._check_channels,
                    "records": self._check_records,
                },
            ),
            liveness=self.liveness,
        )

    async def _check_directory(self) -> Iterable[Diagnosis]:
        now = self.clock.now()
        return [
            *check_directory(self.directory, now),
            *check_networks(await self.networks.statuses(), now),
        ]

    async def _check_channels(self) -> Iterable[Diagnosis]:
        return check_channels(await self.liveness.known(), self.clock.now())

    async def _check_records(self) -> Iterable[Diagnosis]:
        return check_records(self.directory.entries(), self.authority_id, self.clock.now())

    # Reachable

    async def start(self) -> None:
        """Listen for peers and for the own people, and begin the background work; returns when ready.

        Raises ``SelfTestFailed`` or ``OSError`` (an address in use); what was begun is stopped by ``open``.
        """
        if self.sequencer is None:
            raise RuntimeError("a home opened for reading cannot be served")
        await asyncio.to_thread(run_selftest)
        await self.recover()
        peer = self.settings.peer
        if peer.listen:
            host, port = split_address(peer.listen)
            tls = ServerTLS(
                identity=self._identity,
                certificates=lambda: self.directory.tls_certificates().keys(),
                version=lambda: self.directory.tls_version,
            )
            limits = PeerLimits(max_bundle_bytes=peer.max_bundle_bytes, idle_s=peer.idle_timeout_s)
            api = PeerAPI(
                gate=self.peer_gate,
                acceptor=self.acceptor,
                outbox=self.outbox,
                receipts=self.receipt_desk,
                notices=self.revocations,
                probes=self.liveness,
                log=LogPages(sequencer=self.sequencer, database=self.database),
                clock=self.clock,
                limits=limits,
            )
            self._server = PeerServer(api=api, tls=tls.context, limits=limits)
            await self._server.start(host, port)
        self._local = LocalAPI(paths=self.home, desk=self.desk)
        await self._local.start()
        for name, run in (
            ("courier", self.courier.run),
            ("receipts", self.pusher.run),
            ("pull", self.pull.run),
            ("revocations", self.revocations.run),
            ("networks", self.networks.run),
            ("watch", self.watch.run),
            ("liveness", self.liveness.run),
            ("greeting", self.presence.greet),
        ):
            self._tasks.append(asyncio.create_task(self._supervised(name, run), name=name))
        await self._journal("service.started")
        own = self.settings.authority
        _log.info(
            "service.started", authority=own.id, network=own.network, listen=peer.listen, version=__version__
        )

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
        if self._local is not None:
            await self._local.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.presence.aclose()
        await self.acceptor.aclose()
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

    # What the services are handed

    def _wake_senders(self) -> None:
        self.courier.wake()
        self.pusher.wake()
        self.revocations.wake()

    def _identity(self) -> TLSIdentity:
        certificate, key_file = self.keyring.tls_files(self.clock.now())
        return TLSIdentity(certificate=certificate, key_file=key_file)

    def _token(
        self,
        aud: str,
        method: str,
        path_qs: str,
        *,
        bd: bytes | None = None,
        off: int | None = None,
        len: int | None = None,
    ) -> str:
        now = self.clock.now()
        return issue_request_token(
            self.keyring.signer(KeyUse.REQ, now),
            iss=self.authority_id,
            aud=aud,
            method=method,
            path_qs=path_qs,
            now=now,
            body_digest=bd,
            off=off,
            length=len,
        )


def _open_keyring(paths: HomePaths, settings: Settings) -> Keyring:
    try:
        keyring = Keyring.open(paths.keys)
    except (KeyringError, Refusal, KeyError) as error:
        raise GatewayRefusal("keys-unreadable", detail=type(error).__name__) from None
    if keyring.authority_id != settings.authority.id:
        raise GatewayRefusal("home-invalid", detail="the keys are another authority's")
    return keyring


def _patience(delivery: DeliverySettings) -> Patience:
    return Patience(
        routine=timedelta(seconds=delivery.routine_receipt_s),
        urgent=timedelta(seconds=delivery.urgent_receipt_s),
        emergency=timedelta(seconds=delivery.emergency_receipt_s),
    )


@contextlib.contextmanager
def _locked(paths: HomePaths) -> Iterator[None]:
    """Hold the home's lock: one process writes. It goes with the process, however that ends."""
    paths.run.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GatewayRefusal("home-in-use") from None
        yield
    finally:
        os.close(handle)
