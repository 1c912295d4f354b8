"""What the directory holds back waits, however long: only who is not listed may fail a send."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.bundle import KeyInForce
from crypto.keys import KeyUse
from gateway.app import App
from gateway.config import HomePaths
from gateway.errors import GatewayRefusal
from gateway.model.channels import CARRIER
from gateway.model.revoked import KeyNotice
from gateway.services.delivery import failover
from gateway.services.directory import Directory
from gateway.storage import transmissions
from gateway.storage.transmissions import TransmissionRow
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow

#: Sender, addressee and sample request: routine, urgent, and to one that only calls out.
ROUTINE, URGENT, PULLED = ("ke-ag", "sg-agc", 1), ("ro-diicot", "us-ccips", 3), ("eg-ppo", "tn-mj", 5)
DAY = timedelta(days=1)
HOLDS = ["directory-stale", "authority-unverifiable", "directory-unverifiable"]


@pytest.fixture(autouse=True)
def no_carrier() -> Iterator[None]:
    """Leave the carrier out of every record: beside it the horizon is another one."""
    allowed = failover.channels_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            failover, "channels_for", lambda *how: tuple(c for c in allowed(*how) if c.channel != CARRIER)
        )
        yield


@dataclass
class Way:
    """One bundle under way in a world."""

    world: World
    sender: str
    to: str
    bid: str

    @property
    def app(self) -> App:
        return self.world[self.sender]

    async def row(self) -> TransmissionRow:
        key = (self.sender, self.bid, self.to)
        row = await self.app.database.read(lambda c: transmissions.find_transmission(c, *key))
        assert row is not None
        return row

    async def days(self, count: int) -> None:
        for _ in range(count):
            self.world.advance(DAY)
            await self.world.run()

    async def tasks(self) -> list[tuple[str, str]]:
        return [(task.code, task.owner) for task in (await self.app.cases.status(self.bid)).tasks]

    async def arrives(self) -> None:
        """Assert that it does, once, at the next look."""
        self.world.advance(timedelta(hours=2))
        await self.world.run()
        row = await self.row()
        assert (row.state, row.owner) == ("CONSIGNED", None)
        assert row.expires_at > self.world.clock.now() + 30 * DAY
        assert await self.tasks() == []
        assert len(await self.world[self.to].cases.inbox()) == 1
        await self.world.check()


@asynccontextmanager
async def under_way(folder: Path, way: tuple[str, str, int]) -> AsyncIterator[Way]:
    sender, to, number = way
    async with World.create(folder, sender, to, pull_only=[to] if way is PULLED else ()) as world:
        sent = await world.submit(sender, *sample_request(number, size=300))
        yield Way(world=world, sender=sender, to=to, bid=sent.bid)


def list_no_key(monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    """Let every directory list no encryption key of the addressee that holds."""
    listed = Directory.keys

    def keys(self: Directory, aid: str, use: str) -> tuple[KeyInForce, ...]:
        found = listed(self, aid, use)
        if (aid, use) != (way.to, KeyUse.ENC):
            return found
        return tuple(replace(key, status="revoked", revoked_at=way.world.clock.now()) for key in found)

    monkeypatch.setattr(Directory, "keys", keys)


async def list_again(way: Way) -> None:
    """Let the sender's operator take the addressee's record anew."""
    path = HomePaths(way.world.folder / way.to).enrolment
    await way.app.upkeep.enrol(path.read_bytes(), replace=True)


async def only_send(way: Way) -> None:
    """Let the sender alone do what is due."""
    for job in await way.app.courier.claim("routine", 16):
        await way.app.courier.attempt(job)


async def offered(way: Way) -> list[str]:
    """Return the envelopes that stand in the addressee's outbox."""
    page = await way.app.outbox.listing(caller=way.to, after=0, wait_s=0)
    return [item["envelope"] for item in page["items"]]


def hold(monkeypatch: pytest.MonkeyPatch, way: Way, code: str) -> None:
    """Let every directory hold back what goes to the addressee."""
    monkeypatch.setattr(Directory, "hold", lambda self, aid, lane: code if aid == way.to else None)


@pytest.mark.parametrize("code", HOLDS)
async def test_a_routine_bundle_outlives_its_horizon_and_its_envelope_while_the_directory_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    async with under_way(tmp_path, ROUTINE) as way:
        hold(monkeypatch, way, code)
        await way.days(20)
        row, now = await way.row(), way.world.clock.now()
        assert (row.state, row.last_code, row.owner) == ("QUEUED", code, "operator")
        assert row.next_action_at is not None
        assert now < row.next_action_at <= now + timedelta(hours=1)
        assert await way.tasks() == [(code, "operator")]
        (task,) = (await way.app.cases.status(way.bid)).tasks
        # Put before the person again each day.
        assert task.next_action_at is not None
        assert task.next_action_at > now - DAY
        await way.world.restart(way.sender)
        await way.days(25)
        await way.world.crash(way.sender)
        await way.days(25)
        assert (await way.row()).state == "QUEUED"
        assert row.expires_at < way.world.clock.now()
        monkeypatch.undo()
        await way.arrives()


