"""An authority with a gateway and with people who read mail: what comes by both ways is one case."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.storage import cases, transmissions
from tests.gateway.services.smime.replying import arrive
from tests.letters import USES, LetterWorld, Office
from tests.world import Faults, sample_request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

RO, US = "ro-diicot", "us-ccips"
SMIME = "email_smime"
STEP = timedelta(seconds=30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LetterWorld]:
    async with LetterWorld.create(tmp_path_factory.mktemp("world"), RO, US) as made:
        assert isinstance(made, LetterWorld)
        for aid in (RO, US):
            await made[aid].desk.upkeep.rotate(USES)
        made[RO].directory.enrol(made[US].home.enrolment.read_bytes(), now=made.clock.now())
        yield made


def people(world: LetterWorld, folder: Path) -> Office:
    """The people of an authority that has a gateway as well."""
    record = world[US].directory.own
    address = next(each.address for each in record.channels if each.channel == SMIME)
    return Office(aid=US, address=address, folder=folder, app=world[US])


async def sent_by_mail(world: LetterWorld, folder: Path, **faults: Any) -> tuple[str, str, Office]:
    """Return bid and code of a preservation request whose HTTPS is away, so that a letter went as well."""
    office = people(world, folder)
    world.faults[RO] = Faults(**faults)
    world.bags[RO].mails.clear()
    form, documents = sample_request(3)
    sent = await world.submit(RO, form, documents, consents=[SMIME])
    await world.run_for(timedelta(minutes=6), step=STEP)
    [mail] = world.bags[RO].mails
    signer = world[RO].keyring.mail_signer(world.clock.now()).certificate
    return sent.bid, office.read(mail, signer).code, office


async def state_of(world: LetterWorld, bid: str) -> str:
    row = await world[RO].database.read(lambda c: transmissions.find_transmission(c, RO, bid, US))
    assert row is not None
    return row.state


def own_address(world: LetterWorld) -> str:
    return next(each.address for each in world[RO].directory.own.channels if each.channel == SMIME)


async def test_a_late_consignment_wins_over_the_answer_by_mail_and_there_is_one_case(
    world: LetterWorld, tmp_path: Path
) -> None:
    bid, code, office = await sent_by_mail(world, tmp_path, lose_answer=10**6)
    raw = office.reply(f"Received. {code}", to=own_address(world))
    assert await arrive(world, RO, raw) is None
    assert await state_of(world, bid) == "ANSWERED"
    assert (await world[RO].cases.status(bid)).state == "preservation_acknowledged"
    # Its gateway had the bundle all the time, and says so when somebody opens it.
    world.faults[RO] = Faults()
    await world[US].cases.open(f"{RO}/{bid}", tmp_path / "opened")
    await world.run()
    assert await state_of(world, bid) == "HANDED_OVER"
    assert len(await world[US].cases.inbox()) == 1
    # Its gateway knows nothing of the mail, until its officer acknowledges there: then the sealed message
    # counts in the place of the mail.
    assert (await world[US].cases.status(f"{RO}/{bid}")).state == "preservation_requested"
    await world[US].cases.acknowledge(f"{RO}/{bid}", officer="op-9")
    await world.run()
    status = await world[RO].cases.status(bid)
    assert status.state == "preservation_acknowledged"
    effects = {(row.via, row.message_type): row.effect for row in status.messages}
    assert effects[None, "preservation_acknowledgement"] == "applied"
    assert effects["mail", "preservation_acknowledgement"] == "overtaken"
    await world.check()


async def test_what_was_answered_by_mail_goes_nowhere_again(world: LetterWorld, tmp_path: Path) -> None:
    bid, code, office = await sent_by_mail(world, tmp_path, lose_request=10**6)
    assert await arrive(world, RO, office.reply(code, to=own_address(world))) is None
    attempts = world.faults[RO].attempts
    world.faults[RO] = Faults()
    await world.run_for(timedelta(hours=2), step=timedelta(minutes=10))
    assert world.faults[RO].attempts == 0
    assert attempts > 0
    assert len(world.bags[RO].mails) == 1
    assert await state_of(world, bid) == "ANSWERED"
    tasks = (await world[RO].cases.status(bid)).tasks
    assert [task.code for task in tasks if task.kind == "transmission"] == []
    await world.check()


async def test_a_sealed_acknowledgement_first_makes_the_reply_by_mail_a_letter_to_read(
    world: LetterWorld, tmp_path: Path
) -> None:
    bid, code, office = await sent_by_mail(world, tmp_path, lose_answer=10**6)
    world.faults[RO] = Faults()
    await world[US].cases.acknowledge(f"{RO}/{bid}", officer="op-9")
    await world.run()
    assert (await world[RO].cases.status(bid)).state == "preservation_acknowledged"
    assert await arrive(world, RO, office.reply(code, to=own_address(world))) is None
    rows = await world[RO].database.read(lambda c: cases.case_of_message(c, RO, bid))
    assert rows is not None
    assert [row.message_type for row in rows[1] if row.via == "mail"] == ["mail_reply"]
    await world.check()
