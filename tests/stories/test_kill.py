"""Two gateways, either killed with SIGKILL at moments nobody chose, and nothing is lost or doubled.

A power cut is drawn from a seed: whose, and after how many answered submissions. Whatever was answered is
durable; whatever was not is submitted again with its own message id, as an officer would.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from gateway.app import App
from gateway.services.proofs.evidence import check_receipt
from tests.stories.processes import Processes, running
from tests.world import sample_request

SENDER, RECIPIENT = "ke-ag", "sg-agc"

#: So long nothing may stand still once both run: far more than a slow machine needs, less than a back-off
#: that grew with each power cut.
STALL_S = 45.0


class Progress:
    """How many submissions were answered, for whoever waits for a number of them."""

    def __init__(self) -> None:
        self.bids: set[str] = set()
        self._changed = asyncio.Condition()

    async def add(self, bid: str) -> None:
        """One more was answered."""
        async with self._changed:
            self.bids.add(bid)
            self._changed.notify_all()

    async def reach(self, count: int) -> None:
        """Return once that many were answered."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.bids) >= count)


async def submit_all(network: Processes, folder: Path, count: int, progress: Progress) -> None:
    """Submit that many requests, in both lanes, a few at a time."""
    numbers = iter(range(count))

    async def officer() -> None:
        for number in numbers:
            form, documents = sample_request(1, size=200 + number)
            form["reference_requesting"] = f"KE/{number}"
            if number % 2:
                form["urgency"] = {**form["urgency"], "level": "urgent"}
            place = folder / str(number)
            place.mkdir(parents=True)
            for name, data in documents.items():
                (place / name).write_bytes(data)
            await progress.add(await network.submit(SENDER, form, list(place.iterdir())))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(officer())


async def cut_power_often(
    network: Processes, rng: random.Random, moments: list[int], progress: Progress
) -> None:
    """Kill one of the two soon after each of these numbers of submissions was answered; start it again."""
    for moment in moments:
        await progress.reach(moment)
        # Somewhere within what the answer set off: sealing, sending, opening, committing, signing.
        await asyncio.sleep(rng.random() * 0.05)
        victim = rng.choice((SENDER, RECIPIENT))
        await network.cut_power(victim)
        await network.start(victim)


async def check_ends(network: Processes, bids: set[str]) -> None:
    """Verify both logs, and that both sides hold the same receipts about the same bundles."""
    for aid in (SENDER, RECIPIENT):
        await network.verify(aid)
    query = "SELECT bid, jws FROM receipt WHERE type = 'consignment' AND sender = ? ORDER BY bid"
    ours = network.rows(RECIPIENT, query, SENDER)
    assert [bid for bid, _ in ours] == sorted(bids)
    assert network.rows(SENDER, query, SENDER) == ours
    assert Counter(network.rows(RECIPIENT, "SELECT sender, bid FROM message")) == Counter(
        (SENDER, bid) for bid in bids
    )
    async with App.open(network.home(SENDER), writer=False) as app:
        for _, jws in ours:
            check_receipt({"jws": jws}, app.directory, app.clock.now())


async def story(folder: Path, *, seed: int, requests: int, kills: int) -> None:
    """Submit, kill, start again; then wait until everything arrived, and verify everything."""
    rng = random.Random(seed)
    progress = Progress()
    moments = sorted(rng.sample(range(1, requests + 1), kills))
    async with running(folder, SENDER, RECIPIENT) as network:
        async with asyncio.TaskGroup() as group:
            group.create_task(submit_all(network, folder / "files", requests, progress))
            group.create_task(cut_power_often(network, rng, moments, progress))
        assert len(progress.bids) == requests

        def states() -> dict[str, int]:
            return dict(network.rows(SENDER, "SELECT state, count(*) FROM transmission GROUP BY state"))

        # Whoever was started last says hello to the other, so that nobody waits for the end of a back-off.
        await network.until(
            lambda: states() == {"CONSIGNED": requests},
            within_s=STALL_S,
            what="not everything arrived",
            progress=states,
        )
        for aid in (SENDER, RECIPIENT):
            await network.stop(aid)
        await check_ends(network, progress.bids)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_hundred_requests_survive_power_cuts_on_both_sides(tmp_path: Path) -> None:
    await story(tmp_path, seed=20261121, requests=100, kills=8)


@pytest.mark.soak
async def test_thousands_of_requests_survive_power_cuts_on_both_sides(tmp_path: Path) -> None:
    await story(tmp_path, seed=7, requests=4000, kills=100)
