"""Officers and passkeys as their rows are shown, and what every step does to a row."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from msgspec.structs import replace

from crypto.encoding import sha256_hex
from crypto.passkey import passkey_words
from gateway.model.audit import PendingAuditEntry
from gateway.services.officers.people import Officer, Passkey
from gateway.services.officers.signedin import end_sessions
from gateway.storage import officers
from gateway.storage.database import Connection, Transaction
from gateway.storage.officers import CredentialRow, OfficerRow


def token_digest(token: str) -> str:
    """Return the digest by which a link is kept; a token of any length and letters has one."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def shown_passkey(row: CredentialRow, *, on_its_phone: bool = False) -> Passkey:
    """Return a passkey as people see it; ``on_its_phone``: as the officer does who has just made it.

    The words of one that waits are shown there and nowhere else, so that the second person has to hear them.
    """
    is_read_out = row.status == "pending" and not on_its_phone
    return Passkey(
        id=row.id,
        officer=row.officer,
        status=row.status,
        words=None if is_read_out else passkey_words(row.pub),
        added_at=row.added_at,
        confirmed_by=row.confirmed_by,
        until=row.exp,
        used_at=row.used_at,
    )


def shown_officer(row: OfficerRow, keys: Sequence[CredentialRow]) -> Officer:
    """Return an officer as people see one."""
    return Officer(
        pseudonym=row.pseudonym,
        name=row.name,
        role=row.role,
        time_zone=row.time_zone,
        language=row.language,
        status=row.status,
        invited_by=row.invited_by,
        passkeys=tuple(shown_passkey(key) for key in keys),
    )


def officer_view(connection: Connection, pseudonym: str) -> Officer | None:
    """Return an officer as stored, with every passkey."""
    row = officers.find_officer(connection, pseudonym)
    return None if row is None else shown_officer(row, officers.credentials_of(connection, pseudonym))


def end_passkey(tx: Transaction, row: CredentialRow, *, by: str, now: datetime) -> CredentialRow:
    """End a passkey for good, and with it every session of its officer; both are entered in the log."""
    ended = replace(row, status="ended", ended_at=now, next_action_at=None)
    officers.store_credential(tx, ended)
    body = {"officer": row.officer, "credential": sha256_hex(row.id.encode()), "by": by}
    tx.audit(PendingAuditEntry(event="credential.ended", body=body, at=now))
    # A lost phone may be signed in, and a session does not say by which passkey it began.
    end_sessions(tx, row.officer, by=by, now=now)
    return ended
