"""Bad input through the real command line, against a real service: refused, explained, nothing changed."""

import hashlib
import http.client
import json
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.stories.commandline import Authority, pair
from tests.world import sample_request

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Authority, Authority]]:
    with pair(tmp_path_factory.mktemp("homes"), "ke-ag", "sg-agc") as made:
        yield made


@pytest.fixture(scope="module")
def kenya(authorities: tuple[Authority, Authority]) -> Authority:
    return authorities[0]


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(kenya: Authority, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run a command in this process against the running service; it must be refused and change nothing."""

    def call(*words: object) -> dict[str, Any]:
        before = everything(kenya)
        capfd.readouterr()
        code = main([*(str(word) for word in words), "--home", str(kenya.home), "--json"])
        out, err = capfd.readouterr()
        assert (code, out.count("\n")) == (1, 1), out + err
        assert "Traceback" not in err
        assert everything(kenya) == before
        error: dict[str, Any] = json.loads(out)["error"]
        assert error["sentence"][0].isupper() or error["code"] == "file"
        assert error["sentence"].endswith(".")
        assert error["code"] != "internal"
        return error

    return call


def everything(authority: Authority) -> tuple[Any, ...]:
    """Return what a home keeps: rows of each table, size of the log, blob files, the directory."""
    tables = (
        "bundle",
        "blob",
        "cases",
        "message",
        "transmission",
        "receipt",
        "task",
        "audit_leaf",
        "content_key",
    )
    with closing(sqlite3.connect(f"file:{authority.home}/rogatory.db?mode=ro", uri=True)) as database:
        rows = {t: database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
    blobs = sorted(str(path) for path in (authority.home / "blobs").rglob("*") if path.is_file())
    return rows, blobs, (authority.home / "directory" / "directory.jws").read_bytes()


def write(folder: Path, form: Any, documents: dict[str, bytes]) -> list[object]:
    """Write a form with its documents and return the command that submits them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "request.json"
    path.write_bytes(form if isinstance(form, bytes) else json.dumps(form).encode())
    words: list[object] = ["submit", path]
    for name, data in documents.items():
        (folder / name).write_bytes(data)
        words += ["--attach", folder / name]
    return words


JSON: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"Dear colleague,",
    "a list": b"[]",
    "17 levels": b'{"a":' * 17 + b"1" + b"}" * 17,
    "10^5 nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "a member twice": b'{"request_kind":"mla","request_kind":"mla"}',
    "NaN": b'{"a":NaN}',
    "a number of 10^5 digits": b'{"a":' + b"9" * 100_000 + b"}",
    "a lone surrogate": b'{"a":"\\ud800"}',
    "bytes that are no UTF-8": b'{"a":"\xff\xfe"}',
    "more than 1 MiB": b'{"a":"' + b"x" * (1024 * 1024) + b'"}',
}


@pytest.mark.parametrize("data", JSON.values(), ids=JSON.keys())
def test_what_is_no_strict_json_is_no_request(refused: Refused, tmp_path: Path, data: bytes) -> None:
    assert refused(*write(tmp_path, data, {}))["code"] == "form-unreadable"


@pytest.mark.parametrize("data", JSON.values(), ids=JSON.keys())
def test_what_is_no_enrolment_changes_no_directory(refused: Refused, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "peer.json").write_bytes(data)
    assert refused("directory", "enrol", tmp_path / "peer.json")["code"] == "enrolment-invalid"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/dev/zero", "form-unreadable"),
        ("/dev/null", "form-unreadable"),
        ("/", "file"),
        ("/none/such", "file"),
    ],
)
def test_a_request_that_is_no_file_is_refused(refused: Refused, path: str, code: str) -> None:
    assert refused("submit", path)["code"] == code
    assert refused("directory", "enrol", path)["code"] in {code, "enrolment-invalid"}


def _drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(form: dict[str, Any]) -> None:
        node: Any = form
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return change


def _kind(kind: str) -> Callable[[dict[str, Any]], None]:
    return lambda form: form.update(request_kind=kind, kind_details={})


