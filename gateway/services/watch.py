"""The clocks nobody waits for: cases that are due, abandoned uploads, used tokens, old keys, wrecks.

Every row has a time; this is who looks. Nothing here decides about a transmission (``courier``) or the law.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from crypto.bundle import Opener
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.services.arrivals.accept import Acceptor
from gateway.services.casework.casebook import Casebook
from gateway.services.mail.keeping import MailKeeping
from gateway.services.upkeep import Upkeep
from gateway.storage import peers, uploads
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database
from gateway.telemetry import get_log

_EVERY_S = 30.0
_SWEEP_EVERY = timedelta(hours=6)
_KEYS_EVERY = timedelta(days=1)


class Watch:
    """Looks at everything that is due. ``run`` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        acceptor: Acceptor,
        casebook: Casebook,
        upkeep: Upkeep,
        mail: MailKeeping,
        clock: Clock,
        clocks: Sequence[Callable[[datetime], Awaitable[object]]] = (),
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._acceptor = acceptor
        self._casebook = casebook
        self._upkeep = upkeep
        self._mail = mail
        self._clock = clock
        self._clocks = clocks
        self._keys_at: datetime | None = None
        self._log = get_log("watch")

    async def run(self) -> None:
        """Look every half minute until cancelled."""
        swept = self._clock.now()
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.look()
                if self._clock.now() - swept >= _SWEEP_EVERY:
                    swept = self._clock.now()
                    await self.sweep()
            except GatewayError as error:
                self._log.warning("watch.unavailable", code=error.code)

    async def look(self) -> None:
        """Handle what is due now."""
        now = self._clock.now()
        await self._acceptor.drop_expired_uploads(now)
        await self._acceptor.resume_relayed()
        await self._casebook.remind(now)
        await self._mail.look(now)
        for look in self._clocks:
            await look(now)
        await self._database.write(lambda tx: peers.forget_tokens(tx, now))
        if self._keys_at is None or now - self._keys_at >= _KEYS_EVERY:
            self._keys_at = now
            await self._upkeep.destroy_expired_keys()

    async def sweep(self) -> int:
        """Remove what crashes left in the blob store and return how many files."""
        held = await self._database.read(uploads.all_uploads)
        keep = {row.temporary for row in held if row.temporary is not None}
        # The parts of an upload that are whole already: no bundle refers to them yet.
        keep.update(part.sha256 for row in held for part in Opener().parse(row.envelope).parts)
        keep.update(await self._mail.files())
        return await self._blobs.sweep(keep=frozenset(keep))
