"""Storage keys and wrapped content keys: the rows whose deletion is the erasure."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from gateway.storage.database import Transaction
from gateway.storage.schema import content_key, storage_key


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageKeyRow:
    """A storage key under the key-encryption key."""

    id: str
    wrapped: bytes = field(repr=False)
    created_at: datetime


_STORAGE_KEYS = select(storage_key).order_by(storage_key.c.created_at, storage_key.c.id)
_CONTENT_KEY = select(content_key.c.storage_key_id, content_key.c.wrapped).where(
    content_key.c.sender == bindparam("b_sender"), content_key.c.bid == bindparam("b_bid")
)


def storage_keys(connection: Connection) -> list[StorageKeyRow]:
    """Return all storage keys, newest last."""
    return [
        StorageKeyRow(id=row.id, wrapped=row.wrapped, created_at=row.created_at)
        for row in connection.execute(_STORAGE_KEYS)
    ]


def add_storage_key(tx: Transaction, row: StorageKeyRow) -> None:
    """Add a storage key; the newest one wraps from then on."""
    tx.insert(storage_key, id=row.id, wrapped=row.wrapped, created_at=row.created_at)


def add_content_key(tx: Transaction, *, sender: str, bid: str, storage_key_id: str, wrapped: bytes) -> None:
    """Add the wrapped content key of one bundle."""
    tx.insert(content_key, sender=sender, bid=bid, storage_key_id=storage_key_id, wrapped=wrapped)


def find_content_key(connection: Connection, sender: str, bid: str) -> tuple[str, bytes] | None:
    """Return (storage key id, wrapped content key), or ``None`` once it was erased."""
    row = connection.execute(_CONTENT_KEY, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else (row.storage_key_id, row.wrapped)
