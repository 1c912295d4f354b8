"""A small network made from nothing: fictional holders, States and authorities, and a server in memory."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, TargetFile

from crypto.encoding import b64u, wire_time
from crypto.keys import GW_HYB1, GW_KEM1, Decapsulator, KeyUse, PrivateKey
from gateway.demo.samples import read_sample_directory
from gateway.services.registry.bundle import make_bundle, parse_bundle
from gateway.services.registry.follower import Follower, root_digest
from gateway.services.registry.holders import HolderKeys
from gateway.services.registry.publisher import Publication

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NETWORK = "sample-net"
_SAMPLE = read_sample_directory()


@cache
def holder(name: str) -> HolderKeys:
    """One set of keys per name and test run: keys cost time, and nobody changes them."""
    return HolderKeys.generate(name)


@cache
def _sig(aid: str) -> PrivateKey:
    return PrivateKey.generate(KeyUse.SIG, GW_HYB1)


@cache
def enc(aid: str) -> PrivateKey:
    return PrivateKey.generate(KeyUse.ENC, GW_KEM1)


def key_row(private: PrivateKey, now: datetime = NOW) -> dict[str, Any]:
    return {
        "use": str(private.public.use),
        "alg": private.public.alg,
        "kid": private.public.kid,
        "pub": b64u(private.public.pub),
        "nbf": wire_time(now - DAY),
        "exp": wire_time(now + 2000 * DAY),
        "status": "active",
    }


def record(aid: str, *, now: datetime = NOW) -> dict[str, Any]:
    """A sample authority's record with keys of its own."""
    found = next(row for row in _SAMPLE["authorities"] if row["authority_id"] == aid)
    return copy.deepcopy(found) | {"keys": [key_row(_sig(aid), now), key_row(enc(aid), now)]}


def state_record(cc: str) -> dict[str, Any]:
    return copy.deepcopy(next(row for row in _SAMPLE["states"] if row["state"] == cc.upper()))


def authorities(cc: str) -> list[str]:
    return [row["authority_id"] for row in _SAMPLE["authorities"] if row["state"] == cc.upper()]


@dataclass
class Server:
    """The static files of a network, as a fetcher sees them; counts what is asked."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    replaced: Mapping[str, bytes | None] = field(default_factory=dict)

    async def get(self, name: str, max_bytes: int) -> bytes | None:
        self.asked.append(name)
        if name in self.replaced:
            data = self.replaced[name]
        else:
            path = self.folder / name
            data = path.read_bytes() if path.exists() else None
        return data

    def files(self) -> dict[str, bytes]:
        """A copy of everything served now, to be replayed later."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}


@dataclass
class Net:
    """A network with its keys at hand."""

    publication: Publication
    people: list[HolderKeys]
    automatic: HolderKeys
    needed: int
    speakers: dict[str, list[HolderKeys]] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        return Server(self.publication.repository)

    def sign(self, role: str, who: Sequence[HolderKeys], now: datetime = NOW) -> None:
        for person in who:
            self.publication.sign(role, person, now)

    def delegate(
        self, cc: str, who: Sequence[HolderKeys], *, attested: bool = False, now: datetime = NOW
    ) -> None:
        """Delegate a State to all of these holders and publish that."""
        self.speakers[cc] = list(who)
        self.publication.draft_state(cc, [h.public for h in who], len(who), attested=attested, now=now)
        self.sign("targets", self.people[: self.needed], now)
        self.publication.publish(now, ["targets"])

    def renew(self, role: str, now: datetime) -> None:
        """Let the network's people sign the same again, and publish it."""
        self.publication.draft_renewal(role, now)
        self.sign(role, self.people[: self.needed], now)
        self.publication.publish(now, [role])

    def list_records(self, cc: str, records: Sequence[Mapping[str, Any]], now: datetime = NOW) -> None:
        """Draft, sign and publish records of a State."""
        for row in records:
            self.publication.draft_record(cc, row, state=state_record(cc), now=now)
        role = self.publication.states()[cc]
        self.sign(role, self.speakers[cc], now)
        self.publication.publish(now, [role])

    def refresh(self, now: datetime = NOW, **kwargs: Any) -> None:
        self.publication.refresh(self.automatic, now, **kwargs)

    def follower(self, folder: Path) -> Follower:
        root = self.publication.root()
        return Follower.pin(folder, network=NETWORK, root=root, sha256=root_digest(root))


