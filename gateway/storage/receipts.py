"""Receipts, stored verbatim, and which of our own still have to reach somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection, Integer, and_, bindparam, select, update

from gateway.storage.database import Transaction
from gateway.storage.prepared import fetch
from gateway.storage.rows import TableRow
from gateway.storage.schema import bundle, envelope, receipt, receipt_push


class ReceiptRow(TableRow, frozen=True, kw_only=True):
    """One receipt; ``own`` if issued here. For own ones ``leaf_index`` is the place in our log."""

    hidden: ClassVar[frozenset[str]] = frozenset({"jws", "leaf", "salt", "body", "proof"})

    jws_sha256: str
    sender: str
    bid: str
    iss: str
    to_aid: str
    type: str
    n: int
    at: datetime
    reason: str | None
    jws: str
    own: bool
    stored_at: datetime
    leaf_index: int | None = None
    leaf: str | None = None
    salt: bytes | None = None
    body: str | None = None
    proof: str | None = None


_OF_BUNDLE = (receipt.c.sender == bindparam("b_sender")) & (receipt.c.bid == bindparam("b_bid"))
_LIST = select(receipt).where(_OF_BUNDLE).order_by(receipt.c.stored_at, receipt.c.iss, receipt.c.n)
_OWN = (
    select(receipt)
    .where(_OF_BUNDLE & (receipt.c.iss == bindparam("b_iss")) & (receipt.c.n > bindparam("b_after")))
    .order_by(receipt.c.n)
)
_LAST = (
    select(receipt.c.n, receipt.c.jws_sha256)
    .where(_OF_BUNDLE & (receipt.c.iss == bindparam("b_iss")))
    .order_by(receipt.c.n.desc())
    .limit(1)
)
#: Those of the same issuer that stand beside a receipt in its chain: a handful, unless it contradicts itself.
_near = receipt.alias("near")
_MOST_NEAR = 16
_ABOUT_OURS = (
    select(
        bundle.c.manifest_sha256,
        receipt.c.jws_sha256,
        receipt.c.proof.is_not(None).label("proved"),
        _near.c.n,
        _near.c.jws_sha256.label("near"),
        _near.c.jws,
    )
    .join(envelope, and_(envelope.c.sender == bundle.c.sender, envelope.c.bid == bundle.c.bid))
    .outerjoin(receipt, receipt.c.jws_sha256 == bindparam("b_receipt"))
    .outerjoin(
        _near,
        and_(
            _near.c.sender == bundle.c.sender,
            _near.c.bid == bundle.c.bid,
            _near.c.iss == bindparam("b_iss"),
            _near.c.n.between(bindparam("b_first", type_=Integer), bindparam("b_last", type_=Integer)),
        ),
    )
    .where(
        bundle.c.sender == bindparam("b_sender"),
        bundle.c.bid == bindparam("b_bid"),
        envelope.c.sha256 == bindparam("b_envelope"),
    )
    .limit(_MOST_NEAR)
)
_FIND = select(receipt).where(receipt.c.jws_sha256 == bindparam("b_sha256"))
_ADD_PROOF = (
    update(receipt)
    .where(receipt.c.jws_sha256 == bindparam("b_sha256"), receipt.c.proof.is_(None))
    .values(
        leaf=bindparam("v_leaf"),
        salt=bindparam("v_salt"),
        body=bindparam("v_body"),
        proof=bindparam("v_proof"),
    )
)
_PUSH_KEY = receipt_push.c.jws_sha256 == bindparam("b_sha256")
_PUSH_DONE = (
    update(receipt_push)
    .where(_PUSH_KEY)
    .values(state="done", next_action_at=None, lease_owner=None, lease_until=None)
)
_PUSH_LATER = (
    update(receipt_push)
    .where(_PUSH_KEY)
    .values(
        attempts=bindparam("v_attempts"),
        next_action_at=bindparam("v_at"),
        mailed_at=bindparam("v_mailed_at"),
        lease_owner=None,
        lease_until=None,
    )
)
_PUSH_STATE = select(receipt_push.c.state).where(_PUSH_KEY)
_PUSH_AGAIN = (
    update(receipt_push)
    .where(_PUSH_KEY, receipt_push.c.state == "done")
    .values(state="pending", attempts=0, next_action_at=bindparam("v_at"), mailed_at=None)
)
_OUTBOX = (
    select(receipt_push.c.outbox_no, receipt)
    .join(receipt, receipt.c.jws_sha256 == receipt_push.c.jws_sha256)
    .where(
        receipt_push.c.to_aid == bindparam("b_to"),
        receipt_push.c.state == "pending",
        receipt_push.c.outbox_no > bindparam("b_after"),
    )
    .order_by(receipt_push.c.outbox_no)
    .limit(30)
)
_PENDING = (
    select(receipt)
    .join(receipt_push, receipt.c.jws_sha256 == receipt_push.c.jws_sha256)
    .where(receipt_push.c.to_aid == bindparam("b_to"), receipt_push.c.state == "pending")
    .order_by(receipt.c.at)
)
_PENDING_PEERS = select(receipt_push.c.to_aid).where(receipt_push.c.state == "pending").distinct()
_OUTBOX_TAKEN = (
    update(receipt_push)
    .where(
        receipt_push.c.to_aid == bindparam("b_to"),
        receipt_push.c.state == "pending",
        receipt_push.c.outbox_no <= bindparam("b_upto"),
    )
    .values(state="done", next_action_at=None, lease_owner=None, lease_until=None)
)


def add_receipt(tx: Transaction, row: ReceiptRow) -> None:
    """Add a receipt that is known to be new. The same one again is an IntegrityError."""
    tx.add(receipt, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known here about the subject of a receipt: the bundle's manifest, and the receipt itself.

    ``near`` are (n, digest, jws) of those held of its issuer with its number, the one before and the next.
    """

    manifest_sha256: str
    is_stored: bool
    is_proved: bool
    near: Sequence[tuple[int, str, str]] = ()


