"""The chain of one issuer's receipts about one bundle: what a new one says of those that are held.

Pure. A receipt names its place (``n`` from 1) and the one before (``prev``). Whatever comes of this, what is
signed counts: a gap is pulled, and a contradiction is evidence against its issuer, never a reason to
leave anything out. docs/receipts.md section 5.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One receipt in its chain; ``prev`` is the digest of the one before, ``None`` for the first."""

    n: int
    digest: str
    prev: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a new receipt says of its chain. With none of these it fits, and nothing has to be looked up.

    Attributes:
        contradicts: It and what is held cannot both belong to one chain.
        leaves_gap: The number before it is not held: some are to be pulled.
        may_close: It stands before one that is held, so that the chain may be whole from now on.
    """

    contradicts: bool = False
    leaves_gap: bool = False
    may_close: bool = False


def judge(new: Link, held: Collection[Link]) -> Judgement:
    """Say what a receipt that was not held yet does to its chain.

    Args:
        held: Of the same issuer and bundle, at least those numbered ``new.n - 1``, ``new.n``, ``new.n + 1``.
            There are several with one number where the issuer contradicted itself before; one that fits
            any of them says nothing new.
    """
    before = [link for link in held if link.n == new.n - 1]
    beside = [link for link in held if link.n == new.n]
    after = [link for link in held if link.n == new.n + 1]
    contradicts = (
        bool(beside)
        # The reader of a receipt asks this too, so that none comes here which does not.
        or (new.prev is None) != (new.n == 1)
        or (bool(before) and all(link.digest != new.prev for link in before))
        or (bool(after) and all(link.prev != new.digest for link in after))
    )
    return Judgement(
        contradicts=contradicts,
        leaves_gap=new.n > 1 and not before,
        may_close=(new.n == 1 or bool(before)) and bool(after),
    )


def gap_after(numbers: Iterable[int]) -> int | None:
    """Return the number after which the first gap begins, 0 before all of them; ``None`` if all is there.

    What comes after the highest number nobody can know.
    """
    held = {0, *numbers}
    top = max(held)
    return next((n for n in sorted(held) if n < top and n + 1 not in held), None)
