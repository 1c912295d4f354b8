"""Fetching a network's files: what may be connected to, and what a server cannot make us do."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from adapters.egress import EgressPolicy, EgressRefused, Network
from adapters.staticfiles import FetchFailed, FileTooLarge, StaticFiles
from crypto.x509 import make_tls_certificate

LAB = EgressPolicy(network=Network.LAB)
REAL = EgressPolicy(network=Network.REAL)


class Server:
    """A web server on loopback, with everything a bad one may do."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.port = port
        self.ca_file = ca_file
        self.asked: list[str] = []
        self.released = asyncio.Event()

    def files(self, path: str = "", **options: object) -> StaticFiles:
        return StaticFiles(
            f"https://localhost:{self.port}{path}",
            policy=LAB,
            ca_file=self.ca_file,
            **options,  # type: ignore[arg-type]
        )


async def answer(request: web.Request) -> web.StreamResponse:
    server: Server = request.app[KEY]
    server.asked.append(request.path)
    match request.path.rpartition("/")[2]:
        case "timestamp.json":
            return web.Response(body=b"0123456789")
        case "moved.json":
            raise web.HTTPFound(f"https://localhost:{server.port}/timestamp.json")
        case "broken.json":
            raise web.HTTPInternalServerError
        case "compressed.json":
            return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})
        case "endless.json":
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"x" * 4096)
            except ConnectionError:
                return response
        case "silent.json":
            await server.released.wait()
    raise web.HTTPNotFound


KEY: web.AppKey[Server] = web.AppKey("server")


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    now = datetime.now(UTC) - timedelta(hours=1)
    der, key = make_tls_certificate("lab-directory", now=now, days=2, hosts=["localhost"])
    certificate, key_file = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(der))
    key_file.write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key_file)
    listening = socket.create_server(("127.0.0.1", 0))
    made = Server(listening.getsockname()[1], certificate)
    app = web.Application()
    app[KEY] = made
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=context).start()
    yield made
    made.released.set()
    await runner.cleanup()


async def test_a_file_is_fetched_below_the_path_of_its_repository(server: Server) -> None:
    files = server.files("/network/repo/")
    assert await files.get("timestamp.json", 10) == b"0123456789"
    assert await files.get("states/sg/sg-agc.json", 10) is None
    await files.aclose()
    assert server.asked == ["/network/repo/timestamp.json", "/network/repo/states/sg/sg-agc.json"]


@pytest.mark.parametrize("name", ["timestamp.json", "endless.json"])
async def test_no_more_is_read_than_a_file_may_be(server: Server, name: str) -> None:
    files = server.files()
    with pytest.raises(FileTooLarge):
        await files.get(name, 9)
    await files.aclose()


@pytest.mark.parametrize("name", ["moved.json", "broken.json", "compressed.json"])
async def test_what_is_no_plain_answer_is_trouble_and_no_redirect_is_followed(
    server: Server, name: str
) -> None:
    files = server.files()
    with pytest.raises(FetchFailed):
        await files.get(name, 100)
    await files.aclose()
    assert server.asked == [f"/{name}"]


async def test_a_server_that_says_nothing_is_given_up(server: Server) -> None:
    files = server.files(file_s=0.05)
    with pytest.raises(FetchFailed):
        await files.get("silent.json", 100)
    await files.aclose()


async def test_a_server_whose_certificate_nobody_vouches_for_gets_no_request(server: Server) -> None:
    files = StaticFiles(f"https://localhost:{server.port}", policy=LAB)
    with pytest.raises(FetchFailed):
        await files.get("timestamp.json", 100)
    await files.aclose()
    assert server.asked == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1"], ["::ffff:127.0.0.1"], ["93.184.215.14", "127.0.0.1"]]
)
async def test_a_name_that_leads_inside_is_not_connected_to(addresses: Sequence[str]) -> None:
    """DNS rebinding: what was checked is what is connected to, so only a checked answer counts."""
    asked = []

    async def lookup(host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        asked.append(host)
        return addresses

    files = StaticFiles("https://directory.example.org", policy=REAL, lookup=lookup)
    with pytest.raises(FetchFailed):
        await files.get("timestamp.json", 100)
    await files.aclose()
    assert asked == ["directory.example.org"]


@pytest.mark.parametrize(
    "address",
    [
        "http://directory.example.org",
        "https://127.0.0.1/repo",
        "https://[::1]/repo",
        "https://2130706433/",
        "https://localhost/",
        "https://user@directory.example.org/",
        "https://directory.example.org:22/",
        "https://directory.example.org/a?b",
        "https://directory.example.org/a/../b",
        "https://directory.example.org/a#b",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_is_no_plain_https_name_is_refused(address: str) -> None:
    with pytest.raises(EgressRefused):
        StaticFiles(address, policy=REAL)


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../root.json", "a//b", "a/../b", "a?b", "https://x/y", "a\nb"]
)
async def test_a_name_that_leads_elsewhere_is_never_asked_for(server: Server, name: str) -> None:
    files = server.files()
    with pytest.raises(ValueError, match="not the name"):
        await files.get(name, 100)
    assert server.asked == []
