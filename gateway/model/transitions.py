"""The transitions of the two state machines as data: which message moves which state where.

Read once from ``data/state_machine.json``. Local events (drafting, signing, sending) are not here:
the fold starts with the first message. Guards and items are worked out in ``case``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from gateway.model.codes import Side, Track, code_list, data


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of ``data/state_machine.json``.

    Attributes:
        to: Target; ``None`` where the state stays.
        outcomes: Target by coverage, decision or state; ``same`` where the state stays.
    """

    id: str
    to: str | None
    outcomes: Mapping[str, str]
    guards: frozenset[str]


#: States before the requesting authority has sent anything formal; locally drafted, so one for the fold.
BEFORE_SENDING = frozenset({None, "draft", "pre_consultation", "approved"})

#: Opening messages and where they lead: drafting, signing and sending happened unseen (T1, T6, T7, P1).
OPENS: Mapping[Track, Mapping[str, str]] = MappingProxyType(
    {
        Track.REQUEST: {"request": "transmitted", "written_confirmation": "transmitted"},
        Track.PRESERVATION: {"preservation_request": "preservation_requested"},
    }
)


@cache
def transitions(track: Track) -> Mapping[tuple[str | None, str], Transition]:
    """Return the transition for a state and a message type; no pair has two."""
    table: dict[tuple[str | None, str], Transition] = {}
    for row in data("state_machine.json")[track]:
        if row["local_event"] is not None:
            continue
        transition = _transition(row)
        for state in row["from"]:
            for message_type in row["messages"]:
                table[state, message_type] = transition
    return MappingProxyType(table)


def _transition(row: Mapping[str, Any]) -> Transition:
    targets = row["to"]
    return Transition(
        id=row["id"],
        to=targets[0] if len(targets) == 1 and not row["same_state"] else None,
        outcomes=MappingProxyType(row.get("outcomes", {})),
        guards=frozenset(row["guards"]),
    )


@cache
def implied_order() -> tuple[str, ...]:
    """Return the states a message of the requested side may pass by itself, in their order."""
    return tuple(data("state_machine.json")["implied_order"])


@cache
def without_transition() -> frozenset[str]:
    """Return the message types that are filed and never change a state."""
    return frozenset(data("state_machine.json")["messages_without_transition"])


@cache
def senders(message_type: str) -> frozenset[Side]:
    """Return the sides that may send a type; none for what is no message or not known."""
    known = code_list("message_type").get(message_type)
    if known is None or message_type == "transport_receipt":
        return frozenset()
    words = set(known.source.replace("/", " ").replace(";", " ").split())
    if not words & {"RQ", "RD"}:
        return frozenset(Side)
    return frozenset(
        side for side, word in ((Side.REQUESTING, "RQ"), (Side.REQUESTED, "RD")) if word in words
    )
