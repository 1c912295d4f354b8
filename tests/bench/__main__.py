"""``python -m tests.bench [--only P1,P8] [--quick] [--document]``: measure, print and write the figures.

Ends with 0 when every figure could be taken, whether or not the goals hold: the table says that.
"""

import argparse
import shutil
import subprocess
import sys
import time

from tests.bench import bulk, exchange, places, registry, report, setup, small, urgent
from tests.bench.goals import Goal

#: What is measured together, because it takes turns.
SECTIONS = {
    "bulk": ({"P1", "P2", "P3", "P4", "P5"}, bulk.measure),
    "small": ({"P6", "P7"}, small.measure),
    "exchange": ({"P8", "P9", "P10", "P11", "P12"}, exchange.measure),
    "urgent": ({"P13"}, urgent.measure),
    "registry": ({"P17"}, registry.measure),
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", default="", help="goals to measure, such as P1,P8; default: all")
    parser.add_argument("--quick", action="store_true", help="smaller files and shorter rounds, for a look")
    parser.add_argument("--document", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    if options.document and (options.only or options.quick):
        parser.error("--document is for whole runs")
    wanted = {key.strip().upper() for key in options.only.split(",") if key.strip()}
    setup.prepare()
    goals: list[Goal] = []
    started = time.monotonic()
    for name, (keys, measure) in SECTIONS.items():
        if wanted and not wanted & keys:
            continue
        _empty_work_folder()
        print(f"[{time.monotonic() - started:4.0f} s] measuring {name}", file=sys.stderr, flush=True)
        goals += measure(quick=options.quick)
    shutil.rmtree(places.WORK, ignore_errors=True)
    _stop_gpg_agent()
    print(f"[{time.monotonic() - started:4.0f} s] done", file=sys.stderr, flush=True)
    print(report.machine(), end="\n\n")
    print(report.table(goals))
    report.write(goals)
    if options.document:
        report.document(goals)


def _empty_work_folder() -> None:
    shutil.rmtree(places.WORK, ignore_errors=True)
    places.WORK.mkdir(parents=True)


def _stop_gpg_agent() -> None:
    command = ["gpgconf", "--homedir", str(places.KEYS / "gnupg"), "--kill", "gpg-agent"]
    subprocess.run(command, check=False, capture_output=True)


if __name__ == "__main__":
    main()
