"""Settled pages are forgotten by the same look by the clock as everything else that ends by itself."""

from pathlib import Path

import pytest

from gateway.model.paging import PAGES_KEPT
from tests.gateway.storage.test_forgotten_pages import add, held
from tests.world import World

KE = "ke-ag"


@pytest.mark.slow
async def test_the_watch_forgets_what_was_settled_long_ago(tmp_path: Path) -> None:
    async with World.create(tmp_path, KE) as world:
        app, long_ago = world[KE], world.clock.now() - PAGES_KEPT
        await app.database.write(lambda tx: add(tx, 1, settled=long_ago))
        await app.database.write(lambda tx: add(tx, 2, settled=world.clock.now()))
        await app.watch.look()
        assert await app.database.read(held) == ({2}, 1, 1)
