"""The local storage keys: what keeps content readable after the sealing keys are gone.

Every content key is wrapped under the newest storage key on both sides, so that a request opens
years later, and destroying that one wrap erases the content (docs/bundle.md, storage). The storage
keys themselves lie in the database under a key-encryption key that is kept outside it.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from crypto.storagekey import unwrap_content_key, wrap_content_key
from gateway.model.audit import PendingAuditEntry
from gateway.storage import contentkeys
from gateway.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A content key under a storage key."""

    storage_key_id: str
    wrapped: bytes = field(repr=False)


class Vault:
    """Wraps and unwraps content keys. Made by ``open``."""

    def __init__(self, *, keys: dict[str, bytes], newest: str) -> None:
        self._keys = keys
        self._newest = newest

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} storage keys)"

    @classmethod
    async def open(cls, database: Database, *, kek: bytes, now: datetime) -> "Vault":
        """Return the vault of a database, making its first storage key where there is none.

        Raises ``Refusal`` ``open-failed`` if the key-encryption key is not the one they were wrapped with.
        """
        rows = await database.read(contentkeys.storage_keys)
        if not rows:
            row = contentkeys.StorageKeyRow(
                id=secrets.token_hex(16),
                wrapped=wrap_content_key(kek, secrets.token_bytes(32)),
                created_at=now,
            )

            def unit(tx: Transaction) -> None:
                contentkeys.add_storage_key(tx, row)
                tx.audit(PendingAuditEntry(event="storage_key.created", body={"key": row.id}, at=now))

            await database.write(unit)
            rows = [row]
        return cls(keys={row.id: unwrap_content_key(kek, row.wrapped) for row in rows}, newest=rows[-1].id)

    def wrap(self, content_key: bytes) -> WrappedKey:
        """Return the content key under the newest storage key."""
        return WrappedKey(
            storage_key_id=self._newest, wrapped=wrap_content_key(self._keys[self._newest], content_key)
        )

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Return the content key. Raises ``Refusal`` ``open-failed`` for an unknown or wrong storage key."""
        key = self._keys.get(wrapped.storage_key_id, b"")
        return unwrap_content_key(key, wrapped.wrapped)
