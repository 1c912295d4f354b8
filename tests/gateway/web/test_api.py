"""The local API: who may use it, what it says of itself, and that a refusal changes nothing."""

import asyncio
import io
import json
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import aiohttp.web
import msgspec
import pytest
from openapi_spec_validator import validate

from gateway import __version__
from gateway.cli.session import ask_service
from gateway.config import AuthoritySettings, HomePaths, Settings
from gateway.errors import GatewayRefusal
from gateway.services.sending.submit import Submission
from gateway.web.api import BODY_MAX_BYTES, LocalAPI
from gateway.web.calls import CALLS, INFO, NDJSON, Nothing
from gateway.web.openapi import describe
from gateway.web.operations import Desk

SETTINGS = Settings(authority=AuthoritySettings(id="ke-ag", state="KE", name="Fictional", network="lab"))


class FakeSubmitter:
    """Takes everything and remembers what it was given."""

    def __init__(self) -> None:
        self.forms: list[bytes] = []
        self.officers: list[str] = []
        self.documents: list[bytes] = []
        #: Whether it goes on after a document.
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def submit(
        self, *, form_bytes: bytes, attachments: Any, officer: str, consents: Any, progress: Any
    ) -> Submission:
        self.forms.append(form_bytes)
        self.officers.append(officer)
        for item in attachments:
            with item.open() as source:
                self.documents.append(source.read())
            progress(item.size)
            await self.goes_on.wait()
        return Submission(
            bid="0" * 32,
            sender="ke-ag",
            to="sg-agc",
            thread_id="1" * 32,
            lane="routine",
            channel="gateway_https",
            state="QUEUED",
            receipt_jws="a.b.c",
            findings=(),
        )


class FakeCases:
    """Knows nothing, and breaks when it is asked for ``defect``."""

    async def status(self, ref: str) -> Any:
        if ref == "defect":
            raise ZeroDivisionError("content that must not be shown")
        raise GatewayRefusal("not-found")


def desk(paths: HomePaths, submitter: FakeSubmitter) -> Desk:
    given: dict[str, Any] = {each.name: SimpleNamespace() for each in fields(Desk)}
    given |= {
        "paths": paths,
        "settings": SETTINGS,
        "clock": SimpleNamespace(now=lambda: datetime(2026, 11, 21, tzinfo=UTC)),
        "directory": SimpleNamespace(version=7),
        "acts": submitter,
        "cases": FakeCases(),
    }
    return Desk(**given)


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    home = HomePaths(tmp_path / "h")
    home.run.mkdir(parents=True, mode=0o700)
    return home


@pytest.fixture
def submitter() -> FakeSubmitter:
    return FakeSubmitter()


@pytest.fixture
async def service(paths: HomePaths, submitter: FakeSubmitter) -> AsyncIterator[aiohttp.ClientSession]:
    api = LocalAPI(paths=paths, desk=desk(paths, submitter))
    socket = await api.start()
    headers = {"Authorization": f"Bearer {paths.token.read_text()}"}
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession("http://localhost", connector=connector, headers=headers) as session:
        yield session
    await api.aclose()


def test_the_description_is_valid_openapi_and_has_every_call() -> None:
    document = describe(CALLS, version=__version__)
    validate(json.loads(json.dumps(document)))
    assert document["openapi"] == "3.1.0"
    described = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    assert sorted(described) == sorted((call.method, call.path) for call in CALLS)
    names = [call.name for call in CALLS]
    assert len(set(names)) == len(names)


async def test_the_service_hands_out_its_own_description(service: aiohttp.ClientSession) -> None:
    async with service.get("/v1/openapi.json") as answer:
        assert (await answer.json())["info"]["version"] == __version__


