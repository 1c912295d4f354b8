"""CMS for S/MIME under one name: opaque signatures and encryption, written and read (docs/mail.md).

What we sign is always inside the signature (opaque), never beside it. Reading takes what ordinary mail
programs send, DER and BER; every failure to open looks the same. Structure comes from
asn1crypto, ciphers from ``cryptography``, the judgement of signatures from pyHanko. No network, no
trust store of the machine: the directory's certificates are all there is. MIME is left to services.
"""

from crypto.cmsenvelope import (
    MESSAGE_LIMIT,
    ContentCipher,
    KeyTransport,
    Opened,
    decrypt,
    encrypt,
    encrypt_pieces,
    is_encrypted,
)
from crypto.cmssign import SignatureForm, sign_opaque, signature_around
from crypto.cmsverify import Verified, verify_beside, verify_opaque

__all__ = [
    "MESSAGE_LIMIT",
    "ContentCipher",
    "KeyTransport",
    "Opened",
    "SignatureForm",
    "Verified",
    "decrypt",
    "encrypt",
    "encrypt_pieces",
    "is_encrypted",
    "sign_opaque",
    "signature_around",
    "verify_beside",
    "verify_opaque",
]
