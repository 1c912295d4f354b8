"""The end of the open procedure, steps 11 to 15 of docs/bundle.md section 7: a bundle that arrived whole is
opened in quarantine, checked, and released or rejected in one transaction.

Invariants: a receipt is issued only with the bundle durable, opened and checked; a repeat gets the stored
receipt, byte for byte; an own shortcoming (an unknown version, no storage) is refused unsigned.

Crash points, in order: before the transaction, nothing but unreferenced blobs (swept later); after it,
everything, and the sender's repeat gets the stored receipt. A relayed bundle is loaded and opened again.
"""

import asyncio
import io
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from crypto import strictjson
from crypto.bundle import Envelope, Manifest, Opener
from crypto.errors import HumanRefusal, Refusal, outward_code
from crypto.human import VerifiedHuman, verify_human
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, from_refusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.manifest import FORM_MAX_BYTES, form_matches_manifest, is_request_form
from gateway.model.names import UnsafeName, check_name
from gateway.model.receipt import ReceiptType
from gateway.model.request import lane_of
from gateway.services.casework.breaches import ActRefused, tell_refused
from gateway.services.casework.casebook import Casebook, Incoming
from gateway.services.directory import Directory
from gateway.services.forms import check_received
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault
from gateway.services.lanes import Gate, Lanes
from gateway.services.proofs.stamp import Stamp, Subject
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.sealing.bulk import is_checked_apart
from gateway.services.shelf import shelve, shelve_key
from gateway.services.tokens import RequestToken
from gateway.storage import bundles, uploads
from gateway.storage.blobs import BlobRef, Blobs
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.disk import in_thread
from gateway.storage.receipts import ReceiptRow, own_receipts

#: Longest time an answer waits for the bundle to be opened; then it carries a relay receipt.
OPENING_PATIENCE_S = 10.0

#: Large routine bundles that are opened in threads at once; urgent ones have threads of their own.
_OPENED_APART = 2

