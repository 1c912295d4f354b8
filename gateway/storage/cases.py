"""Cases and their messages. The state of a case is what the fold of its messages says, stored for lists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import cases, message, thread_link


class CaseRow(TableRow, frozen=True, kw_only=True):
    """All messages about one request, on one side; meanings in ``schema.cases``."""

    hidden: ClassVar[frozenset[str]] = frozenset({"reference_requesting", "reference_requested"})

    thread_id: str
    peer: str
    side: str
    track: str
    request_kind: str
    urgency_level: str
    confidentiality_level: str
    state: str
    state_at: datetime
    reference_requesting: str | None
    reference_requested: str | None
    language: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    opened_at: datetime
    has_links: bool = False


class MessageRow(TableRow, frozen=True, kw_only=True):
    """One message of either side; ``facts`` is JSON of what the fold needs.

    Attributes:
        via: ``mail`` if it was recorded here from a person's reply: ``sender`` is then ourselves, who keep
            it, and ``side`` the side that spoke. ``None`` for a sealed message.
        is_linked: It acts on another thread as well (``links``).
        relation: Of a request of another thread that acts on this one by this relation; its counters are
            those of this thread. Never in the table.
    """

    sender: str
    bid: str
    thread_id: str
    peer: str
    side: str
    message_type: str
    seq: int
    seen: int
    in_reply_to: str | None
    facts: str
    effect: str
    assurance: str | None
    officer: str | None
    made_at: datetime
    stored_at: datetime
    consigned_at: datetime | None
    opened_at: datetime | None
    via: str | None = None
    is_linked: bool = False
    relation: str | None = None


_KEY = and_(cases.c.thread_id == bindparam("b_thread"), cases.c.peer == bindparam("b_peer"))
_FIND = select(cases).where(_KEY)
_OF_THREAD = select(cases).where(cases.c.thread_id == bindparam("b_thread"))
_BY_REFERENCE = (
    select(cases)
    .where(
        or_(
            cases.c.reference_requesting == bindparam("b_reference"),
            cases.c.reference_requested == bindparam("b_reference"),
        )
    )
    .limit(3)
)
_STORE = (
    update(cases)
    .where(_KEY)
    .values(
        state=bindparam("v_state"),
        state_at=bindparam("v_state_at"),
        reference_requested=bindparam("v_reference_requested"),
        next_actor=bindparam("v_next_actor"),
        next_action=bindparam("v_next_action"),
        next_action_at=bindparam("v_next_action_at"),
    )
)
_COMPLETE = (
    update(cases)
    .where(_KEY)
    .values(
        track=bindparam("v_track"),
        request_kind=bindparam("v_request_kind"),
        urgency_level=bindparam("v_urgency_level"),
        confidentiality_level=bindparam("v_confidentiality_level"),
        language=bindparam("v_language"),
        reference_requesting=bindparam("v_reference_requesting"),
    )
)
_HAS_LINKS = update(cases).where(_KEY).values(has_links=True)
_MESSAGES = (
    select(message)
    .where(message.c.thread_id == bindparam("b_thread"), message.c.peer == bindparam("b_peer"))
    .order_by(message.c.stored_at, message.c.sender, message.c.seq)
)
_LINKED = (
    select(thread_link)
    .where(
        thread_link.c.thread_id == bindparam("b_thread"),
        thread_link.c.peer == bindparam("b_peer"),
        thread_link.c.seq > 0,
    )
    .order_by(thread_link.c.stored_at, thread_link.c.seq)
)
_LINK_COLUMNS = tuple(thread_link.c.keys())
_named = message.alias("named")
_CASE_COLUMNS, _MESSAGE_COLUMNS = tuple(cases.c.keys()), tuple(message.c.keys())
_THREAD_OF = (
    select(*cases.c, *message.c)
    .select_from(_named)
    .join(cases, and_(cases.c.thread_id == _named.c.thread_id, cases.c.peer == _named.c.peer))
    .join(message, and_(_named.c.thread_id == message.c.thread_id, _named.c.peer == message.c.peer))
    .where(_named.c.sender == bindparam("b_sender"), _named.c.bid == bindparam("b_bid"))
    .order_by(message.c.stored_at, message.c.sender, message.c.seq)
)
_MESSAGE_KEY = and_(message.c.sender == bindparam("b_sender"), message.c.bid == bindparam("b_bid"))
_MESSAGE = select(message).where(_MESSAGE_KEY)
_EFFECT = update(message).where(_MESSAGE_KEY).values(effect=bindparam("v_effect"))
_CONSIGNED = update(message).where(_MESSAGE_KEY).values(consigned_at=bindparam("v_at"))
_OPENED = update(message).where(_MESSAGE_KEY).values(opened_at=bindparam("v_at"))
_DUE = select(cases).where(cases.c.next_action_at <= bindparam("b_now")).limit(bindparam("b_limit"))


def add_case(tx: Transaction, row: CaseRow) -> None:
    """Add a case. A second one of the same thread and peer is an IntegrityError."""
    tx.add(cases, row)


def store_case(tx: Transaction, row: CaseRow) -> None:
    """Write what the fold made of a case: state, next action, the other side's reference."""
    tx.later(
        _STORE,
        b_thread=row.thread_id,
        b_peer=row.peer,
        v_state=row.state,
        v_state_at=row.state_at,
        v_reference_requested=row.reference_requested,
        v_next_actor=row.next_actor,
        v_next_action=row.next_action,
        v_next_action_at=row.next_action_at,
    )


