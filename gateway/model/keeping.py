"""What a preservation keeps, item by item: ends, open extension requests, holds, and how they come out.

Each data item has its own end and its own lapse; the state of the thread sums them up. Time limits are met
by the time of the consignment receipt: until there is one, what was sent holds nothing. Pure, and changed by
the fold only (``case``); the clock is looked at last, when every message has had its effect.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from gateway.model.case_message import CaseMessage
from gateway.model.codes import is_known
from gateway.model.preservation_clock import ItemClock, ItemState

_KEPT = frozenset({"preserved", "partly_preserved"})
_RELEASED = "released"
_RUNNING = frozenset({"preserved", "partly_preserved", "preservation_extended"})
_NOTHING: Mapping[int, datetime] = MappingProxyType({})
_OVER = MappingProxyType(
    {
        "preservation_released": ItemState.RELEASED,
        "preservation_refused": ItemState.NOT_KEPT,
        "preservation_returned": ItemState.NOT_KEPT,
        "preservation_impossible": ItemState.NOT_KEPT,
    }
)


def received_at(message: CaseMessage, taken: Iterable[CaseMessage]) -> datetime | None:
    """Return when the other side had a message: by its consignment receipt, else by what it said later.

    Where the way brings no receipts, the first message of the other side that answers it or had seen it
    shows it, at the time that message states (docs/preservation.md). ``None`` while nothing shows it.
    """
    if message.consigned_at is not None:
        return message.consigned_at
    return min(
        (
            m.at
            for m in taken
            if m.side is message.side.other
            and (m.in_reply_to == message.message_id or (m.numbered and m.seen >= message.seq > 0))
        ),
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A follow-up or an extension request: which items, and when the requested side had it.

    Attributes:
        items: ``None`` for all, also those reported later.
    """

    items: frozenset[int] | None
    received: datetime
    seq: int

    def is_within(self, other: "Named") -> bool:
        """Say whether it names nothing that the other does not."""
        return other.items is None or (self.items is not None and self.items <= other.items)

    def covers(self, number: int, end: datetime | None) -> bool:
        """Say whether it counts for an item: it names it, and was there before the item's end."""
        return (self.items is None or number in self.items) and (end is None or self.received <= end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How it comes out: every item, and the state the clock or a linked decision leads to, if any."""

    clocks: Mapping[int, ItemClock]
    state: str | None = None
    at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Keeping:
    """The items of one preservation.

    Attributes:
        items: Status per item; the fold's own, shared.
        taken: All messages of the thread in their order.
        asked: Extension requests without an answer, oldest first.
        holds: Follow-ups, oldest first.
    """

    items: dict[int, str]
    taken: Sequence[CaseMessage] = ()
    ends: dict[int, datetime] = field(default_factory=dict)
    effected: dict[int, datetime] = field(default_factory=dict)
    renew_by: dict[int, date] = field(default_factory=dict)
    asked: dict[str, Named] = field(default_factory=dict)
    holds: dict[str, Named] = field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        """Whether an item goes on by itself while others are held."""
        return any(self.is_kept(n) and not self._is_held(n) for n in self.items)

    @property
    def may_be_reported(self) -> bool:
        """Whether an item is still to be reported, or was not kept: it may be found and kept after all."""
        return any(not self.is_kept(n) and status != _RELEASED for n, status in self.items.items())

    def is_kept(self, number: int) -> bool:
        """Say whether an item is in effect; with an end, a status of a newer version counts as kept."""
        status = self.items.get(number, "open")
        if status in _KEPT:
            return True
        return number in self.ends and status not in {"open", _RELEASED} and not _is_reported(status)

    def awaits_report(self, message: CaseMessage) -> bool:
        """Say whether a follow-up names an item that is still to be reported."""
        named = message.facts.items or self.items
        return any(self.items.get(number) == "open" for number in named)

    def in_time(self, message: CaseMessage) -> bool:
        """Say whether a follow-up or extension request was there before the end of an item it names."""
        received = received_at(message, self.taken)
        if received is None:
            return False
        named = _named(message, received)
        kept = [number for number in self.items if self.is_kept(number)]
        if not self.ends or not kept:
            return not self.ends
        return any(named.covers(number, self.ends.get(number)) for number in kept)

    def report(self, message: CaseMessage) -> str:
        """Enter what a report says of its items; return its coverage."""
        facts = message.facts
        self.items.update(facts.statuses)
        self.ends.update(facts.ends_at)
        self.effected.update(facts.effected_at)
        for number in facts.ends_at:
            self.renew_by.pop(number, None)
            if facts.renew_by is not None:
                self.renew_by[number] = facts.renew_by
        return facts.coverage or ""

    def ask(self, message: CaseMessage) -> str:
        """Enter an extension request that was in time."""
        if (received := received_at(message, self.taken)) is not None:
            self.asked[message.message_id] = _named(message, received)
        return ""

    def hold(self, message: CaseMessage) -> str:
        """Enter a follow-up that was in time."""
        if (received := received_at(message, self.taken)) is not None:
            self.holds[message.message_id] = _named(message, received)
        return ""

    def grants_in_time(self, message: CaseMessage) -> bool:
        """Say whether an extension comes while there is something to extend.

        Said after an item has ended it needs a request that was in time: what has lapsed is asked for anew.
        """
        if message.facts.decision != "yes" or not self.ends:
            return True
        return any(
            self.is_kept(number) and (message.at <= self.ends.get(number, end) or self._is_asked(number))
            for number, end in message.facts.ends_at.items()
        )

    def answer(self, message: CaseMessage) -> str:
        """Enter an extension report; return ``yes``, ``no``, or ``no_after_end`` if nothing is kept now."""
        facts = message.facts
        if facts.decision == "yes":
            for number, end in facts.ends_at.items():
                if self.is_kept(number) and (message.at <= self.ends[number] or self._is_asked(number)):
                    self.ends[number] = end
                    self.renew_by.pop(number, None)
        self._settle_asked(message)
        if facts.decision == "yes":
            return "yes"
        left = [n for n in self.items if self.is_kept(n) and not self._is_asked(n) and not self._is_held(n)]
        ends = [self.ends[n] for n in left if n in self.ends]
        still = any(self._is_asked(n) or self._is_held(n) for n in self.items if self.is_kept(n))
        return "no_after_end" if ends and not still and message.counts_at > max(ends) else "no"

    def _settle_asked(self, message: CaseMessage) -> None:
        """Take away the requests an answer speaks of: the one it names, and older ones for nothing more.

        One that names none speaks of all its sender had seen; never of one that was under way meanwhile.
        """
        answered = self.asked.pop(message.in_reply_to or "", None)
        for name, asked in tuple(self.asked.items()):
            if asked.seq <= message.seen and (answered is None or asked.is_within(answered)):
                del self.asked[name]

    def release(self, message: CaseMessage) -> str:
        """Release the items a message names, all without numbers; return ``some`` if others go on."""
        named = set(message.facts.items) or set(self.items)
        for number in named & set(self.items):
            if self.items[number] == "open" or self.is_kept(number):
                self.items[number] = _RELEASED
        rest = [n for n, status in self.items.items() if status == "open" or self.is_kept(n)]
        return "some" if rest else "all"

    def settle(
        self,
        state: str | None,
        *,
        now: datetime | None,
        passed: Mapping[int, datetime] = _NOTHING,
        decided: Mapping[str, datetime],
    ) -> Settled:
        """Return where every item stands, and where the thread goes by the clock or by linked decisions.

        Args:
            passed: Ends, per item, that an own clock has seen pass already: a clock that was set back since
                does not bring them back.
            decided: Follow-ups whose request was decided, with the time of that.
        """
        for number in [n for n in self.items if self.is_kept(n)]:
            holders = self._holders(number)
            if holders and all(holder in decided for holder in holders):
                self.items[number] = _RELEASED
        clocks = {
            number: self._clock(number, state, now, passed) for number in sorted({*self.items, *self.ends})
        }
        left = {clock.state for clock in clocks.values()}
        on = left & {ItemState.RUNNING, ItemState.AWAITING, ItemState.HELD}
        ends = [c.ends_at for c in clocks.values() if c.state is ItemState.LAPSED and c.ends_at]
        if state == "held_pending_decision" and self.holds and all(h in decided for h in self.holds):
            if not on:
                times = [*(decided[holder] for holder in self.holds), *ends]
                return Settled(clocks=clocks, state="preservation_released", at=max(times))
        elif state in _RUNNING and ends and not on:
            return Settled(clocks=clocks, state="preservation_lapsed", at=max(ends))
        return Settled(clocks=clocks)

    def _clock(
        self, number: int, state: str | None, now: datetime | None, passed: Mapping[int, datetime]
    ) -> ItemClock:
        end, asked = self.ends.get(number), self._askers(number)
        holders = self._holders(number)
        standing = ItemState.RUNNING
        by: tuple[str, ...] = ()
        if self.items.get(number) == _RELEASED:
            standing = ItemState.RELEASED
        elif not self.is_kept(number):
            is_open = self.items.get(number, "open") == "open"
            standing = _OVER.get(state or "", ItemState.OPEN) if is_open else ItemState.NOT_KEPT
        elif state is not None and state in _OVER:
            standing = _OVER[state]
        elif holders:
            standing, by = ItemState.HELD, holders
        elif asked:
            standing, by = ItemState.AWAITING, asked
        elif state == "preservation_lapsed" or _is_past(number, end, now, passed):
            standing = ItemState.LAPSED
        return ItemClock(
            item_no=number,
            state=standing,
            status=self.items.get(number, "open"),
            effected_at=self.effected.get(number),
            ends_at=end,
            renew_by=self.renew_by.get(number),
            by=by,
        )

    def _holders(self, number: int) -> tuple[str, ...]:
        return tuple(m for m, named in self.holds.items() if named.covers(number, self.ends.get(number)))

    def _askers(self, number: int) -> tuple[str, ...]:
        return tuple(m for m, named in self.asked.items() if named.covers(number, self.ends.get(number)))

    def _is_held(self, number: int) -> bool:
        return bool(self._holders(number))

    def _is_asked(self, number: int) -> bool:
        return bool(self._askers(number))


def _named(message: CaseMessage, received: datetime) -> Named:
    return Named(items=frozenset(message.facts.items) or None, received=received, seq=message.seq)


def _is_past(number: int, end: datetime | None, now: datetime | None, passed: Mapping[int, datetime]) -> bool:
    if end is None:
        return False
    seen = passed.get(number)
    return (now is not None and now > end) or (seen is not None and seen >= end)


def _is_reported(status: str) -> bool:
    return is_known("preservation_item_status", status)
