"""By which paths officers are called: entered by one person, listed, taken away; each change is logged.

A webhook's address and secret lie in a file of the home, never in the database or the log: the address may
hold a token. A mailbox is no secret. A path counts once a person has answered a test that came by it.
"""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.egress import EgressRefused
from adapters.mailformat import check_mailbox
from adapters.webhook import WebhookPolicy, check_webhook_url, new_secret
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.services.durablefile import write_durably
from gateway.storage import alarms
from gateway.storage.alarms import PathRow
from gateway.storage.database import Database, Transaction

MAIL, WEBHOOK = "mail", "webhook"
_OFFICER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPath:
    """One path as its people see it.

    Attributes:
        shown: The mailbox, or the file that holds a webhook's address and secret.
        proved_at: When a person last answered what came by it.
        silent_since: Since when a test has had no answer.
    """

    id: str
    officer: str
    kind: str
    shown: str
    added_at: datetime
    tested_at: datetime | None
    proved_at: datetime | None
    silent_since: datetime | None
    next_test_at: datetime | None


def check_officer(name: str, *, field: str = "officer") -> str:
    """Return a pseudonym. Raises ``GatewayRefusal`` ``roster-invalid`` naming the field."""
    if not _OFFICER.fullmatch(name):
        raise GatewayRefusal("roster-invalid", field=field)
    return name


class AlarmPaths:
    """The alarm paths of one authority; ``folder`` holds the files of webhooks."""

    def __init__(self, *, database: Database, folder: Path, policy: WebhookPolicy, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._policy = policy
        self._clock = clock

    async def add_mail(self, officer: str, address: str, *, by: str) -> ShownPath:
        """Let an officer be called by e-mail. Raises ``roster-invalid``, ``alarm-path-invalid``."""
        try:
            target = check_mailbox(address)
        except Refusal:
            raise GatewayRefusal("alarm-path-invalid", field="mail") from None
        return await self._add(secrets.token_hex(16), officer, MAIL, target, by)

    async def add_webhook(self, officer: str, url: str, *, by: str) -> ShownPath:
        """Let an officer be called by webhook; a new secret is written beside the address, to its file.

        Raises ``GatewayRefusal`` ``roster-invalid``, ``alarm-path-invalid``.
        """
        check_officer(officer)
        try:
            check_webhook_url(url, self._policy)
        except EgressRefused as error:
            raise GatewayRefusal("alarm-path-invalid", field="webhook", detail=str(error)) from None
        path_id = secrets.token_hex(16)
        file = self._folder / f"{path_id}.webhook"
        # Durable before its row: a row without a file could not ring; a file without a row is never read.
        await asyncio.to_thread(self._write, file, f"{url}\n{new_secret()}\n")
        return await self._add(path_id, officer, WEBHOOK, file.name, by)

    async def remove(self, path_id: str, *, by: str) -> ShownPath:
        """Take a path away; the file of a webhook goes with it. Raises ``alarm-path-unknown``."""
        now = self._clock.now()

        def unit(tx: Transaction) -> PathRow:
            path = _find(alarms.paths(tx.connection), path_id)
            alarms.end_path(tx, path.id, now)
            body = {"path": path.id, "officer": path.officer, "by": check_officer(by, field="by")}
            tx.audit(PendingAuditEntry(event="alarm.path_removed", body=body, at=now))
            return path

        row = await self._database.write(unit)
        if row.kind == WEBHOOK:
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(os.unlink, self._folder / row.target)
        return self._shown(row)

    async def find(self, path_id: str) -> ShownPath:
        """Return a path by the beginning of its identifier. Raises ``alarm-path-unknown``."""
        return self._shown(_find(await self._database.read(alarms.paths), path_id))

    async def listed(self) -> Sequence[ShownPath]:
        """Return every path, by officer, in the order in which they ring."""
        return [self._shown(row) for row in await self._database.read(alarms.paths)]

    async def _add(self, path_id: str, officer: str, kind: str, target: str, by: str) -> ShownPath:
        check_officer(officer)
        check_officer(by, field="by")
        now = self._clock.now()

        def unit(tx: Transaction) -> PathRow:
            places = [row.place for row in alarms.paths(tx.view("paths")) if row.officer == officer]
            row = PathRow(
                id=path_id,
                officer=officer,
                kind=kind,
                target=target,
                place=max(places, default=0) + 1,
                added_at=now,
                added_by=by,
                next_action_at=now,
            )
            alarms.add_path(tx, row)
            body = {"path": path_id, "officer": officer, "code": kind, "by": by}
            tx.audit(PendingAuditEntry(event="alarm.path_added", body=body, at=now))
            return row

        return self._shown(await self._database.write(unit))

    def _write(self, file: Path, text: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(file, text.encode("ascii"))

    def _shown(self, row: PathRow) -> ShownPath:
        return ShownPath(
            id=row.id,
            officer=row.officer,
            kind=row.kind,
            shown=row.target if row.kind == MAIL else str(self._folder / row.target),
            added_at=row.added_at,
            tested_at=row.tested_at,
            proved_at=row.proved_at,
            silent_since=row.silent_since,
            next_test_at=row.next_action_at,
        )


def _find(rows: Sequence[PathRow], path_id: str) -> PathRow:
    found = [row for row in rows if len(path_id) >= 4 and row.id.startswith(path_id)]
    if len(found) != 1:
        raise GatewayRefusal("alarm-path-unknown")
    return found[0]
