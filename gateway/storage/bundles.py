"""Sealed bundles: the row, its envelopes, its parts. Identified by (sender, bid), never by bid alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, text, update

from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import bundle, envelope, part


class BundleRow(TableRow, frozen=True, kw_only=True):
    """One bundle. ``direction`` is ``out`` or ``in``; ``state`` sealed, relayed, released or rejected."""

    sender: str
    bid: str
    direction: str
    state: str
    rev: int
    envelope_sha256: str
    manifest_sha256: str
    lane: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime
    stored_at: datetime


class PartRow(TableRow, frozen=True, kw_only=True):
    """Where the ciphertext of one part lies: ``sha256`` names its blob."""

    n: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeRow:
    """One signed envelope of a bundle."""

    sender: str
    bid: str
    sha256: str
    rev: int
    jws: bytes = field(repr=False)


_BY_KEY = (bundle.c.sender == bindparam("b_sender")) & (bundle.c.bid == bindparam("b_bid"))
_FIND = select(bundle).where(_BY_KEY)
_COLUMNS = tuple(bundle.c.keys())
_ENVELOPES = (
    select(envelope.c.sender, envelope.c.bid, envelope.c.sha256, envelope.c.rev, envelope.c.jws)
    .where((envelope.c.sender == bindparam("b_sender")) & (envelope.c.bid == bindparam("b_bid")))
    .order_by(envelope.c.rev)
)
_PARTS = (
    select(part.c.n, part.c.size_bytes, part.c.sha256)
    .where((part.c.sender == bindparam("b_sender")) & (part.c.bid == bindparam("b_bid")))
    .order_by(part.c.n)
)
_BY_BID = select(bundle.c.sender, bundle.c.bid).where(bundle.c.bid == bindparam("b_bid")).limit(3)
_SET_STATE = update(bundle).where(_BY_KEY).values(state=bindparam("v_state"))
_REVISE = (
    update(bundle)
    .where(_BY_KEY)
    .values(
        rev=bindparam("v_rev"),
        envelope_sha256=bindparam("v_envelope"),
        size_bytes=bindparam("v_size"),
        expires_at=bindparam("v_expires_at"),
    )
)
# A literal: a bound value would not show the engine that the index for it fits.
_RELAYED = select(bundle.c.sender, bundle.c.bid).where(text("state = 'relayed'"))


def add_bundle(tx: Transaction, row: BundleRow, *, jws: bytes, parts: Sequence[PartRow]) -> None:
    """Add a bundle with its envelope and parts. A second bundle of the same identity is an IntegrityError."""
    tx.add(bundle, row)
    add_envelope(
        tx,
        sender=row.sender,
        bid=row.bid,
        rev=row.rev,
        sha256=row.envelope_sha256,
        jws=jws,
        at=row.stored_at,
    )
    for item in parts:
        tx.insert(
            part, sender=row.sender, bid=row.bid, n=item.n, size_bytes=item.size_bytes, sha256=item.sha256
        )


def add_envelope(
    tx: Transaction, *, sender: str, bid: str, rev: int, sha256: str, jws: bytes, at: datetime
) -> None:
    """Add one more envelope of a bundle, after a re-wrap."""
    tx.insert(envelope, sha256=sha256, sender=sender, bid=bid, rev=rev, jws=jws, stored_at=at)


def revise(
    tx: Transaction, sender: str, bid: str, *, rev: int, envelope_sha256: str, size: int, expires_at: datetime
) -> None:
    """Let another envelope of the bundle stand: it has a higher rev."""
    tx.execute(
        _REVISE,
        {
            "b_sender": sender,
            "b_bid": bid,
            "v_rev": rev,
            "v_envelope": envelope_sha256,
            "v_size": size,
            "v_expires_at": expires_at,
        },
    )


def set_state(tx: Transaction, sender: str, bid: str, state: str) -> None:
    """Move a bundle: relayed → released or rejected."""
    tx.execute(_SET_STATE, {"b_sender": sender, "b_bid": bid, "v_state": state})


def find_bundle(connection: Connection, sender: str, bid: str) -> BundleRow | None:
    """Return a bundle or ``None``."""
    rows = fetch(connection, _FIND, {"b_sender": sender, "b_bid": bid})
    return BundleRow(**dict(zip(_COLUMNS, rows[0], strict=True))) if rows else None


def find_by_bid(connection: Connection, bid: str) -> list[tuple[str, str]]:
    """Return up to three (sender, bid) that carry this bid: two authorities may have drawn the same."""
    return [(row.sender, row.bid) for row in connection.execute(_BY_BID, {"b_bid": bid})]


def envelopes_of(connection: Connection, sender: str, bid: str) -> list[EnvelopeRow]:
    """Return every envelope of a bundle, by rev."""
    rows = connection.execute(_ENVELOPES, {"b_sender": sender, "b_bid": bid})
    return [EnvelopeRow(**r._mapping) for r in rows]


def parts_of(connection: Connection, sender: str, bid: str) -> list[PartRow]:
    """Return the parts of a bundle, part 0 first."""
    rows = connection.execute(_PARTS, {"b_sender": sender, "b_bid": bid})
    return [PartRow(n=r.n, size_bytes=r.size_bytes, sha256=r.sha256) for r in rows]


def relayed(connection: Connection) -> list[tuple[str, str]]:
    """Return the bundles that are held whole but were not opened yet, after a restart say."""
    return [(row.sender, row.bid) for row in connection.execute(_RELAYED)]
