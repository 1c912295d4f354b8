"""The container of a stored bundle as a stream: envelope and parts, from any offset, never all in memory.

In storage the container is virtual: the envelope in force, then the parts as they were sealed.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from crypto.bundle import container_prefix
from gateway.errors import GatewayRefusal
from gateway.storage import bundles
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.database import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSource:
    """One container: its size, whose envelope it starts with, and its bytes."""

    sender: str
    bid: str
    lane: str
    envelope_sha256: str
    size: int
    prefix: bytes = field(repr=False)
    parts: Sequence[BlobRef] = field(repr=False)
    blobs: Blobs = field(repr=False)

    async def stream(self, offset: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from ``offset`` on, in pieces of at most 1 MiB; who stops early closes it."""
        if offset < len(self.prefix):
            yield self.prefix[offset:]
        at = len(self.prefix)
        for ref in self.parts:
            if offset < at + ref.size_bytes:
                if ref.data is not None:
                    yield ref.data[max(0, offset - at) :]
                else:
                    async with aclosing(self.blobs.read(ref, max(0, offset - at))) as pieces:
                        async for piece in pieces:
                            yield piece
            at += ref.size_bytes


def assemble(
    blobs: Blobs, *, sender: str, bid: str, lane: str, jws: bytes, digest: str, parts: Sequence[BlobRef]
) -> ContainerSource:
    """Return the container of an envelope and its parts."""
    prefix = container_prefix(jws)
    return ContainerSource(
        sender=sender,
        bid=bid,
        lane=lane,
        envelope_sha256=digest,
        size=len(prefix) + sum(ref.size_bytes for ref in parts),
        prefix=prefix,
        parts=tuple(parts),
        blobs=blobs,
    )


async def load_container(database: Database, blobs: Blobs, sender: str, bid: str) -> ContainerSource:
    """Return the container of a stored bundle. Raises ``GatewayRefusal`` ``not-found``."""

    def query(
        connection: Connection,
    ) -> tuple[bundles.BundleRow | None, list[bundles.EnvelopeRow], list[bundles.PartRow]]:
        return (
            bundles.find_bundle(connection, sender, bid),
            bundles.envelopes_of(connection, sender, bid),
            bundles.parts_of(connection, sender, bid),
        )

    row, envelopes, parts = await database.read(query)
    if row is None:
        raise GatewayRefusal("not-found")
    standing = next(e for e in envelopes if e.sha256 == row.envelope_sha256)
    refs = [await blobs.find(part.sha256, part.size_bytes) for part in parts]
    return assemble(
        blobs, sender=sender, bid=bid, lane=row.lane, jws=standing.jws, digest=standing.sha256, parts=refs
    )
