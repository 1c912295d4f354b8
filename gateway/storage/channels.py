"""Beside a transmission: what was tried on which channel, what people said to channels, and probes.

Read only where an attempt was not the first, or a person asks: an exchange that goes well never comes here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from gateway.model.transmission import TransmissionKey
from gateway.storage.database import Transaction
from gateway.storage.schema import (
    Instant,
    attempt,
    cases,
    channel_consent,
    channel_probe,
    message,
    transmission,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRow:
    """The attempts on one channel, taken together.

    Attributes:
        is_closed: A refusal there was of the channel.
        is_bounced: A mail server said that it could not deliver.
    """

    channel: str
    tries: int
    first_at: datetime
    last_at: datetime
    is_closed: bool
    is_bounced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """When a channel of a peer was last probed, and when it last answered.

    Attributes:
        question: Digest of the last probe while its answer may still come.
        code: Why the last probe was not answered.
    """

    authority_id: str
    channel: str
    asked_at: datetime
    answered_at: datetime | None
    question: str | None
    code: str | None


def _is_of(table: Table) -> ColumnElement[bool]:
    return and_(
        table.c.sender == bindparam("b_sender"),
        table.c.bid == bindparam("b_bid"),
        table.c.to_aid == bindparam("b_to"),
    )


_USES = (
    select(
        attempt.c.channel,
        func.count().label("tries"),
        func.min(attempt.c.started_at, type_=Instant).label("first_at"),
        func.max(attempt.c.ended_at, type_=Instant).label("last_at"),
        func.max(
            case(
                (
                    and_(
                        attempt.c.verdict == "refused",
                        attempt.c.code.in_(bindparam("b_closing", expanding=True)),
                    ),
                    1,
                ),
                else_=0,
            )
        ).label("closed"),
        func.max(case((attempt.c.verdict == "bounced", 1), else_=0)).label("bounced"),
    )
    .where(_is_of(attempt))
    .group_by(attempt.c.channel)
)
_ANSWERS = select(channel_consent.c.channel, channel_consent.c.answer).where(_is_of(channel_consent))
_IS_OF_CHANNEL = and_(_is_of(channel_consent), channel_consent.c.channel == bindparam("b_channel"))
_FIND_ANSWER = select(channel_consent.c.answer).where(_IS_OF_CHANNEL).with_for_update()
_CHANGE_ANSWER = (
    update(channel_consent)
    .where(_IS_OF_CHANNEL)
    .values(answer=bindparam("v_answer"), changed_at=bindparam("v_at"))
)
_GIVEN_SINCE = (
    select(channel_consent.c.channel)
    .where(
        _is_of(channel_consent),
        channel_consent.c.answer == "given",
        channel_consent.c.changed_at >= bindparam("b_since"),
    )
    .limit(1)
)
_URGENCY = (
    select(cases.c.urgency_level)
    .join(message, and_(message.c.thread_id == cases.c.thread_id, message.c.peer == cases.c.peer))
    .where(message.c.sender == bindparam("b_sender"), message.c.bid == bindparam("b_bid"))
)
_BRING_FORWARD = (
    update(transmission)
    .where(
        _is_of(transmission),
        transmission.c.next_action_at > bindparam("b_now"),
        or_(transmission.c.lease_until.is_(None), transmission.c.lease_until <= bindparam("b_now")),
    )
    .values(next_action_at=bindparam("b_now"))
)
_PROBES = select(channel_probe).order_by(channel_probe.c.authority_id, channel_probe.c.channel)
_PROBE = select(channel_probe).where(
    channel_probe.c.authority_id == bindparam("b_aid"), channel_probe.c.channel == bindparam("b_channel")
)
_SENT_TO = select(transmission.c.to_aid).where(transmission.c.created_at >= bindparam("b_since")).distinct()
_UNDER_WAY_TO = (
    select(transmission.c.to_aid)
    .where(transmission.c.state.in_(("QUEUED", "DISPATCHED", "RELAYED")))
    .distinct()
)
_CHANGE_PROBE = (
    update(channel_probe)
    .where(
        channel_probe.c.authority_id == bindparam("b_aid"), channel_probe.c.channel == bindparam("b_channel")
    )
    .values(
        asked_at=bindparam("v_asked"),
        answered_at=func.coalesce(bindparam("v_answered", type_=Instant), channel_probe.c.answered_at),
        question=bindparam("v_question"),
        code=bindparam("v_code"),
    )
)


def uses_of(
    connection: Connection, sender: str, bid: str, to_aid: str, *, closing: Collection[str]
) -> list[UseRow]:
    """Return what was tried, by channel; a refusal with one of the ``closing`` codes closes its channel."""
    values = {"b_sender": sender, "b_bid": bid, "b_to": to_aid, "b_closing": sorted(closing)}
    return [
        UseRow(
            channel=row.channel,
            tries=row.tries,
            first_at=row.first_at,
            last_at=row.last_at,
            is_closed=bool(row.closed),
            is_bounced=bool(row.bounced),
        )
        for row in connection.execute(_USES, values)
    ]


def answers_of(connection: Connection, sender: str, bid: str, to_aid: str) -> dict[str, str]:
    """Return what people said, by channel; a channel nobody was asked about is left out."""
    rows = connection.execute(_ANSWERS, {"b_sender": sender, "b_bid": bid, "b_to": to_aid})
    return {row.channel: row.answer for row in rows}


def answer_to(connection: Connection, key: TransmissionKey, channel: str) -> str | None:
    """Return what was said to one channel, for a unit that is about to change it."""
    sender, bid, to_aid = key
    values = {"b_sender": sender, "b_bid": bid, "b_to": to_aid, "b_channel": channel}
    answer: str | None = connection.scalar(_FIND_ANSWER, values)
    return answer


def add_answer(tx: Transaction, key: TransmissionKey, channel: str, answer: str, at: datetime) -> None:
    """Note a question or an answer about a channel that was not asked about before."""
    sender, bid, to_aid = key
    tx.insert(
        channel_consent,
        sender=sender,
        bid=bid,
        to_aid=to_aid,
        channel=channel,
        answer=answer,
        changed_at=at,
    )


def change_answer(tx: Transaction, key: TransmissionKey, channel: str, answer: str, at: datetime) -> None:
    """Note another answer about a channel."""
    sender, bid, to_aid = key
    values = {"b_sender": sender, "b_bid": bid, "b_to": to_aid, "b_channel": channel}
    tx.execute(_CHANGE_ANSWER, {**values, "v_answer": answer, "v_at": at})


def is_given_since(connection: Connection, key: TransmissionKey, since: datetime) -> bool:
    """Tell whether a person gave consent to a channel at or after an instant."""
    values = {"b_sender": key[0], "b_bid": key[1], "b_to": key[2], "b_since": since}
    return connection.execute(_GIVEN_SINCE, values).first() is not None


def urgency_of(connection: Connection, sender: str, bid: str) -> str:
    """Return the urgency level of the case a bundle belongs to, empty if it is not known."""
    return connection.scalar(_URGENCY, {"b_sender": sender, "b_bid": bid}) or ""


def bring_forward(tx: Transaction, key: TransmissionKey, now: datetime) -> None:
    """Make a transmission that waits due at once; what a worker is trying at the moment is left to it."""
    tx.execute(_BRING_FORWARD, {"b_sender": key[0], "b_bid": key[1], "b_to": key[2], "b_now": now})


def probes(connection: Connection) -> list[ProbeRow]:
    """Return what is known of every channel that was ever probed."""
    return [ProbeRow(**row._mapping) for row in connection.execute(_PROBES)]


def find_probe(connection: Connection, authority_id: str, channel: str) -> ProbeRow | None:
    """Return what is known of one channel, ``None`` if it was never probed."""
    row = connection.execute(_PROBE, {"b_aid": authority_id, "b_channel": channel}).first()
    return None if row is None else ProbeRow(**row._mapping)


def sent_to_since(connection: Connection, since: datetime) -> set[str]:
    """Return the authorities to which something was sent at or after an instant."""
    return {aid for (aid,) in connection.execute(_SENT_TO, {"b_since": since})}


def under_way_to_whom(connection: Connection) -> set[str]:
    """Return the authorities to which something is still under way, however long."""
    return {aid for (aid,) in connection.execute(_UNDER_WAY_TO)}


def store_probe(tx: Transaction, row: ProbeRow) -> None:
    """Note the outcome of a probe; the time of an earlier answer stays where this one was not answered."""
    values = {
        "b_aid": row.authority_id,
        "b_channel": row.channel,
        "v_asked": row.asked_at,
        "v_answered": row.answered_at,
        "v_question": row.question,
        "v_code": row.code,
    }
    if tx.execute(_CHANGE_PROBE, values).rowcount == 0:
        tx.insert(
            channel_probe,
            authority_id=row.authority_id,
            channel=row.channel,
            asked_at=row.asked_at,
            answered_at=row.answered_at,
            question=row.question,
            code=row.code,
        )
