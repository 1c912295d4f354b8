"""Rounds of exchanges: the sender's process keeps N of them in flight and tells what it took.

The yardstick writes one line per round to the sender's standard input, ``IN_FLIGHT SECONDS``, and
reads one line of JSON. Between rounds the sender idles, so contenders can take turns.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tests.bench import places, timing

#: How long exchanges may take to end once a round is over.
_PATIENCE_S = 30.0
_START_S = 60.0


async def _nothing() -> None:
    pass


async def answer_rounds(
    one: Callable[[], Awaitable[object]], *, after: Callable[[], Awaitable[None]] = _nothing
) -> None:
    """Run rounds of ``one`` until standard input ends; ``after`` each, not timed, the work is checked."""
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        in_flight, seconds = line.split()
        figures = await run_round(one, int(in_flight), float(seconds))
        await after()
        print(json.dumps(figures), flush=True)


async def run_round(one: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> dict[str, float]:
    """Return rate, latencies and CPU of this process; every exchange begun is finished and counted."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def keep_going() -> None:
        while time.perf_counter() < end:
            begin = time.perf_counter()
            await one()
            latencies.append(time.perf_counter() - begin)

    cpu, start = time.process_time(), time.perf_counter()
    # An exchange that never ends must not hold up the whole run.
    async with asyncio.timeout(seconds + _PATIENCE_S):
        await asyncio.gather(*(keep_going() for _ in range(in_flight)))
    wall = time.perf_counter() - start
    return {
        "count": len(latencies),
        "per_s": len(latencies) / wall,
        "p50_ms": timing.median(latencies) * 1e3,
        "p99_ms": timing.percentile(latencies, 0.99) * 1e3,
        "sender_cpu_ms": (time.process_time() - cpu) / len(latencies) * 1e3,
    }


class Process:
    """A child that says "ready" once it is up; its errors go to the yardstick's own."""

    def __init__(self, command: Sequence[object], *, env: Mapping[str, str] | None = None) -> None:
        self._child = subprocess.Popen(
            [str(part) for part in command],
            env=env or places.environment(),
            cwd=places.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if not self._line(_START_S).startswith("ready"):
            self.close()
            raise timing.BenchFailure(f"{command[2]} did not start")

    @property
    def pid(self) -> int:
        """Process identifier."""
        return self._child.pid

    def _line(self, seconds: float) -> str:
        """Return the child's next line; one that says nothing in time is killed, and the line is empty."""
        if self._child.stdout is None:
            raise timing.BenchFailure("no output to read")
        watchdog = threading.Timer(seconds, self._child.kill)
        watchdog.start()
        try:
            return self._child.stdout.readline().strip()
        finally:
            watchdog.cancel()

    def round(self, in_flight: int, seconds: float) -> dict[str, Any]:
        """Return the figures of one round."""
        return self._asked(f"{in_flight} {seconds}", seconds + _START_S)

    def ask(self, question: Mapping[str, object], *, patience_s: float) -> dict[str, Any]:
        """Return what a child answers that is asked in JSON."""
        return self._asked(json.dumps(question), patience_s)

    def _asked(self, question: str, patience_s: float) -> dict[str, Any]:
        if self._child.stdin is None:
            raise timing.BenchFailure("no input to write")
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        line = self._line(patience_s)
        if not line:
            raise timing.BenchFailure(f"the sender ended with {self._child.wait()}")
        return dict(json.loads(line))

    def close(self) -> None:
        """Stop the process."""
        self._child.terminate()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
