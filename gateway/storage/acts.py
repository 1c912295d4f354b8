"""Acts that wait for an officer's signature: forms lie here sealed, documents in the blob store."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from msgspec.structs import asdict
from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import act, blob


class ActRow(TableRow, frozen=True, kw_only=True):
    """One act. ``form``, ``storage_key_id`` and ``wrapped`` are gone once it is over."""

    hidden: ClassVar[frozenset[str]] = frozenset({"form", "wrapped"})

    id: str
    officer: str
    state: str
    message_type: str
    sender: str
    bid: str
    to_aid: str
    thread_id: str
    lane: str
    form_sha256: str
    form: bytes | None
    storage_key_id: str | None
    wrapped: bytes | None
    parts: str
    consents: str
    prepared_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    next_action_at: datetime | None


_FIND = select(act).where(act.c.id == bindparam("b_id"))
_WAITING = select(act).where(act.c.state == "waiting").order_by(act.c.prepared_at, act.c.id)
_WAITING_FOR = _WAITING.where(act.c.officer == bindparam("b_officer"))
# Of however many wait, one is read: each holds a sealed form.
_WAITING_BUNDLE = _WAITING.where(
    act.c.bid == bindparam("b_bid"), act.c.expires_at > bindparam("b_now")
).limit(1)
_DUE = _WAITING.where(act.c.next_action_at <= bindparam("b_now")).limit(200)
_FORGET = delete(blob).where(blob.c.sha256 == bindparam("b_sha256"))
_END = (
    update(act)
    .where((act.c.id == bindparam("b_id")) & (act.c.state == "waiting"))
    .values(
        state=bindparam("v_state"),
        ended_at=bindparam("v_at"),
        next_action_at=None,
        form=None,
        storage_key_id=None,
        wrapped=None,
    )
)


def add_act(tx: Transaction, row: ActRow) -> None:
    """Add a prepared act."""
    tx.insert(act, **asdict(row))


def find_act(connection: Connection, act_id: str) -> ActRow | None:
    """Return an act or ``None``."""
    row = connection.execute(_FIND, {"b_id": act_id}).first()
    return None if row is None else ActRow(**row._mapping)


def waiting_acts(connection: Connection, officer: str | None = None) -> list[ActRow]:
    """Return what waits for an officer, or for anybody, oldest first."""
    if officer is None:
        return [ActRow(**row._mapping) for row in connection.execute(_WAITING)]
    return [ActRow(**row._mapping) for row in connection.execute(_WAITING_FOR, {"b_officer": officer})]


def waiting_act_for(connection: Connection, bid: str, now: datetime) -> ActRow | None:
    """Return the oldest act that waits for a bundle of this identifier, or ``None``."""
    row = connection.execute(_WAITING_BUNDLE, {"b_bid": bid, "b_now": now}).first()
    return None if row is None else ActRow(**row._mapping)


def due_acts(connection: Connection, now: datetime) -> list[ActRow]:
    """Return the acts that nobody signed in time."""
    return [ActRow(**row._mapping) for row in connection.execute(_DUE, {"b_now": now})]


def end_act(tx: Transaction, act_id: str, state: str, at: datetime) -> bool:
    """End an act that still waits, and erase what it holds; ``False`` if it was over already."""
    return tx.execute(_END, {"b_id": act_id, "v_state": state, "v_at": at}).rowcount == 1


def forget_documents(tx: Transaction, digests: Iterable[str]) -> None:
    """Let go of sealed documents that no bundle will ever carry; their files are swept later."""
    for sha256 in digests:
        tx.execute(_FORGET, {"b_sha256": sha256})