async def test_whoever_has_the_token_is_answered(service: aiohttp.ClientSession) -> None:
    async with service.get("/v1/gateway") as answer:
        found = await answer.json()
    assert (found["authority_id"], found["directory_issue"], found["network"]) == ("ke-ag", 7, "lab")


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic x", "Bearer \u00e9"])
async def test_nobody_else_is(
    service: aiohttp.ClientSession, submitter: FakeSubmitter, authorization: str
) -> None:
    headers = {"Authorization": authorization}
    async with service.post("/v1/requests", data=b'{"form":{}}', headers=headers) as answer:
        assert answer.status == 401
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["code"] == "token-invalid"
    async with service.get("/v1/openapi.json", headers=headers) as answer:
        assert answer.status == 401
    assert submitter.forms == []


async def test_socket_and_token_are_the_users_alone_and_gone_afterwards(
    paths: HomePaths, submitter: FakeSubmitter
) -> None:
    api = LocalAPI(paths=paths, desk=desk(paths, submitter))
    socket = await api.start()
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (socket, paths.token, paths.socket_record)]
    await api.aclose()
    assert modes == [0o600, 0o600, 0o600]
    assert not socket.exists()
    assert list(paths.run.iterdir()) == []


async def test_the_token_is_new_at_every_start(paths: HomePaths, submitter: FakeSubmitter) -> None:
    tokens = set()
    for _ in range(2):
        api = LocalAPI(paths=paths, desk=desk(paths, submitter))
        await api.start()
        tokens.add(paths.token.read_text())
        await api.aclose()
    assert len(tokens) == 2


