"""The log's tree as the database holds it: nodes from tiles and leaves, and the edge to go on from.

Reads at most one tile per eight levels of a path and at most 255 leaves; keeps the tiles it has read only
as long as the caller keeps the object, which belongs to one connection and one transaction.
"""

from crypto.merkle import Frontier, fold_roots, leaf_hash
from crypto.tiles import TILE_WIDTH, Edge, split_tile, tile_rows
from gateway.storage import audit as table
from gateway.storage.audit import Connection

#: Leaves read at a time when many are needed: bounds memory.
CHUNK = 4096


class LogDamaged(Exception):
    """Rows of the log are missing or have another shape; the text names them by index."""


class StoredTree:
    """The nodes of the stored tree over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the complete subtree over leaves ``index << level`` onwards.

        Raises:
            LogDamaged: what it is made of is not there.
        """
        tile_level, row = divmod(level, 8)
        tile = index >> (8 - row)
        rows = self._tile(tile_level, tile)
        if rows is not None:
            return rows[row][index & ((1 << (8 - row)) - 1)]
        first = index << row
        return fold_roots(tile_rows(self.hashes(tile_level, first, first + (1 << row)))[-1])

    def hashes(self, tile_level: int, start: int, end: int) -> list[bytes]:
        """Return the hashes ``start`` to ``end`` of a level of tiles, from complete tiles or from below."""
        if tile_level == 0:
            return [leaf_hash(leaf) for leaf in self.leaves(start, end)]
        return [self._root_of_tile(tile_level - 1, n) for n in range(start, end)]

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the leaves ``start`` to ``end``; ``LogDamaged`` if one is absent."""
        found = table.leaves(self._connection, start, end)
        for expected, (index, _) in zip(range(start, end), found, strict=False):
            if index != expected:
                raise LogDamaged(f"entry {expected} is missing")
        if len(found) < end - start:
            raise LogDamaged(f"entry {start + len(found)} is missing")
        return [leaf for _, leaf in found]

    def frontier(self, size: int) -> Frontier:
        """Return the frontier of the first ``size`` entries."""
        start, nodes = 0, []
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                nodes.append(self.node(level, start >> level))
                start += 1 << level
        return Frontier(size, nodes)

    def extend(self, frontier: Frontier, size: int) -> None:
        """Append the stored leaves up to ``size`` to ``frontier``, hashing each anew."""
        while frontier.size < size:
            for leaf in self.leaves(frontier.size, min(size, frontier.size + CHUNK)):
                frontier.append(leaf_hash(leaf))

    def edge(self, size: int) -> Edge:
        """Return the edge of the stored tree, ready to append to."""
        unfinished = []
        for level in range(max(1, (size.bit_length() + 7) // 8)):
            end = size >> (8 * level)
            unfinished.append(self.hashes(level, end - end % TILE_WIDTH, end))
        return Edge.resume(size, unfinished)

    def _root_of_tile(self, level: int, n: int) -> bytes:
        rows = self._tile(level, n)
        if rows is None:
            raise LogDamaged(f"hash tile {n} of level {level} is missing")
        return rows[8][0]

    def _tile(self, level: int, n: int) -> list[list[bytes]] | None:
        if (level, n) not in self._tiles:
            stored = table.tiles(self._connection, level, n, n + 1).get(n)
            if stored is None:
                return None
            try:
                self._tiles[level, n] = tile_rows(split_tile(stored))
            except ValueError:
                raise LogDamaged(f"hash tile {n} of level {level} has another length") from None
        return self._tiles[level, n]
