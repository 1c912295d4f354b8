"""Which way a bundle goes: by the directory, the addressee's published requirements and what is carried here.

Decides before anything is sealed; what happens to a channel on the way is ``failover``'s.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from crypto.keys import GW_KEM1, KeyUse, PrivateKey, PublicKey
from gateway.errors import GatewayRefusal
from gateway.model import requirements
from gateway.model.authority import LookupStatus
from gateway.model.channel_choice import planned
from gateway.model.record_parts import Channel
from gateway.services.directory import Directory
from gateway.services.failover import Failover
from gateway.services.formalroute import routes_by_hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a bundle goes: the addressee, the channel it is meant for, and what its sender consents to.

    Where the directory does not know the addressee's keys for now, there is no channel yet, and the bundle is
    wrapped for the addressee when it does (``next_action``).

    Attributes:
        issue: Of the addressee's published requirements that the request was checked against, if any.
        by_hand: Codes of the routes that a person takes beside the gateway.
    """

    to: str
    channel: str | None
    next_action: str
    consents: tuple[str, ...]
    issue: int | None = None
    by_hand: tuple[str, ...] = ()


class Ways:
    """Looks the way up for one submission."""

    def __init__(self, *, directory: Directory, failover: Failover) -> None:
        self._directory = directory
        self._failover = failover

    def by_hand(self, to: str, lane: str) -> tuple[str, ...]:
        """Return the codes of the routes that a person has to take beside the gateway."""
        entry = self._directory.lookup(to).entry
        return () if entry is None else routes_by_hand(entry, lane, self._failover.channels(to, lane))

    def issue(self, to: str, now: datetime) -> int | None:
        """Return which issue of the addressee's requirements is in force, if it has published any."""
        published = self._directory.requirements(to)
        if published is None or not requirements.is_in_force(published, now.date()):
            return None
        return requirements.issue(published)

    def channel(self, to: str, lane: str) -> Channel | None:
        """Return the channel it is meant for, ``None`` while it is only not known whether there is one.

        Raises ``GatewayRefusal`` ``not-listed``; ``channel-none`` where no channel of its record is carried.
        """
        found = self._directory.lookup(to)
        if found.status is LookupStatus.NOT_LISTED:
            raise GatewayRefusal("not-listed", field="requested_authority/authority_id")
        if found.entry is None:
            return None
        channels = self._failover.channels(to, lane)
        if not channels:
            raise GatewayRefusal("channel-none")
        return planned(channels)

    def refuse_needless(self, to: str, lane: str, consents: Collection[str]) -> None:
        """Raise ``GatewayRefusal`` ``consent-not-needed`` for a channel that needs none."""
        if consents and not self._failover.lesser(to, lane).issuperset(consents):
            raise GatewayRefusal("consent-not-needed")


def nobody() -> PublicKey:
    """Return an encryption key that nobody holds: what is wrapped for it waits to be wrapped for somebody.

    For an addressee whose keys are in doubt: neither of two claimants may read what is meant for one.
    """
    return PrivateKey.generate(KeyUse.ENC, GW_KEM1).public
