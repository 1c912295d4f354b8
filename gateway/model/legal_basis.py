"""Whether the named legal basis carries a request between two States, and what each of them declared. Pure.

Participation comes from the directory and warns only: a person looks it up with the depositary before
relying on it (UNTOC 16(5), 18(7); Budapest 29(4)).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.model.states import BASES_WITHOUT_TREATY, StateRecord, bases_between, both_bound, treaty_gaps

_EXTRADITION = frozenset({"extradition", "provisional_arrest"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing a person should know, or do."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The primary instrument, and whether it binds both States.

    Attributes:
        binds_both: ``None`` where the directory does not say.
        gaps: One clause per State it does not bind, or of which that is not known.
        others: Treaties in force for both States; for the requested one alone if the other is not known.
        knows_both: Whether the directory has a record of both States.
    """

    instrument: str | None
    binds_both: bool | None
    gaps: tuple[str, ...]
    others: tuple[str, ...]
    knows_both: bool


def basis_of(
    instruments: Sequence[str], *, ours: StateRecord | None, theirs: StateRecord | None, their_code: str
) -> Basis:
    """Return what the directory knows of the primary instrument between the two States."""
    primary = instruments[0] if instruments else None
    gaps: tuple[str, ...] = ()
    if primary is not None and primary not in BASES_WITHOUT_TREATY:
        gaps = treaty_gaps(primary, [state for state in (theirs, ours) if state is not None])
        if theirs is None:
            gaps = (*gaps, f"the directory says nothing of the treaties of {their_code}")
    return Basis(
        instrument=primary,
        binds_both=both_bound(primary, ours, theirs),
        gaps=gaps,
        others=() if theirs is None else bases_between(ours, theirs),
        knows_both=ours is not None and theirs is not None,
    )


def about_basis(basis: Basis, kind: str, state: StateRecord) -> Iterator[Note]:
    """Yield what is to be known of the legal basis; the States' own declarations included."""
    between = "In force between the States" if basis.knows_both else f"In force for {state.name}"
    rest = ", ".join(code for code in basis.others if code != basis.instrument)
    choose = f" {between}: {rest}." if rest else ""
    if basis.instrument is None:
        yield Note(code="basis-open", sentence=f"No legal basis is named.{choose}")
    elif basis.gaps:
        code = "basis-gap" if basis.binds_both is False else "basis-unknown"
        sentence = (
            f"{basis.instrument} as the legal basis: {'; '.join(basis.gaps)}.{choose} A bilateral treaty,"
            " reciprocity or domestic law may serve too."
        )
        yield Note(code=code, sentence=sentence)
    elif basis.binds_both is None:
        sentence = (
            f"{basis.instrument} as the legal basis binds {state.name}; whether it binds the requesting State"
            " was not asked or is not known here."
        )
        yield Note(code="requester-unknown", sentence=sentence)
    said = state.treaty_conditions
    if kind in _EXTRADITION and said.get("extradition_treaty_required") is True:
        if basis.instrument in BASES_WITHOUT_TREATY - {"bilateral"}:
            sentence = f"{state.name} extradites on a treaty only, and {basis.instrument} is none."
            yield Note(code="treaty-required", sentence=sentence)
        elif basis.instrument == "untoc" and said.get("extradition_untoc_as_basis") != "accepted":
            sentence = (
                f"{state.name} extradites on a treaty only, and has not said in the directory that it takes"
                " UNTOC as one (16(5)): look it up."
            )
            yield Note(code="treaty-required", sentence=sentence)
    if kind == "preservation":
        if said.get("preservation_dual_criminality_reservation") is True:
            sentence = f"{state.name} may refuse preservation without dual criminality (Budapest 29(4))."
            yield Note(code="dual-criminality", sentence=sentence)
        first, again = (state.preservation_rules.get(k) for k in ("initial_days", "renewal_days"))
        if isinstance(first, int) and isinstance(again, int):
            renewal = (
                f"renewable by {again}" if state.preservation_rules.get("renewable") else "not renewable"
            )
            sentence = f"{state.name} preserves for {first} days at first, {renewal}."
            yield Note(code="preservation-term", sentence=sentence)
