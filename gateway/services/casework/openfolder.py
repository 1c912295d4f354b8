"""The folder a bundle is decrypted into: new or empty, its owner's alone, and as it was if anything fails."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import GatewayRefusal, StorageFull


@contextmanager
def empty_folder(directory: Path) -> Iterator[None]:
    """Make the folder, readable by its owner only, or refuse one that holds anything; empty it on failure.

    Raises ``GatewayRefusal`` ``folder-not-empty``, ``folder-unusable``; ``StorageFull``.
    """
    try:
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        if not made and (not directory.is_dir() or any(directory.iterdir())):
            raise GatewayRefusal("folder-not-empty")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError):
        raise GatewayRefusal("folder-unusable", field="directory") from None
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            for path in directory.iterdir():
                path.unlink()
            for path in made:
                path.rmdir()
        if not isinstance(error, OSError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from None
        raise GatewayRefusal("folder-unusable", field="directory") from None


def create(path: Path) -> io.FileIO:
    """Return a new file that only its owner may read; one that is there already is never followed."""
    return io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
