"""What is forgotten of pages: those that nothing waits on any more, some time after they ended.

The audit log keeps who was called, when and by which path; the rows themselves serve nobody any more. Each
batch is a transaction of its own and small, so that nobody waits for it; a crash between two leaves the rest
to the next look.
"""

from datetime import datetime, timedelta

from gateway.model.paging import PAGES_KEPT
from gateway.storage import paging
from gateway.storage.database import Database

_EVERY = timedelta(days=1)

#: Rows of each table that one transaction deletes, and how many of these follow each other.
_BATCH = 500
_BATCHES = 200


class PageKeeping:
    """Forgets the settled pages of one authority, once a day."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._looked_at: datetime | None = None

    async def look(self, now: datetime) -> int:
        """Delete what ended ``PAGES_KEPT`` ago, if a day has passed; return how many rows went."""
        last = self._looked_at
        if last is not None and last <= now < last + _EVERY:
            return 0
        self._looked_at, gone = now, 0
        before = now - PAGES_KEPT
        for _ in range(_BATCHES):
            rows = await self._database.write(lambda tx: paging.forget_pages(tx, before, _BATCH))
            gone += rows
            if not rows:
                break
        return gone
