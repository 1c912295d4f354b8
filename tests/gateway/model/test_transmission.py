"""The transmission table: monotone, and a proof of the peer always wins."""

import itertools

import pytest

from gateway.model.transmission import LIVE, TERMINAL, NotAllowed, TransmissionEvent, TransmissionState, apply

S, E = TransmissionState, TransmissionEvent
PROVED = {S.CONSIGNED, S.HANDED_OVER}


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([E.CONSIGNED], S.CONSIGNED),
        ([E.DISPATCHED, E.RELAYED, E.CONSIGNED, E.HANDED_OVER], S.HANDED_OVER),
        ([E.ATTEMPT_FAILED, E.CONSIGNED], S.CONSIGNED),
        ([E.DISPATCHED, E.RECEIPT_OVERDUE], S.QUEUED),
        ([E.RELAYED, E.RECEIPT_OVERDUE], S.QUEUED),
        ([E.DISPATCHED, E.ATTEMPT_FAILED], S.QUEUED),
        ([E.REJECTED], S.REJECTED),
        ([E.GIVEN_UP], S.FAILED),
        ([E.GIVEN_UP, E.CONSIGNED], S.CONSIGNED),
        ([E.GIVEN_UP, E.HANDED_OVER], S.HANDED_OVER),
        ([E.HANDED_OVER, E.CONSIGNED], S.HANDED_OVER),
        ([E.CONSIGNED, E.REJECTED], S.CONSIGNED),
        ([E.CONSIGNED, E.ATTEMPT_FAILED], S.CONSIGNED),
        ([E.GIVEN_UP, E.RELAYED], S.FAILED),
    ],
)
def test_events_lead_where_the_protocol_says(
    events: list[TransmissionEvent], state: TransmissionState
) -> None:
    reached = S.QUEUED
    for event in events:
        reached = apply(reached, event)
    assert reached is state


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (S.QUEUED, E.RECEIPT_OVERDUE),
        (S.CONSIGNED, E.GIVEN_UP),
        (S.HANDED_OVER, E.GIVEN_UP),
        (S.FAILED, E.GIVEN_UP),
        (S.FAILED, E.DISPATCHED),
        (S.CONSIGNED, E.DISPATCHED),
    ],
)
def test_what_cannot_happen_is_a_defect(state: TransmissionState, event: TransmissionEvent) -> None:
    with pytest.raises(NotAllowed):
        apply(state, event)


def test_what_a_peer_may_send_never_raises() -> None:
    for state, event in itertools.product(S, (E.RELAYED, E.CONSIGNED, E.HANDED_OVER, E.REJECTED)):
        apply(state, event)


def test_a_repeat_changes_nothing() -> None:
    for state, event in itertools.product(S, (E.RELAYED, E.CONSIGNED, E.HANDED_OVER, E.REJECTED)):
        once = apply(state, event)
        assert apply(once, event) is once


def test_nothing_takes_back_a_proved_delivery() -> None:
    for state, event in itertools.product(PROVED, E):
        try:
            assert apply(state, event) in PROVED
        except NotAllowed:
            pass


def test_every_state_is_live_or_terminal() -> None:
    assert set(S) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
