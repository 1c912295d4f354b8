"""Oral requests (UNTOC 18(14)): noted by either side, confirmed in writing, asked for and never lapsed."""

import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import GatewayRefusal
from gateway.model.oral import OralCall, alerts_due, confirmed_references, made_at
from gateway.services.oral.desk import OralNote
from gateway.services.sending.handin import Attachment
from gateway.services.sending.submit import Submission
from gateway.storage import audit, cases, oral, paging, peers
from gateway.web.calls import Nothing
from gateway.web.calls import oral as calls
from gateway.web.operations import perform
from tests.storedcases import all_cases
from tests.world import START, World, sample_request

DE, GB, FR = "de-bfj", "gb-ukca", "fr-mj"
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path, DE, GB) as made:
        yield made


def said(side: str = "requesting", **changes: Any) -> OralNote:
    call: dict[str, Any] = {
        "made_at": START - HOUR,
        "means": "telephone",
        "made_by_office": "Central Authority, Bonn",
        "received_by_office": "Central Authority, London",
        "urgency_level": "urgent",
        "request_kind": "mla",
        "substance": "Bank records of a fictional account before they are moved.",
    }
    peer = GB if side == "requesting" else DE
    note: dict[str, Any] = {"peer": peer, "reference": "DE/ORAL/1" if side == "requesting" else "GB/ORAL/1"}
    call |= {name: value for name, value in changes.items() if name in call}
    note |= {name: value for name, value in changes.items() if name in note}
    return OralNote(side=side, call=OralCall(**call), language="en", **note)


async def noted(world: World, side: str = "requesting", **changes: Any) -> Submission:
    app = world[DE if side == "requesting" else GB]
    sent = await app.desk.trust.oral.note(said(side, **changes), officer="D-1")
    assert isinstance(sent, Submission)
    await world.run()
    return sent


async def row_at(world: World, aid: str, thread: str) -> oral.OralRow:
    peer = GB if aid == DE else DE
    row = await world[aid].database.read(lambda c: oral.find_oral(c, thread, peer))
    assert row is not None
    return row


async def told_at(world: World, aid: str, thread: str) -> set[str]:
    peer = GB if aid == DE else DE
    rows = await world[aid].database.read(
        lambda c: peers.open_tasks_about(c, kind="oral", sender=peer, thread_id=thread)
    )
    return {row.code for row in rows}


async def paged_at(world: World, aid: str) -> int:
    peer = GB if aid == DE else DE
    rows = await world[aid].database.read(lambda c: paging.open_matters(c, peer))
    return sum(1 for row in rows if row.reason == "oral-unconfirmed")


async def alerted(world: World, aid: str) -> int:
    rows = await world[aid].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return sum(json.loads(row.body)["ev"] == "oral.unconfirmed" for row in rows)


async def look(world: World) -> None:
    for aid in (DE, GB):
        await world[aid].watch.look()


def written(*, relation: str = "confirms_oral") -> tuple[dict[str, Any], list[Attachment]]:
    form, documents = sample_request(1)
    for member, aid in (("requesting_authority", DE), ("requested_authority", GB)):
        form[member] |= {"authority_id": aid, "state": aid[:2].upper(), "name": aid}
    form["related_references"] = [{"reference": "DE/ORAL/1", "relation": relation}]
    attachments = [
        Attachment(filename=name, open=lambda data=data: io.BytesIO(data), size=len(data))
        for name, data in documents.items()
    ]
    return form, attachments


@pytest.mark.parametrize(("side", "reader"), [("requesting", GB), ("requested", DE)])
async def test_either_side_notes_a_call_and_both_have_the_same_case(
    world: World, side: str, reader: str
) -> None:
    sent = await noted(world, side)
    for aid in (DE, GB):
        peer = GB if aid == DE else DE
        case = await world[aid].database.read(lambda c, peer=peer: cases.find_case(c, sent.thread_id, peer))
        assert case is not None
        assert (case.state, case.request_kind, case.urgency_level) == (
            "oral_pending_confirmation",
            "mla",
            "urgent",
        )
        row = await row_at(world, aid, sent.thread_id)
        assert (row.side, row.made_at) == ("requesting" if aid == DE else "requested", START - HOUR)
        assert row.due_at == START + 23 * HOUR
        assert case.next_action_at == row.due_at, "the inbox names the day that the countdown names"
    inbox = await world[reader].cases.inbox()
    assert [(item.message_type, item.lane) for item in inbox] == [("oral_request_note", "urgent")]
    await world.check()


