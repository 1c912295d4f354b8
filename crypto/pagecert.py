"""Certificates of the duty page, for an authority that has no other issuer for its name.

Browsers want an issuer above a certificate. The one made here may vouch for a single name and for nothing
below it (critical name constraints), so that phones which trust it trust it for no other site, whoever gets
hold of its key. Decides also what a certificate must say before the page is served with it.
"""

import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import KeyRefused

ISSUER_DAYS = 5 * 365
#: Phones refuse a server's certificate that lasts longer than 398 days.
PAGE_DAYS = 397

_PEM_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIssuer:
    """The issuer of one page's certificates; ``key`` is PKCS8 PEM and never shown."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCertificate:
    """What a certificate of the page says."""

    ends_at: datetime


def make_page_issuer(authority: str, *, host: str, now: datetime) -> PageIssuer:
    """Return a new issuer for ``host`` alone, P-256, for five years. Raises ``ValueError`` for a bad name."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The start of the key's digest tells two issuers of one authority apart in the list of a phone.
    mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rogatory duty page {authority} {mark}"[:64])])
    certificate = (
        _builder(name, name, key.public_key(), now=now, days=ISSUER_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=[x509.DNSName(host)], excluded_subtrees=None),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return PageIssuer(certificate=certificate.public_bytes(serialization.Encoding.PEM), key=_pem(key))


def make_page_certificate(issuer: PageIssuer, *, host: str, now: datetime) -> tuple[bytes, bytes]:
    """Return a new certificate chain (PEM, the page's first) and its private key (PKCS8 PEM).

    It ends with its issuer at the latest.

    Raises:
        KeyRefused: the issuer cannot be read, is past its end, or vouches for another name.
    """
    above, signer = _certificate(issuer.certificate), _private_key(issuer.key)
    if not _vouches_for(above, host) or above.not_valid_after_utc <= now + timedelta(days=1):
        raise KeyRefused("the issuer of the page's certificates is for another name, or past its end")
    key = ec.generate_private_key(ec.SECP256R1())
    days = min(PAGE_DAYS, (above.not_valid_after_utc - now).days)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, above.subject, key.public_key(), now=now, days=days)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(own, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + issuer.certificate, _pem(key)


def read_page_certificate(chain: bytes, key: bytes, *, host: str) -> PageCertificate:
    """Return what the page's certificate says, whoever issued it.

    Raises:
        KeyRefused: it cannot be read, is for another name, or the private key is another one's.
    """
    certificate, private = _certificate(chain), _private_key(key)
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*spki) != private.public_key().public_bytes(*spki):
        raise KeyRefused("the private key of the page is not that of its certificate")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        names = x509.SubjectAlternativeName([])
    if not any(_covers(name, host) for name in names.get_values_for_type(x509.DNSName)):
        raise KeyRefused("the page's certificate is for another name")
    return PageCertificate(ends_at=certificate.not_valid_after_utc)


def certificate_digest(pem: bytes) -> str:
    """Return the SHA-256 of a certificate's DER in hex, as phones show it. Raises ``KeyRefused``."""
    return sha256(_certificate(pem).public_bytes(serialization.Encoding.DER)).hexdigest()


def page_tls(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Return the TLS of the page: 1.2 or later, HTTP/1.1. Raises ``OSError`` (``ssl.SSLError`` is one)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate_file, key_file)
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # A phone whose clock is a little behind takes it at once.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _vouches_for(issuer: x509.Certificate, host: str) -> bool:
    try:
        limits = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return limits.permitted_subtrees == [x509.DNSName(host)]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:].lower()
    return name.lower() == host


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem[:_PEM_LIMIT])
    except ValueError:
        raise KeyRefused("the certificate cannot be read") from None


def _private_key(pem: bytes) -> Any:
    try:
        return serialization.load_pem_private_key(pem[:_PEM_LIMIT], None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("the private key cannot be read") from None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
