"""One blob while it is being written: in memory while small, then a private temporary file.

Synchronous; safe to close from another thread at any time, so that a cancelled task never closes a
file under a running write. Names nothing but its temporary file; ``blobs`` gives it its final place.
"""

import hashlib
import io
import os
import secrets
import threading
from pathlib import Path
from typing import BinaryIO

from gateway.storage.faults import raise_as_ours

COPY_BYTES = 1 << 20


class Spool:
    """The bytes of one blob on their way in.

    Args:
        folder: Where the temporary file goes, should there be one.
        in_memory_bytes: From this size on the bytes go to a file; 0 means at once.
        hashing: Keep a running SHA-256; false if the writer's caller has the digest anyway.
    """

    def __init__(self, folder: Path, *, in_memory_bytes: int, hashing: bool = True) -> None:
        self.size_bytes = 0
        self.path: Path | None = None
        self._folder = folder
        self._limit = in_memory_bytes
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256() if hashing else None
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def reopen(cls, path: Path, *, offset: int, in_memory_bytes: int) -> "Spool":
        """Go on at ``offset``, dropping whatever lies behind it; reads the file once to hash it anew.

        Raises ``FileNotFoundError`` if the file is gone or shorter than ``offset``.
        """
        spool = cls(path.parent, in_memory_bytes=in_memory_bytes)
        file = open(path, "r+b", buffering=0)  # noqa: SIM115
        if os.fstat(file.fileno()).st_size < offset:
            file.close()
            raise FileNotFoundError(f"{path.name} is shorter than what was promised of it")
        file.truncate(offset)
        spool.path, spool._file = path, file
        spool._read_back(offset)
        return spool

    def _read_back(self, size: int) -> None:
        assert self._file is not None
        assert self._hash is not None
        while self.size_bytes < size:
            chunk = self._file.read(min(COPY_BYTES, size - self.size_bytes))
            self._hash.update(chunk)
            self.size_bytes += len(chunk)

    def write(self, data: "bytes | bytearray | memoryview") -> int:
        """Append; may block on the disk. Raises ``StorageFull``; ``ValueError`` once closed."""
        with self._lock:
            self._check_open()
            if self._hash is not None:
                self._hash.update(data)
            self.size_bytes += len(data)
            if self._file is None and self.size_bytes < self._limit:
                self._memory += data
                return len(data)
            try:
                file = self._to_file()
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            except OSError as error:
                raise_as_ours(error)
            return len(data)

    def lend(self) -> int:
        """Return the descriptor of the file, for another process to write it; then call ``returned``."""
        with self._lock:
            self._check_open()
            return self._to_file().fileno()

    def returned(self, size_bytes: int) -> None:
        """Take back what was lent. Raises ``ValueError`` unless so many bytes were written."""
        with self._lock:
            self._check_open()
            held = self._to_file()
            if os.fstat(held.fileno()).st_size != size_bytes:
                raise ValueError("another number of bytes was written than was said")
            held.seek(0, io.SEEK_END)
            self.size_bytes = size_bytes

    def _to_file(self) -> BinaryIO:
        if self._file is None:
            self.path = self._folder / secrets.token_hex(16)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = open(handle, "r+b", buffering=0)  # noqa: SIM115
            view = memoryview(self._memory)
            while view:
                view = view[self._file.write(view) :]
            view.release()
            self._memory = bytearray()
        return self._file

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the blob's writer is closed")

    def digest(self) -> str | None:
        """Return the SHA-256 so far, lower-case hex; ``None`` if this spool does not hash."""
        return None if self._hash is None else self._hash.hexdigest()

    def in_memory(self) -> bytes | None:
        """Return the bytes if they never needed a file."""
        return bytes(self._memory) if self._file is None else None

    def sync(self) -> Path:
        """Make the bytes so far durable, in a file even if they are few, and return its path."""
        with self._lock:
            self._check_open()
            os.fdatasync(self._to_file().fileno())
            assert self.path is not None
            return self.path

    def read_all(self) -> bytes:
        """Return everything written so far."""
        with self._lock:
            if self._file is None:
                return bytes(self._memory)
            self._file.seek(0)
            data = self._file.read(self.size_bytes)
            self._file.seek(0, io.SEEK_END)
            return data

    def close(self, *, remove: bool) -> None:
        """Close, waiting for a write under way in another thread; ``remove`` deletes the temporary file."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
            if remove and self.path is not None:
                self.path.unlink(missing_ok=True)
