"""One night on PostgreSQL: every statement of paging, roster and paths runs there too, with the same end."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.gateway.services.paging.contactpoint import OTHER, code_in, contact_point
from tests.postgres import postgresql_cluster, postgresql_template, postgresql_url

__all__ = ["postgresql_cluster", "postgresql_template", "postgresql_url"]

pytestmark = pytest.mark.slow
MINUTE = timedelta(minutes=1)


async def test_a_night_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    async with contact_point(tmp_path, url=postgresql_url) as point:
        await point.staff()
        await point.raise_()
        await point.raise_(bid="b" * 32)
        await point.look()
        await point.run_for(timedelta(minutes=6), step=MINUTE)
        assert (point.rung(), point.last().count) == (["duty", "backup"], 2)
        await point.pager.answer(code_in(point.last()))
        await point.settle()
        await point.settle(bid="b" * 32)
        assert await point.pager.waiting() == []
        await point.rosters.hand_over("us.duty", "nothing new")
        assert [note.text for note in await point.rosters.notes()] == ["nothing new"]
        # Tests of all paths fall due; nobody answers them.
        point.clock.at += timedelta(days=7)
        await point.run_for(timedelta(minutes=33), step=3 * MINUTE)
        assert all(path.silent_since for path in await point.paths.listed())
        for path in await point.paths.listed():
            await point.paths.remove(path.id, by="us.admin")
        await point.raise_(peer=OTHER, level="emergency")
        await point.look()
        assert "alarm-no-path" in await point.tasks()
        for turn in (await point.rosters.roster()).turns:
            await point.rosters.remove(turn.id, by="us.admin")
        point.clock.at -= timedelta(hours=3)
        await point.look()
        assert len(await point.pager.waiting()) == 2
