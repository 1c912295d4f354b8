"""From an officer's form to a draft: checked, its way known, its documents sealed; nothing refers to it yet.

Order: form, contents by the law, addressee and channel by the directory, documents by the form; then the
documents are sealed into the blob store. Whoever drafts either dispatches it (``submit``) or keeps it for a
person to sign (``acts``); otherwise only unreferenced blobs are left, which are swept later.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crypto.encoding import is_aid, is_bid
from crypto.parts import SealedPart
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.contents import Finding, check_contents
from gateway.model.fields import rows
from gateway.model.manifest import ThreadContext, is_request_form
from gateway.model.opening import opening_context
from gateway.model.overrides import OverrideImpossible, standing_in_the_way
from gateway.model.request import first_thread, lane_of
from gateway.services.casework.casebook import Casebook
from gateway.services.directory import Directory
from gateway.services.identifiers import new_identifier
from gateway.services.sealing.bulk import Bulk
from gateway.services.sealing.seal import Document, encode_form, seal_documents
from gateway.services.sending.handin import (
    Attachment,
    match_documents,
    read_form,
    refuse_invalid,
    refuse_mismatch,
    refuse_unsafe,
)
from gateway.services.sending.way import Ways
from gateway.storage import bundles
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.database import Database

#: From this size of documents on, a used message id is looked for before anything is sealed.
_ASK_FIRST_BYTES = 1024 * 1024

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A form with its documents sealed, and where it goes; ``content_key`` is secret.

    Attributes:
        context: Of the thread's request, for a message that is none.
        sealed: The documents' parts, from number 2 on, in the order of ``documents``.
    """

    form: Mapping[str, Any] = field(repr=False)
    form_bytes: bytes = field(repr=False)
    bid: str
    to: str
    lane: str
    context: ThreadContext | None
    documents: Sequence[Document] = field(repr=False)
    sealed: Sequence[tuple[SealedPart, BlobRef]] = field(repr=False)
    content_key: bytes = field(repr=False)
    consents: tuple[str, ...]
    findings: Sequence[Finding] = ()


