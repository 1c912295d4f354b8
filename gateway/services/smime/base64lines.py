"""Files and layers of a letter as the lines of base64 that they travel in, made piece by piece.

Nothing large is ever joined: what goes in comes out in stretches of whole lines, in order, whatever the
pieces were. ``OutgoingFile`` keeps a file in this form alone, so that a letter holds each of its files once.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator

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


class OutgoingFile:
    """A file that goes with a letter: written once, then taken once; a binary file object as far as that.

    Attributes:
        name: As shown to people. Never a path.
        media_type: ``type/subtype`` in lower case.
    """

    def __init__(self, *, name: str, media_type: str) -> None:
        self.name = name
        self.media_type = media_type
        self._rest = bytearray()
        self._stretches: list[bytes] = []

    def write(self, data: bytes | memoryview, /) -> int:
        """Take the next bytes of the file."""
        self._stretches.extend(_whole_stretches(self._rest, data))
        return len(data)

    def take(self) -> list[bytes]:
        """Return the file as ``base64_lines`` yields it, and keep nothing."""
        found, self._stretches = self._stretches, []
        if self._rest:
            found.append(_lines(self._rest))
            self._rest = bytearray()
        return found


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
