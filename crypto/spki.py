"""ML-DSA-65 public keys in the one PEM spelling that TUF metadata carries (RFC 9881, RFC 7468).

PEM has many spellings of the same key, and an identifier over the text would count one key twice: only
the exact spelling written here is read.
"""

import base64

from crypto.errors import KeyRefused

ML_DSA_65_PUBLIC_SIZE = 1952

#: SubjectPublicKeyInfo up to the key bytes: id-ml-dsa-65 (2.16.840.1.101.3.4.3.18), no parameters.
_PREFIX = bytes.fromhex("308207b2300b0609608648016503040312038207a100")
_BEGIN = "-----BEGIN PUBLIC KEY-----\n"
_END = "\n-----END PUBLIC KEY-----\n"


def ml_dsa_65_pem(pub: bytes) -> str:
    """Return the PEM of a raw ML-DSA-65 public key. Raises ``ValueError`` for another length."""
    if len(pub) != ML_DSA_65_PUBLIC_SIZE:
        raise ValueError("an ML-DSA-65 public key has 1952 bytes")
    text = base64.b64encode(_PREFIX + pub).decode("ascii")
    return _BEGIN + "\n".join(text[n : n + 64] for n in range(0, len(text), 64)) + _END


def ml_dsa_65_raw(pem: str) -> bytes:
    """Return the raw key of a PEM. Raises ``KeyRefused`` for any other key or another spelling."""
    body = pem[len(_BEGIN) : -len(_END)]
    try:
        raw = base64.b64decode(body)[len(_PREFIX) :]
        canonical = ml_dsa_65_pem(raw)
    except ValueError:
        raise KeyRefused("ML-DSA-65: form") from None
    if canonical != pem:
        raise KeyRefused("ML-DSA-65: spelling")
    return raw
