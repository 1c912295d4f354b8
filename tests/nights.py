"""A night between two contact points, and what is known of it: ladders, pages, entries of the log, tasks."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.app import App
from gateway.services.casework.followers import Added
from gateway.storage import audit, cases, paging
from gateway.storage.escalations import EscalationRow
from tests.ladders import find_ladder
from tests.world import Faults, World, sample_request

RO, US = "ro-diicot", "us-ccips"
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def night(
    folder: Path, *, level: str = "urgent", away: bool = False
) -> AsyncIterator[tuple[World, str]]:
    """A preservation request that Romania's duty officer sends at night; ``away``: every channel is dead."""
    async with World.create(folder, RO, US) as world:
        if away:
            world.faults[RO] = Faults(lose_request=10**6)
        form, documents = sample_request(3)
        form["urgency"]["level"] = level
        sent = await world.submit(RO, form, documents)
        await world.step()
        yield world, sent.bid


async def ladder(world: World, bid: str, of: str = RO) -> EscalationRow:
    row = await world[of].database.read(lambda c: find_ladder(c, (RO, bid, US)))
    assert row is not None
    return row


async def called(app: App, peer: str) -> set[tuple[str, str, str]]:
    """Return audience, reason and level of everything that is on an open page about a peer."""

    def query(connection: Any) -> set[tuple[str, str, str]]:
        found = set()
        for audience in ("duty", "backup", "shift_leader"):
            page = paging.open_page(connection, peer, audience)
            if page is not None:
                matters = paging.matters_of(connection, page.id)
                found |= {(audience, m.reason, page.level) for m in matters if m.settled_at is None}
        return found

    return await app.database.read(query)


async def entered(app: App, prefix: str) -> list[str]:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    bodies = [json.loads(row.body) for row in rows]
    said = [b for b in bodies if b["ev"].startswith(prefix)]
    return [
        b["ev"].partition(".")[2] + ":" + (b.get("stage") or b.get("code") or b.get("assurance") or "-")
        for b in said
    ]


async def codes(world: World, bid: str, of: str = RO) -> list[str]:
    return [task.code for task in (await world[of].cases.status(bid)).tasks]


async def answered(world: World, bid: str, assurance: str, *, of: str = RO) -> None:
    """Let the acknowledgement that is here count as if a person had vouched for it like this."""
    app = world[of]
    peer = US if of == RO else RO

    def query(connection: Any) -> tuple[cases.CaseRow | None, cases.MessageRow]:
        row = cases.find_message(connection, RO, bid)
        assert row is not None
        said = cases.messages_of(connection, row.thread_id, peer)
        return cases.find_case(connection, row.thread_id, peer), said[-1]

    case, row = await app.database.read(query)
    assert case is not None
    assert row.message_type == "preservation_acknowledgement"
    added = Added(
        case=case,
        row=replace(row, assurance=assurance),
        form={},
        is_ours=of == US,
        now=world.clock.now(),
    )
    await app.database.write(lambda tx: app.ladder._end(tx, added))
