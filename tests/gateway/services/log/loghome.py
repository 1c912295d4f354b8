"""A log of one authority on a real SQLite file and a real head file, for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from crypto.bundle import KeyInForce
from crypto.keys import NOTE_ED25519, NOTE_ML_DSA_44, PrivateKey, PublicKey, Signer
from gateway.model.audit import AuditEntry, PendingAuditEntry
from gateway.services.log.headstore import HeadStore
from gateway.services.log.logstate import LogState
from gateway.services.log.sequence import Sequencer
from gateway.storage.database import Database, Transaction
from gateway.storage.schema import metadata

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = "xx-moj/log"
ED = PrivateKey.generate("log", NOTE_ED25519)
PQ = PrivateKey.generate("log", NOTE_ML_DSA_44)
KEYS = (ED.public, PQ.public)


class FixedLogKeys:
    """The two keys above, for ever; what is known can be less."""

    def signers(self, now: datetime) -> tuple[Signer, Signer]:
        return ED.signer(), PQ.signer()

    def known(self) -> list[KeyInForce]:
        return lives(KEYS)


def lives(keys: Iterable[PublicKey]) -> list[KeyInForce]:
    """Return keys that are good in the year of these tests."""
    return [
        KeyInForce(public=key, nbf=NOW - timedelta(days=60), exp=NOW + timedelta(days=300)) for key in keys
    ]


class FixedClock:
    """Always the same instant."""

    def now(self) -> datetime:
        return NOW


def an_entry(n: int, event: str = "bundle.consigned") -> PendingAuditEntry:
    return PendingAuditEntry(event=event, body={"from": "yy-moj", "bid": f"{n:032x}"}, at=NOW)


@dataclass
class LogHome:
    """Where the log lives, and ways to open it and to do to it what an attacker would."""

    folder: Path
    alarms: list[tuple[LogState, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = self.folder / "log.db"
        self.head_file = self.folder / "log.head"
        engine = create_engine(f"sqlite:///{self.database}")
        metadata.create_all(engine)
        engine.dispose()

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run one statement as somebody who bypasses the product; the schema made here has no triggers."""
        engine = create_engine(f"sqlite:///{self.database}")
        with engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            rows = list(result) if result.returns_rows else []
        engine.dispose()
        return rows

    def sequencer(self, store: HeadStore, alarm: Callable[[LogState, str], None] | None = None) -> Sequencer:
        return Sequencer(
            origin=ORIGIN,
            keys=FixedLogKeys(),
            head_store=store,
            clock=FixedClock(),
            alarm=alarm or (lambda state, sentence: self.alarms.append((state, sentence))),
        )

    @asynccontextmanager
    async def opened(self, **options: Any) -> AsyncIterator["OpenLog"]:
        store = HeadStore(self.head_file)
        sequencer = self.sequencer(store)
        database = await Database.open(str(self.database), hook=sequencer, inline=True, **options)
        try:
            await sequencer.start(database)
            yield OpenLog(database, sequencer, store)
        finally:
            await sequencer.aclose()
            await database.aclose()
            store.close()

    async def fill(self, count: int, *, group: int = 64) -> None:
        """Append ``count`` entries, ``group`` at a time, each group under a head of its own."""
        async with self.opened() as log:
            for start in range(0, count, group):
                entries = await log.add(min(group, count - start))
                await log.sequencer.proof(entries[-1].index, 5)
            await log.add(1)


@dataclass
class OpenLog:
    database: Database
    sequencer: Sequencer
    store: HeadStore

    async def add(self, count: int = 1) -> list[AuditEntry]:
        """Append entries in one transaction."""
        first = self.sequencer.status.size

        def unit(tx: Transaction) -> list[AuditEntry]:
            return [tx.audit(an_entry(first + n)) for n in range(count)]

        return await self.database.write(unit)

    async def head_of(self, size: int) -> None:
        """Return once a head of that size is signed, without asking for it."""
        async with asyncio.timeout(5):
            while self.sequencer.status.head_size != size:  # noqa: ASYNC110 (nothing announces it)
                await asyncio.sleep(0)