def standing_of(
    connection: Connection, *, sender: str, bid: str, envelope_sha256: str, iss: str, n: int, jws_sha256: str
) -> Standing | None:
    """Return what is known, or ``None`` where the envelope is not one of the bundle's own."""
    values = {
        "b_sender": sender,
        "b_bid": bid,
        "b_envelope": envelope_sha256,
        "b_receipt": jws_sha256,
        "b_iss": iss,
        "b_first": n - 1,
        "b_last": n + 1,
    }
    rows = fetch(connection, _ABOUT_OURS, values)
    if not rows:
        return None
    manifest_sha256, stored, proved = rows[0][:3]
    near = [(at, digest, jws) for _, _, _, at, digest, jws in rows if at is not None]
    return Standing(
        manifest_sha256=manifest_sha256, is_stored=stored is not None, is_proved=bool(proved), near=near
    )


def add_proof(tx: Transaction, jws_sha256: str, *, leaf: str, salt: bytes, body: str, proof: str) -> None:
    """Add the log proof to a receipt that came without one; a proof that is there stays."""
    tx.execute(
        _ADD_PROOF, {"b_sha256": jws_sha256, "v_leaf": leaf, "v_salt": salt, "v_body": body, "v_proof": proof}
    )


def receipts_of(connection: Connection, sender: str, bid: str) -> list[ReceiptRow]:
    """Return every receipt about a bundle, in the order they were stored."""
    rows = connection.execute(_LIST, {"b_sender": sender, "b_bid": bid})
    return [ReceiptRow(**row._mapping) for row in rows]


def own_receipts(
    connection: Connection, *, iss: str, sender: str, bid: str, after: int = 0
) -> list[ReceiptRow]:
    """Return the receipts ``iss`` issued about a bundle with ``n`` above ``after``, by ``n``."""
    values = {"b_sender": sender, "b_bid": bid, "b_iss": iss, "b_after": after}
    return [ReceiptRow(**row._mapping) for row in connection.execute(_OWN, values)]


