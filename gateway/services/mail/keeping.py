"""What waits in vain among the mails is dropped at its time, also after mail was switched off."""

from datetime import datetime

from gateway.services.mail.quarantine import Quarantine
from gateway.services.mail.segments import Segments
from gateway.storage import mail as store
from gateway.storage.database import Database


class MailKeeping:
    """Looks after what came by mail and was not done with."""

    def __init__(self, *, database: Database, segments: Segments, quarantine: Quarantine) -> None:
        self._database = database
        self._segments = segments
        self._quarantine = quarantine

    async def look(self, now: datetime) -> None:
        """Drop stretches whose others never came, mails set aside past their time, old notes of answers."""
        await self._segments.drop_expired(now)
        await self._quarantine.drop_expired(now)
        if await self._database.read(lambda c: store.is_answer_late(c, now)):
            await self._database.write(lambda tx: store.forget_answers(tx, now))

    async def files(self) -> frozenset[str]:
        """Return the names of the staging files that are needed."""
        return await self._database.read(store.staged_files)
