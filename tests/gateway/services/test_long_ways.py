"""Bundles that arrive late, damaged at first, under other keys, or while the database was away."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.bundle import Opener, container_prefix
from gateway.app import make_home
from gateway.config import (
    AuthoritySettings,
    DatabaseSettings,
    DutySettings,
    HomePaths,
    PeerSettings,
    Settings,
)
from gateway.errors import StorageUnavailable
from gateway.services.container import load_container
from gateway.services.home import HomePlan, plan_record
from gateway.storage import bundles, receipts, transmissions
from gateway.storage.migrate import may_alter_audit_log
from tests.postgres import Cluster, postgresql_cluster
from tests.sampledata import sample
from tests.world import FakeClock, Faults, World, sample_request

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow


async def finish(world: World, sender: str, to: str, bid: str, folder: Path) -> None:
    """Let the recipient open and acknowledge, and see it received alike, with one receipt of each kind."""
    await world[to].cases.open(f"{sender}/{bid}", folder / bid)
    await world[to].cases.acknowledge(f"{sender}/{bid}", officer="op-1", reference="R/1")
    await world.run_for(timedelta(minutes=2), step=timedelta(minutes=1))
    for aid in (sender, to):
        assert (await world[aid].cases.status(f"{sender}/{bid}")).state == "received"
    own = await world[to].database.read(lambda c: receipts.own_receipts(c, iss=to, sender=sender, bid=bid))
    assert [row.type for row in own] == ["consignment", "handover"]


async def offsets(world: World, sender: str, bid: str) -> dict[str, int]:
    """Return one offset within each region of a container."""
    rows = await world[sender].database.read(lambda c: bundles.envelopes_of(c, sender, bid))
    env = Opener().parse(rows[-1].jws)
    signature = env.jws.rindex(b".") + 13
    return {
        "magic": 3,
        "length": 10,
        "header": 12 + 5,
        "payload": 12 + len(env.jws) // 4,
        "signature": 12 + signature,
        "part 0": env.part_offset(0),
        "form": env.part_offset(1) + 100,
        "document": env.part_offset(2) + 57,
        "last byte": env.container_size - 1,
    }


@pytest.mark.parametrize(
    ("sender", "to", "number"), [("ke-ag", "sg-agc", 1), ("eg-ppo", "tn-mj", 5)], ids=["pushed", "pulled"]
)
async def test_one_byte_damaged_anywhere_on_the_way_still_ends_received_once(
    tmp_path: Path, sender: str, to: str, number: int
) -> None:
    pull_only = ["tn-mj"] if to == "tn-mj" else []
    async with World.create(tmp_path, sender, to, pull_only=pull_only) as world:
        caller = to if pull_only else sender
        form, documents = sample_request(number, size=500)
        regions = await offsets(world, sender, (await world.submit(sender, form, documents)).bid)
        await world.run()
        for region in regions:
            form, documents = sample_request(number, size=500)
            form["reference_requesting"] = f"X/{region}"
            sent = await world.submit(sender, form, documents)
            at = (await offsets(world, sender, sent.bid))[region]
            faults = world.faults[caller] = Faults(flip_byte=1, flip_at=at)
            await world.run_for(timedelta(minutes=3), step=timedelta(minutes=1))
            assert not faults.flip_byte
            row = await world[sender].database.read(
                lambda c, bid=sent.bid: transmissions.find_transmission(c, sender, bid, to)
            )
            assert row is not None
            assert (row.state, row.attempts) == ("CONSIGNED", 2), region
            await finish(world, sender, to, sent.bid, tmp_path)
        await world.check()


async def repeat(world: World, sender: str, to: str, container: bytes) -> list[str]:
    """Send a container once more, as a PUT would, and return the receipts of the answer."""
    bid = Opener().parse(container[12 : 12 + int.from_bytes(container[8:12], "big")]).bid
    intake = await world[to].acceptor.begin(
        caller=sender, jti=secrets.token_hex(8), exp=world.clock.now(), sender=sender, bid=bid
    )
    await intake.feed(container)
    answer = await intake.finish()
    assert answer.status == 200
    return [row["jws"] for row in answer.body["receipts"]]


async def test_a_bundle_first_delivered_on_day_13_under_new_keys_is_accepted_once(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        await world.close("sg-agc")
        await world.run_for(timedelta(days=13), step=timedelta(hours=6))
        row = await world["ke-ag"].database.read(
            lambda c: transmissions.find_transmission(c, "ke-ag", sent.bid, "sg-agc")
        )
        assert row is not None
        assert row.state == "QUEUED"

        # Meanwhile both rotated everything, and the key it was sealed for is no more.
        peer, own = await world.open("sg-agc"), world["ke-ag"]
        peer.keyring.destroy_expired(world.clock.now(), kept=timedelta(days=-10_000))
        await peer.desk.upkeep.rotate(["sig", "enc", "req", "rcpt", "tls"])
        await own.desk.upkeep.rotate(["sig", "enc", "req", "rcpt", "tls"])
        peer.directory.enrol(own.home.enrolment.read_bytes(), now=world.clock.now())
        own.presence.heard("sg-agc", world.clock.now())
        await own.presence.aclose()
        await world.run()
        row = await own.database.read(
            lambda c: transmissions.find_transmission(c, "ke-ag", sent.bid, "sg-agc")
        )
        assert row is not None
        assert (row.state, row.last_code, row.next_action) == ("QUEUED", "key-expired", "rewrap")

        own.directory.enrol(peer.home.enrolment.read_bytes(), now=world.clock.now())
        await world.run_for(timedelta(hours=2), step=timedelta(minutes=30))
        held = await peer.database.read(lambda c: bundles.find_bundle(c, "ke-ag", sent.bid))
        assert held is not None
        assert (held.rev, held.state) == (1, "released")
        await finish(world, "ke-ag", "sg-agc", sent.bid, tmp_path)

        # The same again, as re-wrapped and as it was first signed: the stored receipts, byte for byte.
        stored = await peer.database.read(
            lambda c: receipts.own_receipts(c, iss="sg-agc", sender="ke-ag", bid=sent.bid)
        )
        source = await load_container(own.database, own.blobs, "ke-ag", sent.bid)
        container = b"".join([chunk async for chunk in source.stream(0)])
        envelopes = await own.database.read(lambda c: bundles.envelopes_of(c, "ke-ag", sent.bid))
        assert [one.rev for one in envelopes] == [0, 1]
        parts = container[len(container_prefix(envelopes[1].jws)) :]
        for envelope in envelopes:
            again = await repeat(world, "ke-ag", "sg-agc", container_prefix(envelope.jws) + parts)
            assert again == [row.jws for row in stored]
        for aid in ("ke-ag", "sg-agc"):
            await world.restart(aid)
        await world.check()


@asynccontextmanager
async def on_postgresql(folder: Path, cluster: Cluster, *authorities: str) -> AsyncIterator[World]:
    """Make homes whose gateway runs under a role that owns nothing, and open them."""
    world = World(folder=folder, clock=FakeClock())
    made: list[tuple[str, str]] = []
    try:
        for aid in authorities:
            name, role = f"t{secrets.token_hex(8)}", f"gateway{secrets.token_hex(8)}"
            await cluster.run(f"CREATE DATABASE {name}", f"CREATE ROLE {role} LOGIN")
            made.append((name, role))
            settings = Settings(
                authority=AuthoritySettings(id=aid, state=aid[:2].upper(), name=aid, network="lab"),
                database=DatabaseSettings(url=cluster.url(name, user=role)),
                peer=PeerSettings(listen="127.0.0.1:8443"),
                duty=DutySettings(origin=f"https://duty.{aid}.example"),
            )
            record, state = plan_record(
                settings=settings, address="https://127.0.0.1:8443", given=sample("directory.json")
            )
            plan = HomePlan(settings=settings, record=record, state=state)
            await make_home(HomePaths(folder / aid), plan, clock=world.clock, owner_url=cluster.url(name))
            await world.open(aid)
        for app in world.apps.values():
            for other in world.apps.values():
                if other is not app:
                    app.directory.enrol(other.home.enrolment.read_bytes(), now=world.clock.now())
        yield world
    finally:
        for aid in tuple(world.apps):
            await world.close(aid)
        for name, role in made:
            await cluster.run(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {role}")


@pytest.fixture
def stoppable(postgresql_cluster: Cluster) -> Iterator[Cluster]:
    """The server, running again afterwards whatever the test did."""
    yield postgresql_cluster
    postgresql_cluster.stop()
    postgresql_cluster.start()


async def test_a_database_server_that_goes_away_and_comes_back_costs_time_and_nothing_else(
    tmp_path: Path, stoppable: Cluster
) -> None:
    async with on_postgresql(tmp_path, stoppable, "ke-ag", "sg-agc") as world:
        for app in world.apps.values():
            assert not await app.database.read(may_alter_audit_log)
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        (job,) = await world["ke-ag"].courier.claim("routine", 4)
        stoppable.stop()
        second, more = sample_request(1)
        second["reference_requesting"] = "KE/2"
        with pytest.raises(StorageUnavailable):
            await world.submit("ke-ag", second, more)
        with pytest.raises(StorageUnavailable):
            await world["ke-ag"].courier.attempt(job)
        stoppable.start()

        later = await world.submit("ke-ag", second, more)
        await world.run_for(timedelta(minutes=6), step=timedelta(minutes=3))
        for bid in (sent.bid, later.bid):
            await finish(world, "ke-ag", "sg-agc", bid, tmp_path)
        rows = await world["ke-ag"].database.read(
            lambda c: transmissions.transmissions_of(c, "ke-ag", sent.bid)
        )
        assert [row.attempts for row in rows] == [1]
        await world.check()
