"""What HTTP itself does not bound: silent connections, their number, headers, an orderly stop."""

import asyncio
import ssl

import pytest

from adapters.tls import client_context
from gateway.web.intake import PeerLimits
from tests.adapters.peers import Authority, Served
from tests.gateway.web.wire import Line, call, token

HELLO = "/gw/v1/hello"


@pytest.fixture
def limits() -> PeerLimits:
    return PeerLimits(connections=3, connections_per_peer=2, lingering_s=0.05)


class TestImpatience:
    """Silence, with short limits."""

    @pytest.fixture
    def limits(self) -> PeerLimits:
        return PeerLimits(keepalive_s=0.15)

    @pytest.mark.parametrize("beginning", [b"", b"GET /gw/v1/hello HTTP/1.1\r\nHost: x\r\nX-Half: "])
    async def test_a_connection_whose_first_request_never_comes_is_closed(
        self, served: Served, caller: Authority, beginning: bytes
    ) -> None:
        line = await Line.open(served, caller)
        line.writer.write(beginning)
        assert await line.is_closed_by_peer()
        line.close()

    async def test_half_a_header_on_a_kept_connection_ends_it_too(
        self, served: Served, caller: Authority
    ) -> None:
        line = await Line.open(served, caller)
        line.send("GET", HELLO, token(served, caller, "GET", HELLO))
        assert (await line.answer()).status == 200
        line.writer.write(b"GET /gw/v1/hello HTTP/1.1\r\nX-Half: ")
        assert await line.is_closed_by_peer()
        line.close()


async def test_a_peer_has_so_many_connections_and_the_others_keep_theirs(
    served: Served, caller: Authority, other: Authority
) -> None:
    lines = [await Line.open(served, caller) for _ in range(2)]
    one_more = await Line.open(served, caller)
    assert await one_more.is_closed_by_peer()
    assert (await call(served, other, "GET", HELLO)).status == 200
    for line in (*lines, one_more):
        line.close()


async def test_connections_beyond_the_limit_are_closed_at_once(
    served: Served, caller: Authority, other: Authority
) -> None:
    lines = [await Line.open(served, who) for who in (caller, caller, other)]
    one_more = await Line.open(served, other)
    assert await one_more.is_closed_by_peer()
    for line in (*lines, one_more):
        line.close()


@pytest.mark.parametrize(
    "headers",
    [{"X-Long": "y" * 9000}, {f"X-{n}": "y" for n in range(60)}, {"Authorization": "GW " + "a" * 4200}],
    ids=["long", "many", "authorisation"],
)
async def test_headers_are_bounded(served: Served, caller: Authority, headers: dict[str, str]) -> None:
    line = await Line.open(served, caller)
    line.send("GET", HELLO, headers)
    assert (await line.answer()).status in (400, 401)
    line.close()


async def test_without_a_listed_certificate_there_is_no_http(
    served: Served, caller: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority.make("xx-moj", tmp_path_factory.mktemp("stranger"))
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.load_verify_locations(cadata=served.authority.certificate)
    nobody.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for context in (nobody, client_context(stranger.identity, [served.authority.certificate])):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", served.port, ssl=context, server_hostname="localhost"
        )
        line = Line(reader, writer)
        try:
            line.send("GET", HELLO, token(served, caller, "GET", HELLO))
            got = await reader.read()
        except (ssl.SSLError, ConnectionError):
            got = b""
        line.close()
        assert got == b""


async def test_an_orderly_stop_ends_long_polls_and_finishes_uploads(
    served: Served, caller: Authority
) -> None:
    served.outbox.hold = asyncio.Event()
    path = "/gw/v1/outbox?after=0&wait=60"
    line = await Line.open(served, caller)
    line.send("GET", path, token(served, caller, "GET", path))
    await served.outbox.polled.wait()
    await asyncio.wait_for(served.stop(), 2)
    assert await line.is_closed_by_peer()
    line.close()
    await served.start()
    assert (await call(served, caller, "GET", HELLO)).status == 200
