"""Sessions of the duty page, by the digest of their token."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import duty_session


class SessionRow(TableRow, frozen=True, kw_only=True):
    """One open session; meanings in ``schema.sessions``."""

    token_sha256: str
    officer: str
    opened_at: datetime
    seen_at: datetime
    next_action_at: datetime


_KEY = duty_session.c.token_sha256 == bindparam("b_token")
_FIND = select(duty_session).where(_KEY)
_OPEN = (
    select(duty_session)
    .where(duty_session.c.next_action_at > bindparam("b_now"))
    .order_by(duty_session.c.opened_at, duty_session.c.token_sha256)
    .limit(1000)
)
_SEEN = update(duty_session).where(_KEY).values(seen_at=bindparam("v_seen"), next_action_at=bindparam("v_at"))
_CLOSE = delete(duty_session).where(_KEY)
_CLOSE_ALL = delete(duty_session).where(duty_session.c.officer == bindparam("b_officer"))
_FORGET = delete(duty_session).where(duty_session.c.next_action_at <= bindparam("b_now"))


def add_session(tx: Transaction, row: SessionRow) -> None:
    """Add an open session."""
    tx.insert(
        duty_session,
        token_sha256=row.token_sha256,
        officer=row.officer,
        opened_at=row.opened_at,
        seen_at=row.seen_at,
        next_action_at=row.next_action_at,
    )


def find_session(connection: Connection, token_sha256: str) -> SessionRow | None:
    """Return a session, also one that is past its end, or ``None``."""
    row = connection.execute(_FIND, {"b_token": token_sha256}).first()
    return None if row is None else SessionRow(**row._mapping)


def sessions(connection: Connection, now: datetime) -> list[SessionRow]:
    """Return the open sessions, oldest first, the first 1000."""
    return [SessionRow(**row._mapping) for row in connection.execute(_OPEN, {"b_now": now})]


def set_seen(tx: Transaction, token_sha256: str, *, seen_at: datetime, ends_at: datetime) -> None:
    """Note that the officer did something; nothing happens if the session is gone."""
    tx.execute(_SEEN, {"b_token": token_sha256, "v_seen": seen_at, "v_at": ends_at})


def close_session(tx: Transaction, token_sha256: str) -> bool:
    """End a session; return whether it was open."""
    return tx.execute(_CLOSE, {"b_token": token_sha256}).rowcount > 0


def close_sessions_of(tx: Transaction, officer: str) -> int:
    """End every session of an officer; return how many there were."""
    return tx.execute(_CLOSE_ALL, {"b_officer": officer}).rowcount


def forget_sessions(tx: Transaction, now: datetime) -> None:
    """Drop sessions past their end."""
    tx.execute(_FORGET, {"b_now": now})
