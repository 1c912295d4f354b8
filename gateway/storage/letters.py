"""Bundles that went as letters, and what came back about them."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from gateway.model.transmission import TransmissionKey
from gateway.storage.database import Transaction
from gateway.storage.schema import mail_letter, mail_return, mail_signed


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """A bundle that goes as a letter to one authority; the key of its code is wrapped."""

    sender: str
    bid: str
    to_aid: str
    storage_key_id: str
    wrapped: bytes = field(repr=False)
    made_at: datetime

    @property
    def key(self) -> TransmissionKey:
        """Sender, bid and addressee."""
        return self.sender, self.bid, self.to_aid


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRow:
    """One thing that came back; meanings in ``schema.letters``."""

    digest: str
    sender: str
    bid: str
    to_aid: str
    kind: str
    code: str | None
    record: str | None
    at: datetime


_FIND = select(mail_letter).where(
    mail_letter.c.sender == bindparam("b_sender"),
    mail_letter.c.bid == bindparam("b_bid"),
    mail_letter.c.to_aid == bindparam("b_to"),
)
_TO = (
    select(mail_letter)
    .where(mail_letter.c.to_aid == bindparam("b_to"))
    .order_by(mail_letter.c.made_at.desc(), mail_letter.c.bid)
    .limit(bindparam("b_limit"))
)
_SIGNED = select(mail_signed.c.bid).where(
    mail_signed.c.digest == bindparam("b_digest"),
    mail_signed.c.sender == bindparam("b_sender"),
    mail_signed.c.bid == bindparam("b_bid"),
    mail_signed.c.to_aid == bindparam("b_to"),
)
_RETURN = select(mail_return).where(mail_return.c.digest == bindparam("b_digest"))
_RETURNS = (
    select(mail_return)
    .where(mail_return.c.sender == bindparam("b_sender"), mail_return.c.bid == bindparam("b_bid"))
    .order_by(mail_return.c.at, mail_return.c.digest)
)
_COUNT = (
    select(func.count())
    .select_from(mail_return)
    .where(
        mail_return.c.sender == bindparam("b_sender"),
        mail_return.c.bid == bindparam("b_bid"),
        mail_return.c.to_aid == bindparam("b_to"),
        mail_return.c.kind == bindparam("b_kind"),
    )
)


def add_letter(tx: Transaction, row: LetterRow) -> None:
    """Add a letter; a second one to the same authority is an IntegrityError."""
    tx.insert(
        mail_letter,
        sender=row.sender,
        bid=row.bid,
        to_aid=row.to_aid,
        storage_key_id=row.storage_key_id,
        wrapped=row.wrapped,
        made_at=row.made_at,
    )


def find_letter(connection: Connection, key: TransmissionKey) -> LetterRow | None:
    """Return the letter of a bundle to one authority, or ``None``."""
    values = dict(zip(("b_sender", "b_bid", "b_to"), key, strict=True))
    row = connection.execute(_FIND, values).first()
    return None if row is None else LetterRow(**row._mapping)


def letters_to(connection: Connection, to_aid: str, *, limit: int) -> list[LetterRow]:
    """Return the letters to one authority, newest first."""
    rows = connection.execute(_TO, {"b_to": to_aid, "b_limit": limit})
    return [LetterRow(**row._mapping) for row in rows]


def add_signed(tx: Transaction, key: TransmissionKey, digest: str, at: datetime) -> None:
    """Note what a mail of a letter says, by the digest of what was signed."""
    tx.insert(mail_signed, digest=digest, sender=key[0], bid=key[1], to_aid=key[2], at=at)


def was_signed(connection: Connection, key: TransmissionKey, digest: str) -> bool:
    """Tell whether a mail of this letter said exactly that."""
    values = dict(zip(("b_sender", "b_bid", "b_to"), key, strict=True))
    return connection.execute(_SIGNED, {**values, "b_digest": digest}).first() is not None


def add_return(tx: Transaction, row: ReturnRow) -> None:
    """Note what came back; the same thing twice is an IntegrityError."""
    tx.insert(
        mail_return,
        digest=row.digest,
        sender=row.sender,
        bid=row.bid,
        to_aid=row.to_aid,
        kind=row.kind,
        code=row.code,
        record=row.record,
        at=row.at,
    )


def find_return(connection: Connection, digest: str) -> ReturnRow | None:
    """Return what came back under this digest, or ``None``."""
    row = connection.execute(_RETURN, {"b_digest": digest}).first()
    return None if row is None else ReturnRow(**row._mapping)


def returns_of_bundle(connection: Connection, sender: str, bid: str) -> list[ReturnRow]:
    """Return everything that came back about a bundle that went as a letter, oldest first."""
    rows = connection.execute(_RETURNS, {"b_sender": sender, "b_bid": bid})
    return [ReturnRow(**row._mapping) for row in rows]


def count_returns(connection: Connection, *, key: TransmissionKey, kind: str) -> int:
    """Return how much of one kind came back about a letter."""
    values = dict(zip(("b_sender", "b_bid", "b_to"), key, strict=True))
    return int(connection.execute(_COUNT, {**values, "b_kind": kind}).scalar_one())