CONTENTS: list[tuple[str, str, Callable[[dict[str, Any]], None]]] = [
    ("V01", "UNTOC 18(15)(a), (b)", _drop("requesting_authority", "function")),
    ("V02", "UNTOC 18(15)(c)", _drop("facts_summary")),
    ("V03", "UNTOC 18(15)(d)", _drop("assistance")),
    ("V05", "UNTOC 18(15)(f)", _drop("purpose")),
    ("V06", "UNTOC 18(24)", lambda form: form.update(respond_by={"date": "2030-01-31", "reason": ""})),
    (
        "V07",
        "UNTOC 18(13), (14)",
        lambda form: form.update(urgency={"level": "urgent", "grounds": [], "reason": ""}),
    ),
    ("V12", "UNTOC 13(3)", _kind("confiscation")),
    ("V13", "Budapest Convention 29(2)", _kind("preservation")),
]


@pytest.mark.parametrize(("code", "source", "change"), CONTENTS, ids=[c[0] for c in CONTENTS])
def test_missing_contents_are_named_with_their_article(
    refused: Refused, tmp_path: Path, code: str, source: str, change: Callable[[dict[str, Any]], None]
) -> None:
    form, documents = sample_request(1, size=100)
    change(form)
    error = refused(*write(tmp_path, form, documents))
    assert error["code"] == "contents-missing"
    named = [item for item in error["items"] if item["code"] == code]
    assert named
    assert all(item["source"].startswith(source) and item["sentence"] and item["field"] for item in named)


def test_a_document_that_differs_is_named_with_its_article(refused: Refused, tmp_path: Path) -> None:
    form, documents = sample_request(1, size=100)
    name = next(iter(documents))
    for n, data in enumerate((documents[name] + b"x", b"x" + documents[name][1:])):
        error = refused(*write(tmp_path / str(n), form, {**documents, name: data}))
        assert (error["code"], error["items"][0]["code"]) == ("attachment-mismatch", "V22")
        assert error["items"][0]["source"] == "UNTOC 18(14)"


def test_documents_that_are_missing_unlisted_twice_or_unreadable_are_refused(
    refused: Refused, tmp_path: Path
) -> None:
    form, documents = sample_request(1, size=100)
    words = write(tmp_path, form, documents)
    names = list(documents)
    assert refused(*words[:2])["code"] == "attachment-missing"
    (tmp_path / "more.pdf").write_bytes(b"%PDF")
    assert refused(*words, "--attach", tmp_path / "more.pdf")["code"] == "attachment-unlisted"
    assert refused(*words, "--attach", words[-1])["code"] == "attachment-twice"
    last = tmp_path / names[-1]
    last.unlink()
    assert refused(*words)["code"] == "attachment-unreadable"
    last.mkdir()
    assert refused(*words)["code"] == "attachment-unreadable"
    last.rmdir()
    os.mkfifo(last)
    assert refused(*words)["code"] == "attachment-unreadable"
    last.unlink()
    last.symlink_to("/dev/zero")
    assert refused(*words)["code"] == "attachment-unreadable"


def test_a_file_name_that_is_no_text_is_refused(refused: Refused, tmp_path: Path) -> None:
    form, documents = sample_request(1, size=100)
    words = write(tmp_path, form, documents)
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.pdf")
    Path(odd).write_bytes(b"x")
    assert refused(*words, "--attach", odd)["code"] == "name-unsafe"


