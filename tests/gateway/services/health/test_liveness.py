"""Probes between whole authorities: answers, their age, what does not answer, who may not speak for whom."""

import dataclasses
import json
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crypto import probe
from crypto.keys import KeyUse
from gateway.errors import GatewayRefusal
from gateway.model.authority import AuthorityID, parse_entry
from gateway.services.directory.views import SourceView
from gateway.services.following.dealings import DEALT_WITH, PER_HOST
from gateway.services.health.liveness import ChannelLife
from gateway.storage import audit, channels, peers
from gateway.storage.database import Transaction
from tests import sampledata
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow
KE, SG, TN = "ke-ag", "sg-agc", "tn-mj"
HTTPS, MAIL = "gateway_https", "email_sealed"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, KE, SG, TN, pull_only=[TN], schemes=[MAIL]) as world:
        yield world


async def life(world: World, aid: str, channel: str, *, at: str = KE) -> ChannelLife:
    [found] = [
        each
        for each in await world[at].liveness.known()
        if (each.authority_id, each.channel) == (aid, channel)
    ]
    return found


async def entered(world: World, aid: str) -> list[tuple[str, str, str | None]]:
    rows = await world[aid].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    return [(b["peer"], b["channel"], b.get("code")) for b in bodies if b["ev"] == "channel.probed"]


async def test_an_answered_probe_is_as_old_as_its_answer(world: World) -> None:
    assert (await life(world, SG, HTTPS)).answered_at is None
    at = world.clock.now()
    found = await world[KE].liveness.probe([SG])
    assert {each.authority_id for each in found} == {SG}
    world.advance(timedelta(days=3))
    assert (await life(world, SG, HTTPS)).answered_at == at
    assert (SG, HTTPS, None) in await entered(world, KE)
    assert await entered(world, SG) == []
    await world.check()


async def test_who_was_named_to_be_asked_and_answers_is_dealt_with_from_then_on(world: World) -> None:
    async def heard() -> dict[str, datetime]:
        return await world[KE].database.read(peers.all_heard)

    await world[KE].liveness.probe()
    await world[KE].liveness.probe_due()
    assert await heard() == {}
    world.faults[KE] = Faults(lose_request=10)
    await world[KE].liveness.probe([SG])
    assert await heard() == {}
    world.faults[KE] = Faults()
    await world[KE].liveness.probe([SG])
    assert await heard() == {SG: world.clock.now()}


async def test_a_probe_that_is_not_answered_keeps_the_age_of_the_answer_before_and_says_why(
    world: World,
) -> None:
    at = world.clock.now()
    await world[KE].liveness.probe([SG])
    world.advance(timedelta(days=3))
    world.faults[KE] = Faults(lose_request=10)
    await world[KE].liveness.probe([SG])
    found = await life(world, SG, HTTPS)
    assert (found.answered_at, found.code) == (at, "unreachable")
    assert found.asked_at == world.clock.now()
    assert (SG, HTTPS, "unreachable") in await entered(world, KE)


async def test_where_answers_come_later_only_the_one_to_the_last_question_counts(world: World) -> None:
    box = world.box(SG, MAIL)
    await world[KE].liveness.probe([SG])
    first = (box / "question.probe").read_text()
    world.advance(timedelta(hours=1))
    await world[KE].liveness.probe([SG])
    second = (box / "question.probe").read_text()
    assert ((await life(world, SG, MAIL)).answered_at, (await life(world, SG, MAIL)).code) == (None, None)
    world.advance(timedelta(hours=5))
    answers = [world[SG].liveness.answer(text, caller=KE) for text in (first, second)]
    assert not await world[KE].liveness.take_answer(answers[0])
    assert (await life(world, SG, MAIL)).answered_at is None
    assert await world[KE].liveness.take_answer(answers[1])
    assert (await life(world, SG, MAIL)).answered_at == world.clock.now()
    # Once it counted, the same answer again is no news.
    world.advance(timedelta(days=1))
    assert not await world[KE].liveness.take_answer(answers[1])
    with pytest.raises(GatewayRefusal, match="not-for-us"):
        await world[SG].liveness.take_answer(answers[1])


async def test_an_authority_that_only_calls_is_as_alive_as_its_last_call(world: World) -> None:
    assert (await life(world, TN, "https_pull")).answered_at is None
    world[KE].presence.heard(TN, world.clock.now())
    await world[KE].presence.aclose()
    found = await life(world, TN, "https_pull")
    assert (found.asked_at, found.answered_at) == (None, world.clock.now())


async def test_each_channel_is_probed_once_a_day(world: World) -> None:
    for box in (world.box(SG, MAIL), world.box(TN, MAIL)):
        assert box.is_dir()
    assert await world[KE].liveness.probe_due() == 3
    assert await world[KE].liveness.probe_due() == 0
    world.advance(timedelta(hours=23))
    assert await world[KE].liveness.probe_due() == 0
    world.advance(timedelta(hours=1))
    assert await world[KE].liveness.probe_due() == 3


def list_many(world: World, count: int) -> list[str]:
    """Let a network list authorities that all name one host; return them."""
    sample = parse_entry({**sampledata.entry(SG), "keys": []})
    https = next(channel for channel in sample.channels if channel.channel == HTTPS)
    entries = {
        f"sg-sample{n}": dataclasses.replace(
            sample,
            authority_id=AuthorityID(f"sg-sample{n}"),
            channels=(dataclasses.replace(https, address=f"https://ONE.example.org:{8000 + n}"),),
        )
        for n in range(count)
    }
    source = SourceView(name="network:fictional", entries=entries, assurance=dict.fromkeys(entries, "state"))
    world[KE].directory.set_source(source, world.clock.now())
    return list(entries)


