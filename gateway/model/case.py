"""The state of a case: the fold of the messages both sides hold, over the one order of the thread.

Each side folds for itself and both get the same, whatever arrived when; a late arrival only makes
each side fold again. A message that is not allowed at its place is kept and changes nothing:
``overtaken`` if it crossed another one, else ``out_of_state``. No machine decides on the merits, and
a guard that messages cannot show (four eyes, validation) is the sender's to keep
(docs/state-machine.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.model.case_message import CaseMessage
from gateway.model.case_view import CaseStart, CaseView, Effect, MessageEffect, StateEntry
from gateway.model.codes import Side, Track, is_known
from gateway.model.guards import Ledger, failing_guards
from gateway.model.keeping import Keeping, received_at
from gateway.model.next_step import next_step
from gateway.model.preservation_clock import ItemClock, ItemState
from gateway.model.preservation_thread_rules import Standing, asked_at, thread_breaches
from gateway.model.thread_order import ThreadOrder, crossed, order
from gateway.model.transitions import (
    BEFORE_SENDING,
    OPENS,
    Transition,
    implied_order,
    senders,
    transitions,
    without_transition,
)

__all__ = ["CaseStart", "CaseView", "Effect", "MessageEffect", "StateEntry", "fold"]


def fold(
    track: Track,
    messages: Iterable[CaseMessage],
    *,
    now: datetime | None = None,
    passed: Mapping[int, datetime] | None = None,
    decided: Mapping[str, datetime] | None = None,
    start: CaseStart | None = None,
) -> CaseView:
    """Return the case that the messages of one thread make, in whatever order they are given.

    Args:
        now: Lets the items of a preservation lapse whose end has passed; without it no clock counts.
        passed: Ends per item that a clock here has seen pass; a clock set back does not bring them back.
        decided: Follow-ups whose request runs between the same two authorities and was decided: when (P10).
        start: Only for a case that began elsewhere.
    """
    placed = order(messages)
    run = _Run(track, placed, start or _AT_THE_BEGINNING)
    for message in placed.taken:
        run.take(message)
    run.finish(now, passed or {}, decided or {})
    return run.view()


_AT_THE_BEGINNING = CaseStart()


class _Run:
    """One pass over the common order."""

    def __init__(self, track: Track, placed: ThreadOrder, start: CaseStart) -> None:
        self._track = track
        self._placed = placed
        self._state = start.state
        items = dict(start.items)
        self._ledger = Ledger(
            items=items,
            keeping=Keeping(items=items, taken=placed.taken),
            asked=dict(start.asked),
            consulted_items=frozenset(start.items) if start.consulted else frozenset(),
            consulted_all=start.consulted,
            waiting=start.waiting,
            questions=set(start.questions),
        )
        self._history: list[StateEntry] = []
        self._effects: list[MessageEffect] = []
        self._waiting: list[int] = []
        self._broken: tuple[str, ...] = ()
        self._clocks: Mapping[int, ItemClock] = {}

    def take(self, message: CaseMessage) -> None:
        """Apply the next message of the common order."""
        effect, implied = self._judge(message)
        self._effects.append(
            MessageEffect(
                message=message, effect=effect, state=self._state, implied=implied, broken=self._broken
            )
        )
        if effect is Effect.WAITING or self._is_late(effect):
            self._waiting.append(len(self._effects) - 1)
        elif message.message_type in _GIVE_ENDS and effect is Effect.APPLIED:
            self._apply_waiting()

    def finish(
        self, now: datetime | None, passed: Mapping[int, datetime], decided: Mapping[str, datetime]
    ) -> None:
        """Apply what no message of this thread says: decisions on linked requests, and the clock."""
        if self._track is not Track.PRESERVATION:
            return
        settled = self._ledger.keeping.settle(self._state, now=now, passed=passed, decided=decided)
        self._clocks = settled.clocks
        if settled.state is not None:
            self._enter(settled.state, settled.at, None)

    def view(self) -> CaseView:
        """Return the outcome."""
        placed, ledger = self._placed, self._ledger
        for outside, effect in (
            (placed.held, Effect.HELD),
            (placed.forked, Effect.FORKED),
            (placed.replaced, Effect.OVERTAKEN),
        ):
            self._effects += [MessageEffect(message=m, effect=effect, state=self._state) for m in outside]
        return CaseView(
            state=self._state,
            effects=tuple(self._effects),
            history=tuple(self._history),
            items=dict(sorted(ledger.items.items())),
            missing=placed.missing,
            next_step=next_step(
                self._state,
                forked=placed.has_open_fork,
                missing=any(placed.missing.values()),
                waiting=ledger.waiting and self._state in _waiting_states(),
                consent_open=bool(ledger.consents_open),
                extension_open=any(c.state is ItemState.AWAITING for c in self._clocks.values()),
            ),
            clocks=dict(self._clocks),
            early_stops=tuple([m for m in placed.held if m.message_type in _STOPS]),
        )

    def _judge(self, message: CaseMessage) -> tuple[Effect, tuple[str, ...]]:
        """Return what the message does at this place, and do it; note which rules keep it from it."""
        self._broken = ()
        return self._apply(message)

    def _apply(self, message: CaseMessage) -> tuple[Effect, tuple[str, ...]]:
        if not is_known("message_type", message.message_type):
            return Effect.UNKNOWN, ()
        if message.side not in senders(message.message_type):
            return self._refused(message), ()
        if self._opens(message):
            return Effect.APPLIED, ()
        if message.message_type in without_transition():
            return Effect.APPLIED, ()
        if self._track is Track.PRESERVATION:
            self._broken = thread_breaches(message, self._standing())
            if self._broken:
                return Effect.BREACH, ()
        found = self._find(message)
        if found is None:
            return (Effect.WAITING if self._is_early(message) else self._refused(message)), ()
        transition, implied = found
        if self._has_unknown_code(message, transition):
            return Effect.UNKNOWN, ()
        if transition.id in _PROVED and received_at(message, self._placed.taken) is None:
            return Effect.WAITING, ()
        guards = transition.guards | _ALSO.get(transition.id, frozenset())
        self._broken = failing_guards(guards, message, self._ledger, self._placed.taken)
        if self._broken:
            if transition.id == "P9" and self._ledger.keeping.awaits_report(message):
                return Effect.WAITING, ()
            return self._refused(message), ()
        for state in implied:
            self._enter(state, message.counts_at, message.message_id, is_implied=True)
        self._move(message, transition)
        return (Effect.IMPLIED if implied else Effect.APPLIED), implied

    def _opens(self, message: CaseMessage) -> bool:
        """Enter the first formal state if this message opens the thread."""
        target = OPENS[self._track].get(message.message_type)
        if target is None or self._state not in BEFORE_SENDING or message.facts.relation is not None:
            return False
        self._ledger.add_items(message)
        self._ledger.instruments = frozenset(message.facts.instruments)
        self._ledger.kind = message.facts.kind
        self._enter(target, message.at, message.message_id)
        self._enter_delivered(message)
        return True

    def _find(self, message: CaseMessage) -> tuple[Transition, tuple[str, ...]] | None:
        """Return the transition and the states to pass first; ``None`` where there is none."""
        table, name = transitions(self._track), message.message_type
        if name == "request" and message.facts.relation != _RELATION[self._track]:
            return None
        state = "draft" if self._state is None and message.side is Side.REQUESTING else self._state
        here = table.get((state, name)) or table.get((self._state, name))
        if here is not None:
            return here, ()
        if self._goes_on_by_item(name):
            # Other items go on by themselves, or are still to be reported; the state sums up as before.
            return replace(table["partly_preserved", name], to=None, outcomes={}), ()
        steps = implied_order()
        if message.side is not Side.REQUESTED or self._track is not Track.REQUEST or self._state not in steps:
            return None
        place = steps.index(self._state)
        for n in range(place + 1, len(steps)):
            later = table.get((steps[n], name))
            if later is not None:
                return later, steps[place + 1 : n + 1]
        return None

    def _goes_on_by_item(self, name: str) -> bool:
        keeping = self._ledger.keeping
        if name == "preservation_report" and self._state in _REPORTED:
            return keeping.may_be_reported
        if self._state != "held_pending_decision":
            return False
        # A further request holds as well, so that the decision on one does not let go what another needs.
        return name in _FOLLOW_UPS or (name in _BY_ITEM and keeping.is_split)

    def _is_early(self, message: CaseMessage) -> bool:
        """Say whether this is a follow-up that waits for the preservation report (P9)."""
        follows = message.message_type == "request" and message.facts.relation == "follows_preservation"
        return self._state in _BEFORE_REPORT and (follows or message.message_type == "mla_follow_up_notice")

    def _has_unknown_code(self, message: CaseMessage, transition: Transition) -> bool:
        """Say whether the code that picks the target is one we do not know: it must not move a state."""
        facts, deciding = message.facts, _DECIDED_BY.get(transition.id, frozenset())
        lists = ("refusal_ground", "forbidden_refusal_ground", "postponement_ground")
        known = {
            "coverage": facts.coverage is None or is_known("coverage", facts.coverage),
            "decision": facts.decision in {None, "go_on", "stop", "yes", "no"},
            "ground": facts.ground is None or any(is_known(name, facts.ground) for name in lists),
        }
        return not all(known[member] for member in deciding)

    def _move(self, message: CaseMessage, transition: Transition) -> None:
        """Close items, raise and clear flags, and enter the target."""
        ledger, name = self._ledger, message.message_type
        key = ledger.record(message, transition.id, self._state)
        target = transition.outcomes.get(key, "same") if transition.outcomes else transition.to
        if key == "some" and transition.id in _SOME_STAY:
            target = None
        if target is not None and target != "same":
            self._enter(target, message.counts_at, message.message_id)
        if name == "written_confirmation":
            self._enter_delivered(message)

    def _enter_delivered(self, message: CaseMessage) -> None:
        """Enter ``delivered`` where the machine receipt is there (T9)."""
        if self._state == "transmitted" and message.consigned_at is not None:
            self._enter("delivered", message.consigned_at, None)

    def _enter(
        self, state: str, at: datetime | None, message_id: str | None, *, is_implied: bool = False
    ) -> None:
        if state != self._state and at is not None:
            self._history.append(StateEntry(state=state, at=at, message_id=message_id, is_implied=is_implied))
        self._state = state

    def _is_late(self, effect: Effect) -> bool:
        """Say whether nothing but the end kept a message from its effect: a later end may let it in."""
        return effect in _REFUSED and self._broken == ("consigned_before_end",)

    def _apply_waiting(self) -> None:
        """A follow-up that came before the report applies right after it (P9); so does one that was late
        for an end that is prolonged, or for the items reported until then."""
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            message = self._effects[place].message
            effect, _ = self._judge(message)
            self._effects[place] = MessageEffect(
                message=message, effect=effect, state=self._state, broken=self._broken
            )
            if effect is Effect.WAITING or self._is_late(effect):
                self._waiting.append(place)

    def _standing(self) -> Standing:
        ledger = self._ledger
        opening = next((m for m in self._placed.taken if m.message_type in OPENS[self._track]), None)
        return Standing(
            asked_at=asked_at(opening),
            instruments=ledger.instruments,
            items=ledger.items,
            effected=ledger.keeping.effected,
            ends=ledger.keeping.ends,
        )

    def _refused(self, message: CaseMessage) -> Effect:
        others: Sequence[CaseMessage] = self._placed.taken
        return Effect.OVERTAKEN if any(crossed(message, other) for other in others) else Effect.OUT_OF_STATE


#: The relation by which a request of another thread acts on this one.
_RELATION = {Track.REQUEST: "replaces", Track.PRESERVATION: "follows_preservation"}
_BEFORE_REPORT = frozenset({"preservation_requested", "preservation_acknowledged", "preservation_at_risk"})
#: What concerns the items it names, also while others are held.
_BY_ITEM = frozenset({"preservation_extension_request", "preservation_extension_report"})
_FOLLOW_UPS = frozenset({"mla_follow_up_notice", "request"})
#: States in which every item is usually reported; where one is not, its report still comes.
_REPORTED = frozenset({"preserved", "preservation_extended", "held_pending_decision"})
#: Give items an end, or a later one.
_GIVE_ENDS = frozenset({"preservation_report", "preservation_extension_report"})
_REFUSED = frozenset({Effect.OVERTAKEN, Effect.OUT_OF_STATE})
#: Of these an officer is told at once, also while they wait for the messages before them.
_STOPS = frozenset({"withdrawal", "preservation_release"})
#: Count from when the other side had them, so they wait for the proof of that.
_PROVED = frozenset({"P7", "P9"})
#: Guards beside those of the table.
_ALSO = {"P8": frozenset({"consigned_before_end"})}
#: Where a release of some items leaves the others as they are.
_SOME_STAY = frozenset({"P10", "P12"})
#: Which code of the message decides where a transition leads.
_DECIDED_BY = {
    "T22": frozenset({"coverage", "ground"}),
    "T24": frozenset({"coverage", "ground"}),
    "T29": frozenset({"coverage"}),
    "T34": frozenset({"decision"}),
    "P4": frozenset({"decision"}),
    "P5": frozenset({"coverage"}),
    "P6": frozenset({"ground"}),
    "P8": frozenset({"decision"}),
}


def _waiting_states() -> frozenset[str | None]:
    return frozenset(
        state for state, name in transitions(Track.REQUEST) if name == "confidentiality_decision"
    )
