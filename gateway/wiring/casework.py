"""Cases in one gateway: their book, how they are folded, and who looks at the ends of preservations."""

from collections.abc import Sequence

from gateway.services.casework.casebook import Casebook, Tests
from gateway.services.casework.clockrows import ClockRows
from gateway.services.casework.followers import Follower
from gateway.services.casework.library import Library
from gateway.services.casework.refold import Refold
from gateway.services.preservation.clock import PreservationClock
from gateway.wiring.ground import Ground

#: Zone of an authority that no directory lists: its dates are taken as those of UTC.
_NO_ZONE = "UTC"


class CaseRoom:
    """The casebook and the clock of preservations."""

    def __init__(self, ground: Ground, library: Library, tests: Tests, followers: Sequence[Follower]) -> None:
        directory, own = ground.directory, ground.authority_id

        def zone_of(aid: str) -> str:
            entry = directory.own if aid == own else directory.lookup(aid).entry
            return _NO_ZONE if entry is None else entry.hours.time_zone

        refold = Refold(authority_id=own, clocks=ClockRows(authority_id=own, zone_of=zone_of))
        self.clock = PreservationClock(database=ground.database, refold=refold)
        self.book = Casebook(
            database=ground.database,
            library=library,
            authority_id=own,
            refold=refold,
            tests=tests,
            followers=followers,
        )
