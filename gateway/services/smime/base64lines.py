"""Files and layers of a letter as the lines of base64 that they travel in, made piece by piece.

Nothing large is ever joined: what goes in comes out in stretches of whole lines, in order, whatever the
pieces were. ``OutgoingFile`` keeps a file in this form alone, so that a letter holds each of its files once.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

#: Bytes to a line of 76 characters, and bytes to a stretch of lines.
_LINE_BYTES = 57
_LINE = 76
_STRETCH = _LINE_BYTES * 1000


def base64_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield base64 of all pieces together in stretches of whole lines, the last line ended as well."""
    rest = bytearray()
    for piece in pieces:
        yield from _whole_stretches(rest, piece)
    if rest:
        yield _lines(rest)


def base64_size(size: int) -> int:
    """Return how many bytes ``base64_lines`` yields for so many."""
    return (size + 2) // 3 * 4 + 2 * -(-size // _LINE_BYTES)


class Lines:
    """Up to ``size`` bytes of whole lines, in a mapping of their own.

    A letter is large and soon gone: what the heap takes for it would stay with the process, a mapping goes
    back to the system when it is closed.
    """

    def __init__(self, size: int) -> None:
        self._map = mmap(-1, max(size, 1), flags=MAP_PRIVATE | MAP_ANONYMOUS)
        self._ends: list[int] = []

    @property
    def size(self) -> int:
        """Bytes that were added."""
        return self._ends[-1] if self._ends else 0

    def add(self, stretches: Iterable[bytes]) -> None:
        """Take stretches of whole lines. Raises ``ValueError`` beyond the size that was said."""
        for stretch in stretches:
            self._map.write(stretch)
            self._ends.append(self._map.tell())

    def stretches(self) -> Iterator[bytes]:
        """Yield what was added, as it was added; as often as it is asked for, until it is closed."""
        begin = 0
        for end in self._ends:
            yield self._map[begin:end]
            begin = end

    def close(self) -> None:
        """Give the memory back; nothing is left."""
        self._ends.clear()
        self._map.close()


class OutgoingFile:
    """A file of ``size`` bytes that goes with a letter, to be written once: a binary file object so far.

    Attributes:
        name: As shown to people. Never a path.
        media_type: ``type/subtype`` in lower case.
        lines: The file as ``base64_lines`` yields it, once all of it was written.
    """

    def __init__(self, *, name: str, media_type: str, size: int) -> None:
        self.name = name
        self.media_type = media_type
        self.lines = Lines(base64_size(size))
        self._left = size
        self._rest = bytearray()

    def write(self, data: bytes | memoryview, /) -> int:
        """Take the next bytes of the file. Raises ``ValueError`` beyond its size."""
        self._left -= len(data)
        self.lines.add(_whole_stretches(self._rest, data))
        if self._left <= 0 and self._rest:
            self.lines.add([_lines(self._rest)])
            self._rest.clear()
        return len(data)


def _whole_stretches(rest: bytearray, piece: bytes | memoryview) -> Iterator[bytes]:
    """Add a piece to what is left, and yield whatever whole stretches there are now."""
    with memoryview(piece) as view:
        for begin in range(0, len(view), _STRETCH):
            rest += view[begin : begin + _STRETCH]
            if len(rest) >= _STRETCH:
                yield _lines(rest[:_STRETCH])
                del rest[:_STRETCH]


def _lines(data: bytearray) -> bytes:
    text = b64encode(data)
    return b"".join(text[at : at + _LINE] + b"\r\n" for at in range(0, len(text), _LINE))
