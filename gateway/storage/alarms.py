"""Alarm paths, the notices that were sent on them, and when the pager last looked."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.schema import alarm_beat, alarm_path, page_notice


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One path of one officer. Proved by a person's answer; silent since a test was not answered."""

    id: str
    officer: str
    kind: str
    target: str
    place: int
    added_at: datetime
    added_by: str
    tested_at: datetime | None = None
    proved_at: datetime | None = None
    silent_since: datetime | None = None
    next_action_at: datetime | None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """One path rung for one page, again and again under one code; a test of the path without a page."""

    id: str
    page_id: str | None
    path_id: str
    officer: str
    code_sha256: str
    ring: int
    tries: int
    code: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    next_action_at: datetime | None


_PATHS = (
    select(alarm_path)
    .where(alarm_path.c.removed_at.is_(None))
    .order_by(alarm_path.c.officer, alarm_path.c.place, alarm_path.c.id)
)
_PATH = select(alarm_path).where(alarm_path.c.id == bindparam("b_id"))
_TESTS_DUE = _PATHS.where(alarm_path.c.next_action_at <= bindparam("b_now"))
_END_PATH = (
    update(alarm_path)
    .where(alarm_path.c.id == bindparam("b_id"))
    .values(removed_at=bindparam("v_at"), next_action_at=bindparam("v_no"))
)
_TESTED = (
    update(alarm_path)
    .where(alarm_path.c.id == bindparam("b_id"))
    .values(tested_at=bindparam("v_at"), next_action_at=bindparam("v_next"))
)
_TEST_AT = (
    update(alarm_path).where(alarm_path.c.id == bindparam("b_id")).values(next_action_at=bindparam("v_next"))
)
_PROVED = (
    update(alarm_path)
    .where(alarm_path.c.id == bindparam("b_id"))
    .values(proved_at=bindparam("v_at"), silent_since=bindparam("v_no"), next_action_at=bindparam("v_next"))
)
_SILENT = (
    update(alarm_path).where(alarm_path.c.id == bindparam("b_id")).values(silent_since=bindparam("v_at"))
)
_OF_PAGE = select(page_notice).where(page_notice.c.page_id == bindparam("b_page"))
_BY_CODE = select(page_notice).where(page_notice.c.code_sha256 == bindparam("b_code"))
#: What is due, or due later than anything can be: the clock was set back.
_DUE = (
    select(page_notice)
    .where(
        or_(
            page_notice.c.next_action_at <= bindparam("b_now"),
            page_notice.c.next_action_at > bindparam("b_latest"),
        ),
        page_notice.c.ended_at.is_(None),
    )
    .order_by(page_notice.c.next_action_at, page_notice.c.id)
    .limit(100)
)
_TESTS_OF = select(page_notice).where(
    page_notice.c.path_id == bindparam("b_path"),
    page_notice.c.page_id.is_(None),
    page_notice.c.ended_at.is_(None),
)
_RING = (
    update(page_notice)
    .where(page_notice.c.id == bindparam("b_id"))
    .values(ring=bindparam("v_ring"), tries=0, next_action_at=bindparam("v_at"))
)
_SENT = (
    update(page_notice)
    .where(page_notice.c.id == bindparam("b_id"), page_notice.c.ended_at.is_(None))
    .values(
        sent_at=bindparam("v_at"),
        next_action_at=bindparam("v_next"),
        code=bindparam("v_no"),
        tries=page_notice.c.tries + 1,
    )
)
_FAILED = (
    update(page_notice)
    .where(page_notice.c.id == bindparam("b_id"), page_notice.c.ended_at.is_(None))
    .values(
        next_action_at=bindparam("v_next"),
        code=bindparam("v_code"),
        tries=page_notice.c.tries + 1,
    )
)
_ANSWERED = (
    update(page_notice)
    .where(page_notice.c.id == bindparam("b_id"))
    .values(answered_at=bindparam("v_at"), ended_at=bindparam("v_at"), next_action_at=bindparam("v_no"))
)
_END = (
    update(page_notice)
    .where(page_notice.c.id == bindparam("b_id"))
    .values(ended_at=bindparam("v_at"), next_action_at=bindparam("v_no"))
)
_END_OF_PAGE = (
    update(page_notice)
    .where(and_(page_notice.c.page_id == bindparam("b_page"), page_notice.c.ended_at.is_(None)))
    .values(ended_at=bindparam("v_at"), next_action_at=bindparam("v_no"))
)
_BEAT = select(alarm_beat.c.at).where(alarm_beat.c.name == bindparam("b_name"))
_SET_BEAT = update(alarm_beat).where(alarm_beat.c.name == bindparam("b_name")).values(at=bindparam("v_at"))


def add_path(tx: Transaction, row: PathRow) -> None:
    """Enter a path."""
    tx.insert(alarm_path, **{name: getattr(row, name) for name in PathRow.__dataclass_fields__})


