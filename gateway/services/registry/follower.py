"""Following a network: python-tuf decides what is trusted; this keeps the last good state of it.

One request tells that nothing is new, two fetch everything (timestamp, then one bundle), a third the
member-only contacts. All of it is verified in memory and beside the last good state, which is replaced
only by a whole new one. Merging networks, grace after freshness has run out and alarms are the caller's.
"""

import asyncio
import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from crypto.encoding import parse_wire_time, wire_time
from crypto.errors import Refusal
from crypto.keys import Decapsulator
from crypto.strictjson import dumps, loads_object
from crypto.words import fingerprint_words
from gateway.errors import GatewayRefusal
from gateway.services.durablefile import write_durably
from gateway.services.registry.bundle import (
    BUNDLE_LIMIT,
    TIMESTAMP,
    TIMESTAMP_LIMIT,
    bundle_name,
    make_bundle,
    parse_bundle,
)
from gateway.services.registry.members import MEMBERS_FILE, MEMBERS_LIMIT, open_members
from gateway.services.registry.network import VerifiedNetwork, VouchedRecord
from gateway.services.registry.policy import network_name, network_of
from gateway.services.registry.verifier import (
    Trusted,
    offered_snapshot,
    verify,
    verify_root,
    verify_timestamp,
)

__all__ = [
    "Fetch",
    "Follower",
    "LookupFailed",
    "VerifiedNetwork",
    "VouchedRecord",
    "root_digest",
    "root_words",
]

_PINNED = "pinned.json"
_ACCEPTED = "accepted.json"
_BUNDLE = re.compile(r"[1-9][0-9]{0,9}\.bundle")
_ROOT_LIMIT = 512 * 1024
_OWN_LIMIT = 1024 * 1024


class LookupFailed(Exception):
    """The repository could not be asked: network trouble, not a finding about it."""


class Fetch(Protocol):
    """Gets one file of a repository."""

    async def get(self, name: str, max_bytes: int) -> bytes | None:
        """Return the file, ``None`` if it is not there.

        Raises ``LookupFailed`` for network trouble, ``GatewayRefusal`` ``directory-too-large`` beyond
        ``max_bytes``.
        """
        ...


def root_digest(root: bytes) -> str:
    """Return the SHA-256 of a root file in hex: what is pinned."""
    return hashlib.sha256(root).hexdigest()


def root_words(root: bytes) -> tuple[str, ...]:
    """Return twelve words of a root file, read out at the ceremony and compared at installation."""
    return fingerprint_words(root)


