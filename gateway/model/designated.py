"""Which authorities of a State hold the role that a request kind needs, by instrument and by region. Pure.

Order of roles, and the one fallback: domain rules after UNTOC 18(13) and Budapest 35. Only kinds that go to a
24/7 point may be sent to an authority whose designation stands under another instrument. An authority of a
special region serves that region alone. Choosing among several is left to a person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.model.addressee import FALLBACK_ROLE, DesignationMatch
from gateway.model.authority import DirectoryEntry
from gateway.model.record_parts import Designation
from gateway.model.states import BASES_WITHOUT_TREATY


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An authority that holds a role for a request.

    Attributes:
        designation: What the role rests on; ``None`` where the record names the role alone.
        rank: Place in the order of search; less is looked for first.
    """

    entry: DirectoryEntry
    role: str
    match: DesignationMatch
    designation: Designation | None
    rank: int


def holders(
    entries: Iterable[DirectoryEntry], roles: Sequence[str], instruments: Sequence[str]
) -> tuple[Holder, ...]:
    """Return those who hold the first of the roles that anybody holds.

    Kinds that go to a 24/7 point: where the first one found stands under another instrument, those
    designated for a later role under a named one are returned as well, behind it.
    """
    pool = tuple(entries)
    found: list[Holder] = []
    for n, role in enumerate(roles):
        exact = _exact(pool, role, instruments, rank=2 * n)
        if exact:
            return (*found, *exact)
        if FALLBACK_ROLE in roles and not found:
            found += _by_role_alone(pool, role, DesignationMatch.FALLBACK, rank=2 * n + 1)
    return tuple(found)


def in_region(
    entries: Iterable[DirectoryEntry], region: str, roles: Sequence[str], instruments: Sequence[str]
) -> tuple[Holder, ...]:
    """Return who holds the role for one region: its own authorities, else those of the whole State.

    A 24/7 point of the whole State serves its regions. Where the whole State has another role that is
    looked for first, and the region's own authority a later one, both are returned, the region's first.
    """
    pool = tuple(entries)
    own = holders((e for e in pool if e.region == region), roles, instruments)
    whole = holders((e for e in pool if not e.region), roles, instruments)
    if not own or not whole:
        return own or whole
    if whole[0].rank >= own[0].rank:
        return own
    points = tuple(holder for holder in whole if holder.role == FALLBACK_ROLE)
    if not points:
        return (*own, *whole)
    return points if points == whole else (*points, *own)


def matching_regions(entries: Iterable[DirectoryEntry], asked: str) -> tuple[str, ...]:
    """Return the regions of a State that a person may mean: the same words, or the first of them."""
    wanted = _words(asked)
    regions = dict.fromkeys(entry.region for entry in entries if entry.region)
    exact = tuple(region for region in regions if _words(region) == wanted)
    return exact or tuple(region for region in regions if wanted and _words(region)[: len(wanted)] == wanted)


def _words(region: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in region.casefold()).split()


def _exact(
    pool: Sequence[DirectoryEntry], role: str, instruments: Sequence[str], *, rank: int
) -> list[Holder]:
    # A basis that is no treaty with a register of authorities designates nobody: the role decides.
    if BASES_WITHOUT_TREATY.issuperset(instruments):
        return _by_role_alone(pool, role, DesignationMatch.EXACT, rank=rank)
    found = []
    for entry in pool:
        fitting = [d for d in entry.designations if d.role == role and d.instrument in instruments]
        if fitting:
            best = min(fitting, key=lambda d: instruments.index(d.instrument))
            found.append(
                Holder(entry=entry, role=role, match=DesignationMatch.EXACT, designation=best, rank=rank)
            )
    return found


def _by_role_alone(
    pool: Sequence[DirectoryEntry], role: str, match: DesignationMatch, *, rank: int
) -> list[Holder]:
    found = []
    for entry in pool:
        held = [d for d in entry.designations if d.role == role]
        if held or role in entry.roles:
            best = min(held, key=lambda d: d.provisional, default=None)
            found.append(Holder(entry=entry, role=role, match=match, designation=best, rank=rank))
    return found
