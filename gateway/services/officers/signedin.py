"""Who is signed in on the duty page, as the people of the gateway see it, and ending it for somebody else.

A session's token is the browser's alone and its digest says nothing, so neither is shown. Ending works at
once: the next request of that browser finds no session.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.services.officers.people import refuse_unnamed
from gateway.storage import officers, sessions
from gateway.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """One session of an officer.

    Attributes:
        used_at: When the officer last did something, to the minute.
        ends_at: When it ends if nothing more is done.
    """

    officer: str
    began_at: datetime
    used_at: datetime
    ends_at: datetime


async def signed_in(database: Database, now: datetime) -> list[SignedIn]:
    """Return the sessions that are open, oldest first, the first 1000."""
    rows = await database.read(lambda c: sessions.sessions(c, now))
    return [
        SignedIn(officer=row.officer, began_at=row.opened_at, used_at=row.seen_at, ends_at=row.next_action_at)
        for row in rows
    ]


async def sign_out(database: Database, pseudonym: str, *, by: str, now: datetime) -> int:
    """End every session of an officer and return how many there were; they are gone when this returns.

    Raises ``GatewayRefusal`` ``officer-invalid`` where ``by`` is no pseudonym, ``officer-unknown``.
    """
    refuse_unnamed(by)

    def unit(tx: Transaction) -> int:
        if officers.find_officer(tx.view(("officers",)), pseudonym) is None:
            raise GatewayRefusal("officer-unknown")
        sessions.forget_sessions(tx, now)
        return end_sessions(tx, pseudonym, by=by, now=now)

    return await database.write(unit)


def end_sessions(tx: Transaction, pseudonym: str, *, by: str, now: datetime) -> int:
    """End every session of an officer in the caller's transaction and return how many there were; logged."""
    ended = sessions.close_sessions_of(tx, pseudonym)
    if ended:
        note_signed_out(tx, pseudonym, by=by, now=now)
    return ended


def note_signed_out(tx: Transaction, pseudonym: str, *, by: str, now: datetime) -> None:
    """Enter that an officer signed out, or was signed out by somebody."""
    body = {"officer": pseudonym, "by": by}
    tx.audit(PendingAuditEntry(event="person.signed_out", body=body, at=now))
