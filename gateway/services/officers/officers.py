"""Everything that is done with officers and their passkeys; each step is durable and logged.

An officer is invited by one person, makes a passkey by a one-time link, and counts once a second person,
who is neither the officer nor the inviter, has confirmed it. Suspending ends all passkeys at once.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.officers import SYSTEM, is_pseudonym, officer_problems
from gateway.services.acts.ending import end_unsigned
from gateway.services.keys.keyring import Keyring
from gateway.services.officers.confirmation import Confirmation
from gateway.services.officers.people import (
    Ceremony,
    Officer,
    Passkey,
    Registered,
    RelyingParty,
    SetupLink,
    refuse_unnamed,
)
from gateway.services.officers.registration import OFFICER_TASK, REMINDED_AGAIN, Registration
from gateway.services.officers.rows import end_passkey, officer_view, shown_officer, shown_passkey
from gateway.services.officers.signedin import SignedIn, sign_out, signed_in
from gateway.services.officers.signin import Also, SignIn, nothing
from gateway.services.tasks import raise_task
from gateway.storage import acts, officers
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.officers import OfficerRow

_ENDING = "passkey-ending"
_USER_ID_BYTES = 32


class Officers:
    """The officers of one authority. ``party`` is ``None`` where the settings name no duty page."""

    def __init__(
        self, *, database: Database, keyring: Keyring, party: RelyingParty | None, clock: Clock
    ) -> None:
        self._database = database
        self._own = keyring.authority_id
        self._clock = clock
        self._registration = Registration(database=database, authority_id=self._own, party=party, clock=clock)
        self.sign_ins = SignIn(database=database, party=party, clock=clock)
        self.confirmation = Confirmation(
            database=database, keyring=keyring, registration=self._registration, clock=clock
        )

    @property
    def party(self) -> RelyingParty:
        """Where passkeys are used. Raises ``GatewayRefusal`` ``duty-page-none``."""
        return self._registration.party

    async def invite(
        self, pseudonym: str, *, name: str, role: str, time_zone: str, language: str, by: str
    ) -> SetupLink:
        """Enter an officer, or invite one again, and return a one-time link that is good for 24 hours.

        Raises ``GatewayRefusal`` ``officer-invalid`` (pseudonym, role, zone or language), ``officer-exists``
        for one in force, ``duty-page-none`` where the settings name no duty page.
        """
        problems = list(
            officer_problems(
                pseudonym=pseudonym, name=name, role=role, time_zone=time_zone, language=language
            )
        )
        if not is_pseudonym(by):
            problems.append(("by", "Name who invites, by a pseudonym."))
        if problems:
            items = [{"field": field, "sentence": sentence} for field, sentence in problems]
            raise GatewayRefusal("officer-invalid", field=problems[0][0], items=items)
        self._registration.party  # noqa: B018 - without a duty page no link leads anywhere
        now = self._clock.now()

        def unit(tx: Transaction) -> SetupLink:
            before = officers.find_officer(tx.view(("officers",)), pseudonym)
            if (before is not None and before.status == "active") or _is_spelled_otherwise(
                tx.connection, pseudonym
            ):
                raise GatewayRefusal("officer-exists")
            officers.drop_links_of(tx, pseudonym)
            link = self._registration.give_link(tx, pseudonym, by=by, now=now)
            row = OfficerRow(
                pseudonym=pseudonym,
                name=name.strip(),
                role=role,
                time_zone=time_zone,
                language=language,
                status="invited",
                user_id=secrets.token_bytes(_USER_ID_BYTES),
                invited_by=by,
                created_at=now,
                changed_at=now,
                next_action_at=link.expires_at,
            )
            if before is None:
                officers.add_officer(tx, row)
            else:
                # What was made by an earlier link must not be confirmed by this one.
                self._end_all(tx, pseudonym, by=by, now=now)
                officers.store_officer(tx, row)
            tx.audit(
                PendingAuditEntry(event="officer.invited", body={"officer": pseudonym, "by": by}, at=now)
            )
            return link

        return await self._database.write(unit)

    async def link(self, pseudonym: str, *, by: str) -> SetupLink:
        """Return a one-time link for a further passkey of an officer in force; the old ones go on.

        Durable when it returns. Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-not-ready`` for one
        not in force, ``officer-invalid`` where ``by`` is no pseudonym.
        """
        now = self._clock.now()
        refuse_unnamed(by)

        def unit(tx: Transaction) -> SetupLink:
            row = _known(tx.view(("officers",)), pseudonym)
            if row.status != "active":
                raise GatewayRefusal("officer-not-ready")
            officers.drop_links_of(tx, pseudonym)
            tx.audit(
                PendingAuditEntry(event="officer.invited", body={"officer": pseudonym, "by": by}, at=now)
            )
            return self._registration.give_link(tx, pseudonym, by=by, now=now)

        return await self._database.write(unit)

    async def begin_registration(self, token: str) -> Ceremony:
        """Return what the browser is asked to make a passkey. Raises ``setup-link-invalid``."""
        return await self._registration.begin(token)

    async def complete_registration(self, token: str, response: Mapping[str, Any]) -> Registered:
        """Keep the passkey the browser made; the link is used up.

        Raises ``GatewayRefusal`` ``setup-link-invalid``, or the ``human-*`` code of the check that failed.
        """
        return await self._registration.complete(token, response)

    async def confirm(self, pseudonym: str, *, by: str, words: str) -> Officer:
        """A second person vouches for the officer and one passkey that waits; from now on they count.

        ``words``: those that the officer read from the phone. Raises ``GatewayRefusal`` ``officer-unknown``,
        ``officer-nothing-to-confirm``, ``officer-words-differ``, ``two-persons``.
        """
        return await self.confirmation.confirm(pseudonym, by=by, words=words)

    async def suspend(self, pseudonym: str, *, by: str) -> Officer:
        """End all passkeys, sessions, links and prepared acts of an officer; gone when this returns.

        Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-invalid`` where ``by`` is no pseudonym.
        """
        now = self._clock.now()
        refuse_unnamed(by)

        def unit(tx: Transaction) -> Officer:
            row = _known(tx.view(("officers",)), pseudonym)
            self._suspend(tx, row, by=by, now=now)
            return _view(tx.connection, pseudonym)

        return await self._database.write(unit)

    def _suspend(self, tx: Transaction, row: OfficerRow, *, by: str, now: datetime) -> None:
        self._end_all(tx, row.pseudonym, by=by, now=now)
        officers.drop_links_of(tx, row.pseudonym)
        for waiting in acts.waiting_acts(tx.connection, row.pseudonym):
            end_unsigned(tx, waiting, "withdrawn", now)
        officers.store_officer(tx, replace(row, status="suspended", changed_at=now, next_action_at=None))
        tx.audit(
            PendingAuditEntry(event="officer.suspended", body={"officer": row.pseudonym, "by": by}, at=now)
        )

    @staticmethod
    def _end_all(tx: Transaction, pseudonym: str, *, by: str, now: datetime) -> None:
        for key in officers.credentials_of(tx.connection, pseudonym):
            if key.status != "ended":
                end_passkey(tx, key, by=by, now=now)

    async def end_credential(self, credential_id: str, *, by: str) -> Passkey:
        """End one passkey: a phone was lost, say. ``credential_id`` or the beginning of one.

        The officer is signed out as well; durable when it returns. Raises ``GatewayRefusal``
        ``credential-unknown``, ``officer-invalid`` where ``by`` is no pseudonym.
        """
        now = self._clock.now()
        refuse_unnamed(by)

        def unit(tx: Transaction) -> Passkey:
            rows = officers.all_credentials(tx.view(("officers",)))
            found = [key for key in rows if key.id.startswith(credential_id) and key.status != "ended"]
            if len(found) != 1 or not credential_id:
                raise GatewayRefusal("credential-unknown")
            return shown_passkey(end_passkey(tx, found[0], by=by, now=now))

        return await self._database.write(unit)

    async def listed(self) -> list[Officer]:
        """Return every officer, by pseudonym."""

        def query(connection: Connection) -> list[Officer]:
            keys = officers.all_credentials(connection)
            return [
                shown_officer(row, [key for key in keys if key.officer == row.pseudonym])
                for row in officers.all_officers(connection)
            ]

        return await self._database.read(query)

    async def find(self, pseudonym: str) -> Officer:
        """Return one officer. Raises ``GatewayRefusal`` ``officer-unknown``."""
        return await self._database.read(lambda c: _view(c, pseudonym))

    def sign_in_options(self) -> Ceremony:
        """Return what the browser is asked so that any officer may sign in; the challenge is good once."""
        return self.sign_ins.options()

    async def sign_in(self, response: Mapping[str, Any], *, also: Also = nothing) -> Officer:
        """Return the officer whose passkey signed the challenge; ``also`` is done in the same transaction.

        Raises ``GatewayRefusal`` with the ``human-*`` code of the check that failed, or what ``also`` raises.
        """
        return await self.sign_ins.sign_in(response, also=also)

    async def signed_in(self) -> list[SignedIn]:
        """Return the open sessions of the duty page, oldest first."""
        return await signed_in(self._database, self._clock.now())

    async def sign_out(self, pseudonym: str, *, by: str) -> int:
        """End every session of an officer at once and return how many there were.

        Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-invalid`` where ``by`` is no pseudonym.
        """
        return await sign_out(self._database, pseudonym, by=by, now=self._clock.now())

    async def anybody_is_ready(self) -> bool:
        """Tell whether any officer can sign acts: then nobody's word alone stands for the authority."""
        now = self._clock.now()
        return await self._database.read(lambda c: officers.is_anybody_ready(c, now))

    async def look(self, now: datetime) -> None:
        """Drop links whose time is over, end invitations and passkeys that ran out, remind of the rest."""
        due = await self._database.read(
            lambda c: (
                officers.due_officers(c, now),
                officers.due_credentials(c, now),
                officers.has_old_links(c, now),
            )
        )
        if not any(due):
            return

        def unit(tx: Transaction) -> None:
            officers.drop_old_links(tx, now)
            connection = tx.view(("officers",))
            for row in officers.due_officers(connection, now):
                if row.status == "invited":
                    self._suspend(tx, row, by=SYSTEM, now=now)
                else:
                    officers.store_officer(tx, replace(row, next_action_at=now + REMINDED_AGAIN))
            for key in officers.due_credentials(connection, now):
                if key.exp is not None and key.exp <= now:
                    end_passkey(tx, key, by=SYSTEM, now=now)
                    continue
                officers.store_credential(tx, replace(key, next_action_at=_next_look(key.exp, now)))
                if key.status == "pending":
                    self._registration.remind(tx, now)
                else:
                    self._task(tx, _ENDING, now)

        await self._database.write(unit)

    def _task(self, tx: Transaction, code: str, now: datetime) -> None:
        raise_task(
            tx,
            kind=OFFICER_TASK,
            sender=self._own,
            owner="approver",
            code=code,
            now=now,
            shown_again_at=now + REMINDED_AGAIN,
        )


def _next_look(exp: datetime | None, now: datetime) -> datetime:
    later = now + REMINDED_AGAIN
    return later if exp is None else min(later, exp)


def _is_spelled_otherwise(connection: Connection, pseudonym: str) -> bool:
    """Tell whether an officer has this pseudonym in other letters: one person is never made two by it."""
    return any(
        row.pseudonym != pseudonym and row.pseudonym.casefold() == pseudonym.casefold()
        for row in officers.all_officers(connection)
    )


def _known(connection: Connection, pseudonym: str) -> OfficerRow:
    row = officers.find_officer(connection, pseudonym)
    if row is None:
        raise GatewayRefusal("officer-unknown")
    return row


def _view(connection: Connection, pseudonym: str) -> Officer:
    found = officer_view(connection, pseudonym)
    if found is None:
        raise GatewayRefusal("officer-unknown")
    return found
