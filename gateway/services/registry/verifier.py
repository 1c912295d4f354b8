"""Whether a repository is what a network's holders signed: python-tuf's updater, at a time that is given.

Rollback, freeze, mix-and-match and thresholds are python-tuf's to refuse; the hybrid rule, one State per
role and the records' own rules are added here. Works beside the state it starts from and changes nothing.
A State that is late to sign does not end everybody's directory: its records come with their expiry, and
a record that breaks a rule is left out with its code while all others stay.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import DelegatedRole, Metadata, Root, Snapshot, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from gateway.errors import GatewayRefusal
from gateway.model.authority import parse_entry
from gateway.services.registry.bundle import BASE, TIMESTAMP, MemoryFetcher
from gateway.services.registry.network import VerifiedNetwork
from gateway.services.registry.policy import (
    check_delegations,
    check_root,
    network_of,
    quorum_of,
)
from gateway.services.registry.reading import RecordsRead

_CONFIG = UpdaterConfig(max_root_rotations=256, prefix_targets_with_hash=False)
#: All numbers of a network are below this; files cannot be named after greater ones.
_MOST_VERSIONS = 10**10
#: For roles whose expiry is told instead of enforced.
_NEVER_LATE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """A verified repository: its files by name, the newest root, and what they say.

    ``content_until``: when root, snapshot or targets run out, whatever the timestamp says.
    ``imitated``: authorities that keep keys which others listed as well, because they had them first.
    """

    files: Mapping[str, bytes] = field(repr=False)
    root: bytes = field(repr=False)
    content_until: datetime
    network: VerifiedNetwork
    imitated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A new timestamp over a known state: until when all of it is fresh, and the timestamp's version."""

    fresh_until: datetime
    version: int


