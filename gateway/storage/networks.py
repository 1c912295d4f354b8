"""What was last trusted of each followed network, and when it is asked again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from gateway.storage.database import Transaction
from gateway.storage.schema import followed_network, transmission


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRow:
    """One followed network.

    Attributes:
        root, snapshot, timestamp: Versions trusted last; nothing below them is taken again, but under a newer
            root snapshots and timestamps may count anew.
        fresh_until: Until when the network speaks; ``None``: nothing was ever trusted.
        refreshed_at: When it was last found current.
        code: Why the last attempt failed.
        next_action_at: When it is asked again.
    """

    name: str
    root: int
    snapshot: int
    timestamp: int
    fresh_until: datetime | None
    refreshed_at: datetime | None
    code: str | None
    next_action_at: datetime

    @property
    def versions(self) -> tuple[int, int, int]:
        """Root, snapshot and timestamp."""
        return self.root, self.snapshot, self.timestamp


_ALL = select(followed_network).order_by(followed_network.c.name)
_STORE = (
    update(followed_network)
    .where(followed_network.c.name == bindparam("b_name"))
    .values({name: bindparam(f"v_{name}") for name in NetworkRow.__slots__ if name != "name"})
)
_WAITING = select(transmission.c.to_aid).where(transmission.c.state == "QUEUED").distinct()


def networks(connection: Connection) -> dict[str, NetworkRow]:
    """Return every network that was ever followed, by name."""
    return {row.name: NetworkRow(**row._mapping) for row in connection.execute(_ALL)}


def store_network(tx: Transaction, row: NetworkRow) -> None:
    """Keep what is known of a network now."""
    values = {name: getattr(row, name) for name in NetworkRow.__slots__}
    changed = {f"v_{name}": value for name, value in values.items() if name != "name"}
    if tx.execute(_STORE, {"b_name": row.name, **changed}).rowcount == 0:
        tx.insert(followed_network, **values)


def waiting_peers(connection: Connection) -> list[str]:
    """Return the authorities for which something waits to be tried."""
    return [aid for (aid,) in connection.execute(_WAITING)]
