"""A contact point at night: database, roster, pager, and paths in memory; its clock is moved by hand.

The log is a list of the events that became durable. All officers and authorities are fictional.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from adapters.alarm import Notice
from adapters.egress import Network
from adapters.webhook import WebhookPolicy
from gateway.model.audit import AuditEntry, PendingAuditEntry
from gateway.model.paging import Audience, Climb, PageReason
from gateway.services.keys.vault import Vault
from gateway.services.paging.answers import Answers
from gateway.services.paging.bell import Bell
from gateway.services.paging.codes import Codes
from gateway.services.paging.deadman import DeadMan
from gateway.services.paging.pager import Pager
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.paging.paths import AlarmPaths
from gateway.services.paging.rosters import Rosters
from gateway.services.paging.tasks import PagingTasks
from gateway.services.paging.times import PagingTimes
from gateway.storage import peers
from gateway.storage.database import Connection, Database
from gateway.storage.group import Commit, commit_now
from gateway.storage.schema import metadata
from tests.alarms import FakePath
from tests.world import FakeClock

#: A Saturday, 03:00 in Bucharest.
NIGHT = datetime(2026, 11, 21, 1, tzinfo=UTC)
OWN, PEER, OTHER = "us-ccips", "ro-dcc", "ke-ag"
KEK = bytes(32)
TIMES = PagingTimes(
    climb=Climb(urgent=timedelta(minutes=5), emergency=timedelta(minutes=1)),
    test_every=timedelta(days=7),
    test_answer=timedelta(minutes=30),
)
#: Officer -> part, mailbox.
PEOPLE = {
    "us.duty": ("duty", "duty@us.example"),
    "us.backup": ("backup", "backup@us.example"),
    "us.leader": ("shift_leader", "leader@us.example"),
}


@dataclass
class Journal:
    """Stands for the audit log: events that became durable, in order."""

    entries: list[PendingAuditEntry] = field(default_factory=list)
    _open: list[PendingAuditEntry] = field(default_factory=list)

    def begin(self, connection: Connection) -> None:
        self._open = []

    def append(self, entry: PendingAuditEntry) -> AuditEntry:
        self._open.append(entry)
        return AuditEntry(index=0, leaf=b"", salt=b"", body=b"")

    def flush(self, connection: Connection) -> None:
        pass

    def rolled_back(self) -> None:
        self._open = []

    def committed(self) -> None:
        self.entries += self._open
        self._open = []

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the bodies of one event."""
        return [dict(entry.body) for entry in self.entries if entry.event == event]


