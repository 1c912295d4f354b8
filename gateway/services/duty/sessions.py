"""Who is signed in: a random token in the browser, its digest here, and an end whatever happens.

A session ends 30 minutes after the officer last did something and 12 hours after it began; looking that the
page does by itself is nothing the officer does. Signing in makes a new token and ends the one before, so a
token that somebody planted is worth nothing. Whether the officer still counts is asked at every request.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.officers import ROLES
from gateway.services.officers.people import Officer
from gateway.services.officers.signedin import note_signed_out
from gateway.services.officers.signin import Also
from gateway.storage import sessions
from gateway.storage.database import Database, Transaction

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
#: How exactly the last sign of the officer is kept: a write for every click would be waste.
_NOTED_EVERY = timedelta(minutes=1)

_TOKEN_CHARACTERS = 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One officer signed in, in one browser.

    Attributes:
        token: Secret; the browser's cookie.
        form_token: Secret of the pages of this session; what they send must name it.
        ends_at: When it ends if nothing more is done.
    """

    officer: str
    token: str = field(repr=False)
    form_token: str = field(repr=False)
    opened_at: datetime
    ends_at: datetime

    def is_from_its_pages(self, form_token: str) -> bool:
        """Say whether what was sent came from a page of this session."""
        return hmac.compare_digest(form_token.encode(), self.form_token.encode())


class Officers(Protocol):
    """Knows officers by their passkeys."""

    async def sign_in(self, response: Mapping[str, Any], *, also: Also) -> Officer:
        """Return the officer whose passkey signed; ``also`` is done in the same transaction."""


class Sessions:
    """The sessions of one authority's duty page."""

    def __init__(self, *, database: Database, officers: Officers, clock: Clock) -> None:
        self._database = database
        self._officers = officers
        self._clock = clock

    async def sign_in(self, response: Mapping[str, Any], *, instead_of: str | None = None) -> Session:
        """Begin a session of the officer whose passkey signed, and end the browser's last one.

        One transaction: whoever used a passkey has a session, durable and logged, or nothing happened.
        Raises ``GatewayRefusal`` with the ``human-*`` code of the check that failed, ``officer-not-ready``,
        ``officer-role``.
        """
        begun: list[Session] = []

        def also(tx: Transaction, officer: Officer) -> None:
            if not officer.is_ready:
                raise GatewayRefusal("officer-not-ready")
            if officer.role not in ROLES:
                raise GatewayRefusal("officer-role")
            begun.append(self._begin(tx, officer.pseudonym, instead_of))

        await self._officers.sign_in(response, also=also)
        # A transaction that was tried again began another one; the last is the one that was kept.
        return begun[-1]

    def _begin(self, tx: Transaction, officer: str, instead_of: str | None) -> Session:
        now, token = self._clock.now(), secrets.token_urlsafe(32)
        row = sessions.SessionRow(
            token_sha256=_digest(token),
            officer=officer,
            opened_at=now,
            seen_at=now,
            next_action_at=now + IDLE,
        )
        sessions.forget_sessions(tx, now)
        if instead_of is not None:
            sessions.close_session(tx, _digest(instead_of))
        sessions.add_session(tx, row)
        tx.audit(PendingAuditEntry(event="person.signed_in", body={"officer": officer}, at=now))
        return _session(row, token)

    async def find(self, token: str, *, is_seen: bool = True) -> Session | None:
        """Return the session of a token, or ``None``. ``is_seen``: the officer did something just now."""
        if len(token) != _TOKEN_CHARACTERS or not token.isascii():
            return None
        now, digest = self._clock.now(), _digest(token)
        row = await self._database.read(lambda c: sessions.find_session(c, digest))
        # A clock that was set back makes no session longer.
        if row is None or now >= row.next_action_at or now < row.opened_at - _NOTED_EVERY:
            return None
        if is_seen and now - row.seen_at >= _NOTED_EVERY:
            ends_at = min(now + IDLE, row.opened_at + LONGEST)
            await self._database.write(lambda tx: sessions.set_seen(tx, digest, seen_at=now, ends_at=ends_at))
        return _session(row, token)

    async def close(self, session: Session, *, by: str | None = None) -> None:
        """End a session; it is gone when this returns. ``by``: who ends it, its officer by default."""
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            if sessions.close_session(tx, _digest(session.token)):
                note_signed_out(tx, session.officer, by=by or session.officer, now=now)

        await self._database.write(unit)


def _session(row: sessions.SessionRow, token: str) -> Session:
    return Session(
        officer=row.officer,
        token=token,
        form_token=hashlib.sha256(b"duty-form\x00" + token.encode()).hexdigest(),
        opened_at=row.opened_at,
        ends_at=row.next_action_at,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