class Follower:
    """One followed network in a folder of the home; ``current`` is the last good state.

    The folder holds ``pinned.json``, the newest good bundle, and ``accepted.json`` that names it: written
    last, so that a crash leaves the state before or the state after.
    """

    def __init__(self, *, folder: Path, network: str, root: bytes) -> None:
        self._folder = folder
        self._root = root
        self._held: Trusted | None = None
        self.network = network
        self.current: VerifiedNetwork | None = None

    @classmethod
    def pin(cls, folder: Path, *, network: str, root: bytes, sha256: str) -> "Follower":
        """Begin to follow a network by its root; durable when it returns.

        Raises ``GatewayRefusal`` ``directory-wrong-network`` (name or digest), ``directory-unsigned``
        (root is not signed by itself or breaks the hybrid rule), ``directory-damaged`` or
        ``folder-not-empty``.
        """
        network_name(network)
        if len(root) > _ROOT_LIMIT:
            raise GatewayRefusal("directory-too-large", detail="root")
        if root_digest(root) != sha256.strip().lower():
            raise GatewayRefusal("directory-wrong-network", detail="digest of the root")
        if network_of(verify_root(root))[0] != network:
            raise GatewayRefusal("directory-wrong-network", detail="name in the root")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GatewayRefusal("folder-not-empty")
        write_durably(folder / _PINNED, dumps({"v": 1, "network": network, "root": root.decode("utf-8")}))
        return cls(folder=folder, network=network, root=root)

    @classmethod
    def open(cls, folder: Path) -> "Follower":
        """Return the follower of a folder. Raises ``GatewayRefusal`` ``directory-damaged``."""
        pinned = _own_file(folder / _PINNED)
        network, root = pinned.get("network"), pinned.get("root")
        if not isinstance(network, str) or not isinstance(root, str):
            raise GatewayRefusal("directory-damaged", detail=_PINNED)
        return cls(folder=folder, network=network_name(network), root=root.encode("utf-8"))

    def load(self, *, decapsulators: Mapping[str, Decapsulator] | None = None) -> VerifiedNetwork:
        """Return the last good state from disk, verified again from the pinned root; no network.

        Expiry does not make it fail (old evidence verifies for ever): look at ``fresh_until``.
        Raises ``GatewayRefusal`` ``directory-damaged`` if there is none.
        """
        accepted = _own_file(self._folder / _ACCEPTED)
        try:
            at = parse_wire_time(str(accepted.get("at")))
            name = str(accepted.get("bundle"))
            data = (self._folder / name).read_bytes() if _BUNDLE.fullmatch(name) else b""
        except (OSError, Refusal):
            raise GatewayRefusal("directory-damaged", detail="bundle") from None
        files = parse_bundle(data, self.network) | {TIMESTAMP: str(accepted.get("timestamp")).encode("utf-8")}
        imitated = accepted.get("imitated", [])
        if not isinstance(imitated, list):
            raise GatewayRefusal("directory-damaged", detail=_ACCEPTED)
        trusted = verify(
            files,
            network=self.network,
            root=self._root,
            held=None,
            now=at,
            imitated=frozenset(map(str, imitated)),
        )
        return self._keep(trusted, b"", decapsulators)

    async def refresh(
        self, fetch: Fetch, now: datetime, *, decapsulators: Mapping[str, Decapsulator] | None = None
    ) -> VerifiedNetwork:
        """Ask the repository and return the newest state; durable when it returns.

        ``decapsulators`` are those of the own ``enc`` keys by kid; with them member-only contacts are
        read. Raises ``LookupFailed``, or ``GatewayRefusal`` ``directory-expired``, ``directory-rollback``,
        ``directory-unsigned``, ``directory-mixed``, ``directory-too-large``, ``directory-damaged``,
        ``directory-wrong-network``, ``storage-full`` or ``folder-unusable``: the last good state then
        stays, in memory and on disk.
        """
        timestamp = await _get(fetch, TIMESTAMP, TIMESTAMP_LIMIT)
        held = await asyncio.to_thread(self._remember)
        if held is not None:
            if timestamp == held.files[TIMESTAMP]:
                return _still_fresh(held, now)
            renewed = await asyncio.to_thread(self._renew, held, timestamp, now)
            if renewed is not None:
                return renewed
        version = offered_snapshot(timestamp)
        data = await _get(fetch, bundle_name(version), BUNDLE_LIMIT)
        sealed = await _get_members(fetch) if decapsulators else b""
        return await asyncio.to_thread(self._take, data, timestamp, sealed, now, decapsulators)

    def import_bundle(
        self,
        data: bytes,
        now: datetime,
        *,
        members: bytes = b"",
        decapsulators: Mapping[str, Decapsulator] | None = None,
    ) -> VerifiedNetwork:
        """Take a bundle file that was carried here, and ``members.sealed`` if it came along.

        The same verifier, the same refusals as ``refresh``.
        """
        return self._take(data, None, members, now, decapsulators)

    def _remember(self) -> Trusted | None:
        """Return what was accepted last, also in an earlier process: nothing older is taken after it."""
        if self._held is None and (self._folder / _ACCEPTED).exists():
            self.load()
        return self._held

    def _take(
        self,
        data: bytes,
        timestamp: bytes | None,
        sealed: bytes,
        now: datetime,
        decapsulators: Mapping[str, Decapsulator] | None,
    ) -> VerifiedNetwork:
        files = parse_bundle(data, self.network)
        if timestamp is not None:
            files[TIMESTAMP] = timestamp
        held = self._remember()
        root = self._root if held is None else held.root
        with _disk():
            trusted = verify(files, network=self.network, root=root, held=held, now=now)
            sealed = self._fuller(trusted.network, sealed, decapsulators)
            self._store(trusted, sealed, now)
        return self._keep(trusted, sealed, decapsulators)

    def _fuller(
        self, network: VerifiedNetwork, sealed: bytes, decapsulators: Mapping[str, Decapsulator] | None
    ) -> bytes:
        """Return the stored contacts in place of new ones that say less: nobody signs the file itself."""
        held = self._stored_members()
        if not decapsulators or len(self._contacts(network, sealed, decapsulators)) >= len(
            self._contacts(network, held, decapsulators)
        ):
            return sealed
        return held

    def _contacts(
        self, network: VerifiedNetwork, sealed: bytes, decapsulators: Mapping[str, Decapsulator]
    ) -> dict[str, dict[str, Any]]:
        records = {aid: vouched.record for aid, vouched in network.records.items()}
        return open_members(sealed, self.network, records, decapsulators)

    def _renew(self, held: Trusted, timestamp: bytes, now: datetime) -> VerifiedNetwork | None:
        """Return the held state, fresh for longer; ``None`` if the timestamp speaks of another one."""
        files = {**held.files, TIMESTAMP: timestamp}
        with _disk():
            renewed = verify_timestamp(files, held=held, now=now)
        if renewed is None:
            return None
        if renewed.version == held.network.versions["timestamp"]:
            # Another timestamp of the same number is not taken, whoever signed both.
            return _still_fresh(held, now)
        network = replace(
            held.network,
            fresh_until=renewed.fresh_until,
            versions={**held.network.versions, "timestamp": renewed.version},
        )
        with _disk():
            self._accept(bundle_name(network.bundle_version), timestamp, held.imitated, now)
        self._held = replace(held, files=files, network=network)
        self.current = network
        return network

    def _store(self, trusted: Trusted, sealed: bytes, now: datetime) -> None:
        name = bundle_name(trusted.network.bundle_version)
        write_durably(self._folder / name, make_bundle(self.network, trusted.files))
        if sealed:
            write_durably(self._folder / MEMBERS_FILE, sealed)
        self._accept(name, trusted.files[TIMESTAMP], trusted.imitated, now)
        for old in self._folder.glob("*.bundle"):
            if old.name != name:
                old.unlink(missing_ok=True)

    def _accept(self, name: str, timestamp: bytes, imitated: frozenset[str], now: datetime) -> None:
        accepted = {
            "v": 1,
            "at": wire_time(now),
            "bundle": name,
            "timestamp": timestamp.decode("utf-8"),
            "imitated": sorted(imitated),
        }
        write_durably(self._folder / _ACCEPTED, dumps(accepted))

    def _keep(
        self, trusted: Trusted, sealed: bytes, decapsulators: Mapping[str, Decapsulator] | None
    ) -> VerifiedNetwork:
        network = trusted.network
        if decapsulators:
            sealed = sealed or self._stored_members()
            network = replace(network, members=self._contacts(network, sealed, decapsulators))
        self._held = replace(trusted, network=network)
        self.current = network
        return network

    def _stored_members(self) -> bytes:
        try:
            return (self._folder / MEMBERS_FILE).read_bytes()
        except OSError:
            return b""


