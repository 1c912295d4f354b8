"""Two real gateways for one night: they speak HTTPS on loopback, and one of them has a duty page.

Both live on the stage's loop with the machine's own clock. Everything in them is fictional.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.app import App, make_home
from gateway.config import AuthoritySettings, DutySettings, HomePaths, PeerSettings, Settings
from gateway.demo.network import free_port
from gateway.services.home import HomePlan, plan_record
from gateway.services.sending.submit import Submission
from gateway.storage.escalations import EscalationRow
from tests.browser.stage import Stage
from tests.ladders import find_ladder
from tests.sampledata import sample
from tests.world import sample_request, submit_to

ASKS, IS_ASKED = "ro-diicot", "us-ccips"
HOST = "duty.us-ccips.example"
_LOOK_S = 0.05


@dataclass
class Night:
    """The two gateways, and what happens in them."""

    asks: App
    is_asked: App

    @property
    def page(self) -> str:
        """Where the duty page is."""
        return self.is_asked.settings.duty.origin

    async def request(self) -> Submission:
        """Send the night's request; returns once the other gateway has it."""
        form, documents = sample_request(3)
        form["created_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        sent = await submit_to(self.asks, form, documents)
        await until(lambda: self._arrived(sent))
        return sent

    async def _arrived(self, sent: Submission) -> bool:
        row = await self.is_asked.database.read(lambda c: find_ladder(c, (sent.sender, sent.bid, IS_ASKED)))
        return row is not None and (await self.clock(sent)).consigned_at is not None

    async def clock(self, sent: Submission) -> EscalationRow:
        """Return the sender's clock of a request."""
        row = await self.asks.database.read(lambda c: find_ladder(c, (sent.sender, sent.bid, IS_ASKED)))
        assert row is not None
        return row


async def until(look: Callable[[], Awaitable[Any]], *, seconds: float = 20.0) -> None:
    """Return once something is so."""
    end = time.monotonic() + seconds
    while not await look():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def night(folder: Path, stage: Stage) -> AsyncIterator[Night]:
    """Make both homes, serve them, and let each know the other."""
    async with AsyncExitStack() as stack:
        apps = []
        for aid in (ASKS, IS_ASKED):
            await _make(folder / aid, aid, stage)
            apps.append(await stack.enter_async_context(App.open(folder / aid)))
        now = datetime.now(UTC)
        for app, other in (apps, reversed(apps)):
            app.directory.enrol(other.home.enrolment.read_bytes(), now=now)
        for app in apps:
            await app.start()
        yield Night(asks=apps[0], is_asked=apps[1])


async def _make(home: Path, aid: str, stage: Stage) -> None:
    listen, page = f"127.0.0.1:{free_port()}", free_port()
    certificate, key = stage.certificate(HOST)
    settings = Settings(
        authority=AuthoritySettings(id=aid, state=aid[:2].upper(), name=aid, network="lab"),
        peer=PeerSettings(listen=listen),
        duty=DutySettings(
            listen=f"127.0.0.1:{page}",
            origin=f"https://{HOST}:{page}",
            certificate_file=str(certificate),
            key_file=str(key),
        )
        if aid == IS_ASKED
        else DutySettings(),
    )
    record, state = plan_record(
        settings=settings, address=f"https://{listen}", given=sample("directory.json")
    )
    await make_home(HomePaths(home), HomePlan(settings=settings, record=record, state=state))
