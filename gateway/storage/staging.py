"""A folder for bytes that wait beside the database: written once, durable before a row refers to them.

Names are random; what they mean stands in the row. A crash leaves files without a row: the folder lies in
that of the blobs, whose sweep removes them after a day. The bytes are sealed by whoever hands them in.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path

from gateway.errors import StorageDamaged
from gateway.storage.disk import in_thread, sync_folder
from gateway.storage.spool import COPY_BYTES


class Staging:
    """The staging files of one gateway. ``prepare`` before use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def prepare(self) -> None:
        """Make the folder, readable by its owner only."""
        await in_thread(lambda: self._folder.mkdir(mode=0o700, parents=True, exist_ok=True))

    async def put(self, data: bytes) -> str:
        """Keep ``data`` durably and return its name. Raises ``StorageFull`` where there is no room."""
        name = secrets.token_hex(16)
        await in_thread(lambda: self._write(name, data))
        return name

    def _write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        try:
            with open(path, "xb", buffering=0, opener=_private) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view[:COPY_BYTES]) :]
                os.fsync(file.fileno())
            sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def read(self, name: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a file's bytes from ``offset`` on. Raises ``StorageDamaged`` if it is gone."""
        try:
            file = await in_thread(lambda: open(self._path(name), "rb", buffering=0))  # noqa: SIM115
        except FileNotFoundError as error:
            raise StorageDamaged() from error
        try:
            at = offset
            # Positioned, so that a read left over from a cancelled turn cannot move the next one.
            while chunk := await in_thread(partial(os.pread, file.fileno(), COPY_BYTES, at)):
                at += len(chunk)
                yield chunk
        finally:
            file.close()

    async def drop(self, *names: str) -> None:
        """Remove files; nothing happens where one is gone."""
        paths = [self._path(name) for name in names]
        await in_thread(lambda: _unlink(paths))

    def _path(self, name: str) -> Path:
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise ValueError("no staging file has such a name")
        return self._folder / name


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
