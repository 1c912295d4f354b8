"""CMS for S/MIME under one name: opaque signatures and encryption, written and read (docs/mail.md).

Signed content is always inside the signature (opaque), never beside it. Reading takes what ordinary
mail programs send, DER and BER; every failure to open looks the same. Structure comes from
asn1crypto, ciphers from ``cryptography``, the judgement of signatures from pyHanko. No network, no
trust store of the machine: the directory's certificates are all there is. MIME is left to services.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from crypto.mailcert import MailKey


class ContentCipher(StrEnum):
    """How content is encrypted; values as in ``transport.smime_content_enc`` of a directory record."""

    CBC = "aes256-cbc"
    GCM = "aes256-gcm"


class KeyTransport(StrEnum):
    """How a content key reaches an RSA recipient; EC recipients always get ECDH."""

    PKCS1 = "pkcs1v15"
    OAEP = "oaep"


class SignatureForm(StrEnum):
    """How an RSA key signs; values as in ``transport.smime_signature`` of a directory record."""

    PKCS1 = "pkcs1v15"
    PSS = "pss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Decrypted content, **not yet to be believed**: CBC protects nothing against change (EFAIL).

    Attributes:
        content: The inner MIME entity.
        cipher: ``ContentCipher`` or the name of another AES form that was read.
        certificate: DER of the certificate whose key opened it.
    """

    content: bytes = field(repr=False)
    cipher: str
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Signed content whose signature is good.

    Attributes:
        certificate: DER of the signer's certificate: one of the trusted ones, byte for byte.
        signed_at: What the signer says about the time; ``None`` where it says nothing. No proof.
    """

    content: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    signed_at: datetime | None


def sign_opaque(
    content: bytes, *, key: MailKey, at: datetime, form: SignatureForm = SignatureForm.PKCS1
) -> bytes:
    """Return signed-data (DER) that contains ``content`` as it is, and the signer's certificate.

    SHA-256 with RSA, or ECDSA with SHA-256 where the key is an EC key; ``at`` is the signing time.
    """
    raise NotImplementedError


def verify_opaque(cms: bytes, *, trusted: Sequence[bytes]) -> Verified:
    """Return the content of signed-data with exactly one good signature by one of ``trusted`` (DER).

    Certificates inside the message are not looked at. Whether a certificate is in time, and for whom it
    speaks, is ``check_mail_certificate``'s; ``signed_at`` is judged by the caller.

    Raises:
        Refusal: ``smime-form``, ``smime-signer`` (none of ``trusted``), ``smime-weak``, ``sig-invalid``.
    """
    raise NotImplementedError


def encrypt(
    content: bytes,
    *,
    recipients: Sequence[bytes],
    cipher: ContentCipher = ContentCipher.CBC,
    transport: KeyTransport = KeyTransport.PKCS1,
) -> bytes:
    """Return enveloped-data (CBC) or auth-enveloped-data (GCM), DER, for the certificates (DER) given.

    Raises:
        KeyRefused: a certificate that may not be listed.
        ValueError: no recipient.
    """
    raise NotImplementedError


def decrypt(cms: bytes, *, keys: Sequence[MailKey]) -> Opened:
    """Return the content that one of ``keys`` opens; DER and BER, CBC and GCM, RSA and ECDH.

    Raises:
        Refusal: ``smime-form`` if it is no encrypted message within the limits, whatever the keys;
            ``open-failed`` for everything that depends on a key, with the same work done.
    """
    raise NotImplementedError
