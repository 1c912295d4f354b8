"""Tasks: raised once, shown to people, and closed when what they asked for has happened."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.services.health.doctor import check_tasks
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import audit, bundles, peers
from gateway.storage.database import Transaction
from tests.hostile import Crafted, craft, receipt_from, send, verdict
from tests.sampledata import sample
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG) as world:
        yield world


async def events(world: World, aid: str) -> list[str]:
    """Return the names of all events in an authority's log."""
    rows = await world[aid].database.read(lambda c: audit.leaves(c, 0, audit.log_size(c)))
    return [json.loads(leaf)["ev"] for _, leaf in rows]


async def test_a_task_is_raised_once_and_a_repeat_only_shows_it_later(world: World) -> None:
    now = world.clock.now()

    def unit(tx: Transaction, hours: int = 0) -> None:
        raise_task(
            tx,
            kind="transmission",
            sender=KE,
            bid="a" * 32,
            thread_id=None,
            owner="operator",
            code="policy",
            now=now,
            shown_again_at=now + timedelta(hours=hours),
        )

    app = world[KE]
    await app.database.write(unit)
    await asyncio.gather(*(app.database.write(partial(unit, hours=hours)) for hours in (1, 2)))
    (task,) = await app.database.read(peers.open_tasks)
    assert task.next_action_at == now + timedelta(hours=2)
    assert (await events(world, KE)).count("task.raised") == 1

    await app.database.write(
        lambda tx: close_tasks(tx, kind="transmission", sender=KE, bid="b" * 32, now=now)
    )
    assert len(await app.database.read(peers.open_tasks)) == 1
    await app.database.write(
        lambda tx: close_tasks(tx, kind="transmission", sender=KE, bid="a" * 32, now=now)
    )
    assert await app.database.read(peers.open_tasks) == []
    assert (await events(world, KE)).count("task.closed") == 1


async def test_a_withdrawal_before_its_time_is_told_at_once_and_has_its_effect_later(world: World) -> None:
    form, documents = sample_request(1)
    sent = await world.submit(KE, form, documents)
    await world.run()
    context = await world[KE].submitter._casebook.context(sent.thread_id, SG)

    def stop(seq: int) -> Crafted:
        said = sample("messages/11_withdrawal_en.json")
        said |= {"message_id": f"{KE}/{secrets.token_hex(16)}", "seq": seq, "seen": 0, "in_reply_to": None}
        said["thread"] |= {"thread_id": sent.thread_id}
        return craft(world[KE], world[SG], said, {}, context=context)

    before = await world[SG].cases.status(f"{KE}/{sent.bid}")
    early = stop(3)
    assert verdict(await send(world[SG], early)) == ("consignment", None)
    held = await world[SG].cases.status(f"{KE}/{sent.bid}")
    assert (held.state, held.messages[-1].effect) == (before.state, "held")
    assert [(task.code, task.bid) for task in held.tasks] == [("early-stop", early.bid)]
    assert verdict(await send(world[SG], stop(2))) == ("consignment", None)
    after = await world[SG].cases.status(f"{KE}/{sent.bid}")
    assert (after.tasks, "held" in {message.effect for message in after.messages}) == ([], False)


async def test_an_overdue_case_has_one_task_however_long_it_waits_until_somebody_acts(world: World) -> None:
    form, documents = sample_request(1)
    sent = await world.submit(KE, form, documents)
    await world.run()
    ref = f"{KE}/{sent.bid}"
    for _ in range(5):
        world.clock.at += timedelta(days=12)
        await world[SG].watch.look()
    (task,) = (await world[SG].cases.status(ref)).tasks
    assert (task.code, task.sender, task.thread_id) == ("overdue", KE, sent.thread_id)
    found = [d for d in await world[SG].desk.doctor.examine() if d.check == "tasks"]
    assert [d.level for d in found] == ["yellow"]
    assert "1 task waits" in found[0].sentence
    assert ref in found[0].action

    await world[SG].cases.acknowledge(ref, officer="op-17")
    assert (await world[SG].cases.status(ref)).tasks == []
    assert (await events(world, SG)).count("task.closed") == 1