#: From here on opening goes to a thread; below, a thread hop costs more than the work.
_INLINE_OPENING_BYTES = 256 * 1024

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a PUT or PATCH is answered with: 201 new, 200 repeat, 202 relayed but not opened yet."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A bundle that is here whole and passed steps 1 to 10.

    Attributes:
        token: The request token that brought it, to be spent; ``None`` where we fetched it ourselves.
        sig_kid: The sender's key under which the envelope verified.
        parts: Where its parts lie, by number.
        had_upload: A row of the unfinished upload is to be dropped.
        was_relayed: It is stored already, with a relay receipt, and waits to be opened.
        is_by_post: It came without a connection that an answer could travel on; its receipt is pushed.
    """

    token: RequestToken | None
    envelope: Envelope
    sig_kid: str
    parts: Sequence[BlobRef] = field(repr=False)
    had_upload: bool = False
    was_relayed: bool = False
    is_by_post: bool = False

    @property
    def key(self) -> Key:
        """Sender and bid."""
        return self.envelope.sender, self.envelope.bid

    @property
    def is_small(self) -> bool:
        """Whether it is opened here and now, without a thread."""
        return self.envelope.container_size <= _INLINE_OPENING_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle that passed steps 11 to 14; the content key is secret."""

    manifest: Manifest
    form: Mapping[str, Any] = field(repr=False)
    human: VerifiedHuman | None
    has_unknown_codes: bool
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A bundle that will never be acceptable, with the outward code; ``human``: why its act is void."""

    code: str
    manifest_sha256: str | None
    human: str | None = None
    cases: Sequence[tuple[str, str]] = ()


class Releaser:
    """Opens what arrived and stores what came of it.

    ``keep`` takes over the work that is left when an answer went out before the bundle was opened.
    """

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
        wire: ReceiptWire,
        lanes: Lanes,
        clock: Clock,
        keep: Callable[[Key, Coroutine[Any, Any, None]], None],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._directory = directory
        self._keyring = keyring
        self._vault = vault
        self._stamp = stamp
        self._casebook = casebook
        self._wire = wire
        self._clock = clock
        self._openings = Gate(lanes, routine=_OPENED_APART)
        self._keep = keep
        self._opener = Opener()

    async def answer(self, arrived: Arrived) -> Answer:
        """Open and release a bundle and return the answer, in bounded time; the receipt in it is durable.

        Raises ``GatewayRefusal`` for everything the open procedure refuses unsigned.
        """
        # Where nobody waits for the answer it is concluded at once, whatever time it takes.
        if arrived.is_small or arrived.is_by_post:
            return await self.conclude(arrived)
        work = asyncio.create_task(self._outcome(arrived))
        try:
            done, _ = await asyncio.wait({work}, timeout=OPENING_PATIENCE_S)
            relayed = None if done else await self._relay(arrived)
        except IntegrityError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return await self._answer_of_another(arrived.key)
        except BaseException:
            # Cancelled, or the relay was not stored: nobody would ask for the outcome any more.
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        if relayed is None:
            return await self._store(arrived, await work)
        self._keep(arrived.key, self._conclude_later(replace(arrived, was_relayed=True), work))
        return Answer(status=202, body=await self._wire.answer([relayed]))

    async def conclude(self, arrived: Arrived) -> Answer:
        """Open the bundle, whatever time it takes, and store the outcome."""
        return await self._store(arrived, await self._outcome(arrived))

    async def open_relayed(self, key: Key) -> None:
        """Open a bundle that was stored with a relay receipt and nothing else, if it still waits for it."""
        arrived = await self._load(key)
        if arrived is not None:
            await self.conclude(arrived)

    async def stored_answer(self, key: Key) -> Answer | None:
        """Return the answer a bundle was given before, byte for byte; ``None`` if it is not here."""
        own = self._keyring.authority_id

        def query(connection: Connection) -> tuple[bundles.BundleRow | None, list[ReceiptRow]]:
            held = bundles.find_bundle(connection, *key)
            return held, own_receipts(connection, iss=own, sender=key[0], bid=key[1])

        held, rows = await self._database.read(query)
        if held is None:
            return None
        return Answer(status=202 if held.state == "relayed" else 200, body=await self._wire.answer(rows))

    async def _load(self, key: Key) -> Arrived | None:
        """Read back a bundle that was stored whole, if it still waits to be opened."""
        row, envelopes = await self._database.read(
            lambda c: (bundles.find_bundle(c, *key), bundles.envelopes_of(c, *key))
        )
        if row is None or row.state != "relayed":
            return None
        env = self._opener.parse(envelopes[-1].jws)
        parts = [await self._blobs.find(part.sha256, part.size) for part in env.parts]
        return Arrived(token=None, envelope=env, sig_kid=env.kid, parts=parts, was_relayed=True)

    async def _outcome(self, arrived: Arrived) -> Opened | Rejected:
        """Steps 11 to 14: the opened bundle, or why it can never be accepted."""
        manifest_sha256: str | None = None
        try:
            if arrived.is_small:
                return self._open(arrived)
            async with self._openings.passing(arrived.envelope.lane):
                return await in_thread(self._open, arrived)
        except Refusal as refusal:
            # A version we do not speak, and a key we may only be late to know, are no defects of it.
            if refusal.code in ("version", "directory-stale"):
                raise from_refusal(refusal) from None
            if refusal.step == 14:
                manifest_sha256 = arrived.envelope.manifest
            return Rejected(
                code=outward_code(refusal.code),
                manifest_sha256=manifest_sha256,
                human=refusal.code if isinstance(refusal, HumanRefusal) else None,
            )

    def _open(self, arrived: Arrived) -> Opened:
        env, own = arrived.envelope, self._keyring.authority_id
        wrap = next(wrap for wrap in env.to if wrap.aid == own)
        decapsulator = self._keyring.decapsulator(wrap.kid)
        if decapsulator is None:
            raise Refusal("open-failed", "the key is gone", step=11)
        # 11.
        content_key = self._opener.unwrap(env, own, decapsulator, arrived.sig_kid)
        # 12.
        with self._blobs.open_sync(arrived.parts[0]) as source:
            manifest = self._opener.open_manifest(env, source.read(), content_key, lane_of=_lane_of)
        # 13. Every part is decrypted and checked; only the form is kept, in memory.
        form_bytes = io.BytesIO()
        for part in manifest.parts:
            if part.n == 1 and part.size > FORM_MAX_BYTES:
                raise Refusal("form-invalid", "form too long", step=14)
            sink = form_bytes if part.n == 1 else None
            with self._blobs.open_sync(arrived.parts[part.n]) as source:
                if sink is not None or not is_checked_apart(env, part, source, content_key):
                    self._opener.check_part(env, manifest, part.n, source, content_key, sink)
        # 14.
        form, codes = _check_contents(manifest, form_bytes.getvalue())
        return Opened(
            manifest=manifest,
            form=form,
            human=self._verify_human(manifest, form),
            has_unknown_codes=bool(codes),
            content_key=content_key,
        )

    def _verify_human(self, manifest: Manifest, form: Mapping[str, Any]) -> VerifiedHuman | None:
        """Step 14: whose act it is, as far as that is proved (docs/human-acts.md section 6)."""
        return verify_human(
            manifest.human,
            form,
            author=manifest.sender,
            # Part 1 is the form, and step 13 compared its digest.
            form_sha256=bytes.fromhex(manifest.parts[0].sha256),
            created_at=datetime.fromisoformat(form["created_at"]).astimezone(UTC),
            now=self._clock.now(),
            find_key=lambda aid, kid: self._directory.key_in_force(aid, KeyUse.SIG, kid),
        )

    async def _store(self, arrived: Arrived, outcome: Opened | Rejected) -> Answer:
        """Step 15: release or reject, with case, log and receipt in one transaction."""
        now = self._clock.now()
        try:
            row = await self._database.write(lambda tx: self._release(tx, arrived, outcome, now))
        except Refusal as refusal:
            # What only the case can tell: the message speaks for another side than its sender's.
            rejected = Rejected(
                code=refusal.code,
                manifest_sha256=arrived.envelope.manifest,
                human=refusal.rule if isinstance(refusal, ActRefused) else None,
                cases=refusal.cases if isinstance(refusal, ActRefused) else (),
            )
            return await self._store(arrived, rejected)
        except IntegrityError:
            return await self._answer_of_another(arrived.key)
        self._casebook.announce(arrived.key)
        return Answer(status=201, body=await self._wire.answer([row]))

    async def _answer_of_another(self, key: Key) -> Answer:
        """Somebody else stored this bundle meanwhile, and has its answer; or the token was used before."""
        stored = await self.stored_answer(key)
        if stored is None:
            raise GatewayRefusal("auth-replay")
        return stored

    def _release(
        self, tx: Transaction, arrived: Arrived, outcome: Opened | Rejected, now: datetime
    ) -> ReceiptRow:
        env, was_relayed = arrived.envelope, arrived.was_relayed
        released = isinstance(outcome, Opened)
        if was_relayed:
            bundles.set_state(tx, *arrived.key, "released" if released else "rejected")
        else:
            self._add_bundle(tx, arrived, "released" if released else "rejected", now)
        receipt = self._stamp.issue(
            tx,
            ReceiptType.CONSIGNMENT if released else ReceiptType.REJECTION,
            Subject(
                sender=env.sender,
                bid=env.bid,
                envelope=env.digest,
                manifest=env.manifest if isinstance(outcome, Opened) else outcome.manifest_sha256,
                to=env.sender,
            ),
            at=now,
            reason=None if isinstance(outcome, Opened) else outcome.code,
            is_first=not was_relayed,
        )
        if isinstance(outcome, Opened):
            shelve_key(tx, arrived.key, outcome.content_key, vault=self._vault)
            incoming = Incoming(
                manifest=outcome.manifest,
                form=outcome.form,
                human=outcome.human,
                has_unknown_codes=outcome.has_unknown_codes,
                at=receipt.at,
                stored_at=now,
            )
            self._casebook.take_in(tx, incoming)
        elif outcome.human is not None:
            refused = {"from": env.sender, "bid": env.bid, "code": outcome.human}
            tx.audit(PendingAuditEntry(event="act.refused", body=refused, at=now))
            tell_refused(tx, outcome.cases, now=now)
        if was_relayed or arrived.is_by_post:
            self._wire.push(tx, receipt, lane=env.lane, now=now, at_once=arrived.is_by_post)
        return receipt

    def _add_bundle(self, tx: Transaction, arrived: Arrived, state: str, now: datetime) -> None:
        """Enter what is new here, and that its token is spent."""
        if arrived.token is not None:
            arrived.token.spend(tx)
        shelve(tx, arrived.envelope, arrived.parts, blobs=self._blobs, direction="in", state=state, at=now)
        if arrived.had_upload:
            uploads.drop_upload(tx, *arrived.key)

    async def _relay(self, arrived: Arrived) -> ReceiptRow:
        """Store the bundle with a relay receipt, because opening takes long; the consignment follows."""
        now = self._clock.now()
        env = arrived.envelope

        def unit(tx: Transaction) -> ReceiptRow:
            self._add_bundle(tx, arrived, "relayed", now)
            subject = Subject(
                sender=env.sender, bid=env.bid, envelope=env.digest, manifest=None, to=env.sender
            )
            return self._stamp.issue(tx, ReceiptType.RELAY, subject, at=now, is_first=True)

        return await self._database.write(unit)

    async def _conclude_later(self, arrived: Arrived, work: "asyncio.Task[Opened | Rejected]") -> None:
        await self._store(arrived, await work)


def _lane_of(manifest: Manifest) -> str | None:
    return lane_of(manifest.urgency_level or "", manifest.request_kind)


def _check_contents(manifest: Manifest, form_bytes: bytes) -> tuple[Mapping[str, Any], Sequence[str]]:
    """Step 14: names, media, form against schema as a reader, form against manifest; with unknown codes."""
    try:
        for part in manifest.parts:
            check_name(part.name)
    except UnsafeName:
        raise Refusal("name-unsafe", "a part's name", step=14) from None
    try:
        form = strictjson.loads(form_bytes, max_bytes=FORM_MAX_BYTES)
    except Refusal:
        raise Refusal("form-invalid", "not strict JSON", step=14) from None
    if not isinstance(form, dict):
        raise Refusal("form-invalid", "no object", step=14)
    problems, codes = check_received(form, "request" if is_request_form(form) else "message")
    if problems:
        raise Refusal("form-invalid", "schema", step=14)
    differing = form_matches_manifest(form, manifest.members)
    if differing:
        raise Refusal("form-invalid", "differs from the manifest: " + ", ".join(differing), step=14)
    return form, codes
