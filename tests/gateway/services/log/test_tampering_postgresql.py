"""Somebody with the PostgreSQL server in hands: each kind of change is found there as it is on SQLite."""

import asyncio
import json
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.cli import main
from gateway.model.audit import PendingAuditEntry
from gateway.storage.engines import parse_url
from tests.gateway.services.test_long_ways import on_postgresql
from tests.postgres import SUPERUSER, Cluster, postgresql_cluster
from tests.world import World, sample_request

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"
#: One byte of a value more by one (so never the same), or a row gone; what is named afterwards.
BYTES = (
    ("audit_leaf", "leaf", "idx = 17", 17),
    ("audit_body", "salt", "idx = 0", 0),
    ("audit_body", "body", "idx = 256", 256),
    ("audit_tile", "hashes", "level = 0 AND n = 0", 0),
)


async def entries(world: World, count: int) -> int:
    """Add entries, wait for a head over them, and return the size of the log."""
    app = world[SG]
    pending = [
        PendingAuditEntry(event="service.started", body={"version": "0"}, at=world.clock.now())
        for _ in range(count)
    ]
    written = await app.database.write(lambda tx: [tx.audit(one) for one in pending])
    assert app.sequencer is not None
    await app.sequencer.proof(written[-1].index, 20)
    return written[-1].index + 1


async def verified(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """Run ``rogatory audit verify`` as the gateway's own role."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["--home", str(home), "audit", "verify", "--json"])
    return code, json.loads(capsys.readouterr().out)


async def test_what_the_owner_of_the_server_changes_is_found_and_named(
    tmp_path: Path, postgresql_cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        on_postgresql(tmp_path, postgresql_cluster, KE, SG) as world,
        AsyncExitStack() as afterwards,
    ):
        form, documents = sample_request(1, size=100)
        await world.submit(KE, form, documents)
        await world.run()
        size = await entries(world, 300)
        home, url = world[SG].home.root, parse_url(world[SG].settings.database.url)
        name = str(url.database)
        await world.close(SG)
        yesterday = f"t{secrets.token_hex(8)}"
        await postgresql_cluster.run(f"CREATE DATABASE {yesterday} TEMPLATE {name}")
        afterwards.push_async_callback(postgresql_cluster.run, f"DROP DATABASE IF EXISTS {yesterday}")
        await world.open(SG)
        newest = await entries(world, 5)
        assert newest > size > 256
        await world.close(SG)
        code, answer = await verified(home, capsys)
        assert (code, answer["verified"], answer["size"] >= newest) == (0, True, True)

        owner = await asyncpg.connect(host=str(postgresql_cluster.folder), user=SUPERUSER, database=name)
        for table in ("audit_leaf", "audit_body", "audit_tile", "audit_checkpoint"):
            # The gateway's role cannot; who owns the server can.
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for table, column, where, named in BYTES:
            value = await owner.fetchval(f"SELECT {column} FROM {table} WHERE {where}")
            changed = bytes([value[0] ^ 1]) + value[1:]
            await owner.execute(f"UPDATE {table} SET {column} = $1 WHERE {where}", changed)
            code, answer = await verified(home, capsys)
            assert (code, answer["verified"]) == (1, False), table
            assert named in {fault["index"] for fault in answer["faults"]}, table
            await owner.execute(f"UPDATE {table} SET {column} = $1 WHERE {where}", value)

        first = await owner.fetchrow("SELECT size, note FROM audit_checkpoint ORDER BY size LIMIT 1")
        await owner.execute("UPDATE audit_checkpoint SET note = $1 WHERE size = $2", "x" + first[1], first[0])
        code, answer = await verified(home, capsys)
        assert code == 1
        assert any(str(first[0]) in fault["sentence"] for fault in answer["faults"])
        await owner.execute("UPDATE audit_checkpoint SET note = $1 WHERE size = $2", first[1], first[0])

        assert (await verified(home, capsys))[0] == 0, "everything is as it was"
        await owner.execute("DELETE FROM audit_leaf WHERE idx = 30")
        code, answer = await verified(home, capsys)
        assert (code, 30 in {fault["index"] for fault in answer["faults"]}) == (1, True)
        await owner.close()

        await postgresql_cluster.run(
            f"DROP DATABASE {name} WITH (FORCE)", f"ALTER DATABASE {yesterday} RENAME TO {name}"
        )
        code, answer = await verified(home, capsys)
        assert code == 1
        assert "went back" in answer["faults"][0]["sentence"]
