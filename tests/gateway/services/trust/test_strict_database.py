"""The same on PostgreSQL, and what a strict database would refuse if it reached it as it came."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.model.opening import opening_context
from gateway.services.sending.submit import Submission
from gateway.storage import drills, oral, trust
from tests.gateway.services.oral.test_oral import DE, GB, said, written
from tests.gateway.services.test_long_ways import on_postgresql
from tests.hostile import craft, send
from tests.postgres import Cluster, postgresql_cluster
from tests.world import World, sample_request

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow

US, RO = "us-ccips", "ro-diicot"


async def test_drills_and_second_persons_on_postgresql(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    async with on_postgresql(tmp_path, postgresql_cluster, US, RO) as world:
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        sent = await world.submit(RO, form, documents)
        await world.run()
        card = await world[US].desk.trust.cards.card(sent.bid)
        assert card.check_words is not None
        call = await world[RO].desk.trust.callbacks.start(sent.bid, officer="A-7")
        world.advance(timedelta(minutes=61))
        await world[RO].watch.look()
        await world[RO].desk.trust.callbacks.record(
            call.id, officer="A-7", outcome="confirmed", words=card.check_words, spoken_with="duty-officer"
        )
        row = await world[RO].database.read(lambda c: trust.find_second(c, RO, sent.bid))
        assert row is not None
        assert row.told_at is not None
        assert row.closed_by == "callback"
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        other = await world.submit(RO, form, documents)
        await world[RO].desk.trust.seconds.sign(other.bid, officer="A-7")
        await world.run()
        card = await world[US].desk.trust.cards.card(other.bid)
        assert [each.officer for each in card.stood_by] == ["A-7"]

        await world[US].desk.trust.drills.run("bilateral", officer="L-1")
        await world.run()
        await world[RO].watch.look()
        answer = await world[RO].desk.trust.drills.acknowledge(US, officer="D-9")
        assert isinstance(answer, Submission)
        await world.run()
        (point,) = (await world[US].desk.trust.drills.report()).points
        assert (point.person_took, point.assurance) == (None, "local_operator")
        assert point.unsigned_took is not None
        await _hostile_tests(world)
        await world.check()


async def _hostile_tests(world: World) -> None:
    """Test messages with members of any length, and with letters that no column takes."""
    for drill_id in ("x\0y", "\u202e" * 3, "d" * 5000):
        form = _message(US, RO, "test_message", {"drill_id": drill_id, "answer_wanted": True})
        await send(world[RO], craft(world[US], world[RO], form, {}, context=opening_context(form)))
    rows = await world[RO].database.read(drills.open_received)
    found = {row.drill_id for row in rows}
    assert found <= {"xy", "-", "d" * 64}
    assert "d" * 64 in found


async def test_oral_requests_on_postgresql(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    async with on_postgresql(tmp_path, postgresql_cluster, DE, GB) as world:
        note = await world[DE].desk.trust.oral.note(said(), officer="D-1")
        assert isinstance(note, Submission)
        await world.run()
        world.advance(timedelta(hours=25))
        for aid in (DE, GB):
            await world[aid].watch.look()
        form, attachments = written(relation="related")
        await world[DE].desk.trust.oral.confirm(note.bid, form, officer="A-1", attachments=attachments)
        await world.run()
        for aid in (DE, GB):
            (row,) = await world[aid].database.read(lambda c: oral.newest_orals(c, 9))
            assert (row.alerts, row.next_action_at) == (1, None)
        for kind, level in (("k\0", "l\0"), ("k" * 500, "l" * 500)):
            content = {**said().call.content(), "request_kind": kind, "urgency_level": level}
            hostile = _message(DE, GB, "oral_request_note", content)
            await send(world[GB], craft(world[DE], world[GB], hostile, {}, context=opening_context(hostile)))
        rows = await world[GB].database.read(lambda c: oral.newest_orals(c, 9))
        assert {row.request_kind for row in rows} == {"mla", "unknown"}


def _message(own: str, to: str, message_type: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "message_type": message_type,
        "message_id": f"{own}/{secrets.token_hex(16)}",
        "thread": {
            "thread_id": secrets.token_hex(16),
            "requesting": {"authority_id": own, "reference": "X/1"},
            "requested": {"authority_id": to, "reference": None},
        },
        "in_reply_to": None,
        "side": "requesting",
        "seq": 1,
        "seen": 0,
        "author": {"authority_id": own, "office": "desk", "function": "desk", "role": "duty_officer"},
        "addressee": {"authority_id": to},
        "created_at": "2026-11-21T09:00:00Z",
        "language": "en",
        "translations": [],
        "attachments": [],
        "human": {"assurance": "local_operator", "officer": "D-1", "assertion": None},
        "content": content,
    }
