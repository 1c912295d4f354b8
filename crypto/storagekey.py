"""Content keys under the local storage key: AES-256 key wrap with padding (RFC 5649).

So content stays readable after the sealing keys are destroyed, and destroying one wrapped
record erases one bundle. The key-encryption key is local, never published, and comes from
the caller: a file or a token.
"""

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from crypto.errors import Refusal

STORAGE_KEY_SIZE = 32


def wrap_content_key(kek: bytes, bk: bytes) -> bytes:
    """Return ``bk`` wrapped under the storage key: 40 bytes for a content key.

    Raises:
        ValueError: ``kek`` has not 32 bytes.
    """
    _check(kek)
    return aes_key_wrap_with_padding(kek, bk)


def unwrap_content_key(kek: bytes, wrapped: bytes) -> bytes:
    """Return the content key.

    Raises:
        ValueError: ``kek`` has not 32 bytes.
        Refusal: ``open-failed``: another storage key, or the record was altered.
    """
    _check(kek)
    try:
        return aes_key_unwrap_with_padding(kek, wrapped)
    except (InvalidUnwrap, ValueError):
        raise Refusal("open-failed", "storage key wrap") from None


def _check(kek: bytes) -> None:
    if len(kek) != STORAGE_KEY_SIZE:
        raise ValueError("a storage key has 32 bytes")
