"""Opening what is stored here: content key from the vault, parts from the blob store.

Works for both directions and years after the sealing keys were destroyed, because the content key lies
under the storage key as well. Who may open what is decided by the caller.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from crypto.bundle import Envelope, Manifest, Opener
from crypto.errors import Refusal
from crypto.parts import ByteSink
from gateway.errors import GatewayRefusal, StorageDamaged
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.storage import bundles, contentkeys
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.database import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBundle:
    """A stored bundle with its manifest in clear; the content key is secret."""

    envelope: Envelope
    manifest: Manifest = field(repr=False)
    refs: tuple[BlobRef, ...] = field(repr=False)
    content_key: bytes = field(repr=False)


class Library:
    """Opens stored bundles."""

    def __init__(self, *, database: Database, blobs: Blobs, vault: Vault) -> None:
        self._database = database
        self._blobs = blobs
        self._vault = vault
        self._opener = Opener()

    async def open(self, sender: str, bid: str) -> OpenBundle:
        """Return a stored bundle with its manifest.

        Raises ``GatewayRefusal`` ``not-found`` or ``content-erased``; ``StorageDamaged`` if it does not open.
        """

        def query(
            connection: Connection,
        ) -> tuple[list[bundles.EnvelopeRow], tuple[str, bytes] | None]:
            return (
                bundles.envelopes_of(connection, sender, bid),
                contentkeys.find_content_key(connection, sender, bid),
            )

        envelopes, held = await self._database.read(query)
        if not envelopes:
            raise GatewayRefusal("not-found")
        if held is None:
            raise GatewayRefusal("content-erased")
        env = self._opener.parse(envelopes[-1].jws)
        try:
            content_key = self._vault.unwrap(WrappedKey(storage_key_id=held[0], wrapped=held[1]))
            refs = tuple([await self._blobs.find(part.sha256, part.size) for part in env.parts])
            with self._blobs.open_sync(refs[0]) as source:
                manifest = self._opener.open_manifest(env, source.read(), content_key)
        except (Refusal, FileNotFoundError) as error:
            raise StorageDamaged() from error
        return OpenBundle(envelope=env, manifest=manifest, refs=refs, content_key=content_key)

    async def read_part(
        self,
        bundle: OpenBundle,
        n: int,
        sink: ByteSink,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Decrypt one part into ``sink`` and check it; what was written counts only when this returns.

        Raises ``StorageDamaged`` if the part is not what its manifest says.
        """

        def work() -> None:
            with self._blobs.open_sync(bundle.refs[n]) as source:
                self._opener.check_part(
                    bundle.envelope,
                    bundle.manifest,
                    n,
                    source,
                    bundle.content_key,
                    sink,
                    progress=progress,
                )

        try:
            await asyncio.to_thread(work)
        except Refusal as refusal:
            raise StorageDamaged() from refusal
