"""The own log as peers may see it: the signed head and hash tiles, never an entry (docs/peer-api.md).

Serves only what a signed head covers, so that nobody sees a tree that this authority has not signed.
"""

import asyncio
from pathlib import Path

from crypto.checkpoint import parse_checkpoint
from crypto.merkle import inclusion_path
from crypto.note import split_note
from crypto.proof import tlog_proof
from crypto.tiles import TILE_WIDTH
from gateway.services.log.headstore import HeadDamaged, read_head_file
from gateway.services.log.logtree import LogDamaged, StoredTree
from gateway.services.log.sequence import Sequencer
from gateway.storage.database import Connection, Database


class LogPages:
    """What ``GET /log/…`` answers with."""

    def __init__(self, *, sequencer: Sequencer, database: Database) -> None:
        self._sequencer = sequencer
        self._database = database

    async def checkpoint(self) -> bytes | None:
        """Return the newest signed head, or ``None`` before the first."""
        note = self._sequencer.head_note
        return None if note is None else note.encode()

    async def tile(self, level: int, index: int, width: int) -> bytes | None:
        """Return ``width`` hashes of a tile (C2SP tlog-tiles), or ``None`` beyond the signed head."""
        note = self._sequencer.head_note
        if note is None or not 0 < width <= TILE_WIDTH:
            return None
        start = index * TILE_WIDTH
        if start + width > parse_checkpoint(split_note(note)[0]).size >> (8 * level):
            return None

        def query(connection: Connection) -> bytes:
            return b"".join(StoredTree(connection).hashes(level, start, start + width))

        try:
            return await self._database.read_slow(query)
        except LogDamaged:
            return None


class StoredProofs:
    """Proofs under the head that is stored, for a home opened for reading: nothing new is signed."""

    def __init__(self, *, database: Database, head_file: Path) -> None:
        self._database = database
        self._head_file = head_file

    async def proof(self, index: int, timeout_s: float) -> str | None:
        """Return the tlog-proof of an entry, or ``None`` where the stored head covers it not."""
        try:
            note = await asyncio.to_thread(read_head_file, self._head_file)
        except HeadDamaged:
            return None
        if note is None:
            return None
        head = parse_checkpoint(split_note(note)[0])
        if index >= head.size:
            return None
        try:
            path = await self._database.read(
                lambda connection: inclusion_path(index, head.size, StoredTree(connection).node)
            )
        except LogDamaged:
            return None
        return tlog_proof(index, path, note)
