"""Uploads in progress: how many bytes of which envelope's container are durable."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, select

from gateway.storage.database import Transaction
from gateway.storage.schema import upload


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """One unfinished upload; ``temporary`` names the file of the part that is half here, if there is one."""

    sender: str
    bid: str
    envelope_sha256: str
    envelope: bytes = field(repr=False)
    size_bytes: int
    offset_bytes: int
    lane: str
    temporary: str | None
    next_action_at: datetime


_KEY = and_(upload.c.sender == bindparam("b_sender"), upload.c.bid == bindparam("b_bid"))
_FIND = select(upload).where(_KEY)
_DROP = delete(upload).where(_KEY)
_ALL = select(upload)
_EXPIRED = select(upload).where(upload.c.next_action_at <= bindparam("b_now"))


def store_upload(tx: Transaction, row: UploadRow) -> None:
    """Write how far an upload is, replacing what was known of it."""
    drop_upload(tx, row.sender, row.bid)
    tx.insert(
        upload,
        sender=row.sender,
        bid=row.bid,
        envelope_sha256=row.envelope_sha256,
        envelope=row.envelope,
        size_bytes=row.size_bytes,
        offset_bytes=row.offset_bytes,
        lane=row.lane,
        temporary=row.temporary,
        next_action_at=row.next_action_at,
    )


def drop_upload(tx: Transaction, sender: str, bid: str) -> None:
    """Forget an upload: it is complete, or nobody goes on with it."""
    tx.execute(_DROP, {"b_sender": sender, "b_bid": bid})


def find_upload(connection: Connection, sender: str, bid: str) -> UploadRow | None:
    """Return an upload in progress or ``None``."""
    row = connection.execute(_FIND, {"b_sender": sender, "b_bid": bid}).first()
    return None if row is None else UploadRow(**row._mapping)


def expired_uploads(connection: Connection, now: datetime) -> list[UploadRow]:
    """Return the uploads nobody went on with in time."""
    return [UploadRow(**row._mapping) for row in connection.execute(_EXPIRED, {"b_now": now})]


def all_uploads(connection: Connection) -> list[UploadRow]:
    """Return every upload in progress."""
    return [UploadRow(**row._mapping) for row in connection.execute(_ALL)]
