"""The rows that every sealed bundle has here, whether we made it or took it in.

Bundle, envelope, parts and small blobs are entered together; the content key only with a bundle that could
be opened, because its row is what makes the content readable and its deletion is the erasure.
"""

from collections.abc import Sequence
from datetime import datetime

from crypto.bundle import Envelope
from gateway.services.keys.vault import Vault
from gateway.storage import bundles, contentkeys
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.database import Transaction


def shelve(
    tx: Transaction,
    env: Envelope,
    refs: Sequence[BlobRef],
    *,
    blobs: Blobs,
    direction: str,
    state: str,
    at: datetime,
) -> None:
    """Enter a bundle whose parts are in the blob store; one of the same identity is an IntegrityError."""
    bundles.add_bundle(
        tx,
        bundles.BundleRow(
            sender=env.sender,
            bid=env.bid,
            direction=direction,
            state=state,
            rev=env.rev,
            envelope_sha256=env.digest,
            manifest_sha256=env.manifest,
            lane=env.lane,
            size_bytes=env.container_size,
            created_at=env.created,
            expires_at=env.expires,
            stored_at=at,
        ),
        jws=env.jws,
        parts=[
            bundles.PartRow(n=n, size_bytes=part.size, sha256=part.sha256) for n, part in enumerate(env.parts)
        ],
    )
    blobs.insert(tx, refs)


def shelve_key(tx: Transaction, key: tuple[str, str], content_key: bytes, *, vault: Vault) -> None:
    """Enter the content key of a bundle (sender, bid), wrapped under the newest storage key."""
    wrapped = vault.wrap(content_key)
    contentkeys.add_content_key(
        tx, sender=key[0], bid=key[1], storage_key_id=wrapped.storage_key_id, wrapped=wrapped.wrapped
    )
