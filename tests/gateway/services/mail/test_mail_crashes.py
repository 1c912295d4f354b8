"""The crash table's rows about mail (docs/crash-table.md): every COMMIT between mail and receipt fails.

A bundle in three mails is taken, and its receipt comes back. Each COMMIT of either side in between fails in
turn, or is kept and reported failed; the process is lost and started again, and mails that were not marked
done come again. Whatever the row, the end is the same.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import StorageUnavailable
from gateway.storage import mail as store
from gateway.storage import receipts, transmissions
from gateway.storage.database import Connection
from tests.postoffice import MailWorld, mail_world, mailbox
from tests.storedcases import all_cases
from tests.world import sample_request

pytestmark = pytest.mark.slow
KE, SG = "ke-ag", "sg-agc"

#: COMMITs of the recipient: stretches, container, push; of the sender: the receipts.
MOST_COMMITS = {SG: 8, KE: 2}


@dataclass(slots=True)
class Fuse:
    """Fails the ``nth`` COMMIT from now on, once."""

    nth: int
    is_kept: bool
    blown: bool = False

    def __call__(self, connection: Connection) -> None:
        self.nth -= 1
        if self.nth != 0:
            connection.commit()
            return
        self.blown = True
        if self.is_kept:
            connection.commit()
        raise OSError("the power is cut")


async def exchange(world: MailWorld, victim: str, fuse: Fuse) -> str:
    """Send, take and answer, with the fuse in the victim's way; return the bundle."""
    form, documents = sample_request(1, size=20_000)
    bid = (await world.submit(KE, form, documents)).bid
    for job in await world[KE].courier.claim("routine", 8):
        await world[KE].courier.attempt(job)
    assert len(world.post.boxes[mailbox(SG)]) == 3
    world.commits[victim] = fuse
    try:
        await world.fetch(SG)
        await world[SG].pusher.push_due()
        await world.fetch(KE)
        await world[victim].presence.aclose()
    except StorageUnavailable:
        assert fuse.blown
    del world.commits[victim]
    await world.crash(victim)
    return bid


async def ends_well(world: MailWorld, bid: str) -> None:
    await world.run_for(timedelta(hours=13), step=timedelta(hours=4))
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    assert row.state == "CONSIGNED"
    assert len(await world[SG].database.read(lambda c: all_cases(c, 9))) == 1
    for aid in (KE, SG):
        chain = await world[aid].database.read(lambda c: receipts.receipts_of(c, KE, bid))
        assert [each.type for each in chain if each.iss == SG] == ["consignment"]
        assert not await world[aid].quarantine.listing()
    assert (await world[SG].database.read(store.held_segments)).count == 0
    # A file without a row is the sweep's, after a day.
    for file in (world.folder / SG / "blobs" / "mail").iterdir():
        os.utime(file, (0, 0))
    await world[SG].watch.sweep()
    assert not [*(world.folder / SG / "blobs" / "mail").iterdir()]
    await world.check()


@pytest.mark.parametrize("is_kept", [False, True], ids=["failed", "kept"])
@pytest.mark.parametrize(
    ("victim", "nth"), [(victim, n) for victim, most in MOST_COMMITS.items() for n in range(1, most + 1)]
)
async def test_a_power_cut_at_any_commit_loses_and_doubles_nothing(
    tmp_path: Path, victim: str, nth: int, is_kept: bool
) -> None:
    async with mail_world(tmp_path, KE, SG, segment_bytes=30_000) as world:
        fuse = Fuse(nth=nth, is_kept=is_kept)
        bid = await exchange(world, victim, fuse)
        await ends_well(world, bid)
