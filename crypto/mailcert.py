"""S/MIME certificates and their private keys: made here, pinned by the directory as they are.

Decides what a certificate must say before a mail may rest on it: an end entity, for one purpose, for
the mailbox the directory names, in time, no weak key. There is no path above it: the signed directory
vouches for exactly these bytes. Where private keys lie is the keyring's.
"""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crypto.keys import KeyUse


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
    raise NotImplementedError


def load_mail_key(certificate: bytes, pem: bytes, passphrase: bytes) -> MailKey:
    """Return the key that ``make_mail_certificate`` wrote.

    Raises:
        KeyRefused: wrong passphrase, damaged, or not the key of this certificate.
    """
    raise NotImplementedError


def mail_addresses(certificate: bytes) -> tuple[str, ...]:
    """Return the mailboxes a certificate names (rfc822Name), domain in lower case.

    Raises:
        KeyRefused: no certificate that may be listed, or its names cannot be read.
    """
    raise NotImplementedError


def check_mail_certificate(certificate: bytes, *, use: KeyUse, address: str, now: datetime) -> None:
    """Return if a certificate may serve ``use`` for the mailbox ``address`` at ``now``.

    Raises:
        KeyRefused: a CA, another key usage, another mailbox, not in time, or a weak key.
    """
    raise NotImplementedError
