"""Publishing from the command line: what is wrong is refused with a code, and nothing was made or changed."""

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.services.publishing import holderfile

PASSPHRASE = "a fictional passphrase"
Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run one ``publish`` command with ``--json`` in an empty folder and return exit code and answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": PASSPHRASE)
    monkeypatch.setattr(holderfile, "_N", 2**10)

    def call(*words: object) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["directory", "publish", *map(str, words), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, "standard output holds one JSON value and nothing else"
        return code, json.loads(out)

    return call


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def net(run: Run, tmp_path: Path) -> Path:
    """A network with one holder, drafted and not signed."""
    assert run("holder", "One", "--to", "one")[0] == 0
    code, _ = run(
        "start", "net", "--network", "n", "--kind", "lab", "--needed", 1, "--holder", "one/one.holder.json"
    )
    assert code == 0
    assert run("take-out", "net", "--to", "out")[0] == 0
    for name, data in {
        "empty": b"",
        "noise": bytes(range(256)),
        "object": b"{}",
        "deep": b"[" * 100_000,
        "other.json": b'{"authority_id":"ke-ag","state":"KE"}',
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


KEY = ("--key", "one/one.key.json")
HOLDER = ("--holder", "one/one.holder.json")
BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "no network": (("status", "nowhere"), "publication-invalid"),
    "a folder that holds something": (
        ("start", "net", "--network", "m", "--kind", "lab", "--needed", 1, *HOLDER),
        "folder-not-empty",
    ),
    "a real network without cooling-off": (
        ("start", "x", "--network", "m", "--cooling-off", 0, "--needed", 1, *HOLDER),
        "cooling-off-short",
    ),
    "not more than half": (
        ("start", "x", "--network", "m", "--kind", "lab", "--needed", 0, *HOLDER),
        "holders-unfit",
    ),
    "no holder's file": (
        ("start", "x", "--network", "m", "--kind", "lab", "--needed", 1, "--holder", "noise"),
        "holder-invalid",
    ),
    "a State that is none": (
        ("state", "net", "KEN", "--by", "R", "--needed", 1, *HOLDER),
        "directory-other-state",
    ),
    "a key of the network for a State": (
        ("state", "net", "KE", "--by", "R", "--needed", 1, *HOLDER),
        "holders-unfit",
    ),
    "a record of a State nobody speaks for": (("record", "net", "other.json", "--by", "R"), "draft-missing"),
    "no record": (("record", "net", "noise", "--by", "R"), "enrolment-invalid"),
    "a record too deep": (("record", "net", "deep", "--by", "R"), "enrolment-invalid"),
    "nothing signed": (("issue", "net"), "directory-unsigned"),
    "an unknown draft": (("issue", "net", "state-ke"), "draft-missing"),
    "an unknown draft to take out": (("take-out", "net", "state-ke", "--to", "x"), "draft-missing"),
    "a draft that is none": (("bring-in", "net", "noise"), "draft-invalid"),
    "an empty draft": (("bring-in", "net", "empty"), "draft-invalid"),
    "signing what is no draft": (("sign", "object", *KEY, "--yes"), "draft-invalid"),
    "signing with no key": (("sign", "out/root.draft.json", "--key", "noise", "--yes"), "holder-invalid"),
    "signing unseen": (("sign", "out/root.draft.json", *KEY), "usage"),
    "amending what is no State's": (
        ("amend", "out/root.draft.json", "other.json", "--kind", "lab"),
        "draft-invalid",
    ),
    "words of nothing": (("words", "noise"), "malformed"),
    "a notice without its time": (
        ("revoke", "n", "--authority", "ke-ag", "--kid", "k" * 43, "--reason", "compromise", *KEY),
        "notice-dates",
    ),
    "a notice about no key": (
        ("revoke", "n", "--authority", "ke-ag", "--kid", "short", "--reason", "cessation", *KEY),
        "malformed",
    ),
    "countersigning nothing": (("countersign", "noise", *KEY), "malformed"),
    "a refresh before anything is published": (("refresh", "net"), "directory-unsigned"),
    "a refresh for too long": (("refresh", "net", "--days", 15), "usage"),
    "a file that is not there": (("bring-in", "net", "nowhere"), "file"),
    "the same holder twice": (("holder", "One", "--to", "one"), "folder-not-empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_refused_and_nothing_changes(run: Run, net: Path, case: str) -> None:
    words, code = BAD[case]
    before = everything(net)
    exit_code, answer = run(*words)
    assert (exit_code, answer["ok"], answer["error"]["code"]) == (1, False, code)
    assert answer["error"]["sentence"].endswith((".", "`."))
    after = everything(net)
    after.pop("net/.lock", None)
    assert after == {name: data for name, data in before.items() if name != "net/.lock"}


def test_a_short_passphrase_makes_no_keys(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "short")
    code, answer = run("holder", "Two", "--to", "two")
    assert (code, answer["error"]["code"]) == (1, "passphrase-short")
    assert everything(tmp_path) == {}


def test_two_passphrases_that_differ_make_no_keys(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = iter(["a fictional passphrase", "another one, fictional"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": next(given))
    code, answer = run("holder", "Two", "--to", "two")
    assert (code, answer["error"]["code"]) == (1, "passphrase-differs")
    assert everything(tmp_path) == {}


def test_status_says_who_is_still_asked(run: Run, net: Path) -> None:
    code, answer = run("status", "net")
    assert code == 0
    assert {row["role"]: (row["signed_by"], row["missing"]) for row in answer["drafts"]} == {
        "root": ("", "One"),
        "targets": ("", "One"),
    }


def test_the_words_of_a_draft_are_the_same_before_and_after_it_is_signed(run: Run, net: Path) -> None:
    before = run("words", "out/root.draft.json")[1]["words"]
    assert run("sign", "out/root.draft.json", *KEY, "--yes")[0] == 0
    assert run("words", "out/root.draft.json")[1]["words"] == before
    assert len(before) == 12
