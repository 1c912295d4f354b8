"""The sender of the urgent lane: a gateway in this process, driven from inside, ``ours_urgent HOME``.

One urgent request leaves each 15 ms, or once the one before it is consigned; beside that the sender does
what the line on standard input says: nothing, send what waits, or send one large document. Latency is from
the call of the submit service to the recipient's consignment, checked and stored.
"""

import asyncio
import contextlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gateway.app import App
from gateway.interpreter import settle
from gateway.services.delivery.courier import Job
from gateway.services.sending.handin import Attachment
from gateway.telemetry import start_logging
from tests.bench import ours_node
from tests.bench.timing import BenchFailure

#: From the beginning of one urgent request to the next.
_EVERY_S = 0.015
#: Routine requests that wait are submitted like this many at a time.
_TOGETHER = 32
_FAR = timedelta(days=1)
_DOCUMENT = "evidence.bin"


class Sender:
    """One gateway with an urgent stream; ``beside`` runs while it is measured."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._urgent = ours_node.template(level="urgent")
        self._routine = ours_node.template()
        self._waiting: dict[str, asyncio.Event] = {}
        self.delivered = 0
        self._progress = asyncio.Event()
        app.courier._on_recorded = self._recorded

    def _recorded(self, key: tuple[str, str, str]) -> None:
        waiting = self._waiting.get(key[1])
        if waiting is None:
            self.delivered += 1
            self._progress.set()
        else:
            waiting.set()

    async def stream(self, seconds: float, *, until: "asyncio.Future[Any] | None" = None) -> list[float]:
        """Send urgent requests for so long, and until something else is done; return their latencies, ms."""
        taken = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not (until is None or until.done()):
            begin = time.perf_counter()
            bid, form = ours_node.numbered(self._urgent)
            done = self._waiting[bid] = asyncio.Event()
            await self._app.submitter.submit(form_bytes=form, attachments=[])
            await done.wait()
            del self._waiting[bid]
            took = time.perf_counter() - begin
            taken.append(took * 1e3)
            await asyncio.sleep(max(0.0, _EVERY_S - took))
        return taken

    async def alone(self, seconds: float) -> list[float]:
        """Nothing else is done."""
        return await self.stream(seconds)

    async def sending(self, seconds: float, count: int) -> list[float]:
        """So many routine requests are due, and are being sent; more than can leave in the time."""
        courier = self._app.courier
        lease, hand = courier.lease, courier.hand

        def later(lane: str, now: datetime) -> tuple[str, datetime]:
            return "bench", now + _FAR

        def nothing(job: Job) -> None:
            pass

        with _replaced(courier, lease=later, hand=nothing):
            for _ in range(0, count, _TOGETHER):
                await asyncio.gather(*(self._submit_routine() for _ in range(_TOGETHER)))
        assert (courier.lease, courier.hand) == (lease, hand)
        due = text(
            "update transmission set next_action_at = :now, lease_owner = null, lease_until = null"
            " where lease_owner = 'bench'"
        )
        now = int(datetime.now(UTC).timestamp() * 1000)
        await self._app.database.write(lambda tx: tx.connection.execute(due, {"now": now}))
        self.delivered = 0
        courier.wake()
        taken = await self.stream(seconds)
        if not self.delivered:
            raise BenchFailure("no routine request left while the urgent ones did")
        self.rate = self.delivered / seconds
        self.left = await self._due()
        # What is left must not be sent while something else is measured.
        while await self._due():
            self._progress.clear()
            await self._progress.wait()
        return taken

    async def _due(self) -> int:
        now = int(datetime.now(UTC).timestamp() * 1000)
        left = text("select count(*) from transmission where state = 'QUEUED' and next_action_at <= :far")
        far = now + int(_FAR.total_seconds() * 1000)
        count: int = await self._app.database.read(lambda c: c.execute(left, {"far": far}).scalar_one())
        return count

    async def _submit_routine(self) -> None:
        _, form = ours_node.numbered(self._routine)
        await self._app.submitter.submit(form_bytes=form, attachments=[])

    async def bulk(self, seconds: float, path: Path, sha256: str) -> list[float]:
        """One routine request with a large document is sealed, sent and consigned meanwhile."""
        form = json.loads(self._routine)
        size = path.stat().st_size
        form["attachments"] = [
            {
                "attachment_id": "A1",
                "filename": _DOCUMENT,
                "role": "digital_evidence",
                "media_type": "application/octet-stream",
                "language": "en",
                "size_bytes": size,
                "sha256": sha256,
            }
        ]
        bid, raw = ours_node.numbered(json.dumps(form).encode())
        done = self._waiting[bid] = asyncio.Event()
        attachment = Attachment(filename=_DOCUMENT, open=lambda: open(path, "rb"), size=size)  # noqa: SIM115

        async def transfer() -> None:
            await self._app.submitter.submit(form_bytes=raw, attachments=[attachment])
            await done.wait()

        begin = time.perf_counter()
        work = asyncio.ensure_future(transfer())
        taken = await self.stream(seconds, until=work)
        await work
        self.bulk_s = time.perf_counter() - begin
        del self._waiting[bid]
        return taken


@contextlib.contextmanager
def _replaced(target: object, **members: object) -> Any:
    kept = {name: getattr(target, name) for name in members}
    for name, member in members.items():
        setattr(target, name, member)
    try:
        yield
    finally:
        for name in kept:
            delattr(target, name)


async def main() -> None:
    """Serve the sender's home and measure as the yardstick asks."""
    loop = asyncio.get_running_loop()
    async with App.open(Path(sys.argv[1])) as app:
        start_logging(level=app.settings.telemetry.level)
        await app.start()
        settle()
        sender = Sender(app)
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            what, seconds = asked.pop("what"), asked.pop("seconds")
            cpu = time.process_time()
            async with asyncio.timeout(seconds + 150):
                if what == "alone":
                    taken = await sender.alone(seconds)
                elif what == "sending":
                    taken = await sender.sending(seconds, asked["count"])
                else:
                    taken = await sender.bulk(seconds, Path(asked["path"]), asked["sha256"])
            figures = {
                "taken_ms": taken,
                "cpu_s": time.process_time() - cpu,
            }
            if what == "sending":
                figures |= {"routine_per_s": sender.rate, "routine_left": sender.left}
            if what == "bulk":
                figures["bulk_s"] = sender.bulk_s
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
