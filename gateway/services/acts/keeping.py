"""Acts as they are kept while they wait: form and documents sealed under one content key, erased at the end.

Documents lie in the blob store exactly as the bundle will carry them, so that signing seals no gibibyte at
night. The content key lies under the storage key; with it goes everything that an unsigned act held.
"""

import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any

from crypto.errors import Refusal
from crypto.parts import SealedPart, open_part, seal_part
from gateway.errors import StorageDamaged
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance, Lane
from gateway.model.fields import text
from gateway.model.manifest import is_request_form
from gateway.model.paging import LEVELS, Audience, PageReason
from gateway.model.request import default_message_type
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.services.paging.pages import raise_page
from gateway.services.sending.draft import Draft, Drafter
from gateway.storage import acts
from gateway.storage.acts import ActRow
from gateway.storage.blobs import Blobs
from gateway.storage.database import Transaction

#: How long an act waits for its officer, by lane: what is urgent is signed tonight or not any more.
_LIFE = {"urgent": timedelta(hours=24)}
_CALM_LIFE = timedelta(days=7)


class ActStore:
    """Keeps prepared acts and gives them back."""

    def __init__(self, *, blobs: Blobs, vault: Vault, drafter: Drafter, authority_id: str) -> None:
        self._blobs = blobs
        self._vault = vault
        self._drafter = drafter
        self._own = authority_id

    def row(self, draft: Draft, *, officer: str, now: datetime) -> ActRow:
        """Return the row of a new act."""
        sink = io.BytesIO()
        form = seal_part(
            io.BytesIO(draft.form_bytes),
            sink,
            bk=draft.content_key,
            bid=draft.bid,
            n=1,
            plain_size=len(draft.form_bytes),
        )
        wrapped = self._vault.wrap(draft.content_key)
        expires_at = now + _LIFE.get(draft.lane, _CALM_LIFE)
        parts = [form, *(part for part, _ in draft.sealed)]
        return ActRow(
            id=secrets.token_hex(16),
            officer=officer,
            state="waiting",
            message_type=message_type(draft.form),
            sender=self._own,
            bid=draft.bid,
            to_aid=draft.to,
            thread_id=draft.form["thread"]["thread_id"],
            lane=draft.lane,
            form_sha256=form.plain_sha256,
            form=sink.getvalue(),
            storage_key_id=wrapped.storage_key_id,
            wrapped=wrapped.wrapped,
            parts=json.dumps([astuple(part) for part in parts]),
            consents=json.dumps(list(draft.consents)),
            prepared_at=now,
            expires_at=expires_at,
            ended_at=None,
            next_action_at=expires_at,
        )

    def add(self, tx: Transaction, row: ActRow, draft: Draft, *, calls: bool) -> None:
        """Keep a new act with its documents; ``calls``: the officer on duty, where it is urgent."""
        acts.add_act(tx, row)
        self._blobs.insert(tx, [ref for _, ref in draft.sealed])
        body = {"from": row.sender, "bid": row.bid, "officer": row.officer}
        tx.audit(PendingAuditEntry(event="act.prepared", body=body, at=row.prepared_at))
        if calls and row.lane == Lane.URGENT:
            level = draft.context.urgency_level if draft.context else text(draft.form, "urgency", "level")
            raise_page(
                tx,
                peer=row.to_aid,
                reason=PageReason.ACT_WAITING,
                level=level if level in LEVELS else str(Lane.URGENT),
                audience=Audience.DUTY,
                subject=(row.sender, row.bid),
                thread_id=row.thread_id,
                now=row.prepared_at,
            )

    async def draft(self, row: ActRow) -> Draft:
        """Return a waiting act's draft. Raises ``StorageDamaged`` if it does not open."""
        if row.form is None or row.wrapped is None or row.storage_key_id is None:
            raise StorageDamaged()
        sink = io.BytesIO()
        try:
            key = self._vault.unwrap(WrappedKey(storage_key_id=row.storage_key_id, wrapped=row.wrapped))
            form, *documents = _parts(row)
            open_part(
                io.BytesIO(row.form),
                sink,
                bk=key,
                bid=row.bid,
                n=1,
                plain_size=form.plain_size,
                plain_sha256=row.form_sha256,
            )
            sealed = [(part, await self._blobs.find(part.sha256, part.size)) for part in documents]
        except (Refusal, FileNotFoundError) as error:
            raise StorageDamaged() from error
        return await self._drafter.kept(
            sink.getvalue(), content_key=key, sealed=sealed, consents=json.loads(row.consents)
        )


def vouched_form(form: Mapping[str, Any], assurance: Assurance, officer: str) -> dict[str, Any]:
    """Return the form with what it says itself of who acts."""
    return {**form, "human": {"assurance": str(assurance), "officer": officer, "assertion": None}}


def message_type(form: Mapping[str, Any]) -> str:
    """Return the message type of a request or message form."""
    if not is_request_form(form):
        return str(form["message_type"])
    thread = form.get("thread") or {}
    return str(thread.get("message_type") or default_message_type(form["request_kind"]))


def _parts(row: ActRow) -> list[SealedPart]:
    """Return the form's part and those of the documents, in order."""
    return [
        SealedPart(n=n, plain_size=plain_size, plain_sha256=plain_sha256, size=size, sha256=sha256)
        for n, plain_size, plain_sha256, size, sha256 in json.loads(row.parts)
    ]
