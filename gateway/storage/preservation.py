"""Rows of the preservation clock, and the links by which one thread acts on another."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from gateway.storage.cases import MessageRow, linked_message
from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import cases, preservation_clock, thread_link


class ClockRow(TableRow, frozen=True, kw_only=True):
    """The clock of one data item; meanings in ``schema.preservation``."""

    thread_id: str
    peer: str
    item_no: int
    standing: str
    ends_at: datetime
    renew_by: str | None
    zone: str
    told_at: datetime | None
    passed_at: datetime | None
    acted_at: datetime
    due: str
    next_action_at: datetime | None


class LinkRow(TableRow, frozen=True, kw_only=True):
    """A request that acts on another thread, or a notice of one; meanings in ``schema.preservation``."""

    sender: str
    bid: str
    thread_id: str
    peer: str
    relation: str
    message_type: str
    seq: int
    seen: int
    of_thread_id: str | None
    of_reference: str | None
    effect: str
    made_at: datetime
    stored_at: datetime
    consigned_at: datetime | None


_CLOCK_COLUMNS = tuple(preservation_clock.c.keys())
_LINK_COLUMNS = tuple(thread_link.c.keys())
_ITEM = and_(
    preservation_clock.c.thread_id == bindparam("b_thread"),
    preservation_clock.c.peer == bindparam("b_peer"),
    preservation_clock.c.item_no == bindparam("b_item"),
)
_OF_THREAD = (
    select(preservation_clock)
    .where(
        preservation_clock.c.thread_id == bindparam("b_thread"),
        preservation_clock.c.peer == bindparam("b_peer"),
    )
    .order_by(preservation_clock.c.item_no)
)
_STORE = (
    update(preservation_clock)
    .where(_ITEM)
    .values({name: bindparam(f"v_{name}") for name in _CLOCK_COLUMNS[3:]})
)
_DUE = (
    select(preservation_clock)
    .where(preservation_clock.c.next_action_at <= bindparam("b_now"))
    .order_by(preservation_clock.c.next_action_at)
    .limit(bindparam("b_limit"))
)
_AHEAD = (
    select(preservation_clock)
    .where(preservation_clock.c.acted_at > bindparam("b_limit_at"))
    .order_by(preservation_clock.c.acted_at)
    .limit(bindparam("b_limit"))
)
_LINKS_ON = select(thread_link).where(
    thread_link.c.thread_id == bindparam("b_thread"), thread_link.c.peer == bindparam("b_peer")
)
_LINKS_BY = select(thread_link).where(
    thread_link.c.sender == bindparam("b_sender"), thread_link.c.bid == bindparam("b_bid")
)
_LINKS_OF = select(thread_link).where(
    thread_link.c.peer == bindparam("b_peer"),
    or_(
        thread_link.c.of_thread_id == bindparam("b_thread"),
        thread_link.c.of_reference == bindparam("b_reference"),
    ),
)
_LINK_KEY = and_(
    thread_link.c.sender == bindparam("b_sender"),
    thread_link.c.bid == bindparam("b_bid"),
    thread_link.c.thread_id == bindparam("b_thread"),
)
_LINK_EFFECT = update(thread_link).where(_LINK_KEY).values(effect=bindparam("v_effect"))
_LINK_CONSIGNED = (
    update(thread_link)
    .where(thread_link.c.sender == bindparam("b_sender"), thread_link.c.bid == bindparam("b_bid"))
    .values(consigned_at=bindparam("v_at"))
)
_THREADS_BY_REFERENCE = select(cases.c.thread_id).where(
    cases.c.peer == bindparam("b_peer"),
    cases.c.reference_requesting == bindparam("b_reference"),
    cases.c.track == "request",
    cases.c.side == bindparam("b_side"),
)


def clocks_of(connection: Connection, thread_id: str, peer: str) -> list[ClockRow]:
    """Return the clocks of a preservation, by item."""
    return _clocks(fetch(connection, _OF_THREAD, {"b_thread": thread_id, "b_peer": peer}))


def due_clocks(connection: Connection, now: datetime, limit: int) -> list[ClockRow]:
    """Return clocks whose next mark has come, the longest due first."""
    return _clocks(fetch(connection, _DUE, {"b_now": now, "b_limit": limit}))


def clocks_ahead(connection: Connection, at: datetime, limit: int) -> list[ClockRow]:
    """Return clocks that were worked out later than an instant: after a clock here was set back."""
    return _clocks(fetch(connection, _AHEAD, {"b_limit_at": at, "b_limit": limit}))


def _clocks(found: Sequence[tuple[object, ...]]) -> list[ClockRow]:
    return [ClockRow(**dict(zip(_CLOCK_COLUMNS, row, strict=True))) for row in found]  # type: ignore[arg-type]


def add_clock(tx: Transaction, row: ClockRow) -> None:
    """Add the clock of an item. A second one of the same item is an IntegrityError."""
    tx.insert(preservation_clock, **{name: getattr(row, name) for name in _CLOCK_COLUMNS})


def store_clock(tx: Transaction, row: ClockRow) -> None:
    """Write a clock."""
    values = {f"v_{name}": getattr(row, name) for name in _CLOCK_COLUMNS[3:]}
    tx.later(_STORE, b_thread=row.thread_id, b_peer=row.peer, b_item=row.item_no, **values)


def as_message(row: LinkRow) -> MessageRow:
    """Return a link as the message it is in the thread it acts on."""
    return linked_message({name: getattr(row, name) for name in _LINK_COLUMNS})


def add_link(tx: Transaction, row: LinkRow) -> None:
    """Add a link."""
    tx.insert(thread_link, **{name: getattr(row, name) for name in _LINK_COLUMNS})


def links_on(connection: Connection, thread_id: str, peer: str) -> list[LinkRow]:
    """Return what acts on a thread, notices included."""
    return _links(fetch(connection, _LINKS_ON, {"b_thread": thread_id, "b_peer": peer}))


def links_by(connection: Connection, sender: str, bid: str) -> list[LinkRow]:
    """Return what one message does to other threads."""
    return _links(fetch(connection, _LINKS_BY, {"b_sender": sender, "b_bid": bid}))


def links_of(connection: Connection, peer: str, *, thread_id: str, reference: str | None) -> list[LinkRow]:
    """Return the links whose request is that of a thread, or is named by its reference."""
    found = fetch(
        connection, _LINKS_OF, {"b_peer": peer, "b_thread": thread_id, "b_reference": reference or ""}
    )
    return _links(found)


def _links(found: Sequence[tuple[object, ...]]) -> list[LinkRow]:
    return [LinkRow(**dict(zip(_LINK_COLUMNS, row, strict=True))) for row in found]  # type: ignore[arg-type]


def set_link_effect(tx: Transaction, sender: str, bid: str, thread_id: str, effect: str) -> None:
    """Write what the fold of the thread made of a request that acts on it."""
    tx.later(_LINK_EFFECT, b_sender=sender, b_bid=bid, b_thread=thread_id, v_effect=effect)


def set_links_consigned(tx: Transaction, sender: str, bid: str, at: datetime) -> None:
    """Write when the other gateway took the message of these links in."""
    tx.later(_LINK_CONSIGNED, b_sender=sender, b_bid=bid, v_at=at)


def threads_of_reference(connection: Connection, peer: str, reference: str, side: str) -> list[str]:
    """Return the requests between us and a peer that bear a reference of the requesting side."""
    found = fetch(
        connection, _THREADS_BY_REFERENCE, {"b_peer": peer, "b_reference": reference, "b_side": side}
    )
    return [str(row[0]) for row in found]