def end_path(tx: Transaction, path_id: str, at: datetime) -> None:
    """Take a path away; that it was there stays."""
    tx.execute(_END_PATH, {"b_id": path_id, "v_at": at, "v_no": None})


def paths(connection: Connection) -> list[PathRow]:
    """Return the paths of everybody, by officer and in the order in which they ring."""
    return [PathRow(**row._mapping) for row in connection.execute(_PATHS)]


def find_path(connection: Connection, path_id: str) -> PathRow | None:
    """Return a path, also one that was taken away, or ``None``."""
    row = connection.execute(_PATH, {"b_id": path_id}).first()
    return None if row is None else PathRow(**row._mapping)


def paths_to_test(connection: Connection, now: datetime) -> list[PathRow]:
    """Return the paths whose next test is due."""
    return [PathRow(**row._mapping) for row in connection.execute(_TESTS_DUE, {"b_now": now})]


def set_tested(tx: Transaction, path_id: str, *, at: datetime, again_at: datetime) -> None:
    """Note that a test leaves on a path."""
    tx.execute(_TESTED, {"b_id": path_id, "v_at": at, "v_next": again_at})


def test_later(tx: Transaction, path_id: str, at: datetime) -> None:
    """Move the next test of a path."""
    tx.execute(_TEST_AT, {"b_id": path_id, "v_next": at})


def set_proved(tx: Transaction, path_id: str, *, at: datetime, again_at: datetime) -> None:
    """Note that a person answered what came by a path."""
    tx.execute(_PROVED, {"b_id": path_id, "v_at": at, "v_no": None, "v_next": again_at})


def set_silent(tx: Transaction, path_id: str, since: datetime) -> None:
    """Note that nobody answered a test of a path."""
    tx.execute(_SILENT, {"b_id": path_id, "v_at": since})


def add_notice(tx: Transaction, row: NoticeRow) -> None:
    """Enter a notice that is to leave."""
    tx.insert(page_notice, **{name: getattr(row, name) for name in NoticeRow.__dataclass_fields__})


def notices_of(connection: Connection, page_id: str) -> list[NoticeRow]:
    """Return every notice of a page."""
    return [NoticeRow(**row._mapping) for row in connection.execute(_OF_PAGE, {"b_page": page_id})]


def tests_of(connection: Connection, path_id: str) -> list[NoticeRow]:
    """Return the tests of a path that wait for an answer, or to leave."""
    return [NoticeRow(**row._mapping) for row in connection.execute(_TESTS_OF, {"b_path": path_id})]


def notice_by_code(connection: Connection, code_sha256: str) -> NoticeRow | None:
    """Return the notice that carried a code."""
    row = connection.execute(_BY_CODE, {"b_code": code_sha256}).first()
    return None if row is None else NoticeRow(**row._mapping)


def due_notices(connection: Connection, now: datetime, latest: datetime) -> list[NoticeRow]:
    """Return notices with something to do now, or later than ``latest``, when nothing can be due."""
    rows = connection.execute(_DUE, {"b_now": now, "b_latest": latest})
    return [NoticeRow(**row._mapping) for row in rows]


def ring_again(tx: Transaction, notice_id: str, *, ring: int, at: datetime) -> None:
    """Let a notice leave once more, as another ring."""
    tx.execute(_RING, {"b_id": notice_id, "v_ring": ring, "v_at": at})


def set_sent(tx: Transaction, notice_id: str, *, at: datetime, next_action_at: datetime | None) -> None:
    """Note that somebody else has the notice now; nothing if it was ended meanwhile."""
    tx.execute(_SENT, {"b_id": notice_id, "v_at": at, "v_next": next_action_at, "v_no": None})


def set_failed(tx: Transaction, notice_id: str, *, code: str, again_at: datetime) -> None:
    """Note that an attempt failed; nothing if the notice was ended meanwhile."""
    tx.execute(_FAILED, {"b_id": notice_id, "v_next": again_at, "v_code": code})


def set_answered(tx: Transaction, notice_id: str, at: datetime) -> None:
    """Note that a person answered a notice; its code is used up."""
    tx.execute(_ANSWERED, {"b_id": notice_id, "v_at": at, "v_no": None})


def end_notice(tx: Transaction, notice_id: str, at: datetime) -> None:
    """Note that nothing is to be done with a notice any more."""
    tx.execute(_END, {"b_id": notice_id, "v_at": at, "v_no": None})


def end_notices(tx: Transaction, page_id: str, at: datetime) -> None:
    """End every notice of a page that rings no more."""
    tx.execute(_END_OF_PAGE, {"b_page": page_id, "v_at": at, "v_no": None})


def beat(connection: Connection, name: str) -> datetime | None:
    """Return when something that must look regularly last did."""
    at: datetime | None = connection.execute(_BEAT, {"b_name": name}).scalar()
    return at


def set_beat(tx: Transaction, name: str, at: datetime) -> None:
    """Note that it looked."""
    if tx.execute(_SET_BEAT, {"b_name": name, "v_at": at}).rowcount == 0:
        tx.insert(alarm_beat, name=name, at=at)
