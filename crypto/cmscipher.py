"""AES as CMS uses it for content: CBC for what every mail program reads, GCM where it is listed.

The only place with a cipher mode that is not authenticated: what CBC yields is never acted on before a
signature inside it is good (``crypto.cms``). Makes its own keys and nonces; none can be handed in for
encryption. Failures are ``ValueError`` and say nothing.
"""

import io
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

_BLOCK = 16
_KEY = 32
_GCM_NONCE = 12
_STRETCH = 1 << 20
#: Length of the GCM tags that are written and read, in bytes.
GCM_TAG = 16


class CbcSealing:
    """Content of ``size`` bytes under a new AES-256 key in CBC, piece by piece, padded as PKCS #7 asks.

    Attributes:
        key, start: What the recipients need; ``start`` stands in the clear.
        sealed_size: Of what all pieces and ``finish`` yield together.
    """

    def __init__(self, size: int) -> None:
        self.key, self.start = secrets.token_bytes(_KEY), secrets.token_bytes(_BLOCK)
        self._padding = _BLOCK - size % _BLOCK
        self.sealed_size = size + self._padding
        self._encryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.start)).encryptor()

    def update(self, piece: bytes) -> bytes:
        """Return what of the content so far can be written."""
        return self._encryptor.update(piece)

    def finish(self) -> bytes:
        """Return the rest; the pieces must have been of the size that was said."""
        return self._encryptor.update(bytes([self._padding]) * self._padding) + self._encryptor.finalize()


class GcmSealing:
    """Content of ``size`` bytes under a new AES-256 key in GCM, piece by piece; the key is used once.

    Attributes as those of ``CbcSealing``. Sealing only: what is opened is never seen before its tag is good.
    """

    def __init__(self, size: int) -> None:
        self.key, self.start = secrets.token_bytes(_KEY), secrets.token_bytes(_GCM_NONCE)
        self.sealed_size = size
        self._encryptor = Cipher(algorithms.AES(self.key), modes.GCM(self.start)).encryptor()

    def update(self, piece: bytes) -> bytes:
        """Return the sealed piece, which is as long."""
        return self._encryptor.update(piece)

    def finish(self) -> bytes:
        """Return the tag; it does not count in ``sealed_size``."""
        self._encryptor.finalize()
        return self._encryptor.tag


def open_cbc(key: bytes, start: bytes, sealed: memoryview) -> bytes:
    """Return what CBC holds; nothing shows whether anybody changed it. Raises ``ValueError``."""
    if not sealed or len(sealed) % _BLOCK:
        raise ValueError("length")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    # Content is large: a buffer that grows where it lies, and is handed over without a copy.
    plain, last = io.BytesIO(), len(sealed) - _BLOCK
    for begin in range(0, last, _STRETCH):
        plain.write(decryptor.update(sealed[begin : min(begin + _STRETCH, last)]))
    end = decryptor.update(sealed[last:]) + decryptor.finalize()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    plain.write(unpadder.update(end) + unpadder.finalize())
    return plain.getvalue()


def open_gcm(key: bytes, start: bytes, sealed: memoryview, tag: bytes, extra: bytes | None) -> bytes:
    """Return what GCM holds, once its tag is good. Raises ``ValueError``."""
    if len(tag) != GCM_TAG:
        raise ValueError("length")
    try:
        return AESGCM(key).decrypt(start, b"".join((sealed, tag)), extra)
    except InvalidTag:
        raise ValueError("tag") from None
