"""A running service as the command line meets it, and a home on PostgreSQL."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.postgres import Cluster, postgresql_cluster
from tests.sampledata import PACKAGED
from tests.world import sample_request

__all__ = ["postgresql_cluster"]

DIRECTORY = str(PACKAGED / "directory.json")
DEPLOY = Path(__file__).parents[2] / "deploy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make(home: Path, aid: str, *extra: str) -> Path:
    words = ["init", "--home", str(home), "--authority-id", aid, "--network", "lab", "--record", DIRECTORY]
    assert main([*words, "--listen", f"127.0.0.1:{free_port()}", "--json", *extra]) == 0
    return home


def serve(home: Path) -> "tuple[subprocess.Popen[str], dict[str, Any]]":
    """Start a service and return it with its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--home", str(home), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    ready: dict[str, Any] = json.loads(line)
    return process, ready


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = main([*words, "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


@pytest.fixture
def service(tmp_path: Path) -> "Iterator[tuple[Path, subprocess.Popen[str]]]":
    home = make(tmp_path / "ke-ag", "ke-ag")
    make(tmp_path / "sg-agc", "sg-agc")
    words = ["directory", "enrol", str(tmp_path / "sg-agc" / "enrolment.json"), "--home", str(home), "--json"]
    assert main(words) == 0
    process, ready = serve(home)
    assert ready["ok"]
    assert (ready["authority_id"], ready["pid"]) == ("ke-ag", process.pid)
    yield home, process
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


@pytest.mark.slow
def test_commands_talk_to_the_running_service_and_it_stops_in_order(
    service: "tuple[Path, subprocess.Popen[str]]", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, process = service
    at = ("--home", str(home))
    code, said, err = answer(capsys, "inbox", *at)
    assert (code, said, err) == (0, {"ok": True, "items": []}, "")

    code, said, _ = answer(capsys, "serve", *at)
    assert (code, said["error"]["code"]) == (1, "home-in-use")
    code, said, _ = answer(capsys, "status", "KE/1", *at)
    assert (code, said["error"]["code"]) == (1, "not-found")

    form, documents = sample_request(1)
    (tmp_path / "form.json").write_text(json.dumps(form))
    (tmp_path / "documents").mkdir()
    for name, data in documents.items():
        (tmp_path / "documents" / name).write_bytes(data)
    attach = ["--attach", *(str(tmp_path / "documents" / name) for name in documents)]
    code, sent, _ = answer(capsys, "submit", str(tmp_path / "form.json"), *attach, *at)
    assert (code, sent["to"], sent["state"]) == (0, "sg-agc", "QUEUED")
    assert f"{sent['sender']}/{sent['bid']}" == form["thread"]["message_id"]
    code, said, _ = answer(capsys, "sent", *at)
    assert [(row["bid"], row["to"], row["delivery"]) for row in said["items"]] == [
        (sent["bid"], "sg-agc", "QUEUED")
    ]
    code, said, _ = answer(capsys, "submit", str(tmp_path / "form.json"), *attach, *at)
    assert (code, said["error"]["code"]) == (1, "duplicate")
    code, said, _ = answer(capsys, "receipts", sent["bid"], *at)
    assert [(row["type"], row["in_log"]) for row in said["receipts"]] == [("submission", True)]
    code, said, _ = answer(capsys, "audit", "verify", *at)
    assert (code, said["verified"]) == (0, True)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert (events[0], events[-1]) == ("service.started", "service.stopped")
    assert "ivory" not in err.lower()
    assert sorted(path.name for path in (home / "run").iterdir()) == ["lock"]
    code, said, err = answer(capsys, "status", sent["bid"], *at)
    assert (code, said["bid"]) == (0, sent["bid"])
    assert "No service is running" in err


@pytest.mark.slow
def test_a_killed_service_leaves_a_home_that_opens_and_starts_again(
    service: "tuple[Path, subprocess.Popen[str]]", capsys: pytest.CaptureFixture[str]
) -> None:
    home, process = service
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert (home / "run" / "token").exists()
    code, said, _ = answer(capsys, "audit", "verify", "--home", str(home))
    assert (code, said["verified"]) == (0, True)
    again, ready = serve(home)
    try:
        assert ready["ready"]
        code, _, err = answer(capsys, "inbox", "--home", str(home))
        assert (code, err) == (0, "")
    finally:
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=20)
    assert again.returncode == 0


@pytest.mark.slow
def test_on_postgresql_the_gateway_may_not_touch_what_protects_its_log(
    postgresql_cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = (DEPLOY / "postgresql-roles.sh").read_text()
    statements = re.search(r"<<'SQL'\n(.*)\nSQL\n", script, re.DOTALL)
    assert statements is not None
    before, after = (
        statements[1].replace(":'owner'", "'o'").replace(":'gateway'", "'g'").split("\\connect rogatory\n")
    )
    for text, database in ((before, "postgres"), (after, "rogatory")):
        postgresql_cluster.sql(*(s for s in text.split(";\n") if s.strip()), database=database)
    try:
        monkeypatch.setenv(
            "ROGATORY_DATABASE_OWNER", postgresql_cluster.url("rogatory", user="rogatory_owner")
        )
        url = postgresql_cluster.url("rogatory", user="rogatory")
        home = make(tmp_path / "ke-ag", "ke-ag", "--database", url)
        code, said, _ = answer(capsys, "doctor", "--home", str(home))
        found = {finding["check"]: finding for finding in said["findings"]}
        assert (code, found["database"]["level"]) == (0, "green"), found["database"]
        for statement in (
            "DELETE FROM audit_leaf",
            "TRUNCATE audit_leaf",
            "ALTER TABLE audit_leaf DISABLE TRIGGER ALL",
        ):
            with pytest.raises(Exception, match=r"permission denied|must be owner|append-only"):
                postgresql_cluster.sql(statement, database="rogatory", user="rogatory")
        code, said, _ = answer(capsys, "audit", "verify", "--home", str(home))
        assert (code, said["verified"], said["size"]) == (0, True, 10)
        assert not (home / "rogatory.db").exists()
    finally:
        postgresql_cluster.sql("DROP DATABASE rogatory WITH (FORCE)")
