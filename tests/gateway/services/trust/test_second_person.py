"""One officer sends an emergency alone: it goes at once, and a second person is owed within 60 minutes."""

import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayRefusal
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.services.trust.callback import CallbackDesk
from gateway.services.trust.secondperson import TOLD
from gateway.storage import cases, paging, peers, trust
from tests.world import World, sample_request

RO, US = "ro-diicot", "us-ccips"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, RO, US) as made:
        yield made


async def emergency(world: World, *, level: str = "emergency", officer: str = "D-1") -> Submission:
    form, documents = sample_request(3)
    form["urgency"]["level"] = level
    form["requested_authority"]["authority_id"] = US
    return await submit_as(world, form, documents, officer)


async def submit_as(
    world: World, form: dict[str, Any], documents: dict[str, bytes], officer: str
) -> Submission:
    return await world[RO].submitter.submit(
        form_bytes=json.dumps(form).encode(),
        attachments=[
            Attachment(filename=name, open=lambda data=data: io.BytesIO(data), size=len(data))
            for name, data in documents.items()
        ],
        officer=officer,
    )


async def owed(world: World, sent: Submission) -> trust.SecondRow | None:
    return await world[RO].database.read(lambda c: trust.find_second(c, RO, sent.bid))


async def told(world: World, sent: Submission) -> set[str]:
    rows = await world[RO].database.read(lambda c: peers.open_tasks_about(c, sender=RO, bid=sent.bid))
    return {row.code for row in rows} & set(TOLD.values())


async def pages(world: World) -> list[str]:
    rows = await world[RO].database.read(lambda c: paging.open_matters(c, US))
    return [row.reason for row in rows if row.reason in {"second-signature", "callback-denied"}]


def callbacks(world: World, aid: str) -> CallbackDesk:
    return world[aid].desk.trust.callbacks


async def test_a_lone_officer_sends_at_once_and_owes_a_second_person(world: World) -> None:
    sent = await emergency(world)
    await world.run()
    row = await owed(world, sent)
    assert row is not None
    assert (row.officer, row.closed_at) == ("D-1", None)
    assert row.due_at - row.sent_at == 60 * MINUTE
    assert await told(world, sent) == set(), "nobody is told before the time"
    held = await world[US].database.read(lambda c: cases.find_message(c, RO, sent.bid))
    assert held is not None, "what one officer sent has gone"


async def test_an_urgent_request_owes_nobody(world: World) -> None:
    assert await owed(world, await emergency(world, level="urgent")) is None


async def test_when_nobody_comes_shift_leader_and_auditor_are_told_and_what_was_sent_stands(
    world: World,
) -> None:
    sent = await emergency(world)
    await world.run()
    world.advance(60 * MINUTE - timedelta(seconds=1))
    await world[RO].watch.look()
    assert await told(world, sent) == set()
    world.advance(timedelta(seconds=1))
    await world[RO].watch.look()
    assert await told(world, sent) == {"second-missing", "second-missing-audit"}
    assert "second-signature" in await pages(world)
    state = (await world[RO].cases.status(sent.bid)).state
    assert state == "preservation_requested"
    row = await owed(world, sent)
    assert row is not None
    assert row.next_action_at is not None
    assert row.told_at is not None, "it is asked again in the morning"


async def test_it_is_told_once_and_asked_again_every_day(world: World) -> None:
    sent = await emergency(world)
    world.advance(61 * MINUTE)
    for _ in range(3):
        await world[RO].watch.look()
        world.advance(timedelta(hours=24))
    rows = await world[RO].database.read(lambda c: peers.open_tasks_about(c, sender=RO, bid=sent.bid))
    assert len([row for row in rows if row.code in TOLD.values()]) == 2
    assert (await pages(world)).count("second-signature") == 1


async def test_another_officer_signs_and_the_tasks_and_pages_end(world: World) -> None:
    sent = await emergency(world)
    world.advance(61 * MINUTE)
    await world[RO].watch.look()
    await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-7")
    row = await owed(world, sent)
    assert row is not None
    assert (row.closed_by, row.closed_officer, row.next_action_at) == ("signature", "A-7", None)
    assert await told(world, sent) == set()
    assert await pages(world) == []
    with pytest.raises(GatewayRefusal, match="second-not-owed"):
        await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-8")


@pytest.mark.parametrize("officer", ["D-1", "d-1"])
async def test_the_one_who_sent_cannot_be_the_second(world: World, officer: str) -> None:
    sent = await emergency(world)
    with pytest.raises(GatewayRefusal, match="second-same-person"):
        await world[RO].desk.trust.seconds.sign(sent.bid, officer=officer)
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_at is None


async def test_a_clock_that_is_set_back_loses_nothing(world: World) -> None:
    sent = await emergency(world)
    world.advance(timedelta(hours=-5))
    await world[RO].watch.look()
    assert await told(world, sent) == set()
    world.advance(timedelta(hours=5) + 60 * MINUTE)
    await world[RO].watch.look()
    assert await told(world, sent) == {"second-missing", "second-missing-audit"}


async def test_a_restart_loses_nothing(world: World) -> None:
    sent = await emergency(world)
    await world.crash(RO)
    world.advance(60 * MINUTE)
    await world[RO].watch.look()
    assert await told(world, sent) == {"second-missing", "second-missing-audit"}
    await world.run()
    await world.check()


# Call-backs


