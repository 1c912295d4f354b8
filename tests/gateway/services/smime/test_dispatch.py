"""A sealed bundle as a letter: opened by an ordinary mail program, complete, the same each time."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Outcome, Verdict
from crypto.jws import parse_compact
from crypto.keys import GW_HYB1, KeyUse
from gateway.errors import GatewayRefusal
from gateway.services.smime.contents import SEAL_TYP
from gateway.services.smime.dispatch import letter_message_id
from gateway.storage import letters, transmissions
from tests.gateway.services.smime.replying import KE, PH
from tests.letters import LetterWorld, Mailbag, Office, Opened
from tests.world import World, sample_request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest.fixture
def bag(world: LetterWorld) -> Mailbag:
    found = world.bags[KE]
    found.mails.clear()
    found.outcome, found.fail_after = Outcome(verdict=Verdict.DISPATCHED), None
    return found


def to_office(size: int = 3000) -> tuple[dict[str, Any], dict[str, bytes]]:
    form, documents = sample_request(1, size=size)
    form["requested_authority"] |= {"authority_id": PH, "state": "PH"}
    return form, documents


def read(world: World, office: Office, mail: bytes) -> Opened:
    return office.read(mail, world[KE].keyring.mail_signer(world.clock.now()).certificate)


async def test_an_office_opens_a_letter_with_its_own_mail_program_and_everything_is_there(
    world: World, office: Office, bag: Mailbag
) -> None:
    form, documents = to_office()
    sent = await world.submit(KE, form, documents)
    assert sent.channel == "email_smime"
    await world.run()
    [mail] = bag.mails
    outer = mail.split(b"\r\n\r\n")[0]
    assert form["reference_requesting"].encode() not in mail
    assert b"Subject: [...]" in outer
    found = read(world, office, mail)
    assert {name: found.files[name] for name in documents} == documents
    assert json.loads(found.files["request.json"]) == form
    assert found.text.count(found.code) == 1
    assert form["reference_requesting"] in found.text
    manifest = json.loads(found.files["manifest.json"])
    assert {each["name"] for each in manifest["files"]} == set(found.files) - {"manifest.json", "gw-mail.jws"}
    for each in manifest["files"]:
        assert hashlib.sha256(found.files[each["name"]]).hexdigest() == each["sha256"]
    seal = parse_compact(found.files["gw-mail.jws"], alg=GW_HYB1, typ=SEAL_TYP)
    seal.verify(world[KE].directory.key(KE, KeyUse.SIG, seal.kid))
    said = json.loads(seal.payload)
    assert said["manifest"] == hashlib.sha256(found.files["manifest.json"]).hexdigest()
    assert said["files"] == [each["sha256"] for each in manifest["files"]]
    key = (KE, sent.bid, PH)
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, *key))
    assert row is not None
    assert row.state == "DISPATCHED"
    await world.check()


async def test_a_letter_that_goes_again_is_the_same_to_its_reader(
    world: World, office: Office, bag: Mailbag
) -> None:
    form, documents = to_office()
    bag.outcome = Outcome(verdict=Verdict.RETRY, detail="greylisted")
    sent = await world.submit(KE, form, documents)
    await world.run()
    key = (KE, sent.bid, PH)
    held = await world[KE].database.read(lambda c: letters.find_letter(c, key))
    assert held is not None
    assert bag.mails == []
    bag.outcome = Outcome(verdict=Verdict.DISPATCHED)
    desk = world[KE].courier._composers["email_smime"]
    twice = [
        read(world, office, b"".join([chunk async for chunk in parcel.read(0)]))
        for _ in range(2)
        async for parcel in desk.parcels(key, address=office.address, urgent=False)
    ]
    assert twice[0].message_id == twice[1].message_id
    assert twice[0].text == twice[1].text
    assert twice[0].code == twice[1].code


async def test_documents_that_are_too_much_for_one_mail_go_in_several_that_each_name_them_all(
    world: World, office: Office, bag: Mailbag
) -> None:
    form, documents = to_office(size=1_500_000)
    sent = await world.submit(KE, form, documents)
    bag.fail_after = 1
    await world.run()
    assert len(bag.mails) == 1
    bag.fail_after = None
    await world.run_for(timedelta(minutes=2), step=timedelta(minutes=1))
    opened = {mail.message_id: mail for mail in (read(world, office, each) for each in bag.mails)}
    wanted = [letter_message_id(KE, sent.bid, n, "mla@ke-ag.example.org") for n in (1, 2)]
    mails = [opened[each] for each in wanted]
    assert len({mail.code for mail in mails}) == 1
    files = {name: data for mail in mails for name, data in mail.files.items()}
    assert {name: files[name] for name in documents} == documents
    for n, mail in enumerate(mails, 1):
        assert f"This is mail {n} of 2" in mail.text
        assert all(hashlib.sha256(data).hexdigest() in mail.text for data in documents.values())
        assert {"manifest.json", "gw-mail.jws"} <= set(mail.files)


async def test_what_no_five_mails_carry_is_refused_before_it_is_sealed(
    world: World, office: Office, bag: Mailbag, tmp_path: Path
) -> None:
    form, documents = to_office(size=4_000_000)
    before = sorted(path.name for path in (world.folder / KE / "blobs").rglob("*"))
    with pytest.raises(GatewayRefusal) as refused:
        await world.submit(KE, form, documents)
    assert refused.value.code == "too-large-to-carry"
    named = {item["code"]: item["sentence"] for item in refused.value.items}
    assert "3.8 MB each" in named["email_smime"]
    assert {"gateway_https", "https_pull", "offline_media"} <= set(named)
    assert sorted(path.name for path in (world.folder / KE / "blobs").rglob("*")) == before
    assert bag.mails == []


async def test_an_office_whose_certificate_has_ended_gets_nothing_and_the_officer_is_told(
    world: World, office: Office, bag: Mailbag
) -> None:
    form, documents = to_office()
    here = world.clock.at
    try:
        world.clock.at = here.replace(year=here.year + 3)
        with pytest.raises(GatewayRefusal) as refused:
            await world.submit(KE, form, documents)
    finally:
        world.clock.at = here
    assert refused.value.code == "no-mail-certificate"
    assert bag.mails == []
