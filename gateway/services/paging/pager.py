"""The pager of one authority: looks every second, rings, tests, and takes answers; it never gives up a page.

Crash points: before a transaction the step is still due and is taken at the next start; a notice that left
before its COMMIT leaves again under the same identifier and code. What was due while the process was away
rings when it is back, and the duty officer is told that it was away.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.services.paging.answers import Answer, Answers
from gateway.services.paging.bell import Bell
from gateway.services.paging.deadman import BEAT_EVERY, DeadMan
from gateway.storage import paging
from gateway.storage.database import Connection, Database
from gateway.telemetry import get_log

_LOOK_EVERY_S = 1.0
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPage:
    """A page as officers see it: no case, no reference.

    Attributes:
        count: How many things on it still wait.
        reasons: Why, each once.
        acknowledged_by: Who has taken it; ``None`` while it rings.
    """

    id: str
    peer: str
    audience: str
    level: str
    count: int
    reasons: tuple[str, ...]
    raised_at: datetime
    next_ring_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class Pager:
    """Calls people. ``run`` until cancelled; ``look`` does once what is due."""

    def __init__(
        self, *, database: Database, bell: Bell, deadman: DeadMan, answers: Answers, clock: Clock
    ) -> None:
        self._database = database
        self._bell = bell
        self._deadman = deadman
        self._answers = answers
        self._clock = clock
        self._beaten: datetime | None = None
        self._log = get_log("paging")

    async def run(self) -> None:
        """Look every second until cancelled."""
        await self._deadman.resume(self._clock.now())
        while True:
            try:
                await self.look()
            except GatewayError as error:
                self._log.warning("paging.unavailable", code=error.code)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> int:
        """Do what is due now, and return how much it was; attempts go on after it (``idle``)."""
        now = self._clock.now()
        is_due = self._beaten is None or not _NO_TIME <= now - self._beaten < BEAT_EVERY
        if is_due:
            self._beaten = now
            await self._keep_watch(now)
        done = await self._bell.climb(now) + await self._bell.send(now)
        if is_due:
            # Only now: a pager that could wake nobody is not there.
            await self._deadman.beat(now)
        return done

    async def _keep_watch(self, now: datetime) -> None:
        """Look for alarms that would not ring. Whatever goes wrong here, pages go on ringing."""
        try:
            await self._deadman.look(now)
        except GatewayError as error:
            self._log.warning("paging.unavailable", code=error.code)
        except Exception as error:
            self._log.error("paging.defect", error=error)

    async def idle(self) -> None:
        """Wait until every attempt under way has ended."""
        await self._bell.idle()

    async def aclose(self) -> None:
        """End attempts under way, and close the paths."""
        await self._bell.aclose()

    async def test(self, path_id: str) -> None:
        """Send a test on a path now; durable when it returns, and sent within a second while ``run`` runs."""
        await self._deadman.test(path_id, self._clock.now())

    async def acknowledge(self, page_id: str, officer: str) -> Answer:
        """Let an officer who is signed in take a page. Raises ``GatewayRefusal`` ``page-unknown``."""
        return await self._answers.acknowledge(page_id, officer)

    async def answer(self, text: str, *, officer: str | None = None) -> Answer:
        """Take the code of a notice.

        Raises ``GatewayRefusal`` ``page-code-unknown``, ``page-code-used``, ``page-code-old``.
        """
        return await self._answers.answer(text, officer=officer)

    async def waiting(self) -> Sequence[WaitingPage]:
        """Return the pages that ring or were taken and are not settled, oldest first, at most 500."""
        return await self._database.read(_waiting)


def _waiting(connection: Connection) -> list[WaitingPage]:
    found = []
    for row in paging.waiting_pages(connection):
        matters = [m for m in paging.matters_of(connection, row.id) if m.settled_at is None]
        found.append(
            WaitingPage(
                id=row.id,
                peer=row.peer,
                audience=row.audience,
                level=row.level,
                count=len(matters),
                reasons=tuple(dict.fromkeys(m.reason for m in matters)),
                raised_at=row.raised_at,
                next_ring_at=row.next_action_at,
                acknowledged_at=row.acknowledged_at,
                acknowledged_by=row.acknowledged_by,
            )
        )
    return found