async def test_both_sides_hear_the_same_words_and_a_confirmed_call_ends_what_is_owed(world: World) -> None:
    sent = await emergency(world)
    await world.run()
    ours = await callbacks(world, RO).start(sent.bid, officer="A-7")
    theirs = await callbacks(world, US).start(sent.bid, officer="U-1", direction="taken")
    assert ours.words == theirs.words
    assert ours.number == "+999 131 0001"
    assert theirs.number is None
    done = await callbacks(world, RO).record(
        ours.id, officer="A-7", outcome="confirmed", words=theirs.words.upper(), spoken_with="duty-officer"
    )
    assert done.outcome == "confirmed"
    row = await owed(world, sent)
    assert row is not None
    assert (row.closed_by, row.closed_officer) == ("callback", "A-7")
    await world.check()


async def test_the_lone_officer_who_rings_is_not_a_second_person_but_one_who_is_rung_has_one(
    world: World,
) -> None:
    sent = await emergency(world)
    await world.run()
    desk = callbacks(world, RO)
    made = await desk.start(sent.bid, officer="D-1")
    await desk.record(made.id, officer="D-1", outcome="confirmed", words=made.words, spoken_with="x")
    # Nor does it help to have another one write down the call that the lone officer made.
    made = await desk.start(sent.bid, officer="D-1")
    await desk.record(made.id, officer="A-7", outcome="confirmed", words=made.words, spoken_with="x")
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_at is None
    taken = await desk.start(sent.bid, officer="D-1", direction="taken")
    await desk.record(
        taken.id, officer="D-1", outcome="confirmed", words=taken.words, spoken_with="duty-officer"
    )
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_by == "callback"


async def test_nothing_is_confirmed_without_the_words_of_the_other_side(world: World) -> None:
    sent = await emergency(world)
    await world.run()
    call = await callbacks(world, RO).start(sent.bid, officer="A-7")
    for words in (None, "  "):
        with pytest.raises(GatewayRefusal, match="callback-needs-words"):
            await callbacks(world, RO).record(
                call.id, officer="A-7", outcome="confirmed", words=words, spoken_with="x"
            )
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_at is None
    held = await world[RO].database.read(lambda c: trust.find_call(c, call.id))
    assert held is not None
    assert held.recorded_at is None


@pytest.mark.parametrize(("outcome", "words"), [("confirmed", "zoo zoo zoo zoo zoo zoo"), ("denied", None)])
async def test_other_words_or_a_denial_end_nothing_and_call_the_shift_leader(
    world: World, outcome: str, words: str | None
) -> None:
    sent = await emergency(world)
    await world.run()
    call = await callbacks(world, RO).start(sent.bid, officer="A-7")
    done = await callbacks(world, RO).record(
        call.id, officer="A-7", outcome=outcome, words=words, spoken_with="x"
    )
    assert done.outcome == ("denied" if words is None else "words-differ")
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_at is None
    rows = await world[RO].database.read(lambda c: peers.open_tasks_about(c, sender=RO, bid=sent.bid))
    assert {("shift_leader", "callback-denied")} <= {(task.owner, task.code) for task in rows}
    assert "callback-denied" in await pages(world)


async def test_an_outcome_is_recorded_once(world: World) -> None:
    sent = await emergency(world)
    call = await callbacks(world, RO).start(sent.bid, officer="A-7")
    await callbacks(world, RO).record(
        call.id, officer="A-7", outcome="unanswered", words=None, spoken_with="nobody"
    )
    with pytest.raises(GatewayRefusal, match="callback-ended"):
        await callbacks(world, RO).record(
            call.id, officer="A-7", outcome="confirmed", words=call.words, spoken_with="x"
        )
    with pytest.raises(GatewayRefusal, match="callback-unknown"):
        await callbacks(world, RO).record(
            "0" * 32, officer="A-7", outcome="unanswered", words=None, spoken_with="nobody"
        )
    row = await owed(world, sent)
    assert row is not None
    assert row.closed_at is None


async def test_a_call_that_nobody_finished_is_asked_about(world: World) -> None:
    sent = await emergency(world)
    call = await callbacks(world, RO).start(sent.bid, officer="A-7")
    world.advance(15 * MINUTE)
    await world[RO].watch.look()

    async def asked() -> set[str]:
        rows = await world[RO].database.read(lambda c: peers.open_tasks_about(c, sender=RO, bid=sent.bid))
        return {row.code for row in rows}

    assert "callback-unfinished" in await asked()
    await callbacks(world, RO).record(
        call.id, officer="A-7", outcome="unanswered", words=None, spoken_with="nobody"
    )
    assert "callback-unfinished" not in await asked()


# Cards


async def test_the_card_of_a_first_night_request_says_what_stands_out(world: World) -> None:
    sent = await emergency(world)
    await world.run()
    card = await world[US].desk.trust.cards.card(sent.bid)
    assert (card.authority_id, card.listed, card.is_first_contact) == (RO, "found", True)
    assert {voucher.source for voucher in card.vouchers} == {"bilateral"}
    assert {"first-contact", "key-young", "assurance-low", "emergency"} <= {mark.code for mark in card.marks}
    assert [number.number for number in card.numbers] == ["+999 115 0001"]
    ours = await world[RO].desk.trust.cards.card(sent.bid)
    assert ours.authority_id == US
    assert ours.check_words == card.check_words
    assert ours.second is not None
    assert card.second is None


async def test_the_number_is_the_directorys_whatever_the_message_says(world: World) -> None:
    form, documents = sample_request(3)
    form["requested_authority"]["authority_id"] = US
    form["urgency"]["level"] = "emergency"
    for contact in form["contacts"]:
        contact["phone"] = "+999 666 0000"
    sent = await submit_as(world, form, documents, "D-1")
    await world.run()
    script = await callbacks(world, US).start(sent.bid, officer="U-1")
    assert script.number == "+999 115 0001"
    assert "+999 666 0000" not in " ".join([*script.steps, *(n.number for n in script.numbers)])