class Drafter:
    """Makes drafts of the own authority's requests and messages."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        directory: Directory,
        authority_id: str,
        casebook: Casebook,
        ways: Ways,
        bulk: Bulk,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._directory = directory
        self._own = authority_id
        self._casebook = casebook
        self._ways = ways
        self._bulk = bulk
        self._clock = clock

    async def draft(
        self,
        *,
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        consents: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Draft:
        """Check a request or message form and seal its documents.

        Raises ``GatewayRefusal`` as ``Submitter.submit``.
        """
        form = read_form(form_bytes)
        if not is_request_form(form):
            return await self.draft_message(
                form, form_bytes=form_bytes, attachments=attachments, consents=consents, progress=progress
            )
        findings = self._check_request(form, self._clock.now())
        form, form_bytes = self._with_thread(form, form_bytes)
        return await self._draft(form, form_bytes, attachments, None, findings, progress, consents)

    async def draft_message(
        self,
        form: Mapping[str, Any],
        *,
        attachments: Sequence[Attachment],
        form_bytes: bytes | None = None,
        consents: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Draft:
        """Check a message of an existing thread, an acknowledgement say, and seal its documents."""
        refuse_invalid(form, "message")
        if form["author"]["authority_id"] != self._own:
            raise GatewayRefusal("not-own-message", field="author/authority_id")
        context = await self._context(form)
        return await self._draft(
            form, form_bytes or encode_form(form), attachments, context, (), progress, consents
        )

    async def kept(
        self,
        form_bytes: bytes,
        *,
        content_key: bytes,
        sealed: Sequence[tuple[SealedPart, BlobRef]],
        consents: Sequence[str],
    ) -> Draft:
        """Return a draft that was checked and sealed before. Raises ``not-found`` if its case is gone."""
        form = read_form(form_bytes)
        context = None if is_request_form(form) else await self._context(form)
        bid, to, lane = _route(form, context)
        listed = form.get("attachments") or ()
        return Draft(
            form=form,
            form_bytes=form_bytes,
            bid=bid,
            to=to,
            lane=lane,
            context=context,
            documents=[
                Document.listed(row, part.plain_size) for row, (part, _) in zip(listed, sealed, strict=True)
            ],
            sealed=sealed,
            content_key=content_key,
            consents=tuple(consents),
        )

    async def _context(self, form: Mapping[str, Any]) -> ThreadContext:
        """Return what a message repeats from the request of its thread, or says itself if it opens one."""
        opened = opening_context(form)
        if opened is not None:
            return opened
        return await self._casebook.context(form["thread"]["thread_id"], form["addressee"]["authority_id"])

    def _check_request(self, form: Mapping[str, Any], now: datetime) -> tuple[Finding, ...]:
        """Refuse what the law or the form forbids; return every finding, for the officer to read."""
        author = form.get("requesting_authority")
        if isinstance(author, dict) and author.get("authority_id") not in (None, self._own):
            raise GatewayRefusal("not-own-message", field="requesting_authority/authority_id")
        findings = check_contents(form, facts=self._directory.facts(form), documents=None, today=now.date())
        try:
            failed = standing_in_the_way(findings, form)
        except OverrideImpossible:
            raise GatewayRefusal("override-impossible", field="special_circumstances/override") from None
        if failed:
            raise GatewayRefusal("contents-missing", field=failed[0].field, items=[_item(f) for f in failed])
        # Before the schema, whose pattern for names could not say what is wrong with one.
        for i, row in rows(form, "attachments"):
            refuse_unsafe(row.get("filename"), field=f"attachments/{i}/filename")
        refuse_invalid(form, "request")
        return findings

    def _with_thread(self, form: Mapping[str, Any], form_bytes: bytes) -> tuple[Mapping[str, Any], bytes]:
        """Keep the thread the form names if its message is our own; give it one if it has none."""
        thread = form.get("thread")
        if thread is not None:
            sender, _, bid = thread["message_id"].partition("/")
            if sender != self._own or not is_bid(bid):
                raise GatewayRefusal("not-own-message", field="thread/message_id")
            return form, form_bytes
        now = self._clock.now()
        bid, thread_id = new_identifier(now), new_identifier(now)
        made = {**form, "thread": first_thread(form["request_kind"], self._own, bid=bid, thread_id=thread_id)}
        return made, encode_form(made)

    async def _draft(
        self,
        form: Mapping[str, Any],
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        context: ThreadContext | None,
        findings: Sequence[Finding],
        progress: Progress | None,
        consents: Sequence[str],
    ) -> Draft:
        bid, to, lane = _route(form, context)
        channel = self._ways.channel(to, lane)
        self._ways.refuse_needless(to, lane, consents)
        documents = match_documents(form, attachments)
        self._ways.refuse_too_large(to, lane, [d.size for d in documents], form_bytes=len(form_bytes))
        # The transaction refuses a second bundle anyway; asking first spares sealing large documents twice.
        if sum(document.size for document in documents) > _ASK_FIRST_BYTES and await self._is_used(bid):
            raise GatewayRefusal("duplicate")
        # Asked for its refusals only: documents may take minutes, and the keys are looked up after them.
        self._ways.recipient(to, lane, channel, self._clock.now())
        content_key = secrets.token_bytes(32)
        try:
            sealed = await seal_documents(
                self._blobs,
                bid=bid,
                content_key=content_key,
                documents=documents,
                progress=progress,
                lane=lane,
                bulk=self._bulk,
            )
        except ValueError:
            raise GatewayRefusal("attachment-mismatch") from None
        refuse_mismatch(form, documents, [part.plain_sha256 for part, _ in sealed])
        return Draft(
            form=form,
            form_bytes=form_bytes,
            bid=bid,
            to=to,
            lane=lane,
            context=context,
            documents=documents,
            sealed=sealed,
            content_key=content_key,
            consents=tuple(dict.fromkeys(consents)),
            findings=findings,
        )

    async def _is_used(self, bid: str) -> bool:
        return await self._database.read(lambda c: bundles.find_bundle(c, self._own, bid)) is not None


def _route(form: Mapping[str, Any], context: ThreadContext | None) -> tuple[str, str, str]:
    """Return bid, addressee and lane of a checked form."""
    if is_request_form(form):
        to = form["requested_authority"]["authority_id"]
        bid = form["thread"]["message_id"].split("/")[1]
        lane = lane_of(form["urgency"]["level"], form["request_kind"])
    else:
        to = form["addressee"]["authority_id"]
        bid = form["message_id"].split("/")[1]
        lane = lane_of("" if context is None else context.urgency_level, None)
    if not is_aid(to):
        raise GatewayRefusal("form-invalid", field="requested_authority/authority_id")
    return bid, to, str(lane or "routine")


def _item(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "source": finding.source,
        "field": finding.field,
        "sentence": finding.sentence,
    }
