"""The crash table's rows about second persons, call-backs, oral requests and drills.

Whatever a power cut leaves, what is owed stays owed, ends once, and is told once.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app import App
from gateway.errors import GatewayError
from gateway.model.drills import TestState
from gateway.storage import audit, drills, oral, trust
from tests.gateway.services.oral.test_oral import DE, GB, said, written
from tests.gateway.services.test_crashes import Fuse
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

RO, US = "ro-diicot", "us-ccips"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Stage = tuple[str, Callable[[], Awaitable[object]]]


async def entered(app: App, event: str) -> int:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return sum(json.loads(row.body)["ev"] == event for row in rows)


async def tell(
    world: World, stages: list[Stage], *, stage: str, victim: str, nth: int, is_kept: bool
) -> None:
    """Go through the stages; in one of them a COMMIT of the victim is hit, and people repeat that stage."""
    for name, act in stages:
        if name == stage:
            fuse = world.commits[victim] = Fuse(nth, is_kept)
            with suppress(GatewayError):
                await act()
            assert fuse.blown, "the step names a COMMIT that does not happen"
            await world.crash(victim)
        with suppress(GatewayError):
            await act()
        for _ in range(3):
            world.advance(MINUTE)
            await world.run()


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize("stage", ["submit", "missed", "start", "record"])
async def test_after_a_power_cut_a_second_person_is_owed_told_of_and_found_once(
    tmp_path: Path, stage: str, is_kept: bool
) -> None:
    async with World.create(tmp_path, RO, US) as world:
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        bid = str(form["thread"]["message_id"]).split("/")[1]
        calls: list[str] = []
        words: list[str] = []

        async def submit() -> None:
            await world.submit(RO, form, documents)

        async def missed() -> None:
            world.advance(61 * MINUTE)
            await world[RO].watch.look()

        async def start() -> None:
            script = await world[RO].desk.trust.callbacks.start(bid, officer="A-7")
            calls.append(script.id)
            words.append(script.words)

        async def record() -> None:
            await world[RO].desk.trust.callbacks.record(
                calls[-1], officer="A-7", outcome="confirmed", words=words[-1], spoken_with="duty-officer"
            )

        stages: list[Stage] = [("submit", submit), ("missed", missed), ("start", start), ("record", record)]
        await tell(world, stages, stage=stage, victim=RO, nth=1, is_kept=is_kept)
        row = await world[RO].database.read(lambda c: trust.find_second(c, RO, bid))
        assert row is not None
        assert (row.closed_by, row.next_action_at) == ("callback", None)
        for event in ("second_signature.owed", "second_signature.missed", "second_signature.closed"):
            assert await entered(world[RO], event) == 1, event
        assert await entered(world[RO], "callback.recorded") == 1
        await world.check()


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize("stage", ["prepare", "sign"])
async def test_after_a_power_cut_a_second_signature_is_sent_once_and_ends_what_is_owed_once(
    tmp_path: Path, stage: str, is_kept: bool
) -> None:
    async with World.create(tmp_path, RO, US) as world:
        form, documents = sample_request(3)
        form["urgency"]["level"] = "emergency"
        bid = str(form["thread"]["message_id"]).split("/")[1]
        await world.submit(RO, form, documents)
        await enrolled(world[RO], "ro-do-01")
        phone = await enrolled(world[RO], "ro-ap-01", role="approver", second="ro-do-01")

        async def prepare() -> None:
            await world[RO].desk.trust.seconds.sign(bid, officer="ro-ap-01")

        async def sign() -> None:
            (act,) = await world[RO].acts.waiting("ro-ap-01")
            await signed(world[RO], act, phone)

        await tell(world, [("prepare", prepare)], stage=stage, victim=RO, nth=1, is_kept=is_kept)
        row = await world[RO].database.read(lambda c: trust.find_second(c, RO, bid))
        assert row is not None
        assert row.closed_at is None, "prepared is not signed"
        with suppress(ValueError):  # Kept, it was sent, and no act waits any more.
            await tell(world, [("sign", sign)], stage=stage, victim=RO, nth=1, is_kept=is_kept)
        await world.run()
        row = await world[RO].database.read(lambda c: trust.find_second(c, RO, bid))
        assert row is not None
        assert (row.closed_by, row.closed_officer) == ("signature", "ro-ap-01")
        assert await entered(world[RO], "second_signature.closed") == 1
        card = await world[US].desk.trust.cards.card(f"{RO}/{bid}")
        assert [each.officer for each in card.stood_by] == ["ro-ap-01"]
        held = await world[US].cases.status(f"{RO}/{bid}")
        assert [m.message_type for m in held.messages].count("additional_information") == 1
        await world.check()


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize(
    ("stage", "victim", "nth"),
    [
        ("note", DE, 1),
        ("deliver", GB, 1),
        ("alert", DE, 1),
        ("alert", GB, 1),
        ("confirm", DE, 1),
        ("take", GB, 1),
    ],
)
async def test_after_a_power_cut_an_oral_request_is_counted_alerted_and_confirmed_once(
    tmp_path: Path, stage: str, victim: str, nth: int, is_kept: bool
) -> None:
    async with World.create(tmp_path, DE, GB) as world:
        sent: list[str] = []

        async def note() -> None:
            if not await world[DE].database.read(lambda c: oral.newest_orals(c, 5)):
                await world[DE].desk.trust.oral.note(said(), officer="D-1")

        async def alert() -> None:
            if world.clock.now() < said().call.made_at + 24 * HOUR:
                world.advance(24 * HOUR)
            for aid in (DE, GB):
                await world[aid].watch.look()

        async def confirm() -> None:
            (row,) = await world[DE].database.read(lambda c: oral.newest_orals(c, 5))
            if row.confirmed_at is None:
                form, attachments = written(relation="related")
                await world[DE].desk.trust.oral.confirm(row.bid, form, officer="A-1", attachments=attachments)
                sent.append(row.bid)

        stages: list[Stage] = [
            ("note", note),
            ("deliver", world.run),
            ("alert", alert),
            ("confirm", confirm),
            ("take", world.run),
        ]
        if stage in {"deliver", "take"}:
            # The stage before sends; what it sent is delivered only under the fuse.
            stages = _merged(stages, stage)
        await tell(world, stages, stage=stage, victim=victim, nth=nth, is_kept=is_kept)
        for aid in (DE, GB):
            (row,) = await world[aid].database.read(lambda c: oral.newest_orals(c, 5))
            assert row.confirmed_by is not None
            assert row.next_action_at is None
            for event in ("oral.noted", "oral.unconfirmed", "oral.confirmed"):
                assert await entered(world[aid], event) == 1, (aid, event)
        await world.check()


def _merged(stages: list[Stage], stage: str) -> list[Stage]:
    """Return the stages with a delivery and the act before it as one."""
    at = next(n for n, (name, _) in enumerate(stages) if name == stage)
    before, after = stages[at - 1][1], stages[at][1]

    async def both() -> None:
        await before()
        await after()

    return [*stages[: at - 1], (stage, both), *stages[at + 1 :]]


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "kept"])
@pytest.mark.parametrize(
    ("stage", "victim", "nth"),
    [("run", US, 1), ("run", US, 2), ("take", RO, 1), ("answer", RO, 1), ("file", US, 1)],
)
async def test_after_a_power_cut_a_drill_still_comes_to_its_answer(
    tmp_path: Path, stage: str, victim: str, nth: int, is_kept: bool
) -> None:
    async with World.create(tmp_path, US, RO) as world:

        async def run() -> None:
            world.advance(2 * HOUR)
            card = await world[US].desk.trust.drills.run("bilateral", officer="L-1")
            assert card.points

        async def answer() -> None:
            # A drill that was run again after the power cut is another drill, with an answer of its own.
            while await world[RO].database.read(drills.open_received):
                await world[RO].desk.trust.drills.acknowledge(US, officer="D-9")

        stages: list[Stage] = [("run", run), ("take", world.run), ("answer", answer), ("file", world.run)]
        if stage in {"take", "file"}:
            stages = _merged(stages, stage)
        await tell(world, stages, stage=stage, victim=victim, nth=nth, is_kept=is_kept)
        (point,) = (await world[US].desk.trust.drills.report()).points
        assert TestState.ARRIVED in {score.state for score in point.channels}
        found = await world[US].database.read(lambda c: drills.newest_drills(c, 9))
        tests = [
            test
            for row in found
            for test in await world[US].database.read(lambda c, row=row: drills.tests_of(c, row.id))
        ]
        assert any(test.answered_at is not None for test in tests)
        assert await world[RO].database.read(drills.open_received) == []
        await world.check()
