"""Whose a public key is that several authorities list: his who was listed with it first.

Pure. Who had a key is remembered for good and outlives every source, so that it does not matter in which
order sources are read or which of them cannot be: what one State lists later takes nothing from an authority
that only another network lists. A key passes on where its holder gave it up, and only within one State.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

#: Authority and use: one public key is under one use of one authority.
KeyHolder = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """A key that is not trusted for an authority that lists it; ``holder``: who has it, ``None``: nobody."""

    kid: str
    claimant: str
    holder: str | None


@lru_cache(maxsize=65536)
def key_digest(pub: bytes) -> str:
    """Return what a public key is remembered by: SHA-256, hex."""
    return sha256(pub).hexdigest()


def holder_of(
    ranks: Mapping[KeyHolder, int], known: KeyHolder | None, has_given_up: Callable[[str], bool]
) -> KeyHolder | None:
    """Return whose a key is, ``None`` if nobody's for now.

    Args:
        ranks: Who lists it now, and how well each is vouched for; the smaller the better.
        known: Whose it was until now.
        has_given_up: Whether every source says that an authority does not list the key any more.
    """
    if known is not None:
        if known in ranks:
            return known
        if not has_given_up(known[0]):
            return None
        # Authorities of one State are merged and renamed; two States never share a key.
        ranks = {holder: rank for holder, rank in ranks.items() if holder[0][:2] == known[0][:2]}
    best = min(ranks.values(), default=0)
    first = [holder for holder, rank in ranks.items() if rank == best]
    return first[0] if len(first) == 1 else None
