"""A holder's files: locked with a stretched passphrase, never overwritten; nothing secret is handed over."""

import stat
from pathlib import Path

import pytest

from crypto.revocation import Quorum, read_notice
from gateway.errors import GatewayRefusal
from gateway.services.publishing import holderfile
from gateway.services.publishing.holderfile import read_holder, read_keys, write_holder
from gateway.services.publishing.notices import add_line, start_notice
from tests.gateway.services.registry.networks import NOW, holder

KEYS = holder("Ministry of Justice, first")
PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch less than in earnest."""
    monkeypatch.setattr(holderfile, "_N", 2**10)


def test_keys_come_back_with_the_passphrase_only(tmp_path: Path) -> None:
    files = write_holder(tmp_path, KEYS, PASSPHRASE)
    assert read_keys(files.keys, PASSPHRASE).public == KEYS.public
    assert read_holder(files.public) == KEYS.public
    for wrong in ("", "Correct horse battery", PASSPHRASE + " "):
        with pytest.raises(GatewayRefusal, match="holder-invalid"):
            read_keys(files.keys, wrong)


def test_the_key_file_is_private_and_the_public_half_holds_no_key(tmp_path: Path) -> None:
    files = write_holder(tmp_path, KEYS, PASSPHRASE)
    assert stat.S_IMODE(files.keys.stat().st_mode) == 0o600
    assert files.keys.name == "ministry-of-justice-first.key.json"
    assert b"PRIVATE" not in files.public.read_bytes()
    assert PASSPHRASE.encode() not in files.keys.read_bytes()


def test_a_short_passphrase_and_a_name_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayRefusal, match="passphrase-short"):
        write_holder(tmp_path, KEYS, "short")
    assert list(tmp_path.iterdir()) == []
    files = write_holder(tmp_path, KEYS, PASSPHRASE)
    before = files.keys.read_bytes()
    with pytest.raises(GatewayRefusal, match="folder-not-empty"):
        write_holder(tmp_path, KEYS, PASSPHRASE)
    assert files.keys.read_bytes() == before


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[]", b'{"v":1,"name":"x","salt":1,"pem":"x"}', b"x" * 40_000]
)
def test_what_is_no_key_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.key.json"
    path.write_bytes(damage)
    with pytest.raises(GatewayRefusal, match="holder-invalid"):
        read_keys(path, PASSPHRASE)


def test_holders_sign_one_notice_on_machines_of_their_own() -> None:
    other = holder("Ministry of Justice, second")
    notice = start_notice(
        KEYS, authority_id="ke-ag", kid=KEYS.public.public.kid, reason="superseded", since=None, now=NOW
    )
    both = add_line(notice, other, NOW)
    quorum = Quorum(
        ed25519=frozenset(k.public.public.pub[:32] for k in (KEYS, other)),
        ml_dsa=frozenset(k.public.public.pub[32:] for k in (KEYS, other)),
        threshold=4,
    )
    read_notice(both, NOW).verify_by_holders(quorum)


def test_a_notice_without_its_dates_is_refused() -> None:
    with pytest.raises(GatewayRefusal, match="notice-dates"):
        start_notice(KEYS, authority_id="ke-ag", kid="x" * 43, reason="compromise", since=None, now=NOW)
    with pytest.raises(GatewayRefusal, match="malformed"):
        start_notice(KEYS, authority_id="Nobody", kid="x" * 43, reason="superseded", since=None, now=NOW)
