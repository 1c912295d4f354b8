"""The one order of all messages of a thread, the same on both sides whatever the order of arrival.

At each step the next message of a side whose ``seen`` has been reached is taken; if both sides have
one, the lower rank goes first, and with equal rank the requested side. Messages behind a gap or a
fork are held: they have no effect until it is closed. Source: docs/state-machine.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side, data


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadOrder:
    """The order, and what stands outside it.

    Attributes:
        taken: In the common order.
        held: Arrived early or behind a fork; without effect for now.
        forked: Share their ``seq`` with another message and are not named as the valid one.
        missing: Numbers to ask for, per side.
        replaced: Recorded from mail, and since then sealed by the side that spoke.
    """

    taken: tuple[CaseMessage, ...]
    held: tuple[CaseMessage, ...]
    forked: tuple[CaseMessage, ...]
    missing: Mapping[Side, tuple[int, ...]]
    replaced: tuple[CaseMessage, ...] = ()

    @property
    def has_open_fork(self) -> bool:
        """Whether a number is disputed and its side has not named the valid message."""
        if not self.forked:
            return False
        settled = {(m.side, m.seq) for m in (*self.taken, *self.held)}
        return any((m.side, m.seq) not in settled for m in self.forked)


@cache
def _ranks() -> Mapping[str, int]:
    return {
        name: row["rank"]
        for row in data("state_machine.json")["crossing"]["ranks"]
        for name in row["messages"]
        if name != "*"
    }


_NOTHING_MISSING: Mapping[Side, tuple[int, ...]] = MappingProxyType(dict.fromkeys(Side, ()))

#: Rank of closing and of everything without effect on the state.
_LAST_RANK = 5


def rank_of(message: CaseMessage) -> int:
    """Return the rank of a message among those that cross; lower goes first."""
    ranks, name = _ranks(), message.message_type
    for qualifier in (message.facts.decision, message.facts.relation):
        if qualifier and f"{name}:{qualifier}" in ranks:
            return ranks[f"{name}:{qualifier}"]
    return ranks.get(name, _LAST_RANK)


def crossed(one: CaseMessage, other: CaseMessage) -> bool:
    """Say whether two messages crossed: they are of two sides, and neither sender had seen the other's."""
    return one.side is not other.side and one.seen < other.seq and other.seen < one.seq


def order(messages: Iterable[CaseMessage]) -> ThreadOrder:
    """Return the common order of the messages of one thread, given in any order.

    The same message twice counts once. What was recorded from mail bears no number: it stands right behind
    the message of the other side that its writer had seen, and holds nothing up.
    """
    given = tuple(messages)
    if len(given) == 1 and given[0].seq == 1 and given[0].seen == 0 and given[0].numbered:
        # Most threads begin and are folded like this, and there is nothing to put in order.
        return ThreadOrder(taken=given, held=(), forked=(), missing=_NOTHING_MISSING)
    loose = sorted(
        {m.message_id: m for m in given if not m.numbered}.values(),
        key=lambda m: (m.seen, m.at, m.message_id),
    )
    if loose:
        return _with_recorded(order(m for m in given if m.numbered), loose)
    unique = {message.message_id: message for message in given}
    by_side = {side: _by_number(unique.values(), side) for side in Side}
    chosen: dict[Side, dict[int, CaseMessage]] = {side: {} for side in Side}
    forked: list[CaseMessage] = []
    for side, numbers in by_side.items():
        named = _named_by_corrections(numbers)
        for number, rivals in numbers.items():
            # A side speaks for its own fork only, and only by naming exactly one of the rivals.
            valid = rivals if len(rivals) == 1 else [m for m in rivals if m.message_id in named]
            if len(valid) == 1:
                chosen[side][number] = valid[0]
            forked += [m for m in rivals if len(valid) != 1 or m is not valid[0]]
    taken, reached = _merge(chosen)
    placed = {m.message_id for m in taken} | {m.message_id for m in forked}
    held = [m for side in Side for _, m in sorted(chosen[side].items()) if m.message_id not in placed]
    return ThreadOrder(
        taken=tuple(taken),
        held=tuple(held),
        forked=tuple(sorted(forked, key=lambda m: (m.side, m.seq, m.message_id))),
        missing={side: _missing(side, by_side, reached, unique.values()) for side in Side},
    )


def _with_recorded(numbered: ThreadOrder, loose: Sequence[CaseMessage]) -> ThreadOrder:
    """Put what was recorded from mail into the order of the sealed messages."""
    sealed = {(m.side, m.message_type) for m in numbered.taken}
    replaced = tuple(m for m in loose if (m.side, m.message_type) in sealed)
    rest = [m for m in loose if (m.side, m.message_type) not in sealed]
    taken: list[CaseMessage] = []
    for message in numbered.taken:
        taken.append(message)
        taken += [m for m in rest if m.side is message.side.other and m.seen == message.seq]
    placed = {m.message_id for m in taken}
    held = (*numbered.held, *(m for m in rest if m.message_id not in placed))
    return replace(numbered, taken=tuple(taken), held=held, replaced=replaced)


def _by_number(messages: Iterable[CaseMessage], side: Side) -> dict[int, list[CaseMessage]]:
    numbers: dict[int, list[CaseMessage]] = {}
    for message in messages:
        if message.side is side:
            numbers.setdefault(message.seq, []).append(message)
    return numbers


def _named_by_corrections(numbers: Mapping[int, Sequence[CaseMessage]]) -> set[str | None]:
    """Return the messages that the corrections of a side name; a forked correction names nothing."""
    alone = [rivals[0] for rivals in numbers.values() if len(rivals) == 1]
    return {m.facts.corrects for m in alone if m.message_type == "correction"}


def _merge(
    chosen: Mapping[Side, Mapping[int, CaseMessage]],
) -> tuple[list[CaseMessage], dict[Side, int]]:
    """Take message after message until none is ready; return them and the numbers reached."""
    reached = dict.fromkeys(Side, 0)
    taken: list[CaseMessage] = []
    while True:
        waiting = [chosen[side].get(reached[side] + 1) for side in Side]
        ready = [m for m in waiting if m is not None and m.seen <= reached[m.side.other]]
        if not ready:
            return taken, reached
        following = min(ready, key=lambda m: (rank_of(m), m.side is not Side.REQUESTED))
        reached[following.side] = following.seq
        taken.append(following)


def _missing(
    side: Side,
    by_side: Mapping[Side, Mapping[int, Sequence[CaseMessage]]],
    reached: Mapping[Side, int],
    messages: Iterable[CaseMessage],
) -> tuple[int, ...]:
    """Return the numbers of a side that others presuppose and that are not here."""
    presupposed = [m.seen for m in messages if m.side is not side]
    # A hostile counter must not make a list of a billion numbers.
    highest = min(max([*by_side[side], *presupposed, 0]), reached[side] + 1000)
    return tuple(n for n in range(reached[side] + 1, highest + 1) if n not in by_side[side])
