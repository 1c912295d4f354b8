"""Mails that nobody took, kept for a person: sealed, few, and not for ever.

The raw mail is sealed under a key of its own, which lies under the storage key; row, audit entry and task are
one transaction. What machines sent has a place of its own and makes room for itself, so that no flood of
vacation notices keeps out what a person should see. Where there is no room for the rest, a mail is not taken:
it stays in its mailbox.
"""

import asyncio
import hashlib
import io
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.mimeread import REASONS as UNREADABLE
from adapters.mimeread import MailUnreadable, read_mail
from crypto.errors import Refusal
from crypto.parts import open_part, seal_part
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, StorageDamaged, sentence_of
from gateway.model.audit import PendingAuditEntry
from gateway.model.mailtriage import AUTOMATIC_REASONS, REASONS
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import mail as store
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.staging import Staging
from gateway.telemetry import get_log

#: How long a mail is kept, by whether a machine sent it.
KEPT = {False: timedelta(days=90), True: timedelta(days=14)}

#: Mails and bytes, at most.
MOST = {False: 2000, True: 500}
MOST_BYTES = {False: 1 << 30, True: 64 << 20}

_TASK = "mail_set_aside"
_SHOWN_AGAIN = timedelta(days=1)


def reason_sentence(reason: str) -> str:
    """Return what a reason means for the person who looks at the mail."""
    return REASONS.get(reason) or UNREADABLE.get(reason) or sentence_of(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideMail:
    """One mail that was set aside, as it is shown.

    Attributes:
        name: Hex digest of the mail as it came.
        dropped: When it is dropped by itself.
    """

    name: str
    reason: str
    sentence: str
    automatic: bool
    size: int
    received: datetime
    dropped: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMail:
    """A mail with its bytes, and what it says of itself; nothing of that is verified."""

    mail: AsideMail
    raw: bytes = field(repr=False)
    said: Mapping[str, str | None] = field(repr=False)


class Quarantine:
    """The mails set aside in one home."""

    def __init__(
        self, *, database: Database, staging: Staging, vault: Vault, authority_id: str, clock: Clock
    ) -> None:
        self._database = database
        self._staging = staging
        self._vault = vault
        self._authority_id = authority_id
        self._clock = clock
        self._log = get_log("mail")

    async def put(self, raw: bytes, reason: str) -> None:
        """Set a mail aside; durable when it returns. The same mail again changes nothing.

        Raises ``GatewayRefusal`` ``mail-full`` where there is no room, once a task says so; retryable.
        """
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(raw).hexdigest())
        if await self._database.read(lambda c: store.find_aside(c, sha256)) is not None:
            return
        automatic, now = reason in AUTOMATIC_REASONS, self._clock.now()
        if not automatic and not await self._has_room(len(raw)):
            await self._database.write(lambda tx: self._tell(tx, "mail-full", now))
            raise GatewayRefusal("mail-full")
        content_key = secrets.token_bytes(32)
        sealed, digest = await asyncio.to_thread(_seal, raw, sha256, content_key)
        wrapped = self._vault.wrap(content_key)
        row = store.AsideRow(
            sha256=sha256,
            reason=reason,
            automatic=automatic,
            size_bytes=len(raw),
            file=await self._staging.put(sealed),
            sealed_sha256=digest,
            storage_key_id=wrapped.storage_key_id,
            wrapped=wrapped.wrapped,
            received_at=now,
            next_action_at=now + KEPT[automatic],
        )
        try:
            displaced = await self._database.write(lambda tx: self._enter(tx, row, now))
        except IntegrityError:
            await self._staging.drop(row.file)
            return
        await self._staging.drop(*displaced)
        self._log.warning("mail.set_aside", code=reason, size_bytes=len(raw))

    async def _has_room(self, size: int) -> bool:
        held = await self._database.read(lambda c: store.held_aside(c, automatic=False))
        return held.count < MOST[False] and held.size_bytes + size <= MOST_BYTES[False]

    def _enter(self, tx: Transaction, row: store.AsideRow, now: datetime) -> list[str]:
        """Add the row and return the files of those that made room for it."""
        displaced: list[str] = []
        connection = tx.view("mail_quarantine")
        while row.automatic and not self._fits(connection, row):
            oldest = store.oldest_aside(connection, automatic=True)
            if oldest is None:
                break
            self._drop(tx, oldest, "displaced", now)
            displaced.append(oldest.file)
        store.set_aside(tx, row)
        body = {"digest": row.sha256, "code": row.reason}
        tx.audit(PendingAuditEntry(event="mail.set_aside", body=body, at=now))
        if not row.automatic:
            self._tell(tx, "mail-set-aside", now)
        return displaced

    @staticmethod
    def _fits(connection: Connection, row: store.AsideRow) -> bool:
        held = store.held_aside(connection, automatic=True)
        return held.count < MOST[True] and held.size_bytes + row.size_bytes <= MOST_BYTES[True]

    def _tell(self, tx: Transaction, code: str, now: datetime) -> None:
        """Have a person look; one task for all of them."""
        raise_task(
            tx,
            kind=_TASK,
            sender=self._authority_id,
            owner="operator",
            code=code,
            now=now,
            shown_again_at=now + _SHOWN_AGAIN,
        )

    def _drop(self, tx: Transaction, row: store.AsideRow, code: str, now: datetime) -> None:
        store.drop_aside(tx, row.sha256)
        body = {"digest": row.sha256, "code": code}
        tx.audit(PendingAuditEntry(event="mail.dropped", body=body, at=now))

    async def listing(self) -> Sequence[AsideMail]:
        """Return the mails set aside, oldest first."""
        return [_shown(row) for row in await self._database.read(store.all_aside)]

    async def show(self, name: str) -> ShownMail:
        """Return a mail set aside, named by the beginning of its digest, with its raw bytes.

        Raises ``GatewayRefusal`` ``mail-unknown``, ``StorageDamaged``.
        """
        row = await self._find(name)
        sealed = b"".join([chunk async for chunk in self._staging.read(row.file)])
        key = self._vault.unwrap(WrappedKey(storage_key_id=row.storage_key_id, wrapped=row.wrapped))
        try:
            raw = await asyncio.to_thread(_open, sealed, row, key)
        except Refusal as refusal:
            raise StorageDamaged() from refusal
        said: dict[str, str | None] = {}
        with suppress(MailUnreadable):
            tree = await asyncio.to_thread(read_mail, raw)
            said = {name: tree.header(name) for name in ("from", "to", "subject", "date")}
        return ShownMail(mail=_shown(row), raw=raw, said=said)

    async def discard(self, name: str) -> str:
        """Drop a mail set aside for good and return its digest. Raises ``GatewayRefusal`` ``mail-unknown``.

        With the last one that a person should see, the task ends.
        """
        row = await self._find(name)
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            self._drop(tx, row, "discarded", now)
            self._settle(tx, now)

        await self._database.write(unit)
        await self._staging.drop(row.file)
        return row.sha256

    async def drop_expired(self, now: datetime) -> int:
        """Drop the mails whose time is over and return how many; each is entered in the log."""
        late = await self._database.read(lambda c: store.all_aside(c, late_by=now))
        if not late:
            return 0

        def unit(tx: Transaction) -> None:
            for row in late:
                self._drop(tx, row, "expired", now)
            self._settle(tx, now)

        await self._database.write(unit)
        await self._staging.drop(*(row.file for row in late))
        self._log.warning("mail.expired", count=len(late))
        return len(late)

    def _settle(self, tx: Transaction, now: datetime) -> None:
        """End the tasks that no mail gives reason for any more."""
        tx.flush()
        held = store.held_aside(tx.view("mail_quarantine"), automatic=False)
        codes = {"mail-full"} if held.count else {"mail-full", "mail-set-aside"}
        close_tasks(tx, kind=_TASK, sender=self._authority_id, codes=codes, now=now)

    async def _find(self, name: str) -> store.AsideRow:
        rows = await self._database.read(store.all_aside)
        found = [row for row in rows if len(name) >= 4 and row.sha256.startswith(name)]
        if len(found) != 1:
            raise GatewayRefusal("mail-unknown")
        return found[0]


def _shown(row: store.AsideRow) -> AsideMail:
    return AsideMail(
        name=row.sha256,
        reason=row.reason,
        sentence=reason_sentence(row.reason),
        automatic=row.automatic,
        size=row.size_bytes,
        received=row.received_at,
        dropped=row.next_action_at,
    )


def _seal(raw: bytes, sha256: str, key: bytes) -> tuple[bytes, str]:
    sink = io.BytesIO()
    sealed = seal_part(io.BytesIO(raw), sink, bk=key, bid=sha256[:32], n=1, plain_size=len(raw))
    return sink.getvalue(), sealed.sha256


def _open(sealed: bytes, row: store.AsideRow, key: bytes) -> bytes:
    sink = io.BytesIO()
    open_part(
        io.BytesIO(sealed),
        sink,
        bk=key,
        bid=row.sha256[:32],
        n=1,
        plain_size=row.size_bytes,
        plain_sha256=row.sha256,
        sealed_sha256=row.sealed_sha256,
    )
    return sink.getvalue()
