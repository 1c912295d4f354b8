"""TLS certificates: made here, pinned as they are.

There is no authority above them: the signed directory carries each certificate, and a
peer trusts exactly those bytes. So a certificate is self-signed, names the hosts it
serves, and may be used on both sides of a connection. P-256, because TLS stacks and tokens have it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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
