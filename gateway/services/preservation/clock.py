"""Who looks at the clocks of preservations: what is due is worked out and told, one thread at a time.

The state follows from the messages and from time alone (``model.case``); this only sees to it that time is
looked at. A crash between two looks loses nothing: the row is due until its transaction was kept.
"""

from datetime import datetime
from functools import partial

from gateway.services.casework.clockrows import SET_BACK
from gateway.services.casework.refold import Refold
from gateway.storage import preservation
from gateway.storage.database import Database, Transaction

_AT_ONCE = 100


class PreservationClock:
    """Looks at the ends of one authority's preservations."""

    def __init__(self, *, database: Database, refold: Refold) -> None:
        self._database = database
        self._refold = refold

    async def look(self, now: datetime) -> int:
        """Work out every preservation whose next mark has come; return how many. Durable when it returns.

        One that was last worked out by a clock that was ahead is worked out anew as well.
        """
        done: set[tuple[str, str]] = set()
        # Many may end in one night; what is still due after its turn has its moment only now.
        while due := [key for key in await self._due(now) if key not in done]:
            for thread_id, peer in due:
                await self._database.write(partial(self._one, thread_id=thread_id, peer=peer, now=now))
            done.update(due)
        return len(done)

    async def _due(self, now: datetime) -> list[tuple[str, str]]:
        rows = await self._database.read(
            lambda c: [
                *preservation.due_clocks(c, now, _AT_ONCE),
                *preservation.clocks_ahead(c, now + SET_BACK, _AT_ONCE),
            ]
        )
        return list(dict.fromkeys((row.thread_id, row.peer) for row in rows))

    def _one(self, tx: Transaction, *, thread_id: str, peer: str, now: datetime) -> None:
        self._refold.again(tx, thread_id, peer, now)