class _DatedUpdater(Updater):
    """python-tuf's updater over files in memory, at ``now`` instead of at the machine's time."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], root: bytes, now: datetime) -> None:
        super().__init__(
            metadata_dir=str(folder),
            metadata_base_url=BASE,
            fetcher=MemoryFetcher(files),
            config=_CONFIG,
            bootstrap=root,
        )
        self._folder = folder
        self._trusted_set.reference_time = now

    @property
    def root(self) -> Root:
        return self._trusted_set.root

    @property
    def timestamp(self) -> Timestamp:
        return self._trusted_set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        return self._trusted_set.snapshot

    @property
    def targets(self) -> Targets:
        return self._trusted_set.targets

    def root_bytes(self) -> bytes:
        """The newest root, as it was verified."""
        return (self._folder / "root.json").read_bytes()

    def new_roots(self, first: int) -> list[Root]:
        """Every root that was taken, from version ``first``."""
        history = self._folder / "root_history"
        versions = range(first, self.root.version + 1)
        return [Metadata[Root].from_bytes((history / f"{n}.root.json").read_bytes()).signed for n in versions]

    def refresh_timestamp(self) -> None:
        """Verify root and timestamp only."""
        self._load_root()
        self._load_timestamp()

    def kept(self, roles: Iterable[str]) -> dict[str, bytes]:
        """Return the metadata that was verified, by its name in a repository, and nothing that was not."""
        history = self._folder / "root_history"
        files = {path.name: path.read_bytes() for path in history.glob("*.root.json")}
        files[TIMESTAMP] = (self._folder / TIMESTAMP).read_bytes()
        for role in ("snapshot", "targets", *roles):
            version = self._trusted_set[role].version
            files[f"{version}.{role}.json"] = (self._folder / f"{role}.json").read_bytes()
        return files

    def load_role(self, role: DelegatedRole) -> Targets | None:
        """Return what a State signed, however long ago; ``None`` if nothing is published yet."""
        if f"{role.name}.json" not in self.snapshot.meta:
            return None
        self._trusted_set.reference_time = _NEVER_LATE
        # By its name: to look a file up would follow delegations, and a State has none to make.
        return self._load_targets(role.name, Targets.type)


def verify_root(root: bytes) -> Root:
    """Return a root that is signed by itself and keeps the hybrid rule; its expiry is not looked at.

    Raises ``GatewayRefusal`` ``directory-damaged`` or ``directory-unsigned``.
    """
    try:
        metadata = Metadata[Root].from_bytes(root)
        if metadata.signed.type != Root.type:
            raise GatewayRefusal("directory-damaged", detail="not a root")
        check_root(metadata.signed)
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise GatewayRefusal("directory-unsigned", detail=str(error)) from None
    except (RepositoryError, ValueError) as error:
        raise GatewayRefusal("directory-damaged", detail=type(error).__name__) from None
    return metadata.signed


def verify(
    files: Mapping[str, bytes],
    *,
    network: str,
    root: bytes,
    held: Trusted | None,
    now: datetime,
    imitated: frozenset[str] = frozenset(),
) -> Trusted:
    """Return what a repository says at ``now``, if it is newer than or equal to what is held.

    ``root`` is the newest trusted one; ``imitated`` is what was found when these very files were verified
    first, for a state that is read again with nothing held. Raises ``GatewayRefusal`` with the codes of
    ``Follower.refresh``.
    """
    with tempfile.TemporaryDirectory(prefix="rogatory-") as name:
        folder = Path(name)
        try:
            updater = _begin(folder, files, root, held, now)
            first = updater.root.version
            updater.refresh()
            _check_roots(updater, first, network)
            _check_number(updater)
            return _collect(updater, files, network, held, imitated)
        except (RepositoryError, DownloadError, ValueError) as error:
            raise _refusal(error, files, held) from None


def verify_timestamp(files: Mapping[str, bytes], *, held: Trusted, now: datetime) -> Renewed | None:
    """Return until when the held state is fresh, if the new timestamp vouches for that very state.

    ``None``: there is something newer, or a root this does not know; the whole has to be verified.
    Raises like ``verify``.
    """
    with tempfile.TemporaryDirectory(prefix="rogatory-") as name:
        try:
            updater = _begin(Path(name), files, held.root, held, now)
            updater.refresh_timestamp()
            _check_number(updater)
        except UnsignedMetadataError:
            return None
        except (RepositoryError, DownloadError, ValueError) as error:
            raise _refusal(error, files, held) from None
        known = Metadata[Timestamp].from_bytes(held.files[TIMESTAMP]).signed
        if updater.timestamp.snapshot_meta != known.snapshot_meta:
            return None
        if held.content_until <= now:
            raise GatewayRefusal("directory-expired", detail="snapshot or targets")
        until = min(held.content_until, updater.timestamp.expires)
        return Renewed(fresh_until=until, version=updater.timestamp.version)


def offered_snapshot(timestamp: bytes) -> int:
    """Return which snapshot an unverified timestamp speaks of. Raises ``directory-damaged``."""
    try:
        return Metadata[Timestamp].from_bytes(timestamp).signed.snapshot_meta.version
    except (RepositoryError, AttributeError):
        raise GatewayRefusal("directory-damaged", detail="timestamp") from None


def _begin(
    folder: Path, files: Mapping[str, bytes], root: bytes, held: Trusted | None, now: datetime
) -> _DatedUpdater:
    """Return an updater that remembers what is held, so that nothing older is taken."""
    if held is not None:
        (folder / TIMESTAMP).write_bytes(held.files[TIMESTAMP])
        snapshot = f"{held.network.bundle_version}.snapshot.json"
        (folder / "snapshot.json").write_bytes(held.files[snapshot])
    return _DatedUpdater(folder, files, root, now)


def _check_roots(updater: _DatedUpdater, first: int, network: str) -> None:
    for root in updater.new_roots(first):
        check_root(root)
        if network_of(root)[0] != network:
            raise GatewayRefusal("directory-wrong-network", detail="root")


def _check_number(updater: _DatedUpdater) -> None:
    # The one number that stands in no file's name; a thief of the automatic keys may choose any.
    if updater.timestamp.version >= _MOST_VERSIONS:
        raise GatewayRefusal("directory-damaged", detail="number of the timestamp")


def _collect(
    updater: _DatedUpdater,
    files: Mapping[str, bytes],
    network: str,
    held: Trusted | None,
    imitated: frozenset[str],
) -> Trusted:
    root, snapshot, timestamp, targets = updater.root, updater.snapshot, updater.timestamp, updater.targets
    found = RecordsRead(kind=network_of(root)[1], files=files)
    versions = {"root": root.version, "timestamp": timestamp.version, "snapshot": snapshot.version}
    versions["targets"] = targets.version
    delegated = check_delegations(targets, root)
    for cc, role in delegated.items():
        signed = updater.load_role(role)
        if signed is None:
            found.refused[cc.upper()] = "not-published"
            continue
        versions[role.name] = signed.version
        found.take(cc, role, signed)
    imitated = found.drop_shared_keys(_keys_before(held, imitated))
    keys = targets.delegations.keys if targets.delegations is not None else {}
    content_until = min(root.expires, snapshot.expires, targets.expires)
    loaded = [role.name for role in delegated.values() if role.name in versions]
    # Roots before the first one of this run were verified when they were taken.
    roots = {} if held is None else {n: d for n, d in held.files.items() if n.endswith(".root.json")}
    return Trusted(
        files={**roots, **updater.kept(loaded), **found.used},
        root=updater.root_bytes(),
        content_until=content_until,
        network=VerifiedNetwork(
            network=network,
            kind=found.kind,
            states=found.states,
            records=found.records,
            refused=found.refused,
            versions=versions,
            fresh_until=min(content_until, timestamp.expires),
            bundle_version=snapshot.version,
            root_version=root.version,
            members={},
            quorums={cc: quorum_of(role, keys) for cc, role in delegated.items()},
        ),
        imitated=imitated,
    )


def _keys_before(held: Trusted | None, imitated: frozenset[str]) -> Callable[[str, bytes], bool]:
    """Return what tells whether an authority had a key in the last good state."""
    if held is None:
        return lambda aid, _: aid in imitated

    @cache
    def materials(aid: str) -> frozenset[bytes]:
        vouched = held.network.records.get(aid)
        entry = None if vouched is None else parse_entry(vouched.record)
        return frozenset() if entry is None else frozenset(key.material for key in entry.keys)

    return lambda aid, key: key in materials(aid)


def _refusal(error: Exception, files: Mapping[str, bytes], held: Trusted | None) -> GatewayRefusal:
    """Return the code for what python-tuf refused."""
    detail = f"{type(error).__name__}: {error}"[:200]
    match error:
        case ExpiredMetadataError():
            code = "directory-expired"
        case UnsignedMetadataError():
            code = "directory-unsigned"
        case DownloadLengthMismatchError():
            code = "directory-too-large"
        case DownloadHTTPError() | LengthOrHashMismatchError():
            code = "directory-mixed"
        case BadVersionNumberError():
            code = "directory-rollback" if held is not None and _is_older(files, held) else "directory-mixed"
        case _:
            code = "directory-damaged"
    return GatewayRefusal(code, detail=detail)


def _is_older(files: Mapping[str, bytes], held: Trusted) -> bool:
    """Tell whether anything offered is older than what is held; for naming a refusal only."""
    try:
        offered = Metadata[Timestamp].from_bytes(files[TIMESTAMP]).signed
        versions = {"timestamp": offered.version, "snapshot": offered.snapshot_meta.version}
        snapshot = files.get(f"{offered.snapshot_meta.version}.snapshot.json")
        if snapshot is not None:
            meta = Metadata[Snapshot].from_bytes(snapshot).signed.meta
            versions |= {name.removesuffix(".json"): info.version for name, info in meta.items()}
    except (RepositoryError, KeyError):
        return False
    known = held.network.versions
    return any(version < known.get(role, 0) for role, version in versions.items())
