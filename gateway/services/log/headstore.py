"""The signed head of the log in a second place: a small file outside the database.

Decides how a head is kept so that neither a torn write nor a second process can lose or fork it: two slots
of fixed size, each update overwrites the older one and is durable when it returns, and a head is only ever
replaced by a larger one. A database restored from yesterday is therefore noticed. Blocks; knows no keys.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from crypto.checkpoint import Checkpoint, parse_checkpoint
from crypto.errors import Refusal

#: One slot: magic, sequence number (8 bytes), length (4), note, SHA-256 of all that, zeros.
SLOT_BYTES = 16 * 1024
_MAGIC = b"gw-head\x01"
_HEADER = len(_MAGIC) + 12
_LARGEST_NOTE = SLOT_BYTES - _HEADER - 32

#: Sequence number and note of the newest slot; 0 and None if none was ever written.
_Found = tuple[int, str | None]

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
        # The slots as they were last read or written, and what they hold: only others' changes are read anew.
        self._slots: list[bytes] = []
        self._found: _Found = (0, None)
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
            slot = (sequence + 1) % 2
            if os.pwrite(self._file, record, slot * SLOT_BYTES) != len(record):
                raise OSError("short write to the head file")
            _sync(self._file)
            self._slots[slot] = record + self._slots[slot][len(record) :]
            self._found = sequence + 1, note

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _newest(self) -> _Found:
        slots = _slots(self._file)
        if slots != self._slots:
            self._found = _newest_of(slots, self.path)
            self._slots = slots
        return self._found

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
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _newest_of(_slots(file), path)[1]
    finally:
        os.close(file)


def _slots(file: int) -> list[bytes]:
    return [os.pread(file, SLOT_BYTES, offset) for offset in (0, SLOT_BYTES)]


def _newest_of(slots: list[bytes], path: Path) -> _Found:
    readable = [slot for slot in map(_read_slot, slots) if slot is not None]
    if readable:
        return max(readable)
    if any(slot.strip(b"\0") for slot in slots):
        raise HeadDamaged(f"no slot of {path.name} can be read")
    return 0, None


def _read_slot(slot: bytes) -> tuple[int, str] | None:
    if not slot.startswith(_MAGIC):
        return None
    length = int.from_bytes(slot[_HEADER - 4 : _HEADER], "big")
    end = _HEADER + length
    if length > _LARGEST_NOTE or sha256(slot[:end]).digest() != slot[end : end + 32]:
        return None
    return int.from_bytes(slot[len(_MAGIC) : _HEADER - 4], "big"), slot[_HEADER:end].decode()


def _head(note: str) -> Checkpoint:
    # Its text alone: who signed is for the reader of the log to judge, and a slot's digest keeps it whole.
    try:
        return parse_checkpoint(note.partition("\n\n")[0] + "\n")
    except Refusal as error:
        raise HeadDamaged(f"what is stored is no checkpoint ({error.code})") from None
