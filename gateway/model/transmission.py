"""The states of sending one bundle to one authority: a pure table, moved by receipts.

The case is another matter and moves by messages only (``case``). The table is monotone: once a peer
has proved by a signed consignment that it holds the bundle, nothing takes that back, and a late
consignment wins over our own giving up. Receipts may come in any order and twice.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

#: Sender, bundle and addressee: what names a transmission.
TransmissionKey = tuple[str, str, str]


class TransmissionState(StrEnum):
    """Where the bundle stands with one recipient."""

    QUEUED = "QUEUED"  # an attempt is due at its time
    DISPATCHED = "DISPATCHED"  # left on a channel that answers later, or stands in the outbox
    RELAYED = "RELAYED"  # the peer holds all bytes, unopened; shown as arriving, never as delivered
    CONSIGNED = "CONSIGNED"  # the peer has stored, opened and checked it: delivered
    HANDED_OVER = "HANDED_OVER"  # an officer of the peer has opened it
    REJECTED = "REJECTED"  # the peer's gateway signed that it cannot accept it
    FAILED = "FAILED"  # every allowed channel given up; has an owner
    ANSWERED = (
        "ANSWERED"  # a person of the addressee has answered by mail; its gateway, if any, proved nothing
    )


class TransmissionEvent(StrEnum):
    """What moves it."""

    DISPATCHED = "dispatched"  # handed to a channel whose answer comes later
    ATTEMPT_FAILED = "attempt_failed"  # one try did not succeed, or the peer reported an unsigned problem
    RECEIPT_OVERDUE = "receipt_overdue"  # dispatched or relayed, and no word since
    RELAYED = "relayed"  # relay receipt
    CONSIGNED = "consigned"  # consignment receipt
    HANDED_OVER = "handed_over"  # handover receipt
    REJECTED = "rejected"  # signed rejection
    GIVEN_UP = "given_up"  # every allowed channel given up
    ANSWERED = "answered"  # matched reply of a person by mail


class NotAllowed(ValueError):
    """This event cannot happen in this state: a defect of ours, never a peer's doing."""


_S = TransmissionState
_E = TransmissionEvent

#: Nothing more is sent; only a later proof of the peer can change these.
TERMINAL = frozenset({_S.CONSIGNED, _S.HANDED_OVER, _S.REJECTED, _S.FAILED, _S.ANSWERED})
#: Somebody still has to act, and a row in one of these has a time for it.
LIVE = frozenset(_S) - TERMINAL

#: Every allowed step. A missing pair raises ``NotAllowed``; a pair that stays is a repeat or too late.
TABLE: Mapping[tuple[TransmissionState, TransmissionEvent], TransmissionState] = MappingProxyType(
    {
        (_S.QUEUED, _E.DISPATCHED): _S.DISPATCHED,
        (_S.DISPATCHED, _E.DISPATCHED): _S.DISPATCHED,
        (_S.RELAYED, _E.DISPATCHED): _S.RELAYED,
        # A puller reports key-expired or part-digest as a problem: the bundle goes back to the queue.
        **{(state, _E.ATTEMPT_FAILED): _S.QUEUED for state in LIVE},
        (_S.DISPATCHED, _E.RECEIPT_OVERDUE): _S.QUEUED,
        (_S.RELAYED, _E.RECEIPT_OVERDUE): _S.QUEUED,
        **{(state, _E.RELAYED): _S.RELAYED for state in LIVE},
        **{(state, _E.REJECTED): _S.REJECTED for state in LIVE},
        **{(state, _E.GIVEN_UP): _S.FAILED for state in LIVE},
        # A late consignment always wins: the peer has proved that it holds the bundle.
        **{(state, _E.CONSIGNED): _S.CONSIGNED for state in _S if state is not _S.HANDED_OVER},
        **{(state, _E.HANDED_OVER): _S.HANDED_OVER for state in _S},
        (_S.HANDED_OVER, _E.CONSIGNED): _S.HANDED_OVER,
        # A person has it, whatever its machine said or we gave up; what its gateway has proved stays.
        **{(state, _E.ANSWERED): _S.ANSWERED for state in _S},
        (_S.CONSIGNED, _E.ANSWERED): _S.CONSIGNED,
        (_S.HANDED_OVER, _E.ANSWERED): _S.HANDED_OVER,
        # Receipts and attempts that come after the end are filed and change nothing.
        **{(state, _E.RELAYED): state for state in TERMINAL},
        **{(state, _E.REJECTED): state for state in TERMINAL},
        **{(state, _E.ATTEMPT_FAILED): state for state in TERMINAL},
        **{(state, _E.RECEIPT_OVERDUE): state for state in TERMINAL},
    }
)


def apply(state: TransmissionState, event: TransmissionEvent) -> TransmissionState:
    """Return the state after the event; the same state for a repeat or for what comes too late.

    Raises ``NotAllowed`` where the event is impossible there, such as giving up what was delivered.
    Source: docs/receipts.md section 2.
    """
    try:
        return TABLE[state, event]
    except KeyError:
        raise NotAllowed(f"{event} is not possible in {state}") from None
