"""Where mails come from: the own mailbox, and the site's mail server handing them over.

Both give a mail to the intake and let go of it only once that returned; what it could not decide stays where
it is and comes again. One mail that cannot be taken holds up none behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from adapters.mailbox import Incoming
from gateway.errors import GatewayError
from gateway.services.mail.intake import MailIntake
from gateway.telemetry import get_log

_log = get_log("mail")


class Box(Protocol):
    """A mailbox that hands out mails as they come."""

    def fetch(self) -> AsyncIterator[Incoming]:
        """Yield mails until closed."""
        ...

    async def aclose(self) -> None:
        """End the fetching."""
        ...


class Inlet(Protocol):
    """Something that mails are handed to."""

    async def start(self) -> None:
        """Begin to listen."""
        ...

    async def stop(self) -> None:
        """Listen no more."""
        ...


async def empty(box: Box, intake: MailIntake) -> None:
    """Take what comes into the mailbox, until cancelled."""
    try:
        async for incoming in box.fetch():
            try:
                await intake.take(incoming.raw)
            except GatewayError as error:
                _log.warning("mail.not_taken", code=error.code)
            else:
                await incoming.done()
    except asyncio.CancelledError:
        await box.aclose()
        raise


async def listen(make: Callable[[], Inlet]) -> None:
    """Let the site's mail server hand mails over, until cancelled. Raises ``OSError``: cannot listen."""
    inlet = make()
    await inlet.start()
    try:
        await asyncio.Event().wait()
    finally:
        await inlet.stop()


def handed_over(intake: MailIntake) -> Callable[[bytes, str], Awaitable[None]]:
    """Return what takes a mail that was handed over; it raises where the mail is to be kept for later."""

    async def take(raw: bytes, mail_from: str) -> None:
        try:
            await intake.take(raw, mail_from=mail_from)
        except GatewayError as error:
            _log.warning("mail.not_taken", code=error.code)
            raise

    return take
