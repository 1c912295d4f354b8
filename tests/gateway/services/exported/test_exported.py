"""A third person checks an officer's act from the exported folder alone; whatever was changed is named."""

import asyncio
import hashlib
import json
import shutil
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from crypto.encoding import b64u, sha256_hex
from gateway.cli import main
from gateway.errors import GatewayRefusal
from gateway.services.exported.check import CheckedFolder, check_folder
from gateway.storage import audit
from tests.people import enrolled, signed
from tests.world import World, sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.create(tmp_path / "homes", KE, SG) as world:
        yield world


async def exported(world: World, tmp_path: Path) -> Path:
    """Export a case whose acknowledgement an officer signed, and return the folder."""
    phone = await enrolled(world[SG], "sg-do-1")
    sent = await world.submit(KE, *sample_request(1, size=2000))
    await world.run()
    await signed(world[SG], await world[SG].cases.acknowledge(f"{KE}/{sent.bid}", officer="sg-do-1"), phone)
    await world.run()
    made = await world[KE].desk.exports.export(sent.bid, tmp_path / "case", officer="ke-op")
    assert (made.messages, made.left_out, made.peer) == (2, 0, SG)
    return tmp_path / "case"


def check(world: World, folder: Path) -> CheckedFolder:
    return check_folder(folder, now=world.clock.now() + timedelta(days=3650))


