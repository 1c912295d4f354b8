"""``rogatory roster``, ``alarm`` and ``page``: a contact point is staffed, tested and answered."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.cli import main
from gateway.model.paging import Audience, PageReason
from gateway.services.paging.pages import raise_page
from tests.alarms import FakePath
from tests.sampledata import PACKAGED

pytestmark = pytest.mark.slow
EVERY_DAY = ("--zone", "Europe/Bucharest", "--begins", "08:00", "--ends", "08:00")


def answer(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--home", str(home), "--json"])
    return code, json.loads(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> str:
    capsys.readouterr()
    main([*words, "--home", str(home)])
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("night") / "home"
    words = ["init", "--home", str(found), "--authority-id", "ke-ag", "--network", "lab", "--pull-only"]
    assert main([*words, "--record", str(PACKAGED / "directory.json"), "--json"]) == 0
    return found


async def rung(home: Path, *, page: bool = False) -> str:
    """Let the gateway look once, with paths in memory, and return the code of what was heard last."""
    heard = FakePath()
    async with App.open(home) as app:
        app.paging.pager._bell._paths = {"mail": heard, "webhook": heard}
        if page:
            now = app.clock.now()
            await app.database.write(
                lambda tx: raise_page(
                    tx,
                    peer="sg-agc",
                    reason=PageReason.ARRIVED,
                    level="urgent",
                    audience=Audience.DUTY,
                    subject=("sg-agc", "a" * 32),
                    now=now,
                )
            )
        for _ in range(2):
            await app.paging.pager.look()
            await app.paging.pager.idle()
    return heard.heard[-1][1].code


def doctor(capsys: pytest.CaptureFixture[str], home: Path) -> list[str]:
    """Return what the doctor says of the nights."""
    _, found = answer(capsys, home, "doctor")
    return [f["sentence"] for f in found["findings"] if f["check"] == "24/7"]


def test_a_point_is_staffed_tested_and_answered(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, empty = answer(capsys, home, "roster", "show")
    assert (code, empty["turns"]) == (1, [])
    assert "NOBODY" in said(capsys, home, "roster", "show")

    code, made = answer(capsys, home, "roster", "add", "ke.one", *EVERY_DAY, "--by", "ke.admin")
    assert (code, made["officer"]) == (0, "ke.one")
    answer(capsys, home, "roster", "add", "ke.two", "--part", "backup", *EVERY_DAY)
    code, shown = answer(capsys, home, "roster", "show", "--days", "2")
    assert code == 0
    assert [s["officers"] for s in shown["shifts"]] == [["ke.one"], ["ke.two"], []]
    assert "no alarm of ke.one, ke.two" in " ".join(doctor(capsys, home))

    code, path = answer(capsys, home, "alarm", "add", "ke.one", "--mail", "one@ke.example")
    assert (code, path["kind"], path["proved_at"]) == (0, "mail", None)
    quoted = asyncio.run(rung(home))
    code, done = answer(capsys, home, "page", "acknowledge", quoted)
    assert (code, done["page_id"], done["officer"]) == (0, None, "ke.one")
    code, again = answer(capsys, home, "page", "acknowledge", quoted)
    assert (code, again["error"]["code"]) == (1, "page-code-used")

    file = answer(capsys, home, "alarm", "add", "ke.two", "--webhook", "http://localhost:1/x")[1]["shown"]
    assert Path(file).is_file()
    answer(capsys, home, "page", "acknowledge", asyncio.run(rung(home)))
    code, listed = answer(capsys, home, "alarm", "list")
    assert code == 0
    assert all(path["proved_at"] for path in listed["paths"])
    # By e-mail nothing leaves here, because no server is set; and no service runs.
    assert any("nothing about alarms by mail" in sentence for sentence in doctor(capsys, home))


def test_a_page_rings_until_it_is_answered(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = asyncio.run(rung(home, page=True))
    code, listed = answer(capsys, home, "page", "list")
    assert code == 1
    (page,) = [page for page in listed["pages"] if page["peer"] == "sg-agc"]
    assert (page["count"], page["reasons"]) == (1, ["arrived"])
    code, done = answer(capsys, home, "page", "acknowledge", quoted, "--officer", "ke.two")
    assert (code, done["officer"], done["page_id"]) == (0, "ke.two", page["id"])
    assert "taken by ke.two" in said(capsys, home, "page", "list")


def test_covers_and_notes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    times = ("--begins", now.isoformat(), "--ends", (now + timedelta(hours=3)).isoformat())
    code, cover = answer(capsys, home, "roster", "cover", "ke.one", "ke.three", *times)
    assert code == 0
    shown = answer(capsys, home, "roster", "show", "--days", "1")[1]["shifts"]
    assert [s["officers"] for s in shown if s["part"] == "duty"] == [["ke.three"], ["ke.one"]]
    assert "ke.three" in said(capsys, home, "roster", "show")
    assert answer(capsys, home, "roster", "remove", cover["id"][:8])[0] == 0
    assert answer(capsys, home, "roster", "remove", cover["id"][:8])[1]["error"]["code"] == "roster-unknown"
    assert answer(capsys, home, "roster", "note", "ke.one", "All quiet\x1b[2J.")[0] == 0
    shown_note = said(capsys, home, "roster", "notes")
    assert "All quiet" in shown_note
    assert "\x1b[2J" not in shown_note


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            ("roster", "add", "ke.x", "--zone", "Mars/Olympus", "--begins", "08:00", "--ends", "20:00"),
            "roster-invalid",
        ),
        (("roster", "add", "ke.x", *EVERY_DAY, "--first", "30 February"), "usage"),
        (("alarm", "add", "ke.x"), "usage"),
        (("alarm", "add", "ke.x", "--webhook", "https://push.example/x"), "alarm-path-invalid"),
        (("alarm", "add", "ke.x", "--mail", "nobody"), "alarm-path-invalid"),
        (("alarm", "test", "ke.nobody"), "alarm-path-unknown"),
        (("alarm", "remove", "ffffffff"), "alarm-path-unknown"),
        (("page", "acknowledge", "AAAA-AAAA-AAAA-AAAA"), "page-code-unknown"),
    ],
)
def test_what_cannot_be_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: str
) -> None:
    exit_code, found = answer(capsys, home, *words)
    assert (exit_code, found["error"]["code"]) == (1, code)
