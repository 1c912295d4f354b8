"""The largest memory a process ever took, as the kernel counts it."""

from pathlib import Path


def peak_rss_mib(pid: int) -> float | None:
    """Return the largest resident memory a process ever had, in MiB; ``None`` where nothing tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None
