"""Count and slow down the fsyncs of child processes, through the preloaded ``syncshim.c``."""

import mmap
import struct
from pathlib import Path

from tests.bench import places


class SyncCounter:
    """The shared file of one child process: how often it synced, and by how much each sync is slowed."""

    def __init__(self, path: Path, *, delay_us: int = 0) -> None:
        self._path = path
        path.write_bytes(struct.pack("=QQ", delay_us, 0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 16)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that load the shim into a child."""
        return {"LD_PRELOAD": str(places.SHIM), "SYNCSHIM_FILE": str(self._path)}

    @property
    def count(self) -> int:
        """Calls of fsync and fdatasync so far."""
        return int(struct.unpack("=QQ", self._shared[:16])[1])
