"""From an officer's form to a sealed bundle in the queue: checked before sealing, stored whole or not at all.

The draft, with documents sealed, is ``draft``'s; here the rest is sealed and signed; then one transaction
with request, bundle, transmission, submission receipt and log entries. A crash before that transaction
leaves unreferenced blobs; after it everything, and the transmission is sent by whoever claims it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from crypto.bundle import Envelope
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, StorageUnavailable
from gateway.model.audit import PendingAuditEntry
from gateway.model.channels import CARRIER
from gateway.model.contents import Finding
from gateway.model.drills import DRILL_LASTS
from gateway.model.manifest import is_request_form
from gateway.model.receipt import ReceiptType
from gateway.model.record_parts import Channel
from gateway.model.transmission import TransmissionState
from gateway.services.casework.casebook import Casebook, Outgoing
from gateway.services.container import assemble
from gateway.services.delivery.consent import give_beforehand
from gateway.services.delivery.courier import Courier, Job
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault
from gateway.services.lanes import Lanes
from gateway.services.proofs.stamp import Stamp, Subject
from gateway.services.sealing.bulk import Bulk
from gateway.services.sealing.seal import CARRIER_LIFE, LIFE, SealedBundle, seal_bundle
from gateway.services.sealing.signing import Signing
from gateway.services.sending.draft import Draft, Drafter, Progress
from gateway.services.sending.formalroute import raise_route_tasks
from gateway.services.sending.handin import Attachment
from gateway.services.sending.way import Way, Ways
from gateway.services.shelf import shelve, shelve_key
from gateway.storage import bundles
from gateway.storage.blobs import Blobs
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.receipts import ReceiptRow, own_receipts
from gateway.storage.transmissions import TransmissionRow, add_transmission


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Who acts, and what vouches for it.

    Attributes:
        officer: Pseudonym.
        human: The manifest's slot of that name (docs/human-acts.md section 5).
        also: What else happens in the transaction that sends, such as ending a prepared act; it may refuse.
    """

    officer: str
    human: Mapping[str, Any] = field(repr=False)
    also: Callable[[Transaction], None] | None = field(default=None, repr=False)

    @classmethod
    def by_operator(cls, officer: str, *, also: Callable[[Transaction], None] | None = None) -> "Vouched":
        """Return the lowest assurance: nothing but the local sign-in vouches."""
        human = {"assurance": "local_operator", "officer": officer, "assertion": None, "statement": None}
        return cls(officer=officer, human=human, also=also)

    @classmethod
    def by_telephone(cls, officer: str, second: str) -> "Vouched":
        """Return the assurance of two persons, the second by call-back; nobody's passkey signs."""
        named = {"assurance": "second_person_telephone", "officer": officer, "second_officer": second}
        return cls(officer=officer, human={**named, "assertion": None, "statement": None})

    @property
    def assurance(self) -> str:
        """Its code."""
        return str(self.human["assurance"])


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
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._keyring = keyring
        self._vault = vault
        self._stamp = stamp
        self._casebook = casebook
        self._courier = courier
        self._ways = ways
        self._signing = signing
        self._clock = clock
        #: Makes the drafts that ``dispatch`` sends.
        self.drafter = Drafter(
            database=database,
            blobs=blobs,
            directory=directory,
            authority_id=keyring.authority_id,
            casebook=casebook,
            ways=ways,
            bulk=Bulk(lanes=lanes),
            clock=clock,
        )

    async def submit(
        self,
        *,
        form_bytes: bytes,
        attachments: Sequence[Attachment],
        officer: str = "local",
        consents: Sequence[str] = (),
        progress: Progress | None = None,
        also: Callable[[Transaction], None] | None = None,
    ) -> Submission:
        """Check, seal and queue a request or message form with its documents, nobody's passkey behind it.

        For ``Acts`` alone, which knows whether that may be. ``also``: as in ``Vouched``. Durable.
        ``consents`` names channels of lower protection that may be used once their turn has come.
        ``progress`` is called with the number of document bytes sealed since the last call.
        Raises ``GatewayRefusal``: ``form-unreadable``, ``form-invalid``, ``contents-missing`` (articles in
        ``items``), ``duplicate``, ``not-listed``, ``consent-not-needed``, ``attachment-*`` and others;
        nothing is then queued.
        """
        draft = await self.drafter.draft(
            form_bytes=form_bytes, attachments=attachments, consents=consents, progress=progress
        )
        return await self.dispatch(draft, Vouched.by_operator(officer, also=also))

    async def dispatch(
        self, draft: Draft, vouched: Vouched, *, only_channel: str | None = None
    ) -> Submission:
        """Seal the rest of a draft for its addressee, store and queue it; durable when it returns.

        ``only_channel`` names the one channel that a drill tests.

        Raises ``GatewayRefusal`` ``duplicate``, ``sequence``, or why nothing can go to the addressee now.
        """
        bid, to, lane, form = draft.bid, draft.to, draft.lane, draft.form
        channel = self._ways.channel(to, lane)
        recipient = self._ways.recipient(to, lane, channel, self._clock.now())
        # After the documents, which may take minutes; nobody waits for another's evidence.
        async with self._signing.turn(lane):
            now = self._clock.now()
            signer = self._keyring.signer(KeyUse.SIG, now)
            bundle = await seal_bundle(
                self._blobs,
                form=form,
                form_bytes=draft.form_bytes,
                documents=draft.documents,
                sealed=draft.sealed,
                content_key=draft.content_key,
                signing_key=signer.public,
                sign=partial(self._signing.sign, signer),
                recipient=(to, recipient),
                sender=self._keyring.authority_id,
                bid=bid,
                lane=lane,
                human=vouched.human,
                context=draft.context,
                now=now,
                life=_life(channel, only_channel),
            )
            way = Way(
                to=to,
                channel=only_channel or (None if channel is None else channel.channel),
                next_action="rewrap" if channel is None else "attempt",
                consents=draft.consents,
                issue=self._ways.issue(to, now) if is_request_form(form) else None,
                by_hand=self._ways.by_hand(to, lane) if is_request_form(form) else (),
                only_channel=only_channel,
            )
            receipt = await self._keep(bundle, form, way, vouched, now=now)
        return Submission(
            bid=bid,
            sender=self._keyring.authority_id,
            to=to,
            thread_id=form["thread"]["thread_id"],
            lane=lane,
            channel=way.channel,
            state=str(TransmissionState.QUEUED),
            receipt_jws=receipt.jws,
            findings=draft.findings,
        )

    async def _keep(
        self, bundle: SealedBundle, form: Mapping[str, Any], way: Way, vouched: Vouched, *, now: datetime
    ) -> ReceiptRow:
        """Store what was sealed and return its submission receipt; durable when it returns."""
        try:
            return await self._database.write(lambda tx: self._store(tx, bundle, form, way, vouched, now=now))
        except IntegrityError:
            raise GatewayRefusal("duplicate") from None
        except StorageUnavailable:
            # COMMIT may have been kept all the same; told that it failed, a person would submit it again.
            kept = await self._database.read(lambda c: _kept(c, bundle.envelope))
            if kept is None:
                raise
            return kept

    def _store(
        self,
        tx: Transaction,
        sealed: SealedBundle,
        form: Mapping[str, Any],
        way: Way,
        vouched: Vouched,
        *,
        now: datetime,
    ) -> ReceiptRow:
        """The one transaction: bundle, case message, transmission with its lease, receipt, log."""
        env, to = sealed.envelope, way.to
        shelve(tx, env, sealed.refs, blobs=self._blobs, direction="out", state="sealed", at=now)
        shelve_key(tx, (env.sender, env.bid), sealed.content_key, vault=self._vault)
        outgoing = Outgoing(
            form=form,
            bid=env.bid,
            to=to,
            officer=vouched.officer,
            assurance=vouched.assurance,
            stored_at=now,
        )
        self._casebook.send(tx, outgoing)
        if vouched.also is not None:
            vouched.also(tx)
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
                only_channel=way.only_channel,
            ),
        )
        if way.issue is not None:
            checked: dict[str, str | int | None] = {"from": env.sender, "bid": env.bid}
            checked |= {"authority": to, "issue": way.issue}
            tx.audit(PendingAuditEntry(event="request.checked", body=checked, at=now))
        raise_route_tasks(tx, way.by_hand, sender=env.sender, bid=env.bid, now=now)
        give_beforehand(tx, (env.sender, env.bid, to), way.consents, officer=vouched.officer, now=now)
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
            only_channel=way.only_channel,
            source=source,
            lease_owner=owner,
        )
        tx.after_commit(lambda: self._courier.hand(job))
        return receipt


def _life(channel: Channel | None, only_channel: str | None) -> timedelta:
    """Return how long the envelope is good: a courier takes weeks, and a drill is over within its day."""
    if only_channel is not None:
        return DRILL_LASTS
    return CARRIER_LIFE if channel is not None and channel.channel == CARRIER else LIFE


def _kept(connection: Connection, env: Envelope) -> ReceiptRow | None:
    """Return the submission receipt of a bundle if it is stored in this very envelope."""
    held = bundles.find_bundle(connection, env.sender, env.bid)
    if held is None or held.envelope_sha256 != env.digest:
        return None
    return own_receipts(connection, iss=env.sender, sender=env.sender, bid=env.bid)[0]
