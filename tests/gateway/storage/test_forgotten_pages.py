"""Settled pages are forgotten some time after they ended, on both engines, in small batches."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from gateway.model.paging import PAGES_KEPT
from gateway.services.paging import keeping
from gateway.services.paging.keeping import PageKeeping
from gateway.storage import alarms, paging
from gateway.storage.alarms import NoticeRow
from gateway.storage.database import Database, Transaction
from gateway.storage.paging import MatterRow, PageRow
from gateway.storage.schema import page, page_matter, page_notice

NOW = datetime(2026, 11, 21, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def add(tx: Transaction, number: int, *, settled: datetime | None, matters: int = 1, **changes: Any) -> str:
    """Add a page with matters and one ring."""
    page_id = f"{number:032x}"
    row = PageRow(
        id=page_id,
        peer="ro-dcc",
        audience="duty",
        kind="page",
        level="urgent",
        raised_at=NOW - 2 * PAGES_KEPT,
        next_action_at=None if settled or changes else NOW,
        settled_at=settled,
        **changes,
    )
    paging.add_page(tx, row)
    for _ in range(matters):
        matter = MatterRow(
            id=secrets.token_hex(16),
            page_id=page_id,
            reason="arrived",
            peer="ro-dcc",
            sender="ro-dcc",
            bid="a" * 32,
            thread_id=None,
            raised_at=row.raised_at,
            settled_at=settled,
        )
        paging.add_matter(tx, matter)
    add_notice(tx, page_id, ended=settled)
    return page_id


def add_notice(tx: Transaction, page_id: str | None, *, ended: datetime | None) -> None:
    """Add a ring of a page, or a test of a path."""
    notice = NoticeRow(
        id=secrets.token_hex(16),
        page_id=page_id,
        path_id="f" * 32,
        officer="us.duty",
        code_sha256=secrets.token_hex(32),
        ring=1,
        tries=1,
        code=None,
        created_at=NOW - 2 * PAGES_KEPT,
        sent_at=NOW - 2 * PAGES_KEPT,
        answered_at=None,
        ended_at=ended,
        next_action_at=None,
    )
    alarms.add_notice(tx, notice)


def held(connection: Connection) -> tuple[set[int], int, int]:
    """Return the pages that are there, and how many matters and notices."""
    pages = {int(each, 16) for each in connection.scalars(select(page.c.id))}
    counts = [connection.scalar(select(func.count()).select_from(t)) or 0 for t in (page_matter, page_notice)]
    return pages, counts[0], counts[1]


async def test_what_was_settled_long_ago_goes_and_everything_else_stays(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        add(tx, 1, settled=NOW - PAGES_KEPT)
        add(tx, 2, settled=NOW - PAGES_KEPT + timedelta(seconds=1))
        add(tx, 3, settled=None)
        add(tx, 4, settled=None, acknowledged_at=NOW - 2 * PAGES_KEPT, acknowledged_by="us.duty")
        # An officer was rung for it in vain, long ago; the page is still there for the next.
        add_notice(tx, f"{4:032x}", ended=NOW - 2 * PAGES_KEPT)
        add_notice(tx, None, ended=NOW - PAGES_KEPT)
        add_notice(tx, None, ended=NOW - PAGES_KEPT + DAY)
        add_notice(tx, None, ended=None)

    await database.write(fill)
    kept = PageKeeping(database=database)
    assert await kept.look(NOW) == 4
    assert await database.read(held) == ({2, 3, 4}, 3, 6), "what somebody waits for is never forgotten"
    assert await kept.look(NOW + DAY - timedelta(seconds=1)) == 0, "once a day"
    assert await kept.look(NOW + DAY) == 4
    assert await database.read(held) == ({3, 4}, 2, 4)


async def test_a_flood_goes_in_small_transactions_and_no_part_is_left_without_its_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(lambda tx: add(tx, 1, settled=NOW - PAGES_KEPT, matters=25))
    batches: list[int] = []
    plain = paging.forget_pages

    def counted(tx: Transaction, before: datetime, limit: int) -> int:
        rows = plain(tx, before, limit)
        pages, matters, notices = held(tx.connection)
        assert pages or not (matters or notices)
        batches.append(rows)
        return rows

    monkeypatch.setattr(keeping, "_BATCH", 10)
    monkeypatch.setattr(keeping.paging, "forget_pages", counted)
    assert await PageKeeping(database=database).look(NOW) == 27
    assert batches == [11, 10, 6, 0]
    assert await database.read(held) == (set(), 0, 0)


async def test_a_page_that_rang_often_goes_after_its_last_ring(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(tx: Transaction) -> None:
        page_id = add(tx, 1, settled=NOW - PAGES_KEPT)
        for _ in range(5):
            add_notice(tx, page_id, ended=NOW - PAGES_KEPT)

    await database.write(fill)
    for pages, notices in (({1}, 4), ({1}, 2), (set(), 0)):
        await database.write(lambda tx: paging.forget_pages(tx, NOW - PAGES_KEPT, 2))
        assert await database.read(held) == (pages, 0, notices)


async def test_one_look_has_an_end_and_the_rest_goes_at_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(lambda tx: [add(tx, n, settled=NOW - PAGES_KEPT - 2 * DAY) for n in range(5)])
    monkeypatch.setattr(keeping, "_BATCH", 1)
    monkeypatch.setattr(keeping, "_BATCHES", 2)
    kept = PageKeeping(database=database)
    assert await kept.look(NOW) == 6
    assert len((await database.read(held))[0]) == 3
    assert await kept.look(NOW - DAY) == 6, "a clock that was set back stops nothing"