async def test_both_sides_are_alerted_at_24_and_72_hours_and_nothing_lapses(world: World) -> None:
    sent = await noted(world)
    thread = sent.thread_id
    world.advance(23 * HOUR - timedelta(seconds=1))
    await look(world)
    assert await told_at(world, DE, thread) == await told_at(world, GB, thread) == set()
    world.advance(timedelta(seconds=1))
    await look(world)
    assert await told_at(world, DE, thread) == {"oral-owed"}
    assert await told_at(world, GB, thread) == {"oral-awaited"}
    for aid in (DE, GB):
        assert (await row_at(world, aid, thread)).alerts == 1
        assert await paged_at(world, aid) == 1
    await look(world)
    assert (await row_at(world, DE, thread)).alerts == 1, "an alert is given once"
    world.advance(48 * HOUR)
    await look(world)
    for aid in (DE, GB):
        row = await row_at(world, aid, thread)
        assert (row.alerts, row.confirmed_at) == (2, None)
        assert row.next_action_at == world.clock.at + 24 * HOUR, "and then it is asked for every day"
    world.advance(timedelta(days=30))
    await look(world)
    for aid in (DE, GB):
        peer = GB if aid == DE else DE
        case = await world[aid].database.read(lambda c, peer=peer: cases.find_case(c, thread, peer))
        assert case is not None
        assert case.state == "oral_pending_confirmation", "no clock ends an oral request"
        assert await alerted(world, aid) == 2, "two alerts; what is asked every day after them is no third"


async def test_a_gateway_that_was_away_for_days_gives_both_alerts_as_one(world: World) -> None:
    sent = await noted(world)
    world.advance(100 * HOUR)
    await look(world)
    row = await row_at(world, GB, sent.thread_id)
    assert row.alerts == 2
    assert await paged_at(world, GB) == 1


@pytest.mark.parametrize("side", ["requesting", "requested"])
async def test_the_written_confirmation_ends_the_countdown_on_both_sides(world: World, side: str) -> None:
    note = await noted(world, side)
    world.advance(30 * HOUR)
    await look(world)
    form, attachments = written(relation="related")
    sent = await world[DE].desk.trust.oral.confirm(note.bid, form, officer="A-1", attachments=attachments)
    assert isinstance(sent, Submission)
    assert sent.thread_id == note.thread_id
    await world.run()
    for aid in (DE, GB):
        row = await row_at(world, aid, note.thread_id)
        assert (row.confirmed_by, row.next_action_at) == (f"{DE}/{sent.bid}", None)
        assert await told_at(world, aid, note.thread_id) == set()
        assert await paged_at(world, aid) == 0
    status = await world[GB].cases.status(sent.bid)
    assert (status.state, status.reference_requesting) == ("delivered", form["reference_requesting"])
    assert [message.effect for message in status.messages] == ["applied", "applied"]
    await world.check()


@pytest.mark.parametrize("continues", ["requesting", "requested"])
async def test_one_confirmation_ends_both_notes_of_a_call_that_both_sides_noted(
    world: World, continues: str
) -> None:
    notes = {side: await noted(world, side) for side in ("requesting", "requested")}
    first = notes.pop(continues)
    (second,) = notes.values()
    world.advance(25 * HOUR)
    await look(world)
    form, attachments = written(relation="related")
    sent = await world[DE].desk.trust.oral.confirm(
        first.bid, form, officer="A-1", attachments=attachments, also=[second.bid]
    )
    assert isinstance(sent, Submission)
    await world.run()
    for aid in (DE, GB):
        peer = GB if aid == DE else DE
        for note, state in ((first, "delivered"), (second, "superseded")):
            thread = note.thread_id
            row = await row_at(world, aid, thread)
            assert (row.confirmed_by, row.next_action_at) == (f"{DE}/{sent.bid}", None)
            case = await world[aid].database.read(lambda c, t=thread, p=peer: cases.find_case(c, t, p))
            assert case is not None
            assert case.state == state
            assert await told_at(world, aid, thread) == set()
        assert case.next_action == "close", "as with every request that was replaced"
        assert await paged_at(world, aid) == 0
    await world.check()


