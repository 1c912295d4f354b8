"""The issuer of a duty page vouches for one name; what a certificate must say before it is served."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crypto.errors import KeyRefused
from crypto.pagecert import (
    PageIssuer,
    make_page_certificate,
    make_page_issuer,
    page_tls,
    read_page_certificate,
)

NOW = datetime.now(UTC).replace(microsecond=0)
HOST = "duty.ke-ag.example"


@pytest.fixture(scope="module")
def issuer() -> PageIssuer:
    return make_page_issuer("ke-ag", host=HOST, now=NOW)


def verified(tmp_path: Path, issuer: PageIssuer, chain: bytes, host: str) -> str:
    """Return what an ordinary verifier says of the page's certificate."""
    (tmp_path / "ca.pem").write_bytes(issuer.certificate)
    (tmp_path / "page.pem").write_bytes(chain)
    command = ["openssl", "verify", "-CAfile", "ca.pem", "-verify_hostname", host, "page.pem"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def test_an_ordinary_verifier_takes_the_page_under_its_name_only(tmp_path: Path, issuer: PageIssuer) -> None:
    chain, key = make_page_certificate(issuer, host=HOST, now=NOW)
    assert verified(tmp_path, issuer, chain, HOST).strip() == "page.pem: OK"
    assert "hostname mismatch" in verified(tmp_path, issuer, chain, "www.ke-ag.example")
    said = read_page_certificate(chain, key, host=HOST)
    assert said.ends_at == NOW + timedelta(days=397)


def test_its_issuer_can_vouch_for_no_other_site(tmp_path: Path, issuer: PageIssuer) -> None:
    with pytest.raises(KeyRefused, match="another name"):
        make_page_certificate(issuer, host="bank.example", now=NOW)
    # Somebody who has its key makes one all the same; a phone refuses it.
    forged = forge(issuer, "bank.example")
    assert "permitted subtree violation" in verified(tmp_path, issuer, forged, "bank.example")
    assert verified(tmp_path, issuer, forge(issuer, HOST), HOST).strip() == "page.pem: OK"


def forge(issuer: PageIssuer, host: str) -> bytes:
    """Return a certificate for any name, signed with the issuer's key without asking our own code."""
    above = x509.load_pem_x509_certificate(issuer.certificate)
    signer = serialization.load_pem_private_key(issuer.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(above.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_it_ends_with_its_issuer_at_the_latest_and_none_is_made_after(issuer: PageIssuer) -> None:
    late = NOW + timedelta(days=5 * 365 - 10)
    chain, key = make_page_certificate(issuer, host=HOST, now=late)
    assert read_page_certificate(chain, key, host=HOST).ends_at <= NOW + timedelta(days=5 * 365)
    with pytest.raises(KeyRefused, match="past its end"):
        make_page_certificate(issuer, host=HOST, now=NOW + timedelta(days=5 * 365))


def test_a_certificate_is_served_with_its_own_key_and_for_its_own_name_only(issuer: PageIssuer) -> None:
    chain, key = make_page_certificate(issuer, host=HOST, now=NOW)
    _, other = make_page_certificate(issuer, host=HOST, now=NOW)
    for pem, private, host in (
        (chain, other, HOST),
        (chain, key, "duty.example"),
        (b"no certificate", key, HOST),
        (chain, b"no key", HOST),
        (issuer.certificate, issuer.key, HOST),
    ):
        with pytest.raises(KeyRefused):
            read_page_certificate(pem, private, host=host)


def test_the_page_speaks_no_tls_that_is_out_of_date(tmp_path: Path, issuer: PageIssuer) -> None:
    chain, key = make_page_certificate(issuer, host=HOST, now=NOW)
    (tmp_path / "c").write_bytes(chain)
    (tmp_path / "k").write_bytes(key)
    assert page_tls(str(tmp_path / "c"), str(tmp_path / "k")).minimum_version == ssl.TLSVersion.TLSv1_2
