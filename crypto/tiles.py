"""The right side of a growing tree in constant memory, and the hash tiles it leaves behind.

Tiles are those of c2sp.org/tlog-tiles: 256 hashes of 32 bytes, one level of tiles for eight levels of the
tree. An ``Edge`` keeps, per level of tiles, the tile being filled and the one filled before it, with all
their inner nodes: enough to prove every recent leaf without reading anything. Where complete tiles are kept
is the caller's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from crypto.merkle import HASH_SIZE, subtree_root

TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_SIZE

#: The nodes of one tile: 256, 128, … 2 hashes when complete, from the leaves of the tile upwards.
_Rows = list[list[bytes]]


class NotHeld(KeyError):
    """The node is older than what an edge keeps; it has to be read from stored tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One complete hash tile: ``n``-th of its ``level``, both from 0."""

    level: int
    n: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class EdgeView:
    """An edge as it stood at ``size``, unharmed by later appends and by ``Edge.reset`` to a larger size.

    Safe to read from another thread than the one that appends.
    """

    size: int
    _filling: tuple[_Rows, ...]
    _filled: tuple[_Rows | None, ...]

    @classmethod
    def empty(cls) -> "EdgeView":
        """Return the view of a tree without leaves."""
        return Edge().view()

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the complete subtree over leaves ``index << level`` onwards.

        Raises:
            NotHeld: it is too old, or not complete at ``size``.
        """
        tile_level, row = divmod(level, 8)
        if tile_level >= len(self._filling) or (index + 1) << level > self.size:
            raise NotHeld(level, index)
        tile = index >> (8 - row)
        newest = self.size >> (8 * tile_level + 8)
        rows = self._filling[tile_level] if tile == newest else None
        if tile == newest - 1:
            rows = self._filled[tile_level]
        if rows is None:
            raise NotHeld(level, index)
        return rows[row][index & ((1 << (8 - row)) - 1)]

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return subtree_root(0, self.size, self.node)


class Edge:
    """The appending side. One thread at a time; ``view`` is what others may read."""

    __slots__ = ("_filled", "_filling", "size")

    def __init__(self) -> None:
        """Start an empty tree."""
        self.size = 0
        self._filling: list[_Rows] = [_new_rows()]
        self._filled: list[_Rows | None] = [None]

    @classmethod
    def resume(cls, size: int, unfinished: Sequence[Sequence[bytes]]) -> "Edge":
        """Return the edge of a stored tree.

        Args:
            unfinished: For each level of tiles from the leaves up, the hashes of its incomplete tile.
        """
        edge = cls()
        edge.size = size
        edge._filling = []
        for level in range(max(1, (size.bit_length() + 7) // 8)):
            hashes = unfinished[level]
            if len(hashes) != (size >> (8 * level)) % TILE_WIDTH:
                raise ValueError("an incomplete tile has one hash per complete subtree")
            rows = [list(hashes)]
            while len(rows) < 8:
                below = rows[-1]
                rows.append([_node(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
            edge._filling.append(rows)
        edge._filled = [None] * len(edge._filling)
        return edge

    @classmethod
    def resume_unknown(cls, size: int) -> "Edge":
        """Return an edge that counts on from ``size`` where the stored tree cannot be read.

        Its unknown hashes are zeros, so no root it gives will ever match anything.
        """
        levels = range(max(1, (size.bit_length() + 7) // 8))
        return cls.resume(
            size, [[bytes(HASH_SIZE)] * ((size >> (8 * level)) % TILE_WIDTH) for level in levels]
        )

    def append(self, hashed: bytes) -> list[Tile]:
        """Add one leaf by its hash and return the tiles this completes, lowest level first."""
        complete: list[Tile] = []
        level = 0
        while True:
            rows = self._filling[level]
            for row in rows:
                row.append(hashed)
                if len(row) & 1:
                    self.size += 1
                    return complete
                hashed = sha256(b"\x01" + row[-2] + row[-1]).digest()
            n = self.size >> (8 * level + 8)
            complete.append(Tile(level=level, n=n, hashes=b"".join(rows[0])))
            self._filled[level] = rows
            self._filling[level] = _new_rows()
            level += 1
            if level == len(self._filling):
                self._filling.append(_new_rows())
                self._filled.append(None)

    def view(self) -> EdgeView:
        """Return the edge as it stands: to read from, and to return to."""
        return EdgeView(self.size, tuple(self._filling), tuple(self._filled))

    def reset(self, view: EdgeView) -> None:
        """Forget every leaf appended since ``view`` was taken."""
        self.size = view.size
        self._filling = list(view._filling)
        self._filled = list(view._filled)
        for level, rows in enumerate(self._filling):
            count = (view.size >> (8 * level)) % TILE_WIDTH
            for height, row in enumerate(rows):
                del row[count >> height :]


def _new_rows() -> _Rows:
    return [[] for _ in range(8)]


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def tile_rows(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return all nodes above ``hashes`` (a power of two of them) row by row; the last row is their root."""
    rows = [list(hashes)]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([_node(below[at], below[at + 1]) for at in range(0, len(below), 2)])
    return rows


def split_tile(hashes: bytes) -> list[bytes]:
    """Return the hashes of a stored tile; ``ValueError`` if it is not exactly one tile."""
    if len(hashes) != TILE_BYTES:
        raise ValueError("a tile has 8192 bytes")
    return [hashes[at : at + HASH_SIZE] for at in range(0, TILE_BYTES, HASH_SIZE)]
