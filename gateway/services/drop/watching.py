"""Looks into the folder drop every few seconds, and says once when it cannot."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import GatewayError
from gateway.services.diagnosis import Diagnosis, Level
from gateway.services.drop.pickup import Pickup
from gateway.services.drop.telling import Telling
from gateway.telemetry import get_log

_EVERY_S = 2.0


class DropWatch:
    """Takes and tells. ``run`` until cancelled."""

    def __init__(self, *, pickup: Pickup, telling: Telling) -> None:
        self._pickup = pickup
        self._telling = telling
        self._failed: str | None = None
        self._log = get_log("drop")

    async def run(self) -> None:
        """Look every two seconds until cancelled."""
        while True:
            try:
                await self.look()
                self._failed = None
            except GatewayError as error:
                if error.code != self._failed:
                    self._log.warning("drop.unavailable", code=error.code)
                self._failed = error.code
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> int:
        """Take what is to be sent and tell what has arrived; return how much that was."""
        return await self._pickup.look() + await self._telling.look()


def check_drop(root: Path) -> Sequence[Diagnosis]:
    """Return what the doctor says of the folder: whether what is put there can be taken."""
    if root.is_dir() and os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return [Diagnosis(check="drop", level=Level.GREEN, sentence="The folder drop can be used.")]
    return [
        Diagnosis(
            check="drop",
            level=Level.RED,
            sentence="The folder of the settings' section drop cannot be used; nothing put there is sent.",
            action="Make it, and let the gateway's user read and write it.",
        )
    ]
