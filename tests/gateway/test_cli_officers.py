"""Officers, acts and exported cases on the command line, on homes that nobody serves."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.cli import main
from gateway.demo.passkey import SoftPasskeys
from tests.sampledata import PACKAGED

pytestmark = pytest.mark.slow
PAGE = "https://duty.ke-ag.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own with a duty page in its settings."""
    home = tmp_path_factory.mktemp("homes") / "ke-ag"
    words = ["init", "--home", str(home), "--authority-id", "ke-ag", "--network", "lab", "--json"]
    assert main([*words, "--record", str(PACKAGED / "directory.json"), "--listen", "127.0.0.1:8443"]) == 0
    settings = home / "rogatory.toml"
    settings.write_text(settings.read_text() + f'\n[duty]\norigin = "{PAGE}"\n')
    return home


class Desk:
    """Runs commands on the home with ``--json``."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.capsys = capsys

    def __call__(self, *words: str) -> tuple[int, Any]:
        self.capsys.readouterr()
        code = main([*words, "--home", str(self.home), "--json"])
        return code, json.loads(self.capsys.readouterr().out)

    def says(self, *words: str) -> str:
        self.capsys.readouterr()
        assert main([*words, "--home", str(self.home)]) == 0
        return self.capsys.readouterr().out


@pytest.fixture
def desk(made: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(made, capsys)


def invite(desk: Desk, pseudonym: str, **changes: str) -> tuple[int, Any]:
    given = {"name": "Fictional", "role": "duty_officer", "zone": "Africa/Nairobi", "by": "head"} | changes
    return desk("officer", "invite", pseudonym, *(w for k, v in given.items() for w in (f"--{k}", v)))


def test_an_officer_from_invitation_to_suspension(desk: Desk) -> None:
    assert desk("officer", "list")[1]["officers"] == []
    assert "no officers yet" in desk.says("officer", "list")
    code, link = invite(desk, "ke-do-1")
    assert code == 0
    assert link["url"] == f"{PAGE}/setup#{link['token']}"
    phone = SoftPasskeys(origin=PAGE)
    words = register(desk.home, link["token"], phone)
    (officer,) = desk("officer", "list")[1]["officers"]
    assert officer["passkeys"][0]["words"] is None
    assert words not in desk.says("officer", "list"), "whoever confirms has to hear them"
    for by, said, code in (
        ("head", ["--words", words], "two-persons"),
        ("deputy", ["--words", "abandon ability"], "officer-words-differ"),
        ("deputy", ["--words", " "], "officer-words-needed"),
        ("deputy", [], "officer-words-needed"),
    ):
        status, refused = desk("officer", "confirm", "ke-do-1", "--by", by, *said)
        assert (status, refused["error"]["code"]) == (1, code)
        assert desk("officer", "list")[1]["officers"] == [officer]
    code, officer = desk("officer", "confirm", "ke-do-1", "--by", "deputy", "--words", words)
    assert (code, officer["status"]) == (0, "active")
    assert "Nobody is signed in" in desk.says("officer", "sessions")
    sign_in(desk.home, phone)
    (session,) = desk("officer", "sessions")[1]["sessions"]
    assert set(session) == {"officer", "began_at", "used_at", "ends_at"}
    assert "ke-do-1" in desk.says("officer", "sessions")
    code, refused = desk("officer", "sign-out", "nobody", "--by", "head")
    assert (code, refused["error"]["code"]) == (1, "officer-unknown")
    assert "1 session ended" in desk.says("officer", "sign-out", "ke-do-1", "--by", "head")
    assert "Was not signed in" in desk.says("officer", "sign-out", "ke-do-1", "--by", "head")
    code, ended = desk("officer", "end-passkey", officer["passkeys"][0]["id"][:8], "--by", "head")
    assert (code, ended["status"]) == (0, "ended")
    assert "good once" in desk.says("officer", "link", "ke-do-1", "--by", "head")
    code, officer = desk("officer", "suspend", "ke-do-1", "--by", "head")
    assert (code, officer["status"]) == (0, "suspended")


def test_on_a_terminal_the_words_are_asked_for_and_in_a_script_they_are_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = register(desk.home, invite(desk, "ke-do-5")[1]["token"], SoftPasskeys(origin=PAGE))
    command = ["officer", "confirm", "ke-do-5", "--by", "deputy", "--home", str(desk.home)]
    assert main(command) == 1
    assert "officer-words-needed" in desk.capsys.readouterr().err
    asked: list[str] = []

    def answer(question: str, **_options: object) -> str:
        asked.append(question)
        return words

    monkeypatch.setattr("gateway.cli.officers.Prompt.ask", answer)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert desk("officer", "confirm", "ke-do-5", "--by", "deputy")[0] == 1, "a program is never asked"
    assert asked == []
    assert main(command) == 0
    assert len(asked) == 1
    assert "active" in desk.capsys.readouterr().out
    assert desk("officer", "suspend", "ke-do-5", "--by", "head")[0] == 0


def sign_in(home: Path, phone: SoftPasskeys) -> None:
    """Sign in as the duty page would."""

    async def work() -> None:
        async with App.open(home) as app:
            await app.duty.sessions.sign_in(phone.get(app.officers.sign_in_options().options))

    asyncio.run(work())


def register(home: Path, token: str, phone: SoftPasskeys) -> str:
    """Make a passkey as the duty page would; return the words that it shows."""

    async def work() -> str:
        async with App.open(home) as app:
            options = (await app.officers.begin_registration(token)).options
            made = await app.officers.complete_registration(token, phone.create(options))
            return str(made.passkey.words)

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"zone": "Mars/Base"}, "officer-invalid"), ({"name": " "}, "officer-invalid")],
)
def test_who_cannot_be_an_officer_is_told_what_to_correct(
    desk: Desk, changes: dict[str, str], code: str
) -> None:
    status, answer = invite(desk, "ke-do-9", **changes)
    assert (status, answer["error"]["code"]) == (1, code)
    assert answer["error"]["items"][0]["sentence"]


def test_acts_and_exports_that_are_not_there(desk: Desk, tmp_path: Path) -> None:
    assert desk("act", "list")[1]["acts"] == []
    assert "Nothing waits" in desk.says("act", "list")
    assert desk("act", "withdraw", "0" * 32)[1]["error"]["code"] == "act-unknown"
    assert desk("export", "nowhere", "--to", str(tmp_path / "out"))[1]["error"]["code"] == "not-found"
    assert not (tmp_path / "out").exists()
    for folder in (tmp_path, tmp_path / "absent"):
        assert main(["verify", str(folder), "--json"]) == 1
        assert json.loads(desk.capsys.readouterr().out)["error"]["code"] == "export-unreadable"
    (tmp_path / "keys.json").write_text('{"v":1,"keys":[]}')
    (tmp_path / "index.json").write_text('{"v":1,"messages":[]}')
    assert main(["verify", str(tmp_path), "--json"]) == 1
