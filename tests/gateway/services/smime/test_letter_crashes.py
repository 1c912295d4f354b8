"""The crash table's rows about letters (docs/crash-table.md): every COMMIT on the way fails once.

Each fails in turn, or is kept and reported failed; the process is lost and started again, mails that were not
done come again, persons repeat what they were told had failed. Whatever the row, the end is the same.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.model.mailtriage import Kind
from gateway.storage import cases, receipts, transmissions
from tests.gateway.services.mail.test_mail_crashes import Fuse
from tests.gateway.services.smime.replying import KE, MANUAL, OURS, PH, arrive, delivery
from tests.letters import LetterWorld, Office
from tests.world import sample_request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

#: COMMITs of each stage: claim, key, digest, attempt; what a mail server and a mail program say; the reply;
#: the confirmation.
STAGES = [("send", nth) for nth in range(1, 5)] + [("bounce", 1), ("read", 1), ("reply", 1), ("confirm", 1)]


class Power:
    """Cuts the power at one COMMIT of one stage, and starts the gateway again."""

    def __init__(self, world: LetterWorld, stage: str, fuse: Fuse) -> None:
        self._world, self._stage, self._fuse = world, stage, fuse

    @asynccontextmanager
    async def during(self, stage: str) -> AsyncIterator[None]:
        if stage == self._stage:
            self._world.commits[KE] = self._fuse
        with suppress(StorageUnavailable):
            yield
        if self._world.commits.pop(KE, None) is not None:
            await self._world.crash(KE)


@pytest.mark.parametrize("is_kept", [False, True], ids=["failed", "kept"])
@pytest.mark.parametrize(("stage", "nth"), STAGES)
async def test_a_letter_ends_acknowledged_once_whatever_fails(
    world: LetterWorld, office: Office, stage: str, nth: int, is_kept: bool
) -> None:
    bag = world.bags[KE]
    bag.mails.clear()
    fuse = Fuse(nth=nth, is_kept=is_kept)
    power = Power(world, stage, fuse)
    form, documents = sample_request(1, size=100)
    form["requested_authority"] |= {"authority_id": PH, "state": "PH"}
    bid = (await world.submit(KE, form, documents)).bid
    async with power.during("send"):
        await world.run()
    await world.run()
    if stage == "bounce":
        raw = delivery(bid, office.address, "failed")
        for _ in range(2):
            async with power.during("bounce"):
                await arrive(world, KE, raw, kind=Kind.DSN)
        await world.run()
    signer = world[KE].keyring.mail_signer(world.clock.now()).certificate
    opened = [office.read(mail, signer) for mail in bag.mails]
    assert len({(mail.message_id, mail.code) for mail in opened}) == 1
    raw = office.notice(opened[0].message_id, MANUAL, to=OURS)
    async with power.during("read"):
        await arrive(world, KE, raw)
    assert await arrive(world, KE, raw) is None

    signed = stage != "confirm"
    raw = office.reply(f"Yes. {opened[0].code}", to=OURS, sign=signed)
    kind = Kind.SMIME if signed else Kind.HUMAN
    async with power.during("reply"):
        await arrive(world, KE, raw, kind=kind)
    assert await arrive(world, KE, raw, kind=kind) is None
    if not signed:
        status = await world[KE].cases.status(bid)
        [task] = [each.id for each in status.tasks if each.code == "mail-unsigned"]
        async with power.during("confirm"):
            await world[KE].desk.replies.confirm(task, officer="op-1", second="op-2")
        with suppress(GatewayRefusal):
            await world[KE].desk.replies.confirm(task, officer="op-1", second="op-2")
    assert fuse.blown

    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, PH))
    assert row is not None
    assert row.state == "ANSWERED"
    found = await world[KE].database.read(lambda c: cases.case_of_message(c, KE, bid))
    assert found is not None
    assert found[0].state == "received"
    assert [each.message_type for each in found[1]].count("acknowledgement") == 1
    held = await world[KE].database.read(lambda c: receipts.receipts_of(c, KE, bid))
    assert [each.type for each in held].count("mail_reply") == 1
    assert [each.type for each in held].count("mail_read") == 1
    tries = await world[KE].database.read(lambda c: transmissions.attempts_of(c, KE, bid, PH))
    assert [each.verdict for each in tries].count("bounced") == (stage == "bounce")
    await world.check()
