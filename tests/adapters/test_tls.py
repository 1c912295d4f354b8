"""Pins: exactly the listed certificates, on both ends, whatever vouches for another one."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.tls import ServerTLS, TLSIdentity, client_context
from tests.adapters.peers import Authority

Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issued(folder: Path, name: str, host: str, issuer: Issuer | None) -> tuple[TLSIdentity, Issuer]:
    """A certificate that says it is an authority, or one below it: what an evil peer would make."""
    key = ec.generate_private_key(ec.SECP256R1())
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(own_name if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(key if issuer is None else issuer[1], hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    identity = TLSIdentity(certificate=certificate.public_bytes(serialization.Encoding.DER), key_file=file)
    return identity, (certificate, key)


async def talk(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Return what the client reads after a handshake, or raise what it met."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="localhost"
        )
        try:
            return await reader.read()
        finally:
            writer.transport.abort()
    finally:
        listening.close()


async def read_or_nothing(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Under TLS 1.3 a client learns of its refusal with the first read, or by a reset."""
    try:
        return await talk(server, client)
    except (ssl.SSLError, ConnectionError):
        return b""


def serving(identity: TLSIdentity, *trusted: bytes) -> ssl.SSLContext:
    return ServerTLS(identity=lambda: identity, certificates=lambda: trusted, version=lambda: 1).context


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Authority, Authority]:
    return Authority.make("xx-moj", tmp_path), Authority.make("yy-moj", tmp_path)


async def test_two_listed_certificates_agree_on_1_3(ends: tuple[Authority, Authority]) -> None:
    own, peer = ends
    client = client_context(own.identity, [peer.certificate])
    assert client.minimum_version is ssl.TLSVersion.TLSv1_3
    assert await talk(serving(peer.identity, own.certificate), client) == b"welcome"


async def test_a_client_that_is_not_listed_gets_nothing(ends: tuple[Authority, Authority]) -> None:
    own, peer = ends
    client = client_context(own.identity, [peer.certificate])
    assert await read_or_nothing(serving(peer.identity, peer.certificate), client) == b""


async def test_a_server_with_another_certificate_for_the_same_name_is_refused(
    ends: tuple[Authority, Authority], tmp_path: Path
) -> None:
    own, peer = ends
    other = Authority.make("yy-moj", tmp_path)
    client = client_context(own.identity, [peer.certificate])
    with pytest.raises(ssl.SSLCertVerificationError):
        await talk(serving(other.identity, own.certificate), client)


async def test_a_listed_certificate_cannot_vouch_for_a_server(
    ends: tuple[Authority, Authority], tmp_path: Path
) -> None:
    # An evil peer lists a certificate marked as an authority and issues one for somebody else's name.
    own, _ = ends
    root, signing = issued(tmp_path, "evil-root", "evil.example", None)
    leaf, _ = issued(tmp_path, "evil-leaf", "localhost", signing)
    client = client_context(own.identity, [root.certificate])
    with pytest.raises(ssl.SSLCertVerificationError, match="not one that the directory lists"):
        await talk(serving(leaf, own.certificate), client)


async def test_a_listed_certificate_cannot_vouch_for_a_client(
    ends: tuple[Authority, Authority], tmp_path: Path
) -> None:
    _, peer = ends
    root, signing = issued(tmp_path, "evil-root", "evil.example", None)
    leaf, _ = issued(tmp_path, "evil-leaf", "localhost", signing)
    client = client_context(leaf, [peer.certificate])
    assert await read_or_nothing(serving(peer.identity, root.certificate), client) == b""


async def test_the_name_is_checked_as_well(ends: tuple[Authority, Authority], tmp_path: Path) -> None:
    own, _ = ends
    elsewhere = Authority.make("yy-moj", tmp_path, hosts=("moj.example.org",))
    client = client_context(own.identity, [elsewhere.certificate])
    with pytest.raises(ssl.SSLCertVerificationError):
        await talk(serving(elsewhere.identity, own.certificate), client)


async def test_the_server_follows_the_directory_without_a_restart(ends: tuple[Authority, Authority]) -> None:
    own, peer = ends
    listed: list[bytes] = []
    version = [1]
    server = ServerTLS(
        identity=lambda: peer.identity, certificates=lambda: tuple(listed), version=lambda: version[0]
    ).context
    client = client_context(own.identity, [peer.certificate])

    assert not await read_or_nothing(server, client)
    listed.append(own.certificate)
    version[0] += 1
    assert await read_or_nothing(server, client)
    listed.clear()
    version[0] += 1
    assert not await read_or_nothing(server, client)


async def test_one_unreadable_certificate_harms_no_other_peer(ends: tuple[Authority, Authority]) -> None:
    own, peer = ends
    context = client_context(own.identity, [b"", b"not a certificate", peer.certificate])
    assert context.pins == {peer.certificate}
    assert await talk(serving(peer.identity, own.certificate), context) == b"welcome"
