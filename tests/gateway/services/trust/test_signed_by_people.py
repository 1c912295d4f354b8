"""Drills, oral notes and second persons where officers have passkeys: what they sign, and who may."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.drills import Verdict
from gateway.services.acts.acts import PreparedAct
from gateway.storage import drills, oral, trust
from tests.gateway.services.oral.test_oral import said
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

US, RO = "us-ccips", "ro-diicot"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, US, RO) as made:
        yield made


async def test_a_drill_is_answered_with_a_passkey_and_the_scorecard_says_so(world: World) -> None:
    phone = await enrolled(world[RO], "ro-do-01")
    await world[US].desk.trust.drills.run("bilateral", officer="L-1")
    await world.run()
    act = await world[RO].desk.trust.drills.acknowledge(US, officer="ro-do-01")
    assert isinstance(act, PreparedAct)
    assert len(await world[RO].database.read(drills.open_received)) == 1, "nothing is answered unsigned"
    await signed(world[RO], act, phone)
    await world.run()
    (point,) = (await world[US].desk.trust.drills.report()).points
    assert (point.assurance, point.verdict) == ("passkey", Verdict.READY)
    assert await world[RO].database.read(drills.open_received) == []


async def test_an_oral_note_is_an_act_that_its_officer_signs(tmp_path: Path) -> None:
    async with World.create(tmp_path, "de-bfj", "gb-ukca") as world:
        app = world["de-bfj"]
        phone = await enrolled(app, "de-do-01")
        act = await app.desk.trust.oral.note(said(), officer="de-do-01")
        assert await app.database.read(lambda c: oral.newest_orals(c, 9)) == []
        await signed(app, act, phone)
        await world.run()
        for each in world.apps.values():
            (row,) = await each.database.read(lambda c: oral.newest_orals(c, 9))
            assert row.confirmed_at is None
        await world.check()


async def test_an_emergency_signed_by_one_passkey_still_owes_a_second_person_who_may_approve(
    world: World,
) -> None:
    app = world[RO]
    phone = await enrolled(app, "ro-do-01")
    await enrolled(app, "ro-do-02")
    approver = await enrolled(app, "ro-ap-01", role="approver", second="ro-do-02")
    form, _ = sample_request(3)
    form["urgency"]["level"] = "emergency"
    form["attachments"] = []
    form["translations"] = []
    form["created_at"] = "2026-11-21T09:00:00Z"
    sent = await signed(app, await app.acts.perform(form, officer="ro-do-01"), phone)
    desk = app.desk.trust.seconds
    for officer, code in (
        ("ro-do-01", "second-same-person"),
        ("ro-do-02", "second-not-approver"),
        ("nobody-here", "second-not-approver"),
    ):
        with pytest.raises(GatewayRefusal, match=code):
            await desk.sign(sent.bid, officer=officer)
    row = await app.database.read(lambda c: trust.find_second(c, RO, sent.bid))
    assert row is not None
    assert (row.officer, row.closed_at) == ("ro-do-01", None)
    await signed(app, (await desk.sign(sent.bid, officer="ro-ap-01")).made, approver)
    row = await app.database.read(lambda c: trust.find_second(c, RO, sent.bid))
    assert row is not None
    assert row.closed_by == "signature"
