"""Opaque CMS signatures, written: the content inside, one signer, the signed attributes that readers ask for.

The signer's certificate goes along, so that any mail program can show whose it is; the attribute
signing-certificate binds the signature to it (RFC 5035). Whose certificate it is decides the directory.
"""

from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from asn1crypto import cms, core
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from crypto import cmsnames as names
from crypto.ber import OCTET_STRING, SEQUENCE, SET, Frame, tlv
from crypto.mailcert import MailKey

_CERTIFICATES = 0xA0
_SIGNED_ATTRS = 0xA0
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_TIME = "1.2.840.113549.1.9.5"
_CAPABILITIES = "1.2.840.113549.1.9.15"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
#: What a reply to us may be encrypted with, best first.
_READABLE = (names.AES256_GCM, names.AES256_CBC, "2.16.840.1.101.3.4.1.2")
#: As long as the digest: what other programs expect.
_SALT = 32


class SignatureForm(StrEnum):
    """How an RSA key signs; values as in ``transport.smime_signature`` of a directory record."""

    PKCS1 = "pkcs1v15"
    PSS = "pss"


def sign_opaque(
    content: bytes, *, key: MailKey, at: datetime, form: SignatureForm = SignatureForm.PKCS1
) -> bytes:
    """Return signed-data (DER) that contains ``content`` as it is, and the signer's certificate.

    SHA-256 with RSA, or ECDSA with SHA-256 where the key is an EC key; ``at`` is the signing time.
    """
    frame = signature_around(sha256(content).digest(), len(content), key=key, at=at, form=form)
    return b"".join([frame.head, content, frame.tail])


def signature_around(
    content_sha256: bytes, size: int, *, key: MailKey, at: datetime, form: SignatureForm = SignatureForm.PKCS1
) -> Frame:
    """Return what ``sign_opaque`` puts before and after content of this digest and size, in bytes.

    For content in pieces: head, pieces and tail are the signed-data, and nothing is joined.
    """
    digest = names.algorithm(names.SHA256)
    attributes = _attributes(content_sha256, key.certificate, at)
    algorithm, signature = _signature(tlv(SET, attributes), key, form)
    number = names.certificate_number(key.certificate)
    signer = tlv(
        SEQUENCE,
        names.integer(1),
        number.issuer_and_serial,
        digest,
        tlv(_SIGNED_ATTRS, attributes),
        algorithm,
        tlv(OCTET_STRING, signature),
    )
    held = Frame(size=size).within(OCTET_STRING).within(names.EXPLICIT_0)
    body = held.within(SEQUENCE, before=names.oid(names.DATA)).within(
        SEQUENCE,
        before=names.integer(1) + tlv(SET, digest),
        after=tlv(_CERTIFICATES, key.certificate) + tlv(SET, signer),
    )
    return body.within(names.EXPLICIT_0).within(SEQUENCE, before=names.oid(names.SIGNED_DATA))


def _attributes(digest: bytes, certificate: bytes, at: datetime) -> bytes:
    """Return the signed attributes in the order of a DER set, without its header."""
    time = cms.Time(name="utc_time", value=core.UTCTime(at.astimezone(UTC).replace(microsecond=0)))
    listed = tlv(SEQUENCE, *(names.algorithm(each) for each in _READABLE))
    certificate_id = tlv(SEQUENCE, tlv(OCTET_STRING, sha256(certificate).digest()))
    values = {
        _CONTENT_TYPE: names.oid(names.DATA),
        _MESSAGE_DIGEST: tlv(OCTET_STRING, digest),
        _SIGNING_TIME: time.dump(),
        _CAPABILITIES: listed,
        _SIGNING_CERTIFICATE_V2: tlv(SEQUENCE, tlv(SEQUENCE, certificate_id)),
    }
    return b"".join(sorted(tlv(SEQUENCE, names.oid(name), tlv(SET, value)) for name, value in values.items()))


def _signature(signed: bytes, key: MailKey, form: SignatureForm) -> tuple[bytes, bytes]:
    """Return the algorithm identifier and the signature over the attributes."""
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        return names.algorithm(names.ECDSA_SHA256), key.private.sign(signed, ec.ECDSA(hashes.SHA256()))
    return _rsa_signature(signed, key.private, form)


def _rsa_signature(signed: bytes, private: rsa.RSAPrivateKey, form: SignatureForm) -> tuple[bytes, bytes]:
    if form == SignatureForm.PKCS1:
        algorithm = names.algorithm(names.RSA, names.NULL)
        return algorithm, private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    sha256_id = names.algorithm(names.SHA256, names.NULL)
    parameters = tlv(
        SEQUENCE,
        tlv(0xA0, sha256_id),
        tlv(0xA1, names.algorithm(names.MGF1, sha256_id)),
        tlv(0xA2, names.integer(_SALT)),
    )
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=_SALT)
    return names.algorithm(names.PSS, parameters), private.sign(signed, pss, hashes.SHA256())
