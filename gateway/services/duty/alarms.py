"""What rings for the officers, and who is on duty: what the pager and the roster know, for the duty page.

Answering is the pager's; a page that another officer answered meanwhile, or that settled itself, is gone.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.services.directory import Directory
from gateway.storage import paging
from gateway.storage.database import Connection, Database

#: Answers a page for an officer.
Answer = Callable[[str, str], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A page nobody has answered; ``reasons`` with how often each stands on it, no content."""

    id: str
    peer: str
    peer_name: str
    level: str
    audience: str
    raised_at: datetime
    reasons: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """Who has a part (``duty``, ``backup``, ``shift_leader``) now, and until when."""

    part: str
    officer: str
    until: datetime | None


class DutyAlarms:
    """The alarms of one authority. ``answer`` is the pager's, ``on_duty`` the roster's."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        answer: Answer,
        on_duty: Callable[[], Awaitable[Sequence[OnDuty]]],
    ) -> None:
        self._database = database
        self._directory = directory
        self._answer = answer
        self._on_duty = on_duty

    async def ringing(self) -> Sequence[Alarm]:
        """Return the pages nobody has answered, the oldest first."""
        return await self._database.read(self._ringing)

    async def answer(self, page_id: str, *, officer: str) -> None:
        """Note that an officer is on it. Raises as the pager does."""
        await self._answer(page_id, officer)

    async def on_duty(self) -> Sequence[OnDuty]:
        """Return who is on duty now; empty for a gap in the roster."""
        return await self._on_duty()

    def _ringing(self, connection: Connection) -> list[Alarm]:
        found = []
        for row in paging.waiting_pages(connection):
            if not row.is_open:
                continue
            matters = paging.matters_of(connection, row.id)
            reasons = Counter(matter.reason for matter in matters if matter.settled_at is None)
            entry = self._directory.lookup(row.peer).entry
            found.append(
                Alarm(
                    id=row.id,
                    peer=row.peer,
                    peer_name=row.peer if entry is None else entry.name_en,
                    level=row.level,
                    audience=row.audience,
                    raised_at=row.raised_at,
                    reasons=reasons.most_common(),
                )
            )
        return found
