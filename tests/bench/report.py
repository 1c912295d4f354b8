"""The table of goals, as text and as Markdown, and ``build/bench.json``."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench import places
from tests.bench.goals import Goal

_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"


def table(goals: Sequence[Goal]) -> str:
    """Return the table in Markdown, one row per case."""
    rows = [("goal", "case", "measured", "must", "holds", "stretch", "reached")]
    for goal in goals:
        for index, case in enumerate(goal.cases):
            rows.append(
                (
                    f"{goal.key} {goal.title}" if index == 0 else "",
                    case.name,
                    f"{case.value:.3g}",
                    case.bound(case.must),
                    "-" if case.must is None else "yes" if case.ok else "**no**",
                    case.bound(case.stretch),
                    "yes" if case.reached else "no",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine() -> str:
    """Return one line on where and when the figures were taken."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}, "
        f"{' '.join(openssl.split()[:2])}, load {os.getloadavg()[0]:.1f} at the end"
    )


def write(goals: Sequence[Goal]) -> None:
    """Write ``build/bench.json``; goals that were not measured this time keep no entry."""
    entries = {goal.key: goal.as_json() for goal in goals}
    places.RESULT.parent.mkdir(parents=True, exist_ok=True)
    fresh = places.RESULT.with_suffix(".new")
    fresh.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    fresh.replace(places.RESULT)


def document(goals: Sequence[Goal]) -> None:
    """Put date, machine and table between the marks in docs/performance.md."""
    text = places.DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    if not after:
        raise ValueError(f"{places.DOCUMENT} has lost its marks")
    figures = f"{machine()}.\n\n{table(goals)}"
    places.DOCUMENT.write_text(f"{before}{_BEGIN}\n{figures}\n{_END}{after}", encoding="utf-8")
