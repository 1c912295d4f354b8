"""Random walks of both sides of a preservation: they never disagree in the end, and lose no deadline."""

import pytest

from gateway.model.case import CaseView, Effect
from gateway.model.codes import Side
from gateway.model.preservation_clock import ItemState, MarkKind
from tests.gateway.services.preservation.walking import RQ, Walk


def outcome(view: CaseView | None) -> object:
    """Return everything that a case says to people."""
    assert view is not None
    effects = {e.message.message_id: (e.effect, e.broken) for e in view.effects}
    return view.state, view.items, view.clocks, effects, view.history, view.next_step, view.missing


def _reported(view: CaseView, number: int) -> int:
    """Return which message of the requested side reported an item as kept."""
    return min(
        e.message.seq
        for e in view.effects
        if e.effect is Effect.APPLIED and number in e.message.facts.ends_at
    )


def _answered(view: CaseView) -> int:
    """Return what of the other side the requested side had seen when it last answered an extension."""
    answers = [e for e in view.effects if e.message.message_type == "preservation_extension_report"]
    return max((e.message.seen + 1 for e in answers if e.effect is Effect.APPLIED), default=0)


def check(walk: Walk) -> None:
    """Both sides agree in every field, and nobody was left without a warning or lost what was in time."""
    asking, asked = (walk.peers[side] for side in Side)
    assert asking.kept == asked.kept
    assert outcome(asking.view) == outcome(asked.view)
    for peer in walk.peers.values():
        view = peer.view
        assert view is not None
        marks = [(told.item, told.end, told.mark) for told in peer.told if told.mark.kind is not MarkKind.END]
        assert walk.has_wrong_clocks or len(set(marks)) == len(marks)
        for number, clock in view.clocks.items():
            if clock.state is not ItemState.LAPSED:
                continue
            end = clock.ends_at
            assert end is not None
            # Nothing that named it was there in time ...
            answered, reported = _answered(view), _reported(view, number)
            for entry in view.effects:
                said = entry.message
                if said.side is not RQ or entry.effect is Effect.BREACH:
                    continue
                names = not said.facts.items or number in said.facts.items
                if not names or said.consigned_at is None or said.consigned_at > end:
                    continue
                assert said.message_type not in {"mla_follow_up_notice", "request"}, (number, said)
                if said.message_type == "preservation_extension_request" and said.seen >= reported:
                    assert answered > said.seq, (number, said)
            # ... and its people were warned, unless they learnt of it too late; and told of the lapse.
            if peer.learnt[number, end] < end and not walk.has_wrong_clocks:
                assert any(t.item == number and t.end == end for t in peer.told), (number, end)
            assert (number, end) in peer.lapses
            if not peer.was_ahead and not walk.has_wrong_clocks:
                # Once, and once more for every time that a receipt which came late had undone it.
                assert peer.lapses.count((number, end)) == 1 + peer.restored.count((number, end))


def walk_of(seed: int) -> None:
    """Tell one walk and check it; a failure names its seed."""
    walk = Walk(seed)
    try:
        walk.run()
        check(walk)
    except AssertionError as wrong:
        raise AssertionError(f"walk {seed}") from wrong


@pytest.mark.parametrize("block", range(8))
def test_two_hundred_walks_end_alike_and_lose_no_deadline(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        walk_of(seed)


@pytest.mark.parametrize("seed", [251, 302, 379, 2299, 8887])
def test_walks_that_once_went_wrong(seed: int) -> None:
    walk_of(seed)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(100))
def test_ten_thousand_walks_end_alike_and_lose_no_deadline(block: int) -> None:
    for seed in range(1000 + block * 100, 1000 + block * 100 + 100):
        walk_of(seed)
