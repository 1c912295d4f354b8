"""Every key changed twenty times with requests under way: nothing is lost, nothing doubled, all provable."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.bundle import KeyInForce, Opener
from crypto.encoding import b64u
from crypto.keys import KeyUse
from gateway.app import App
from gateway.services.keys.heldkey import LISTED_AHEAD
from gateway.services.log.logkeys import open_own_head
from gateway.services.proofs import wire
from gateway.services.proofs.evidence import check_receipt
from gateway.storage import bundles, receipts, transmissions
from tests.following import Following
from tests.gateway.services.registry.networks import NETWORK
from tests.world import START, sample_request

KE, SG = "ke-ag", "sg-agc"
ROTATIONS = 20
#: With a month each, more than 400 days.
RENEWALS = 14
#: Every key an authority has, and how many of them a change makes: the log has two halves.
USES = {"sig": 1, "enc": 1, "req": 1, "rcpt": 1, "log": 2, "wit": 1, "tls": 1}

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


def offered(row: receipts.ReceiptRow) -> dict[str, Any]:
    return {
        "jws": row.jws,
        "leaf": row.leaf,
        "salt": b64u(row.salt or b""),
        "body": row.body,
        "proof": row.proof,
    }


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
                for key in await app.upkeep.rotate([*USES]):
                    seen[str(key.public.use)].add(key.public.kid)
            sent.append(await send(lab))
            # The new keys sign and seal at once; the peer meets them before the directory names them.
            await world.step()
            records = {aid: only_newest(dict(world[aid].directory.own.raw)) for aid in (KE, SG)}
            lab.publish([KE, SG], records)
            await lab.refresh()
            lab.stay_fresh(timedelta(minutes=2))
            await world.run()
        assert {use: len(kids) for use, kids in seen.items()} == {
            use: 2 * ROTATIONS * made for use, made in USES.items()
        }
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
            checked = check_receipt(offered(early), app.directory, now)
            assert checked.digest == early.jws_sha256
            assert checked.place is not None
        envelope = await world[SG].database.read(lambda c: bundles.envelopes_of(c, KE, first)[0].jws)
        keys = world[SG].directory.keys(KE, KeyUse.SIG)
        Opener().authenticate(Opener().parse(envelope), keys, world.clock.now())
        await world[SG].networks.refresh(NETWORK)


def _kid(row: receipts.ReceiptRow) -> str:
    from crypto.jws import parse_compact

    return parse_compact(row.jws.encode(), alg="EdDSA", typ="gw-rcpt+jws", max_bytes=10_000).kid


async def test_renewals_ahead_of_time_leave_no_receipt_without_its_place_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An answer goes without its proof after a second of real time, which a busy machine may need for a head.
    monkeypatch.setattr(wire, "PROOF_PATIENCE_S", 30.0)
    async with Following.create(tmp_path, KE, SG) as lab:
        world = lab.world
        copy = tmp_path / "copy"
        sent = []
        for turn in range(RENEWALS):
            for app in world.apps.values():
                made = await app.upkeep.renew([*USES], early=True)
                assert len(made) == sum(USES.values())
            lab.net.renew("targets", world.clock.now())
            lab.publish([KE, SG])
            await lab.refresh()
            sent.append(await send(lab))
            await world.run()
            if turn == 0:
                await world.close(SG)
                shutil.copytree(world[KE].home.root.parent / SG, copy)
                await world.open(SG)
            # The next ones are in force on the day after.
            lab.stay_fresh(LISTED_AHEAD + timedelta(days=1))
            await lab.refresh()
        sent.append(await send(lab))
        await world.run()
        assert world.clock.now() - START > timedelta(days=400)
        assert [await state_of(lab, bid) for bid in sent] == ["CONSIGNED"] * len(sent)
        heads = set()
        for app in (world[KE], await world.restart(KE)):
            for bid in sent:
                (row,) = await consignments(lab, KE, bid)
                checked = check_receipt(offered(row), app.directory, world.clock.now())
                assert checked.place is not None
                heads.add(signers_of(row, app.directory.keys(SG, KeyUse.LOG)))
        assert len(heads) == RENEWALS + 1
        await world.check()
        # What was put away before the first change is still whole in itself.
        async with App.open(copy, clock=world.clock, writer=False) as old:
            report = await old.upkeep.verify(lambda done, total: None)
            assert report.verified, report.problems


def signers_of(row: receipts.ReceiptRow, keys: Sequence[KeyInForce]) -> tuple[str, ...]:
    note = (row.proof or "").partition("\n\n")[2]
    return open_own_head(note, f"{row.iss}/log", keys).signed_by
