"""Writing a medium: everything that waits for an authority, in a folder of its own, with the sheet around it.

A bundle stands here until its receipt is back, so every export writes all that stands: a medium that was lost
is simply written again. Files first, durable and whole; then the index; then, in one transaction, that they
left. A crash before that transaction leaves files on a medium, and the same export finds them there again.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from crypto import strictjson
from crypto.words import check_words
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.channel_choice import PROTECTION, Protection
from gateway.model.channels import CARRIER
from gateway.model.codes import Assurance, Lane
from gateway.model.measures import size
from gateway.model.medium import INDEX, Kind, bundle_name, folder_for, text_name
from gateway.services.carrier.cover import WAYS, Cover, Line, Party, print_cover
from gateway.services.carrier.index import make_index
from gateway.services.carrier.medium import Folder, Written, given
from gateway.services.container import ContainerSource, load_container
from gateway.services.delivery.book import TransmissionBook
from gateway.services.delivery.failover import Failover
from gateway.services.delivery.receipts import MOST_RECEIPTS
from gateway.services.delivery.rewrap import Rewrapper
from gateway.services.directory import Directory
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.revocations import Revocations
from gateway.services.sealing.seal import CARRIER_LIFE
from gateway.storage import receipts, transmissions
from gateway.storage.blobs import Blobs
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.receipts import ReceiptRow

#: Told how many bytes are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBundle:
    """A bundle on the medium; ``is_new`` false if its file lay there already."""

    bid: str
    lane: str
    size: int
    envelope: str
    words: str
    expires: datetime
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A bundle that was not written, and why: what is known of the addressee forbids sending now."""

    bid: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFolder:
    """What lies on the medium for one authority; ``cover`` is the sheet's file name."""

    to: str
    name: str
    way: str
    path: str
    cover: str
    bundles: Sequence[ExportedBundle]
    receipts: int
    notices: int
    held: Sequence[Held]


@dataclass(slots=True, kw_only=True)
class _Load:
    """What goes to one authority; without an entry, nothing does."""

    to: str
    entry: DirectoryEntry | None
    sources: list[ContainerSource] = field(default_factory=list)
    expires: dict[str, datetime] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.sources or self.receipts or self.notices)


