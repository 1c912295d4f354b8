"""An independent reader of the chunked-encryption format, as a test oracle (C2SP chunked-encryption).

Written from the specification on AES-GCM and HKDF-Expand alone; shares no code with the product.
"""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

TAG, CHUNK = 16, 16384


def read_chunked(key: bytes, context: bytes, sealed: bytes) -> bytes:
    """Return the plaintext of Cobblestone-256; raises ``ValueError`` or ``InvalidTag``."""
    if len(key) != 32 or len(sealed) < 56:
        raise ValueError("key or header")
    salt, commitment, body = sealed[:24], sealed[24:56], sealed[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    derived = HKDFExpand(SHA512(), 32 + 12 + 32, info).derive(key)
    if derived[44:] != commitment:
        raise ValueError("commitment")
    chunks = [body[start : start + CHUNK + TAG] for start in range(0, len(body) + 1, CHUNK + TAG)]
    if not TAG <= len(chunks[-1]) < CHUNK + TAG:
        raise ValueError("truncated")
    base = int.from_bytes(derived[32:44], "big")
    aead = AESGCM(derived[:32])
    return b"".join(
        aead.decrypt((base ^ number).to_bytes(12, "big"), chunk, None) for number, chunk in enumerate(chunks)
    )