@dataclass
class ContactPoint:
    """Everything of paging in one authority."""

    database: Database
    pager: Pager
    rosters: Rosters
    paths: AlarmPaths
    mail: FakePath
    webhook: FakePath
    journal: Journal
    clock: FakeClock

    async def raise_(
        self,
        *,
        peer: str = PEER,
        level: str = "urgent",
        audience: Audience = Audience.DUTY,
        bid: str = "a" * 32,
        reason: PageReason = PageReason.ARRIVED,
    ) -> None:
        """Have a person called, as another service does."""
        now = self.clock.now()
        await self.database.write(
            lambda tx: raise_page(
                tx, peer=peer, reason=reason, level=level, audience=audience, subject=(peer, bid), now=now
            )
        )

    async def settle(
        self, *, peer: str = PEER, bid: str | None = "a" * 32, by: str | None = "us.duty"
    ) -> None:
        """Let what a page is about be dealt with, as another service does."""
        now = self.clock.now()
        subject = None if bid is None else (peer, bid)
        await self.database.write(lambda tx: settle_pages(tx, peer=peer, subject=subject, now=now, by=by))

    async def look(self) -> None:
        """Let the pager do what is due, and wait for its attempts."""
        await self.pager.look()
        await self.pager.idle()

    async def run_for(self, span: timedelta, *, step: timedelta = timedelta(seconds=10)) -> None:
        """Let time pass, looking in steps."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.at += step
            await self.look()

    def rung(self) -> list[str]:
        """Return the mailboxes that were rung, in order, without their domain."""
        return [target.partition("@")[0] for target, _ in self.mail.heard]

    def last(self) -> Notice:
        """Return what was heard last."""
        return self.mail.heard[-1][1]

    async def tasks(self) -> set[str]:
        """Return the codes of the tasks that are open."""
        return {task.code for task in await self.database.read(peers.open_tasks)}

    async def staff(self) -> None:
        """Enter one officer for each part, all day, each with a mailbox that was tested just now."""
        for officer, (part, address) in PEOPLE.items():
            await self.add_turn(officer, part=part)
            path = await self.paths.add_mail(officer, address, by="us.admin")
            await self.pager.test(path.id)
        await self.look()
        for _, notice in list(self.mail.heard):
            await self.pager.answer(notice.code)
        self.mail.heard.clear()

    async def add_turn(self, officer: str, *, part: str = "duty", **changes: Any) -> None:
        """Enter a turn of all day, every day."""
        given: dict[str, Any] = {
            "time_zone": "America/New_York",
            "days": (1, 2, 3, 4, 5, 6, 7),
            "begins": "08:00",
            "ends": "08:00",
            "further_days": 1,
            "first_day": date(2026, 1, 1),
            "by": "us.admin",
        }
        await self.rosters.add(officer, part=part, **(given | changes))


_FILE = "night.db"
#: Databases that every test would make alike, made once: without people, and with them.
_MADE: dict[str, bytes] = {}


def _tables_in(file: Path) -> None:
    if "tables" not in _MADE:
        engine = create_engine(f"sqlite:///{file}")
        metadata.create_all(engine)
        engine.dispose()
        _MADE["tables"] = file.read_bytes()
    file.write_bytes(_MADE["tables"])


@asynccontextmanager
async def staffed_point(folder: Path, **changes: Any) -> AsyncIterator[ContactPoint]:
    """Open a contact point with an officer for each part, whose paths were just tested."""
    if "staffed" not in _MADE:
        async with contact_point(folder) as point:
            await point.staff()
        _MADE["staffed"] = (folder / _FILE).read_bytes()
    (folder / _FILE).write_bytes(_MADE["staffed"])
    async with contact_point(folder, **changes) as point:
        yield point


@asynccontextmanager
async def contact_point(
    folder: Path,
    *,
    clock: FakeClock | None = None,
    commit: Commit = commit_now,
    times: PagingTimes = TIMES,
    paths: Callable[[], dict[str, Any]] | None = None,
    url: str = "",
) -> AsyncIterator[ContactPoint]:
    """Open the contact point of a folder, which may have been opened before, or of a database with tables."""
    file, clock = folder / _FILE, clock or FakeClock(NIGHT)
    if not url and not file.exists():
        _tables_in(file)
    journal, mail, webhook = Journal(), FakePath(), FakePath()
    database = await Database.open(
        url or str(file), hook=journal, inline=None if url else True, commit=commit
    )
    tasks = PagingTasks(OWN)
    bell = Bell(
        database=database,
        paths=paths() if paths is not None else {"mail": mail, "webhook": webhook},
        codes=Codes(KEK),
        times=times,
        tasks=tasks,
        link="https://duty.us.example/",
        clock=clock,
    )
    pager = Pager(
        database=database,
        bell=bell,
        deadman=DeadMan(database=database, bell=bell, times=times, tasks=tasks),
        answers=Answers(database=database, times=times, tasks=tasks, clock=clock),
        clock=clock,
    )
    try:
        yield ContactPoint(
            database=database,
            pager=pager,
            rosters=Rosters(
                database=database,
                vault=await Vault.open(database, kek=KEK, now=clock.now()),
                clock=clock,
            ),
            paths=AlarmPaths(
                database=database,
                folder=folder / "alarms",
                policy=WebhookPolicy(network=Network.LAB),
                clock=clock,
            ),
            mail=mail,
            webhook=webhook,
            journal=journal,
            clock=clock,
        )
    finally:
        await pager.aclose()
        await database.aclose()


def code_in(notice: Notice) -> str:
    """Return the code as a person reads it in the text."""
    found = re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", notice.text)
    assert found is not None
    return found[0]
