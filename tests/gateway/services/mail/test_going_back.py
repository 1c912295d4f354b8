"""Receipts going back: over HTTPS where it answers, by mail where it does not, and never round and round."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.keys import KeyUse
from crypto.revocation import Revocation, sign_revocation
from gateway.services.directory.peers import DirectoryReach
from gateway.services.health.liveness import ChannelLife
from gateway.services.mail import answers, gatewaymail
from gateway.storage import audit, revocations, transmissions
from gateway.storage import mail as store
from gateway.storage.schema import receipt_push
from tests.postoffice import MailWorld, mail_world, mailbox
from tests.storedcases import all_cases
from tests.world import Faults, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


@asynccontextmanager
async def pair(folder: Path, *listening: str) -> AsyncIterator[tuple[MailWorld, str]]:
    """A request that left by mail, although those ``listening`` take calls: they cannot be reached."""
    async with mail_world(folder, KE, SG, listening=listening) as world:
        form, documents = sample_request(1)
        bid = (await world.submit(KE, form, documents)).bid
        world.faults[KE] = Faults(lose_request=10**6)
        await world.run_for(timedelta(hours=7), step=timedelta(hours=1)) if listening else await send(world)
        yield world, bid


async def send(world: MailWorld) -> None:
    for job in await world[KE].courier.claim("routine", 8):
        await world[KE].courier.attempt(job)


async def state(world: MailWorld, bid: str) -> str:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row.state


async def pushes(world: MailWorld) -> list[Any]:
    return await world[SG].database.read(lambda c: [*c.execute(receipt_push.select())])


async def test_a_receipt_goes_over_https_where_it_answers_although_the_bundle_came_by_mail(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path, KE, SG) as (world, bid):
        assert await state(world, bid) == "CONSIGNED"
        assert {mail.sender for mail in world.post.sent} == {mailbox(KE)}
        assert [row.state for row in await pushes(world)] == ["done"]
        await world.check()


async def test_where_https_is_listed_but_down_the_mail_goes_too_once_and_https_goes_on_being_tried(
    tmp_path: Path,
) -> None:
    async with mail_world(tmp_path, KE, SG, listening=(KE, SG)) as world:
        form, documents = sample_request(1)
        bid = (await world.submit(KE, form, documents)).bid
        world.faults[KE] = Faults(lose_request=10**6)
        world.faults[SG] = Faults(lose_request=10**6)
        await world.run_for(timedelta(hours=8), step=timedelta(minutes=30))
        assert await state(world, bid) == "CONSIGNED"
        back = [mail for mail in world.post.sent if mail.sender is None]
        assert len(back) == 1
        [row] = await pushes(world)
        assert (row.state, row.mailed_at is not None) == ("pending", True)

        world.faults[SG] = Faults()
        await world.run_for(timedelta(hours=3), step=timedelta(minutes=30))
        assert [row.state for row in await pushes(world)] == ["done"]
        assert len([mail for mail in world.post.sent if mail.sender is None]) == 1
        await world.check()


async def test_a_refused_bundle_is_told_to_its_sender_once_however_often_it_comes(tmp_path: Path) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        form, documents = sample_request(1)
        bid = (await world.submit(KE, form, documents)).bid
        await send(world)
        [(raw, sender)] = world.post.boxes[mailbox(SG)]
        world.post.boxes[mailbox(SG)] = []
        # Its keys are gone: what was wrapped for them cannot be opened.
        world[SG].keyring.enc_kids = lambda: frozenset()  # type: ignore[method-assign]
        for _ in range(3):
            await world[SG].mail.take(raw, mail_from=sender)
        assert len([mail for mail in world.post.sent if mail.sender is None]) == 1
        # Nor does it fill the log.
        rows = await world[SG].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
        assert sum(b'"mail.refused"' in bytes(row.leaf) for row in rows) == 1
        assert not await world[SG].quarantine.listing()
        [(told, null)] = world.post.boxes[mailbox(KE)]
        await world.fetch(KE)
        row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
        # Said once, it counts once, however often a mail server brings it.
        for _ in range(3):
            await world[KE].mail.take(told, mail_from=null)
        again = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
        assert again == row
        assert not await world[KE].quarantine.listing()
        assert row is not None
        assert (row.state, row.last_code) == ("QUEUED", "key-expired")


async def test_a_probe_by_mail_is_answered_by_mail_once(tmp_path: Path) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        await world[KE].liveness.probe([SG])
        [(raw, sender)] = world.post.boxes[mailbox(SG)]
        for _ in range(3):
            await world[SG].mail.take(raw, mail_from=sender)
        world.post.boxes[mailbox(SG)] = []
        assert len(world.post.boxes[mailbox(KE)]) == 1
        await world.fetch(KE)
        [life] = [each for each in await world[KE].liveness.known() if each.channel == "email_sealed"]
        assert isinstance(life, ChannelLife)
        assert life.answered_at == world.clock.now()


async def test_one_peer_gets_few_automatic_answers_and_its_mails_are_taken_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_IN_HOUR", 3)
    monkeypatch.setattr(gatewaymail, "MOST_PER_MINUTE", 6)
    async with mail_world(tmp_path, KE, SG) as world:
        for _ in range(8):
            await world[KE].liveness.probe([SG])
        box = world.post.boxes[mailbox(SG)]
        assert len(box) == 8
        for raw, sender in box[:6]:
            await world[SG].mail.take(raw, mail_from=sender)
        assert len(world.post.boxes[mailbox(KE)]) == 3
        with pytest.raises(Exception, match="rate"):
            await world[SG].mail.take(box[6][0], mail_from=box[6][1])
        world.advance(timedelta(minutes=1))
        await world[SG].mail.take(box[6][0], mail_from=box[6][1])
        assert len(world.post.boxes[mailbox(KE)]) == 3
        world.advance(timedelta(hours=1))
        await world[SG].mail.take(box[7][0], mail_from=box[7][1])
        assert len(world.post.boxes[mailbox(KE)]) == 4
        world.advance(timedelta(days=16))
        await world[SG].watch.look()
        assert not await world[SG].database.read(lambda c: store.is_answer_late(c, world.clock.now()))


async def test_a_notice_about_a_key_goes_by_mail_to_whom_nobody_can_call(tmp_path: Path) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        app, now = world[KE], world.clock.now()
        signer = app.keyring.signer(KeyUse.SIG, now)
        said = Revocation(
            aid=KE, kid=signer.public.kid, reason="compromise", invalid_since=now - timedelta(days=2), at=now
        )
        await app.revocations.take(sign_revocation(said, signer))
        await world.run()
        found = await world[SG].database.read(lambda c: revocations.find_revocation(c, KE, said.kid))
        assert found is not None
        assert world.post.sent


async def test_a_mail_signed_by_a_key_that_was_revoked_is_set_aside_and_never_read(tmp_path: Path) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        app, now = world[KE], world.clock.now()
        form, documents = sample_request(1)
        await world.submit(KE, form, documents)
        await send(world)
        [(raw, sender)] = world.post.boxes[mailbox(SG)]
        signer = app.keyring.signer(KeyUse.REQ, now)
        said = Revocation(
            aid=KE, kid=signer.public.kid, reason="compromise", invalid_since=now - timedelta(days=2), at=now
        )
        await world[SG].revocations.take(sign_revocation(said, signer))
        await world[SG].mail.take(raw, mail_from=sender)
        assert [mail.reason for mail in await world[SG].quarantine.listing()] == ["sig-revoked"]
        assert not await world[SG].database.read(lambda c: all_cases(c, 9))


async def test_who_has_a_mailbox_need_not_be_waited_for(tmp_path: Path) -> None:
    async with mail_world(tmp_path, KE, SG) as world:
        directory = world[KE].directory
        assert not DirectoryReach(directory, serves=False, mails=True).calls_out_only(SG)
        assert DirectoryReach(directory, serves=True, mails=True).calls_out_only(SG)
        assert DirectoryReach(directory, serves=False, mails=False).calls_out_only(SG)
