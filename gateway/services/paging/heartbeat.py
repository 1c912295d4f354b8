"""Tells something outside, again and again, that this gateway is there: when it falls silent, that one rings.

A machine that is off calls nobody, so the watch has to stand elsewhere. It is told only while the pager looks
after pages and the database can be read and written: a gateway that runs and could wake nobody is silent too.
What is sent says nothing but that; when it was last heard is kept, for the doctor.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adapters.base import Outcome, Verdict
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model.paging import BEAT_HOLDS, is_recent
from gateway.services.diagnosis import Diagnosis, Level, good
from gateway.services.paging.deadman import BEAT
from gateway.storage import alarms
from gateway.storage.database import Database
from gateway.telemetry import get_log

#: File of the home's alarms folder that holds the address and the secret.
HEARTBEAT_FILE = "heartbeat.webhook"

_HEARD = "heartbeat"
#: What could not be told is told again after this, or sooner.
_AGAIN = timedelta(minutes=1)
#: However short the settings say, nobody is told more often.
_LEAST_PAUSE = timedelta(seconds=1)
_LEAST_PATIENCE = timedelta(minutes=5)


class Heartbeat:
    """The heartbeat of one gateway. ``call`` makes one attempt; ``every`` none: it has no watch outside."""

    def __init__(
        self,
        *,
        database: Database,
        call: Callable[[datetime], Awaitable[Outcome]],
        every: timedelta | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._call = call
        self._every = every
        self._clock = clock
        self._log = get_log("heartbeat")

    async def run(self) -> None:
        """Tell it until cancelled."""
        while self._every is not None:
            try:
                was_heard = await self.beat()
            except GatewayError as error:
                self._log.warning("heartbeat.unavailable", code=error.code)
                was_heard = False
            pause = self._every if was_heard else min(self._every, _AGAIN)
            await asyncio.sleep(max(pause, _LEAST_PAUSE).total_seconds())

    async def beat(self) -> bool:
        """Tell it once, if there is somebody who would ring; return whether it was heard."""
        now = self._clock.now()
        looked_at = await self._database.read(lambda c: alarms.beat(c, BEAT))
        if not is_recent(looked_at, now, BEAT_HOLDS):
            self._log.warning("heartbeat.withheld", detail="nobody looks after pages")
            return False
        outcome = await self._call(now)
        if outcome.verdict is not Verdict.DISPATCHED:
            self._log.warning("heartbeat.failed", code=outcome.code, detail=outcome.detail)
            return False
        await self._database.write(lambda tx: alarms.set_beat(tx, _HEARD, now))
        return True

    async def check(self) -> list[Diagnosis]:
        """Return what the doctor says of it; nothing where there is no watch outside."""
        if self._every is None:
            return []
        now, heard_at = self._clock.now(), await self._database.read(lambda c: alarms.beat(c, _HEARD))
        patience = max(3 * self._every, _LEAST_PATIENCE)
        if is_recent(heard_at, now, patience):
            return [good("heartbeat", "The watch outside hears that this gateway is there.")]
        since = "" if heard_at is None else f" since {heard_at:%Y-%m-%d %H:%M} UTC"
        return [
            Diagnosis(
                check="heartbeat",
                level=Level.RED,
                sentence=f"The watch outside has not heard from this gateway{since}.",
                action=f"Look for heartbeat.failed in the log, and at alarms/{HEARTBEAT_FILE}.",
            )
        ]