async def test_a_third_person_learns_who_acted_and_in_which_role(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = await exported(world, tmp_path)
    checked = check(world, folder)
    assert checked.holds
    request, said = checked.messages
    assert (request.message_type, request.assurance) == ("request", "local_operator")
    assert (said.message_type, said.assurance, said.officer) == ("acknowledgement", "passkey", "sg-do-1")
    assert (said.role, said.sender) == ("duty_officer", SG)
    assert {receipt.type for receipt in request.receipts} >= {"submission", "consignment"}
    assert {key.authority_id for key in checked.keys} == {KE, SG}
    assert all(len(key.words.split()) == 12 for key in checked.keys)
    assert await asyncio.to_thread(main, ["verify", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [message["officer"] for message in told["messages"]] == ["local", "sg-do-1"]
    assert await asyncio.to_thread(main, ["verify", str(folder)]) == 0
    assert "Everything holds" in capsys.readouterr().out


def _unb64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_other_tools_come_to_the_same_by_the_page_alone(world: World, tmp_path: Path) -> None:
    """As docs/human-acts.md describes it, with nothing of ours but the files."""
    folder = await exported(world, tmp_path)
    human = json.loads((folder / "02-manifest.json").read_bytes())["human"]
    signed_part, _, signature = human["statement"].rpartition(".")
    header, said = (json.loads(_unb64u(part)) for part in signed_part.split("."))
    assert (header["alg"], header["typ"]) == ("GW-HYB1", "gw-officer+jws")
    key = next(
        k for k in json.loads((folder / "keys.json").read_bytes())["keys"] if k["kid"] == header["kid"]
    )
    assert (key["authority_id"], key["use"], said["aid"]) == (SG, "sig", SG)
    pub, both = _unb64u(key["pub"]), _unb64u(signature)
    Ed25519PublicKey.from_public_bytes(pub[:32]).verify(both[:64], signed_part.encode())
    MLDSA65PublicKey.from_public_bytes(pub[32:]).verify(both[64:], signed_part.encode())

    given = json.loads(_unb64u(human["assertion"]))
    client, data = _unb64u(given["clientDataJSON"]), _unb64u(given["authenticatorData"])
    form = hashlib.sha256((folder / "02-form.json").read_bytes()).digest()
    challenge = hashlib.sha256(b"\0\0\0\x0agw/1/human\0\0\0\x20" + form).digest()
    browser = json.loads(client)
    assert _unb64u(browser["challenge"]) == challenge
    assert (browser["type"], browser["origin"]) == ("webauthn.get", said["origin"])
    assert data[:32] == hashlib.sha256(said["rp"].encode()).digest()
    assert data[32] & 0x05 == 0x05
    cose = _unb64u(said["credential"]["pub"])
    x, y = (int.from_bytes(cose[at : at + 32], "big") for at in (10, 45))
    passkey = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    message = data + hashlib.sha256(client).digest()
    passkey.verify(_unb64u(given["signature"]), message, ec.ECDSA(hashes.SHA256()))
    assert given["id"] == said["credential"]["id"]
    assert said["officer"] == human["officer"] == "sg-do-1"


def _edit(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        said = json.loads((folder / name).read_bytes())
        change(said)
        (folder / name).write_bytes(json.dumps(said).encode())

    return edit


def _flip(name: str) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return flip


def _rewritten(folder: Path) -> None:
    """Change the officer in manifest and form, consistently with each other."""
    for name in ("02-manifest.json", "02-form.json"):
        text = (folder / name).read_text().replace("sg-do-1", "sg-do-9")
        (folder / name).write_text(text)
    said = json.loads((folder / "02-manifest.json").read_bytes())
    said["parts"][0]["sha256"] = sha256_hex((folder / "02-form.json").read_bytes())
    (folder / "02-manifest.json").write_bytes(json.dumps(said).encode())


def _of_another(folder: Path) -> None:
    """Put one message's envelope in the place of the other's."""
    shutil.copy(folder / "01-envelope.jws", folder / "02-envelope.jws")


def _without_keys(folder: Path) -> None:
    _edit("keys.json", lambda said: said.update(keys=[k for k in said["keys"] if k["authority_id"] != SG]))(
        folder
    )


def _compromised(folder: Path) -> None:
    def end(said: dict[str, Any]) -> None:
        for key in said["keys"]:
            if (key["authority_id"], key["use"]) == (SG, "sig"):
                key |= {"status": "revoked", "reason": "compromise", "revoked_at": "2026-11-22T00:00:00Z"}

    _edit("keys.json", end)(folder)


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a changed form": (_flip("02-form.json"), "content-digest"),
    "a changed manifest": (_flip("02-manifest.json"), "manifest-mismatch"),
    "another officer, consistently": (_rewritten, "manifest-mismatch"),
    "an envelope of another message": (_of_another, "bid-conflict"),
    "a missing form": (lambda folder: (folder / "02-form.json").unlink(), "export-unreadable"),
    "a key nobody lists": (_without_keys, "unknown-key"),
    "a key that was compromised": (_compromised, "sig-revoked"),
    "a path out of the folder": (
        _edit("index.json", lambda said: said["messages"][1].update(form="../../etc/passwd")),
        "export-unreadable",
    ),
    "a document that is not there": (
        _edit("index.json", lambda said: said["messages"][0].update(documents={})),
        "export-unreadable",
    ),
    "a receipt about another message": (
        _edit(
            "index.json", lambda said: said["messages"][1].update(receipts=said["messages"][0]["receipts"])
        ),
        "receipt-mismatch",
    ),
    "a receipt that is none": (
        _edit("index.json", lambda said: said["messages"][1].update(receipts=["a.b.c"])),
        "malformed",
    ),
}


async def test_whatever_was_changed_is_named(world: World, tmp_path: Path) -> None:
    folder = await exported(world, tmp_path)
    for name, (spoil, code) in SPOILT.items():
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        spoil(copy)
        checked = check(world, copy)
        assert not checked.holds, name
        assert code in {fault.code for message in checked.messages for fault in message.faults}, name
        shutil.rmtree(copy)
    kept = json.loads((folder / "keys.json").read_bytes())
    for bad in (
        b"[]",
        b"{",
        b'{"v":1,"keys":[{"use":"sig"}]}',
        b'{"v":1,"keys":7}',
        b64u(bytes(99)).encode(),
    ):
        (folder / "keys.json").write_bytes(bad)
        with pytest.raises(GatewayRefusal, match="export-unreadable"):
            check(world, folder)
    (folder / "keys.json").write_text(json.dumps(kept))
    for bad in (b"[]", b'{"v":2}', b'{"v":1,"messages":[7]}', b'{"v":1,"messages":[{"from":1}]}'):
        (folder / "index.json").write_bytes(bad)
        with pytest.raises(GatewayRefusal, match="export-unreadable"):
            check(world, folder)


async def test_a_case_is_exported_for_its_owner_only_and_that_is_entered(
    world: World, tmp_path: Path
) -> None:
    folder = await exported(world, tmp_path)
    assert folder.stat().st_mode & 0o77 == 0
    assert all(path.stat().st_mode & 0o77 == 0 for path in folder.iterdir())
    end = await world[KE].database.read(audit.log_size)
    rows = await world[KE].database.read(lambda c: audit.entries(c, 0, end))
    assert [b"ke-op" in row.body for row in rows if b"person.exported" in (row.body or b"")] == [True]
    (row,) = [row for row in await world[KE].cases.inbox() if row.message_type == "acknowledgement"]
    with pytest.raises(GatewayRefusal, match="folder-not-empty"):
        await world[KE].desk.exports.export(row.bid, folder, officer="ke-op")
