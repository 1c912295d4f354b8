"""Setting up the duty page: its name, a certificate of its own, renewing it, and what the doctor says."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.config import HomePaths, parse_settings, read_settings
from gateway.errors import GatewayRefusal
from gateway.services.diagnosis import Level
from gateway.services.duty.checks import check_page
from gateway.services.duty.setup import certify_page, name_page

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LAB = '# written by hand\n[authority]\nid = "ke-ag"\nstate = "KE"\nname = "Fictional"\nnetwork = "lab"\n'
HOST = "duty.ke-ag.example"


@pytest.fixture
def home(tmp_path: Path) -> HomePaths:
    paths = HomePaths(tmp_path)
    paths.settings.write_text(LAB)
    return paths


def named(home: HomePaths, *, proxy: bool = False) -> HomePaths:
    name_page(home, host=HOST, port=8444, listen="127.0.0.1:8444", proxy=proxy)
    return home


def test_the_name_is_written_behind_what_people_wrote(home: HomePaths) -> None:
    settings = name_page(home, host=HOST, port=443, listen="127.0.0.1:8444", proxy=True)
    assert home.settings.read_text().startswith(LAB)
    assert read_settings(home.settings) == settings
    assert (settings.duty.origin, settings.duty.rp, settings.duty.tls) == (f"https://{HOST}", HOST, "proxy")
    assert stat.S_IMODE(home.settings.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("host", "listen"),
    [("10.0.0.1", "127.0.0.1:1"), ('x"\n[mail]', "127.0.0.1:1"), (HOST, "0.0.0.0:1"), (HOST, "nowhere")],
)
def test_a_name_or_address_that_cannot_be_one_changes_nothing(
    home: HomePaths, host: str, listen: str
) -> None:
    with pytest.raises(GatewayRefusal) as refused:
        name_page(home, host=host, port=None, listen=listen, proxy=False)
    assert refused.value.code == "duty-name-invalid"
    assert home.settings.read_text() == LAB


def test_a_page_that_has_a_name_keeps_it(home: HomePaths) -> None:
    before = named(home).settings.read_text()
    with pytest.raises(GatewayRefusal) as refused:
        named(home)
    assert refused.value.code == "duty-set"
    assert home.settings.read_text() == before


def test_a_renewed_certificate_is_of_the_same_issuer_and_secrets_are_the_gateways_alone(
    home: HomePaths,
) -> None:
    first = certify_page(named(home), now=NOW)
    assert first.is_issuer_new
    later = certify_page(home, now=NOW + timedelta(days=300))
    assert (later.is_issuer_new, later.issuer_sha256) == (False, first.issuer_sha256)
    assert later.ends_at > first.ends_at
    for name in ("page.key", "issuer.key"):
        assert stat.S_IMODE((home.root / "duty" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((home.root / "duty").stat().st_mode) == 0o700


def test_another_issuer_is_made_only_when_the_one_held_cannot_vouch_any_more(home: HomePaths) -> None:
    first = certify_page(named(home), now=NOW)
    again = certify_page(home, now=NOW + timedelta(days=5 * 365))
    assert again.is_issuer_new
    assert again.issuer_sha256 != first.issuer_sha256


def test_a_certificate_from_elsewhere_is_left_alone(home: HomePaths) -> None:
    named(home)
    (home.root / "duty").mkdir()
    (home.root / "duty/page.crt").write_text("-----BEGIN CERTIFICATE-----\nof the ministry\n")
    with pytest.raises(GatewayRefusal) as refused:
        certify_page(home, now=NOW)
    assert refused.value.code == "duty-certificate-other"
    assert "ministry" in (home.root / "duty/page.crt").read_text()


def test_without_a_name_or_behind_a_proxy_there_is_nothing_to_certify(home: HomePaths) -> None:
    for prepared in (home, named(home, proxy=True)):
        with pytest.raises(GatewayRefusal) as refused:
            certify_page(prepared, now=NOW)
        assert refused.value.code == "duty-unset"


def test_the_doctor_looks_at_certificate_name_and_end(home: HomePaths) -> None:
    def level(at: datetime = NOW) -> Level | None:
        found = list(check_page(home, read_settings(home.settings), at))
        return found[0].level if found else None

    assert level() is None
    named(home)
    assert level() is Level.RED, "no certificate yet"
    certify_page(home, now=NOW)
    assert level() is Level.GREEN
    assert level(NOW + timedelta(days=380)) is Level.YELLOW
    assert level(NOW + timedelta(days=392)) is Level.RED
    assert level(NOW + timedelta(days=400)) is Level.RED
    text = home.settings.read_text()
    home.settings.write_text(text.replace(HOST, "other.ke-ag.example"))
    assert level() is Level.RED, "the certificate is for another name"
    home.settings.write_text(text.replace('"own"', '"proxy"'))
    assert level() is Level.GREEN


def test_the_commands_say_what_to_do_next(home: HomePaths, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--home", str(home.root)]
    assert main(["duty", "setup", HOST, "--listen", "127.0.0.1:8444", *common]) == 0
    said = capsys.readouterr().out
    assert "rogatory duty certificate" in said
    assert "hand port 443, which phones open, on to 8444" in said
    assert main(["duty", "certificate", *common]) == 0
    assert "install the issuer on every officer's phone" in capsys.readouterr().out
    assert main(["duty", "certificate", "--json", *common]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["is_issuer_new"], told["origin"]) == (True, False, f"https://{HOST}")
    assert main(["duty", "setup", HOST, "--listen", "127.0.0.1:8444", "--json", *common]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "duty-set"
    assert parse_settings(home.settings.read_text()).duty.rp == HOST
