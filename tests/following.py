"""A world whose authorities know each other from a signed network only, or from that and enrolments.

``Following`` publishes the records that the gateways themselves hold, as their States would, and lets every
gateway fetch them; the world then runs as any other.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import (
    DirectorySettings,
    HomePaths,
    NetworkSettings,
    read_settings,
    render_settings,
)
from gateway.services.registry.follower import root_digest
from tests.gateway.services.registry.networks import NETWORK, Net, Server, begin, holder, state_record
from tests.world import FakeClock, World, make_lab_home


@dataclass
class Following:
    """A network, and the world that follows it."""

    net: Net
    world: World
    server: Server
    #: Files that the server gives in place of its own; ``None`` for one that is gone.
    published: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def create(
        cls, folder: Path, *authorities: str, enrolled: bool = False, carried: bool = False
    ) -> AsyncIterator["Following"]:
        """Make homes and a network that lists them; ``enrolled``: they know each other by hand, too."""
        clock = FakeClock()
        net = begin(folder / "network", now=clock.now())
        server = Server(net.publication.repository)
        world = World(folder=folder, clock=clock, repositories=lambda settings: server)
        made = cls(net=net, world=world, server=server)
        for aid in authorities:
            await make_lab_home(folder / aid, aid, clock=clock)
            made.follow(aid, carried=carried)
        try:
            for aid in authorities:
                await world.open(aid)
            for app in world.apps.values() if enrolled else ():
                for other in world.apps.values():
                    if other is not app:
                        app.directory.enrol(other.home.enrolment.read_bytes(), now=clock.now())
            made.publish(authorities)
            if not carried:
                await made.refresh()
            yield made
        finally:
            for aid in tuple(world.apps):
                await world.close(aid)

    def follow(self, aid: str, *, carried: bool = False, root: bytes | None = None) -> None:
        """Write into the settings of a home that it follows the network."""
        paths = HomePaths(self.world.folder / aid)
        network = NetworkSettings(
            name=NETWORK,
            root_sha256=root_digest(root or self.net.publication.root()),
            url="" if carried else "https://localhost:1",
        )
        settings = msgspec.structs.replace(
            read_settings(paths.settings), directory=DirectorySettings(network=(network,))
        )
        paths.settings.write_text(render_settings(settings), encoding="utf-8")

    def publish(
        self, authorities: Iterable[str], changes: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Publish the records that these gateways hold of themselves, with changes, and sign for a day."""
        now = self.world.clock.now()
        for aid in authorities:
            cc = aid[:2]
            if cc not in self.published:
                self.net.delegate(cc, [holder(f"{cc}, first"), holder(f"{cc}, second")], now=now)
                self.published.add(cc)
            record = {**self.world[aid].directory.own.raw, **(changes or {}).get(aid, {})}
            self.net.publication.draft_record(cc, record, state=state_record(cc), now=now)
            role = self.net.publication.states()[cc]
            self.net.sign(role, self.net.speakers[cc], now)
            self.net.publication.publish(now, [role])
        self.net.refresh(now)

    async def refresh(self) -> None:
        """Let every gateway ask the network now."""
        for app in self.world.apps.values():
            await app.networks.refresh(NETWORK)

    def stay_fresh(self, by: timedelta) -> None:
        """Let time pass, and the secretariat sign its timestamp on the way."""
        self.world.advance(by)
        self.net.refresh(self.world.clock.now())