async def test_an_urgent_bundle_outlives_its_envelope_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, URGENT) as way:
        hold(monkeypatch, way, "authority-unverifiable")
        await way.days(62)
        row = await way.row()
        assert (row.state, row.lane, row.owner) == ("QUEUED", "urgent", "duty_officer")
        monkeypatch.undo()
        await way.arrives()


async def test_what_stands_in_an_outbox_is_not_given_up_while_the_directory_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, PULLED) as way:
        await way.world.close(way.to)
        await way.days(10)
        hold(monkeypatch, way, "directory-stale")
        await way.days(60)
        assert (await way.row()).state in {"QUEUED", "DISPATCHED"}
        monkeypatch.undo()
        await way.world.open(way.to)
        await way.arrives()


async def test_what_was_not_tried_again_before_its_horizon_is_held_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, PULLED) as way:
        await way.world.close(way.to)
        await way.world.run()
        assert (await way.row()).state == "DISPATCHED"
        hold(monkeypatch, way, "directory-stale")
        # The gateway was off meanwhile: nothing was looked at.
        way.world.advance(15 * DAY)
        await way.world.run()
        row = await way.row()
        assert (row.state, row.owner, row.counted_from) == ("QUEUED", "operator", way.world.clock.now())


async def test_after_the_hold_the_horizon_begins_anew_and_then_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, ROUTINE) as way:
        way.world.faults[way.sender] = Faults(lose_request=10**6)
        await way.days(10)
        hold(monkeypatch, way, "directory-stale")
        await way.days(20)
        monkeypatch.undo()
        await way.days(13)
        row = await way.row()
        assert (row.state, row.owner) == ("QUEUED", None)
        assert await way.tasks() == []
        await way.days(2)
        row = await way.row()
        assert (row.state, row.owner) == ("FAILED", "operator")


async def test_who_is_not_listed_any_more_fails_a_send_after_the_horizon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, ROUTINE) as way:
        hold(monkeypatch, way, "not-listed")
        await way.days(15)
        row = await way.row()
        assert (row.state, row.last_code, row.owner) == ("FAILED", "not-listed", "operator")


async def test_what_finds_no_key_to_be_wrapped_for_when_the_hold_ends_waits_with_a_task_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, ROUTINE) as way:
        hold(monkeypatch, way, "authority-unverifiable")
        await way.days(3)
        monkeypatch.undo()
        list_no_key(monkeypatch, way)
        way.world.advance(timedelta(hours=1))
        await way.world.run()
        row, now = await way.row(), way.world.clock.now()
        assert (row.state, row.last_code, row.owner) == ("QUEUED", "no-encryption-key", "operator")
        assert (row.next_action, row.lease_owner) == ("rewrap", None)
        assert row.next_action_at is not None
        assert now < row.next_action_at <= now + timedelta(hours=1)
        assert await way.tasks() == [("no-encryption-key", "operator")]
        await way.days(20)
        await way.world.crash(way.sender)
        await way.days(50)
        assert (await way.row()).state == "QUEUED"
        assert await way.tasks() == [("no-encryption-key", "operator")]
        monkeypatch.undo()
        await list_again(way)
        # No time passes: it goes at once.
        await way.world.run()
        assert (await way.row()).state == "CONSIGNED"
        await way.arrives()


async def test_what_was_wrapped_for_a_revoked_key_that_has_no_successor_waits_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, URGENT) as way:
        list_no_key(monkeypatch, way)
        await way.world.run()
        row = await way.row()
        assert (row.state, row.next_action, row.owner) == ("QUEUED", "rewrap", "duty_officer")
        assert await way.tasks() == [("no-encryption-key", "duty_officer")]
        assert await way.world[way.to].cases.inbox() == []
        monkeypatch.undo()
        await way.arrives()


async def test_what_stands_in_an_outbox_under_a_revoked_key_is_taken_back_and_wrapped_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, PULLED) as way:
        await only_send(way)
        first = await offered(way)
        assert len(first) == 1
        theirs, now = way.world[way.to], way.world.clock.now()
        kid = theirs.keyring.current(KeyUse.ENC, now).public.kid
        notice = KeyNotice(
            aid=way.to,
            kid=kid,
            reason="compromise",
            at=now,
            received_at=now,
            invalid_since=now,
            by_state=True,
        )
        await theirs.upkeep.own_key_revoked(notice)
        assert await offered(way) == first
        await list_again(way)
        with pytest.raises(GatewayRefusal) as refused:
            await way.app.outbox.open(caller=way.to, bid=way.bid)
        assert refused.value.code == "not-found"
        assert await offered(way) == []
        row = await way.row()
        assert (row.state, row.next_action, row.next_action_at) == ("QUEUED", "rewrap", now)
        await only_send(way)
        again = await offered(way)
        assert len(again) == 1
        assert again != first
        await way.arrives()


async def test_what_was_taken_back_and_has_no_key_to_be_wrapped_for_waits_with_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_way(tmp_path, PULLED) as way:
        await only_send(way)
        list_no_key(monkeypatch, way)
        assert await offered(way) == []
        await only_send(way)
        assert await way.tasks() == [("no-encryption-key", "operator")]
        assert await offered(way) == []
        monkeypatch.undo()
        await way.arrives()