async def test_programs_confirm_both_notes_of_a_call_by_one_request(world: World) -> None:
    note, other = await noted(world), await noted(world, "requested")
    form, _ = written(relation="related")
    form |= {"attachments": [], "translations": []}
    params = calls.OralConfirmParams(
        ref=note.bid, form=msgspec.Raw(json.dumps(form).encode()), officer="A-1", also=[other.bid]
    )
    sent = await perform(world[DE].desk, calls.ORAL_CONFIRM, params, lambda done, total: None)
    assert (sent.to, sent.thread_id, sent.act) == (GB, note.thread_id, None)
    await world.run()
    listed = await perform(world[GB].desk, calls.ORAL_LIST, Nothing(), lambda done, total: None)
    assert {row.confirmed_by for row in listed.oral} == {f"{DE}/{sent.bid}"}


async def test_what_is_no_other_note_of_the_same_two_is_not_confirmed_beside_it(world: World) -> None:
    note = await noted(world)
    theirs = await noted(world, "requested")
    form, attachments = written(relation="related")
    for also, code in (
        ([note.bid], "oral-unknown"),
        (["0" * 32], "not-found"),
        ([theirs.bid, theirs.bid], "form-invalid"),
    ):
        with pytest.raises(GatewayRefusal, match=code):
            await world[DE].desk.trust.oral.confirm(
                note.bid, form, officer="A-1", attachments=attachments, also=also
            )
    with pytest.raises(GatewayRefusal, match="oral-unknown"):
        await world[GB].desk.trust.oral.confirm(
            theirs.bid, form, officer="A-1", attachments=attachments, also=[note.bid]
        )
    for each in (note, theirs):
        assert (await row_at(world, DE, each.thread_id)).confirmed_at is None
        case = await world[DE].database.read(lambda c, t=each.thread_id: cases.find_case(c, t, GB))
        assert case is not None
        assert case.state == "oral_pending_confirmation"


async def test_a_request_that_was_written_meanwhile_is_not_superseded_beside_another_call(
    world: World,
) -> None:
    note, other = await noted(world), await noted(world, "requested")
    form, attachments = written(relation="related")
    await world[DE].desk.trust.oral.confirm(other.bid, form, officer="A-1", attachments=attachments)
    await world.run()
    with pytest.raises(GatewayRefusal, match="oral-written"):
        await world[DE].desk.trust.oral.confirm(
            note.bid, form, officer="A-1", attachments=attachments, also=[other.bid]
        )
    assert (await row_at(world, DE, note.thread_id)).confirmed_at is None
    case = await world[DE].database.read(lambda c: cases.find_case(c, other.thread_id, GB))
    assert case is not None
    assert case.state == "delivered"


async def test_a_note_of_another_authority_is_not_confirmed_beside_it(tmp_path: Path) -> None:
    async with World.create(tmp_path, DE, GB, FR) as world:
        note, other = await noted(world), await noted(world, peer=FR)
        form, attachments = written(relation="related")
        with pytest.raises(GatewayRefusal, match="oral-unknown"):
            await world[DE].desk.trust.oral.confirm(
                note.bid, form, officer="A-1", attachments=attachments, also=[other.bid]
            )
        assert (await row_at(world, DE, note.thread_id)).confirmed_at is None


async def test_a_request_of_another_thread_confirms_by_naming_the_oral_one(world: World) -> None:
    note = await noted(world)
    form, attachments = written()
    form["oral_request"] = {"made_at": "2026-11-21T08:00:00Z", "channel": "oral", "agreed": True}
    del form["thread"]
    sent = await world[DE].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=attachments)
    await world.run()
    assert sent.thread_id != note.thread_id
    for aid in (DE, GB):
        assert (await row_at(world, aid, note.thread_id)).confirmed_by == f"{DE}/{sent.bid}"


async def test_a_request_that_names_it_without_the_relation_confirms_nothing(world: World) -> None:
    note = await noted(world)
    form, attachments = written(relation="related")
    del form["thread"]
    await world[DE].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=attachments)
    await world.run()
    for aid in (DE, GB):
        assert (await row_at(world, aid, note.thread_id)).confirmed_at is None


