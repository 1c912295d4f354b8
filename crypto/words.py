"""Fingerprints as words, to be compared by two people on the telephone.

The words are the BIP-39 English list: 2,048 words that differ in their first four letters,
11 bits each. Twelve words are 132 bits: more than anyone can search for a second key.
"""

from functools import cache
from hashlib import sha256

from mnemonic import Mnemonic

from crypto.encoding import lp

_BITS = 11

#: Enough to tell two bundles apart; that nobody made one up is shown by its signature.
CHECK_WORDS = 6


@cache
def _words() -> tuple[str, ...]:
    return tuple(Mnemonic("english").wordlist)


def fingerprint_words(data: bytes, *, words: int = 12) -> tuple[str, ...]:
    """Return the first ``words`` words of the SHA-256 of ``data``.

    Raises:
        ValueError: not between 1 and 23 words.
    """
    return digest_words(sha256(data).digest(), words=words)


def digest_words(digest: bytes, *, words: int) -> tuple[str, ...]:
    """Return the first ``words`` words of a SHA-256 digest.

    Raises:
        ValueError: not between 1 and 23 words, or no such digest.
    """
    if not 1 <= words <= 256 // _BITS or len(digest) != 32:
        raise ValueError("a digest of 32 bytes has 1 to 23 words")
    number = int.from_bytes(digest, "big")
    listed = _words()
    return tuple(listed[number >> (256 - _BITS * (i + 1)) & (1 << _BITS) - 1] for i in range(words))


def check_words(sha256_hex: str) -> str:
    """Return the words by which two people on the telephone know that they speak of the same bundle."""
    return " ".join(digest_words(bytes.fromhex(sha256_hex), words=CHECK_WORDS))


def callback_words(envelope_sha256: bytes, kids: tuple[str, str]) -> str:
    """Return the words two authorities compare by telephone about one bundle, alike on both sides.

    They stand for the bundle's envelope and for both authorities' signing keys, in whatever order these are
    given: who has another bundle, or another key for either of the two, reads out other words.

    Raises:
        ValueError: the digest is not 32 bytes, or both keys are the same.
    """
    first, second = sorted(kids)
    if first == second:
        raise ValueError("two authorities have two keys")
    if len(envelope_sha256) != 32:
        raise ValueError("the digest of an envelope is 32 bytes")
    stands_for = lp(b"gw/1/callback", envelope_sha256, first.encode(), second.encode())
    return " ".join(fingerprint_words(stands_for, words=CHECK_WORDS))
