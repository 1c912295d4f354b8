"""What came by mail and is not done with: segments, mails set aside, and which automatic answers went out."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, func, select

from gateway.storage.database import Transaction
from gateway.storage.schema import mail_answer, mail_quarantine, mail_segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """One stretch of a container, durable in the staging folder under ``file``."""

    sender: str
    bid: str
    envelope_sha256: str
    i: int
    n: int
    total_bytes: int
    offset_bytes: int
    size_bytes: int
    file: str
    signed_at: datetime
    next_action_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideRow:
    """One mail that nobody took; ``wrapped`` is its key under the storage key, secret only with that."""

    sha256: str
    reason: str
    automatic: bool
    size_bytes: int
    file: str
    sealed_sha256: str
    storage_key_id: str
    wrapped: bytes = field(repr=False)
    received_at: datetime
    next_action_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much is held: rows, and their bytes."""

    count: int
    size_bytes: int


_OF_BUNDLE = and_(mail_segment.c.sender == bindparam("b_sender"), mail_segment.c.bid == bindparam("b_bid"))
_SEGMENTS = select(mail_segment).where(_OF_BUNDLE).order_by(mail_segment.c.envelope_sha256, mail_segment.c.i)
_DROP_SEGMENTS = delete(mail_segment).where(_OF_BUNDLE)
_DROP_OF_ENVELOPE = delete(mail_segment).where(
    _OF_BUNDLE, mail_segment.c.envelope_sha256 == bindparam("b_envelope")
)
_LATE = (
    select(mail_segment.c.sender, mail_segment.c.bid)
    .where(mail_segment.c.next_action_at <= bindparam("b_now"))
    .distinct()
)
_HELD = select(func.count(), func.coalesce(func.sum(mail_segment.c.size_bytes), 0)).select_from(mail_segment)
_HELD_OF = _HELD.where(mail_segment.c.sender == bindparam("b_sender"))
_SEGMENT_FILES = select(mail_segment.c.file)

_ASIDE = select(mail_quarantine).order_by(mail_quarantine.c.received_at, mail_quarantine.c.sha256)
_FIND_ASIDE = select(mail_quarantine).where(mail_quarantine.c.sha256 == bindparam("b_sha256"))
_DROP_ASIDE = delete(mail_quarantine).where(mail_quarantine.c.sha256 == bindparam("b_sha256"))
_LATE_ASIDE = _ASIDE.where(mail_quarantine.c.next_action_at <= bindparam("b_now"))
_HELD_ASIDE = (
    select(func.count(), func.coalesce(func.sum(mail_quarantine.c.size_bytes), 0))
    .select_from(mail_quarantine)
    .where(mail_quarantine.c.automatic == bindparam("b_automatic"))
)
_OLDEST_ASIDE = _ASIDE.where(mail_quarantine.c.automatic == bindparam("b_automatic")).limit(1)
_ASIDE_FILES = select(mail_quarantine.c.file)

_ANSWER = and_(
    mail_answer.c.authority_id == bindparam("b_aid"),
    mail_answer.c.kind == bindparam("b_kind"),
    mail_answer.c.subject == bindparam("b_subject"),
)
_FIND_ANSWER = select(mail_answer.c.at).where(_ANSWER)
_DROP_ANSWER = delete(mail_answer).where(_ANSWER)
_ANSWERS_SINCE = (
    select(func.count())
    .select_from(mail_answer)
    .where(mail_answer.c.authority_id == bindparam("b_aid"), mail_answer.c.at > bindparam("b_since"))
)
_LATE_ANSWER = select(mail_answer.c.at).where(mail_answer.c.next_action_at <= bindparam("b_now")).limit(1)
_FORGET_ANSWERS = delete(mail_answer).where(mail_answer.c.next_action_at <= bindparam("b_now"))


def add_segment(tx: Transaction, row: SegmentRow) -> None:
    """Add one stretch; one that is held already is an IntegrityError."""
    tx.insert(mail_segment, **{name: getattr(row, name) for name in SegmentRow.__dataclass_fields__})


def segments_of(connection: Connection, sender: str, bid: str) -> list[SegmentRow]:
    """Return every stretch held of a bundle, by envelope and number."""
    rows = connection.execute(_SEGMENTS, {"b_sender": sender, "b_bid": bid})
    return [SegmentRow(**row._mapping) for row in rows]


