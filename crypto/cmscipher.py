"""AES as CMS uses it for content: CBC for what every mail program reads, GCM where it is listed.

The only place with a cipher mode that is not authenticated: what CBC yields is never acted on before a
signature inside it is good (``crypto.cms``). Makes its own keys and nonces; none can be handed in for
encryption. Failures are ``ValueError`` and say nothing.
"""

import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

_BLOCK = 16
_KEY = 32
_GCM_NONCE = 12
_TAG = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """Encrypted content with what its recipients need; ``tag`` is empty for CBC."""

    key: bytes = field(repr=False)
    start: bytes = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    tag: bytes = field(repr=False)


def seal_cbc(content: bytes) -> SealedContent:
    """Return content under a new AES-256 key in CBC, padded as PKCS #7 asks."""
    key, start = secrets.token_bytes(_KEY), secrets.token_bytes(_BLOCK)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    missing = _BLOCK - len(content) % _BLOCK
    parts = (encryptor.update(content), encryptor.update(bytes([missing]) * missing) + encryptor.finalize())
    return SealedContent(key=key, start=start, parts=parts, tag=b"")


def seal_gcm(content: bytes) -> SealedContent:
    """Return content under a new AES-256 key in GCM; the key is used once."""
    key, start = secrets.token_bytes(_KEY), secrets.token_bytes(_GCM_NONCE)
    sealed = AESGCM(key).encrypt(start, content, None)
    return SealedContent(key=key, start=start, parts=(sealed[:-_TAG],), tag=sealed[-_TAG:])


def open_cbc(key: bytes, start: bytes, sealed: memoryview) -> bytes:
    """Return what CBC holds; nothing shows whether anybody changed it. Raises ``ValueError``."""
    if not sealed or len(sealed) % _BLOCK:
        raise ValueError("length")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    rest = unpadder.update(plain[-_BLOCK:]) + unpadder.finalize()
    return plain[: len(plain) - _BLOCK + len(rest)]


def open_gcm(key: bytes, start: bytes, sealed: memoryview, tag: bytes, extra: bytes | None) -> bytes:
    """Return what GCM holds, once its tag is good. Raises ``ValueError``."""
    if len(tag) != _TAG:
        raise ValueError("length")
    try:
        return AESGCM(key).decrypt(start, b"".join((sealed, tag)), extra)
    except InvalidTag:
        raise ValueError("tag") from None
