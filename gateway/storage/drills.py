"""Drills run here, their tests, and the tests of others; apart from cases and their messages."""

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import drill, drill_received, drill_test


class DrillRow(TableRow, frozen=True, kw_only=True):
    """A drill that was run here; meanings in ``schema.drill``."""

    id: str
    network: str
    officer: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    next_action_at: datetime | None


class TestRow(TableRow, frozen=True, kw_only=True):
    """One test of ours on one channel; meanings in ``schema.drill_test``."""

    __test__ = False

    sender: str
    bid: str
    drill_id: str
    peer: str
    channel: str
    thread_id: str
    sent_at: datetime
    answered_at: datetime | None
    assurance: str | None


class ReceivedRow(TableRow, frozen=True, kw_only=True):
    """A test of a peer; meanings in ``schema.drill_received``."""

    sender: str
    bid: str
    drill_id: str
    thread_id: str
    language: str
    arrived_at: datetime
    answer_wanted: bool
    paged_at: datetime | None
    closed_at: datetime | None
    officer: str | None
    next_action_at: datetime | None


_FIND_DRILL = select(drill).where(drill.c.id == bindparam("b_id"))
_NEWEST = select(drill).order_by(drill.c.started_at.desc(), drill.c.id).limit(bindparam("b_limit"))
_LAST_OF = select(func.max(drill.c.started_at)).where(drill.c.network == bindparam("b_network"))
_DUE_DRILLS = select(drill).where(drill.c.next_action_at <= bindparam("b_now")).limit(200)
_END_DRILL = (
    update(drill)
    .where(drill.c.id == bindparam("b_id"))
    .values(ended_at=bindparam("v_at"), next_action_at=None)
)
_TESTS = (
    select(drill_test)
    .where(drill_test.c.drill_id == bindparam("b_id"))
    .order_by(drill_test.c.peer, drill_test.c.sent_at, drill_test.c.bid)
)
_TEST_KEY = and_(drill_test.c.sender == bindparam("b_sender"), drill_test.c.bid == bindparam("b_bid"))
_FIND_TEST = select(drill_test).where(_TEST_KEY)
_ANSWERED = (
    update(drill_test)
    .where(_TEST_KEY)
    .values(answered_at=bindparam("v_at"), assurance=bindparam("v_assurance"))
)
_RECEIVED_KEY = and_(
    drill_received.c.sender == bindparam("b_sender"), drill_received.c.bid == bindparam("b_bid")
)
_FIND_RECEIVED = select(drill_received).where(_RECEIVED_KEY)
_OPEN_RECEIVED = (
    select(drill_received)
    .where(drill_received.c.closed_at.is_(None))
    .order_by(drill_received.c.arrived_at, drill_received.c.bid)
)
_OF_DRILL = _OPEN_RECEIVED.where(
    drill_received.c.sender == bindparam("b_sender"), drill_received.c.drill_id == bindparam("b_drill")
)
_DUE_RECEIVED = _OPEN_RECEIVED.where(drill_received.c.next_action_at <= bindparam("b_now")).limit(500)
_COUNT = select(func.count()).where(
    drill_received.c.sender == bindparam("b_sender"), drill_received.c.arrived_at > bindparam("b_since")
)
_LAST_RING = select(func.max(drill_received.c.paged_at)).where(
    drill_received.c.sender == bindparam("b_sender")
)
_RANG = (
    update(drill_received)
    .where(_RECEIVED_KEY)
    .values(paged_at=bindparam("v_at"), next_action_at=bindparam("v_next"))
)
_LATER = update(drill_received).where(_RECEIVED_KEY).values(next_action_at=bindparam("v_next"))
_CLOSED = (
    update(drill_received)
    .where(_RECEIVED_KEY)
    .values(closed_at=bindparam("v_at"), officer=bindparam("v_officer"), next_action_at=None)
)


def add_drill(tx: Transaction, row: DrillRow) -> None:
    """Enter a drill that begins."""
    tx.insert(
        drill,
        id=row.id,
        network=row.network,
        officer=row.officer,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        next_action_at=row.next_action_at,
    )


def find_drill(connection: Connection, drill_id: str) -> DrillRow | None:
    """Return a drill or ``None``."""
    row = connection.execute(_FIND_DRILL, {"b_id": drill_id}).first()
    return None if row is None else DrillRow(**row._mapping)


def newest_drills(connection: Connection, limit: int) -> list[DrillRow]:
    """Return the newest drills."""
    return [DrillRow(**row._mapping) for row in connection.execute(_NEWEST, {"b_limit": limit})]