@pytest.mark.parametrize(
    "ref",
    ["no such", "0" * 32, f"ke-ag/{'0' * 32}", "../../etc/passwd", "' OR 1=1 --", "\x1b[2J", "x" * 120, " "],
)
def test_a_hostile_reference_finds_nothing(refused: Refused, tmp_path: Path, ref: str) -> None:
    for words in (["status"], ["receipts"], ["acknowledge"], ["open", "--to", str(tmp_path / "out")]):
        assert refused(words[0], ref, *words[1:])["code"] == "not-found"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_taken_is_not_written_into(
    kenya: Authority, refused: Refused, tmp_path: Path
) -> None:
    form, documents = sample_request(1, size=100)
    bid = kenya.done(*write(tmp_path / "in", form, documents))["bid"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    wait_until_delivered(kenya, bid)
    for place, code in (
        ("full", "folder-not-empty"),
        ("link", "folder-not-empty"),
        ("full/kept.txt", "folder-not-empty"),
        ("full/kept.txt/below", "folder-unusable"),
        ("dangling", "folder-unusable"),
        ("x" * 300, "folder-unusable"),
    ):
        assert refused("open", bid, "--to", tmp_path / place)["code"] == code, place
    assert refused("open", bid, "--to", "/proc/none/such")["code"] == "folder-unusable"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dangling", "full", "in", "link"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["kept.txt"]


def wait_until_delivered(authority: Authority, bid: str) -> None:
    """Ask until nothing of this bundle changes any more, so that a comparison is fair."""
    for _ in range(200):
        if authority.done("status", bid)["state"] == "delivered":
            return
    raise AssertionError("never delivered")


def test_a_refusal_for_people_is_on_standard_error_and_says_what_to_do(
    kenya: Authority, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    form, documents = sample_request(1, size=100)
    del form["purpose"], form["facts_summary"]
    assert main([*map(str, write(tmp_path, form, documents)), "--home", str(kenya.home)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "[contents-missing]" in err
    assert "UNTOC 18(15)(f)" in err
    assert "UNTOC 18(15)(c)" in err


# --- the local API beneath ---------------------------------------------------------------------------


class Unix(http.client.HTTPConnection):
    """HTTP over the service's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def ask(
    kenya: Authority, method: str, path: str, *, token: str | None = None, body: bytes = b""
) -> tuple[int, Any]:
    """Make one call of the local API and return status and problem."""
    right = (kenya.home / "run" / "token").read_text()
    recorded = [
        p.read_text()
        for p in (kenya.home / "run").iterdir()
        if p.name not in ("token", "lock") and p.is_file()
    ]
    with closing(Unix(next(p for p in recorded if p.endswith(".sock")))) as connection:
        headers = {"Authorization": f"Bearer {right if token is None else token}"}
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        # What is no HTTP request is answered by the server itself, in plain words.
        return answer.status, json.loads(text) if "json" in answer.headers.get_content_type() else {}


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é", "\x7f", "x" * 10_000])
def test_a_wrong_token_opens_nothing(kenya: Authority, token: str) -> None:
    before = everything(kenya)
    status, problem = ask(kenya, "GET", "/v1/inbox", token=token.encode().decode("latin-1"))
    assert (status, problem.get("code")) in {(401, "token-invalid"), (400, None)}
    assert everything(kenya) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", "/v1/inbox", b"", 405),
        ("POST", "/v1/inbox", b"{}", 405),
        ("GET", "/v1/none", b"", 404),
        ("GET", "/v1/../../etc/passwd", b"", 404),
        ("POST", "/v1/requests", b"{", 422),
        ("POST", "/v1/requests", b"[" * 100_000, 422),
        ("POST", "/v1/requests", b'{"form":{},"attachments":[{"filename":"a","path":"relative"}]}', 422),
        ("POST", "/v1/requests", b'{"form":"' + b"x" * 5_000_000 + b'"}', 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_call_that_is_none_is_a_problem_with_a_code(
    kenya: Authority, method: str, path: str, body: bytes, status: int
) -> None:
    before = everything(kenya)
    got, problem = ask(kenya, method, path, body=body)
    assert got == status, problem
    assert problem["code"]
    assert problem["detail"]
    assert everything(kenya) == before


def test_after_all_of_this_both_logs_verify(authorities: tuple[Authority, Authority]) -> None:
    for authority in authorities:
        answer = authority.done("audit", "verify")
        assert answer["verified"]
        assert hashlib.sha256(answer["root"].encode()).digest()
