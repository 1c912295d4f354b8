"""Every error becomes a document that says what to do and nothing about the inside."""

import logging
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from crypto import strictjson
from crypto.errors import CODES, outward_code
from gateway.errors import (
    LOCAL_CODES,
    GatewayError,
    GatewayRefusal,
    StorageFull,
    StorageUnavailable,
    sentence_of,
)
from gateway.web.problems import STATUS, problem, problems

#: Codes of the registry that no route between gateways can give.
NEVER_SENT = {"key-refused"}


def body(response: web.Response) -> dict[str, object]:
    assert isinstance(response.body, bytes)
    return dict(strictjson.loads_object(response.body))


@pytest.mark.parametrize("code", sorted({outward_code(code) for code in CODES} - NEVER_SENT))
def test_every_code_of_the_registry_has_a_status_and_its_sentence(code: str) -> None:
    response = problem(GatewayRefusal(code, detail="which check failed"))
    assert response.status == STATUS[code]
    assert 400 <= response.status < 600
    assert response.content_type == "application/problem+json"
    assert body(response) == {
        "type": f"urn:gw:err:{code}",
        "title": code.replace("-", " "),
        "status": response.status,
        "detail": sentence_of(code),
    }


def test_the_table_of_the_document_is_the_table_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "peer-api.md").read_text()
    section = page.split("## 6. Problems")[1].split("## 7.")[0]
    rows = re.findall(r"\| `([a-z-]+)` \| ([0-9]{3}) (?=\|)", section)
    assert {code: int(status) for code, status in rows} == dict(STATUS)


@pytest.mark.parametrize("code", sorted(set(LOCAL_CODES) - {"not-found", "storage-full", "content-erased"}))
def test_codes_of_the_own_house_are_unavailable_to_a_peer(code: str) -> None:
    assert body(problem(GatewayRefusal(code)))["type"] == "urn:gw:err:unavailable"


def test_a_full_disk_is_quota_and_an_absent_database_unavailable() -> None:
    assert (problem(StorageFull()).status, body(problem(StorageFull()))["type"]) == (507, "urn:gw:err:quota")
    response = problem(StorageUnavailable())
    assert (response.status, response.headers["Retry-After"]) == (503, "10")


def test_where_an_upload_really_stands_goes_into_the_header() -> None:
    assert problem(GatewayRefusal("offset", offset=0)).headers["Upload-Offset"] == "0"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("content of a request"), 500),
        (KeyError("content of a request"), 500),
        (GatewayError("content of a request", code="internal"), 503),
        (web.HTTPNotFound(reason="content of a request"), 404),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405),
    ],
)
async def test_nothing_of_an_exceptions_text_leaves_or_is_logged(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    with caplog.at_level(logging.DEBUG):
        response = await problems(make_mocked_request("GET", "/"), handler)
    assert isinstance(response, web.Response)
    assert response.status == status
    assert isinstance(response.body, bytes)
    assert b"content of" not in response.body
    assert "content of" not in caplog.text
