"""What an authority has asked for: one row for each request, whether it has left, arrived or was answered."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


async def test_requests_stand_newest_first_with_case_and_delivery_and_no_other_message_does(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        assert await world[KE].cases.sent() == []
        bids = []
        for n in range(3):
            form, documents = sample_request(1)
            form["reference_requesting"] = f"KE/{n}"
            bids.append((await world.submit(KE, form, documents)).bid)
            if n == 1:
                # The first two travel, the last one will still be here.
                await world.run()
                await world[SG].cases.acknowledge(bids[0], officer="duty-7", reference="SG/1")
                await world.run()
            world.advance(timedelta(minutes=1))
        rows = await world[KE].cases.sent()
        assert [row.bid for row in rows] == bids[::-1]
        assert {(row.sender, row.to) for row in rows} == {(KE, SG)}
        assert [(row.reference_requesting, row.reference_requested) for row in rows] == [
            ("KE/2", None),
            ("KE/1", None),
            ("KE/0", "SG/1"),
        ]
        assert [row.delivery for row in rows] == ["QUEUED", "CONSIGNED", "CONSIGNED"]
        assert rows[2].state == "received" != rows[1].state
        # The acknowledgement was sent too, but nobody asks for anything with it.
        assert await world[SG].cases.sent() == []
