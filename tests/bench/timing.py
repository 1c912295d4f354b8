"""Run one contender once and say what it took; medians over rounds. Knows nothing of the goals."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import places

#: No process of the yardstick takes this long unless it hangs.
_LONGEST_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One whole process, from start to end."""

    wall_s: float
    cpu_s: float
    output: str


class BenchFailure(Exception):
    """A contender did not do its work: its figure must not be used."""


def run(command: Sequence[object] | str, *, env: Mapping[str, str] | None = None) -> Took:
    """Run a program (a string goes to bash with pipefail) and wait; raises BenchFailure if it fails."""
    full = (
        ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else [str(c) for c in command]
    )
    with tempfile.TemporaryFile("w+") as errors:
        before = _children_cpu()
        start = time.perf_counter()
        try:
            done = subprocess.run(
                full,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=env,
                cwd=places.ROOT,
                check=False,
                timeout=_LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            raise BenchFailure(f"{full[-1][:200]} did not end in {_LONGEST_S} s") from None
        wall = time.perf_counter() - start
        if done.returncode:
            errors.seek(0)
            raise BenchFailure(f"{full[-1][:200]} ended with {done.returncode}: {errors.read()[-600:]}")
    return Took(wall_s=wall, cpu_s=_children_cpu() - before, output=done.stdout)


def run_json(command: Sequence[object], *, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a program of ours whose last line of output is a JSON object."""
    return last_json(run(command, env=env or places.environment()).output)


def last_json(output: str) -> dict[str, Any]:
    """Return the JSON object in the last line of a program's output."""
    return dict(json.loads(output.splitlines()[-1]))


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over rounds of ours/theirs, each pair taken from one round."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def per_call(work: Callable[[], object], *, seconds: float) -> tuple[float, float]:
    """Call ``work`` for about ``seconds``; return wall and CPU seconds of one call (mean)."""
    work()
    calls = 0
    cpu, start = time.process_time(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls, (time.process_time() - cpu) / calls


def forget(*paths: Path) -> None:
    """Remove outputs at once: a file overwritten later would be flushed, and dirty pages slow the next."""
    for path in paths:
        path.unlink(missing_ok=True)
