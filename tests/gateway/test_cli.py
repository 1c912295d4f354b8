"""The command line: answers for people and programs, and homes that are made whole or not at all."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.cli import COMMANDS, GROUPS, main
from tests.sampledata import PACKAGED, sample

DIRECTORY = str(PACKAGED / "directory.json")

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command with ``--json`` and return its exit code and its answer."""
    monkeypatch.delenv("ROGATORY_HOME", raising=False)

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*words, "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, "standard output holds one JSON value and nothing else"
        return code, json.loads(out)

    return call


def make(run: Run, folder: Path, aid: str = "ke-ag", *extra: str) -> Path:
    home = folder / aid
    words = ["init", "--home", str(home), "--authority-id", aid, "--network", "lab", "--record", DIRECTORY]
    code, answer = run(*words, "--listen", "127.0.0.1:8443", *extra)
    assert code == 0, answer
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Help and usage


@pytest.mark.parametrize("words", [["doctor"], ["preservation", "show", "XX/1"]])
def test_a_command_that_is_broken_off_says_so_and_ends_as_the_shell_expects(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def broken_off(work: Coroutine[Any, Any, Any]) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncio.run", broken_off)
    code, answer = run(*words)
    assert (code, answer["error"]["code"]) == (130, "interrupted")
    assert main(words) == 130
    out, err = capsys.readouterr()
    assert (out, "status" in err) == ("", True)


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "revoke", "-Qm9vYmFy", "--reason", "cessation", "--home", "nowhere"],
        ["officer", "end-passkey", "-Qm9vYmFy", "--by", "w-ke-01", "--home", "nowhere"],
        [
            *["directory", "publish", "revoke", "a.notice", "--authority", "ke-ag", "--kid", "-Qm9vYmFy"],
            *["--reason", "cessation", "--key", "nowhere", "--passphrase-file", "nowhere"],
        ],
    ],
    ids=["of ours", "a passkey", "by a holder"],
)
def test_a_key_whose_identifier_begins_with_a_hyphen_is_named_as_it_is_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, answer = run(*words)
    assert code == 1, answer


def test_the_help_of_one_command_warns_of_what_cannot_be_taken_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["keys", "revoke"], ["directory", "publish", "revoke"]):
        assert main([*words, "--help"]) == 0
        assert "cannot be taken back" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [["status"], ["keys", "revoke"], ["directory", "publish", "sign"]])
def test_a_usage_error_names_the_help_of_its_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert f"Try: rogatory {' '.join(words)} --help\n" in capsys.readouterr().err


@pytest.mark.slow
def test_help_names_every_command_and_loads_none() -> None:
    code = (
        "import sys; from gateway.cli import main; main(['--help']);"
        "sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'aiohttp', 'cryptography')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for name in (*COMMANDS, *GROUPS):
        assert f" {name} " in done.stdout


@pytest.mark.parametrize("words", [["nonsense"], ["submit"], ["doctor", "--nonsense"], ["status", "a", "b"]])
def test_a_wrong_command_line_exits_with_2_and_says_what_is_wrong(run: Run, words: list[str]) -> None:
    code, answer = run(*words)
    assert code == 2
    assert answer["ok"] is False
    assert answer["error"]["code"] == "usage"
    assert answer["error"]["sentence"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("open",), "rogatory open needs REF."),
        (("open", "x"), "rogatory open needs --to."),
        (("open", "x", "--to"), "rogatory open needs a value after --to."),
        (("status", "a", "b"), "rogatory status does not take 'b' there."),
        (("directory", "publish", "sign"), "rogatory directory publish sign needs DRAFT."),
    ],
)
def test_what_is_wrong_is_called_as_the_help_calls_it(
    run: Run, words: tuple[str, ...], sentence: str
) -> None:
    assert run(*words)[1]["error"]["sentence"] == sentence


def test_without_a_home_the_sentence_says_how_to_name_one(run: Run) -> None:
    code, answer = run("inbox")
    assert code == 1
    assert "--home" in answer["error"]["sentence"]


def test_the_home_may_come_from_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make(run, tmp_path)
    monkeypatch.setenv("ROGATORY_HOME", str(home))
    assert run("inbox") == (0, {"ok": True, "items": []})
    assert run("sent") == (0, {"ok": True, "items": []})


# init


