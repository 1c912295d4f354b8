"""Every key changed twenty times with requests under way: nothing is lost, nothing doubled, all provable."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.bundle import Opener
from crypto.keys import KeyUse
from gateway.services.evidence import check_receipt
from gateway.storage import bundles, receipts, transmissions
from tests.following import Following
from tests.gateway.registry.networks import NETWORK
from tests.world import sample_request

KE, SG = "ke-ag", "sg-agc"
ROTATIONS = 20
#: Uses whose keys an authority changes; those of its log are the log's identity and live five years.
USES = ["sig", "enc", "req", "rcpt", "tls"]

pytestmark = pytest.mark.slow


async def send(lab: Following) -> str:
    form, documents = sample_request(1, size=300)
    return (await lab.world.submit(KE, form, documents)).bid


async def consignments(lab: Following, aid: str, bid: str) -> list[receipts.ReceiptRow]:
    rows = await lab.world[aid].database.read(lambda c: receipts.receipts_of(c, KE, bid))
    return [row for row in rows if row.type == "consignment"]


async def state_of(lab: Following, bid: str) -> str:
    rows = await lab.world[KE].database.read(lambda c: transmissions.transmissions_of(c, KE, bid))
    return rows[0].state


def only_newest(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as a State lists it that keeps no history: the last key of each use and kind."""
    newest = {(row["use"], row["alg"]): row for row in record["keys"]}
    return {"keys": list(newest.values())}


async def test_twenty_rotations_of_every_key_under_traffic_lose_and_double_nothing(tmp_path: Path) -> None:
    async with Following.create(tmp_path, KE, SG) as lab:
        world = lab.world
        first = await send(lab)
        await world.run()
        early = (await consignments(lab, KE, first))[0]
        sent, seen = [first], {use: set[str]() for use in USES}
        for _ in range(ROTATIONS):
            sent.append(await send(lab))
            for app in world.apps.values():
                for key in await app.upkeep.rotate(USES):
                    seen[str(key.public.use)].add(key.public.kid)
            sent.append(await send(lab))
            # The new keys sign and seal at once; the peer meets them before the directory names them.
            await world.step()
            records = {aid: only_newest(dict(world[aid].directory.own.raw)) for aid in (KE, SG)}
            lab.publish([KE, SG], records)
            await lab.refresh()
            lab.stay_fresh(timedelta(minutes=2))
            await world.run()
        assert all(len(kids) == 2 * ROTATIONS for kids in seen.values())
        lab.stay_fresh(timedelta(hours=2))
        await world.run()

        assert [await state_of(lab, bid) for bid in sent] == ["CONSIGNED"] * len(sent)
        for bid in sent:
            ours, theirs = await consignments(lab, KE, bid), await consignments(lab, SG, bid)
            assert [row.jws for row in ours] == [row.jws for row in theirs]
            assert len(ours) == 1
        inbox = await world[SG].cases.inbox()
        assert sorted(item.bid for item in inbox) == sorted(sent)
        await world.check()

        # From before the first rotation, by keys that the network lists no more; also after a restart.
        for app in (world[KE], await world.restart(KE)):
            now = world.clock.now()
            assert app.directory.vouchers(SG, KeyUse.RCPT, _kid(early)) == ()
            assert check_receipt({"jws": early.jws}, app.directory, now).digest == early.jws_sha256
        envelope = await world[SG].database.read(lambda c: bundles.envelopes_of(c, KE, first)[0].jws)
        keys = world[SG].directory.keys(KE, KeyUse.SIG)
        Opener().authenticate(Opener().parse(envelope), keys, world.clock.now())
        await world[SG].networks.refresh(NETWORK)


def _kid(row: receipts.ReceiptRow) -> str:
    from crypto.jws import parse_compact

    return parse_compact(row.jws.encode(), alg="EdDSA", typ="gw-rcpt+jws", max_bytes=10_000).kid
