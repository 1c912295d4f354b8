"""What the directory says of States: their treaties, their conditions, and which treaties bind two of them.

Participation is shown with what it rests on and never decides by itself: a gap warns, and a person looks
it up with the depositary. Says nothing about authorities.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.model.fields import text
from gateway.model.record_parts import EntryInvalid

#: Legal bases that need no treaty in force between the two States.
BASES_WITHOUT_TREATY = frozenset({"bilateral", "reciprocity", "domestic_law"})

#: Participation that binds a State once the instrument is in force.
_BINDING = frozenset({"party", "bound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """What a State is to an instrument. ``in_force`` speaks of the instrument, not of the State."""

    status: str
    in_force: bool
    basis: str = ""

    @property
    def binds(self) -> bool | None:
        """Whether it binds the State; ``None`` where the status is unknown, here or to the directory."""
        if self.status in {"not_party", "signatory"} or not self.in_force:
            return False
        return True if self.status in _BINDING else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """What the directory says of a State.

    Attributes:
        networks: Codes of the judicial and recovery networks it is in.
        treaty_conditions: As the State declared them (UNTOC 16(5), 18; Budapest 29(4)), by name.
        preservation_rules: Days of a preservation and of its renewal under its law, by name.
    """

    state: str
    name: str
    accepted_languages: tuple[str, ...]
    participation: Mapping[str, Participation]
    networks: tuple[str, ...] = ()
    treaty_conditions: Mapping[str, Any] = field(default_factory=dict)
    preservation_rules: Mapping[str, Any] = field(default_factory=dict)


def parse_state(record: Mapping[str, Any]) -> StateRecord:
    """Return the State of a record that fits the directory schema. Raises ``EntryInvalid`` otherwise."""
    try:
        return StateRecord(
            state=record["state"],
            name=record["name"],
            accepted_languages=tuple(record["accepted_languages"]),
            participation={
                code: Participation(
                    status=row["status"],
                    in_force=row.get("instrument_in_force", True),
                    basis=text(row, "basis"),
                )
                for code, row in record["participation"].items()
            },
            networks=tuple(record.get("networks", ())),
            treaty_conditions=dict(record.get("treaty_conditions", {})),
            preservation_rules=dict(record.get("preservation_rules", {})),
        )
    except KeyError as missing:
        raise EntryInvalid(f"{missing.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError):
        raise EntryInvalid("a member has the wrong type") from None


def both_bound(instrument: str | None, one: StateRecord | None, other: StateRecord | None) -> bool | None:
    """Return whether the instrument binds both States; ``None`` where the directory does not say.

    A basis that is no treaty needs no participation (domain rule; UNTOC 18(7)).
    """
    if instrument is None:
        return None
    if instrument in BASES_WITHOUT_TREATY:
        return True
    bound = [None if state is None else _binds(state, instrument) for state in (one, other)]
    if False in bound:
        return False
    return None if None in bound else True


def treaty_gaps(instrument: str, states: Iterable[StateRecord]) -> tuple[str, ...]:
    """Return one sentence per State that the instrument does not bind, or of which that is not known."""
    if instrument in BASES_WITHOUT_TREATY:
        return ()
    gaps = []
    for state in states:
        taking_part = state.participation.get(instrument)
        bound = None if taking_part is None else taking_part.binds
        if bound:
            continue
        status = "" if taking_part is None else taking_part.status
        if status in {"not_party", "signatory"}:
            gaps.append(f"{state.name} {_STANDING[status]} {instrument}")
        elif bound is False:
            gaps.append(f"{instrument} is not in force ({state.name} is a party to it)")
        else:
            gaps.append(f"the directory does not know whether {instrument} binds {state.name}")
    return tuple(gaps)


def bases_between(one: StateRecord | None, other: StateRecord) -> tuple[str, ...]:
    """Return the treaties in force for both States, in the order of the other's record.

    Without the first State: those in force for the other.
    """
    states = [other] if one is None else [one, other]
    return tuple(code for code in other.participation if all(_binds(state, code) for state in states))


_STANDING = {"not_party": "is not a party to", "signatory": "has signed but not joined"}


def _binds(state: StateRecord, instrument: str) -> bool | None:
    taking_part = state.participation.get(instrument)
    return None if taking_part is None else taking_part.binds
