"""From channel to channel: the signed list, time, a person's consent, late receipts; every step entered."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.base import Endpoint, Outcome, Parcel, Verdict
from gateway.errors import GatewayRefusal
from gateway.model.authority import LookupStatus
from gateway.services.directory import Lookup
from gateway.storage import audit, bundles, channels, receipts, transmissions
from gateway.storage.transmissions import AttemptRow, TransmissionRow
from tests.adapters.dropbox import lying_in
from tests.hostile import receipt_from
from tests.world import START, Faults, World, sample_request

pytestmark = pytest.mark.slow
RO, US = "ro-diicot", "us-ccips"
FIVE = timedelta(minutes=5)
SEALED, SMIME = "email_sealed", "email_smime"


@asynccontextmanager
async def pair(
    folder: Path, *, level: str = "urgent", schemes: Sequence[str] = (SEALED,), consents: Sequence[str] = ()
) -> AsyncIterator[tuple[World, str]]:
    """A preservation request on its way to an authority whose HTTPS is away."""
    async with World.create(folder, RO, US, schemes=schemes) as world:
        for scheme in schemes:
            world.box(US, scheme)
        world.faults[RO] = Faults(lose_request=10**6)
        form, documents = sample_request(3)
        form["urgency"]["level"] = level
        sent = await world.submit(RO, form, documents, consents=consents)
        assert sent.lane == "urgent"
        yield world, sent.bid


async def row_of(world: World, bid: str) -> TransmissionRow:
    row = await world[RO].database.read(lambda c: transmissions.find_transmission(c, RO, bid, US))
    assert row is not None
    return row


async def tries(world: World, bid: str) -> list[AttemptRow]:
    return await world[RO].database.read(lambda c: transmissions.attempts_of(c, RO, bid, US))


async def entered(world: World, *prefixes: str) -> list[tuple[str, str | None]]:
    """Return event and channel of what the sender's log says, in order."""
    rows = await world[RO].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    return [(b["ev"], b.get("channel")) for b in bodies if b["ev"].startswith(prefixes)]


