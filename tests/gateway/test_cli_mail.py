"""``rogatory mail``, and the mailbox that ``init`` sets: what was set aside is seen, and let go of."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.cli import main
from gateway.config import read_settings
from tests.sampledata import PACKAGED

pytestmark = pytest.mark.slow
LETTER = b"From: clerk@justice.example\r\nSubject: \x1b[2JHello\r\nTo: gw@ke.example\r\n\r\nWords.\r\n"
MAIL = ("--mailbox", "gw@ke.example", "--mail-server", "localhost", "--mail-lmtp", "/run/rogatory/lmtp")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def init(home: Path, capsys: pytest.CaptureFixture[str], *mail: str) -> tuple[int, Any]:
    words = ["init", "--home", str(home), "--authority-id", "ke-ag", "--network", "lab", "--pull-only"]
    return answer(capsys, *words, "--record", str(PACKAGED / "directory.json"), *mail)


def set_aside(home: Path) -> None:
    async def work() -> None:
        async with App.open(home) as app:
            await app.mail.take(LETTER)

    asyncio.run(work())


async def own_channels(home: Path) -> dict[str, str]:
    async with App.open(home, writer=False) as app:
        return {channel.channel: channel.address for channel in app.directory.own.channels}


def test_init_sets_the_mailbox_and_lists_it_in_the_own_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = init(tmp_path / "home", capsys, *MAIL)
    assert code == 0
    settings = read_settings(tmp_path / "home" / "rogatory.toml").mail
    assert (settings.mailbox, settings.smtp.host) == ("gw@ke.example", "localhost")
    assert (settings.imap.host, settings.lmtp_socket) == ("", "/run/rogatory/lmtp")
    listed = asyncio.run(own_channels(tmp_path / "home"))
    assert listed["email_sealed"] == "gw@ke.example"
    assert [*listed][:2] == ["https_pull", "email_sealed"]


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        (("--mailbox", "gw@ke.example"), "--mail-server"),
        (("--mailbox", "gw@ke.example", "--mail-server", "localhost"), "--mail-password-file"),
        ((*MAIL[:3], "mail.ke.example", *MAIL[4:]), "loopback address"),
        (("--mailbox", "gateway", *MAIL[2:]), "an address in ASCII"),
    ],
)
def test_init_says_what_is_missing_for_mail_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mail: tuple[str, ...], said: str
) -> None:
    code, answered = init(tmp_path / "home", capsys, *mail)
    assert code != 0
    assert said in json.dumps(answered)
    assert not (tmp_path / "home").exists()


def test_a_mail_set_aside_is_listed_shown_written_out_and_let_go_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    init(home, capsys, *MAIL)
    set_aside(home)
    at = ("--home", str(home))
    _, listed = answer(capsys, "mail", "list", *at)
    [mail] = listed["mails"]
    assert mail["size"] == len(LETTER)

    file = tmp_path / "mail.eml"
    code, shown = answer(capsys, "mail", "show", mail["name"][:10], "--to", str(file), *at)
    assert (code, file.read_bytes(), file.stat().st_mode & 0o777) == (0, LETTER, 0o600)
    assert shown["mail"]["name"] == mail["name"]
    assert answer(capsys, "mail", "show", mail["name"], "--to", str(file), *at)[0] == 1
    assert file.read_bytes() == LETTER

    # What it says of itself cannot move the cursor.
    assert main(["mail", "list", *at]) == 0
    assert main(["mail", "show", mail["name"][:10], *at]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out

    assert answer(capsys, "mail", "discard", mail["name"][:10], *at)[0] == 0
    assert answer(capsys, "mail", "list", *at) == (0, {"ok": True, "mails": []})
    assert answer(capsys, "mail", "discard", mail["name"][:10], *at)[0] == 1
