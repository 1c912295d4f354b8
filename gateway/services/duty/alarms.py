"""What rings for the officers, and who is on duty: what pager and roster know, for the duty page.

Answering is the pager's; a page that another officer answered meanwhile, or that settled itself, is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.clock import Clock
from gateway.services.directory import Directory
from gateway.services.paging.pager import Pager
from gateway.services.paging.rosters import Rosters

#: A turn that ends later than this is shown without its end.
_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A page nobody has answered; ``count`` things wait on it, ``reasons`` names each reason once."""

    id: str
    peer: str
    peer_name: str
    level: str
    audience: str
    raised_at: datetime
    count: int
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """Who has a part (``duty``, ``backup``, ``shift_leader``) now, and until when."""

    part: str
    officer: str
    until: datetime | None


class DutyAlarms:
    """The alarms of one authority."""

    def __init__(self, *, pager: Pager, rosters: Rosters, directory: Directory, clock: Clock) -> None:
        self._pager = pager
        self._rosters = rosters
        self._directory = directory
        self._clock = clock

    async def ringing(self) -> Sequence[Alarm]:
        """Return the pages nobody has answered, the oldest first."""
        return [
            Alarm(
                id=page.id,
                peer=page.peer,
                peer_name=self._name(page.peer),
                level=page.level,
                audience=page.audience,
                raised_at=page.raised_at,
                count=page.count,
                reasons=page.reasons,
            )
            for page in await self._pager.waiting()
            if page.acknowledged_at is None
        ]

    async def answer(self, page_id: str, *, officer: str) -> None:
        """Note that an officer is on it. Raises ``GatewayRefusal`` ``page-unknown``."""
        await self._pager.acknowledge(page_id, officer)

    async def on_duty(self) -> Sequence[OnDuty]:
        """Return who is on duty now; empty for a gap in the roster."""
        coming = await self._rosters.shifts(_DAYS)
        now = self._clock.now()
        seen_until = max((shift.ends_at for shift in coming), default=now)
        return [
            OnDuty(
                part=shift.part, officer=officer, until=shift.ends_at if shift.ends_at < seen_until else None
            )
            for shift in coming
            if shift.begins_at <= now < shift.ends_at
            for officer in shift.officers
        ]

    def _name(self, authority_id: str) -> str:
        entry = self._directory.lookup(authority_id).entry
        return authority_id if entry is None else entry.name_en