def last_drill_of(connection: Connection, network: str) -> datetime | None:
    """Return when a network was drilled last."""
    found: datetime | None = connection.execute(_LAST_OF, {"b_network": network}).scalar_one()
    return found


def due_drills(connection: Connection, now: datetime) -> list[DrillRow]:
    """Return the drills whose time is over."""
    return [DrillRow(**row._mapping) for row in connection.execute(_DUE_DRILLS, {"b_now": now})]


def end_drill(tx: Transaction, drill_id: str, at: datetime) -> None:
    """Note that a drill's time is over."""
    tx.later(_END_DRILL, b_id=drill_id, v_at=at)


def add_test(tx: Transaction, row: TestRow) -> None:
    """Enter a test that was sent."""
    tx.insert(
        drill_test,
        sender=row.sender,
        bid=row.bid,
        drill_id=row.drill_id,
        peer=row.peer,
        channel=row.channel,
        thread_id=row.thread_id,
        sent_at=row.sent_at,
        answered_at=row.answered_at,
        assurance=row.assurance,
    )


def find_test(connection: Connection, sender: str, bid: str) -> TestRow | None:
    """Return a test of ours or ``None``."""
    row = connection.execute(_FIND_TEST, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else TestRow(**row._mapping)


def tests_of(connection: Connection, drill_id: str) -> list[TestRow]:
    """Return the tests of a drill, by authority, in the order in which they were sent."""
    return [TestRow(**row._mapping) for row in connection.execute(_TESTS, {"b_id": drill_id})]


def answer_test(tx: Transaction, sender: str, bid: str, *, assurance: str | None, at: datetime) -> None:
    """Note that it was acknowledged there, and what could be verified of who vouches for that."""
    tx.later(_ANSWERED, b_sender=sender, b_bid=bid, v_at=at, v_assurance=assurance)


def add_received(tx: Transaction, row: ReceivedRow) -> None:
    """Enter a test of a peer."""
    tx.insert(
        drill_received,
        sender=row.sender,
        bid=row.bid,
        drill_id=row.drill_id,
        thread_id=row.thread_id,
        language=row.language,
        arrived_at=row.arrived_at,
        answer_wanted=row.answer_wanted,
        paged_at=row.paged_at,
        closed_at=row.closed_at,
        officer=row.officer,
        next_action_at=row.next_action_at,
    )


def find_received(connection: Connection, sender: str, bid: str) -> ReceivedRow | None:
    """Return a test of a peer or ``None``."""
    row = connection.execute(_FIND_RECEIVED, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else ReceivedRow(**row._mapping)


def open_received(connection: Connection) -> list[ReceivedRow]:
    """Return the tests of others that wait for a person, oldest first."""
    return [ReceivedRow(**row._mapping) for row in connection.execute(_OPEN_RECEIVED.limit(500))]


def received_of(connection: Connection, sender: str, drill_id: str) -> list[ReceivedRow]:
    """Return the open tests of one drill of a peer."""
    rows = connection.execute(_OF_DRILL, {"b_sender": sender, "b_drill": drill_id})
    return [ReceivedRow(**row._mapping) for row in rows]


def due_received(connection: Connection, now: datetime) -> list[ReceivedRow]:
    """Return the tests of others that ring now, or that are let go of."""
    return [ReceivedRow(**row._mapping) for row in connection.execute(_DUE_RECEIVED, {"b_now": now})]


def count_received(connection: Connection, sender: str, since: datetime) -> int:
    """Return how many tests of a peer were taken since an instant."""
    found: int = connection.execute(_COUNT, {"b_sender": sender, "b_since": since}).scalar_one()
    return found


def last_ring(connection: Connection, sender: str) -> datetime | None:
    """Return when a person was last called about a test of a peer."""
    found: datetime | None = connection.execute(_LAST_RING, {"b_sender": sender}).scalar_one()
    return found


def ring_received(tx: Transaction, sender: str, bid: str, *, at: datetime, next_at: datetime) -> None:
    """Note that a person was called about a test."""
    tx.later(_RANG, b_sender=sender, b_bid=bid, v_at=at, v_next=next_at)


def ring_later(tx: Transaction, sender: str, bid: str, *, next_at: datetime) -> None:
    """Note when a test is looked at again."""
    tx.later(_LATER, b_sender=sender, b_bid=bid, v_next=next_at)


def close_received(tx: Transaction, sender: str, bid: str, *, officer: str | None, at: datetime) -> None:
    """Note that a test was acknowledged, or let go of where there is no officer."""
    tx.later(_CLOSED, b_sender=sender, b_bid=bid, v_at=at, v_officer=officer)
