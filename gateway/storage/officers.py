"""Officers, their passkeys and their one-time links; names are kept here only."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from msgspec.structs import asdict
from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.model.officers import AUDITOR
from gateway.storage.database import Transaction
from gateway.storage.rows import TableRow
from gateway.storage.schema import credential, officer, setup_link


class OfficerRow(TableRow, frozen=True, kw_only=True):
    """One officer."""

    hidden: ClassVar[frozenset[str]] = frozenset({"name", "user_id"})

    pseudonym: str
    name: str
    role: str
    time_zone: str
    language: str
    status: str
    user_id: bytes
    invited_by: str
    created_at: datetime
    changed_at: datetime
    next_action_at: datetime | None


class CredentialRow(TableRow, frozen=True, kw_only=True):
    """One passkey; ``statement``, ``nbf`` and ``exp`` are there once it was confirmed."""

    hidden: ClassVar[frozenset[str]] = frozenset({"pub", "statement"})

    id: str
    officer: str
    status: str
    alg: int
    pub: bytes
    sign_count: int
    statement: str | None
    added_by: str
    confirmed_by: str | None
    nbf: datetime | None
    exp: datetime | None
    added_at: datetime
    used_at: datetime | None
    ended_at: datetime | None
    next_action_at: datetime | None


class SetupLinkRow(TableRow, frozen=True, kw_only=True):
    """One link that was not used yet."""

    hidden: ClassVar[frozenset[str]] = frozenset({"challenge", "token_sha256"})

    token_sha256: str
    officer: str
    given_by: str
    challenge: bytes | None
    next_action_at: datetime


_FIND = select(officer).where(officer.c.pseudonym == bindparam("b_pseudonym"))
_ALL = select(officer).order_by(officer.c.pseudonym)
_STORE = (
    update(officer)
    .where(officer.c.pseudonym == bindparam("b_pseudonym"))
    .values(
        name=bindparam("v_name"),
        role=bindparam("v_role"),
        time_zone=bindparam("v_time_zone"),
        language=bindparam("v_language"),
        status=bindparam("v_status"),
        invited_by=bindparam("v_invited_by"),
        changed_at=bindparam("v_changed_at"),
        next_action_at=bindparam("v_next_action_at"),
    )
)
_CREDENTIAL = select(credential).where(credential.c.id == bindparam("b_id"))
_CREDENTIALS = select(credential).order_by(credential.c.added_at, credential.c.id)
_CREDENTIALS_OF = _CREDENTIALS.where(credential.c.officer == bindparam("b_officer"))
_STORE_CREDENTIAL = (
    update(credential)
    .where(credential.c.id == bindparam("b_id"))
    .values(
        status=bindparam("v_status"),
        sign_count=bindparam("v_sign_count"),
        statement=bindparam("v_statement"),
        confirmed_by=bindparam("v_confirmed_by"),
        nbf=bindparam("v_nbf"),
        exp=bindparam("v_exp"),
        used_at=bindparam("v_used_at"),
        ended_at=bindparam("v_ended_at"),
        next_action_at=bindparam("v_next_action_at"),
    )
)
_READY = (
    select(credential.c.id)
    .join(officer, officer.c.pseudonym == credential.c.officer)
    .where(
        (officer.c.status == "active")
        & (officer.c.role != AUDITOR)
        & (credential.c.status == "active")
        & (credential.c.exp >= bindparam("b_now"))
    )
    .limit(1)
)
_LINK = select(setup_link).where(setup_link.c.token_sha256 == bindparam("b_token"))
_CHALLENGE = (
    update(setup_link)
    .where(setup_link.c.token_sha256 == bindparam("b_token"))
    .values(challenge=bindparam("v_challenge"))
)
_DROP_LINK = delete(setup_link).where(setup_link.c.token_sha256 == bindparam("b_token"))
_DROP_LINKS_OF = delete(setup_link).where(setup_link.c.officer == bindparam("b_officer"))
_DROP_OLD_LINKS = delete(setup_link).where(setup_link.c.next_action_at <= bindparam("b_now"))
_OLD_LINK = select(setup_link.c.officer).where(setup_link.c.next_action_at <= bindparam("b_now")).limit(1)
_DUE = select(officer).where(officer.c.next_action_at <= bindparam("b_now")).limit(200)
_DUE_CREDENTIALS = select(credential).where(credential.c.next_action_at <= bindparam("b_now")).limit(200)


def add_officer(tx: Transaction, row: OfficerRow) -> None:
    """Add an officer; a second one of the same pseudonym is an IntegrityError."""
    tx.insert(officer, **asdict(row))


def store_officer(tx: Transaction, row: OfficerRow) -> None:
    """Change an officer: everything but pseudonym, what passkeys call the officer, and the first day."""
    fixed = {"pseudonym", "user_id", "created_at"}
    values = {f"v_{name}": value for name, value in asdict(row).items() if name not in fixed}
    tx.execute(_STORE, {"b_pseudonym": row.pseudonym, **values})


def find_officer(connection: Connection, pseudonym: str) -> OfficerRow | None:
    """Return an officer or ``None``."""
    row = connection.execute(_FIND, {"b_pseudonym": pseudonym}).first()
    return None if row is None else OfficerRow(**row._mapping)


def all_officers(connection: Connection) -> list[OfficerRow]:
    """Return every officer, by pseudonym."""
    return [OfficerRow(**row._mapping) for row in connection.execute(_ALL)]


def due_officers(connection: Connection, now: datetime) -> list[OfficerRow]:
    """Return officers who were invited or wait for a second person, and are due."""
    return [OfficerRow(**row._mapping) for row in connection.execute(_DUE, {"b_now": now})]


def add_credential(tx: Transaction, row: CredentialRow) -> None:
    """Add a passkey; a second one of the same identifier is an IntegrityError."""
    tx.insert(credential, **asdict(row))


def store_credential(tx: Transaction, row: CredentialRow) -> None:
    """Change a passkey: its status, its statement, when it was used."""
    fixed = {"id", "officer", "alg", "pub", "added_by", "added_at"}
    values = {f"v_{name}": value for name, value in asdict(row).items() if name not in fixed}
    tx.execute(_STORE_CREDENTIAL, {"b_id": row.id, **values})


def find_credential(connection: Connection, credential_id: str) -> CredentialRow | None:
    """Return a passkey or ``None``."""
    row = connection.execute(_CREDENTIAL, {"b_id": credential_id}).first()
    return None if row is None else CredentialRow(**row._mapping)


def credentials_of(connection: Connection, pseudonym: str) -> Sequence[CredentialRow]:
    """Return every passkey of an officer, also ended ones, oldest first."""
    rows = connection.execute(_CREDENTIALS_OF, {"b_officer": pseudonym})
    return [CredentialRow(**row._mapping) for row in rows]


def all_credentials(connection: Connection) -> Sequence[CredentialRow]:
    """Return every passkey, oldest first."""
    return [CredentialRow(**row._mapping) for row in connection.execute(_CREDENTIALS)]


def due_credentials(connection: Connection, now: datetime) -> list[CredentialRow]:
    """Return the passkeys that a person should see."""
    return [CredentialRow(**row._mapping) for row in connection.execute(_DUE_CREDENTIALS, {"b_now": now})]


def is_anybody_ready(connection: Connection, now: datetime) -> bool:
    """Tell whether any active officer who may sign has a passkey in force."""
    return connection.execute(_READY, {"b_now": now}).first() is not None


def add_link(tx: Transaction, row: SetupLinkRow) -> None:
    """Add a one-time link."""
    tx.insert(setup_link, **asdict(row))


def find_link(connection: Connection, token_sha256: str) -> SetupLinkRow | None:
    """Return a link that was not used, or ``None``."""
    row = connection.execute(_LINK, {"b_token": token_sha256}).first()
    return None if row is None else SetupLinkRow(**row._mapping)


def set_challenge(tx: Transaction, token_sha256: str, challenge: bytes) -> None:
    """Remember what the browser was asked last by this link."""
    tx.execute(_CHALLENGE, {"b_token": token_sha256, "v_challenge": challenge})


def use_link(tx: Transaction, token_sha256: str) -> bool:
    """Drop a link and tell whether it was there: of two that use it at once, one is told ``False``."""
    return tx.execute(_DROP_LINK, {"b_token": token_sha256}).rowcount == 1


def drop_links_of(tx: Transaction, pseudonym: str) -> None:
    """Drop every link of an officer."""
    tx.execute(_DROP_LINKS_OF, {"b_officer": pseudonym})


def has_old_links(connection: Connection, now: datetime) -> bool:
    """Tell whether there are links whose time is over."""
    return connection.execute(_OLD_LINK, {"b_now": now}).first() is not None


def drop_old_links(tx: Transaction, now: datetime) -> None:
    """Drop every link whose time is over."""
    tx.execute(_DROP_OLD_LINKS, {"b_now": now})
