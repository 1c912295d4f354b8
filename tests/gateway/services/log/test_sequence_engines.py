"""The log on both engines, with the triggers of the real migrations, written by two gateways at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crypto.proof import verify_tlog_proof
from gateway.services.log.headstore import HeadStore, read_head_file
from gateway.services.log.logstate import LogState
from gateway.services.log.sequence import Sequencer
from gateway.services.log.verify import verify_log
from gateway.storage.database import Database, Transaction
from gateway.storage.migrate import upgrade
from tests.gateway.services.log.loghome import (
    KEYS,
    ORIGIN,
    FixedClock,
    FixedLogKeys,
    OpenLog,
    an_entry,
    lives,
)
from tests.postgres import postgresql_cluster, postgresql_template, postgresql_url

__all__ = ["postgresql_cluster", "postgresql_template", "postgresql_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgresql_url")
        return found
    asyncio.run(upgrade(f"sqlite:///{tmp_path / 'gateway.db'}"))
    return f"sqlite:///{tmp_path / 'gateway.db'}"


@asynccontextmanager
async def opened(url: str, head_file: Path, alarms: list[tuple[LogState, str]]) -> AsyncIterator[OpenLog]:
    store = HeadStore(head_file)
    sequencer = Sequencer(
        origin=ORIGIN,
        keys=FixedLogKeys(),
        head_store=store,
        clock=FixedClock(),
        alarm=lambda state, sentence: alarms.append((state, sentence)),
    )
    database = await Database.open(url, hook=sequencer)
    await sequencer.start(database)
    yield OpenLog(database, sequencer, store)
    await sequencer.aclose()
    await database.aclose()
    store.close()


@pytest.mark.slow
async def test_two_gateways_write_one_log_at_once_and_it_verifies(url: str, tmp_path: Path) -> None:
    alarms: list[tuple[LogState, str]] = []
    head_file = tmp_path / "head"

    def unit(tx: Transaction) -> tuple[int, bytes]:
        entry = tx.audit(an_entry(1))
        return entry.index, entry.leaf

    async def work(log: OpenLog) -> list[tuple[int, bytes]]:
        done = []
        for _ in range(20):
            group = await asyncio.gather(*(log.database.write(unit) for _ in range(8)))
            text = await log.sequencer.proof(group[-1][0], 5)
            assert text is not None
            assert verify_tlog_proof(text, group[-1][1], ORIGIN, KEYS)[0] == group[-1][0]
            done += group
        return done

    async with opened(url, head_file, alarms) as one, opened(url, head_file, alarms) as two:
        done = [pair for pairs in await asyncio.gather(work(one), work(two)) for pair in pairs]
        assert sorted(index for index, _ in done) == list(range(320))
        report = await one.database.read_slow(
            lambda connection: verify_log(
                connection, origin=ORIGIN, keys=lives(KEYS), head_note=read_head_file(head_file)
            )
        )
        assert report.verified, report.problems
        assert (report.size, report.unsigned) == (320, 0)
    assert alarms == []


async def test_a_broken_unit_leaves_the_log_of_its_neighbours_whole(url: str, tmp_path: Path) -> None:
    alarms: list[tuple[LogState, str]] = []

    def broken(tx: Transaction) -> None:
        tx.audit(an_entry(2))
        raise LookupError("this unit fails")

    async with opened(url, tmp_path / "head", alarms) as log:
        results = await asyncio.gather(
            log.add(3), log.database.write(broken), log.add(3), return_exceptions=True
        )
        assert isinstance(results[1], LookupError)
        report = await log.database.read_slow(
            lambda connection: verify_log(
                connection, origin=ORIGIN, keys=lives(KEYS), head_note=log.sequencer.head_note
            )
        )
        assert (report.size, [problem.sentence for problem in report.problems]) == (6, [])
    assert alarms == []


async def test_a_head_that_is_kept_already_never_stops_a_later_group(url: str, tmp_path: Path) -> None:
    alarms: list[tuple[LogState, str]] = []
    for expected in (0, 1, 2):
        async with opened(url, tmp_path / "head", alarms) as log:
            await log.database.write(lambda tx: None)
            await log.database.write(lambda tx: None)
            (entry,) = await log.add()
            assert entry.index == expected
            assert await log.sequencer.proof(expected, 5) is not None
            await log.database.write(lambda tx: None)
    assert alarms == []
