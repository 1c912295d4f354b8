"""Reading and writing a medium: whole files or none, nothing outside its folder, nothing that is no file.

Works on folder handles, so that a link planted in place of a folder or file leads nowhere. A file is
written under another name, made durable, then renamed; what a broken run left is replaced by the next.
What the medium does wrong is a refusal that says what to do: ``medium-full``, ``medium-readonly``, ...
"""

import asyncio
import errno
import hashlib
import io
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.errors import GatewayRefusal
from gateway.model.medium import MOST_ENTRIES, UNFINISHED

_PIECE = 1024 * 1024

#: Kept free beside what is written, for cover sheets and the medium's own records.
_SPARE_BYTES = 1024 * 1024

#: Others on this machine print the sheet and read results; who may come here at all, the folder above says.
_FOLDER_MODE, _FILE_MODE = 0o775, 0o664

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}

Pieces = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that lies on the medium now; ``is_new`` false if it lay there already, byte for byte."""

    name: str
    size: int
    sha256: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a folder; ``is_file`` false for links, devices, pipes; ``size`` of a file in bytes."""

    name: str
    is_file: bool
    is_folder: bool
    size: int


class Folder:
    """An open folder of a medium. Close it, or use it in a ``with`` block."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def open(cls, path: Path) -> "Folder":
        """Open the folder that a person named. Raises ``GatewayRefusal`` ``folder-unusable``."""
        try:
            return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except (OSError, ValueError):
            raise GatewayRefusal("folder-unusable", field="folder") from None

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._handle)

    def within(self, name: str, *, create: bool = False) -> "Folder":
        """Open a folder in this one, made if it is to be. A link in its place is refused."""
        with _explained():
            is_new = False
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, _FOLDER_MODE, dir_fd=self._handle)
                    is_new = True
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(name, flags, dir_fd=self._handle)
        if is_new:
            _share(handle, _FOLDER_MODE)
        return Folder(handle)

    def entries(self) -> list[Entry]:
        """Return what lies here, by name. Raises ``GatewayRefusal`` ``medium-crowded`` beyond a bound."""
        found: list[Entry] = []
        with _explained(), os.scandir(self._handle) as listing:
            for item in listing:
                if len(found) >= MOST_ENTRIES:
                    raise GatewayRefusal("medium-crowded")
                try:
                    about = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found.append(
                    Entry(
                        name=item.name,
                        is_file=stat.S_ISREG(about.st_mode),
                        is_folder=stat.S_ISDIR(about.st_mode),
                        size=about.st_size,
                    )
                )
        return sorted(found, key=lambda entry: os.fsencode(entry.name))

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes fit beside what lies there."""
        with _explained():
            about = os.fstatvfs(self._handle)
        return about.f_bavail * about.f_frsize >= size + _SPARE_BYTES

    def read(self, name: str, *, most: int) -> bytes | None:
        """Return a small file, ``None`` if there is none or it is larger than ``most``."""
        handle = self._open_file(name)
        if handle is None:
            return None
        with _explained(), os.fdopen(handle, "rb") as file:
            data = file.read(most + 1)
        return data if len(data) <= most else None

    async def pieces(self, name: str, offset: int) -> AsyncIterator[bytes]:
        """Yield a file from an offset on. Raises ``GatewayRefusal`` ``medium-lost`` if it cannot be read."""
        handle = self._open_file(name)
        if handle is None:
            raise GatewayRefusal("medium-lost")
        with os.fdopen(handle, "rb", buffering=0) as file:
            with _explained():
                file.seek(offset)
            while True:
                with _explained():
                    piece = await asyncio.to_thread(file.read, _PIECE)
                if not piece:
                    return
                yield piece

    def open_file(self, name: str) -> io.BufferedReader:
        """Open a regular file for reading. Raises ``GatewayRefusal`` ``attachment-unreadable``."""
        handle = self._open_file(name)
        if handle is None:
            raise GatewayRefusal("attachment-unreadable")
        return os.fdopen(handle, "rb")

    def move(self, name: str, into: "Folder") -> str:
        """Move a folder from here into another one, under another name if its own is taken; return that."""
        for number in range(1, MOST_ENTRIES):
            wanted = name if number == 1 else f"{name}-{number}"
            with _explained():
                if not into._has(wanted):
                    os.rename(name, wanted, src_dir_fd=self._handle, dst_dir_fd=into._handle)
                    return wanted
        raise GatewayRefusal("medium-crowded")

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _open_file(self, name: str) -> int | None:
        """Open a regular file and nothing else: no link is followed, no device or pipe waited for."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(name, flags, dir_fd=self._handle)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        return handle

    async def put(
        self, name: str, pieces: Pieces, *, progress: Callable[[int], None] = lambda count: None
    ) -> Written:
        """Write a file unless it lies there already, byte for byte; durable when it returns, but its name."""
        held = await self._same(name, pieces, progress)
        if held is not None:
            return held
        size, digest = 0, hashlib.sha256()
        unfinished = f".{name}{UNFINISHED}"
        with _explained():
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=self._handle)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(unfinished, flags, _FILE_MODE, dir_fd=self._handle)
        _share(handle, _FILE_MODE)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                async for piece in pieces():
                    await _in_thread(partial(_write, file.fileno(), piece))
                    digest.update(piece)
                    size += len(piece)
                    progress(len(piece))
                await _in_thread(partial(os.fsync, file.fileno()))
            with _explained():
                os.rename(unfinished, name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        except BaseException:
            with suppress(OSError):
                os.unlink(unfinished, dir_fd=self._handle)
            raise
        return Written(name=name, size=size, sha256=digest.hexdigest(), is_new=True)

    async def _same(self, name: str, pieces: Pieces, progress: Callable[[int], None]) -> Written | None:
        """Return the file if it holds exactly these bytes."""
        handle = self._open_file(name)
        if handle is None:
            return None
        size, digest = 0, hashlib.sha256()
        with os.fdopen(handle, "rb") as file:
            source = pieces()
            try:
                async for piece in source:
                    held = await asyncio.to_thread(file.read, len(piece))
                    if held != piece:
                        return None
                    digest.update(piece)
                    size += len(piece)
            except OSError:
                # What cannot be read is written anew.
                return None
            finally:
                await _ended(source)
            if file.read(1):
                return None
        progress(size)
        return Written(name=name, size=size, sha256=digest.hexdigest(), is_new=False)

    async def settle(self) -> None:
        """Make the names written here durable."""
        await _in_thread(partial(os.fsync, self._handle))


def given(data: bytes) -> Pieces:
    """Return a small file's bytes as pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return pieces


def _share(handle: int, mode: int) -> None:
    """Set a mode whatever the service's mask is; a medium without such rights has none to set."""
    with suppress(OSError):
        os.fchmod(handle, mode | (os.fstat(handle).st_mode & stat.S_ISGID))


async def _ended(pieces: AsyncIterator[bytes]) -> None:
    """Close what need not be read to its end, its file with it."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


def _write(handle: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]


async def _in_thread(work: Callable[[], object]) -> None:
    with _explained():
        await asyncio.to_thread(work)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a medium does wrong into a refusal that says what to do."""
    try:
        yield
    except OSError as error:
        code = "medium-lost"
        if error.errno in _FULL:
            code = "medium-full"
        elif error.errno in _READ_ONLY:
            code = "medium-readonly"
        elif error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            code = "medium-foreign"
        raise GatewayRefusal(code, detail=errno.errorcode.get(error.errno or 0, "")) from None
