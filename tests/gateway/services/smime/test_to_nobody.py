"""What was sealed for nobody, because only people read there, opens for no gateway."""

from pathlib import Path

import pytest

from crypto.bundle import Opener
from crypto.keys import KeyUse
from gateway.storage import bundles, transmissions
from tests.letters import USES, LetterWorld, open_office
from tests.world import sample_request

pytestmark = pytest.mark.slow

KE, PH = "ke-ag", "ph-doj"


async def test_a_bundle_for_people_opens_for_no_gateway(tmp_path: Path) -> None:
    async with LetterWorld.create(tmp_path, KE) as world:
        assert isinstance(world, LetterWorld)
        await world[KE].desk.upkeep.rotate(USES)
        async with open_office(world, PH, known_to=KE):
            form, documents = sample_request(1, size=100)
            form["requested_authority"] |= {"authority_id": PH, "state": "PH"}
            sent = await world.submit(KE, form, documents)
            await world.run()
            rows = await world[KE].database.read(lambda c: bundles.envelopes_of(c, KE, sent.bid))
            [wrap] = Opener().parse(rows[-1].jws).to
            listed = {key.public.kid for key in world[KE].directory.keys(PH, KeyUse.ENC)}
            assert wrap.aid == PH
            assert wrap.kid not in listed
            row = await world[KE].database.read(
                lambda c: transmissions.find_transmission(c, KE, sent.bid, PH)
            )
            assert row is not None
            assert (row.channel, row.state, row.next_action) == ("email_smime", "DISPATCHED", "await_receipt")
