"""Our bulk sealing as a whole process: ``ours_bulk seal|open|open-both SOURCE TARGET``.

Prints as JSON what the work itself took and the memory it needed beyond the idle process.
"""

import json
import sys
import time
from pathlib import Path

from tests.bench import ours_bundle


def main() -> None:
    """Seal or open one file."""
    what, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    parties = ours_bundle.load_parties()
    idle, start = memory_kib("VmRSS"), time.perf_counter()
    if what == "seal":
        ours_bundle.seal_file(parties, source, target)
    else:
        ours_bundle.open_file(parties, source, target, check_sealed=what == "open-both")
    wall = time.perf_counter() - start
    extra = (memory_kib("VmHWM") - idle) / 1024
    print(json.dumps({"work_s": wall, "idle_mib": idle / 1024, "extra_mib": extra}))


def memory_kib(field: str) -> int:
    """Return a memory field of this process: VmRSS (now) or VmHWM (peak since it started)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} in /proc/self/status")


if __name__ == "__main__":
    main()
