"""The chain of an issuer's receipts: what fits, what leaves a gap, what contradicts, in every combination."""

import itertools

import pytest

from gateway.model.receipt_chain import Judgement, Link, gap_after, judge


def link(n: int, digest: str, prev: str | None) -> Link:
    return Link(n=n, digest=digest, prev=prev)


ONE, TWO, THREE = link(1, "a", None), link(2, "b", "a"), link(3, "c", "b")
FITS = Judgement()
GAP = Judgement(leaves_gap=True)
CLOSES = Judgement(may_close=True)
CONTRADICTS = Judgement(contradicts=True)


@pytest.mark.parametrize(
    ("new", "held", "judged"),
    [
        (ONE, [], FITS),
        (TWO, [ONE], FITS),
        (THREE, [TWO], FITS),
        (TWO, [], GAP),
        (THREE, [ONE], GAP),
        (ONE, [TWO], CLOSES),
        (TWO, [ONE, THREE], CLOSES),
        (TWO, [THREE], GAP),
        # n = 1 names one before it; a later one names none
        (link(1, "a", "x"), [], CONTRADICTS),
        (link(2, "b", None), [ONE], CONTRADICTS),
        # the one before is another
        (link(2, "b", "x"), [ONE], CONTRADICTS),
        # the next one names another
        (link(1, "x", None), [TWO], Judgement(contradicts=True, may_close=True)),
        (link(2, "x", "a"), [ONE, THREE], Judgement(contradicts=True, may_close=True)),
        (link(2, "x", "a"), [THREE], Judgement(contradicts=True, leaves_gap=True)),
        # another one has its number
        (link(1, "x", None), [ONE], CONTRADICTS),
        (link(2, "x", "a"), [ONE, TWO], CONTRADICTS),
        # where the issuer contradicted itself before, one that fits either side says nothing new
        (TWO, [ONE, link(1, "x", None)], FITS),
        (ONE, [TWO, link(2, "y", "x")], CLOSES),
    ],
)
def test_a_receipt_is_judged_by_its_neighbours(new: Link, held: list[Link], judged: Judgement) -> None:
    for order in itertools.permutations(held):
        assert judge(new, order) == judged


def chains() -> list[Link]:
    """Every receipt of up to three numbers and two digests for each, by whatever it may name."""
    return [
        link(n, f"{n}{which}", prev)
        for n in (1, 2, 3)
        for which in "xy"
        for prev in (None, *(f"{before}{other}" for before in (1, 2) for other in "xy"))
    ]


def test_no_contradiction_means_that_an_honest_issuer_could_have_signed_all_of_it() -> None:
    for new in chains():
        for held in itertools.chain(((),), ((one,) for one in chains()), itertools.permutations(chains(), 2)):
            if len({one.n for one in held}) != len(held) or new in held:
                continue
            everything = {one.n: one for one in held} | {new.n: new}
            honest = new.n not in {one.n for one in held} and all(
                one.prev == (everything[n - 1].digest if n - 1 in everything else one.prev)
                for n, one in everything.items()
                if new.n in (n, n - 1)
            )
            honest = honest and (new.prev is None) == (new.n == 1)
            assert judge(new, held).contradicts is not honest, (new, held)


def test_what_stands_further_away_is_not_looked_at() -> None:
    far = [link(n, "z", "q") for n in (1, 2, 3, 7, 8, 9)]
    assert judge(link(5, "e", "d"), far) == GAP


@pytest.mark.parametrize("count", range(7))
def test_the_first_gap_is_named_by_the_number_before_it(count: int) -> None:
    for held in itertools.combinations(range(1, 7), count):
        missing = [n for n in range(1, max(held, default=0)) if n not in held]
        assert gap_after(held) == (missing[0] - 1 if missing else None)
        assert gap_after(held * 2) == gap_after(held)
