"""The sender of our exchange: a gateway in this process, driven from inside, ``ours_exchange HOME``.

Requests go in through the same submit service that the local API calls. One exchange is over when
the recipient's consignment receipt has been checked and stored with the transmission, durably. The
recipient is a plain ``rogatory serve`` process of its own.
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text

from gateway.app import App
from gateway.interpreter import settle
from gateway.telemetry import start_logging
from tests.bench import driving, ours_node
from tests.bench.timing import BenchFailure


async def main() -> None:
    """Serve the sender's home and run rounds as the yardstick asks for them."""
    form = ours_node.template()
    waiting: dict[str, asyncio.Event] = {}
    async with App.open(Path(sys.argv[1])) as app:
        start_logging(level=app.settings.telemetry.level)
        await app.start()
        settle()

        def recorded(key: tuple[str, str, str]) -> None:
            waiting[key[1]].set()

        app.courier._on_recorded = recorded

        async def one() -> None:
            bid, form_bytes = ours_node.numbered(form)
            done = waiting[bid] = asyncio.Event()
            await app.submitter.submit(form_bytes=form_bytes, attachments=[])
            await done.wait()
            del waiting[bid]

        async def check() -> None:
            query = text("select count(*) from transmission where state <> 'CONSIGNED'")
            left = await app.database.read(lambda connection: connection.execute(query).scalar_one())
            if left:
                raise BenchFailure(f"{left} transmissions are not consigned")

        await driving.answer_rounds(one, after=check)


if __name__ == "__main__":
    asyncio.run(main())