class CarrierExport:
    """Writes media."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        directory: Directory,
        wire: ReceiptWire,
        revocations: Revocations,
        rewrapper: Rewrapper,
        book: TransmissionBook,
        failover: Failover,
        authority_id: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._directory = directory
        self._wire = wire
        self._revocations = revocations
        self._rewrapper = rewrapper
        self._book = book
        self._failover = failover
        self._own = authority_id
        self._clock = clock

    async def export(
        self, folder: Path, *, peer: str | None, by: str, officer: str, progress: Progress
    ) -> Sequence[ExportedFolder]:
        """Write what waits for a carrier, or for one ``peer`` all that is under way to it; durable.

        ``by`` is a key of ``WAYS``. Returns a folder for each authority for which something waits, none where
        nothing does. Raises ``GatewayRefusal`` ``folder-unusable``, ``not-listed``, ``carrier-not-listed``,
        ``way-not-listed``, ``medium-*``; nothing is entered then, and the export can be repeated.
        """
        with Folder.open(folder) as medium:
            loads = [await self._load(aid, peer) for aid in await self._addressees(peer)]
            notes = {load.to: "" if load.entry is None else _way(load.entry, by) for load in loads}
            total = sum(source.size for load in loads for source in load.sources)
            if not medium.has_room(await self._missing(medium, loads)):
                raise GatewayRefusal("medium-full")
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                progress(done, total)

            written = []
            for load in loads:
                if not load.is_empty or load.held:
                    note = notes[load.to]
                    written.append(await self._write(medium, folder, load, by, note, officer, advance))
            await medium.settle()
        return written

    # What goes

    async def _addressees(self, peer: str | None) -> list[str]:
        if peer is not None:
            found = self._directory.lookup(peer)
            if found.status is LookupStatus.NOT_LISTED or peer == self._own:
                raise GatewayRefusal("not-listed", field="peer")
            if found.entry is not None and not any(c.channel == CARRIER for c in found.entry.channels):
                raise GatewayRefusal("carrier-not-listed", field="peer")
            return [peer]

        def query(connection: Connection) -> tuple[set[str], set[str]]:
            standing = {row.to_aid for row in transmissions.standing_for_carrier(connection)}
            return standing, receipts.peers_with_pending(connection)

        standing, told = await self._database.read(query)
        return sorted(standing | {aid for aid in told if self._only_by_carrier(aid)})

    def _only_by_carrier(self, aid: str) -> bool:
        """Tell whether receipts reach an authority by a medium and by no other channel of ours."""
        listed = {c.channel for lane in Lane for c in self._failover.channels(aid, lane)}
        sealed = {name for name in listed if PROTECTION.get(name) is Protection.SEALED}
        return sealed == {CARRIER}

    async def _load(self, aid: str, peer: str | None) -> _Load:
        load = _Load(to=aid, entry=self._directory.lookup(aid).entry)

        def query(
            connection: Connection,
        ) -> tuple[list[transmissions.UnderWayRow], list[ReceiptRow]]:
            due = receipts.pending_receipts(connection, aid)
            # A medium may have been lost: each receipt brings those before it along.
            chain = [earlier for row in due for earlier in receipts.chain_of(connection, row)]
            return transmissions.under_way_to(connection, aid), chain

        rows, chain = await self._database.read(query)
        for row in rows:
            if row.carried_since is not None or (peer is not None and self._may_carry(aid, row.lane)):
                await self._take(load, row)
        if load.entry is None:
            return load
        load.receipts = list({row.jws_sha256: row for row in chain}.values())
        load.notices = await self._revocations.waiting(aid)
        return load

    def _may_carry(self, aid: str, lane: str) -> bool:
        return any(c.channel == CARRIER for c in self._failover.channels(aid, lane))

    async def _take(self, load: _Load, row: transmissions.UnderWayRow) -> None:
        """Add a bundle, wrapped for the key its addressee has today; a medium cannot be wrapped again."""
        hold = self._directory.hold(row.to_aid, row.lane)
        if load.entry is None:
            hold = hold or "not-listed"
        if hold is None:
            try:
                env = await self._rewrapper.rewrap((row.sender, row.bid, row.to_aid), lives=CARRIER_LIFE)
            except GatewayRefusal as refusal:
                hold = refusal.code
        if hold is not None:
            load.held.append(Held(bid=row.bid, code=hold))
            return
        load.sources.append(await load_container(self._database, self._blobs, row.sender, row.bid))
        load.expires[row.bid] = env.expires

    async def _missing(self, medium: Folder, loads: Sequence[_Load]) -> int:
        """Return how many bytes of containers do not lie on the medium yet, by their sizes."""
        missing = 0
        for load in loads:
            name = folder_for(load.to, self._own)
            there: dict[str, int] = {}
            if any(entry.name == name and entry.is_folder for entry in medium.entries()):
                with medium.within(name) as inner:
                    there = {entry.name: entry.size for entry in inner.entries() if entry.is_file}
            missing += sum(
                source.size for source in load.sources if there.get(bundle_name(source.bid)) != source.size
            )
        return missing

    # Writing

    async def _write(
        self,
        medium: Folder,
        path: Path,
        load: _Load,
        by: str,
        way_note: str,
        officer: str,
        advance: Callable[[int], None],
    ) -> ExportedFolder:
        to, now = load.to, self._clock.now()
        name = folder_for(to, self._own)
        bundles: list[ExportedBundle] = []
        cover = ""
        if load.entry is not None and not load.is_empty:
            with medium.within(name, create=True) as folder:
                listed: list[tuple[Kind, Written]] = []
                for source in load.sources:
                    put = await folder.put(
                        bundle_name(source.bid), partial(source.stream, 0), progress=advance
                    )
                    listed.append((Kind.BUNDLE, put))
                    bundles.append(_exported(source, load.expires[source.bid], put))
                for kind, data in await self._texts(load):
                    digest = hashlib.sha256(data).hexdigest()
                    listed.append((kind, await folder.put(text_name(kind, digest), given(data))))
                cover, sheet = print_cover(self._cover(load, load.entry, by, way_note, bundles, now))
                listed.append((Kind.COVER, await folder.put(cover, given(sheet))))
                index = make_index(folder, listed, to=to, sender=self._own, now=now)
                await folder.put(INDEX, given(index))
                await folder.settle()
            digest = hashlib.sha256(index).hexdigest()
            await self._database.write(
                lambda tx: self._enter(tx, load, by=by, digest=digest, officer=officer, now=now)
            )
        return ExportedFolder(
            to=to,
            name="" if load.entry is None else load.entry.name_en,
            way=WAYS[by],
            path=str(path / name),
            cover=cover,
            bundles=bundles,
            receipts=len(load.receipts),
            notices=len(load.notices),
            held=load.held,
        )

    async def _texts(self, load: _Load) -> list[tuple[Kind, bytes]]:
        """Return the files of receipts and notices."""
        head = {"v": 1, "from": self._own, "to": load.to}
        texts = []
        for start in range(0, len(load.receipts), MOST_RECEIPTS):
            body = await self._wire.answer(load.receipts[start : start + MOST_RECEIPTS])
            texts.append((Kind.RECEIPTS, strictjson.dumps({**head, "receipts": body["receipts"]})))
        if load.notices:
            texts.append((Kind.NOTICES, strictjson.dumps({**head, "notices": load.notices})))
        return texts

    def _cover(
        self,
        load: _Load,
        entry: DirectoryEntry,
        by: str,
        way_note: str,
        bundles: Sequence[ExportedBundle],
        now: datetime,
    ) -> Cover:
        return Cover(
            sender=_party(self._directory.own),
            to=_party(entry),
            way=WAYS[by],
            way_note=way_note,
            at=now,
            is_lab=self._directory.network == "lab",
            lines=[
                Line(
                    bid=bundle.bid,
                    size=size(bundle.size),
                    is_urgent=bundle.lane == Lane.URGENT,
                    expires=bundle.expires,
                    envelope=bundle.envelope,
                )
                for bundle in bundles
            ],
            receipts=len(load.receipts),
            notices=len(load.notices),
        )

    def _enter(
        self, tx: Transaction, load: _Load, *, by: str, digest: str, officer: str, now: datetime
    ) -> None:
        """Enter that a medium left: each bundle's attempt, its person, and receipts that go no other way."""
        to = load.to
        for source in load.sources:
            key = (source.sender, source.bid, to)
            if self._book.record_export(tx, key, way=WAYS[by], expires_at=load.expires[source.bid], now=now):
                person = {"from": source.sender, "bid": source.bid, "officer": officer}
                body = {**person, "assurance": str(Assurance.LOCAL_OPERATOR)}
                tx.audit(PendingAuditEntry(event="person.acted", body=body, at=now))
        if self._only_by_carrier(to):
            # Should the medium be lost, its bundle comes again, and with it the receipt goes out again.
            for row in load.receipts:
                receipts.push_done(tx, row.jws_sha256)
        medium: dict[str, str | int | None] = {"peer": to, "channel": by, "digest": digest}
        tx.audit(PendingAuditEntry(event="carrier.exported", body=medium, at=now))


def _way(entry: DirectoryEntry, by: str) -> str:
    """Return what the record says of a way, which a courier does not need. Raises ``way-not-listed``."""
    if by == "courier":
        return ""
    listed = [c.address for c in entry.channels if c.channel == by and c.status != "suspended"]
    if not listed:
        raise GatewayRefusal("way-not-listed", field="by")
    return listed[0]


def _exported(source: ContainerSource, expires: datetime, put: Written) -> ExportedBundle:
    return ExportedBundle(
        bid=source.bid,
        lane=source.lane,
        size=source.size,
        envelope=source.envelope_sha256,
        words=check_words(source.envelope_sha256),
        expires=expires,
        is_new=put.is_new,
    )


def _party(entry: DirectoryEntry) -> Party:
    return Party(
        authority_id=entry.authority_id,
        name=entry.name_en,
        state=entry.state,
        address=entry.profile.postal,
    )
