"""Following a network: python-tuf decides what is trusted; this keeps the last good state of it.

One request tells that nothing is new, two fetch everything (timestamp, then one bundle), a third the
member-only contacts. All of it is verified in memory and beside the last good state, which is replaced
only by a whole new one. Merging networks, grace after freshness has run out and alarms are the caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from crypto.keys import Decapsulator


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedRecord:
    """One authority's record as its State, or the secretariat for it, signed it.

    Attributes:
        record: Public record (domain 7.2), member-only contacts not in it.
        state_code: Upper case, as in the record.
        assurance: ``state``, or ``attested`` by the secretariat: lower.
        role: Role that signed it.
        version: Version of that role.
        expires: When the signature runs out; in the past: the State is late, the record ``stale``.
        requirements: What the State publishes as data (domain 7.4).
    """

    record: Mapping[str, Any] = field(repr=False)
    state_code: str
    assurance: Literal["state", "attested"]
    role: str
    version: int
    expires: datetime
    requirements: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedNetwork:
    """What one network says, verified as a whole.

    Attributes:
        network: Name as pinned.
        kind: ``lab`` or ``real``, as root says.
        states: State code (upper case) to State record.
        records: Authority to record.
        refused: Authority, or State in upper case, to the code for which it was left out: such an
            authority is ``unverifiable``, never not-listed.
        versions: Role to version, for the audit log.
        fresh_until: Nothing is known beyond this; in the past: everything is ``stale``.
        bundle_version: Version of the snapshot.
        root_version: Version of the trusted root.
        members: Authority to member-only contacts that its signed digest vouches for; empty without access.
    """

    network: str
    kind: Literal["lab", "real"]
    states: Mapping[str, Mapping[str, Any]] = field(repr=False)
    records: Mapping[str, VouchedRecord] = field(repr=False)
    refused: Mapping[str, str]
    versions: Mapping[str, int] = field(repr=False)
    fresh_until: datetime
    bundle_version: int
    root_version: int
    members: Mapping[str, Mapping[str, Any]] = field(repr=False)


def root_digest(root: bytes) -> str:
    """Return the SHA-256 of a root file in hex: what is pinned."""
    raise NotImplementedError


def root_words(root: bytes) -> tuple[str, ...]:
    """Return twelve words of a root file, read out at the ceremony and compared at installation."""
    raise NotImplementedError


class Follower:
    """One followed network in a folder of the home; ``current`` is the last good state."""

    network: str
    current: VerifiedNetwork | None

    @classmethod
    def pin(cls, folder: Path, *, network: str, root: bytes, sha256: str) -> "Follower":
        """Begin to follow a network by its root; durable when it returns.

        Raises ``GatewayRefusal`` ``directory-wrong-network`` (name or digest), ``directory-unsigned``
        (root is not signed by itself or breaks the hybrid rule) or ``folder-not-empty``.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path) -> "Follower":
        """Return the follower of a folder. Raises ``GatewayRefusal`` ``directory-damaged``."""
        raise NotImplementedError

    def load(
        self, now: datetime, *, decapsulators: Mapping[str, Decapsulator] | None = None
    ) -> VerifiedNetwork:
        """Return the last good state from disk, verified again; no network.

        Expiry does not make it fail (old evidence verifies for ever): look at ``fresh_until``.
        Raises ``GatewayRefusal`` ``directory-damaged`` if there is none.
        """
        raise NotImplementedError

    async def refresh(
        self, fetch: Fetch, now: datetime, *, decapsulators: Mapping[str, Decapsulator] | None = None
    ) -> VerifiedNetwork:
        """Ask the repository and return the newest state; durable when it returns.

        ``decapsulators`` are those of the own ``enc`` keys by kid; with them member-only contacts are
        read. Raises ``LookupFailed``, or ``GatewayRefusal`` ``directory-expired``, ``directory-rollback``,
        ``directory-unsigned``, ``directory-mixed``, ``directory-too-large``, ``directory-damaged``,
        ``directory-wrong-network``: the last good state then stays, in memory and on disk.
        """
        raise NotImplementedError

    def import_bundle(
        self, data: bytes, now: datetime, *, decapsulators: Mapping[str, Decapsulator] | None = None
    ) -> VerifiedNetwork:
        """Take a bundle file that was carried here; the same verifier, the same refusals as ``refresh``."""
        raise NotImplementedError
