"""The second person: who may vouch for an officer's passkeys, and what the authority signs about them then.

The statement binds passkey, pseudonym, role and a year. It is signed by the ``sig`` key of the day, and again
with the same contents when that key changes, so that a peer needs to know one key only. Only the passkey
is confirmed whose words the officer read from the phone: one made with an intercepted link has others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from crypto.encoding import sha256_hex
from crypto.keys import KeyUse
from crypto.officer import OfficerStatement, issue_statement, statement_kid
from crypto.passkey import passkey_words
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.officers import PASSKEY_LIFE, PASSKEY_WARNING, is_pseudonym
from gateway.services.keys.keyring import Keyring
from gateway.services.officers.people import Officer, RelyingParty
from gateway.services.officers.registration import OFFICER_TASK, UNCONFIRMED, Registration
from gateway.services.officers.rows import shown_officer
from gateway.services.tasks import close_tasks
from gateway.storage import officers
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.officers import CredentialRow, OfficerRow

#: From so many officers in force on, only one of them may be the second person.
_ENOUGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Confirms passkeys and signs what is said of them."""

    database: Database
    keyring: Keyring
    registration: Registration
    clock: Clock

    async def confirm(self, pseudonym: str, *, by: str, words: str) -> Officer:
        """Vouch for an officer and for the one passkey that waits with these words, as the officer read them.

        Raises ``GatewayRefusal`` ``officer-unknown``, ``officer-nothing-to-confirm``,
        ``officer-words-differ``, ``two-persons``; nothing is changed then.
        """
        now = self.clock.now().replace(microsecond=0)

        def unit(tx: Transaction) -> Officer:
            connection = tx.view(("officers",))
            officer = officers.find_officer(connection, pseudonym)
            if officer is None:
                raise GatewayRefusal("officer-unknown")
            keys = officers.credentials_of(connection, pseudonym)
            waiting = [key for key in keys if key.status == "pending"]
            if not waiting or officer.status == "suspended":
                raise GatewayRefusal("officer-nothing-to-confirm")
            chosen = [key for key in waiting if passkey_words(key.pub) == _as_read(words)]
            if len(chosen) != 1:
                raise GatewayRefusal("officer-words-differ", field="words")
            _refuse_same_person(connection, officer, chosen[0], by)
            return self._store(tx, officer, keys, chosen[0], by=by, now=now)

        return await self.database.write(unit)

    def _store(
        self,
        tx: Transaction,
        officer: OfficerRow,
        keys: Sequence[CredentialRow],
        chosen: CredentialRow,
        *,
        by: str,
        now: datetime,
    ) -> Officer:
        after = {key.id: key for key in keys}
        after[chosen.id] = self._confirmed(officer, chosen, by=by, now=now)
        officers.store_credential(tx, after[chosen.id])
        body = {"officer": officer.pseudonym, "credential": sha256_hex(chosen.id.encode()), "by": by}
        tx.audit(PendingAuditEntry(event="credential.confirmed", body=body, at=now))
        active = officer
        if officer.status != "active":
            active = replace(officer, status="active", changed_at=now, next_action_at=None)
            officers.store_officer(tx, active)
            confirmed = {"officer": officer.pseudonym, "by": by}
            tx.audit(PendingAuditEntry(event="officer.confirmed", body=confirmed, at=now))
        if not any(key.status == "pending" for key in officers.all_credentials(tx.connection)):
            close_tasks(tx, kind=OFFICER_TASK, sender=self.keyring.authority_id, codes={UNCONFIRMED}, now=now)
        return shown_officer(active, list(after.values()))

    def _confirmed(self, officer: OfficerRow, key: CredentialRow, *, by: str, now: datetime) -> CredentialRow:
        good = replace(
            key,
            status="active",
            confirmed_by=by,
            nbf=now,
            exp=now + PASSKEY_LIFE,
            next_action_at=now + PASSKEY_LIFE - PASSKEY_WARNING,
        )
        return replace(good, statement=self.sign(officer, good, now))

    def sign(self, officer: OfficerRow, key: CredentialRow, now: datetime) -> str:
        """Return the statement about a passkey that was confirmed, signed by today's ``sig`` key."""
        party: RelyingParty = self.registration.party
        if key.nbf is None or key.exp is None:
            raise GatewayRefusal("officer-not-ready")
        statement = OfficerStatement(
            aid=self.keyring.authority_id,
            officer=officer.pseudonym,
            role=officer.role,
            credential=key.id,
            alg=key.alg,
            pub=key.pub,
            rp=party.rp,
            origin=party.origin,
            nbf=key.nbf,
            exp=key.exp,
        )
        return issue_statement(statement, self.keyring.signer(KeyUse.SIG, now))

    def current(self, officer: OfficerRow, key: CredentialRow, now: datetime) -> str:
        """Return the statement to send now: the stored one, or a new one if the ``sig`` key changed since."""
        if key.statement is not None:
            signer = self.keyring.current(KeyUse.SIG, now).public.kid
            if statement_kid(key.statement) == signer:
                return key.statement
        return self.sign(officer, key, now)


def _as_read(words: str) -> str:
    """Return words as the list has them, however they were written down."""
    return " ".join(words.casefold().replace(",", " ").split())


def _refuse_same_person(connection: Connection, officer: OfficerRow, chosen: CredentialRow, by: str) -> None:
    """The second person is another one than the officer and whoever gave the link, and may be it."""
    givers = {chosen.added_by}
    if officer.status != "active":
        givers.add(officer.invited_by)
    known = {row.pseudonym.casefold(): row.status for row in officers.all_officers(connection)}
    others = {name for name, status in known.items() if status == "active"} - {officer.pseudonym.casefold()}
    second, same = by.casefold(), {name.casefold() for name in (officer.pseudonym, *givers)}
    # Somebody who is no officer may vouch while there are too few, but never one who is not in force.
    is_outsider = second not in others and (len(others) >= _ENOUGH or second in known)
    if second in same or not is_pseudonym(by) or is_outsider:
        raise GatewayRefusal("two-persons")