async def test_after_five_minutes_without_a_receipt_the_next_channel_carries_the_same_bundle(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(FIVE - timedelta(seconds=10), step=timedelta(seconds=10))
        assert {attempt.channel for attempt in await tries(world, bid)} == {"gateway_https"}
        assert list(lying_in(world.box(US, SEALED))) == []

        await world.run_for(timedelta(seconds=20), step=timedelta(seconds=10))
        assert (await tries(world, bid))[-1].channel == SEALED
        assert (await row_of(world, bid)).state == "DISPATCHED"
        [(sender, same, _)] = lying_in(world.box(US, SEALED))
        assert (sender, same) == (RO, bid)
        # Its record lists no outbox: it stands in none.
        assert (await row_of(world, bid)).outbox_no is None

        assert await world.empty_box(US, SEALED) == 1
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert await entered(world, "transmission.failed_over") == [("transmission.failed_over", SEALED)]
        await world.check()


async def test_the_first_channel_goes_on_and_what_comes_second_doubles_nothing(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(FIVE + timedelta(seconds=10), step=timedelta(seconds=10))
        assert list(lying_in(world.box(US, SEALED)))
        world.faults[RO] = Faults()
        await world.run_for(FIVE, step=timedelta(seconds=30))
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert (await tries(world, bid))[-1].channel == "gateway_https"

        # The mail that was given up comes at last: the stored receipt, byte for byte, and nothing else.
        before = await world[RO].database.read(lambda c: receipts.receipts_of(c, RO, bid))
        assert await world.empty_box(US, SEALED) == 1
        assert await world[RO].database.read(lambda c: receipts.receipts_of(c, RO, bid)) == before
        assert len(await world[US].cases.inbox()) == 1
        await world.check()


async def test_a_receipt_by_an_abandoned_channel_counts_after_the_bundle_was_given_up(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(FIVE + timedelta(seconds=10), step=timedelta(seconds=10))
        row = await row_of(world, bid)
        kept = {p: p.read_bytes() for p in world.box(US, SEALED).iterdir()}
        world.clock.at = row.expires_at - timedelta(minutes=1)
        await world.run_for(timedelta(minutes=20), step=FIVE)
        row = await row_of(world, bid)
        assert (row.state, row.owner) == ("FAILED", "duty_officer")
        assert len(kept) == 1
        # It was delivered in time; only its receipt was late.
        world.clock.at = row.expires_at - timedelta(minutes=1)
        assert await world.empty_box(US, SEALED) == 1
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert (await world[RO].cases.status(bid)).tasks == []


async def test_in_an_emergency_every_allowed_channel_is_taken_after_two_minutes(tmp_path: Path) -> None:
    async with pair(tmp_path, level="emergency", schemes=(SEALED, "interpol")) as (world, bid):
        await world.run_for(timedelta(minutes=2, seconds=5), step=timedelta(seconds=5))
        assert (await tries(world, bid))[-1].started_at <= world.clock.now()
        assert SEALED in {attempt.channel for attempt in await tries(world, bid)}
        first = next(a for a in await tries(world, bid) if a.channel == SEALED)
        assert first.started_at - (await tries(world, bid))[0].started_at < timedelta(minutes=2, seconds=10)
        # INTERPOL is in the record, and protects less in nobody's table: a person is asked.
        assert (await world[RO].cases.status(bid)).transmissions[0].consents == {"interpol": "asked"}


async def test_a_channel_the_record_does_not_allow_for_the_lane_is_never_used(tmp_path: Path) -> None:
    # offline_media stands in the record for formal requests only.
    async with pair(tmp_path, level="emergency", schemes=(SEALED, "offline_media")) as (world, bid):
        await world.run_for(timedelta(hours=2), step=timedelta(minutes=1))
        assert {a.channel for a in await tries(world, bid)} == {"gateway_https", SEALED}
        assert world.boxes[RO]["offline_media"].attempts == 0


async def test_no_bundle_goes_by_ordinary_mail_before_a_person_consents(tmp_path: Path) -> None:
    async with pair(tmp_path, schemes=(SMIME,)) as (world, bid):
        await world.run_for(timedelta(minutes=40), step=timedelta(seconds=30))
        assert {a.channel for a in await tries(world, bid)} == {"gateway_https"}
        assert world.boxes[RO][SMIME].attempts == 0
        status = await world[RO].cases.status(bid)
        assert {(task.code, task.owner) for task in status.tasks} == {
            ("no-receipt", "duty_officer"),
            ("consent-needed", "duty_officer"),
        }
        assert status.transmissions[0].consents == {SMIME: "asked"}
        assert await entered(world, "transmission.consent") == [("transmission.consent_asked", SMIME)]

        done = await world[RO].desk.consents.answer(f"{RO}/{bid}", SMIME, given=True, officer="duty-3")
        assert (done.answer, done.waiting) == ("given", ())
        assert [task.code for task in (await world[RO].cases.status(bid)).tasks] == ["no-receipt"]
        await world.run()
        assert (await tries(world, bid))[-1].channel == SMIME
        assert [
            event for event, _ in await entered(world, "transmission.consent", "transmission.failed")
        ] == [
            "transmission.consent_asked",
            "transmission.consented",
            "transmission.failed_over",
        ]
        await world.empty_box(US, SMIME)
        await world.check()


async def test_a_refused_channel_is_not_used_and_a_later_word_counts(tmp_path: Path) -> None:
    async with pair(tmp_path, schemes=(SMIME,)) as (world, bid):
        await world.run_for(2 * FIVE, step=timedelta(seconds=30))
        await world[RO].desk.consents.answer(bid, SMIME, given=False, officer="duty-3")
        await world.run_for(2 * FIVE, step=timedelta(seconds=30))
        status = await world[RO].cases.status(bid)
        assert [task.code for task in status.tasks] == ["no-receipt"]
        assert status.transmissions[0].consents == {SMIME: "refused"}
        assert world.boxes[RO][SMIME].attempts == 0
        await world[RO].desk.consents.answer(bid, SMIME, given=True, officer="duty-4")
        await world.run_for(FIVE, step=timedelta(seconds=30))
        assert world.boxes[RO][SMIME].attempts == 1


async def test_consent_given_at_submission_lets_the_channel_come_in_its_turn(tmp_path: Path) -> None:
    async with pair(tmp_path, schemes=(SMIME,), consents=(SMIME,)) as (world, bid):
        await world.run_for(FIVE - timedelta(seconds=30), step=timedelta(seconds=30))
        assert world.boxes[RO][SMIME].attempts == 0
        await world.run_for(timedelta(minutes=1), step=timedelta(seconds=30))
        assert world.boxes[RO][SMIME].attempts == 1
        assert [task.code for task in (await world[RO].cases.status(bid)).tasks] == ["no-receipt"]
        assert [e for e, _ in await entered(world, "transmission.consent", "person.acted")][-2:] == [
            "transmission.consented",
            "person.acted",
        ]


@pytest.mark.parametrize("channel", [SEALED, "gateway_https", "guest_pickup", "offline_media"])
async def test_consent_to_what_needs_none_or_is_not_allowed_is_refused_and_nothing_changes(
    tmp_path: Path, channel: str
) -> None:
    async with pair(tmp_path, schemes=(SEALED, "offline_media")) as (world, bid):
        before = len(await entered(world, ""))
        with pytest.raises(GatewayRefusal, match="consent-not-needed"):
            await world[RO].desk.consents.answer(bid, channel, given=True, officer="duty-3")
        with pytest.raises(GatewayRefusal, match="consent-not-needed"):
            await world.submit(RO, *sample_request(3), consents=(channel,))
        assert await world[RO].database.read(lambda c: channels.answers_of(c, RO, bid, US)) == {}
        assert len(await entered(world, "")) == before


async def test_consent_for_a_bundle_that_has_arrived_is_refused(tmp_path: Path) -> None:
    async with pair(tmp_path, schemes=(SMIME,)) as (world, bid):
        world.faults[RO] = Faults()
        await world.run()
        with pytest.raises(GatewayRefusal, match="consent-not-needed"):
            await world[RO].desk.consents.answer(bid, SMIME, given=True, officer="duty-3")


async def test_a_peer_that_fetches_late_is_tried_by_mail_and_the_bundle_stays_in_its_outbox(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"], schemes=(SEALED,)) as world:
        world.box("tn-mj", SEALED)
        form, documents = sample_request(5)
        sent = await world.submit("eg-ppo", form, documents)
        jobs = await world["eg-ppo"].courier.claim("routine", 4) + await world["eg-ppo"].courier.claim(
            "urgent", 4
        )
        for job in jobs:
            await world["eg-ppo"].courier.attempt(job)
        world.advance(timedelta(hours=6, minutes=1))
        lane = sent.lane
        for job in await world["eg-ppo"].courier.claim(lane, 4):
            await world["eg-ppo"].courier.attempt(job)
        assert [same for _, same, _ in lying_in(world.box("tn-mj", SEALED))] == [sent.bid]
        # It fetches after all, while the mail is under way.
        await world["tn-mj"].pull.poll_once("eg-ppo", wait_s=0)
        row = await world["eg-ppo"].database.read(
            lambda c: transmissions.find_transmission(c, "eg-ppo", sent.bid, "tn-mj")
        )
        assert row is not None
        assert row.state == "CONSIGNED"
        await world.empty_box("tn-mj", SEALED)
        assert len(await world["tn-mj"].cases.inbox()) == 1
        await world.check()


async def test_what_waits_in_an_outbox_can_be_fetched_while_another_channel_is_tried_in_vain(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"], schemes=(SEALED,)) as world:
        sent = await world.submit("eg-ppo", *sample_request(5))
        app = world["eg-ppo"]
        app.adapters[SEALED].is_down = True  # type: ignore[attr-defined]
        for _ in range(2):
            for job in await app.courier.claim(sent.lane, 4):
                await app.courier.attempt(job)
            (way,) = (await app.cases.status(sent.bid)).transmissions
            world.advance(timedelta(hours=6, seconds=1))
        assert (way.state, way.channel) == ("QUEUED", SEALED)
        await world["tn-mj"].pull.poll_once("eg-ppo", wait_s=0)
        (way,) = (await app.cases.status(sent.bid)).transmissions
        assert way.state == "CONSIGNED"
        await world.check()


@pytest.mark.parametrize("way", ["in the answer", "pushed"])
async def test_a_relay_receipt_shows_progress_and_stops_no_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(timedelta(minutes=3), step=timedelta(seconds=30))
        held = await world[RO].database.read(lambda c: bundles.find_bundle(c, RO, bid))
        assert held is not None
        relay = receipt_from(
            world[US], sender=RO, bid=bid, envelope=held.envelope_sha256, manifest=None, type="relay"
        )

        async def opens_slowly(_parcel: Parcel, _endpoint: Endpoint) -> Outcome:
            return Outcome(verdict=Verdict.DISPATCHED, receipts=({"jws": relay},))

        if way == "pushed":
            body = {"receipts": [{"jws": relay}]}
            await world[RO].receipt_desk.take(caller=US, jti=None, exp=None, body=body)
        else:
            monkeypatch.setattr(world[RO].adapter, "deliver", opens_slowly)
            world.advance(timedelta(minutes=1, seconds=30))
            await world.run()
        assert (await row_of(world, bid)).state == "RELAYED"
        first = (await tries(world, bid))[0].started_at
        left = first + FIVE - world.clock.now()
        await world.run_for(left + timedelta(seconds=30), step=timedelta(seconds=10))
        assert {a.channel for a in await tries(world, bid)} == {"gateway_https", SEALED}


async def test_an_outbox_nobody_ever_empties_is_given_up_at_the_horizon_and_has_an_owner(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, "eg-ppo", "tn-mj", pull_only=["tn-mj"]) as world:
        form, documents = sample_request(5)
        sent = await world.submit("eg-ppo", form, documents)
        app = world["eg-ppo"]
        for days in range(1, 63):
            for job in await app.courier.claim(sent.lane, 4):
                await app.courier.attempt(job)
            world.advance(timedelta(days=1))
            (way,) = (await app.cases.status(sent.bid)).transmissions
            # Its record lists a medium as well, and that may be under way for weeks.
            assert (way.state == "FAILED") == (days > 60), days
        assert (way.state, way.owner) == ("FAILED", "operator")
        assert way.attempts < 70


async def test_an_attempt_that_another_channels_receipt_overtook_is_entered_and_changes_nothing(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(FIVE + timedelta(seconds=10), step=timedelta(seconds=10))
        world.advance(timedelta(minutes=6))
        [job] = await world[RO].courier.claim("urgent", 1)
        # While this attempt is under way, the receipt comes by the other channel.
        await world.empty_box(US, SEALED)
        before = await row_of(world, bid)
        await world[RO].courier.attempt(job)
        after = await row_of(world, bid)
        assert (before.state, after.state) == ("CONSIGNED", "CONSIGNED")
        assert after.attempts == before.attempts + 1
        assert [a.no for a in await tries(world, bid)] == list(range(1, after.attempts + 1))
        await world.check()


async def test_an_answer_that_comes_while_an_attempt_goes_on_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path, schemes=(SMIME,)) as (world, bid):
        await world.run_for(2 * FIVE, step=timedelta(seconds=30))
        world.advance(FIVE)
        app = world[RO]
        [job] = await app.courier.claim("urgent", 1)
        deliver = app.adapter.deliver

        async def while_under_way(parcel: Parcel, endpoint: Endpoint) -> Outcome:
            await app.desk.consents.answer(bid, SMIME, given=True, officer="duty-3")
            return await deliver(parcel, endpoint)

        monkeypatch.setattr(app.adapter, "deliver", while_under_way)
        await app.courier.attempt(job)
        assert (await row_of(world, bid)).next_action_at == world.clock.now()
        monkeypatch.undo()
        await world.run()
        assert world.boxes[RO][SMIME].attempts == 1


async def test_a_first_attempt_that_is_answered_reads_and_writes_nothing_more_than_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("uses_of", "answers_of", "urgency_of", "answer_to", "is_given_since"):
        monkeypatch.setattr(channels, name, lambda *a, name=name, **k: asked.append(name))
    async with pair(tmp_path, schemes=(SEALED, SMIME)) as (world, bid):
        world.faults[RO] = Faults()
        await world.run()
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert asked == []


async def test_what_was_to_be_wrapped_first_still_is_after_a_time_in_which_nothing_could_be_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, RO, US) as world:
        directory = world[RO].directory
        unknown = Lookup(status=LookupStatus.UNVERIFIABLE, entry=None)
        monkeypatch.setattr(directory, "lookup", lambda aid: unknown)
        sent = await world.submit(RO, *sample_request(3))
        for hold in ("authority-unverifiable", "directory-stale", "not-listed"):
            monkeypatch.setattr(directory, "hold", lambda aid, lane, hold=hold: hold)
            world.advance(timedelta(minutes=1))
            await world.run()
            row = await row_of(world, sent.bid)
            assert (row.state, row.next_action, row.last_code) == ("QUEUED", "rewrap", hold)
        monkeypatch.undo()
        await world.run_for(FIVE, step=timedelta(minutes=1))
        assert (await row_of(world, sent.bid)).state == "CONSIGNED"
        await world.check()


async def test_whatever_is_heard_from_a_peer_makes_what_waits_for_it_due(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run_for(timedelta(minutes=4), step=timedelta(seconds=10))
        row = await row_of(world, bid)
        assert row.next_action_at is not None
        assert row.next_action_at > world.clock.now()
        world.faults[RO] = Faults()
        world[RO].presence.heard(US, world.clock.now())
        await world[RO].presence.aclose()
        assert (await row_of(world, bid)).next_action_at == world.clock.now()
        await world.run()
        assert (await row_of(world, bid)).state == "CONSIGNED"


async def test_a_channel_whose_limit_the_bundle_exceeds_makes_room_for_the_next_and_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path) as (world, bid):

        async def too_large(_parcel: Parcel, _endpoint: Endpoint) -> Outcome:
            return Outcome(verdict=Verdict.REFUSED, code="too-large")

        monkeypatch.setattr(world[RO].adapter, "deliver", too_large)
        await world.run()
        assert [(a.channel, a.code) for a in await tries(world, bid)] == [
            ("gateway_https", "too-large"),
            (SEALED, None),
        ]
        await world.run_for(timedelta(hours=2), step=timedelta(minutes=5))
        assert [a.channel for a in await tries(world, bid)].count("gateway_https") == 1
        await world.empty_box(US, SEALED)
        assert (await row_of(world, bid)).state == "CONSIGNED"


@pytest.mark.parametrize(
    ("sample", "us", "them", "schemes", "state"),
    [
        (5, "eg-ppo", "tn-mj", (SEALED,), "CONSIGNED"),
        # Of what its record lists only the carrier is left, and in the urgent lane nothing.
        (5, "eg-ppo", "tn-mj", (), "DISPATCHED"),
        (3, RO, US, (), "FAILED"),
    ],
)
async def test_a_peer_that_fetched_and_cannot_take_the_bundle_gets_it_by_the_next_channel_if_there_is_one(
    tmp_path: Path, sample: int, us: str, them: str, schemes: Sequence[str], state: str
) -> None:
    async with World.create(tmp_path, us, them, pull_only=[them], schemes=schemes) as world:
        for scheme in schemes:
            world.box(them, scheme)
        sent = await world.submit(us, *sample_request(sample))
        app = world[us]
        for job in await app.courier.claim(sent.lane, 4):
            await app.courier.attempt(job)
        held = await app.database.read(lambda c: bundles.find_bundle(c, us, sent.bid))
        assert held is not None
        problem = {"from": us, "bid": sent.bid, "envelope": held.envelope_sha256, "code": "too-large"}
        await app.receipt_desk.take(caller=them, jti=None, exp=None, body={"problems": [problem]})
        for job in await app.courier.claim(sent.lane, 4):
            await app.courier.attempt(job)
        for scheme in schemes:
            await world.empty_box(them, scheme)
        (way,) = (await app.cases.status(sent.bid)).transmissions
        assert way.state == state
        tried = await app.database.read(lambda c: transmissions.attempts_of(c, us, sent.bid, them))
        last = {"CONSIGNED": SEALED, "DISPATCHED": "offline_media"}.get(state)
        more = [("https_pull", "too-large"), (last, None)] if last else []
        assert [(a.channel, a.code) for a in tried] == [("https_pull", None), *more]
        await world.check()


async def test_where_no_channel_is_left_for_a_bundle_a_person_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path, schemes=()) as (world, bid):

        async def too_large(_parcel: Parcel, _endpoint: Endpoint) -> Outcome:
            return Outcome(verdict=Verdict.REFUSED, code="too-large")

        monkeypatch.setattr(world[RO].adapter, "deliver", too_large)
        await world.run()
        status = await world[RO].cases.status(bid)
        assert (status.transmissions[0].state, [t.code for t in status.tasks]) == ("FAILED", ["too-large"])


async def test_a_record_that_suspends_its_channels_makes_the_bundle_wait_and_a_person_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path, schemes=()) as (world, bid):
        found = world[RO].directory.lookup(US)
        assert found.entry is not None
        suspended = replace(found.entry, channels=())
        monkeypatch.setattr(
            world[RO].directory, "lookup", lambda aid: replace(found, entry=suspended) if aid == US else found
        )
        await world.run_for(timedelta(minutes=30), step=timedelta(minutes=1))
        status = await world[RO].cases.status(bid)
        assert (status.transmissions[0].state, status.transmissions[0].last_code) == (
            "QUEUED",
            "channel-none",
        )
        assert {task.code for task in status.tasks} == {"channel-none", "no-receipt"}
        monkeypatch.undo()
        world.faults[RO] = Faults()
        await world.run_for(timedelta(minutes=6), step=timedelta(minutes=1))
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert (await world[RO].cases.status(bid)).tasks == []


@pytest.mark.parametrize(("level", "minutes"), [("urgent", 5), ("emergency", 2)])
async def test_the_duty_officer_is_told_once_that_an_urgent_bundle_has_no_receipt_in_time(
    tmp_path: Path, level: str, minutes: int
) -> None:
    async with pair(tmp_path, level=level, schemes=()) as (world, bid):
        await world.run_for(timedelta(minutes=minutes, seconds=-20), step=timedelta(seconds=20))
        assert (await world[RO].cases.status(bid)).tasks == []
        await world.run_for(timedelta(minutes=20), step=timedelta(seconds=20))
        (task,) = (await world[RO].cases.status(bid)).tasks
        assert (task.code, task.owner) == ("no-receipt", "duty_officer")
        # Told once: telling it at every try would put off the time at which it is shown again, the next step.
        assert task.next_action_at == START + timedelta(minutes=30)
        assert await entered(world, "task.") == [("task.raised", None)]
        world.faults[RO] = Faults()
        await world.run_for(timedelta(minutes=6), step=timedelta(minutes=1))
        assert (await world[RO].cases.status(bid)).tasks == []


async def test_a_time_in_which_nothing_could_be_tried_lowers_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World.create(tmp_path, RO, US, schemes=(SMIME,)) as world:
        world.box(US, SMIME)
        directory = world[RO].directory
        sent = await world.submit(RO, *sample_request(3))
        monkeypatch.setattr(directory, "hold", lambda aid, lane: "directory-stale")
        await world.run()
        monkeypatch.undo()
        found = directory.lookup(US)
        assert found.entry is not None
        # Its record starts with ordinary mail now, and lists nothing else.
        by_mail = tuple(c for c in found.entry.channels if c.channel == SMIME)
        changed = replace(found, entry=replace(found.entry, channels=by_mail))
        monkeypatch.setattr(directory, "lookup", lambda aid: changed)
        await world.run_for(timedelta(minutes=10), step=timedelta(minutes=1))
        assert world.boxes[RO][SMIME].attempts == 0
        (way,) = (await world[RO].cases.status(sent.bid)).transmissions
        assert (way.channel, way.last_code, way.consents) == (
            "gateway_https",
            "consent-needed",
            {SMIME: "asked"},
        )


async def test_an_acknowledgement_takes_consents_beforehand_as_a_request_does(tmp_path: Path) -> None:
    async with World.create(tmp_path, RO, US, schemes=(SMIME,)) as world:
        sent = await world.submit(RO, *sample_request(3))
        await world.run()
        with pytest.raises(GatewayRefusal) as refused:
            await world[US].cases.acknowledge(sent.bid, officer="duty-1", consents=["gateway_https"])
        assert refused.value.code == "consent-not-needed"
        assert len((await world[US].cases.status(sent.bid)).messages) == 1
        said = await world[US].cases.acknowledge(sent.bid, officer="duty-1", consents=[SMIME])
        (sending,) = (await world[US].cases.status(said.bid)).transmissions
        assert sending.consents == {SMIME: "given"}
        await world.run()
        assert (await world[US].cases.status(said.bid)).transmissions[0].state == "CONSIGNED"