def chain_of(connection: Connection, row: ReceiptRow) -> list[ReceiptRow]:
    """Return a receipt and those its issuer gave about the same bundle before it, by ``n``."""
    chain = own_receipts(connection, iss=row.iss, sender=row.sender, bid=row.bid)
    return [earlier for earlier in chain if earlier.n <= row.n]


def last_receipt(connection: Connection, *, iss: str, sender: str, bid: str) -> tuple[int, str | None]:
    """Return (n, digest) of the newest receipt ``iss`` issued about a bundle, (0, None) if there is none."""
    row = connection.execute(_LAST, {"b_sender": sender, "b_bid": bid, "b_iss": iss}).first()
    return (0, None) if row is None else (row.n, row.jws_sha256)


def add_push(
    tx: Transaction, jws_sha256: str, *, to_aid: str, lane: str, at: datetime, outbox_no: int | None
) -> None:
    """Let an own receipt be sent to a peer from ``at`` on, or wait in its outbox under ``outbox_no``."""
    tx.insert(
        receipt_push,
        jws_sha256=jws_sha256,
        to_aid=to_aid,
        state="pending",
        lane=lane,
        attempts=0,
        next_action_at=at,
        outbox_no=outbox_no,
    )


def push_once_more(
    tx: Transaction, jws_sha256: str, *, to_aid: str, lane: str, at: datetime, outbox_no: int | None
) -> None:
    """Let an own receipt be sent that was sent before, or travelled in an answer; a pending push stays."""
    if tx.execute(_PUSH_STATE, {"b_sha256": jws_sha256}).first() is None:
        add_push(tx, jws_sha256, to_aid=to_aid, lane=lane, at=at, outbox_no=outbox_no)
    else:
        tx.execute(_PUSH_AGAIN, {"b_sha256": jws_sha256, "v_at": at})


def last_own_receipt(connection: Connection, *, iss: str, sender: str, bid: str) -> ReceiptRow | None:
    """Return the newest receipt ``iss`` issued about a bundle."""
    rows = own_receipts(connection, iss=iss, sender=sender, bid=bid)
    return rows[-1] if rows else None


def find_receipt(connection: Connection, jws_sha256: str) -> ReceiptRow:
    """Return a stored receipt."""
    return ReceiptRow(**connection.execute(_FIND, {"b_sha256": jws_sha256}).one()._mapping)


def push_done(tx: Transaction, jws_sha256: str) -> None:
    """The peer has the receipt."""
    tx.execute(_PUSH_DONE, {"b_sha256": jws_sha256})


def push_later(
    tx: Transaction, jws_sha256: str, *, attempts: int, at: datetime, mailed_at: datetime | None
) -> None:
    """Try the push again at ``at``; ``mailed_at`` is when it left by mail, if it did."""
    tx.execute(
        _PUSH_LATER,
        {"b_sha256": jws_sha256, "v_attempts": attempts, "v_at": at, "v_mailed_at": mailed_at},
    )


def outbox_receipts(connection: Connection, to_aid: str, after: int) -> list[tuple[int, ReceiptRow]]:
    """Return (number, receipt) of what waits for a peer that only calls out."""
    found = []
    for row in connection.execute(_OUTBOX, {"b_to": to_aid, "b_after": after}):
        values = {key: value for key, value in row._mapping.items() if key != "outbox_no"}
        found.append((row.outbox_no, ReceiptRow(**values)))
    return found


def outbox_taken(tx: Transaction, to_aid: str, upto: int) -> None:
    """The peer has taken everything up to this number of its outbox."""
    tx.execute(_OUTBOX_TAKEN, {"b_to": to_aid, "b_upto": upto})


def pending_receipts(connection: Connection, to_aid: str) -> list[ReceiptRow]:
    """Return own receipts that a peer has still to get, oldest first."""
    return [ReceiptRow(**row._mapping) for row in connection.execute(_PENDING, {"b_to": to_aid})]


def peers_with_pending(connection: Connection) -> set[str]:
    """Return the peers that have still to get receipts of ours."""
    return {aid for (aid,) in connection.execute(_PENDING_PEERS)}