@contextmanager
def _disk() -> Iterator[None]:
    """Turn trouble with the disk into a refusal: the last good state is still there."""
    try:
        yield
    except OSError as error:
        raise GatewayRefusal("storage-full" if error.errno == errno.ENOSPC else "folder-unusable") from None


def _still_fresh(held: Trusted, now: datetime) -> VerifiedNetwork:
    """Return the held state: nothing is new. The same timestamp beyond its end is a freeze."""
    if held.network.fresh_until <= now:
        raise GatewayRefusal("directory-expired", detail="the server repeats an old timestamp")
    return held.network


async def _get_members(fetch: Fetch) -> bytes:
    """Return the sealed contacts; without them the directory is as good as with them."""
    try:
        return await fetch.get(MEMBERS_FILE, MEMBERS_LIMIT) or b""
    except (LookupFailed, GatewayRefusal):
        return b""


async def _get(fetch: Fetch, name: str, limit: int) -> bytes:
    data = await fetch.get(name, limit)
    if data is None:
        raise GatewayRefusal("directory-damaged", detail=f"{name} is not there")
    return data


def _own_file(path: Path) -> dict[str, Any]:
    try:
        return dict(loads_object(path.read_bytes(), max_bytes=_OWN_LIMIT))
    except (OSError, Refusal):
        raise GatewayRefusal("directory-damaged", detail=path.name) from None