async def test_whoever_reaches_a_service_finds_its_token_also_after_one_that_was_killed(
    paths: HomePaths, submitter: FakeSubmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.token.write_text("left behind")
    listen, seen = aiohttp.web.UnixSite.start, []

    async def watched(site: aiohttp.web.UnixSite) -> None:
        seen.append(paths.token.read_text())
        await listen(site)

    monkeypatch.setattr(aiohttp.web.UnixSite, "start", watched)
    api = LocalAPI(paths=paths, desk=desk(paths, submitter))
    await api.start()
    assert seen == [paths.token.read_text()] != ["left behind"]
    await api.aclose()


async def test_a_command_takes_the_token_of_the_service_it_reached(
    paths: HomePaths, submitter: FakeSubmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service is killed and started again while a command looks for it."""
    paths.token.write_text("left behind")
    paths.socket_record.write_text(str(paths.run / "api.sock"))
    api, connect = LocalAPI(paths=paths, desk=desk(paths, submitter)), asyncio.open_unix_connection

    async def restarted(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await api.start()
        return await connect(socket)

    monkeypatch.setattr(asyncio, "open_unix_connection", restarted)
    found = await ask_service(paths.root, INFO, Nothing(), lambda done, total: None)
    assert found.authority_id == SETTINGS.authority.id
    await api.aclose()


async def test_a_home_with_a_long_path_has_its_socket_in_a_private_folder_elsewhere(
    tmp_path: Path, submitter: FakeSubmitter
) -> None:
    paths = HomePaths(tmp_path / ("x" * 120))
    paths.run.mkdir(parents=True)
    api = LocalAPI(paths=paths, desk=desk(paths, submitter))
    socket = await api.start()
    assert len(os.fsencode(socket)) < 100
    assert paths.socket_record.read_text() == str(socket)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    await api.aclose()
    assert not socket.parent.exists()


async def test_a_refusal_is_a_problem_document_that_says_what_to_do(service: aiohttp.ClientSession) -> None:
    async with service.get("/v1/status", params={"ref": "KE/1"}) as answer:
        assert answer.status == 404
        problem = await answer.json()
    assert problem["type"] == "urn:gw:err:not-found"
    assert "inbox" in problem["sentence"]


async def test_a_defect_shows_nothing_of_what_it_quotes(service: aiohttp.ClientSession) -> None:
    async with service.get("/v1/status", params={"ref": "defect"}) as answer:
        assert answer.status == 500
        text = await answer.text()
    assert "must not be shown" not in text
    assert json.loads(text)["code"] == "internal"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"form":{},"unknown":1}',
        b'{"attachments":[]}',
        b'{"form":{},"attachments":[{"filename":"a"}]}',
        b'{"form":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff",
    ],
)
async def test_a_call_that_is_not_as_described_is_refused(
    service: aiohttp.ClientSession, submitter: FakeSubmitter, body: bytes
) -> None:
    async with service.post("/v1/requests", data=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["code"] == "params-invalid"
    assert submitter.forms == []


async def test_a_body_above_the_limit_is_refused(
    service: aiohttp.ClientSession, submitter: FakeSubmitter
) -> None:
    async with service.post("/v1/requests", data=io.BytesIO(b" " * (BODY_MAX_BYTES + 1))) as answer:
        assert answer.status == 413
    assert submitter.forms == []


async def test_a_repeated_query_name_is_refused_rather_than_chosen_from(
    service: aiohttp.ClientSession,
) -> None:
    async with service.get("/v1/status?ref=a&ref=b") as answer:
        assert answer.status == 422


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/requests")])
async def test_what_does_not_exist_is_a_problem_too(
    service: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with service.request(method, path) as answer:
        assert answer.status in {404, 405}
        assert answer.content_type == "application/problem+json"


async def test_the_form_reaches_the_service_exactly_as_it_was_written(
    service: aiohttp.ClientSession, submitter: FakeSubmitter
) -> None:
    form = '{ "b" : 1.0,\n "a":"\\u00e9 é",  "a": 2 }'.encode()
    async with service.post("/v1/requests", data=b'{"form":' + form + b"}") as answer:
        assert answer.status == 200
        assert (await answer.json())["receipt"] == "a.b.c"
    assert submitter.forms == [form]
    assert submitter.officers == ["local"]
    body = b'{"officer":"op-17","form":' + form + b"}"
    async with service.post("/v1/requests", data=body) as answer:
        assert answer.status == 200
    assert submitter.officers == ["local", "op-17"]


def submission(*files: str, name: str = "a.pdf") -> bytes:
    rows = [{"filename": name, "path": path} for path in files]
    return msgspec.json.encode({"form": {}, "attachments": rows})


async def test_only_regular_files_named_absolutely_are_read(
    service: aiohttp.ClientSession, submitter: FakeSubmitter, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (
        "relative.pdf",
        str(tmp_path),
        str(tmp_path / "pipe"),
        str(tmp_path / "absent"),
        "/dev/zero",
    ):
        async with asyncio.timeout(5):
            async with service.post("/v1/requests", data=submission(path)) as answer:
                assert answer.status == 422, path
                assert (await answer.json())["code"] == "attachment-unreadable"
    assert submitter.forms == []


async def test_the_name_in_the_form_never_becomes_a_path(
    service: aiohttp.ClientSession, submitter: FakeSubmitter, tmp_path: Path
) -> None:
    (tmp_path / "real").write_bytes(b"the document")
    name = "../../etc/passwd\0\u202e.pdf"
    async with service.post("/v1/requests", data=submission(str(tmp_path / "real"), name=name)) as answer:
        assert answer.status == 200
    assert submitter.documents == [b"the document"]


async def test_a_caller_that_asks_for_lines_sees_progress_and_then_the_result(
    service: aiohttp.ClientSession,
    submitter: FakeSubmitter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.web.api._PROGRESS_EVERY_S", 0.01)
    submitter.goes_on.clear()
    (tmp_path / "d").write_bytes(bytes(1000))
    body = submission(str(tmp_path / "d"), str(tmp_path / "d"))
    async with service.post("/v1/requests", data=body, headers={"Accept": NDJSON}) as answer:
        async for line in answer.content:
            if json.loads(line) == {"done": 1000, "total": 2000}:
                break
        submitter.goes_on.set()
        rows = [json.loads(line) async for line in answer.content]
    assert rows[-1]["result"]["bid"] == "0" * 32


async def test_a_refusal_comes_as_the_last_line_too(service: aiohttp.ClientSession) -> None:
    async with service.get("/v1/status", params={"ref": "KE/1"}, headers={"Accept": NDJSON}) as answer:
        rows = [json.loads(line) async for line in answer.content]
    assert [row["problem"]["code"] for row in rows] == ["not-found"]
