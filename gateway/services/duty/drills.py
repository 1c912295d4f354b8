"""Drills on the duty page: tests of peers that a person is to answer, apart from everything real."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.services.acts.acts import PreparedAct
from gateway.services.directory import Directory
from gateway.services.drills.desk import DrillDesk
from gateway.services.sending.submit import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDrill:
    """A peer's drill that nobody here has answered; one answer stands for all its channels."""

    peer: str
    peer_name: str
    arrived_at: datetime


class DutyDrills:
    """The drills of one authority's peers."""

    def __init__(self, *, drills: DrillDesk, directory: Directory) -> None:
        self._drills = drills
        self._directory = directory

    async def waiting(self) -> Sequence[WaitingDrill]:
        """Return one for each peer that waits, the oldest first."""
        first: dict[str, datetime] = {}
        for row in await self._drills.received():
            first.setdefault(row.sender, row.arrived_at)
        return [
            WaitingDrill(peer=peer, peer_name=self._name(peer), arrived_at=at) for peer, at in first.items()
        ]

    async def acknowledge(self, peer: str, *, officer: str) -> Submission | PreparedAct:
        """Prepare the answer for the officer's passkey. Raises ``GatewayRefusal`` ``drill-nothing``."""
        return await self._drills.acknowledge(peer, officer=officer)

    def _name(self, authority_id: str) -> str:
        entry = self._directory.lookup(authority_id).entry
        return authority_id if entry is None else entry.name_en
