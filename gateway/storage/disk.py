"""Work on the disk: in a thread that a cancelled caller does not stop, and durable with its folder."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.storage.faults import raise_as_ours
from gateway.storage.lane import is_urgent

T = TypeVar("T")


#: Threads that only urgent work has: routine transfers may keep every other one busy.
_RESERVED = ThreadPoolExecutor(4, thread_name_prefix="urgent")


def executor() -> Executor | None:
    """Return whose threads work for the present task; ``None`` for those that all routine work shares."""
    return _RESERVED if is_urgent() else None


async def in_thread(call: Callable[..., T], *arguments: object) -> T:
    """Return what a call in a thread returns; it goes on to its end whatever happens to the caller.

    Raises ``FileNotFoundError`` as it is, any other ``OSError`` as ours: ``StorageFull`` and others.
    """
    future = asyncio.get_running_loop().run_in_executor(executor(), call, *arguments)
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


def size_of(path: Path) -> int | None:
    """Return the size of a file in bytes, ``None`` if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def older_than(folder: Path, oldest: float) -> list[Path]:
    """Return the files in a folder that were last changed before ``oldest``, seconds since 1970."""
    found = []
    for entry in os.scandir(folder):
        try:
            if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < oldest:
                found.append(Path(entry.path))
        except FileNotFoundError:
            continue
    return found
