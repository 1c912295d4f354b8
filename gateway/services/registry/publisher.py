"""The publisher of a network: a folder of static files, and drafts that collect signatures.

``repository/`` is what any web server serves, ``drafts/`` what waits for holders, ``members/`` the clear
member-only contacts (never served). Every change is a draft until the role's threshold has signed it;
``publish`` moves complete drafts, ``refresh`` makes them visible to followers. Who may ask for a change,
cooling-off and where private keys live are the caller's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from gateway.services.registry.drafts import Draft
from gateway.services.registry.holders import Holder, HolderKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a draft is: good signatures (two per holder) of ``need``; who signed, who is still asked."""

    have: int
    need: int
    signed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the draft can be published."""
        return self.have >= self.need


class Publication:
    """The folder of one network's publisher."""

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        network: str,
        kind: Literal["lab", "real"],
        holders: Sequence[Holder],
        needed: int,
        automatic: Holder,
        now: datetime,
    ) -> "Publication":
        """Begin a network in an empty folder: drafts of ``root`` and ``targets``, to be signed.

        ``needed`` holders of ``holders`` must sign root and targets; ``automatic`` signs snapshot and
        timestamp. The threshold is ``len(holders) + needed``. Raises ``GatewayRefusal`` ``holder-invalid``
        (the same key twice, or too few) or ``folder-not-empty``.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path) -> "Publication":
        """Return the publication of a folder. Raises ``GatewayRefusal`` ``publication-invalid``."""
        raise NotImplementedError

    network: str
    kind: str
    #: The folder to serve.
    repository: Path

    def drafts(self) -> Mapping[str, Draft]:
        """Return what waits for signatures, by role."""
        raise NotImplementedError

    def draft(self, role: str) -> Draft:
        """Return the draft of a role, to be carried to its holders. Raises ``draft-missing``."""
        raise NotImplementedError

    def take_draft(self, data: bytes, now: datetime) -> Progress:
        """Take a draft that travelled (``Draft.to_json``) back in; its new signatures are added to ours.

        A draft of another content than ours replaces ours only if it is newer than what is published.
        Raises ``GatewayRefusal`` ``draft-invalid``; nothing is changed then.
        """
        raise NotImplementedError

    def draft_root(self, holders: Sequence[Holder], needed: int, automatic: Holder, now: datetime) -> None:
        """Draft a succession of root, and the targets its holders sign again.

        Root then needs the threshold of the old holders and that of the new ones.
        """
        raise NotImplementedError

    def draft_state(
        self, cc: str, holders: Sequence[Holder], needed: int, *, attested: bool = False, now: datetime
    ) -> None:
        """Draft (in ``targets``) that ``needed`` of these holders speak for a State (``cc`` lower case).

        ``attested``: the secretariat's holders do so for a State without staff.
        """
        raise NotImplementedError

    def remove_state(self, cc: str, now: datetime) -> None:
        """Draft (in ``targets``) that nobody speaks for a State any more."""
        raise NotImplementedError

    def draft_record(
        self,
        cc: str,
        record: Mapping[str, Any],
        *,
        state: Mapping[str, Any] | None = None,
        requirements: Mapping[str, Any] | None = None,
        now: datetime,
    ) -> None:
        """Draft an authority's record, and the State's own record and its requirements where given.

        Collects in the State's one draft; signatures over an earlier content of it are dropped. Telephone
        numbers and contacts are taken out of the public record and kept for enrolled gateways. Raises
        ``GatewayRefusal`` ``record-invalid``, ``directory-other-state``, ``key-conflict``, ``draft-missing``
        (the State is not delegated yet).
        """
        raise NotImplementedError

    def remove_record(self, cc: str, authority_id: str, now: datetime) -> None:
        """Draft that an authority is no longer listed. Raises ``GatewayRefusal`` ``not-listed``."""
        raise NotImplementedError

    def draft_renewal(self, role: str, now: datetime) -> None:
        """Draft the same content again with a new expiry: what a State signs once a year."""
        raise NotImplementedError

    def sign(self, role: str, holder: HolderKeys, now: datetime) -> Progress:
        """Add a holder's two signatures to a draft here. Raises ``draft-missing`` or ``holder-unknown``."""
        raise NotImplementedError

    def progress(self, role: str) -> Progress:
        """Return how far a draft is. Raises ``GatewayRefusal`` ``draft-missing``."""
        raise NotImplementedError

    def publish(self, now: datetime, roles: Sequence[str] | None = None) -> list[str]:
        """Move complete drafts (all, or those of ``roles``) into the repository; return their roles.

        Raises ``GatewayRefusal`` ``directory-unsigned`` if one of ``roles`` is not complete, or none is;
        nothing is changed then. Followers see it after the next ``refresh``.
        """
        raise NotImplementedError

    def refresh(self, automatic: HolderKeys, now: datetime, *, timestamp_days: int = 1) -> None:
        """Sign what is published: snapshot (if anything changed), timestamp, bundle, members.

        The secretariat's automatic job, several times a day; ``timestamp_days`` is 14 for a network that
        is carried to offline sites.
        """
        raise NotImplementedError

    def records(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the published records by authority, with their member-only contacts put back."""
        raise NotImplementedError

    def states(self) -> Mapping[str, str]:
        """Return the delegated States (lower case) and the role that speaks for each."""
        raise NotImplementedError

    def root(self) -> bytes:
        """Return the first root as gateways pin it; ``follower.root_digest`` and ``root_words`` name it."""
        raise NotImplementedError
