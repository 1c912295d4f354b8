"""A gateway that sends letters, offices whose people answer them, and one request on its way."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.gateway.services.smime.replying import KE, NZ, PH, Sent
from tests.letters import USES, LetterWorld, Mailbag, Office, open_office
from tests.world import sample_request


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LetterWorld]:
    async with LetterWorld.create(tmp_path_factory.mktemp("world"), KE) as made:
        assert isinstance(made, LetterWorld)
        await made[KE].desk.upkeep.rotate(USES)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(world: LetterWorld) -> AsyncIterator[Office]:
    async with open_office(world, PH, known_to=KE) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(world: LetterWorld) -> AsyncIterator[Office]:
    """Another authority of the directory."""
    async with open_office(world, NZ, known_to=KE) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def sent(world: LetterWorld, office: Office) -> Sent:
    bag: Mailbag = world.bags[KE]
    bag.mails.clear()
    form, documents = sample_request(1, size=100)
    form["requested_authority"] |= {"authority_id": PH, "state": "PH"}
    done = await world.submit(KE, form, documents)
    await world.run()
    signer = world[KE].keyring.mail_signer(world.clock.now()).certificate
    return Sent(world, done.bid, office.read(bag.mails[-1], signer))
