"""Gaps in the receipts of a peer about one bundle: what has still to be pulled, one row for each chain.

Where a chain has its gap is not kept: it follows from the receipts that are held. Claims of what is due
stand in ``queue``. A row ends with the gap, in the transaction that files the receipt which closes it.
"""

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.queue import GapClaim
from gateway.storage.schema import message, receipt, receipt_gap

#: So many receipts of one chain are looked at. An honest one has a handful.
LONGEST_CHAIN = 1000

_NUMBERS = (
    select(receipt.c.n)
    .where(
        receipt.c.sender == bindparam("b_sender"),
        receipt.c.bid == bindparam("b_bid"),
        receipt.c.iss == bindparam("b_iss"),
    )
    .distinct()
    .order_by(receipt.c.n)
    .limit(LONGEST_CHAIN)
)
_KEY = (
    (receipt_gap.c.sender == bindparam("b_sender"))
    & (receipt_gap.c.bid == bindparam("b_bid"))
    & (receipt_gap.c.iss == bindparam("b_iss"))
)
_STATE = select(receipt_gap.c.state).where(_KEY).with_for_update()
_END = delete(receipt_gap).where(_KEY)
_LATER = (
    update(receipt_gap)
    .where(_KEY)
    .values(
        attempts=bindparam("v_attempts"),
        next_action_at=bindparam("v_at"),
        lease_owner=None,
        lease_until=None,
    )
)
_LEAVE = (
    update(receipt_gap)
    .where(_KEY)
    .values(state="left", next_action_at=None, lease_owner=None, lease_until=None)
)
_LEFT = (
    select(receipt_gap.c.bid)
    .join(message, and_(message.c.sender == receipt_gap.c.sender, message.c.bid == receipt_gap.c.bid))
    .where(
        message.c.thread_id == bindparam("b_thread"),
        receipt_gap.c.state == "left",
        receipt_gap.c.iss == bindparam("b_iss"),
    )
    .limit(1)
)

Chain = tuple[str, str, str]
"""Sender, bundle and issuer."""


def note_gap(tx: Transaction, chain: Chain, *, lane: str, now: datetime, at: datetime) -> None:
    """Let what is missing of a chain be pulled from ``at`` on; a gap that is known stays as it is."""
    sender, bid, iss = chain
    tx.insert_once(
        receipt_gap,
        sender=sender,
        bid=bid,
        iss=iss,
        state="open",
        lane=lane,
        attempts=0,
        since=now,
        next_action_at=at,
    )


def end_gap(tx: Transaction, chain: Chain) -> str | None:
    """The chain is whole: forget its gap, and return the state it was in, ``None`` if there was none."""
    state: str | None = tx.execute(_STATE, _key(chain)).scalar()
    if state is not None:
        tx.execute(_END, _key(chain))
    return state


def gap_later(tx: Transaction, claim: GapClaim, *, at: datetime) -> None:
    """Pull once more, at ``at``."""
    values = {**_key(claim.chain), "v_attempts": claim.attempts + 1, "v_at": at}
    tx.execute(_LATER, values)


def leave_gap(tx: Transaction, claim: GapClaim) -> None:
    """Pull no more: a person sees to it. The row stays until the chain is whole."""
    tx.execute(_LEAVE, _key(claim.chain))


def numbers_of(tx: Transaction, chain: Chain) -> list[int]:
    """Return the numbers that are held of a chain, from the lowest, ``LONGEST_CHAIN`` of them at most."""
    return list(tx.execute(_NUMBERS, _key(chain)).scalars())


def is_any_left(connection: Connection, iss: str, thread_id: str) -> bool:
    """Tell whether a gap of an issuer, about any message of a thread, is left to a person."""
    return connection.execute(_LEFT, {"b_iss": iss, "b_thread": thread_id}).first() is not None


def _key(chain: Chain) -> dict[str, str]:
    return dict(zip(("b_sender", "b_bid", "b_iss"), chain, strict=True))
