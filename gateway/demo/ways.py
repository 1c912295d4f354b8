"""How the requests of a demonstration travel: what records list, what settings say, what people carry.

The usual way is HTTPS. Another way is a class of its own, which says what its records list and does what its
people do; the requests, the gateways and the proof stay the same.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import PeerSettings, Settings
from gateway.demo.documents import Enclosed
from gateway.demo.exchange import Exchange, Outcome, Watcher
from gateway.demo.network import LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import Sample
from gateway.web.calls import DIRECTORY_PROBE, ProbeParams


class Way:
    """Over HTTPS; two of the authorities only call out."""

    #: How they travel, in words.
    told = "They meet over TLS."
    #: These authorities have no server that others could reach; they fetch what waits for them.
    pull_only: frozenset[str] = frozenset({"tn-mj", "gh-ag"})
    #: Requests that are played after the others, one by one.
    alone: frozenset[int] = frozenset()
    #: How many times longer than usual a step may take.
    patience = 1.0

    network: LabNetwork
    directory: DemoDirectory

    async def open(self, work: Path, network: LabNetwork, directory: DemoDirectory) -> None:
        """Start what the way needs besides gateways; ``work`` is a folder that goes away at the end."""
        self.network, self.directory = network, directory

    async def aclose(self) -> None:
        """Stop what ``open`` started."""

    def gateways(self, sample: Sample) -> tuple[str, ...]:
        """Return the authorities of a request that have a gateway."""
        return sample.requesting, sample.requested

    def settings(self, wanted: Settings, listen: str) -> Settings:
        """Return the settings of an authority; ``listen`` is a free address of this machine."""
        return listening(wanted, "" if wanted.authority.id in self.pull_only else listen)

    def channels(self, settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the channels that an authority's record lists; ``rows`` are those of the home's plan."""
        return [dict(row) for row in rows]

    async def introduce(self, sample: Sample) -> None:
        """Let States list those authorities of a request that have no gateway to make a record."""

    async def acquaint(self, sample: Sample) -> None:
        """Let people of a requested authority that only calls out ask whether who will write to it is there.

        Whom it never dealt with it would look in at only now and then.
        """
        if sample.requested in self.pull_only:
            asked = ProbeParams(authorities=[sample.requesting])
            await self.network.request(sample.requested, DIRECTORY_PROBE, asked)

    async def carry(self, exchange: Exchange, giver: str, taker: str) -> None:
        """Bring what waits at the giver to the taker: over HTTPS it goes by itself."""

    async def play(self, request: Enclosed, *, opened: Path, watcher: Watcher) -> Outcome:
        """Play one request to its good end. Raises ``DemoFailed``."""
        return await Exchange(
            network=self.network,
            request=request,
            opened=opened,
            watcher=watcher,
            carry=self.carry,
            patience=self.patience,
        ).run()


def listening(wanted: Settings, listen: str) -> Settings:
    """Return settings that listen for peers there; an empty address: only calling out."""
    return msgspec.structs.replace(wanted, peer=PeerSettings(listen=listen))
