"""What is looked for again and again is found by an index, however many requests are stored."""

from typing import Any

import pytest
from sqlalchemy import text

from gateway.storage import bundles, escalations, paging
from gateway.storage.database import Database, Transaction
from tests.gateway.storage.test_queue import HISTORY, plan
from tests.world import START

pytestmark = pytest.mark.slow

FILL = (
    "INSERT INTO bundle (sender, bid, direction, state, rev, envelope_sha256, manifest_sha256, lane,"
    " size_bytes, created_at, expires_at, stored_at) {numbers} SELECT 'ke-ag', CAST(n AS TEXT), 'in',"
    " CASE WHEN n > 3 THEN 'released' ELSE 'relayed' END, 0, 'a', 'b', 'routine', 1, 0, 0, 0 FROM g",
    "INSERT INTO escalation (sender, bid, to_aid, side, level, awaits, thread_id, seq, stage, stage_at,"
    " started_at, next_action_at, stopped_at, stopped_by) {numbers} SELECT 'ke-ag', CAST(n AS TEXT),"
    " 'sg-agc', 'out', 'urgent', 'person', CAST(n AS TEXT), 1, 'waiting', n, n,"
    " CASE WHEN n > 3 THEN NULL ELSE n END,"
    " CASE WHEN n > 3 THEN n ELSE NULL END, CASE WHEN n > 3 THEN 'x' ELSE NULL END FROM g",
    "INSERT INTO page_matter (id, page_id, reason, peer, sender, bid, raised_at, settled_at) {numbers}"
    " SELECT CAST(n AS TEXT), 'p', 'arrived', 'ke-ag', 'ke-ag', CAST(n AS TEXT), n, NULL FROM g",
)


async def test_what_the_urgent_lane_looks_for_stays_on_its_index(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        numbers = HISTORY[database.dialect].format(rows=20_000)
        for statement in FILL:
            if database.dialect == "sqlite":
                statement = numbers + " " + statement.replace("{numbers}", "")
            tx.execute(text(statement.format(numbers=numbers)))
        tx.execute(text("ANALYZE"))

    await database.write(fill)
    key = {"b_sender": "ke-ag", "b_bid": "7", "b_to": "sg-agc", "b_peer": "ke-ag"}
    looks: list[tuple[Any, dict[str, Any], str]] = [
        (bundles._RELAYED, {}, "ix_bundle_relayed"),
        (escalations._DUE.limit(5), {"b_now": START}, "ix_escalation_due"),
        (escalations._NEXT, {}, "ix_escalation_due"),
        (escalations._OPEN.where(escalations.escalation.c.thread_id == "7"), {}, "ix_escalation_thread"),
        (escalations._LOCK, key, ""),
        (paging._OF_BUNDLE, key, "ix_page_matter_bundle"),
    ]
    for statement, values, index in looks:
        found = await database.read(lambda c, s=statement, v=values: plan(c, s, v))  # type: ignore[misc]
        assert index in found, found
        assert "SCAN bundle" not in found, found
        assert "SCAN escalation USING INDEX" not in found, found
        assert "Seq Scan" not in found, found
    assert len(await database.read(bundles.relayed)) == 3
