"""Rounds of background work: one after the other while there is something to do, then on a wake or later."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gateway.errors import GatewayError

#: Without a wake, and with nothing to do, the next round begins after this.
_IDLE_S = 5.0


async def go_round(
    work: Callable[[], Awaitable[int]], wake: asyncio.Event, *, on_trouble: Callable[[GatewayError], None]
) -> None:
    """Do rounds until cancelled; ``work`` returns how much it did.

    A ``GatewayError`` ends one round only, and is told.
    """
    while True:
        wake.clear()
        done = 0
        try:
            done = await work()
        except GatewayError as error:
            on_trouble(error)
        if not done:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), _IDLE_S)
