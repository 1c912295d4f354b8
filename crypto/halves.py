"""Opening a wrap with the two private halves in different places, such as a token and a file.

The library's HPKE wants both halves in memory. Here only the two shared secrets come from
the halves; the combiner (X-Wing) and HPKE's key schedule (RFC 9180 section 5.1, base mode)
are computed from them, byte for byte as ``crypto.hpke`` does.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.errors import Refusal
from crypto.hpke import CONTENT_KEY_SIZE, ENCAPSULATION_SIZE, WRAP_SIZE
from crypto.publickeys import PublicKey

_ML_KEM_CIPHERTEXT_SIZE = 1088
_X_WING_LABEL = bytes.fromhex("5c2e2f2f5e5c")
# KEM 0x647a, KDF 0x0001, AEAD 0x0002.
_SUITE_ID = b"HPKE" + bytes.fromhex("647a00010002")


class KEMHalf(Protocol):
    """The ML-KEM-768 half of a private key."""

    def decapsulate(self, ciphertext: bytes, /) -> bytes: ...


class ExchangeHalf(Protocol):
    """The X25519 half of a private key; takes the other side's raw public key."""

    def exchange(self, peer: bytes, /) -> bytes: ...


def combine(
    ml_kem_secret: bytes, x25519_secret: bytes, x25519_ciphertext: bytes, x25519_public: bytes
) -> bytes:
    """Return X-Wing's shared secret (draft-connolly-cfrg-xwing-kem, ``Combiner``)."""
    return hashlib.sha3_256(
        ml_kem_secret + x25519_secret + x25519_ciphertext + x25519_public + _X_WING_LABEL
    ).digest()


def key_schedule(shared_secret: bytes, info: bytes, *, suite_id: bytes = _SUITE_ID) -> tuple[bytes, bytes]:
    """Return HPKE's 32-byte key and 12-byte base nonce for base mode with HKDF-SHA256."""

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite_id + label + ikm, "sha256")

    def expand(secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
        # One block of HKDF-Expand is enough for both outputs.
        labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + context
        return hmac.digest(secret, labelled + b"\x01", "sha256")[:size]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared_secret, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridDecapsulator:
    """A ``Decapsulator`` made of two halves, each of which may be a token."""

    ml_kem: KEMHalf = field(repr=False)
    x25519: ExchangeHalf = field(repr=False)
    public: PublicKey

    def unwrap(self, wrap: bytes, info: bytes) -> bytes:
        """Return the content key.

        Raises:
            Refusal: ``open-failed``, whatever was wrong.
        """
        if len(wrap) != WRAP_SIZE:
            raise Refusal("open-failed", "wrap length")
        ephemeral = wrap[_ML_KEM_CIPHERTEXT_SIZE:ENCAPSULATION_SIZE]
        try:
            lattice = self.ml_kem.decapsulate(wrap[:_ML_KEM_CIPHERTEXT_SIZE])
            classical = self.x25519.exchange(ephemeral)
            if not any(classical):
                raise ValueError("low order")
            shared = combine(lattice, classical, ephemeral, self.public.pub[-32:])
            key, nonce = key_schedule(shared, info)
            bk = AESGCM(key).decrypt(nonce, wrap[ENCAPSULATION_SIZE:], None)
        except (InvalidTag, ValueError):
            raise Refusal("open-failed", "wrap") from None
        if len(bk) != CONTENT_KEY_SIZE:
            raise Refusal("open-failed", "content key length")
        return bk
