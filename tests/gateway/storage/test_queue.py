"""Claims, leases and waking, on both engines; and that they stay cheap with a long history."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, Update, select, text

from gateway.storage import queue
from gateway.storage.database import Database, Transaction
from gateway.storage.queue import (
    LeaseLost,
    claim_pushes,
    claim_transmissions,
    hold_push,
    hold_transmission,
    is_push_due,
    wake_peer,
)
from gateway.storage.schema import receipt_push, revocation_push, transmission
from tests.postgres import Cluster

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=2)


def queued(bid: str, **changes: Any) -> dict[str, Any]:
    return {
        "sender": "ke-ag",
        "bid": bid,
        "to_aid": "gh-ag",
        "state": "QUEUED",
        "lane": "routine",
        "channel": None,
        "attempts": 0,
        "repeats": 0,
        "last_code": None,
        "next_action": "attempt",
        "next_action_at": NOW,
        "lease_owner": None,
        "lease_until": None,
        "outbox_no": None,
        "owner": None,
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=14),
        "changed_at": NOW,
        **changes,
    }


def pending(sha256: str, **changes: Any) -> dict[str, Any]:
    return {
        "jws_sha256": sha256,
        "to_aid": "gh-ag",
        "state": "pending",
        "lane": "routine",
        "attempts": 0,
        "next_action_at": NOW,
        **changes,
    }


async def add(database: Database, *rows: dict[str, Any]) -> None:
    def unit(tx: Transaction) -> None:
        for row in rows:
            tx.insert(transmission if "bid" in row else receipt_push, **row)

    await database.write(unit)


async def claim(
    database: Database, *, at: datetime = NOW, lane: str = "routine", limit: int = 10, worker: str = "w"
) -> list[str]:
    rows = await database.write(
        lambda tx: claim_transmissions(tx, lane=lane, now=at, until=at + LEASE, worker=worker, limit=limit)
    )
    return [row.bid for row in rows]


async def test_the_longest_due_comes_first_and_only_as_many_as_asked(database: Database) -> None:
    rows = [queued(str(n), next_action_at=NOW - timedelta(minutes=n)) for n in (2, 5, 1, 4, 3)]
    await add(database, *rows, queued("future", next_action_at=NOW + timedelta(seconds=1)))
    assert await claim(database, limit=3) == ["5", "4", "3"]
    assert await claim(database) == ["2", "1"]
    assert await claim(database) == []


async def test_a_lane_sees_only_its_own(database: Database) -> None:
    await add(database, queued("r"), queued("u", lane="urgent"))
    assert await claim(database, lane="urgent") == ["u"]
    assert await claim(database, lane="urgent") == []


@pytest.mark.parametrize("state", ["DISPATCHED", "CONSIGNED", "FAILED"])
async def test_what_is_not_queued_is_not_claimed(database: Database, state: str) -> None:
    await add(database, queued("a", state=state, owner="clerk"))
    assert await claim(database) == []


async def test_a_claim_is_in_the_row_as_it_was_returned(database: Database) -> None:
    await add(database, queued("a"))
    (row,) = await database.write(
        lambda tx: claim_transmissions(
            tx,
            lane="routine",
            now=NOW,
            until=NOW + LEASE,
            worker="a-very-long-worker-name-of-a-host",
            limit=1,
        )
    )
    assert row.lease_until == row.next_action_at == NOW + LEASE
    assert row.lease_owner is not None
    assert len(row.lease_owner) <= 40
    stored = await database.read(lambda c: c.execute(select(transmission)).one())
    assert stored._mapping == {name: getattr(row, name) for name in stored._fields}


async def test_a_row_born_leased_is_left_to_its_maker_until_the_lease_ends(database: Database) -> None:
    await add(database, queued("a", lease_owner="maker", lease_until=NOW + LEASE))
    assert await claim(database) == []
    assert await claim(database, at=NOW + LEASE) == ["a"]


async def test_a_dead_workers_row_falls_due_by_itself(database: Database) -> None:
    await add(database, queued("a"))
    assert await claim(database) == ["a"]
    assert await claim(database, at=NOW + LEASE - timedelta(milliseconds=1)) == []
    assert await claim(database, at=NOW + LEASE) == ["a"]


async def test_a_worker_thought_dead_cannot_record_anything(database: Database) -> None:
    await add(database, queued("a"))

    def take(at: datetime) -> Any:
        return lambda tx: claim_transmissions(
            tx, lane="routine", now=at, until=at + LEASE, worker="same-name", limit=1
        )

    (first,) = await database.write(take(NOW))
    (second,) = await database.write(take(NOW + LEASE))

    def record(owner: str) -> Any:
        def unit(tx: Transaction) -> None:
            hold_transmission(tx, sender="ke-ag", bid="a", to_aid="gh-ag", lease_owner=owner)
            tx.execute(text("UPDATE transmission SET attempts = attempts + 1"))

        return unit

    with pytest.raises(LeaseLost):
        await database.write(record(first.lease_owner))
    assert await database.read(lambda c: c.scalar(select(transmission.c.attempts))) == 0
    await database.write(record(second.lease_owner))
    assert await database.read(lambda c: c.scalar(select(transmission.c.attempts))) == 1


async def test_a_lease_can_be_extended_by_its_owner_only(database: Database) -> None:
    await add(database, queued("a"))
    (row,) = await database.write(
        lambda tx: claim_transmissions(tx, lane="routine", now=NOW, until=NOW + LEASE, worker="w", limit=1)
    )

    def extend(owner: str) -> Any:
        return lambda tx: hold_transmission(
            tx, sender="ke-ag", bid="a", to_aid="gh-ag", lease_owner=owner, until=NOW + 2 * LEASE
        )

    with pytest.raises(LeaseLost):
        await database.write(extend("somebody"))
    await database.write(extend(row.lease_owner or ""))
    assert await claim(database, at=NOW + LEASE) == []
    assert await claim(database, at=NOW + 2 * LEASE) == ["a"]


async def test_a_vanished_row_is_a_lost_lease(database: Database) -> None:
    with pytest.raises(LeaseLost):
        await database.write(
            lambda tx: hold_transmission(tx, sender="ke-ag", bid="a", to_aid="gh-ag", lease_owner="w")
        )


async def test_a_lease_must_end_after_it_begins(database: Database) -> None:
    with pytest.raises(ValueError, match="end after"):
        await database.write(
            lambda tx: claim_transmissions(tx, lane="routine", now=NOW, until=NOW, worker="w", limit=1)
        )


async def test_pushes_are_claimed_and_held_like_transmissions(database: Database) -> None:
    await add(
        database, pending("a"), pending("b", lane="urgent"), pending("c", state="done", next_action_at=None)
    )

    def take(at: datetime) -> Any:
        return lambda tx: claim_pushes(tx, lane="routine", now=at, until=at + LEASE, worker="w", limit=9)

    (first,) = await database.write(take(NOW))
    assert (first.jws_sha256, first.to_aid, first.attempts) == ("a", "gh-ag", 0)
    assert await database.write(take(NOW)) == []
    (second,) = await database.write(take(NOW + LEASE))
    with pytest.raises(LeaseLost):
        await database.write(lambda tx: hold_push(tx, jws_sha256="a", lease_owner=first.lease_owner))
    await database.write(lambda tx: hold_push(tx, jws_sha256="a", lease_owner=second.lease_owner))


async def test_hearing_of_a_peer_wakes_all_that_waits_for_it_and_nothing_else(database: Database) -> None:
    later = NOW + timedelta(hours=5)
    await add(
        database,
        queued("waits", next_action_at=later),
        queued("other", next_action_at=later, to_aid="br-mj"),
        queued("leased", next_action_at=NOW + LEASE, lease_owner="w", lease_until=NOW + LEASE),
        queued("done", state="CONSIGNED", next_action_at=later),
        pending("p", next_action_at=later),
    )
    assert await database.write(lambda tx: wake_peer(tx, "gh-ag", NOW)) == 2
    assert await claim(database) == ["waits"]
    assert await database.write(lambda tx: wake_peer(tx, "gh-ag", NOW)) == 0


async def test_a_push_is_due_from_its_instant_on_and_in_its_lane_only(database: Database) -> None:
    await add(database, pending("p", next_action_at=NOW + timedelta(hours=1)))
    assert not await database.read(lambda c: is_push_due(c, "routine", NOW))
    assert await database.read(lambda c: is_push_due(c, "routine", NOW + timedelta(hours=1)))
    assert not await database.read(lambda c: is_push_due(c, "urgent", NOW + timedelta(hours=1)))


async def test_many_claimers_never_share_a_row(database_url: str) -> None:
    databases = [await Database.open(database_url) for _ in range(3)]
    await add(databases[0], *(queued(f"{n:03}") for n in range(60)))
    claims = [claim(database, limit=2, worker=str(n)) for n, database in enumerate(databases * 12)]
    taken = [bid for bids in await asyncio.gather(*claims) for bid in bids]
    assert len(taken) == len(set(taken)) == 60
    for database in databases:
        await database.aclose()


async def test_a_claim_passes_over_what_another_claimer_holds(
    postgresql_url: str, postgresql_cluster: Cluster
) -> None:
    database = await Database.open(postgresql_url)
    await add(database, queued("a", next_action_at=NOW - LEASE), queued("b"))
    name = postgresql_url.split("/@/")[-1].split("@/")[-1].split("?")[0]
    other = await asyncpg.connect(host=str(postgresql_cluster.folder), user="tests", database=name)
    async with other.transaction():
        await other.execute("SELECT * FROM transmission WHERE bid = 'a' FOR UPDATE")
        assert await claim(database) == ["b"]
    await other.close()
    await database.aclose()


HISTORY = {
    "sqlite": "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows})",
    "postgresql": "WITH g AS (SELECT generate_series(1, {rows}) AS n)",
}
FILL = {
    "transmission": "INSERT INTO transmission (sender, bid, to_aid, state, lane, attempts, repeats,"
    " next_action, next_action_at, created_at, expires_at, changed_at) {numbers} SELECT 'ke-ag',"
    " CAST(n AS TEXT), CASE n % 3 WHEN 0 THEN 'gh-ag' ELSE 'br-mj' END,"
    " CASE WHEN n > {open} THEN 'CONSIGNED' ELSE 'QUEUED' END,"
    " CASE n % 9 WHEN 0 THEN 'urgent' ELSE 'routine' END, 0, 0, 'attempt', n * 1000, 0, 0, 0 FROM g",
    "receipt_push": "INSERT INTO receipt_push (jws_sha256, to_aid, state, lane, attempts, next_action_at)"
    " {numbers} SELECT CAST(n AS TEXT), CASE n % 3 WHEN 0 THEN 'gh-ag' ELSE 'br-mj' END,"
    " CASE WHEN n > {open} THEN 'done' ELSE 'pending' END,"
    " CASE n % 9 WHEN 0 THEN 'urgent' ELSE 'routine' END, 0, n * 1000 FROM g",
    "revocation_push": "INSERT INTO revocation_push (aid, kid, to_aid, state, lane, attempts, next_action_at)"
    " {numbers} SELECT CAST(n AS TEXT), 'key', CASE n % 3 WHEN 0 THEN 'gh-ag' ELSE 'br-mj' END,"
    " CASE WHEN n > {open} THEN 'done' ELSE 'pending' END, 'routine', 0, n * 1000 FROM g",
}


def plan(connection: Connection, statement: Any, values: dict[str, Any]) -> str:
    if isinstance(statement, Update):
        # An UPDATE looks for its rows as a SELECT does, and that can be compiled with its values.
        statement = select(statement.table).where(statement.whereclause)  # type: ignore[arg-type]
    compiled = statement.params(values).compile(connection, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + str(compiled)))


@pytest.mark.slow
@pytest.mark.parametrize("still_open", [200, 20_000], ids=["few among history", "all pending"])
async def test_claims_stay_on_their_index_however_long_the_history(
    database: Database, still_open: int
) -> None:
    def fill(tx: Transaction) -> None:
        numbers = HISTORY[database.dialect].format(rows=20_000)
        for statement in FILL.values():
            if database.dialect == "sqlite":
                statement = numbers + " " + statement.replace("{numbers}", "")
            tx.execute(text(statement.format(numbers=numbers, open=still_open)))
        tx.execute(text("ANALYZE"))

    await database.write(fill)
    waiting = ((transmission, "QUEUED"), (receipt_push, "pending"), (revocation_push, "pending"))
    for table, state in waiting:
        values = {"b_state": state, "b_lane": "routine", "b_now": NOW, "b_limit": 4, "b_to": "gh-ag"}
        for statement in (queue.DUE[table], *([queue.NEXT_PUSH] if table is receipt_push else [])):
            found = await database.read(lambda c, s=statement, v=values: plan(c, s, v))  # type: ignore[misc]
            assert f"ix_{table.name}_due" in found, found
            assert "TEMP B-TREE" not in found, found
            assert "Sort" not in found, found
            assert "SCAN" not in found, found
            assert "Seq Scan" not in found, found
    if still_open < 20_000:
        for statement in (queue.WAKE_TRANSMISSIONS, queue.WAKE_PUSHES, queue.WAKE_NOTICES):
            found = await database.read(lambda c, s=statement, v=values: plan(c, s, v))  # type: ignore[misc]
            assert "SCAN" not in found, found
            assert "Seq Scan" not in found, found
