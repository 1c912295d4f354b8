"""Work of the demonstration that takes much memory, in a process of its own that gives it back."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.demo.memory import peak_rss_mib
from gateway.web.calls import AuditResult


@contextmanager
def process_aside() -> Iterator[ProcessPoolExecutor]:
    """Give a pool of one new process, which ends with the block."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_leave_interrupts_to_us) as pool:
        yield pool


def _leave_interrupts_to_us() -> None:
    """In the process aside: Ctrl-C is for its parent, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class LogChecker:
    """Checks logs of homes that nobody serves; ``peak_rss_mib`` is what its process needed, where told."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.peak_rss_mib: float | None = None

    async def verify(self, home: Path) -> AuditResult:
        """Check a log from its first entry to its signed head, as ``rogatory audit verify`` does."""
        loop = asyncio.get_running_loop()
        found, self.peak_rss_mib = await loop.run_in_executor(self._pool, _verify, home)
        return msgspec.json.decode(found, type=AuditResult)


def _verify(home: Path) -> tuple[bytes, float | None]:
    # Here, so that a process that writes documents does not carry a whole gateway.
    from gateway.demo.proof import verify_at_rest

    return msgspec.json.encode(asyncio.run(verify_at_rest(home))), peak_rss_mib(os.getpid())