def complete_case(tx: Transaction, row: CaseRow) -> None:
    """Write what only the request itself says, for a case that another message had opened."""
    tx.later(
        _COMPLETE,
        b_thread=row.thread_id,
        b_peer=row.peer,
        v_track=row.track,
        v_request_kind=row.request_kind,
        v_urgency_level=row.urgency_level,
        v_confidentiality_level=row.confidentiality_level,
        v_language=row.language,
        v_reference_requesting=row.reference_requesting,
    )


def set_has_links(tx: Transaction, thread_id: str, peer: str) -> None:
    """Write that messages of other threads act on a case, so that its fold looks for them."""
    tx.later(_HAS_LINKS, b_thread=thread_id, b_peer=peer)


def add_message(tx: Transaction, row: MessageRow) -> None:
    """Add a message of either side."""
    tx.add(message, row)


def set_effect(tx: Transaction, sender: str, bid: str, effect: str) -> None:
    """Write what the fold made of one message."""
    tx.later(_EFFECT, b_sender=sender, b_bid=bid, v_effect=effect)


def set_consigned(tx: Transaction, sender: str, bid: str, at: datetime) -> None:
    """Write when the other gateway took a message in, by its receipt."""
    tx.later(_CONSIGNED, b_sender=sender, b_bid=bid, v_at=at)


def set_opened(tx: Transaction, sender: str, bid: str, at: datetime) -> None:
    """Write when an officer first opened a message."""
    tx.later(_OPENED, b_sender=sender, b_bid=bid, v_at=at)


def find_case(connection: Connection, thread_id: str, peer: str) -> CaseRow | None:
    """Return a case or ``None``."""
    rows = fetch(connection, _FIND, {"b_thread": thread_id, "b_peer": peer})
    return _case(rows[0]) if rows else None


def cases_by_reference(connection: Connection, reference: str) -> list[CaseRow]:
    """Return up to three cases with this reference of either side: references may repeat over authorities."""
    return [CaseRow(**row._mapping) for row in connection.execute(_BY_REFERENCE, {"b_reference": reference})]


def due_cases(connection: Connection, now: datetime, limit: int) -> list[CaseRow]:
    """Return cases whose next action is due."""
    return [CaseRow(**row._mapping) for row in connection.execute(_DUE, {"b_now": now, "b_limit": limit})]


def cases_of_thread(connection: Connection, thread_id: str) -> list[CaseRow]:
    """Return the cases of a thread: one, unless an authority wrote that has no part in it."""
    return [_case(row) for row in fetch(connection, _OF_THREAD, {"b_thread": thread_id})]


def messages_of(connection: Connection, thread_id: str, peer: str) -> list[MessageRow]:
    """Return the messages of a case, as they were stored, then those of other threads that act on it."""
    rows = connection.execute(_MESSAGES, {"b_thread": thread_id, "b_peer": peer})
    return [MessageRow(**row._mapping) for row in rows] + linked_messages(connection, thread_id, peer)


def linked_messages(connection: Connection, thread_id: str, peer: str) -> list[MessageRow]:
    """Return the requests of other threads that act on a case, with the counters they use in it."""
    rows = fetch(connection, _LINKED, {"b_thread": thread_id, "b_peer": peer})
    return [linked_message(dict(zip(_LINK_COLUMNS, row, strict=True))) for row in rows]


def linked_message(row: Mapping[str, Any]) -> MessageRow:
    """Return a row of ``thread_link`` as the message it is in the thread it acts on."""
    return MessageRow(
        sender=row["sender"],
        bid=row["bid"],
        thread_id=row["thread_id"],
        peer=row["peer"],
        side="requesting",
        message_type=row["message_type"],
        seq=row["seq"],
        seen=row["seen"],
        in_reply_to=None,
        facts=f'{{"relation":"{row["relation"]}"}}',
        effect=row["effect"],
        assurance=None,
        officer=None,
        made_at=row["made_at"],
        stored_at=row["stored_at"],
        consigned_at=row["consigned_at"],
        opened_at=None,
        relation=row["relation"],
    )


def case_of_message(connection: Connection, sender: str, bid: str) -> tuple[CaseRow, list[MessageRow]] | None:
    """Return the case that a message belongs to and all its messages, or ``None``."""
    rows = fetch(connection, _THREAD_OF, {"b_sender": sender, "b_bid": bid})
    if not rows:
        return None
    width = len(_CASE_COLUMNS)
    case = _case(rows[0][:width])
    messages = [MessageRow(**dict(zip(_MESSAGE_COLUMNS, row[width:], strict=True))) for row in rows]
    if case.has_links:
        messages += linked_messages(connection, case.thread_id, case.peer)
    return case, messages


def _case(row: tuple[Any, ...]) -> CaseRow:
    return CaseRow(**dict(zip(_CASE_COLUMNS, row, strict=True)))


def find_message(connection: Connection, sender: str, bid: str) -> MessageRow | None:
    """Return a message or ``None``."""
    row = connection.execute(_MESSAGE, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else MessageRow(**row._mapping)
