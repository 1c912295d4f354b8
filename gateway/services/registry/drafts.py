"""Drafts: new versions of a role that collect signatures, as one file that can travel.

A draft is signed where its holders are: on the secretariat's machine, at the State's, or on one that was
never connected. It holds the metadata, the records it lists and their member-only part, so that a holder
sees what is signed; ``Draft.sign`` refuses a draft whose files are not those the metadata names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.services.registry.holders import HolderKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A new version of one role under way to its threshold.

    Attributes:
        network: Name of the network.
        role: ``root``, ``targets``, ``state-<cc>`` or ``attested-<cc>``.
        metadata: TUF metadata with the signatures collected so far.
        files: Path in the repository to file, for everything the metadata lists that is new or kept.
        members: Authority to its member-only entry, for records that have one.
    """

    network: str
    role: str
    metadata: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    members: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def to_json(self) -> bytes:
        """Return the file in which a draft travels."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: bytes) -> "Draft":
        """Return the draft of a file. Raises ``GatewayRefusal`` ``draft-invalid``."""
        raise NotImplementedError

    @property
    def version(self) -> int:
        """Version of the role that this draft becomes."""
        raise NotImplementedError

    def records(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the authority records it lists, parsed, by authority; member-only parts are not in them."""
        raise NotImplementedError

    def sign(self, holder: HolderKeys) -> "Draft":
        """Return the draft with both signatures of a holder added (or renewed); needs no repository.

        Raises ``GatewayRefusal`` ``draft-invalid``: the files are not the ones its metadata names.
        """
        raise NotImplementedError