async def hear_of(world: World, authorities: Iterable[str], at: datetime) -> None:
    def unit(tx: Transaction) -> None:
        for aid in authorities:
            peers.set_heard(tx, aid, at)

    await world[KE].database.write(unit)


async def asked_now(world: World) -> list[str]:
    """Let a gateway probe what is due; return whom of the network it asked."""
    await world[KE].liveness.probe_due()
    now = world.clock.now()
    lives = await world[KE].liveness.known()
    return [each.authority_id for each in lives if each.asked_at == now and "sample" in each.authority_id]


async def test_one_host_gets_few_probes_a_day_however_many_records_name_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        many = list_many(world, 20)
        await hear_of(world, many, world.clock.now())
        asked: list[str] = []
        for _ in range(3):
            found = await asked_now(world)
            assert len(found) == PER_HOST
            asked += found
            world.advance(timedelta(minutes=15))
            assert await asked_now(world) == []
            world.advance(timedelta(days=1))
        # Each has its turn before one is asked again; a person asks as many as he likes.
        assert set(asked) == set(many)
        await world[KE].liveness.probe(many)
        lives = await world[KE].liveness.known()
        assert {each.authority_id for each in lives if each.asked_at == world.clock.now()} == set(many)


async def test_nobody_is_probed_for_a_networks_record_alone(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        [quiet, heard, once] = list_many(world, 3)
        await hear_of(world, [heard], world.clock.now() - DEALT_WITH)
        await hear_of(world, [once], world.clock.now() - DEALT_WITH - timedelta(seconds=1))
        assert await asked_now(world) == [heard]
        assert (await life(world, SG, HTTPS)).answered_at == world.clock.now()
        assert (await life(world, quiet, HTTPS)).asked_at is None


async def test_whom_we_wrote_to_is_probed(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        form, documents = sample_request(1)
        await world.submit(KE, form, documents)
        since = world.clock.now()
        sent = await world[KE].database.read(lambda c: channels.sent_to_since(c, since))
        assert sent == {SG}
        later = since + timedelta(seconds=1)
        assert await world[KE].database.read(lambda c: channels.sent_to_since(c, later)) == set()


async def test_a_probe_of_every_day_is_entered_where_it_comes_out_otherwise(world: World) -> None:
    async def of_one_day(**faults: int) -> list[str | None]:
        known = len(await entered(world, KE))
        world.faults[KE] = Faults(**faults)
        await world[KE].liveness.probe_due()
        world.advance(timedelta(days=1))
        return [code for aid, by, code in (await entered(world, KE))[known:] if (aid, by) == (SG, HTTPS)]

    found = [await of_one_day(lose_request=n) for n in (0, 0, 10, 10, 0, 0)]
    assert found == [[None], [], ["unreachable"], [], [None], []]
    await world[KE].liveness.probe([SG])
    assert (await entered(world, KE))[-1][:1] == (SG,)
    await world.check()


async def test_the_first_answer_that_comes_later_is_entered_and_those_after_it_are_not(world: World) -> None:
    box = world.box(SG, MAIL)
    entries = []
    for _ in range(3):
        await world[KE].liveness.probe_due()
        answer = world[SG].liveness.answer((box / "question.probe").read_text(), caller=KE)
        assert await world[KE].liveness.take_answer(answer)
        entries.append(len([row for row in await entered(world, KE) if row[:2] == (SG, MAIL)]))
        world.advance(timedelta(days=1))
    assert entries == [2, 2, 2]


async def test_nobody_is_asked_who_is_not_listed(world: World) -> None:
    with pytest.raises(GatewayRefusal, match="not-listed"):
        await world[KE].liveness.probe([SG, "xx-nobody"])
    assert await entered(world, KE) == []


async def test_a_question_of_another_than_the_caller_is_not_answered(world: World) -> None:
    now = world.clock.now()
    signer = world[KE].keyring.signer(KeyUse.REQ, now)
    question = probe.ask(signer, sender=KE, to=SG, channel=HTTPS, now=now)
    assert world[SG].liveness.answer(question, caller=KE)
    with pytest.raises(GatewayRefusal, match="auth-invalid"):
        world[SG].liveness.answer(question, caller=TN)
    with pytest.raises(GatewayRefusal, match="not-for-us"):
        world[TN].liveness.answer(question, caller=KE)


async def test_a_key_that_was_not_in_force_signs_no_question(world: World) -> None:
    now = world.clock.now()
    signer = world[KE].keyring.signer(KeyUse.REQ, now)
    early = probe.ask(signer, sender=KE, to=SG, channel=HTTPS, now=now - timedelta(days=2))
    with pytest.raises(GatewayRefusal, match="sig-revoked"):
        world[SG].liveness.answer(early, caller=KE)


@pytest.mark.parametrize("wrong", ["channel", "question", "nothing"])
async def test_an_answer_to_something_else_does_not_count(
    world: World, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = world.clock.now()

    def answer(_text: str, *, caller: str) -> str:
        if wrong == "nothing":
            return "not signed"
        own = probe.ask(world[KE].keyring.signer(KeyUse.REQ, now), sender=KE, to=SG, channel=HTTPS, now=now)
        asked = probe.Probe(
            sender=KE,
            to=SG,
            channel=MAIL if wrong == "channel" else HTTPS,
            question=probe.question_digest(own if wrong == "question" else _text),
            at=now,
        )
        return probe.answer(world[SG].keyring.signer(KeyUse.REQ, now), asked, now)

    monkeypatch.setattr(world[SG].liveness, "answer", answer)
    await world[KE].liveness.probe([SG])
    found = await life(world, SG, HTTPS)
    assert found.answered_at is None
    assert found.code == ("malformed" if wrong == "nothing" else "answer-mismatch")
