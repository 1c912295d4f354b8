"""Lists of messages with their cases: what has arrived, and what this authority has asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, and_, bindparam, select

from gateway.model.request import REQUEST_TYPES
from gateway.storage.cases import CaseRow, MessageRow, find_case
from gateway.storage.schema import bundle, message, transmission


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One incoming message with what a list shows of it."""

    message: MessageRow
    case: CaseRow
    size_bytes: int
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRow:
    """One request that went out, or is about to, with what a list shows of it.

    Attributes:
        delivery: State of its transmission; ``channel`` is the one it takes, ``None`` while none is open.
    """

    message: MessageRow
    case: CaseRow
    size_bytes: int
    lane: str
    delivery: str
    channel: str | None


_Listed = TypeVar("_Listed", InboxRow, SentRow)

_ARRIVED = (
    select(message, bundle.c.size_bytes.label("size_bytes"), bundle.c.lane.label("lane"))
    .join(bundle, and_(bundle.c.sender == message.c.sender, bundle.c.bid == message.c.bid))
    .where(bundle.c.direction == "in", bundle.c.state == "released")
    .limit(bindparam("b_limit"))
)
_INBOX = _ARRIVED.order_by(message.c.stored_at.desc(), message.c.bid)
_SENT = (
    select(
        message,
        bundle.c.size_bytes.label("size_bytes"),
        bundle.c.lane.label("lane"),
        transmission.c.state.label("delivery"),
        transmission.c.channel.label("channel"),
    )
    .join(bundle, and_(bundle.c.sender == message.c.sender, bundle.c.bid == message.c.bid))
    .join(transmission, and_(transmission.c.sender == message.c.sender, transmission.c.bid == message.c.bid))
    .where(message.c.message_type.in_(sorted(REQUEST_TYPES)))
    .order_by(message.c.stored_at.desc(), message.c.bid)
    .limit(bindparam("b_limit"))
)
_INBOX_SINCE = _ARRIVED.where(message.c.stored_at >= bindparam("b_since")).order_by(
    message.c.stored_at, message.c.bid
)


def inbox(connection: Connection, limit: int) -> list[InboxRow]:
    """Return the newest incoming messages with their cases."""
    return _with_cases(InboxRow, connection, _INBOX, {"b_limit": limit})


def inbox_since(connection: Connection, since: datetime, limit: int) -> list[InboxRow]:
    """Return the oldest incoming messages stored at or after an instant, with their cases."""
    return _with_cases(InboxRow, connection, _INBOX_SINCE, {"b_since": since, "b_limit": limit})


def sent(connection: Connection, limit: int) -> list[SentRow]:
    """Return the newest requests of ours, with their cases and how far they are on their way."""
    return _with_cases(SentRow, connection, _SENT, {"b_limit": limit})


def _with_cases(
    kind: type[_Listed], connection: Connection, statement: Select[Any], values: Mapping[str, Any]
) -> list[_Listed]:
    found = []
    beside = kind.__dataclass_fields__.keys() - {"message", "case"}
    for row in connection.execute(statement, values):
        columns = dict(row._mapping)
        shown = {name: columns.pop(name) for name in beside}
        held = MessageRow(**columns)
        case = find_case(connection, held.thread_id, held.peer)
        if case is not None:
            found.append(kind(message=held, case=case, **shown))
    return found
