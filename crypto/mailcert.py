"""S/MIME certificates and their private keys: made here, pinned by the directory as they are.

Decides what a certificate must say before a mail may rest on it: an end entity, for one purpose, for
the mailbox the directory names, in time, no weak key. There is no path above it: the signed directory
vouches for exactly these bytes. Where private keys lie is the keyring's.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import KeyRefused
from crypto.keys import X509, KeyUse, PublicKey

_RSA_BITS = 3072
_EXPONENT = 65537
_PEM_LIMIT = 16 * 1024
_MAIL_PURPOSES = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKey:
    """A private S/MIME key with its certificate; ``repr`` shows neither.

    Attributes:
        certificate: DER, as the directory lists it.
    """

    certificate: bytes = field(repr=False)
    private: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)


def make_mail_certificate(
    name: str, *, mailbox: str, use: KeyUse, now: datetime, days: int, passphrase: bytes
) -> tuple[bytes, bytes]:
    """Return a new self-signed RSA-3072 certificate (DER) and its private key (encrypted PKCS8 PEM).

    ``name`` is the authority identifier, ``mailbox`` the one rfc822Name; ``use`` is ``smime_sig`` or
    ``smime_enc`` and decides the key usage. Valid from ``now`` for ``days``.

    Raises:
        ValueError: another use, or an address that no certificate can carry.
    """
    if use not in {KeyUse.SMIME_SIG, KeyUse.SMIME_ENC}:
        raise ValueError("not a certificate for mail")
    key = generate_private_key(_EXPONENT, _RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signs = use == KeyUse.SMIME_SIG
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(mailbox)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=signs), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    return certificate.public_bytes(serialization.Encoding.DER), pem


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def load_mail_key(certificate: bytes, pem: bytes, passphrase: bytes) -> MailKey:
    """Return the key that ``make_mail_certificate`` wrote.

    Raises:
        KeyRefused: wrong passphrase, damaged, or not the key of this certificate.
    """
    if len(pem) > _PEM_LIMIT:
        raise KeyRefused("private key: too long")
    try:
        private = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("private key: wrong passphrase or damaged") from None
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise KeyRefused("private key: neither RSA nor EC")
    if private.public_key() != _load(certificate).public_key():
        raise KeyRefused("private key: of another certificate")
    return MailKey(certificate=certificate, private=private)


def mail_addresses(certificate: bytes) -> tuple[str, ...]:
    """Return the mailboxes a certificate names (rfc822Name), as they stand in it.

    Raises:
        KeyRefused: no certificate that may be listed, or its names cannot be read.
    """
    try:
        names = _load(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except ValueError:
        raise KeyRefused("certificate: names") from None
    return tuple(names.get_values_for_type(x509.RFC822Name))


def valid_between(certificate: bytes) -> tuple[datetime, datetime]:
    """Return from when until when a certificate says it is good. Raises ``KeyRefused``."""
    parsed = _load(certificate)
    return parsed.not_valid_before_utc, parsed.not_valid_after_utc


def is_same_mailbox(one: str, other: str) -> bool:
    """Tell whether two addresses are one mailbox; only ASCII letters lose their case, in both halves."""
    return one.isascii() and other.isascii() and one.lower() == other.lower()


def check_mail_certificate(certificate: bytes, *, use: KeyUse, address: str, now: datetime) -> None:
    """Return if a certificate may serve ``use`` for the mailbox ``address`` at ``now``.

    Raises:
        KeyRefused: a CA, another key usage, another mailbox, not in time, or a weak key.
    """
    parsed = _load(certificate)
    if not any(is_same_mailbox(address, each) for each in mail_addresses(certificate)):
        raise KeyRefused("certificate: another mailbox")
    if not parsed.not_valid_before_utc <= now <= parsed.not_valid_after_utc:
        raise KeyRefused("certificate: not in time")
    try:
        _check_purposes(parsed, use)
    except ValueError:
        raise KeyRefused("certificate: extensions") from None


def _check_purposes(certificate: x509.Certificate, use: KeyUse) -> None:
    said = {type(each.value): each.value for each in certificate.extensions}
    basic, usage = said.get(x509.BasicConstraints), said.get(x509.KeyUsage)
    purposes = said.get(x509.ExtendedKeyUsage)
    if isinstance(basic, x509.BasicConstraints) and basic.ca:
        raise KeyRefused("certificate: of a certification authority")
    if isinstance(purposes, x509.ExtendedKeyUsage) and not _MAIL_PURPOSES & set(purposes):
        raise KeyRefused("certificate: not for mail")
    if not isinstance(usage, x509.KeyUsage):
        raise KeyRefused("certificate: does not say what it is for")
    if use == KeyUse.SMIME_SIG:
        fits = usage.digital_signature or usage.content_commitment
    elif isinstance(certificate.public_key(), EllipticCurvePublicKey):
        fits = usage.key_agreement
    else:
        fits = usage.key_encipherment
    if not fits:
        raise KeyRefused(f"certificate: not for {use}")


def _load(certificate: bytes) -> x509.Certificate:
    # The checks of form and strength are the same for both uses.
    return PublicKey.load(KeyUse.SMIME_SIG, X509, certificate).certificate
