"""Pages and what they are about: one open page for each peer and audience, and the matters on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, func, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.schema import page, page_matter, page_notice


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """What a person is called for. Open while neither acknowledged nor settled."""

    id: str
    peer: str
    audience: str
    kind: str
    level: str
    raised_at: datetime
    next_action_at: datetime | None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    settled_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it goes on ringing."""
        return self.acknowledged_at is None and self.settled_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterRow:
    """One thing a page is about; never shown to a path."""

    id: str
    page_id: str
    reason: str
    peer: str
    sender: str | None
    bid: str | None
    thread_id: str | None
    raised_at: datetime
    settled_at: datetime | None = None


_PAGE = tuple(column.name for column in page.columns)
_MATTER = tuple(column.name for column in page_matter.columns)
_IS_OPEN = and_(page.c.acknowledged_at.is_(None), page.c.settled_at.is_(None))
_BY_ID = select(page).where(page.c.id == bindparam("b_id"))
_OPEN_OF = select(page).where(
    page.c.peer == bindparam("b_peer"),
    page.c.audience == bindparam("b_audience"),
    page.c.kind == bindparam("b_kind"),
    _IS_OPEN,
)
_ANSWERED = (
    select(page)
    .where(
        page.c.peer == bindparam("b_peer"),
        page.c.audience == bindparam("b_audience"),
        page.c.kind == bindparam("b_kind"),
        page.c.acknowledged_at > bindparam("b_since"),
    )
    .order_by(page.c.acknowledged_at.desc())
    .limit(20)
)
#: What is due, or due later than anything can be: the clock was set back.
_DUE = (
    select(page)
    .where(
        or_(page.c.next_action_at <= bindparam("b_now"), page.c.next_action_at > bindparam("b_latest")),
        _IS_OPEN,
    )
    .order_by(page.c.next_action_at)
    .limit(100)
)
_WAITING = (
    select(page)
    .where(page.c.settled_at.is_(None))
    .order_by(page.c.acknowledged_at.is_not(None), page.c.raised_at, page.c.id)
    .limit(500)
)
# Of one bundle: a flood of others on the same page must not be read for each of them.
_OF_BUNDLE = select(page_matter).where(
    page_matter.c.bid == bindparam("b_bid"),
    page_matter.c.sender == bindparam("b_sender"),
    page_matter.c.peer == bindparam("b_peer"),
    page_matter.c.settled_at.is_(None),
)
_LEFT = (
    select(page_matter.c.id)
    .where(page_matter.c.page_id == bindparam("b_page"), page_matter.c.settled_at.is_(None))
    .limit(bindparam("b_limit"))
)
_MATTERS = select(page_matter).where(page_matter.c.page_id == bindparam("b_page"))
_OPEN_MATTERS = (
    select(page_matter)
    .where(page_matter.c.peer == bindparam("b_peer"), page_matter.c.settled_at.is_(None))
    .order_by(page_matter.c.raised_at, page_matter.c.id)
)
_COUNT = (
    select(func.count())
    .select_from(page_matter)
    .where(page_matter.c.page_id == bindparam("b_page"), page_matter.c.settled_at.is_(None))
)
_RAISE = (
    update(page)
    .where(page.c.id == bindparam("b_id"))
    .values(level=bindparam("v_level"), next_action_at=bindparam("v_at"))
)
_CLIMB = update(page).where(page.c.id == bindparam("b_id")).values(next_action_at=bindparam("v_at"))
_ACKNOWLEDGE = (
    update(page)
    .where(page.c.id == bindparam("b_id"))
    .values(
        acknowledged_at=bindparam("v_at"), acknowledged_by=bindparam("v_by"), next_action_at=bindparam("v_no")
    )
)
_SETTLE = (
    update(page)
    .where(page.c.id == bindparam("b_id"))
    .values(settled_at=bindparam("v_at"), next_action_at=bindparam("v_no"))
)
_SETTLE_MATTER = (
    update(page_matter).where(page_matter.c.id == bindparam("b_id")).values(settled_at=bindparam("v_at"))
)

# Parts before the page, so that none is left without one, however many of them a flood brought.
_OLD = select(page.c.id).where(page.c.settled_at <= bindparam("b_before"))
_OLD_NOTICE = or_(
    page_notice.c.page_id.in_(_OLD),
    and_(page_notice.c.page_id.is_(None), page_notice.c.ended_at <= bindparam("b_before")),
)
_FORGET = tuple(
    delete(table).where(table.c.id.in_(select(table.c.id).where(old).limit(bindparam("b_limit"))))
    for table, old in (
        (page_matter, page_matter.c.page_id.in_(_OLD)),
        (page_notice, _OLD_NOTICE),
        (
            page,
            and_(
                page.c.settled_at <= bindparam("b_before"),
                ~exists().where(page_matter.c.page_id == page.c.id),
                ~exists().where(page_notice.c.page_id == page.c.id),
            ),
        ),
    )
)


