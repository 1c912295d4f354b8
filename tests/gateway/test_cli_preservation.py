"""``rogatory preservation``: an officer's words on the command line, and the answers programs read."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.gateway.services.preservation.night import RO, US, asked
from tests.world import FakeClock, World

pytestmark = pytest.mark.slow


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def night(tmp_path: Path) -> tuple[Path, str]:
    """Return the home of the authority that was asked, and the reference; its gateway does not run."""

    async def work() -> str:
        # The command line has no other clock than the machine's.
        clock = FakeClock(datetime.now(UTC) - timedelta(minutes=10))
        async with World.create(tmp_path, RO, US, clock=clock) as world:
            return await asked(world)

    return tmp_path / US, asyncio.run(work())


def test_an_officer_acknowledges_reports_and_sees_where_it_stands(
    night: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    home, ref = night
    common = ("--home", str(home))
    code, done = answer(capsys, "preservation", "ack", ref, "--question", "Which server?", *common)
    assert (code, done["sent"]["to"], done["prepared"]) == (0, RO, None)
    said = ("--measure", "letter", "--custodian", "Example Hosting LLC", "--custodian-reference", "EX-1")
    code, done = answer(capsys, "preservation", "report", ref, "--effected", "now", *said, *common)
    assert code == 0
    code, found = answer(capsys, "preservation", "show", ref, *common)
    assert (code, found["state"]) == (0, "preserved")
    assert [item["status"] for item in found["items"]] == ["preserved", "preserved"]
    assert {"preservation_extension_report", "status_report"} <= set(found["acts"])
    assert not {"refusal", "preservation_release"} & set(found["acts"])
    assert main(["preservation", "show", ref, *common]) == 0
    shown = capsys.readouterr().out
    assert "Example Hosting" not in shown
    assert "preservation report" in shown


def test_what_breaks_a_rule_is_named_with_its_article(
    night: tuple[Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home, ref = night
    common = ("--home", str(home))
    given = tmp_path / "content.json"
    content = {"measure": "letter", "custodian": "x", "custodian_reference": "y"}
    given.write_text(json.dumps({**content, "effected_at": "2020-01-01T00:00:00Z"}))
    code, refused = answer(capsys, "preservation", "report", ref, "--content", str(given), *common)
    assert (code, refused["error"]["code"]) == (1, "rule-broken")
    assert {item["code"] for item in refused["error"]["items"]} == {"effect_not_backdated"}
    code, found = answer(capsys, "preservation", "show", ref, *common)
    assert found["state"] == "preservation_requested"


MEANT = [
    (("report", "--effected", "yesterday"), "usage"),
    (("report", "--effected", "2026-11-21T10:00:00"), "usage"),
    (("extension", "--content", "content.json"), "form-unreadable"),
    (("follow-up", "--mla-reference", "RO-MJ/1"), "usage"),
    (("decide", "stop"), "rule-broken"),
]


def test_what_cannot_be_meant_is_refused_in_one_sentence(
    night: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, ref = night
    monkeypatch.chdir(tmp_path)
    (tmp_path / "content.json").write_text("[1, 2]")
    for (act, *rest), code in MEANT:
        status, refused = answer(capsys, "preservation", act, ref, *rest, "--home", str(home))
        assert (status, refused["error"]["code"]) == (1, code), act


def test_the_letter_is_written_into_a_new_file(
    night: tuple[Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home, ref = night
    path = tmp_path / "letter.pdf"
    words = ("preservation", "letter", ref, "--to", str(path), "--language", "fr", "--item", "2")
    code, written = answer(capsys, *words, "--home", str(home))
    assert (code, written["items"], written["path"]) == (0, [2], str(path))
    assert path.read_bytes().startswith(b"%PDF-")
    code, refused = answer(capsys, *words, "--home", str(home))
    assert (code, refused["error"]["code"]) == (1, "file-unusable")