def drop_segments(tx: Transaction, sender: str, bid: str, envelope_sha256: str | None = None) -> None:
    """Forget the stretches of a bundle, or of one of its envelopes; their files are the caller's."""
    key = {"b_sender": sender, "b_bid": bid}
    if envelope_sha256 is None:
        tx.execute(_DROP_SEGMENTS, key)
    else:
        tx.execute(_DROP_OF_ENVELOPE, {**key, "b_envelope": envelope_sha256})


def late_bundles(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Return (sender, bid) of what never came whole in its time."""
    return [(row.sender, row.bid) for row in connection.execute(_LATE, {"b_now": now})]


def held_segments(connection: Connection, sender: str | None = None) -> Held:
    """Return how much is held of one peer, or of all."""
    query = _HELD if sender is None else _HELD_OF
    row = connection.execute(query, {} if sender is None else {"b_sender": sender}).one()
    return Held(count=row[0], size_bytes=int(row[1]))


def staged_files(connection: Connection) -> frozenset[str]:
    """Return the name of every staging file that a row refers to."""
    return frozenset((*connection.scalars(_SEGMENT_FILES), *connection.scalars(_ASIDE_FILES)))


def set_aside(tx: Transaction, row: AsideRow) -> None:
    """Keep a mail for a person; the same mail again is an IntegrityError."""
    tx.insert(mail_quarantine, **{name: getattr(row, name) for name in AsideRow.__dataclass_fields__})


def find_aside(connection: Connection, sha256: str) -> AsideRow | None:
    """Return a mail that was set aside."""
    row = connection.execute(_FIND_ASIDE, {"b_sha256": sha256}).first()
    return None if row is None else AsideRow(**row._mapping)


def all_aside(connection: Connection, *, late_by: datetime | None = None) -> list[AsideRow]:
    """Return the mails that were set aside, oldest first, or only those whose time is over."""
    if late_by is None:
        rows = connection.execute(_ASIDE)
    else:
        rows = connection.execute(_LATE_ASIDE, {"b_now": late_by})
    return [AsideRow(**row._mapping) for row in rows]


def held_aside(connection: Connection, *, automatic: bool) -> Held:
    """Return how much is set aside of what machines, or people, sent."""
    row = connection.execute(_HELD_ASIDE, {"b_automatic": automatic}).one()
    return Held(count=row[0], size_bytes=int(row[1]))


def oldest_aside(connection: Connection, *, automatic: bool) -> AsideRow | None:
    """Return the mail that has been set aside longest."""
    row = connection.execute(_OLDEST_ASIDE, {"b_automatic": automatic}).first()
    return None if row is None else AsideRow(**row._mapping)


def drop_aside(tx: Transaction, sha256: str) -> bool:
    """Forget a mail that was set aside and return whether it was there; its file is the caller's."""
    return tx.execute(_DROP_ASIDE, {"b_sha256": sha256}).rowcount == 1


def note_answer(
    tx: Transaction,
    *,
    authority_id: str,
    kind: str,
    subject: str,
    at: datetime,
    forget_at: datetime,
    again_after: datetime,
    since: datetime,
    most: int,
) -> bool:
    """Note that an automatic answer goes out, and return whether it may.

    It may not if this subject was answered after ``again_after``, or ``most`` answers went to this authority
    after ``since``. Durable before the answer leaves, so that a crash loses an answer and never doubles one.
    """
    key = {"b_aid": authority_id, "b_kind": kind, "b_subject": subject}
    held = tx.execute(_FIND_ANSWER, key).scalar()
    if held is not None and held > again_after:
        return False
    sent = tx.execute(_ANSWERS_SINCE, {"b_aid": authority_id, "b_since": since}).scalar_one()
    if sent >= most:
        return False
    if held is not None:
        tx.execute(_DROP_ANSWER, key)
    tx.insert(
        mail_answer,
        authority_id=authority_id,
        kind=kind,
        subject=subject,
        at=at,
        next_action_at=forget_at,
    )
    return True


def is_answer_late(connection: Connection, now: datetime) -> bool:
    """Tell whether any note of an answer may be forgotten, without writing anything."""
    return connection.execute(_LATE_ANSWER, {"b_now": now}).first() is not None


def forget_answers(tx: Transaction, now: datetime) -> None:
    """Forget answers to what could not be accepted any more anyway."""
    tx.execute(_FORGET_ANSWERS, {"b_now": now})