async def test_a_task_about_a_transmission_closes_once_the_peer_has_it(world: World) -> None:
    form, documents = sample_request(1)
    sent = await world.submit(KE, form, documents)
    app = world[KE]
    held = await app.database.read(lambda c: bundles.find_bundle(c, KE, sent.bid))
    assert held is not None
    problem = {"from": KE, "bid": sent.bid, "envelope": held.envelope_sha256, "code": "policy"}
    await app.receipt_desk.take(caller=SG, jti=None, exp=None, body={"problems": [problem]})
    (task,) = (await app.cases.status(sent.bid)).tasks
    assert (task.code, task.kind, task.bid) == ("policy", "transmission", sent.bid)

    about = {
        "sender": KE,
        "bid": sent.bid,
        "envelope": held.envelope_sha256,
        "manifest": held.manifest_sha256,
    }
    receipt = {"jws": receipt_from(world[SG], **about)}
    await app.receipt_desk.take(caller=SG, jti=None, exp=None, body={"receipts": [receipt]})
    status = await app.cases.status(sent.bid)
    assert (status.transmissions[0].state, status.tasks) == ("CONSIGNED", [])
    assert (await events(world, KE)).count("task.closed") == 1


async def test_a_false_place_in_a_peers_log_is_entered_and_its_receipt_counts(world: World) -> None:
    form, documents = sample_request(1)
    sent = await world.submit(KE, form, documents)
    held = await world[KE].database.read(lambda c: bundles.find_bundle(c, KE, sent.bid))
    assert held is not None
    about = {
        "sender": KE,
        "bid": sent.bid,
        "envelope": held.envelope_sha256,
        "manifest": held.manifest_sha256,
    }
    receipt = {"jws": receipt_from(world[SG], **about), "leaf": "x", "salt": "x", "body": "{}", "proof": "x"}
    await world[KE].receipt_desk.take(caller=SG, jti=None, exp=None, body={"receipts": [receipt]})
    assert (await world[KE].cases.status(sent.bid)).transmissions[0].state == "CONSIGNED"
    rows = await world[KE].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    assert [body["code"] for body in bodies if body["ev"] == "receipt.refused"] == ["proof-invalid"]


async def test_the_log_tells_when_a_case_was_opened_and_a_storage_key_made(world: World) -> None:
    form, documents = sample_request(1)
    await world.submit(KE, form, documents)
    await world.run()
    for aid in (KE, SG):
        found = await events(world, aid)
        assert (found.count("case.opened"), found.count("storage_key.created")) == (1, 1), aid


@pytest.mark.parametrize(("lists_medium", "kept"), [(False, 60), (True, 180)])
async def test_an_encryption_key_is_destroyed_some_time_after_its_end_and_that_is_entered(
    world: World, lists_medium: bool, kept: int
) -> None:
    app = world[KE]
    own = dict(app.directory.own.raw)
    assert "offline_media" in {row["channel"] for row in own["channels"]}
    if not lists_medium:
        own["channels"] = [row for row in own["channels"] if row["channel"] != "offline_media"]
        app.directory.update_own(own, world.clock.now())
    (kid,) = app.keyring.enc_kids()
    await app.desk.upkeep.rotate(["enc"])
    world.clock.at += timedelta(days=90 + kept - 1)
    await app.watch.look()
    assert kid in app.keyring.enc_kids()
    world.clock.at += timedelta(days=2)
    await app.watch.look()
    await app.watch.look()
    assert app.keyring.enc_kids() == frozenset()
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    assert kid in [body["kid"] for body in bodies if body["ev"] == "key.destroyed"]
    assert (await events(world, KE)).count("key.destroyed") == 2


def test_the_doctor_is_green_where_nothing_waits() -> None:
    assert [d.level for d in check_tasks(0, None, "")] == ["green"]
