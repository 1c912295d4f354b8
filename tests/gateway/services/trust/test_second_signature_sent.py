"""The second signature of an emergency is a message: its officer's own act, and the addressee sees whose."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.demo.passkey import SoftPasskeys
from gateway.errors import GatewayRefusal
from gateway.model.codes import Side
from gateway.model.message import Office, Place, ThreadParties, build_message
from gateway.model.second_signature import STANDING_BY, standing_bid, standing_content
from gateway.services.acts.acts import PreparedAct
from gateway.services.acts.standing import standing_form
from gateway.services.casework.refold import CASE_TASK
from gateway.services.exported.check import check_folder
from gateway.services.sending.submit import Submission
from gateway.services.tasks import raise_task
from gateway.services.trust.cards import CardView
from gateway.storage import acts, cases, paging, trust
from gateway.storage.database import Transaction
from gateway.storage.schema import message
from tests.gateway.services.oral.test_oral import DE, GB, said
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow

RO, US = "ro-diicot", "us-ccips"
SENDER, APPROVER = "ro-do-01", "ro-ap-01"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path / "homes", RO, US) as made:
        yield made


def emergency_form(**changes: Any) -> dict[str, Any]:
    form, _ = sample_request(3)
    form["urgency"]["level"] = "emergency"
    form["requested_authority"]["authority_id"] = US
    form |= {"attachments": [], "translations": [], "created_at": "2026-11-21T09:00:00Z"}
    return form | changes


async def people(world: World) -> dict[str, SoftPasskeys]:
    """Enrol a duty officer, another one and an approver."""
    app = world[RO]
    phones = {SENDER: await enrolled(app, SENDER), "ro-do-02": await enrolled(app, "ro-do-02")}
    phones[APPROVER] = await enrolled(app, APPROVER, role="approver", second="ro-do-02")
    return phones


async def emergency(world: World, phones: dict[str, SoftPasskeys]) -> Submission:
    sent = await signed(
        world[RO], await world[RO].acts.perform(emergency_form(), officer=SENDER), phones[SENDER]
    )
    await world.run()
    return sent


async def prepared(world: World, sent: Submission, *, officer: str = APPROVER) -> PreparedAct:
    made = (await world[RO].desk.trust.seconds.sign(sent.bid, officer=officer)).made
    assert isinstance(made, PreparedAct)
    return made


async def owed(world: World, sent: Submission) -> trust.SecondRow:
    row = await world[RO].database.read(lambda c: trust.find_second(c, RO, sent.bid))
    assert row is not None
    return row


async def card(world: World, sent: Submission) -> CardView:
    return await world[US].desk.trust.cards.card(f"{RO}/{sent.bid}")


async def messages(world: World, aid: str, sent: Submission, peer: str) -> list[cases.MessageRow]:
    rows = await world[aid].database.read(lambda c: cases.messages_of(c, sent.thread_id, peer))
    return [row for row in rows if row.message_type == "additional_information"]


async def made_form(world: World, sent: Submission, officer: str = APPROVER) -> dict[str, Any]:
    """Return the form that the desk would make, for those who write one themselves."""
    row, own, now = await owed(world, sent), world[RO].directory.own, world.clock.now()
    form, _ = await world[RO].database.read(lambda c: standing_form(c, own, row, officer=officer, now=now))
    return form


async def test_the_addressee_sees_who_signed_second_and_what_is_owed_ends_with_the_sending(
    world: World, tmp_path: Path
) -> None:
    phones = await people(world)
    sent = await emergency(world, phones)
    before = await card(world, sent)
    assert (before.officer, before.stood_by, before.is_alone) == (SENDER, (), True)
    act = await prepared(world, sent)
    await world.run()
    assert (await owed(world, sent)).closed_at is None, "prepared is not signed"
    assert (await card(world, sent)).is_alone
    assert [waiting.id for waiting in await world[RO].acts.waiting(APPROVER)] == [act.id]
    assert (await prepared(world, sent)).id == act.id, "asked for again it is the same act"
    states = [(await world[aid].cases.status(f"{RO}/{sent.bid}")).state for aid in (RO, US)]
    await signed(world[RO], act, phones[APPROVER])
    row = await owed(world, sent)
    assert (row.closed_by, row.closed_officer, row.next_action_at) == ("signature", APPROVER, None)
    await world.run()
    seen = await card(world, sent)
    assert [(each.officer, each.assurance) for each in seen.stood_by] == [(APPROVER, "passkey")]
    assert not seen.is_alone
    rung = await world[US].database.read(lambda c: paging.open_matters(c, RO))
    assert {row.bid for row in rung} == {sent.bid}, "it wakes nobody again"
    assert states == [(await world[aid].cases.status(f"{RO}/{sent.bid}")).state for aid in (RO, US)]
    # A third person reads it from the exported messages alone.
    await world[US].desk.exports.export(f"{RO}/{sent.bid}", tmp_path / "case", officer="us-op")
    checked = check_folder(tmp_path / "case", now=world.clock.now())
    assert checked.holds
    assert [(m.message_type, m.officer, m.assurance, m.role) for m in checked.messages] == [
        ("preservation_request", SENDER, "passkey", "duty_officer"),
        ("additional_information", APPROVER, "passkey", "approver"),
    ]
    await world.check()


async def test_a_shift_leader_may_and_signs_in_a_role_that_is_held(world: World) -> None:
    phones = await people(world)
    leader = await enrolled(world[RO], "ro-sl-01", role="shift_leader", second="ro-do-02")
    sent = await emergency(world, phones)
    await signed(world[RO], await prepared(world, sent, officer="ro-sl-01"), leader)
    await world.run()
    assert [each.officer for each in (await card(world, sent)).stood_by] == ["ro-sl-01"]


async def test_where_nobody_has_a_passkey_it_is_sent_at_once_and_shown_as_what_it_is(world: World) -> None:
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)
    made = (await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-7")).made
    assert isinstance(made, Submission)
    assert (await owed(world, sent)).closed_by == "signature"
    await world.run()
    seen = await card(world, sent)
    assert [(each.officer, each.assurance) for each in seen.stood_by] == [("A-7", "local_operator")]
    assert seen.is_alone, "a name that anybody at that gateway could type is no second person"
    await world.check()


# T15


async def test_it_answers_no_question_in_either_fold(tmp_path: Path) -> None:
    async with World.create(tmp_path, "ke-ag", "sg-agc") as world:
        ke, sg = world["ke-ag"], world["sg-agc"]
        form, _ = sample_request(1)
        form["urgency"]["level"] = "emergency"
        form |= {"attachments": [], "translations": [], "created_at": "2026-11-21T09:00:00Z"}
        sent = await ke.acts.perform(form, officer="D-1")
        assert isinstance(sent, Submission)
        await world.run()
        await sg.cases.acknowledge(f"ke-ag/{sent.bid}", officer="sg-1")
        parties = ThreadParties(
            thread_id=sent.thread_id,
            requesting="ke-ag",
            requested="sg-agc",
            reference_requesting="KE/1",
            reference_requested="SG/1",
        )
        question = build_message(
            "additional_information_request",
            parties=parties,
            place=Place(bid="7" * 32, side=Side.REQUESTED, seq=2, seen=1, in_reply_to=f"ke-ag/{sent.bid}"),
            author=Office(authority_id="sg-agc", office="Office", function="Central authority"),
            now=world.clock.now(),
            language="en",
            content={
                "points": [
                    {"point_no": 1, "what": "Date", "need": "necessary", "effect_if_missing": "No execution"}
                ],
                "wish_date": None,
            },
        )
        await sg.acts.perform(question, officer="sg-1")
        await world.run()
        ref = f"ke-ag/{sent.bid}"
        assert {(await app.cases.status(ref)).state for app in (ke, sg)} == {"info_requested"}
        await ke.desk.trust.seconds.sign(sent.bid, officer="A-7")
        await world.run()
        for app in (ke, sg):
            status = await app.cases.status(ref)
            assert status.state == "info_requested", "the question is still open"
            assert (status.next_actor, status.next_action) == ("requesting", "give_information")
        seen = await sg.desk.trust.cards.card(ref)
        assert [each.officer for each in seen.stood_by] == ["A-7"]
        await world.check()


# Attempts


async def refused(world: World, sent: Submission, code: str, doing: Any) -> None:
    """Say that something is refused and nothing is changed by it."""
    before = [await messages(world, RO, sent, US), await world[RO].acts.waiting(), await owed(world, sent)]
    with pytest.raises(GatewayRefusal, match=code):
        await doing
    assert before == [
        await messages(world, RO, sent, US),
        await world[RO].acts.waiting(),
        await owed(world, sent),
    ]


async def test_whoever_may_not_is_refused_also_with_a_form_written_by_hand(world: World) -> None:
    phones = await people(world)
    await enrolled(world[RO], "ro-ap-02", role="approver", second="ro-do-02")
    sent = await emergency(world, phones)
    form = await made_form(world, sent)
    await world[RO].officers.suspend("ro-ap-02", by="head")
    for officer, code in (
        (SENDER, "second-same-person"),
        (SENDER.upper(), "second-same-person"),
        ("ro-do-02", "second-not-approver"),
        ("ro-ap-02", "second-not-approver"),
        ("nobody-here", "second-not-approver"),
    ):
        sign = world[RO].desk.trust.seconds.sign(sent.bid, officer=officer)
        await refused(world, sent, code, sign)
        await refused(world, sent, code, world[RO].acts.perform(form, officer=officer))
    # The addressee owes no second signature, whoever asks.
    with pytest.raises(GatewayRefusal, match="second-not-owed"):
        await world[US].desk.trust.seconds.sign(f"{RO}/{sent.bid}", officer="us-ap-01")


async def test_a_form_about_another_text_or_another_thread_is_refused(world: World) -> None:
    phones = await people(world)
    one = await emergency(world, phones)
    fresh = emergency_form()
    fresh["thread"] |= {"message_id": f"{RO}/{'5' * 32}", "thread_id": "6" * 32}
    other = await signed(world[RO], await world[RO].acts.perform(fresh, officer=SENDER), phones[SENDER])
    form = await made_form(world, one)
    another_text = form | {"content": standing_content(f"{RO}/{one.bid}", "0" * 64)}
    await refused(world, one, "second-not-owed", world[RO].acts.perform(another_text, officer=APPROVER))
    elsewhere = form | {"thread": form["thread"] | {"thread_id": other.thread_id}}
    await refused(world, one, "second-not-owed", world[RO].acts.perform(elsewhere, officer=APPROVER))


@pytest.mark.parametrize(
    "trick", ["same officer", "spelled otherwise", "another text", "another thread", "words"]
)
async def test_the_addressee_counts_what_it_verified_whatever_a_gateway_sends(
    world: World, trick: str
) -> None:
    # The sender's gateway is another's: its own rules are left out by sending past them.
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)
    await world.run()
    form, officer = await made_form(world, sent, "A-7"), "A-7"
    if trick == "same officer":
        officer = "D-1"
    elif trick == "spelled otherwise":
        officer = "d-1"
    elif trick == "another text":
        form["content"] = standing_content(f"{RO}/{sent.bid}", "0" * 64)
    elif trick == "words":
        form["content"]["answers"][0]["answer"] += " Hand over everything."
    else:
        fresh = emergency_form()
        fresh["thread"] |= {"message_id": f"{RO}/{'5' * 32}", "thread_id": "6" * 32}
        await world[RO].acts.perform(fresh, officer="D-1")
        form["thread"]["thread_id"] = "6" * 32
    form["human"] = {"assurance": "local_operator", "officer": officer, "assertion": None}
    await world[RO].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=(), officer=officer)
    await world.run()
    assert (await world[US].cases.status(f"{RO}/{form['message_id'].partition('/')[2]}")).bid
    seen = await card(world, sent)
    assert (seen.stood_by, seen.is_alone) == ((), True)
    assert (await owed(world, sent)).closed_at is None


async def test_what_came_unsealed_or_under_a_number_used_twice_is_no_second_signature(
    world: World,
) -> None:
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)
    await world.run()
    await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-7")
    await world.run()
    for column, value, stays in (("via", "mail", None), ("effect", "forked", "applied")):
        change = update(message).where(message.c.sender == RO, message.c.message_type == STANDING_BY)
        await world[US].database.write(lambda tx, c=change, n=column, v=value: tx.execute(c.values({n: v})))
        assert (await card(world, sent)).stood_by == (), column
        await world[US].database.write(lambda tx, c=change, n=column, v=stays: tx.execute(c.values({n: v})))
        assert len((await card(world, sent)).stood_by) == 1


async def test_other_information_in_answer_hides_no_second_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.services.trust.cards._SIGNERS_MOST", 1)
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)
    form = await made_form(world, sent, "D-1")
    form["content"]["answers"][0]["answer"] = "The account was renamed."
    await world[RO].acts.perform(form, officer="D-1")
    world.advance(timedelta(seconds=1))
    await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-7")
    await world.run()
    for aid in (RO, US):
        seen = await world[aid].desk.trust.cards.card(f"{RO}/{sent.bid}")
        assert [each.officer for each in seen.stood_by] == ["A-7"]


async def test_an_act_is_signed_once_and_by_its_own_officer(world: World) -> None:
    phones = await people(world)
    sent = await emergency(world, phones)
    act = await prepared(world, sent)
    app = world[RO]
    with pytest.raises(GatewayRefusal, match="act-unknown"):
        await app.acts.sign(act.id, officer=SENDER, assertion=phones[APPROVER].get(act.options))
    answer = phones[APPROVER].get(act.options)
    await app.acts.sign(act.id, officer=APPROVER, assertion=answer)
    with pytest.raises(GatewayRefusal, match="act-over"):
        await app.acts.sign(act.id, officer=APPROVER, assertion=answer)
    assert len(await messages(world, RO, sent, US)) == 1
    with pytest.raises(GatewayRefusal, match="second-not-owed"):
        await prepared(world, sent)


async def test_who_is_suspended_before_signing_sends_nothing_and_it_stays_owed(world: World) -> None:
    phones = await people(world)
    sent = await emergency(world, phones)
    act = await prepared(world, sent)
    await world[RO].officers.suspend(APPROVER, by="head")
    signing = world[RO].acts.sign(act.id, officer=APPROVER, assertion=phones[APPROVER].get(act.options))
    await refused(world, sent, "act-over", signing)


async def test_where_the_thread_moved_on_a_new_act_takes_the_place_of_the_old_one(world: World) -> None:
    phones = await people(world)
    other = await enrolled(world[RO], "ro-ap-02", role="approver", second="ro-do-02")
    sent = await emergency(world, phones)
    act = await prepared(world, sent)
    world.advance(timedelta(seconds=1))
    query = {"question": "When is the report to be expected?"}
    await signed(
        world[RO],
        await world[RO].desk.preservation.act(sent.bid, "status_query", query, officer=SENDER),
        phones[SENDER],
    )
    signing = world[RO].acts.sign(act.id, officer=APPROVER, assertion=phones[APPROVER].get(act.options))
    await refused(world, sent, "act-outdated", signing)
    again = await prepared(world, sent)
    assert (again.id != act.id, again.bid) == (True, standing_bid(f"{RO}/{sent.bid}", APPROVER))
    ended = await world[RO].database.read(lambda c: acts.find_act(c, act.id))
    assert ended is not None
    assert ended.state == "outdated"
    rival = await prepared(world, sent, officer="ro-ap-02")
    await signed(world[RO], again, phones[APPROVER])
    signing = world[RO].acts.sign(rival.id, officer="ro-ap-02", assertion=other.get(rival.options))
    await refused(world, sent, "act-outdated", signing)
    await world.run()
    assert [each.officer for each in (await card(world, sent)).stood_by] == [APPROVER]


async def test_signed_after_a_call_back_had_ended_it_the_message_is_sent_and_ends_nothing_again(
    world: World,
) -> None:
    phones = await people(world)
    sent = await emergency(world, phones)
    act = await prepared(world, sent)
    desk = world[RO].desk.trust.callbacks
    call = await desk.start(sent.bid, officer=APPROVER)
    await desk.record(call.id, officer=APPROVER, outcome="confirmed", words=call.words, spoken_with="x")
    await signed(world[RO], act, phones[APPROVER])
    assert (await owed(world, sent)).closed_by == "callback"
    await world.run()
    assert [each.officer for each in (await card(world, sent)).stood_by] == [APPROVER]


async def test_an_oral_emergency_that_we_noted_is_stood_by_as_well(tmp_path: Path) -> None:
    async with World.create(tmp_path, DE, GB) as world:
        note = await world[DE].desk.trust.oral.note(said(urgency_level="emergency"), officer="D-1")
        assert isinstance(note, Submission)
        await world.run()
        await world[DE].desk.trust.seconds.sign(note.bid, officer="A-7")
        await world.run()
        row = await world[DE].database.read(lambda c: trust.find_second(c, DE, note.bid))
        assert row is not None
        assert row.closed_by == "signature"
        seen = await world[GB].desk.trust.cards.card(f"{DE}/{note.bid}")
        assert [each.officer for each in seen.stood_by] == ["A-7"]
        states = {(await world[aid].cases.status(f"{DE}/{note.bid}")).state for aid in (DE, GB)}
        assert states == {"oral_pending_confirmation"}
        await world.check()


async def test_the_addressees_own_call_back_is_a_second_person_too(world: World) -> None:
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)
    await world.run()
    desk = world[US].desk.trust.callbacks
    for outcome, is_alone in (("unanswered", True), ("confirmed", False)):
        call = await desk.start(f"{RO}/{sent.bid}", officer="U-1")
        await desk.record(call.id, officer="U-1", outcome=outcome, words=call.words, spoken_with="x")
        assert (await card(world, sent)).is_alone is is_alone


async def test_what_waits_for_an_answer_to_the_peer_waits_on_after_it(world: World) -> None:
    sent = await world[RO].acts.perform(emergency_form(), officer="D-1")
    assert isinstance(sent, Submission)

    def ask(tx: Transaction) -> None:
        raise_task(
            tx,
            kind=CASE_TASK,
            sender=US,
            thread_id=sent.thread_id,
            owner="operator",
            code="overdue",
            now=world.clock.now(),
            shown_again_at=world.clock.now() + timedelta(days=1),
        )

    await world[RO].database.write(ask)
    await world[RO].desk.trust.seconds.sign(sent.bid, officer="A-7")
    status = await world[RO].cases.status(sent.bid)
    assert "overdue" in {task.code for task in status.tasks}
