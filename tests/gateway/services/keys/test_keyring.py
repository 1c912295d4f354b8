"""The keys on the disk: private, whole or not there, and never shown."""

import json
import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto.errors import Refusal
from crypto.keys import KeyUse
from gateway.errors import GatewayError
from gateway.services.keys.keyring import Keyring, KeyringError

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    Keyring.create(folder, authority_id="ke-ag", now=NOW, hosts=["gw.example.org"])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    copy = tmp_path / "keys"
    copy.mkdir()
    for path in made.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_every_file_is_readable_by_its_owner_only(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o600}


def test_private_keys_lie_encrypted_except_the_one_that_tls_reads(made: Path) -> None:
    plain = [path.name[:3] for path in made.glob("*.pem") if b"ENCRYPTED" not in path.read_bytes()]
    assert set(plain) <= {"tls"}


def test_what_is_there_is_not_made_again(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    with pytest.raises(KeyringError):
        Keyring.create(made, authority_id="ke-ag", now=NOW, hosts=[])
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


@pytest.mark.parametrize("name", ["keys.json", "passphrase", "storage.kek"])
@pytest.mark.parametrize("damage", ["gone", "empty", "noise"])
def test_a_damaged_file_is_a_typed_refusal(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"\xff" * 40)
    with pytest.raises((KeyringError, Refusal)) as caught:
        Keyring.open(folder).signer("sig", NOW)
    assert "\xff" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"keys": 1}', '{"authority_id": "ke-ag", "keys": [{}]}', "null"]
)
def test_an_index_of_another_shape_is_a_typed_refusal(folder: Path, text: str) -> None:
    (folder / "keys.json").write_text(text)
    with pytest.raises(KeyringError):
        Keyring.open(folder)


def test_an_index_that_names_another_key_is_refused(folder: Path) -> None:
    index = json.loads((folder / "keys.json").read_text())
    rows = {row["use"]: row for row in index["keys"] if row["use"] in ("req", "rcpt")}
    rows["req"]["file"], rows["rcpt"]["file"] = rows["rcpt"]["file"], rows["req"]["file"]
    (folder / "keys.json").write_text(json.dumps(index))
    with pytest.raises(KeyringError, match="another key"):
        Keyring.open(folder).signer("req", NOW)


def test_a_key_is_not_used_outside_its_life_and_the_sentence_says_what_to_do(made: Path) -> None:
    ring = Keyring.open(made)
    for at in (NOW - timedelta(days=2), NOW + timedelta(days=731)):
        with pytest.raises(GatewayError) as caught:
            ring.signer("sig", at)
        assert caught.value.code == "key-not-in-force"
        assert "clock" in caught.value.public_detail
    for at in (NOW - timedelta(minutes=10), NOW + timedelta(minutes=10)):
        assert ring.signer("sig", at).public.use == KeyUse.SIG


def test_a_destroyed_key_opens_nothing_any_more(folder: Path) -> None:
    ring = Keyring.open(folder)
    kid = next(iter(ring.enc_kids()))
    assert ring.decapsulator(kid) is not None
    assert ring.destroy_expired(NOW + timedelta(days=149)) == ()
    assert ring.destroy_expired(NOW + timedelta(days=151)) == (kid,)
    assert ring.decapsulator(kid) is None
    again = Keyring.open(folder)
    assert (again.decapsulator(kid), again.enc_kids()) == (None, frozenset())
    assert not list(folder.glob("enc-*"))


def test_a_key_of_another_use_decapsulates_nothing(made: Path) -> None:
    ring = Keyring.open(made)
    assert ring.decapsulator(ring.signer("rcpt", NOW).public.kid) is None
    assert ring.decapsulator("A" * 43) is None


def test_nothing_shows_a_secret(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [(made / "passphrase").read_text(), (made / "storage.kek").read_text()]
    ring = Keyring.open(made)
    shown = repr(ring) + repr(ring.held) + repr(ring.signer("sig", NOW)) + repr(ring.record_keys())
    shown += repr(ring.decapsulator(next(iter(ring.enc_kids())))) + caplog.text
    for path in made.glob("*.pem"):
        secrets += [line for line in path.read_text().splitlines() if len(line) == 64]
    assert secrets
    assert not [secret for secret in secrets if secret in shown]
