"""The commands about channels, as an operator meets them: probes over real HTTPS, and consent."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.sampledata import PACKAGED
from tests.world import sample_request

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Two homes that know each other."""
    made = []
    for aid in ("ke-ag", "sg-agc"):
        home = tmp_path / aid
        words = ["init", "--home", str(home), "--authority-id", aid, "--network", "lab", "--json"]
        words += ["--record", str(PACKAGED / "directory.json"), "--listen", f"127.0.0.1:{free_port()}"]
        assert main(words) == 0
        made.append(home)
    for home, other in (made, reversed(made)):
        assert main(["directory", "enrol", str(other / "enrolment.json"), "--home", str(home), "--json"]) == 0
    return made[0], made[1]


@pytest.fixture
def served(homes: tuple[Path, Path]) -> Iterator[Path]:
    """The home of sg-agc while its service runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--home", str(homes[1]), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield homes[1]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_a_probe_is_answered_by_a_running_service_and_its_age_stands_in_list_and_doctor(
    homes: tuple[Path, Path], served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(homes[0])
    code, found = answer(capsys, "directory", "probe", "sg-agc", "--home", home)
    assert code == 0, found
    [row] = found["channels"]
    assert (row["authority_id"], row["channel"], row["code"]) == ("sg-agc", "gateway_https", None)
    assert row["answered_at"] is not None
    _, listed = answer(capsys, "directory", "list", "--home", home)
    peer = next(each for each in listed["authorities"] if each["authority_id"] == "sg-agc")
    assert [life["answered_at"] for life in peer["lives"]] == [row["answered_at"]]
    assert peer["verified_at"] == "2026-10-01"
    _, health = answer(capsys, "doctor", "--home", home)
    assert [each["level"] for each in health["findings"] if each["check"] == "channels"] == ["green"]
    main(["directory", "list", "--home", home])
    main(["directory", "probe", "--home", home])
    assert "0 min" in capsys.readouterr().out


def test_a_probe_that_nobody_answers_says_so(
    homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = answer(capsys, "directory", "probe", "--home", str(homes[0]))
    assert code == 1
    assert [(row["answered_at"], row["code"]) for row in found["channels"]] == [(None, "unreachable")]
    main(["directory", "probe", "--home", str(homes[0])])
    shown = capsys.readouterr().out
    assert "not reached" in shown
    assert "unreachable" not in shown
    code, refused = answer(capsys, "directory", "probe", "xx-nobody", "--home", str(homes[0]))
    assert (code, refused["error"]["code"]) == (1, "not-listed")


def test_consent_that_nobody_needs_is_refused_with_a_sentence(
    homes: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(homes[0])
    form, documents = sample_request(1)
    (tmp_path / "form.json").write_text(json.dumps(form))
    for name, data in documents.items():
        (tmp_path / name).write_bytes(data)
    attached = [str(tmp_path / name) for name in documents]
    words = ["submit", str(tmp_path / "form.json"), "--home", home, "--attach", *attached]
    code, refused = answer(capsys, *words, "--consent", "email_smime")
    # No transport of this version carries ordinary mail, so that there is nothing to consent to.
    assert (code, refused["error"]["code"]) == (1, "consent-not-needed")
    code, sent = answer(capsys, *words)
    assert code == 0, sent
    for more in ([], ["--refuse"]):
        code, refused = answer(capsys, "consent", sent["bid"], "email_smime", "--home", home, *more)
        assert (code, refused["error"]["code"]) == (1, "consent-not-needed")
        assert "record does not allow" in refused["error"]["sentence"]
    code, status = answer(capsys, "status", sent["bid"], "--home", home)
    assert status["transmissions"][0]["consents"] == {}
    assert status["transmissions"][0]["channel"] == "gateway_https"
