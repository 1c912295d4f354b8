"""Two gateways with nothing but mailboxes: request, receipts, acknowledgement; and what mail servers do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import StorageUnavailable
from gateway.storage import mail as store
from gateway.storage import receipts, transmissions
from tests.postoffice import HandedIn, MailWorld, mail_world, mailbox
from tests.storedcases import all_cases
from tests.world import sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


@asynccontextmanager
async def pair(
    folder: Path, *, size: int = 3000, segment_bytes: int = 7 << 20
) -> AsyncIterator[tuple[MailWorld, str]]:
    """A request queued in Kenya for Singapore; neither takes calls."""
    async with mail_world(folder, KE, SG, segment_bytes=segment_bytes) as world:
        form, documents = sample_request(1, size=size)
        yield world, (await world.submit(KE, form, documents)).bid


async def state(world: MailWorld, bid: str) -> str:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row.state


async def case_count(world: MailWorld) -> int:
    return len(await world[SG].database.read(lambda c: all_cases(c, 100)))


async def test_a_request_its_receipts_and_the_acknowledgement_go_by_mail_alone(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run()
        assert await state(world, bid) == "CONSIGNED"
        await world[SG].cases.open(bid, tmp_path / "opened")
        await world.run()
        assert await state(world, bid) == "HANDED_OVER"
        await world[SG].cases.acknowledge(bid, officer="local", reference="SG-2026-1")
        await world.run()
        assert await case_count(world) == 1
        assert {mail.sender for mail in world.post.sent} == {mailbox(KE), mailbox(SG), None}
        assert not await world[KE].quarantine.listing()
        assert not await world[SG].quarantine.listing()
        await world.check()


async def test_no_case_data_stands_in_a_header(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        await world.run()
        heads = b"".join(mail.data.split(b"\r\n\r\n", 1)[0] for mail in world.post.sent)
        assert f"Subject: [GW] {bid}".encode() in heads
        assert {line for line in heads.split(b"\r\n") if line.startswith(b"Subject:")} <= {
            f"Subject: [GW] {bid}".encode(),
            b"Subject: [GW]",
        }


@pytest.mark.parametrize("order", ["as sent", "backwards", "each twice", "last first"])
async def test_a_container_in_several_mails_arrives_in_whatever_order(tmp_path: Path, order: str) -> None:
    async with pair(tmp_path, size=60_000, segment_bytes=40_000) as (world, bid):
        for job in await world[KE].courier.claim("routine", 8):
            await world[KE].courier.attempt(job)
        box = world.post.boxes[mailbox(SG)]
        assert len(box) > 3
        world.post.boxes[mailbox(SG)] = {
            "as sent": box,
            "backwards": box[::-1],
            "each twice": [mail for mail in box for _ in range(2)],
            "last first": [box[-1], *box[:-1]],
        }[order]
        await world.run()
        assert await state(world, bid) == "CONSIGNED"
        assert await case_count(world) == 1
        assert (await world[SG].database.read(store.held_segments)).count == 0
        assert not [*(world[SG].home.root / "blobs" / "mail").iterdir()]
        await world.check()


async def test_a_missing_stretch_is_waited_for_then_dropped_and_entered(tmp_path: Path) -> None:
    async with pair(tmp_path, size=60_000, segment_bytes=40_000) as (world, bid):
        for job in await world[KE].courier.claim("routine", 8):
            await world[KE].courier.attempt(job)
        lost = world.post.boxes[mailbox(SG)].pop(1)
        await world.fetch(SG)
        held = await world[SG].database.read(store.held_segments)
        assert held.count > 1
        world.advance(timedelta(days=6, hours=23))
        await world[SG].watch.look()
        assert await world[SG].database.read(store.held_segments) == held

        world.advance(timedelta(hours=2))
        await world[SG].watch.look()
        assert (await world[SG].database.read(store.held_segments)).count == 0
        assert not [*(world[SG].home.root / "blobs" / "mail").iterdir()]
        # What comes later begins anew, and nobody was told anything wrong meanwhile.
        await world[SG].mail.take(*lost[:1], mail_from=lost[1])
        assert (await world[SG].database.read(store.held_segments)).count == 1
        assert await state(world, bid) == "DISPATCHED"
        await world.run_for(timedelta(days=1), step=timedelta(hours=3))
        assert await state(world, bid) == "CONSIGNED"
        await world.check()


async def test_a_lost_receipt_comes_again_with_the_next_repeat_of_the_bundle(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        lost: list[HandedIn] = []

        def lose(mail: HandedIn) -> tuple[bytes, ...]:
            if mail.sender is None and not lost:
                lost.append(mail)
                return ()
            return (mail.data,)

        world.post.on_way = lose
        await world.run()
        assert lost
        assert await state(world, bid) == "DISPATCHED"
        await world.run_for(timedelta(hours=13), step=timedelta(hours=1))
        assert await state(world, bid) == "CONSIGNED"
        assert await case_count(world) == 1
        await world.check()


async def test_a_mail_server_that_is_away_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        world.post.is_down = True
        await world.run()
        assert await state(world, bid) == "QUEUED"
        world.post.is_down = False
        await world.run_for(timedelta(hours=1), step=timedelta(minutes=10))
        assert await state(world, bid) == "CONSIGNED"
        await world.check()


async def test_a_mail_taken_but_not_marked_done_comes_again_and_changes_nothing(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, bid):
        for job in await world[KE].courier.claim("routine", 8):
            await world[KE].courier.attempt(job)
        [(raw, sender)] = world.post.boxes[mailbox(SG)]
        await world[SG].mail.take(raw, mail_from=sender)
        await world.crash(SG)
        await world.run()
        sent = len(world.post.sent)
        await world[SG].mail.take(raw, mail_from=sender)
        await world.run()
        assert len(world.post.sent) <= sent + 1, "a repeat is answered once more, and not again at once"
        await world[SG].mail.take(raw, mail_from=sender)
        await world.run()
        assert len(world.post.sent) <= sent + 1
        assert await state(world, bid) == "CONSIGNED"
        assert await case_count(world) == 1
        rows = await world[SG].database.read(lambda c: receipts.receipts_of(c, KE, bid))
        assert [row.type for row in rows] == ["consignment"]
        await world.check()


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_mail_whose_storing_failed_stays_where_it_is(tmp_path: Path, is_kept: bool) -> None:
    async with pair(tmp_path, size=60_000, segment_bytes=40_000) as (world, bid):
        for job in await world[KE].courier.claim("routine", 8):
            await world[KE].courier.attempt(job)

        def fail(connection: object) -> None:
            if is_kept:
                connection.commit()  # type: ignore[attr-defined]
            raise OSError("the disk is gone")

        count = len(world.post.boxes[mailbox(SG)])
        world.commits[SG] = fail
        with pytest.raises(StorageUnavailable):
            await world.fetch(SG)
        del world.commits[SG]
        assert len(world.post.boxes[mailbox(SG)]) == count
        await world.crash(SG)
        await world.run()
        assert await state(world, bid) == "CONSIGNED"
        assert await case_count(world) == 1
        await world.check()


async def test_two_gateways_on_vacation_exchange_100_requests_and_no_notice_is_answered(
    tmp_path: Path,
) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        world.post.vacation = {mailbox(KE), mailbox(SG)}
        bids = []
        for _ in range(100):
            form, documents = sample_request(1, size=64)
            bids.append((await world.submit(KE, form, documents)).bid)
        await world.run()
        for bid in bids:
            assert await state(world, bid) == "CONSIGNED"
        # One vacation notice for each bundle, none for receipts, and nothing ever answers a notice.
        assert world.post.notices == len(bids)
        aside = await world[KE].quarantine.listing()
        assert [row.reason for row in aside] == ["mail-automatic"] * len(bids)
        assert all(row.automatic for row in aside)
        assert not await world[SG].quarantine.listing()
        await world.check()
