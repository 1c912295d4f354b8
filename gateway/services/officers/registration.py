"""Making a passkey by a one-time link: what the browser is asked, and what of its answer is kept.

A link opens one registration. Its challenge is kept with it, so that the answer may reach another process;
the answer uses the link up in the transaction that keeps the passkey. Two answers at once: one is kept.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from crypto.encoding import sha256_hex
from crypto.errors import HumanRefusal
from crypto.passkey import NewPasskey, registration_options, verify_registration
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.officers import FURTHER_LINK_LIFE, LINK_LIFE, MOST_PASSKEYS, PASSKEYS_EACH
from gateway.services.officers.people import Ceremony, Registered, RelyingParty, SetupLink
from gateway.services.officers.rows import shown_passkey, token_digest
from gateway.services.tasks import raise_task
from gateway.storage import officers
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.officers import CredentialRow, OfficerRow, SetupLinkRow

#: Kind of the tasks about officers; their ``sender`` is the own authority.
OFFICER_TASK = "officer"
UNCONFIRMED = "officer-unconfirmed"
#: What waits for a second person is shown again after this time.
REMINDED_AGAIN = timedelta(days=1)

_WAIT_S = 300
_TOKEN_BYTES = _CHALLENGE_BYTES = 32


class Registration:
    """Gives links and takes passkeys. ``party`` is ``None`` where the settings name no duty page."""

    def __init__(
        self, *, database: Database, authority_id: str, party: RelyingParty | None, clock: Clock
    ) -> None:
        self._database = database
        self._own = authority_id
        self._party = party
        self._clock = clock

    @property
    def party(self) -> RelyingParty:
        """Where passkeys are used. Raises ``GatewayRefusal`` ``duty-page-none``."""
        if self._party is None:
            raise GatewayRefusal("duty-page-none")
        return self._party

    def give_link(
        self, tx: Transaction, officer: str, *, by: str, now: datetime, life: timedelta = LINK_LIFE
    ) -> SetupLink:
        """Make a one-time link for an officer, in the caller's transaction; only its digest is kept."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        expires_at = now + life
        row = SetupLinkRow(
            token_sha256=token_digest(token),
            officer=officer,
            given_by=by,
            challenge=None,
            next_action_at=expires_at,
        )
        officers.add_link(tx, row)
        url = f"{self.party.origin}/setup#{token}"
        return SetupLink(officer=officer, token=token, url=url, expires_at=expires_at)

    async def begin(self, token: str) -> Ceremony:
        """Return what the browser is asked. Raises ``GatewayRefusal`` ``setup-link-invalid``."""
        party, now, challenge = self.party, self._clock.now(), secrets.token_bytes(_CHALLENGE_BYTES)

        def unit(tx: Transaction) -> tuple[SetupLinkRow, OfficerRow, list[str]]:
            link, officer = self._link(tx.view(("officers",)), token, now)
            officers.set_challenge(tx, link.token_sha256, challenge)
            return link, officer, [key.id for key in _live(tx.connection, officer.pseudonym)]

        link, officer, known = await self._database.write(unit)
        options = registration_options(
            rp=party.rp,
            rp_name=party.name,
            officer=officer.pseudonym,
            user_id=officer.user_id,
            challenge=challenge,
            known=known,
            wait_s=_WAIT_S,
        )
        return Ceremony(
            options=options, expires_at=min(link.next_action_at, now + timedelta(seconds=_WAIT_S))
        )

    async def complete(self, token: str, response: Mapping[str, Any]) -> Registered:
        """Keep what the browser made; the link is used up, and another follows for the second passkey.

        Raises ``GatewayRefusal`` ``setup-link-invalid`` or a ``human-*`` code; the link then stays good.
        """
        party, now = self.party, self._clock.now()
        link, _ = await self._database.read(lambda c: self._link(c, token, now))
        if link.challenge is None:
            raise GatewayRefusal("setup-link-invalid")
        try:
            made = verify_registration(response, challenge=link.challenge, rp=party.rp, origin=party.origin)
        except HumanRefusal as refusal:
            raise GatewayRefusal(refusal.code, detail=refusal.detail) from None
        try:
            return await self._database.write(lambda tx: self._keep(tx, token, made, now))
        except IntegrityError:
            raise GatewayRefusal("human-form", detail="this passkey is known already") from None

    def _keep(self, tx: Transaction, token: str, made: NewPasskey, now: datetime) -> Registered:
        link, officer = self._link(tx.view(("officers",)), token, now)
        if not officers.use_link(tx, link.token_sha256):
            raise GatewayRefusal("setup-link-invalid")
        live = _live(tx.connection, officer.pseudonym)
        if len(live) >= MOST_PASSKEYS:
            raise GatewayRefusal("setup-link-invalid")
        row = CredentialRow(
            id=made.id,
            officer=officer.pseudonym,
            status="pending",
            alg=made.alg,
            pub=made.pub,
            sign_count=made.count,
            statement=None,
            added_by=link.given_by,
            confirmed_by=None,
            nbf=None,
            exp=None,
            added_at=now,
            used_at=None,
            ended_at=None,
            next_action_at=now + REMINDED_AGAIN,
        )
        officers.add_credential(tx, row)
        body = {"officer": officer.pseudonym, "credential": sha256_hex(made.id.encode())}
        tx.audit(PendingAuditEntry(event="credential.added", body=body, at=now))
        if officer.status == "invited":
            officers.store_officer(
                tx,
                replace(officer, status="enrolled", changed_at=now, next_action_at=now + REMINDED_AGAIN),
            )
            enrolled = {"officer": officer.pseudonym}
            tx.audit(PendingAuditEntry(event="officer.enrolled", body=enrolled, at=now))
        self.remind(tx, now)
        further = None
        if len(live) + 1 < PASSKEYS_EACH:
            further = self.give_link(tx, officer.pseudonym, by=link.given_by, now=now, life=FURTHER_LINK_LIFE)
        return Registered(passkey=shown_passkey(row, on_its_phone=True), further=further)

    def remind(self, tx: Transaction, now: datetime) -> None:
        """Put before an approver that a passkey waits for a second person."""
        raise_task(
            tx,
            kind=OFFICER_TASK,
            sender=self._own,
            owner="approver",
            code=UNCONFIRMED,
            now=now,
            shown_again_at=now + REMINDED_AGAIN,
        )

    def _link(self, connection: Connection, token: str, now: datetime) -> tuple[SetupLinkRow, OfficerRow]:
        """Return a good link with its officer; all others get one answer: nothing can be tried out."""
        link = officers.find_link(connection, token_digest(token))
        officer = None if link is None else officers.find_officer(connection, link.officer)
        if link is None or officer is None or link.next_action_at <= now or officer.status == "suspended":
            raise GatewayRefusal("setup-link-invalid")
        return link, officer


def _live(connection: Connection, pseudonym: str) -> list[CredentialRow]:
    return [row for row in officers.credentials_of(connection, pseudonym) if row.status != "ended"]
