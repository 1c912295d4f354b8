"""Each mail of the corpus has the outcome that its table states, and fetches nothing."""

import json
import re
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate

from crypto.encoding import sha256_hex
from crypto.mailcert import MailKey
from gateway.errors import LOCAL_CODES, GatewayRefusal, sentence_of
from gateway.services.smime import replies
from gateway.services.smime.entity import Correspondent, OpenedLetter, open_letter
from tests.hostile import look
from tests.postoffice import mail_world

CORPUS = Path(__file__).parents[3] / "vectors" / "mail" / "smime"
HELD = json.loads((CORPUS / "keys.json").read_text("ascii"))
AT = datetime.fromisoformat(HELD["at"])
#: File → outcome, as README.md states it.
STATED = dict(
    re.findall(r"^\| `([a-z0-9-]+)\.eml` \|[^|]*\| `([a-z-]+)` \|$", (CORPUS / "README.md").read_text(), re.M)
)


def der(pem: str) -> bytes:
    return load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


def keys() -> list[MailKey]:
    found = []
    for row in HELD["keys"]:
        private = serialization.load_pem_private_key(row["private_of_this_test_only"].encode(), None)
        found.append(MailKey(certificate=der(row["certificate"]), private=private))  # type: ignore[arg-type]
    return found


KEYS = keys()
DIRECTORY = tuple(
    Correspondent(
        authority_id=f"{row['address'][5:7]}-x", address=row["address"], certificate=der(row["certificate"])
    )
    for row in HELD["directory"]
)


def test_the_table_states_the_outcome_of_every_mail() -> None:
    assert set(STATED) == {path.stem for path in CORPUS.glob("*.eml")}
    assert len(STATED) > 50
    for code in set(STATED.values()) - {"opened"}:
        assert code in LOCAL_CODES or "not known here" not in sentence_of(code)


@pytest.mark.parametrize("name", sorted(STATED))
def test_a_mail_of_the_corpus_has_its_stated_outcome(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("a letter reached for the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    raw = (CORPUS / f"{name}.eml").read_bytes()

    def found() -> OpenedLetter:
        return open_letter(raw, keys=KEYS, own=HELD["mailbox"], correspondents=DIRECTORY, now=AT)

    if STATED[name] == "opened":
        assert found().correspondent.address == "duty@xb-example.example.org"
        assert found().text in {"We have received your request.\n", "Yes."}
        assert found().is_protected is (name != "good-bare-headers")
        return
    with pytest.raises(GatewayRefusal) as caught:
        found()
    assert caught.value.code == STATED[name]
    shown = f"{caught.value} {caught.value.detail} {caught.value.public_detail}"
    assert "received your request" not in shown
    assert "example.org" not in shown


@pytest.mark.slow
async def test_in_a_home_each_is_set_aside_for_its_reason_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(raw: bytes, **_: Any) -> OpenedLetter:
        return open_letter(raw, keys=KEYS, own=HELD["mailbox"], correspondents=DIRECTORY, now=AT)

    monkeypatch.setattr(replies, "open_letter", opened)
    monkeypatch.setattr(replies, "mailbox_of_entry", lambda _: HELD["mailbox"])
    async with mail_world(tmp_path, "sg-agc") as world:
        app = world["sg-agc"]
        before = await look(app)
        for name in STATED:
            await app.mail.take((CORPUS / f"{name}.eml").read_bytes())
        after = await look(app)
        aside = {mail.name: mail.reason for mail in await app.quarantine.listing()}
        changed = {table for table, count in after.rows.items() if count != before.rows[table]}
        assert {table for table in changed if not table.startswith("audit_")} == {"mail_quarantine", "task"}
        found = {name: aside[sha256_hex((CORPUS / f"{name}.eml").read_bytes())] for name in STATED}
        # Good ones answer no letter of this home; two are no S/MIME mail by their headers.
        known = STATED | {name: "mail-no-case" for name, code in STATED.items() if code == "opened"}
        assert found == known | dict.fromkeys(("sibling-outside", "not-encrypted-not-signed"), "mail-human")