def begin(folder: Path, *, name: str = NETWORK, people: int = 3, needed: int = 2, now: datetime = NOW) -> Net:
    """Create a network and publish root and targets."""
    holders = [holder(f"Holder {n}") for n in range(people)]
    automatic = holder("Secretariat, automatic")
    publication = Publication.create(
        folder,
        network=name,
        kind="lab",
        holders=[h.public for h in holders],
        needed=needed,
        automatic=automatic.public,
        now=now,
    )
    net = Net(publication=publication, people=holders, automatic=automatic, needed=needed)
    for role in ("root", "targets"):
        net.sign(role, holders[:needed], now)
    publication.publish(now)
    return net


def two_states(folder: Path, *, now: datetime = NOW) -> Net:
    """A network of Austria, signing for itself, and Kenya, attested by the secretariat."""
    net = begin(folder, now=now)
    net.delegate("at", [holder("Austria, first"), holder("Austria, second")], now=now)
    net.delegate("ke", net.people, attested=True, now=now)
    net.list_records("at", [record("at-moj", now=now)], now)
    net.list_records("ke", [record(authorities("ke")[0], now=now)], now)
    net.refresh(now)
    return net


def openers(aid: str) -> dict[str, Decapsulator]:
    return {enc(aid).public.kid: enc(aid).decapsulator()}


@dataclass
class Forger:
    """Makes repositories that nobody honest would publish, from the files of an honest one."""

    net: Net
    files: dict[str, bytes]

    @classmethod
    def of(cls, net: Net) -> "Forger":
        """Begin with everything published now."""
        newest = max(net.publication.repository.glob("*.bundle"), key=lambda path: int(path.stem))
        return cls(net, parse_bundle(newest.read_bytes(), NETWORK))

    def name(self, role: str) -> str:
        """File name of the newest version of a role."""
        found = [name for name in self.files if name.endswith(f".{role}.json")]
        return max(found, key=lambda name: int(name.partition(".")[0]))

    def read(self, role: str) -> Any:
        return Metadata.from_bytes(self.files[self.name(role)])

    def put(self, role: str, metadata: Any, signers: Sequence[Any]) -> None:
        """Replace a role by this content as its next version, signed by these keys alone."""
        self.files.pop(self.name(role))
        metadata.signed.version += 1
        self.put_as_is(role, metadata, signers)

    def put_as_is(self, role: str, metadata: Any, signers: Sequence[Any]) -> None:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        self.files[f"{metadata.signed.version}.{role}.json"] = metadata.to_bytes()

    def put_file(self, role: str, path: str, data: bytes, signers: Sequence[Any]) -> None:
        """Have a role list this file."""
        metadata = self.read(role)
        metadata.signed.targets[path] = TargetFile.from_data(path, data, ["sha256"])
        self.files[path] = data
        self.put(role, metadata, signers)

    def issue(self, now: datetime = NOW, *, signers: Sequence[Any] | None = None) -> Server:
        """Sign snapshot and timestamp over what is there, as a thief of the automatic keys can."""
        signers = self.net.automatic.tuf_signers() if signers is None else signers
        snapshot = self.read("snapshot")
        for role in [name.removesuffix(".json") for name in snapshot.signed.meta]:
            data = self.files[self.name(role)]
            version = int(self.name(role).partition(".")[0])
            snapshot.signed.meta[f"{role}.json"] = MetaFile.from_data(version, data, ["sha256"])
        self.put("snapshot", snapshot, signers)
        number = snapshot.signed.version
        timestamp = Metadata.from_bytes(self.files["timestamp.json"])
        timestamp.signed.snapshot_meta = MetaFile.from_data(
            number, self.files[f"{number}.snapshot.json"], ["sha256"]
        )
        timestamp.signed.version += 1
        timestamp.signed.expires = now + DAY
        timestamp.signatures.clear()
        for signer in signers:
            timestamp.sign(signer, append=True)
        self.files["timestamp.json"] = timestamp.to_bytes()
        return self.server()

    def server(self) -> Server:
        """Serve it as it is."""
        number = self.read("snapshot").signed.version
        bundle = make_bundle(NETWORK, self.files)
        replaced = {"timestamp.json": self.files["timestamp.json"], f"{number}.bundle": bundle}
        return Server(self.net.publication.repository, replaced=replaced)


def signers(*who: HolderKeys) -> list[Any]:
    """Both keys of each holder."""
    return [signer for keys in who for signer in keys.tuf_signers()]


def halves(half: int, *who: HolderKeys) -> list[Any]:
    """One family only: 0 is Ed25519, 1 is ML-DSA-65."""
    return [keys.tuf_signers()[half] for keys in who]
