"""Following the networks of the settings: refreshed in the background, by hand, or carried here on a medium.

Decides when a network is asked, what of it may count (never less than was trusted before), and what becomes
durable: the follower's own files first, then the view in memory, then versions, tasks and log entries in one
transaction. Nothing here is ever called while something is sent; the verifier is ``registry``'s.
"""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from crypto.keys import Decapsulator
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.services.directory import Directory
from gateway.services.directory.alarms import end_expiry, raise_expiry, settle
from gateway.services.directory.keyholders import KeyHolder
from gateway.services.directory.views import SourceView
from gateway.services.following.networksource import refuse_older, source_name, source_view, versions
from gateway.services.keys.keyring import Keyring
from gateway.services.registry.bundle import parse_bundle
from gateway.services.registry.follower import Fetch, Follower, LookupFailed, VerifiedNetwork
from gateway.storage.database import Database, Transaction
from gateway.storage.keyholders import key_holders, store_key_holders
from gateway.storage.networks import NetworkRow, networks, store_network, waiting_peers
from gateway.storage.queue import wake_peer
from gateway.telemetry import get_log

#: A network is asked this often, and this soon again after trouble; both spread by half.
_EVERY = timedelta(hours=1)
_AFTER_TROUBLE = timedelta(minutes=10)
_LOOK_S = 30.0

_FIRST_ROOT = "1.root.json"
_ROOT_LIMIT = 512 * 1024

#: How a repository looks that is issued anew between two requests of one refresh; the next look is whole.
_TORN = frozenset({"directory-damaged", "directory-mixed"})

#: The server could not be asked: no finding about what it serves.
UNREACHABLE = "directory-unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One network of the settings; without ``fetch`` its directory is carried here."""

    name: str
    root_sha256: str
    folder: Path
    fetch: Fetch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """How one network stands. ``source`` is what the view holds of it, ``row`` what was trusted last."""

    name: str
    is_carried: bool
    source: SourceView
    row: NetworkRow | None


