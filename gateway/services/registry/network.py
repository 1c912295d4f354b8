"""What a followed network says once it is verified: values, without any way to come by them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crypto.revocation import Quorum
from gateway.services.registry.policy import Assurance, NetworkKind


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedRecord:
    """One authority's record as its State, or the secretariat for it, signed it.

    Attributes:
        record: Public record after the directory schema, member-only contacts not in it.
        state_code: Upper case, as in the record.
        assurance: ``state``, or ``attested`` by the secretariat: lower.
        role: Role that signed it.
        version: Version of that role.
        expires: When the signature runs out; in the past: the State is late, the record ``stale``.
        requirements: What the State publishes as data (docs/directory.md).
    """

    record: Mapping[str, Any] = field(repr=False)
    state_code: str
    assurance: Assurance
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
        quorums: State (lower case) to the holders whose emergency notices about its keys are believed.
    """

    network: str
    kind: NetworkKind
    states: Mapping[str, Mapping[str, Any]] = field(repr=False)
    records: Mapping[str, VouchedRecord] = field(repr=False)
    refused: Mapping[str, str]
    versions: Mapping[str, int] = field(repr=False)
    fresh_until: datetime
    bundle_version: int
    root_version: int
    members: Mapping[str, Mapping[str, Any]] = field(repr=False)
    quorums: Mapping[str, Quorum] = field(repr=False)
