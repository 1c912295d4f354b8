"""Looking up one ladder of the urgent lane, ended or not, for tests."""

from sqlalchemy import Connection, select

from gateway.storage.escalations import EscalationRow, Key
from gateway.storage.schema import escalation


def find_ladder(connection: Connection, key: Key) -> EscalationRow | None:
    """Return the ladder of a bundle (sender, bid, addressee), or ``None``."""
    table = escalation.c
    wanted = (table.sender == key[0]) & (table.bid == key[1]) & (table.to_aid == key[2])
    row = connection.execute(select(escalation).where(wanted)).first()
    return None if row is None else EscalationRow(**row._mapping)
