"""A State of one network lists a key of an authority that only another network lists: nothing comes of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.errors import Refusal
from crypto.keys import KeyUse
from gateway.app import App
from gateway.config import DirectorySettings, HomePaths, NetworkSettings, read_settings, render_settings
from gateway.errors import GatewayRefusal
from gateway.services.diagnosis import Level
from gateway.services.directory.keyholders import key_digest
from gateway.services.health.directorychecks import check_directory
from gateway.services.registry.follower import Fetch, root_digest
from gateway.storage import transmissions
from gateway.storage.keyholders import key_holders
from tests.gateway.services.registry.networks import Net, Server, begin, holder, record, state_record
from tests.world import FakeClock, World, make_lab_home, sample_request

pytestmark = pytest.mark.slow

KE, SG, AT = "ke-ag", "sg-agc", "at-moj"
#: The squatter's network is read first: networks are read in the order of the settings.
FIRST, SECOND = "a-network", "b-network"


@dataclass
class Two:
    """A world whose KE follows two networks; the second one lists KE and SG, the first one AT."""

    world: World
    nets: dict[str, Net]

    @property
    def app(self) -> App:
        return self.world[KE]

    def publish(self, network: str, cc: str, raw: dict[str, Any]) -> None:
        """Let a State sign a record, for a network to publish."""
        net, now = self.nets[network], self.world.clock.now()
        if cc not in net.speakers:
            net.delegate(cc, [holder(f"{cc}, first"), holder(f"{cc}, second")], now=now)
        net.publication.draft_record(cc, raw, state=state_record(cc), now=now)
        role = net.publication.states()[cc]
        net.sign(role, net.speakers[cc], now)
        net.publication.publish(now, [role])
        net.refresh(now)

    async def refresh(self, *names: str) -> None:
        for app in self.world.apps.values():
            for name in names:
                await app.networks.refresh(name)

    def squat(self) -> None:
        """Let Austria list its own authority with all keys of SG as its own."""
        theirs = list(self.world[SG].directory.own.raw["keys"])
        own = record(AT, now=self.world.clock.now())
        self.publish(FIRST, "at", {**own, "keys": [*own["keys"], *theirs]})

    def assert_nothing_is_taken(self) -> None:
        """Every key is SG's, none is AT's, and SG can be written to."""
        directory, now = self.app.directory, self.world.clock.now()
        for row in self.world[SG].directory.own.raw["keys"]:
            assert directory.key_in_force(SG, row["use"], row["kid"]).status == "active"
            with pytest.raises(Refusal):
                directory.key_in_force(AT, row["use"], row["kid"])
        assert set(directory.tls_certificates().values()) == {KE, SG}
        assert directory.encryption_key(SG, now)


@asynccontextmanager
async def two_networks(folder: Path) -> AsyncIterator[Two]:
    clock = FakeClock()
    nets = {name: begin(folder / name, name=name, now=clock.now()) for name in (FIRST, SECOND)}
    servers = {name: Server(net.publication.repository) for name, net in nets.items()}

    def served(settings: NetworkSettings) -> Fetch:
        return servers[settings.name]

    world = World(folder=folder, clock=clock, repositories=served)
    two = Two(world=world, nets=nets)
    followed = tuple(
        NetworkSettings(name=name, root_sha256=root_digest(net.publication.root()), url="https://localhost:1")
        for name, net in nets.items()
    )
    try:
        for aid in (KE, SG):
            await make_lab_home(folder / aid, aid, clock=clock)
            paths = HomePaths(folder / aid)
            settings = msgspec.structs.replace(
                read_settings(paths.settings), directory=DirectorySettings(network=followed)
            )
            paths.settings.write_text(render_settings(settings), encoding="utf-8")
            await world.open(aid)
        for aid in (KE, SG):
            two.publish(SECOND, aid[:2], dict(world[aid].directory.own.raw))
        two.publish(FIRST, "at", record(AT, now=clock.now()))
        await two.refresh(FIRST, SECOND)
        yield two
    finally:
        for aid in tuple(world.apps):
            await world.close(aid)


async def send(two: Two) -> str:
    form, documents = sample_request(1, size=300)
    bid = (await two.world.submit(KE, form, documents)).bid
    await two.world.run()
    row = await two.app.database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row.state


async def test_a_squatter_takes_nothing_now_nor_at_the_next_start_whichever_network_is_read_first(
    tmp_path: Path,
) -> None:
    async with two_networks(tmp_path) as two:
        assert await send(two) == "CONSIGNED"
        two.squat()
        await two.refresh(FIRST)
        two.assert_nothing_is_taken()
        for restart in (two.world.restart, two.world.crash):
            await restart(KE)
            two.assert_nothing_is_taken()
            assert await send(two) == "CONSIGNED"
        found = check_directory(two.app.directory, two.world.clock.now())
        assert any(f.level is Level.YELLOW and AT in f.sentence and SG in f.sentence for f in found)
        await two.world.check()


async def test_while_the_holders_network_cannot_be_read_its_keys_are_nobody_elses(tmp_path: Path) -> None:
    async with two_networks(tmp_path) as two:
        two.squat()
        await two.refresh(FIRST)
        held = await two.app.database.read(key_holders)
        await two.world.close(KE)
        folder = HomePaths(tmp_path / KE).network(SECOND)
        folder.rename(tmp_path / "away")
        app = await two.world.open(KE)
        for row in two.world[SG].directory.own.raw["keys"]:
            with pytest.raises(Refusal):
                app.directory.key_in_force(AT, row["use"], row["kid"])
        assert AT not in app.directory.tls_certificates().values()
        await app.networks.refresh(FIRST)
        assert await app.database.read(key_holders) == held
        await app.networks.refresh(SECOND)
        two.assert_nothing_is_taken()


async def test_whose_a_key_was_may_enrol_by_hand_whoever_else_lists_it(tmp_path: Path) -> None:
    async with two_networks(tmp_path) as two:
        two.squat()
        await two.refresh(FIRST)
        two.app.directory.enrol(two.world[SG].home.enrolment.read_bytes(), now=two.world.clock.now())
        two.assert_nothing_is_taken()


async def test_a_key_of_another_states_authority_is_not_enrolled_while_nobody_lists_it(
    tmp_path: Path,
) -> None:
    async with two_networks(tmp_path) as two:
        await make_lab_home(tmp_path / "gh-ag", "gh-ag", clock=two.world.clock)
        other = await two.world.open("gh-ag")
        before = two.app.directory.issue
        key = other.directory.own.keys_for(KeyUse.ENC)[0]
        two.app.directory.know_holders({key_digest(key.material): (SG, "enc")}, two.world.clock.now())
        with pytest.raises(GatewayRefusal, match="key-conflict"):
            two.app.directory.enrol(other.home.enrolment.read_bytes(), now=two.world.clock.now())
        assert two.app.directory.issue == before
