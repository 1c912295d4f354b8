"""A file that at most one process holds: whoever writes to a home or to a network's folder holds its lock."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import GatewayRefusal


@contextlib.contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock until the block ends; it goes with the process, however that ends.

    Raises ``GatewayRefusal`` with the code given where another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GatewayRefusal(refusal) from None
        yield
    finally:
        os.close(handle)
