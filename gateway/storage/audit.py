"""The tables of the audit log: leaves, erasable bodies, hash tiles and signed heads.

Functions over a connection; none of them commits. Leaves, tiles and heads are append-only, which triggers
of the database enforce too. What the rows mean is decided in ``services``; nothing here hashes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Insert,
    LargeBinary,
    Text,
    bindparam,
    cast,
    exists,
    func,
    select,
    text,
)
from sqlalchemy import Connection as Connection

from gateway.storage.prepared import fetch, run_many
from gateway.storage.schema import audit_body, audit_checkpoint, audit_leaf, audit_tile, receipt

#: Key of the PostgreSQL lock that one sequencer at a time holds. Any number nobody else uses would do.
_LOCK_KEY = 0x3D1C_52F7

_LOCK = text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
# SQLite keeps whatever type a foreign statement stored; the casts make bytes of it all the same.
_LEAF = cast(audit_leaf.c.leaf, LargeBinary)
_LAST = select(func.max(audit_leaf.c.idx))
_LEAVES = (
    select(audit_leaf.c.idx, _LEAF)
    .where(audit_leaf.c.idx >= bindparam("b_start"), audit_leaf.c.idx < bindparam("b_end"))
    .order_by(audit_leaf.c.idx)
)
_ENTRIES = (
    select(
        audit_leaf.c.idx, _LEAF, cast(audit_body.c.salt, LargeBinary), cast(audit_body.c.body, LargeBinary)
    )
    .select_from(audit_leaf.outerjoin(audit_body, audit_leaf.c.idx == audit_body.c.idx))
    .where(audit_leaf.c.idx >= bindparam("b_start"), audit_leaf.c.idx < bindparam("b_end"))
    .order_by(audit_leaf.c.idx)
)
_TILES = (
    select(audit_tile.c.n, cast(audit_tile.c.hashes, LargeBinary))
    .where(
        audit_tile.c.level == bindparam("b_level"),
        audit_tile.c.n >= bindparam("b_start"),
        audit_tile.c.n < bindparam("b_end"),
    )
    .order_by(audit_tile.c.n)
)
_TILE_COUNT = select(func.count()).select_from(audit_tile)
_HEADS, _HEADS_AS_BYTES = (
    select(audit_checkpoint.c.size, note)
    .where(audit_checkpoint.c.size > bindparam("b_after"))
    .order_by(audit_checkpoint.c.size)
    .limit(bindparam("b_limit"))
    for note in (audit_checkpoint.c.note, cast(audit_checkpoint.c.note, LargeBinary))
)
# Not ON CONFLICT DO NOTHING: the trigger that refuses INSERT OR REPLACE would refuse that too.
_ADD_HEAD = audit_checkpoint.insert().from_select(
    ["size", "note"],
    select(bindparam("b_size", type_=BigInteger), bindparam("b_note", type_=Text)).where(
        ~exists().where(audit_checkpoint.c.size == bindparam("b_size", type_=BigInteger))
    ),
)
_LAST_HEAD = select(func.max(audit_checkpoint.c.size))
_LAST_BODY = select(func.max(audit_body.c.idx))
_RECEIPTS = select(receipt.c.jws_sha256, receipt.c.jws, receipt.c.own, receipt.c.leaf_index)
_RECEIPTS_NAMED = _RECEIPTS.where(receipt.c.jws_sha256.in_(bindparam("b_digests", expanding=True)))
_OWN_PLACED = receipt.c.own & receipt.c.leaf_index.is_not(None)
_OWN_COUNT = select(func.count()).select_from(receipt).where(_OWN_PLACED)
_OWN_RECEIPTS = (
    _RECEIPTS.where(_OWN_PLACED, receipt.c.jws_sha256 > bindparam("b_after"))
    .order_by(receipt.c.jws_sha256)
    .limit(bindparam("b_limit"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRows:
    """What one group adds to the log; rows are ready for ``executemany``."""

    leaves: list[Mapping[str, Any]] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    tiles: list[Mapping[str, Any]] = field(default_factory=list)


def lock_log(connection: Connection) -> None:
    """Hold off other sequencers until the transaction ends; on SQLite the transaction itself does."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)


