"""Wrapping of a content key for one recipient: HPKE base mode (RFC 9180), one suite.

KEM 0x647a (ML-KEM-768 with X25519, "X-Wing"), KDF 0x0001 (HKDF-SHA256), AEAD 0x0002
(AES-256-GCM). Only the single-shot form: one wrap, one content key. Everything a wrap is
bound to goes into ``info``; there is no associated data and no other mode.
"""

import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from crypto.encoding import lp
from crypto.errors import Refusal

if TYPE_CHECKING:
    from crypto.publickeys import PublicKey

#: Bytes of a content key, of its encapsulation, and of the whole wrap (with the 16-byte tag).
CONTENT_KEY_SIZE = 32
ENCAPSULATION_SIZE = 1120
WRAP_SIZE = ENCAPSULATION_SIZE + CONTENT_KEY_SIZE + 16

#: The one suite of GW/1, made once.
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def wrap_info(bid_hex: str, sender: str, sig_kid: str, aid: str, enc_kid: str) -> bytes:
    """Return what a wrap is bound to: bundle, sender and signing key, recipient and its key."""
    return lp(
        b"gw/1/wrap",
        bytes.fromhex(bid_hex),
        sender.encode("ascii"),
        sig_kid.encode("ascii"),
        aid.encode("ascii"),
        enc_kid.encode("ascii"),
    )


def wrap_key(bk: bytes, public: "PublicKey", info: bytes) -> bytes:
    """Return the content key sealed to ``public``: ``WRAP_SIZE`` bytes.

    Raises:
        ValueError: ``bk`` is not a content key or ``public`` not an encryption key.
    """
    if len(bk) != CONTENT_KEY_SIZE:
        raise ValueError("a content key has 32 bytes")
    return SUITE.encrypt(bk, public.encapsulation_key, info)


def unwrap_key(wrap: bytes, private: MLKEM768X25519PrivateKey, info: bytes) -> bytes:
    """Return the content key.

    Raises:
        Refusal: ``open-failed``, whatever was wrong.
    """
    if len(wrap) != WRAP_SIZE:
        raise Refusal("open-failed", "wrap length")
    try:
        return SUITE.decrypt(wrap, private, info)
    except (InvalidTag, ValueError):
        raise Refusal("open-failed", "wrap") from None


def expand_seed(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """Return both halves of the private key that a 32-byte X-Wing seed stands for.

    Source: draft-connolly-cfrg-xwing-kem, ``expandDecapsulationKey``.
    """
    if len(seed) != 32:
        raise ValueError("an X-Wing seed has 32 bytes")
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(
        expanded[64:]
    )