class Networks:
    """The networks of one home. ``load`` before use; ``run`` asks them until cancelled."""

    def __init__(
        self,
        *,
        followed: Sequence[Followed],
        directory: Directory,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        rng: random.Random,
        on_changed: Callable[[], None],
    ) -> None:
        self._followed = {each.name: each for each in followed}
        self._followers: dict[str, Follower] = {}
        self._directory = directory
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._rng = rng
        self._on_changed = on_changed
        self._turn = asyncio.Lock()
        self._stored_holders: dict[str, KeyHolder] = {}
        self._log = get_log("networks")

    async def load(self) -> None:
        """Take what was trusted last, from the disk; what cannot be verified is unreadable, not empty."""
        rows = await self._database.read(networks)
        self._stored_holders = await self._database.read(key_holders)
        self._directory.know_holders(self._stored_holders, self._clock.now())
        unread = {name: SourceView(name=source_name(name), is_readable=False) for name in self._followed}
        for view in unread.values():
            # Nobody has given anything up while the networks are read one after the other.
            self._directory.set_source(view, self._clock.now())
        for each in self._followed.values():
            view = unread[each.name]
            if each.folder.exists():
                try:
                    follower = Follower.open(each.folder)
                    network = await asyncio.to_thread(follower.load, decapsulators=self._decapsulators())
                    refuse_older(network, rows.get(each.name), kind=self._directory.network)
                    self._followers[each.name] = follower
                    view = await asyncio.to_thread(self._prepared, network)
                except GatewayRefusal as refusal:
                    self._log.error("network.unreadable", network=each.name, code=refusal.code)
            self._directory.set_source(view, self._clock.now())

    def _prepared(self, network: VerifiedNetwork) -> SourceView:
        """Return what a network says with its keys imported; not in the loop: it may take a second."""
        source = source_view(network)
        self._directory.preload(source)
        return source

    def _decapsulators(self) -> Mapping[str, Decapsulator]:
        """Return what opens the member-only contacts."""
        held = {kid: self._keyring.decapsulator(kid) for kid in self._keyring.enc_kids()}
        return {kid: opener for kid, opener in held.items() if opener is not None}

    async def run(self) -> None:
        """Ask each network when it is due until cancelled."""
        while True:
            try:
                await self.look()
            except GatewayError as error:
                self._log.warning("networks.unavailable", code=error.code)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Refresh what is due now, raise the alarm for what is past its end, and let go what has ended."""
        now = self._clock.now()
        rows = await self._database.read(networks)
        for each in self._followed.values():
            row = rows.get(each.name)
            if each.fetch is not None and (row is None or _is_due(row.next_action_at, now)):
                try:
                    await self.refresh(each.name)
                except GatewayRefusal as refusal:
                    self._log.warning("network.refused", network=each.name, code=refusal.code)
        ended = [s for s in self._directory.sources() if s.fresh_until is not None and s.fresh_until < now]
        if freed := self._directory.let_ended_go(now):
            self._log.warning("network.ended", freed=len(freed))
        if ended or freed:
            await self._database.write(lambda tx: self._store_ended(tx, ended, freed, now))
        if freed:
            self._on_changed()

    def _store_ended(
        self, tx: Transaction, ended: Iterable[SourceView], freed: Iterable[str], now: datetime
    ) -> None:
        raise_expiry(tx, ended, now)
        settle(tx, self._directory.view.contradicted, now)
        for aid in freed:
            wake_peer(tx, aid, now)

    async def refresh(self, name: str) -> NetworkRow:
        """Ask a network's server now; durable when it returns.

        Raises ``GatewayRefusal``: ``network-unknown``, ``directory-unreachable`` where the server cannot be
        asked or there is none, and what the verifier refuses; the last good state stays in force.
        """
        each = self._one(name)
        if each.fetch is None:
            raise GatewayRefusal(UNREACHABLE, detail="carried")
        fetch = each.fetch

        async def ask(now: datetime) -> VerifiedNetwork:
            follower = self._followers.get(name) or await self._pinned(each, fetch)
            try:
                return await follower.refresh(fetch, now, decapsulators=self._decapsulators())
            except GatewayRefusal as refusal:
                if refusal.code not in _TORN:
                    raise
                return await follower.refresh(fetch, now, decapsulators=self._decapsulators())

        return await self._take(each, ask)

    async def import_bundle(self, data: bytes, members: bytes) -> NetworkRow:
        """Take a network's bundle that was carried here; durable when it returns. Refuses as ``refresh``."""
        each, files = self._addressed(data)

        async def ask(now: datetime) -> VerifiedNetwork:
            follower = self._followers.get(each.name) or self._opened(each)
            follower = follower or self._pin(each, files.get(_FIRST_ROOT))
            return await asyncio.to_thread(
                follower.import_bundle, data, now, members=members, decapsulators=self._decapsulators()
            )

        return await self._take(each, ask)

    def _one(self, name: str) -> Followed:
        if name not in self._followed:
            raise GatewayRefusal("network-unknown")
        return self._followed[name]

    def _addressed(self, data: bytes) -> tuple[Followed, Mapping[str, bytes]]:
        """Return which followed network a bundle says it is of, and its files, not verified."""
        for each in self._followed.values():
            try:
                return each, parse_bundle(data, each.name)
            except GatewayRefusal as refusal:
                if refusal.code != "directory-wrong-network":
                    raise
        raise GatewayRefusal("directory-wrong-network", detail="not followed")

    async def _pinned(self, each: Followed, fetch: Fetch) -> Follower:
        held = self._opened(each)
        return held if held is not None else self._pin(each, await fetch.get(_FIRST_ROOT, _ROOT_LIMIT))

    def _pin(self, each: Followed, root: bytes | None) -> Follower:
        """Begin to follow: the root must be the one whose digest the settings name."""
        if root is None:
            raise GatewayRefusal("directory-damaged", detail="no root")
        follower = Follower.pin(each.folder, network=each.name, root=root, sha256=each.root_sha256)
        self._followers[each.name] = follower
        return follower

    def _opened(self, each: Followed) -> Follower | None:
        """Return the follower of a folder, ``None`` if there is none yet.

        One whose files are damaged begins anew; the versions that were trusted hold all the same.
        """
        if not each.folder.exists():
            return None
        try:
            follower = Follower.open(each.folder)
            follower.load()
        except GatewayRefusal as refusal:
            if refusal.code != "directory-damaged":
                raise
            shutil.rmtree(each.folder)
            return None
        self._followers[each.name] = follower
        return follower

    async def _take(
        self, each: Followed, ask: Callable[[datetime], Awaitable[VerifiedNetwork]]
    ) -> NetworkRow:
        async with self._turn:
            now = self._clock.now()
            row = (await self._database.read(networks)).get(each.name)
            try:
                network = await ask(now)
                refuse_older(network, row, kind=self._directory.network)
            except LookupFailed:
                await self._note_trouble(each, row, UNREACHABLE, now)
                raise GatewayRefusal(UNREACHABLE) from None
            except GatewayRefusal as refusal:
                await self._note_trouble(each, row, refusal.code, now)
                raise
            waiting = await self._database.read(waiting_peers)
            before = self._known(waiting)
            source = await asyncio.to_thread(self._prepared, network)
            self._directory.set_source(source, now)
            after = self._known(waiting)
            changed = [aid for aid in waiting if before[aid] != after[aid]]
            root, snapshot, timestamp = versions(network)
            trusted = NetworkRow(
                name=each.name,
                root=root,
                snapshot=snapshot,
                timestamp=timestamp,
                fresh_until=network.fresh_until,
                refreshed_at=now,
                code=None,
                next_action_at=now + self._spread(_EVERY),
            )
            holders = self._new_holders()

            def unit(tx: Transaction) -> None:
                self._store(tx, trusted, row, changed, now)
                store_key_holders(tx, holders, known=self._stored_holders)

            await self._database.write(unit)
            self._stored_holders |= holders
        self._on_changed()
        return trusted

    def _new_holders(self) -> dict[str, KeyHolder]:
        """Return whose keys are that the database does not know of yet."""
        stored = self._stored_holders
        return {d: holder for d, holder in self._directory.view.holders.items() if stored.get(d) != holder}

    def _known(self, authorities: Iterable[str]) -> dict[str, object]:
        """Return what is known of some authorities, to be compared after a change."""
        found = {aid: self._directory.lookup(aid) for aid in authorities}
        return {aid: (each.status, each.entry and each.entry.raw) for aid, each in found.items()}

    def _store(
        self,
        tx: Transaction,
        trusted: NetworkRow,
        row: NetworkRow | None,
        changed: Iterable[str],
        now: datetime,
    ) -> None:
        """The one transaction after a network was verified: versions, tasks, and what waited for it."""
        store_network(tx, trusted)
        if row is None or row.versions != trusted.versions:
            body: dict[str, str | int | None] = {
                "network": trusted.name,
                "root": trusted.root,
                "snapshot": trusted.snapshot,
                "timestamp": trusted.timestamp,
            }
            tx.audit(PendingAuditEntry(event="directory.trusted", body=body, at=now))
        settle(tx, self._directory.view.contradicted, now)
        end_expiry(tx, trusted.name, now)
        for aid in changed:
            wake_peer(tx, aid, now)

    async def _note_trouble(self, each: Followed, row: NetworkRow | None, code: str, now: datetime) -> None:
        """Keep why a network could not be refreshed; a refusal is entered once, silence never."""
        held = row or NetworkRow(
            name=each.name,
            root=0,
            snapshot=0,
            timestamp=0,
            fresh_until=None,
            refreshed_at=None,
            code=None,
            next_action_at=now,
        )

        def unit(tx: Transaction) -> None:
            store_network(tx, replace(held, code=code, next_action_at=now + self._spread(_AFTER_TROUBLE)))
            if code not in (UNREACHABLE, held.code):
                body = {"network": each.name, "code": code}
                tx.audit(PendingAuditEntry(event="directory.refused", body=body, at=now))

        await self._database.write(unit)

    def _spread(self, pause: timedelta) -> timedelta:
        """Return a pause spread by half of itself, so that gateways do not all ask at once."""
        return pause * (0.75 + self._rng.random() / 2)

    # What persons say

    async def decide(self, authority_id: str, source: str, officer: str) -> None:
        """Believe one source about an authority where several contradict each other; durable.

        Raises ``GatewayRefusal`` ``not-contradicted``.
        """
        now = self._clock.now()
        self._directory.decide(authority_id, source, now)

        def unit(tx: Transaction) -> None:
            body = {"authority": authority_id, "source": source, "officer": officer}
            tx.audit(PendingAuditEntry(event="person.decided", body=body, at=now))
            settle(tx, self._directory.view.contradicted, now)
            wake_peer(tx, authority_id, now)

        await self._database.write(unit)
        self._on_changed()

    async def allow_urgent(self, name: str, officer: str) -> None:
        """Let the urgent lane go on by a network that is past its end; durable.

        Raises ``GatewayRefusal`` ``network-unknown`` or ``not-stale``.
        """
        now = self._clock.now()
        self._directory.allow_urgent(source_name(self._one(name).name), now)
        body = {"network": name, "officer": officer}

        def unit(tx: Transaction) -> None:
            tx.audit(PendingAuditEntry(event="person.allowed", body=body, at=now))
            for aid in waiting_peers(tx.connection):
                wake_peer(tx, aid, now)

        await self._database.write(unit)
        self._on_changed()

    async def statuses(self) -> tuple[NetworkStatus, ...]:
        """Return how each followed network stands, in the order of the settings."""
        rows = await self._database.read(networks)
        sources = {source.name: source for source in self._directory.sources()}
        return tuple(
            NetworkStatus(
                name=each.name,
                is_carried=each.fetch is None,
                source=sources[source_name(each.name)],
                row=rows.get(each.name),
            )
            for each in self._followed.values()
        )


def _is_due(at: datetime, now: datetime) -> bool:
    """Tell whether a network is to be asked: also where a clock that was ahead put that off for years."""
    return at <= now or at > now + 2 * _EVERY
