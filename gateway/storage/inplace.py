"""Whether the file of an SQLite database still is where it was when it was opened.

SQLite goes on writing to a file that was moved away, and nobody finds it again; and it lays the log of the
old file over another one that was put in its place (https://www.sqlite.org/howtocorrupt.html, section 2.4).
A copy written over the file itself is not noticed.
"""

import os
from pathlib import Path

from gateway.errors import StorageUnavailable

_MOVED = "The database file was moved away while the gateway runs. Put it back."
_REPLACED = (
    "Another database file was put in the place of the one in use. Stop the gateway, remove the -wal and "
    "-shm files beside it, which belong to the old one, and put the copy there again."
)


class InPlace:
    """Remembers the file that is found first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise ``StorageUnavailable`` if the file is gone or is another one."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            raise StorageUnavailable(_MOVED) from None
        identity = found.st_dev, found.st_ino
        if self._first is None:
            self._first = identity
        elif identity != self._first:
            raise StorageUnavailable(_REPLACED)
