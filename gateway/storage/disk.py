"""Work on the disk: in a thread that a cancelled caller does not stop, and durable with its folder."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.storage.faults import raise_as_ours

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *arguments: object) -> T:
    """Return what a call in a thread returns; it goes on to its end whatever happens to the caller.

    Raises ``FileNotFoundError`` as it is, any other ``OSError`` as ours: ``StorageFull`` and others.
    """
    future = asyncio.get_running_loop().run_in_executor(None, call, *arguments)
    try:
        return await asyncio.shield(future)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise_as_ours(error)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises ``OSError``."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
