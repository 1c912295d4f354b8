"""TLS certificates: made here, pinned as they are.

There is no authority above them: the signed directory carries each certificate, and a
peer trusts exactly those bytes. So a certificate is self-signed, names the hosts it
serves, and may be used on both sides of a connection. P-256, because TLS stacks and tokens have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import KeyRefused
from crypto.keys import X509, KeyUse, PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateNames:
    """The hosts a certificate names, as they stand in it."""

    dns: tuple[str, ...]
    ip: tuple[str, ...]


def make_tls_certificate(
    name: str,
    *,
    now: datetime,
    days: int = 365,
    hosts: Sequence[str],
    passphrase: bytes | None = None,
) -> tuple[bytes, bytes]:
    """Return a new self-signed certificate (DER) and its private key (PKCS8 PEM).

    ``name`` is the authority identifier; ``hosts`` are DNS names or IP literals. The key is
    encrypted if a ``passphrase`` is given. Valid from five minutes before ``now``, so that a
    peer whose clock is a little behind accepts it at once.

    Raises:
        ValueError: no hosts, or a name that no certificate can carry.
    """
    if not hosts:
        raise ValueError("a TLS certificate names at least one host")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        # No CA: the pinned certificate vouches for itself and for no other.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return certificate.public_bytes(serialization.Encoding.DER), pem


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(der: bytes) -> x509.Certificate:
    return PublicKey.load(KeyUse.TLS, X509, der).certificate


def certificate_names(der: bytes) -> CertificateNames:
    """Return the hosts a certificate names.

    Raises:
        KeyRefused: no certificate that may be listed, or its names cannot be read.
    """
    certificate = _load(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateNames(dns=(), ip=())
    except ValueError:
        raise KeyRefused("certificate: names") from None
    return CertificateNames(
        dns=tuple(names.get_values_for_type(x509.DNSName)),
        ip=tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def certificate_life(der: bytes) -> tuple[datetime, datetime]:
    """Return the first and last instant of a certificate, aware UTC.

    Raises:
        KeyRefused: no certificate that may be listed.
    """
    certificate = _load(der)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def spki_sha256(der: bytes) -> str:
    """Return the hex SHA-256 of the certificate's public key info: the pin of its key.

    Raises:
        KeyRefused: no certificate that may be listed.
    """
    spki = (
        _load(der)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return sha256(spki).hexdigest()


def certificate_pem(der: bytes) -> bytes:
    """Return the certificate as PEM, for a TLS library's trust store.

    Raises:
        KeyRefused: no certificate that may be listed.
    """
    return _load(der).public_bytes(serialization.Encoding.PEM)