async def test_a_confirmation_in_the_same_thread_without_the_relation_ends_no_countdown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = await noted(world)
    form, attachments = written(relation="related")
    form["thread"] |= {"message_type": "written_confirmation", "thread_id": note.thread_id, "seq": 2}
    form["thread"] |= {"in_reply_to": f"{DE}/{note.bid}", "message_id": f"{DE}/{'c0' * 16}"}
    # Our own gateway refuses it (V21); another program may not.
    monkeypatch.setattr(world[DE].submitter.drafter, "_check_request", lambda form, now: ())
    await world[DE].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=attachments)
    await world.run()
    for aid in (DE, GB):
        assert (await row_at(world, aid, note.thread_id)).confirmed_at is None


async def test_the_other_side_cannot_confirm_what_it_was_asked(world: World) -> None:
    note = await noted(world)
    form, attachments = written()
    with pytest.raises(GatewayRefusal, match="oral-unknown"):
        await world[GB].desk.trust.oral.confirm(note.bid, form, officer="A-1", attachments=attachments)
    assert (await row_at(world, GB, note.thread_id)).confirmed_at is None


async def test_a_request_of_the_other_side_confirms_nothing_that_it_was_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = await noted(world)
    form, attachments = written()
    form["requesting_authority"], form["requested_authority"] = (
        form["requested_authority"],
        form["requesting_authority"],
    )
    form["related_references"].append(
        {"reference": "X", "relation": "confirms_oral", "thread_id": note.thread_id}
    )
    form["oral_request"] = {"made_at": "2026-11-21T08:00:00Z", "channel": "oral", "agreed": True}
    del form["thread"]
    monkeypatch.setattr(world[GB].submitter.drafter, "_check_request", lambda form, now: ())
    await world[GB].submitter.submit(form_bytes=json.dumps(form).encode(), attachments=attachments)
    await world.run()
    assert len(await world[DE].database.read(lambda c: all_cases(c, 10))) == 2, "it came"
    for aid in (DE, GB):
        assert (await row_at(world, aid, note.thread_id)).confirmed_at is None


async def test_the_requested_side_may_acknowledge_what_it_heard_before_it_is_written(world: World) -> None:
    note = await noted(world)
    await world[GB].cases.status(note.bid)
    status = await world[GB].cases.status(note.bid)
    assert status.next_actor == "requesting"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"made_at": START + HOUR}, "oral-time"),
        ({"request_kind": "preservation"}, "oral-preservation"),
        ({"request_kind": "no_such_kind"}, "form-invalid"),
        ({"urgency_level": "routine"}, "form-invalid"),
        ({"substance": ""}, "form-invalid"),
        ({"peer": "xx-nobody"}, "not-listed"),
    ],
)
async def test_a_note_that_cannot_be_is_refused_and_nothing_is_sent(
    world: World, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(GatewayRefusal) as refused:
        await world[DE].desk.trust.oral.note(said(**change), officer="D-1")
    assert refused.value.code == code
    assert await world[DE].database.read(lambda c: all_cases(c, 10)) == []
    assert await world[DE].database.read(lambda c: oral.newest_orals(c, 10)) == []


async def test_a_side_that_takes_no_oral_requests_is_not_asked_orally(world: World) -> None:
    app = world[DE]
    record = {**app.directory.own.raw, "accepts_oral_in_urgency": False}
    app.directory.update_own(record, world.clock.at)
    with pytest.raises(GatewayRefusal, match="oral-not-accepted"):
        await app.desk.trust.oral.note(said(), officer="D-1")
    assert await app.database.read(lambda c: all_cases(c, 10)) == []


def test_a_call_in_the_future_counts_from_when_its_note_came() -> None:
    form = {"content": {"made_at": "2027-01-01T00:00:00Z"}}
    assert made_at(form, START) == START
    assert made_at({"content": {"made_at": "2026-11-20T00:00:00Z"}}, START) < START
    assert made_at({"content": {"made_at": "9999-99-99"}}, START) == START


def test_alerts_count_elapsed_time_over_the_night_clocks_change() -> None:
    made = START.replace(month=3, day=28, hour=12)
    assert alerts_due(made, made + timedelta(hours=24) - timedelta(seconds=1)) == 0
    assert alerts_due(made, made + timedelta(hours=24)) == 1
    assert alerts_due(made, made + timedelta(hours=72)) == 2


def test_only_the_relation_confirms() -> None:
    rows = [
        {"reference": "A/1", "relation": "related"},
        {"reference": "A/2", "relation": "confirms_oral", "thread_id": "0" * 32},
        {"relation": "confirms_oral"},
        "not a row",
    ]
    assert confirmed_references({"related_references": rows}) == {"A/2", "0" * 32}
