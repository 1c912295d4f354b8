"""Storage wraps, fingerprints, certificates and statements."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from crypto.directory import (
    DIRECTORY_TYPE,
    ENROLMENT_TYPE,
    read_statement,
    sign_statement,
    unverified_statement,
)
from crypto.errors import Refusal
from crypto.keys import ED25519, GW_HYB1, X509, KeyUse, PrivateKey, PublicKey
from crypto.storagekey import unwrap_content_key, wrap_content_key
from crypto.words import fingerprint_words
from crypto.x509 import make_tls_certificate

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEK, BK = bytes(range(32)), bytes(range(32, 64))
SIG = PrivateKey.generate(KeyUse.SIG, GW_HYB1)


def test_a_content_key_comes_back_under_the_same_storage_key_only() -> None:
    wrapped = wrap_content_key(KEK, BK)
    assert len(wrapped) == 40
    assert unwrap_content_key(KEK, wrapped) == BK
    damaged = [wrapped[:n] + bytes([wrapped[n] ^ 1]) + wrapped[n + 1 :] for n in range(40)]
    for kek, record in [
        (BK, wrapped),
        *((KEK, each) for each in (*damaged, wrapped[:-8], b"", wrapped + bytes(8))),
    ]:
        with pytest.raises(Refusal, match="open-failed"):
            unwrap_content_key(kek, record)
    for short in (b"", KEK[:16]):
        with pytest.raises(ValueError, match="32 bytes"):
            wrap_content_key(short, BK)


def test_fingerprint_words_are_stable_and_sensitive() -> None:
    words = fingerprint_words(b"fictional key")
    assert words == fingerprint_words(b"fictional key")
    assert len(words) == 12
    assert fingerprint_words(b"fictional key", words=3) == words[:3]
    assert fingerprint_words(b"fictional keys") != words
    # SHA-256("") = e3b0c442...: the first 11 bits are 11100011101 = 1821.
    assert fingerprint_words(b"", words=1) == ("together",)
    for count in (0, 24):
        with pytest.raises(ValueError, match="1 to 23"):
            fingerprint_words(b"", words=count)


def test_a_certificate_serves_both_ends_of_a_tls_1_3_connection(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    der, key = make_tls_certificate(
        "xx-moj", now=now, hosts=["gw.example", "127.0.0.1"], passphrase=b"fictional"
    )
    (tmp_path / "cert").write_text(ssl.DER_cert_to_PEM_cert(der))
    (tmp_path / "key").write_bytes(key)
    assert b"ENCRYPTED" in key

    def context(protocol: int) -> ssl.SSLContext:
        made = ssl.SSLContext(protocol)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.load_cert_chain(tmp_path / "cert", tmp_path / "key", password="fictional")
        made.load_verify_locations(cadata=der)
        made.verify_flags |= ssl.VERIFY_X509_STRICT
        made.verify_mode = ssl.CERT_REQUIRED
        return made

    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context(ssl.PROTOCOL_TLS_SERVER).wrap_bio(to_server, to_client, server_side=True)
    client = context(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(to_client, to_server, server_hostname="gw.example")
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"
    assert client.getpeercert(True) == server.getpeercert(True) == der


def test_a_certificate_has_its_names_and_life_and_signs_no_other() -> None:
    der, _ = make_tls_certificate("xx-moj", now=NOW, days=30, hosts=["gw.example", "2001:db8::1"])
    certificate = PublicKey.load(KeyUse.TLS, X509, der).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gw.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["2001:db8::1"]
    life = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    assert life == (NOW - timedelta(minutes=5), NOW + timedelta(days=30))
    assert "ca=False" in repr(certificate.extensions)
    with pytest.raises(ValueError, match="at least one host"):
        make_tls_certificate("xx-moj", now=NOW, hosts=[])


def test_a_statement_is_believed_under_its_signer_and_type_only() -> None:
    statement = sign_statement(SIG.signer(), {"v": 1, "aid": "xx-moj"}, DIRECTORY_TYPE)
    assert read_statement(statement, SIG.public, DIRECTORY_TYPE) == {"v": 1, "aid": "xx-moj"}
    assert unverified_statement(statement, DIRECTORY_TYPE) == (SIG.public.kid, {"v": 1, "aid": "xx-moj"})
    other = PrivateKey.generate(KeyUse.SIG, GW_HYB1)
    req = PrivateKey.generate(KeyUse.REQ, ED25519)
    for public in (other.public, req.public):
        with pytest.raises(Refusal, match="sig-invalid"):
            read_statement(statement, public, DIRECTORY_TYPE)
    with pytest.raises(Refusal, match="version"):
        read_statement(statement, SIG.public, ENROLMENT_TYPE)
    for position in range(0, len(statement), 97):
        changed = bytearray(statement)
        changed[position] = ord("A") if changed[position] != ord("A") else ord("B")
        with pytest.raises(Refusal):
            read_statement(bytes(changed), SIG.public, DIRECTORY_TYPE)
    with pytest.raises(ValueError, match="another algorithm"):
        sign_statement(req.signer(), {}, DIRECTORY_TYPE)
    with pytest.raises(Refusal, match="malformed"):
        sign_statement(SIG.signer(), {"a": 2**60}, DIRECTORY_TYPE)
