"""The object identifiers and small structures that the CMS modules share.

Only what is read or written here has a name; anything else is refused by whoever meets it.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from asn1crypto import core, x509

from crypto.ber import OID, SEQUENCE, tlv

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"

RSA = "1.2.840.113549.1.1.1"
OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
PSS = "1.2.840.113549.1.1.10"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
SHA256 = "2.16.840.1.101.3.4.2.1"
ECDH_SHA256 = "1.3.132.1.11.1"
AES256_WRAP = "2.16.840.1.101.3.4.1.45"
AES256_CBC = "2.16.840.1.101.3.4.1.42"
AES256_GCM = "2.16.840.1.101.3.4.1.46"

NULL = b"\x05\x00"
EXPLICIT_0 = 0xA0


def oid(dotted: str) -> bytes:
    """Return an object identifier, DER."""
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded


def dotted(body: bytes | memoryview) -> str:
    """Return the numbers of an object identifier's content. Raises ``ValueError``."""
    if not body or len(body) > 64:
        raise ValueError("object identifier")
    text: str = core.ObjectIdentifier.load(tlv(OID, body)).dotted
    return text


def algorithm(name: str, parameters: bytes = b"") -> bytes:
    """Return an AlgorithmIdentifier, DER."""
    return tlv(SEQUENCE, oid(name), parameters)


def integer(number: int) -> bytes:
    """Return an INTEGER, DER."""
    encoded: bytes = core.Integer(number).dump()
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateNumber:
    """How messages point to a certificate: issuer with serial number, or subject key identifier.

    Attributes:
        issuer_and_serial: IssuerAndSerialNumber, DER.
    """

    issuer: x509.Name = field(repr=False)
    serial: int
    key_identifier: bytes | None = field(repr=False)
    issuer_and_serial: bytes = field(repr=False)

    def is_meant(self, *, issuer: x509.Name | None, serial: int | None, identifier: bytes | None) -> bool:
        """Tell whether a message's pointer is to this certificate."""
        if identifier is not None:
            return identifier == self.key_identifier
        return serial == self.serial and issuer == self.issuer


@lru_cache(maxsize=1024)
def certificate_number(certificate: bytes) -> CertificateNumber:
    """Return how messages point to a certificate (DER) that was loaded before. Raises ``ValueError``."""
    parsed = x509.Certificate.load(certificate, strict=True)
    issuer = parsed.issuer
    return CertificateNumber(
        issuer=issuer,
        serial=parsed.serial_number,
        key_identifier=parsed.key_identifier,
        issuer_and_serial=tlv(SEQUENCE, issuer.dump(), integer(parsed.serial_number)),
    )
