"""SQLite's write-ahead log is folded into the database by a thread of its own.

By default the COMMIT that fills the log does it, and waits while thousands of scattered pages reach the disk:
with 100,000 requests stored, one urgent request in fifty waited for that. A passive checkpoint beside the
writer holds up neither it nor the readers (https://www.sqlite.org/wal.html).
"""

import contextlib
import sqlite3
import threading
from pathlib import Path

#: Seconds between two checkpoints while there is something to fold in.
EVERY_S = 1.0
#: From so many pages COMMIT folds the log itself after all: 64 MiB bound the file and the time of a recovery.
CEILING_PAGES = 16_384


class Checkpointer:
    """Folds the log of one database while its writer goes on. Durability does not depend on it."""

    def __init__(self, path: Path) -> None:
        """Begin. Raises ``sqlite3.Error`` if the database cannot be opened."""
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        self._written = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wal", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """Say that a COMMIT was made. Returns at once."""
        self._written.set()

    def close(self) -> None:
        """End the thread; SQLite folds the rest when its last connection closes, or at the next start."""
        self._ending.set()
        self._written.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._written.wait() and not self._ending.wait(EVERY_S):
            self._written.clear()
            if self._ending.is_set():
                # Set since it was looked at, and what wakes us for it may just have been taken away.
                return
            # A full disk, say: the writer meets it too and says so; the next COMMIT has this tried again.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def fold_all(connection: sqlite3.Connection) -> None:
    """Fold the whole log in and empty it, as far as no reader is in the way; waits half a second at most.

    SQLite does this by itself when the last connection closes, but not for a file that was moved away or
    replaced since: its last COMMITs would stay in a log that is then laid over whatever stands there.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout=500")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
