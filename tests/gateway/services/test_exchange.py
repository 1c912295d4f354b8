"""Two or more authorities exchange sealed requests: the main story, and everything the wire does wrong."""

import json
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.storage import receipts, transmissions
from tests.storedcases import all_cases
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow


async def states(world: World, sender: str, to: str, bid: str) -> tuple[str, str, str]:
    """Return transmission state, and case state at the sender and at the recipient."""
    row = await world[sender].database.read(lambda c: transmissions.find_transmission(c, sender, bid, to))
    assert row is not None
    here = await world[sender].cases.status(f"{sender}/{bid}")
    there = await world[to].cases.status(f"{sender}/{bid}")
    return row.state, here.state, there.state


async def test_a_request_arrives_is_opened_and_acknowledged_and_both_sides_agree(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        await world.run()
        assert await states(world, "ke-ag", "sg-agc", sent.bid) == ("CONSIGNED", "delivered", "delivered")

        opened = await world["sg-agc"].cases.open(f"ke-ag/{sent.bid}", tmp_path / "opened")
        written = {Path(f.path).name: Path(f.path).read_bytes() for f in opened.files}
        assert set(documents.values()) <= set(written.values())
        await world.run()
        await world["sg-agc"].cases.acknowledge(f"ke-ag/{sent.bid}", officer="op-17", reference="SG/1")
        await world.run()

        assert await states(world, "ke-ag", "sg-agc", sent.bid) == ("HANDED_OVER", "received", "received")
        here = await world["ke-ag"].cases.status("SG/1")
        assert here.reference_requested == "SG/1"
        kinds = [(r.type, r.in_log) for r in await world["ke-ag"].cases.receipts(sent.bid)]
        assert kinds == [("submission", True), ("consignment", True), ("handover", True)]
        await world.check()


async def test_a_preservation_request_ends_acknowledged_by_a_person(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ro-diicot", "us-ccips") as world:
        form, documents = sample_request(3)
        sent = await world.submit("ro-diicot", form, documents)
        assert sent.lane == "urgent"
        await world.run()
        await world["us-ccips"].cases.acknowledge(f"ro-diicot/{sent.bid}", officer="duty-3")
        await world.run()
        here = await world["ro-diicot"].cases.status(sent.bid)
        assert here.state == "preservation_acknowledged"
        await world.check()


@pytest.mark.parametrize("fault", ["lose_request", "lose_answer", "flip_byte", "cut", "duplicates"])
async def test_trouble_on_the_way_ends_in_one_delivery(tmp_path: Path, fault: str) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        setattr(
            world.faults.setdefault("ke-ag", Faults()),
            fault,
            2,
        )
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        await world.run_for(timedelta(minutes=10), step=timedelta(seconds=30))
        assert await states(world, "ke-ag", "sg-agc", sent.bid) == ("CONSIGNED", "delivered", "delivered")
        own = await world["sg-agc"].database.read(
            lambda c: receipts.own_receipts(c, iss="sg-agc", sender="ke-ag", bid=sent.bid)
        )
        assert [row.type for row in own] == ["consignment"]
        await world.check()


async def test_an_authority_that_only_calls_out_gets_its_request_and_answers(tmp_path: Path) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"]) as world:
        form, documents = sample_request(5)
        sent = await world.submit("eg-ppo", form, documents)
        assert sent.channel == "https_pull"
        await world.run()
        assert await states(world, "eg-ppo", "tn-mj", sent.bid) == ("CONSIGNED", "delivered", "delivered")
        await world["tn-mj"].cases.open(f"eg-ppo/{sent.bid}", tmp_path / "opened")
        await world["tn-mj"].cases.acknowledge(f"eg-ppo/{sent.bid}", officer="op-2")
        await world.run()
        assert await states(world, "eg-ppo", "tn-mj", sent.bid) == ("HANDED_OVER", "received", "received")
        await world.check()


async def test_a_sender_that_only_calls_out_learns_of_handover_and_acknowledgement(tmp_path: Path) -> None:
    async with World.create(tmp_path, "gh-ag", "ng-fmj", pull_only=["gh-ag"]) as world:
        form, documents = sample_request(6)
        sent = await world.submit("gh-ag", form, documents)
        await world.run()
        await world["ng-fmj"].cases.open(f"gh-ag/{sent.bid}", tmp_path / "opened")
        await world["ng-fmj"].cases.acknowledge(f"gh-ag/{sent.bid}", officer="op-5")
        await world.run()
        assert await states(world, "gh-ag", "ng-fmj", sent.bid) == ("HANDED_OVER", "received", "received")
        await world.check()


@pytest.mark.parametrize("fault", ["lose_request", "lose_answer", "flip_byte", "cut"])
async def test_trouble_while_pulling_ends_in_one_delivery(tmp_path: Path, fault: str) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"]) as world:
        form, documents = sample_request(5)
        sent = await world.submit("eg-ppo", form, documents)
        await world.step()
        setattr(world["tn-mj"].adapter.faults, fault, 2)
        await world.run_for(timedelta(minutes=10), step=timedelta(seconds=30))
        assert await states(world, "eg-ppo", "tn-mj", sent.bid) == ("CONSIGNED", "delivered", "delivered")
        await world.check()


async def test_a_used_message_id_is_refused_and_one_without_thread_is_given_one(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        form, documents = sample_request(1)
        await world.submit("ke-ag", form, documents)
        with pytest.raises(GatewayRefusal) as refused:
            await world.submit("ke-ag", form, documents)
        assert refused.value.code == "duplicate"
        del form["thread"]
        form["reference_requesting"] = "KE/2"
        second = await world.submit("ke-ag", form, documents)
        await world.run()
        assert await states(world, "ke-ag", "sg-agc", second.bid) == ("CONSIGNED", "delivered", "delivered")
        await world.check()


async def test_a_message_id_of_another_authority_is_refused_and_nothing_is_queued(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        form, documents = sample_request(1)
        form["thread"]["message_id"] = f"sg-agc/{secrets.token_hex(16)}"
        with pytest.raises(GatewayRefusal) as refused:
            await world.submit("ke-ag", form, documents)
        assert refused.value.code == "not-own-message"
        assert await world["ke-ag"].database.read(lambda c: all_cases(c, 10)) == []


async def test_both_sides_open_the_request_after_every_key_was_rotated_and_400_days(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        form, documents = sample_request(1)
        sent = await world.submit("ke-ag", form, documents)
        await world.run()
        for _ in range(5):
            world.advance(timedelta(days=80))
            for aid, app in world.apps.items():
                app.keyring.rotate(
                    ["sig", "enc", "req", "rcpt", "tls"],
                    now=world.clock.now(),
                    hosts=[f"gw.{aid}.example.org"],
                )
                app.keyring.destroy_expired(world.clock.now())
        for aid in ("ke-ag", "sg-agc"):
            app = await world.restart(aid)
            opened = await app.cases.open(f"ke-ag/{sent.bid}", tmp_path / f"opened-{aid}")
            written = [Path(f.path).read_bytes() for f in opened.files]
            assert all(data in written for data in documents.values())
            form_file = next(Path(f.path) for f in opened.files if f.filename == "request.json")
            assert json.loads(form_file.read_bytes()) == form
        assert len(world["sg-agc"].keyring.enc_kids()) < 6
