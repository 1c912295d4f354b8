"""What a case comes to: its state, what each message did, its items, and who acts next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side
from gateway.model.next_step import NextStep
from gateway.model.preservation_clock import ItemClock


class Effect(StrEnum):
    """What a message did."""

    APPLIED = "applied"  # allowed at its place; the state may stay the same
    IMPLIED = "implied"  # applied, and earlier steps nobody had told were entered with it
    WAITING = "waiting"  # before the preservation report, or no proof yet that the other side has it in time
    HELD = "held"  # behind a gap or a fork; no effect until that is closed
    OVERTAKEN = "overtaken"  # not allowed at its place, because it crossed another message; or since sealed
    OUT_OF_STATE = "out_of_state"  # not allowed at its place; its sender is told
    BREACH = "breach"  # breaks a rule of its treaty, whatever the state; both sides read which
    UNKNOWN = "unknown"  # a type or deciding code this version does not know; a person looks at it
    FORKED = "forked"  # shares its number with another message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEffect:
    """What one message did, and the state after it.

    Attributes:
        implied: Earlier states that were entered with it, in their order.
        broken: Rules and guards that kept it from its effect.
    """

    message: CaseMessage
    effect: Effect
    state: str | None
    implied: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """One entry into a state.

    Attributes:
        message_id: What moved it; ``None`` for a machine receipt or a clock.
        is_implied: Nobody told this step; it is never evidence of a machine receipt.
    """

    state: str
    at: datetime
    message_id: str | None
    is_implied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStart:
    """Where a case stands that began elsewhere, on paper or in another system.

    Attributes:
        items: Status per item.
        asked: Consultations and offers sent so far, oldest first, with their time limits.
        questions: Requests for information that are open.
        consulted: A consultation was held, but stands in no message of the thread.
        waiting: The decision on confidentiality is awaited.
    """

    state: str | None = None
    items: Mapping[int, str] = field(default_factory=dict)
    asked: Mapping[str, datetime | None] = field(default_factory=dict)
    questions: frozenset[str] = frozenset()
    consulted: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """The case as both sides see it.

    Attributes:
        state: ``None`` before the first message took effect.
        effects: One per message: those in the common order first, then held, then forked.
        history: Entries into states, oldest first.
        items: Status per item (of a preservation ``open`` until it is reported).
        missing: Numbers to ask for, per side.
        next_step: Who acts next.
        early_stops: Held withdrawals and releases, of which an officer is told at once.
        clocks: Of a preservation: where each data item stands, and until when it is kept.
    """

    state: str | None
    effects: tuple[MessageEffect, ...]
    history: tuple[StateEntry, ...]
    items: Mapping[int, str]
    missing: Mapping[Side, tuple[int, ...]]
    next_step: NextStep
    early_stops: tuple[CaseMessage, ...]
    clocks: Mapping[int, ItemClock] = field(default_factory=dict)

    def effect_of(self, message_id: str) -> Effect:
        """Return what a message did. Raises ``KeyError`` if it is not of this case."""
        for entry in self.effects:
            if entry.message.message_id == message_id:
                return entry.effect
        raise KeyError(message_id)

    @property
    def state_at(self) -> datetime | None:
        """When the state was entered."""
        return self.history[-1].at if self.history else None
