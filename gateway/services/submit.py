"""From an officer's form to a sealed bundle in the queue: checked before sealing, stored whole or not at all.

Order: form and counters, contents by the law, addressee and channel by the directory, documents by the form;
then sealing; then one transaction with request, bundle, transmission, submission receipt and log entries.
A crash before that transaction leaves unreferenced blobs; after it everything, and the transmission is
sent by whoever claims it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from crypto.bundle import Envelope
from crypto.encoding import is_aid, is_bid
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.model.audit import PendingAuditEntry
from gateway.model.channels import CARRIER
from gateway.model.contents import Finding, blocking, check_contents
from gateway.model.fields import rows
from gateway.model.manifest import ThreadContext, is_request_form
from gateway.model.receipt import ReceiptType
from gateway.model.request import first_thread, lane_of
from gateway.model.transmission import TransmissionState
from gateway.services.casebook import Casebook, Outgoing
from gateway.services.consent import give_beforehand
from gateway.services.container import assemble
from gateway.services.courier import Courier, Job
from gateway.services.directory import Directory
from gateway.services.formalroute import raise_route_tasks
from gateway.services.handin import (
    Attachment,
    match_documents,
    read_form,
    refuse_invalid,
    refuse_mismatch,
    refuse_unsafe,
)
from gateway.services.keyring import Keyring
from gateway.services.seal import (
    CARRIER_LIFE,
    LIFE,
    SealedBundle,
    encode_form,
    seal_bundle,
    seal_documents,
)
from gateway.services.shelf import shelve, shelve_key
from gateway.services.signing import Signing
from gateway.services.stamp import Stamp, Subject
from gateway.services.vault import Vault
from gateway.services.way import Way, Ways
from gateway.storage import bundles
from gateway.storage.blobs import Blobs
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.receipts import ReceiptRow, own_receipts
from gateway.storage.transmissions import TransmissionRow, add_transmission

#: From this size of documents on, a used message id is looked for before anything is sealed.
_ASK_FIRST_BYTES = 1024 * 1024

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What came of a submission: durable, receipted, and on its way."""

    bid: str
    sender: str
    to: str
    thread_id: str
    lane: str
    channel: str | None
    state: str
    receipt_jws: str = field(repr=False)
    findings: Sequence[Finding]


