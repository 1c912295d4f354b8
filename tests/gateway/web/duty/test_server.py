"""The duty page's listener: bounded, TLS of its own, and a renewed certificate is taken up while it runs."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from crypto.pagecert import PageIssuer, make_page_certificate, make_page_issuer, page_tls
from gateway.web.duty import server
from gateway.web.duty.server import DutyServer
from tests.gateway.web.duty.stand import ORIGIN, Stand

HOST = ORIGIN.removeprefix("https://")


@pytest.fixture
def issuer() -> PageIssuer:
    return make_page_issuer("ro-diicot", host=HOST, now=datetime.now(UTC))


@pytest.fixture
def files(tmp_path: Path, issuer: PageIssuer) -> tuple[Path, Path]:
    places = tmp_path / "page.crt", tmp_path / "page.key"
    renew(issuer, *places)
    return places


def renew(issuer: PageIssuer, certificate: Path, key: Path) -> None:
    chain, private = make_page_certificate(issuer, host=HOST, now=datetime.now(UTC))
    key.write_bytes(private)
    certificate.write_bytes(chain)


async def presented(issuer: PageIssuer, port: int) -> bytes:
    """Return the certificate that a phone sees which trusts the issuer and nobody else."""
    context = ssl.create_default_context(cadata=issuer.certificate.decode())
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return der


async def test_a_phone_that_trusts_the_issuer_opens_the_page_and_a_renewed_certificate_is_taken_up(
    files: tuple[Path, Path], issuer: PageIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_RENEWAL_S", 0.02)
    made = DutyServer(Stand().application(), tls=page_tls(*map(str, files)), certificate=files)
    port = await made.start("127.0.0.1", 0)
    try:
        first = await presented(issuer, port)
        files[0].write_text("half a file")
        await asyncio.sleep(0.1)
        assert await presented(issuer, port) == first, "one that does not fit is left alone"
        renew(issuer, *files)
        for _ in range(100):
            if await presented(issuer, port) != first:
                break
            await asyncio.sleep(0.02)
        assert await presented(issuer, port) != first
        other = make_page_issuer("ro-diicot", host=HOST, now=datetime.now(UTC))
        with pytest.raises(ssl.SSLCertVerificationError):
            await presented(other, port)
    finally:
        await made.stop()


async def test_one_address_cannot_take_the_connections_of_the_officers(
    files: tuple[Path, Path], issuer: PageIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_MOST_OF_ONE", 2)
    made = DutyServer(Stand().application(), tls=page_tls(*map(str, files)), certificate=files)
    port = await made.start("127.0.0.1", 0)
    context = ssl.create_default_context(cadata=issuer.certificate.decode())
    held = []

    async def answered(address: str) -> bytes:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=HOST, local_addr=(address, 0)
        )
        held.append(writer)
        writer.write(f"GET /sign-in HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        return await reader.readline()

    try:
        for _ in range(2):
            assert b"200" in await answered("127.0.0.1")
        assert await answered("127.0.0.1") == b""
        assert b"200" in await answered("127.0.0.2"), "somebody else still gets in"
    finally:
        for writer in held:
            writer.close()
        await made.stop()


async def test_whoever_takes_all_connections_is_closed_and_headers_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 2)
    made = DutyServer(Stand().application())
    port = await made.start("127.0.0.1", 0)
    held = []
    try:
        for _ in range(2):
            held.append(await asyncio.open_connection("127.0.0.1", port))
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        for _, open_one in held:
            open_one.close()
            await open_one.wait_closed()
        await asyncio.sleep(0.05)
        async with ClientSession(connector=TCPConnector(force_close=True)) as http:
            url = f"http://127.0.0.1:{port}/sign-in"
            async with http.get(url, headers={"Host": HOST, "X-Long": "x" * 5000}) as answer:
                assert answer.status == 400
            async with http.get(url, headers={"Host": HOST, **{f"X-{n}": "1" for n in range(60)}}) as answer:
                assert answer.status == 400
            async with http.get(url, headers={"Host": HOST}) as answer:
                assert answer.status == 200
    finally:
        await made.stop()


async def test_an_address_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    first, second = DutyServer(Stand().application()), DutyServer(Stand().application())
    port = await first.start("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="address already in use"):
            await second.start("127.0.0.1", port)
        await second.stop()
    finally:
        await first.stop()
