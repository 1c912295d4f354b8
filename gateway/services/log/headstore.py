"""The signed head of the log in a second place: a small file outside the database.

Decides how a head is kept so that neither a torn write nor a second process can lose or fork it: two slots
of fixed size, each update overwrites the older one and is durable when it returns, and a head is only ever
replaced by a larger one. A database restored from yesterday is therefore noticed. Blocks; knows no keys.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from crypto.checkpoint import Checkpoint, parse_checkpoint
from crypto.errors import Refusal
from crypto.note import split_note

#: One slot: magic, sequence number (8 bytes), length (4), note, SHA-256 of all that, zeros.
SLOT_BYTES = 16 * 1024
_MAGIC = b"gw-head\x01"
_HEADER = len(_MAGIC) + 12
_LARGEST_NOTE = SLOT_BYTES - _HEADER - 32

_sync = getattr(os, "fdatasync", os.fsync)


class HeadConflict(Exception):
    """The stored head is larger, or of the same size with another root; ``stored`` is its note."""

    def __init__(self, stored: str) -> None:
        super().__init__("the stored head does not allow this one to follow")
        self.stored = stored


class HeadDamaged(Exception):
    """The file is no head file, or both of its slots are unreadable. Nothing is written to it then."""


class HeadStore:
    """The head file of one home. Safe against other processes; one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; ``OSError`` if that is impossible. Its folder must exist."""
        self.path = path
        self.is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self.is_new:
            os.ftruncate(self._file, 2 * SLOT_BYTES)
            os.fsync(self._file)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self) -> str | None:
        """Return the newest head's note; None if none was ever stored.

        Raises:
            HeadDamaged: something was stored, but nothing readable is left.
        """
        return self._newest()[1]

    def replace(self, note: str) -> None:
        """Store a head that is larger than the one stored; durable when it returns.

        The same head again changes nothing.

        Raises:
            HeadConflict: a larger or a different head of the same size is stored.
            HeadDamaged: what is stored cannot be read.
            OSError: the disk refuses; the stored head is then unharmed.
        """
        data = note.encode()
        if len(data) > _LARGEST_NOTE:
            raise ValueError("the note does not fit into a slot")
        with self._locked():
            sequence, stored = self._newest()
            if stored is not None:
                old, new = _head(stored), _head(note)
                if old.size > new.size or (old.size == new.size and old.root != new.root):
                    raise HeadConflict(stored)
                if old.size == new.size:
                    return
            record = _MAGIC + (sequence + 1).to_bytes(8, "big") + len(data).to_bytes(4, "big") + data
            record += sha256(record).digest()
            offset = (sequence + 1) % 2 * SLOT_BYTES
            if os.pwrite(self._file, record, offset) != len(record):
                raise OSError("short write to the head file")
            _sync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _newest(self) -> tuple[int, str | None]:
        slots = [os.pread(self._file, SLOT_BYTES, offset) for offset in (0, SLOT_BYTES)]
        readable = [slot for slot in map(_read_slot, slots) if slot is not None]
        if not readable:
            if any(slot.strip(b"\0") for slot in slots):
                raise HeadDamaged(f"no slot of {self.path.name} can be read")
            return 0, None
        return max(readable)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def read_head_file(path: Path) -> str | None:
    """Return the note in a head file without opening it for writing; None if there is no file or no head.

    Raises:
        HeadDamaged: as ``HeadStore.read``.
    """
    if not path.exists():
        return None
    store = object.__new__(HeadStore)
    store.path = path
    store._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return store.read()
    finally:
        store.close()


def _read_slot(slot: bytes) -> tuple[int, str] | None:
    if not slot.startswith(_MAGIC):
        return None
    length = int.from_bytes(slot[_HEADER - 4 : _HEADER], "big")
    end = _HEADER + length
    if length > _LARGEST_NOTE or sha256(slot[:end]).digest() != slot[end : end + 32]:
        return None
    return int.from_bytes(slot[len(_MAGIC) : _HEADER - 4], "big"), slot[_HEADER:end].decode()


# The head that was written is the one that is stored when the next comes.
@lru_cache(maxsize=4)
def _head(note: str) -> Checkpoint:
    try:
        return parse_checkpoint(split_note(note)[0])
    except Refusal as error:
        raise HeadDamaged(f"what is stored is no checkpoint ({error.code})") from None