class Submitter:
    """Seals and queues requests and messages of the own authority."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: Blobs,
        directory: Directory,
        keyring: Keyring,
        vault: Vault,
        stamp: Stamp,
        casebook: Casebook,
        courier: Courier,
        ways: Ways,
        signing: Signing,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._directory = directory
        self._keyring = keyring
        self._vault = vault
        self._stamp = stamp
        self._casebook = casebook
        self._courier = courier
        self._ways = ways
        self._signing = signing
        self._clock = clock

    async def submit(
        self,
        *,
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        officer: str = "local",
        consents: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Submission:
        """Check, seal and queue a request form with its documents; durable when it returns.

        ``consents`` names channels of lower protection that may be used once their turn has come.
        ``progress`` is called with the number of document bytes sealed since the last call.
        Raises ``GatewayRefusal``: ``form-unreadable``, ``form-invalid``, ``contents-missing`` (articles in
        ``items``), ``duplicate``, ``not-listed``, ``consent-not-needed``, ``attachment-*`` and others;
        nothing is then queued.
        """
        form = read_form(form_bytes)
        if not is_request_form(form):
            return await self.send_message(
                form,
                form_bytes=form_bytes,
                attachments=attachments,
                officer=officer,
                consents=consents,
                progress=progress,
            )
        now = self._clock.now()
        findings = self._check_request(form, now)
        form, form_bytes = self._with_thread(form, form_bytes)
        return await self._send(form, form_bytes, attachments, None, officer, findings, progress, consents)

    async def send_message(
        self,
        form: Mapping[str, Any],
        *,
        attachments: Sequence[Attachment],
        officer: str,
        form_bytes: bytes | None = None,
        consents: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Submission:
        """Seal and queue a message of an existing thread, an acknowledgement say; durable when it returns."""
        refuse_invalid(form, "message")
        if form["author"]["authority_id"] != self._keyring.authority_id:
            raise GatewayRefusal("not-own-message", field="author/authority_id")
        context = await self._casebook.context(form["thread"]["thread_id"], form["addressee"]["authority_id"])
        return await self._send(
            form, form_bytes or encode_form(form), attachments, context, officer, (), progress, consents
        )

    def _check_request(self, form: Mapping[str, Any], now: datetime) -> tuple[Finding, ...]:
        """Refuse what the law or the form forbids; return every finding, for the officer to read."""
        author = form.get("requesting_authority")
        if isinstance(author, dict) and author.get("authority_id") not in (None, self._keyring.authority_id):
            raise GatewayRefusal("not-own-message", field="requesting_authority/authority_id")
        findings = check_contents(form, facts=self._directory.facts(form), documents=None, today=now.date())
        failed = blocking(findings)
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
        own = self._keyring.authority_id
        if thread is not None:
            sender, _, bid = thread["message_id"].partition("/")
            if sender != own or not is_bid(bid):
                raise GatewayRefusal("not-own-message", field="thread/message_id")
            return form, form_bytes
        bid, thread_id = secrets.token_hex(16), secrets.token_hex(16)
        made = {**form, "thread": first_thread(form["request_kind"], own, bid=bid, thread_id=thread_id)}
        return made, encode_form(made)

    async def _send(
        self,
        form: Mapping[str, Any],
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        context: ThreadContext | None,
        officer: str,
        findings: Sequence[Finding],
        progress: Progress | None,
        consents: Sequence[str],
    ) -> Submission:
        bid, to, lane = _route(form, context)
        channel = self._ways.channel(to, lane)
        self._ways.refuse_needless(to, lane, consents)
        documents = match_documents(form, attachments)
        self._ways.refuse_too_large(to, lane, [d.size for d in documents], form_bytes=len(form_bytes))
        # The transaction refuses a second bundle anyway; asking first spares sealing large documents twice.
        if sum(document.size for document in documents) > _ASK_FIRST_BYTES and await self._is_used(bid):
            raise GatewayRefusal("duplicate")
        now = self._clock.now()
        recipient = self._ways.recipient(to, lane, channel, now)
        content_key = secrets.token_bytes(32)
        try:
            sealed = await seal_documents(
                self._blobs, bid=bid, content_key=content_key, documents=documents, progress=progress
            )
        except ValueError:
            raise GatewayRefusal("attachment-mismatch") from None
        refuse_mismatch(form, documents, [part.plain_sha256 for part, _ in sealed])
        # After the documents, which may take minutes; nobody waits for another's evidence.
        async with self._signing.turn(lane):
            now = self._clock.now()
            signer = self._keyring.signer(KeyUse.SIG, now)
            human = {"assurance": "local_operator", "officer": officer, "assertion": None, "statement": None}
            bundle = await seal_bundle(
                self._blobs,
                form=form,
                form_bytes=form_bytes,
                documents=documents,
                sealed=sealed,
                content_key=content_key,
                signing_key=signer.public,
                sign=partial(self._signing.sign, signer),
                recipient=(to, recipient),
                sender=self._keyring.authority_id,
                bid=bid,
                lane=lane,
                human=human,
                context=context,
                now=now,
                life=CARRIER_LIFE if channel is not None and channel.channel == CARRIER else LIFE,
            )
            way = Way(
                to=to,
                channel=None if channel is None else channel.channel,
                next_action="rewrap" if channel is None else "attempt",
                consents=tuple(dict.fromkeys(consents)),
                issue=self._ways.issue(to, now) if context is None else None,
                by_hand=self._ways.by_hand(to, lane) if context is None else (),
            )
            receipt = await self._keep(bundle, form, way, officer=officer, now=now)
        return Submission(
            bid=bid,
            sender=self._keyring.authority_id,
            to=to,
            thread_id=form["thread"]["thread_id"],
            lane=lane,
            channel=way.channel,
            state=str(TransmissionState.QUEUED),
            receipt_jws=receipt.jws,
            findings=findings,
        )

    async def _keep(
        self, bundle: SealedBundle, form: Mapping[str, Any], way: Way, *, officer: str, now: datetime
    ) -> ReceiptRow:
        """Store what was sealed and return its submission receipt; durable when it returns."""
        try:
            return await self._database.write(
                lambda tx: self._store(tx, bundle, form, way, officer=officer, now=now)
            )
        except IntegrityError:
            raise GatewayRefusal("duplicate") from None
        except StorageUnavailable:
            # COMMIT may have been kept all the same; told that it failed, a person would submit it again.
            kept = await self._database.read(lambda c: _kept(c, bundle.envelope))
            if kept is None:
                raise
            return kept

    async def _is_used(self, bid: str) -> bool:
        own = self._keyring.authority_id
        return await self._database.read(lambda c: bundles.find_bundle(c, own, bid)) is not None

    def _store(
        self,
        tx: Transaction,
        sealed: SealedBundle,
        form: Mapping[str, Any],
        way: Way,
        *,
        officer: str,
        now: datetime,
    ) -> ReceiptRow:
        """The one transaction: bundle, case message, transmission with its lease, receipt, log."""
        env, to = sealed.envelope, way.to
        shelve(tx, env, sealed.refs, blobs=self._blobs, direction="out", state="sealed", at=now)
        shelve_key(tx, (env.sender, env.bid), sealed.content_key, vault=self._vault)
        self._casebook.send(tx, Outgoing(form=form, bid=env.bid, to=to, officer=officer, stored_at=now))
        subject = Subject(
            sender=env.sender, bid=env.bid, envelope=env.digest, manifest=env.manifest, to=env.sender
        )
        receipt = self._stamp.issue(tx, ReceiptType.SUBMISSION, subject, at=now, is_first=True)
        lease = self._courier.lease(env.lane, now)
        add_transmission(
            tx,
            TransmissionRow(
                sender=env.sender,
                bid=env.bid,
                to_aid=to,
                state=str(TransmissionState.QUEUED),
                lane=env.lane,
                channel=way.channel,
                attempts=0,
                repeats=0,
                last_code=None,
                next_action=way.next_action,
                next_action_at=lease[1] if lease else now,
                lease_owner=lease[0] if lease else None,
                lease_until=lease[1] if lease else None,
                outbox_no=None,
                owner=None,
                created_at=now,
                expires_at=env.expires,
                changed_at=now,
            ),
        )
        if way.issue is not None:
            checked: dict[str, str | int | None] = {"from": env.sender, "bid": env.bid}
            checked |= {"authority": to, "issue": way.issue}
            tx.audit(PendingAuditEntry(event="request.checked", body=checked, at=now))
        raise_route_tasks(tx, way.by_hand, sender=env.sender, bid=env.bid, now=now)
        give_beforehand(tx, (env.sender, env.bid, to), way.consents, officer=officer, now=now)
        source = assemble(
            self._blobs,
            sender=env.sender,
            bid=env.bid,
            lane=env.lane,
            jws=env.jws,
            digest=env.digest,
            parts=sealed.refs,
        )
        owner = lease[0] if lease else ""
        job = Job(
            to=to,
            lane=env.lane,
            next_action=way.next_action,
            channel=way.channel,
            source=source,
            lease_owner=owner,
        )
        tx.after_commit(lambda: self._courier.hand(job))
        return receipt


def _kept(connection: Connection, env: Envelope) -> ReceiptRow | None:
    """Return the submission receipt of a bundle if it is stored in this very envelope."""
    held = bundles.find_bundle(connection, env.sender, env.bid)
    if held is None or held.envelope_sha256 != env.digest:
        return None
    return own_receipts(connection, iss=env.sender, sender=env.sender, bid=env.bid)[0]


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