def test_a_new_home_is_private_whole_and_says_what_to_do_next(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make(run, tmp_path)
    for path in [home, *home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.name not in {"enrolment.json", "directory.jws"}:
            assert mode & 0o077 == 0, f"{path} is {mode:o}"
    code, answer = run("audit", "verify", "--home", str(home))
    assert (code, answer["verified"], answer["size"]) == (0, True, 10)
    words = ["init", "--home", str(tmp_path / "b"), "--authority-id", "sg-agc", "--name", "Fictional"]
    assert main([*words, "--network", "lab", "--listen", "127.0.0.1:1", "--yes"]) == 0
    out = capsys.readouterr().out
    for said in ("Lab network", "rogatory serve", "enrolment.json", "rogatory directory enrol"):
        assert said in out


@pytest.mark.parametrize("content", ["rogatory.toml", "something-else"])
def test_a_folder_that_holds_anything_is_never_written_into(run: Run, tmp_path: Path, content: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / content).write_text("mine")
    words = ["init", "--home", str(home), "--authority-id", "ke-ag", "--name", "N", "--network", "lab"]
    code, answer = run(*words, "--listen", "127.0.0.1:1")
    assert code == 1
    expected = "home-exists" if content == "rogatory.toml" else "folder-not-empty"
    assert answer["error"]["code"] == expected
    assert contents(home) == {content: b"mine"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--authority-id"),
        (["--authority-id", "ke-ag"], "--name"),
        (["--authority-id", "ke-ag", "--name", "N"], "--network"),
        (["--authority-id", "ke-ag", "--name", "N", "--network", "lab"], "--listen"),
        (
            ["--authority-id", "ke-ag", "--name", "N", "--network", "real", "--listen", "1.1.1.1:1"],
            "--address",
        ),
        (["--authority-id", "ke-ag", "--name", "N", "--network", "lab", "--listen", "1.1.1.1:1"], "loopback"),
        (["--authority-id", "KE", "--name", "N", "--network", "lab", "--pull-only"], "$.authority.id"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_is_made(
    run: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    code, answer = run("init", "--home", str(tmp_path / "home"), *words)
    assert code == 1
    assert said in answer["error"]["sentence"]
    assert not (tmp_path / "home").exists()


def test_a_record_of_another_authority_or_shape_is_refused(run: Run, tmp_path: Path) -> None:
    words = ["init", "--home", str(tmp_path / "home"), "--network", "lab", "--pull-only", "--name", "N"]
    record = tmp_path / "record.json"
    other = next(row for row in sample("directory.json")["authorities"] if row["authority_id"] == "sg-agc")
    for value in ([], {**other, "roles": []}, {**other, "authority_id": "sg-agc", "state": "KE"}):
        record.write_text(json.dumps(value))
        code, answer = run(*words, "--authority-id", "sg-agc", "--record", str(record))
        assert (code, answer["error"]["code"]) == (1, "record-invalid")
    record.write_text(json.dumps(other))
    code, answer = run(*words, "--authority-id", "ke-ag", "--record", str(record))
    assert (code, answer["error"]["code"]) == (1, "record-invalid")
    assert not (tmp_path / "home").exists()


def test_a_database_that_cannot_be_reached_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    words = ["init", "--home", str(tmp_path / "home"), "--authority-id", "ke-ag", "--name", "N"]
    url = f"postgresql://nobody@/none?host={tmp_path}"
    code, answer = run(*words, "--network", "lab", "--pull-only", "--database", url)
    assert (code, answer["error"]["code"]) == (1, "unavailable")
    assert not (tmp_path / "home").exists()


def test_an_authority_that_only_calls_out_lists_no_server(run: Run, tmp_path: Path) -> None:
    words = ["init", "--home", str(tmp_path / "h"), "--authority-id", "tn-mj", "--record", DIRECTORY]
    assert run(*words, "--network", "lab", "--pull-only")[0] == 0
    _, answer = run("directory", "list", "--home", str(tmp_path / "h"))
    channels = answer["authorities"][0]["channels"]
    assert channels[0] == "https_pull"
    assert "gateway_https" not in channels


# Working on a home without a service


def test_a_command_without_a_service_says_so_on_standard_error(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make(run, tmp_path)
    capsys.readouterr()
    assert main(["inbox", "--home", str(home)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "Nothing has arrived yet.\n"
    assert "No service is running" in printed.err


@pytest.mark.parametrize(
    "words", [["status", "KE/1"], ["receipts", "0" * 32], ["acknowledge", "sg-agc/" + "0" * 32]]
)
def test_an_unknown_reference_is_refused(run: Run, tmp_path: Path, words: list[str]) -> None:
    code, answer = run(*words, "--home", str(make(run, tmp_path)))
    assert (code, answer["error"]["code"]) == (1, "not-found")


def test_a_form_that_is_no_form_is_refused_before_anything_is_queued(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    form = tmp_path / "request.json"
    for text in (b"", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 50 + b"]" * 50, b" " * 2_000_000):
        form.write_bytes(text)
        code, answer = run("submit", str(form), "--home", str(home))
        assert (code, answer["error"]["code"]) == (1, "form-unreadable"), text[:20]
    code, answer = run("submit", str(tmp_path / "absent.json"), "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "file")
    assert run("audit", "verify", "--home", str(home))[1]["size"] == 10


def test_missing_contents_name_their_articles(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    form = sample("01_mla_bank_records_en.json")
    del form["facts_summary"]
    path = tmp_path / "request.json"
    path.write_text(json.dumps(form))
    code, answer = run("submit", str(path), "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "contents-missing")
    assert "18(15)" in json.dumps(answer["error"]["items"])


@pytest.mark.parametrize("statement", ["", "{}", "a.b.c", "é", "x" * 2_000_000])
def test_what_is_no_enrolment_file_changes_no_directory(run: Run, tmp_path: Path, statement: str) -> None:
    home = make(run, tmp_path)
    before = (home / "directory" / "directory.jws").read_bytes()
    peer = tmp_path / "peer.json"
    peer.write_text(statement)
    code, answer = run("directory", "enrol", str(peer), "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "enrolment-invalid")
    assert (home / "directory" / "directory.jws").read_bytes() == before


def test_lab_and_real_networks_never_mix(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    words = ["init", "--home", str(tmp_path / "real"), "--authority-id", "sg-agc", "--record", DIRECTORY]
    assert (
        run(*words, "--network", "real", "--listen", "127.0.0.1:1", "--address", "https://gw.example")[0] == 0
    )
    for ours, theirs in ((home, tmp_path / "real"), (tmp_path / "real", home)):
        code, answer = run("directory", "enrol", str(theirs / "enrolment.json"), "--home", str(ours))
        assert (code, answer["error"]["code"]) == (1, "wrong-network")


def test_enrolment_shows_the_words_that_the_peer_itself_shows(run: Run, tmp_path: Path) -> None:
    home, peer = make(run, tmp_path), make(run, tmp_path, "sg-agc")
    code, answer = run("directory", "enrol", str(peer / "enrolment.json"), "--home", str(home))
    assert code == 0
    assert answer["words"] == run("keys", "list", "--home", str(peer))[1]["words"]
    assert len(answer["words"]) == 12


def test_rotated_keys_reach_a_peer_without_a_telephone_and_stay_held(run: Run, tmp_path: Path) -> None:
    home, peer = make(run, tmp_path), make(run, tmp_path, "sg-agc")
    run("directory", "enrol", str(peer / "enrolment.json"), "--home", str(home))
    code, made = run("keys", "rotate", "--home", str(peer))
    assert code == 0
    assert {key["use"] for key in made["made"]} == {"sig", "enc", "req", "rcpt", "log", "wit", "tls"}
    code, answer = run("directory", "enrol", str(peer / "enrolment.json"), "--home", str(home))
    assert (code, answer["replaced"]) == (0, True)
    held = run("keys", "list", "--home", str(peer))[1]["keys"]
    assert len(held) == 16
    assert all(key["held"] for key in held)
    for folder in (home, peer):
        assert run("audit", "verify", "--home", str(folder))[1]["verified"]


def test_new_keys_that_no_known_key_vouches_for_need_the_telephone(run: Run, tmp_path: Path) -> None:
    home, peer = make(run, tmp_path), make(run, tmp_path / "1", "sg-agc")
    impostor = make(run, tmp_path / "2", "sg-agc")
    run("directory", "enrol", str(peer / "enrolment.json"), "--home", str(home))
    before = (home / "directory" / "directory.jws").read_bytes()
    words = ["directory", "enrol", str(impostor / "enrolment.json"), "--home", str(home)]
    code, answer = run(*words)
    assert (code, answer["error"]["code"]) == (1, "enrolment-conflict")
    assert (home / "directory" / "directory.jws").read_bytes() == before
    assert run(*words, "--replace")[0] == 0


def test_text_from_outside_cannot_move_the_cursor(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    name = "Evil \x1b[31m[bold]\u202eName"
    words = ["init", "--home", str(home), "--authority-id", "xx-evil", "--name", name, "--network", "lab"]
    assert run(*words, "--pull-only")[0] == 0
    assert main(["directory", "list", "--home", str(home)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\u001b" in out.replace("\n", "")


# What is wrong is found


def test_one_changed_byte_of_the_log_is_named(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    with sqlite3.connect(home / "rogatory.db") as database:
        database.execute("DROP TRIGGER audit_leaf_no_update")
        leaf = database.execute("SELECT leaf FROM audit_leaf WHERE idx = 4").fetchone()[0]
        changed = leaf.replace(b"key.created", b"key.crfated")
        assert changed != leaf
        database.execute("UPDATE audit_leaf SET leaf = ? WHERE idx = 4", (changed,))
    database.close()
    code, answer = run("audit", "verify", "--home", str(home))
    assert (code, answer["ok"], answer["verified"]) == (1, False, False)
    assert 4 in [fault["index"] for fault in answer["faults"]]


def test_yesterdays_copy_of_the_database_is_noticed(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    yesterday = (home / "rogatory.db").read_bytes()
    assert run("keys", "rotate", "--use", "enc", "--home", str(home))[0] == 0
    assert run("audit", "verify", "--home", str(home))[0] == 0
    (home / "rogatory.db").write_bytes(yesterday)
    code, answer = run("audit", "verify", "--home", str(home))
    assert code == 1
    assert "went back" in answer["faults"][0]["sentence"]
    code, answer = run("doctor", "--home", str(home))
    assert code == 1
    assert [f["check"] for f in answer["findings"] if f["level"] == "red"] == ["log"]


def test_the_doctor_finds_a_healthy_home_healthy(run: Run, tmp_path: Path) -> None:
    code, answer = run("doctor", "--home", str(make(run, tmp_path)))
    assert (code, answer["healthy"]) == (0, True)
    levels = {finding["check"]: finding["level"] for finding in answer["findings"]}
    assert levels.pop("directory") == "yellow"
    assert set(levels.values()) == {"green"}


@pytest.mark.parametrize("name", ["keys", "keys/passphrase", "keys/storage.kek", "rogatory.db", "."])
def test_the_doctor_names_what_others_can_read(run: Run, tmp_path: Path, name: str) -> None:
    home = make(run, tmp_path)
    (home / name).chmod(0o755)
    code, answer = run("doctor", "--home", str(home))
    red = [finding for finding in answer["findings"] if finding["level"] == "red"]
    assert code == 1
    assert [finding["check"] for finding in red] == ["files"]
    assert "chmod" in red[0]["action"]


def test_the_doctor_misses_a_trigger(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    with sqlite3.connect(home / "rogatory.db") as database:
        database.execute("DROP TRIGGER audit_leaf_no_delete")
    database.close()
    code, answer = run("doctor", "--home", str(home))
    assert code == 1
    assert answer["findings"][0]["check"] == "database"
    assert "triggers" in answer["findings"][0]["sentence"]


@pytest.mark.parametrize("name", ["keys/keys.json", "keys/passphrase", "keys/storage.kek"])
def test_damaged_keys_are_a_refusal_and_not_a_defect(run: Run, tmp_path: Path, name: str) -> None:
    home = make(run, tmp_path)
    (home / name).unlink()
    code, answer = run("inbox", "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "keys-unreadable")


@pytest.mark.parametrize(
    "command", [("inbox",), ("doctor",), ("audit", "verify"), ("open", "0" * 32, "--to", "here"), ("serve",)]
)
def test_a_home_whose_database_is_gone_is_told_so_and_gets_no_empty_one(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    home = make(run, tmp_path)
    for path in home.glob("*.db*"):
        path.unlink()
    code, answer = run(*command, "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "database-missing")
    assert not list(home.glob("*.db*"))
    (home / "rogatory.db").touch()
    code, answer = run(*command, "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "database-missing")
    assert (home / "rogatory.db").stat().st_size == 0


def test_settings_of_another_authority_do_not_open_this_home(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    settings = home / "rogatory.toml"
    settings.write_text(settings.read_text().replace('"ke-ag"', '"ke-xx"'))
    code, answer = run("inbox", "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "home-invalid")


def test_a_lab_home_cannot_be_turned_into_a_real_one_by_its_settings(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    settings = home / "rogatory.toml"
    settings.write_text(settings.read_text().replace('"lab"', '"real"'))
    code, answer = run("inbox", "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "home-invalid")


def test_a_changed_directory_file_is_refused(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    path = home / "directory" / "directory.jws"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    code, answer = run("directory", "list", "--home", str(home))
    assert (code, answer["error"]["code"]) == (1, "directory-unverifiable")


def test_a_stale_socket_record_counts_as_no_service(run: Run, tmp_path: Path) -> None:
    home = make(run, tmp_path)
    (home / "run" / "socket").write_text(str(home / "run" / "api.sock"))
    (home / "run" / "token").write_text("left behind")
    assert os.path.exists(home / "run" / "socket")
    assert run("inbox", "--home", str(home)) == (0, {"ok": True, "items": []})


async def test_the_doctor_of_a_gateway_says_that_another_file_stands_in_its_databases_place(
    run: Run, tmp_path: Path
) -> None:
    home = await asyncio.to_thread(make, run, tmp_path)
    async with App.open(home) as app:
        path = home / "rogatory.db"
        shutil.copy(path, tmp_path / "copy.db").replace(path)
        found = {row.check: row for row in await app.desk.doctor.examine()}
    assert found["database"].level == "red"
    assert "remove the -wal and -shm files" in found["database"].sentence