def add_page(tx: Transaction, row: PageRow) -> None:
    """Add a page."""
    tx.insert(page, **{name: getattr(row, name) for name in PageRow.__dataclass_fields__})


def add_matter(tx: Transaction, row: MatterRow) -> None:
    """Add one thing to a page."""
    tx.insert(page_matter, **{name: getattr(row, name) for name in MatterRow.__dataclass_fields__})


def find_page(connection: Connection, page_id: str) -> PageRow | None:
    """Return a page or ``None``."""
    row = connection.execute(_BY_ID, {"b_id": page_id}).first()
    return None if row is None else _page(row)


def open_page(connection: Connection, peer: str, audience: str, kind: str = "page") -> PageRow | None:
    """Return the page, or the drill, that rings for this peer and audience, if any."""
    rows = fetch(connection, _OPEN_OF, {"b_peer": peer, "b_audience": audience, "b_kind": kind})
    return PageRow(**dict(zip(_PAGE, rows[0], strict=True))) if rows else None


def answered_since(
    connection: Connection, peer: str, audience: str, kind: str, since: datetime
) -> list[PageRow]:
    """Return the pages of this kind about a peer that a person acknowledged after ``since``, newest first."""
    wanted = {"b_peer": peer, "b_audience": audience, "b_kind": kind, "b_since": since}
    rows = connection.execute(_ANSWERED, wanted)
    return [_page(row) for row in rows]


def due_pages(connection: Connection, now: datetime, latest: datetime) -> list[PageRow]:
    """Return pages whose next rung is due, or later than ``latest``; the longest due first, at most 100."""
    return [_page(row) for row in connection.execute(_DUE, {"b_now": now, "b_latest": latest})]


def waiting_pages(connection: Connection) -> list[PageRow]:
    """Return pages that are not settled, at most 500: those that ring first, each part oldest first."""
    return [_page(row) for row in connection.execute(_WAITING)]


def matters_of(connection: Connection, page_id: str) -> list[MatterRow]:
    """Return everything a page is or was about."""
    return [MatterRow(**row._mapping) for row in connection.execute(_MATTERS, {"b_page": page_id})]


def open_matters(connection: Connection, peer: str) -> list[MatterRow]:
    """Return what waits for a person about one peer, on whatever page."""
    return [MatterRow(**row._mapping) for row in connection.execute(_OPEN_MATTERS, {"b_peer": peer})]


def open_matters_of(connection: Connection, peer: str, subject: tuple[str, str]) -> list[MatterRow]:
    """Return what waits for a person about one bundle, on whatever page."""
    about = {"b_peer": peer, "b_sender": subject[0], "b_bid": subject[1]}
    return [MatterRow(**dict(zip(_MATTER, row, strict=True))) for row in fetch(connection, _OF_BUNDLE, about)]


def has_others(connection: Connection, page_id: str, matters: frozenset[str]) -> bool:
    """Tell whether anything but these waits on a page."""
    found = connection.scalars(_LEFT, {"b_page": page_id, "b_limit": len(matters) + 1})
    return not matters.issuperset(found)


def count_matters(connection: Connection, page_id: str) -> int:
    """Return how many things of a page still wait."""
    return connection.execute(_COUNT, {"b_page": page_id}).scalar_one()


def raise_level(tx: Transaction, page_id: str, *, level: str, at: datetime) -> None:
    """Lift an open page to a level and let it ring at ``at``."""
    tx.later(_RAISE, b_id=page_id, v_level=level, v_at=at)


def ring_at(tx: Transaction, page_id: str, at: datetime) -> None:
    """Write when the next rung of an open page is taken."""
    tx.later(_CLIMB, b_id=page_id, v_at=at)


def acknowledge_page(tx: Transaction, page_id: str, *, officer: str, at: datetime) -> None:
    """Note that a person has taken a page; it rings no more."""
    tx.later(_ACKNOWLEDGE, b_id=page_id, v_at=at, v_by=officer, v_no=None)


def settle_page(tx: Transaction, page_id: str, at: datetime) -> None:
    """Note that nothing of a page waits any more."""
    tx.later(_SETTLE, b_id=page_id, v_at=at, v_no=None)


def settle_matter(tx: Transaction, matter_id: str, at: datetime) -> None:
    """Note that one thing waits for nobody any more."""
    tx.later(_SETTLE_MATTER, b_id=matter_id, v_at=at)


def forget_pages(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete settled pages with all their parts, and ended tests of paths, that ended by ``before``.

    At most ``limit`` rows of each table; return how many rows went. A page goes after its last part.
    """
    return sum(tx.execute(each, {"b_before": before, "b_limit": limit}).rowcount for each in _FORGET)


def _page(row: Row[Any]) -> PageRow:
    return PageRow(**row._mapping)
