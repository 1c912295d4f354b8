"""Sizes of sealed parts and what ties a part to its bundle and number (docs/bundle.md section 6).

Pure arithmetic; the encryption itself is in ``crypto.parts``, which hands these names on.
"""

from dataclasses import dataclass

#: Chunk of the format, and what each chunk and each part costs on top.
CHUNK_SIZE = 16384
TAG_SIZE = 16
HEADER_SIZE = 56
#: Part 0 is padded to multiples of this.
MANIFEST_BLOCK = 4096


def padme(size: int) -> int:
    """Return the padded size: at most 12 % more, 3 % at 1 GiB, and few distinct values (PURBs, 2019)."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-size // step) * step


def manifest_size(length: int) -> int:
    """Return the padded size of part 0 for a manifest of ``length`` bytes and its u32 length."""
    return -(-(4 + length) // MANIFEST_BLOCK) * MANIFEST_BLOCK


def sealed_size(plain_padded: int) -> int:
    """Return the ciphertext size: header, then chunks of which the last is always short."""
    return HEADER_SIZE + plain_padded + TAG_SIZE * (plain_padded // CHUNK_SIZE + 1)


def part_context(bid_hex: str, n: int) -> bytes:
    """Return what the encryption of part ``n`` is bound to."""
    return b"gw/1/part\0" + bytes.fromhex(bid_hex) + n.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """A sealed part: what goes into the manifest and into the envelope.

    Attributes:
        n: Number of the part.
        plain_size: Bytes before padding.
        plain_sha256: Hex digest before padding.
        size: Bytes of ciphertext.
        sha256: Hex digest of the ciphertext.
    """

    n: int
    plain_size: int
    plain_sha256: str
    size: int
    sha256: str


def padded_size(plain_size: int, pad: bool) -> int:
    """Return the size under encryption: with padding, or as it is."""
    return padme(plain_size) if pad else plain_size