def log_size(connection: Connection) -> int:
    """Return the number of entries, as the highest index says."""
    ((last,),) = fetch(connection, _LAST, {})
    return 0 if last is None else last + 1


def add_rows(connection: Connection, rows: NewRows) -> None:
    """Insert leaves, bodies and tiles; an index that exists already fails the transaction."""
    for table, values in ((audit_leaf, rows.leaves), (audit_body, rows.bodies), (audit_tile, rows.tiles)):
        if values:
            run_many(connection, _insert(table.name), values, tuple(values[0]))


def add_head(connection: Connection, size: int, note: str) -> None:
    """Keep a signed head; if one of that size is there already, that one stays."""
    run_many(connection, _ADD_HEAD, [{"b_size": size, "b_note": note}])


@cache
def _insert(table: str) -> Insert:
    return (
        {"audit_leaf": audit_leaf, "audit_body": audit_body, "audit_tile": audit_tile}[table]
        .insert()
        .inline()
    )


def leaves(connection: Connection, start: int, end: int) -> list[tuple[int, bytes]]:
    """Return (index, leaf) from ``start`` to ``end`` (exclusive) in order; absent ones are left out."""
    return [(idx, bytes(leaf)) for idx, leaf in fetch(connection, _LEAVES, {"b_start": start, "b_end": end})]


def entries(connection: Connection, start: int, end: int) -> Sequence[Any]:
    """Return rows (idx, leaf, salt, body) in order; salt and body are None once erased."""
    return connection.execute(_ENTRIES, {"b_start": start, "b_end": end}).all()


def tiles(connection: Connection, level: int, start: int, end: int) -> dict[int, bytes]:
    """Return the tiles of a level by number, from ``start`` to ``end`` (exclusive)."""
    found = connection.execute(_TILES, {"b_level": level, "b_start": start, "b_end": end})
    return {n: bytes(hashes) for n, hashes in found}


def tile_count(connection: Connection) -> int:
    """Return the number of tiles of all levels."""
    return int(connection.execute(_TILE_COUNT).scalar_one())


def heads(connection: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """Return up to ``limit`` signed heads (size, note) larger than ``after``, smallest first."""
    statement = _HEADS_AS_BYTES if connection.dialect.name == "sqlite" else _HEADS
    found = connection.execute(statement, {"b_after": after, "b_limit": limit})
    return [(size, note if isinstance(note, str) else note.decode(errors="replace")) for size, note in found]


def largest_head(connection: Connection) -> int | None:
    """Return the size of the largest head kept in the database."""
    size: int | None = connection.execute(_LAST_HEAD).scalar()
    return size


def body_span(connection: Connection) -> int:
    """Return one more than the highest index that has a body."""
    last: int | None = connection.execute(_LAST_BODY).scalar()
    return 0 if last is None else last + 1


def receipts_named(connection: Connection, digests: Sequence[str]) -> dict[str, Any]:
    """Return rows (jws_sha256, jws, own, leaf_index) of the receipts with these digests, by digest."""
    return {row[0]: row for row in connection.execute(_RECEIPTS_NAMED, {"b_digests": list(digests)})}


def own_receipt_count(connection: Connection) -> int:
    """Return the number of own receipts that claim a place in the log."""
    return int(connection.execute(_OWN_COUNT).scalar_one())


def own_receipts(connection: Connection) -> Iterator[Any]:
    """Yield rows (jws_sha256, jws, own, leaf_index) of own receipts that claim a place, page by page."""
    after = ""
    while page := connection.execute(_OWN_RECEIPTS, {"b_after": after, "b_limit": 500}).all():
        yield from page
        after = page[-1][0]
