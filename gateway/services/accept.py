"""An arriving bundle: judged before its bytes are taken, opened in quarantine, released in one transaction.

Follows the numbered open procedure (docs/bundle.md section 7); steps 3, 6, 9, 14 and 15 are decided
here. What leaves this module is a stored receipt, a signed rejection, or a refusal that changed nothing.

Invariants: a receipt is issued only with the bundle durable, opened and checked; a repeat gets the stored
receipt, byte for byte; damage in transit is answered with a code to try again and never signed.

Crash points, in order: before the transaction, nothing but unreferenced blobs (swept later); after it,
everything, and the sender's repeat gets the stored receipt. A bundle that was only relayed is opened again
by ``resume_relayed`` at the next start.
"""

import asyncio
import io
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from crypto import strictjson
from crypto.bundle import ContainerReader, Envelope, Manifest, Opener, PartRef
from crypto.errors import Refusal, outward_code
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, StorageError, from_refusal
from gateway.model.manifest import form_matches_manifest, is_request_form
from gateway.model.names import UnsafeName, check_name
from gateway.model.receipt import ReceiptType
from gateway.model.request import lane_of
from gateway.services.admission import Admission
from gateway.services.casebook import Casebook, Incoming
from gateway.services.directory import Directory
from gateway.services.forms import check_form
from gateway.services.keyring import Keyring
from gateway.services.stamp import Stamp, Subject
from gateway.services.vault import Vault
from gateway.services.wire import ReceiptWire
from gateway.storage import bundles, contentkeys, peers, uploads
from gateway.storage.blobs import BlobRef, Blobs, BlobWriter
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.receipts import ReceiptRow, own_receipts
from gateway.telemetry import get_log

#: Longest time an answer waits for the bundle to be opened; then it carries a relay receipt.
OPENING_PATIENCE_S = 10.0

#: From here on opening goes to a thread; below, a thread hop costs more than the work.
_INLINE_OPENING_BYTES = 256 * 1024

#: A form is at most this long (docs/bundle.md, limits).
_FORM_LIMIT = 1024 * 1024

#: A request token cannot be accepted this long after it was made; then its record may go.
_TOKEN_KEPT = timedelta(minutes=10)

#: An unfinished upload is dropped after this time.
_UPLOAD_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadState:
    """How far an upload is: ``offset`` bytes are durable; ``length`` is ``None`` until the envelope is in.

    ``envelope`` is the digest of the envelope under way, so that a sender which re-wrapped starts over.
    """

    offset: int
    length: int | None
    complete: bool
    envelope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a PUT or PATCH is answered with: 201 new, 200 repeat, 202 relayed but not opened yet."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle that passed steps 11 to 14; the content key is secret."""

    manifest: Manifest
    form: Mapping[str, Any] = field(repr=False)
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rejected:
    """A bundle that will never be acceptable, with the outward code."""

    code: str
    manifest_sha256: str | None


class Acceptor:
    """Takes in bundles, from peers that push and from outboxes that are pulled."""

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
        admission: Admission,
        clock: Clock,
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.directory = directory
        self.keyring = keyring
        self.vault = vault
        self.stamp = stamp
        self.casebook = casebook
        self.wire = wire
        self.admission = admission
        self.clock = clock
        self.opener = Opener()
        self._running: dict[tuple[str, str], Intake] = {}
        self._paused: dict[tuple[str, str], Intake] = {}
        self._openings: set[asyncio.Task[None]] = set()
        self._opening: set[tuple[str, str]] = set()
        self._log = get_log("accept")

    async def begin(
        self, *, caller: str, jti: str | None, exp: datetime | None, sender: str, bid: str
    ) -> "Intake":
        """Start taking a bundle from its first byte. ``jti`` is ``None`` where we fetched it ourselves.

        Raises ``GatewayRefusal`` ``auth-invalid`` if the caller is not the sender, ``busy`` while it arrives.
        """
        intake = Intake(self, caller=caller, jti=jti, sender=sender, bid=bid)
        self._enter(intake)
        await self._let_go(intake.key)
        return intake

    async def resume(
        self, *, caller: str, jti: str | None, exp: datetime | None, sender: str, bid: str, offset: int
    ) -> "Intake":
        """Go on with an upload at ``offset``, which must be where it really stands.

        Raises ``GatewayRefusal`` ``offset`` (with the true offset), ``busy``, ``not-found``.
        """
        key = (sender, bid)
        if caller != sender:
            raise GatewayRefusal("auth-invalid")
        if key in self._running:
            raise GatewayRefusal("busy")
        intake = self._paused.get(key)
        if intake is None:
            intake = await self._restore(caller, sender, bid)
        if intake is None:
            state = await self.state(caller=caller, sender=sender, bid=bid)
            raise GatewayRefusal("offset", offset=state.offset)
        if intake.offset != offset:
            raise GatewayRefusal("offset", offset=intake.offset)
        self._paused.pop(key, None)
        intake.jti = jti
        self._enter(intake)
        return intake

    async def state(self, *, caller: str, sender: str, bid: str) -> UploadState:
        """Return how far a bundle is: complete, partly here, or not at all (offset 0)."""
        if caller != sender:
            raise GatewayRefusal("auth-invalid")
        row = await self.database.read(lambda c: bundles.find_bundle(c, sender, bid))
        if row is not None:
            return UploadState(offset=row.size_bytes, length=row.size_bytes, complete=True)
        live = self._running.get((sender, bid)) or self._paused.get((sender, bid))
        if live is not None:
            return UploadState(
                offset=live.durable, length=live.length, complete=False, envelope=live.envelope_digest
            )
        held = await self.database.read(lambda c: uploads.find_upload(c, sender, bid))
        if held is None:
            return UploadState(offset=0, length=None, complete=False)
        return UploadState(
            offset=held.offset_bytes,
            length=held.size_bytes,
            complete=False,
            envelope=held.envelope_sha256,
        )

    def _enter(self, intake: "Intake") -> None:
        if intake.caller != intake.sender:
            raise GatewayRefusal("auth-invalid")
        if intake.key in self._running:
            raise GatewayRefusal("busy")
        self._running[intake.key] = intake

    def leave(self, intake: "Intake", *, paused: bool = False) -> None:
        """Forget an intake, or keep it for the next segment."""
        if self._running.get(intake.key) is intake:
            del self._running[intake.key]
        self.admission.leave(intake.key)
        if paused:
            self._paused[intake.key] = intake

    async def _restore(self, caller: str, sender: str, bid: str) -> "Intake | None":
        """Return an upload that was under way when this process stopped, hashing again what is durable."""
        held = await self.database.read(lambda c: uploads.find_upload(c, sender, bid))
        if held is None:
            return None
        intake = Intake(self, caller=caller, jti=None, sender=sender, bid=bid)
        try:
            await intake.restore(held)
        except (Refusal, OSError):
            # What is on the disk does not fit the row: start over rather than guess.
            await self.database.write(lambda tx: uploads.drop_upload(tx, sender, bid))
            return None
        return intake

    async def resume_relayed(self) -> int:
        """Open every bundle that was only relayed and that nobody is opening; return how many there are.

        For the next start after a crash, and for whenever its outcome could not be stored.
        """
        waiting = [key for key in await self.database.read(bundles.relayed) if key not in self._opening]
        for sender, bid in waiting:
            intake = Intake(self, caller=sender, jti=None, sender=sender, bid=bid)
            self.keep(intake.key, self._open_relayed(intake))
        return len(waiting)

    async def _open_relayed(self, intake: "Intake") -> None:
        if await intake.load():
            await intake.conclude(was_relayed=True)

    def keep(self, key: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
        """Own the work of opening a bundle after its relay receipt went out; one at a time for each."""
        self._opening.add(key)
        task = asyncio.create_task(self._guarded(key, work))
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    async def _guarded(self, key: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StorageError as error:
            # The bundle stays relayed, and ``resume_relayed`` comes back to it.
            self._log.warning("opening.unrecorded", code=error.code, bid=key[1])
            self._opening.discard(key)
        except GatewayError as error:
            # Another version of this program may open it: it is tried again at the next start.
            self._log.error("opening.refused", code=error.code, bid=key[1])
        except Exception as error:
            self._log.error("opening.defect", code=type(error).__name__, bid=key[1])
        else:
            self._opening.discard(key)

    async def drop_expired_uploads(self, now: datetime) -> int:
        """Drop unfinished uploads past their time and return how many."""
        rows = await self.database.read(lambda c: uploads.expired_uploads(c, now))
        if rows:
            await self.database.write(partial(_drop, rows))
        for row in rows:
            await self._let_go((row.sender, row.bid))
            if row.temporary is not None:
                await self.blobs.discard(row.temporary)
        return len(rows)

    async def settled(self) -> None:
        """Return once nothing is being opened any more."""
        await asyncio.gather(*self._openings, return_exceptions=True)

    async def aclose(self) -> None:
        """Stop opening what was relayed and close what is paused; the next start takes up both."""
        for task in tuple(self._openings):
            task.cancel()
        await asyncio.gather(*self._openings, return_exceptions=True)
        for key in tuple(self._paused):
            await self._let_go(key)

    async def _let_go(self, key: tuple[str, str]) -> None:
        """Forget a paused upload here; what is durable of it stays."""
        paused = self._paused.pop(key, None)
        if paused is not None:
            await paused.let_go()


class Intake:
    """One bundle on its way in. Fed from one task; ends in ``finish``, ``suspend`` or ``abort``.

    Attributes:
        done: The answer is known already (a repeat); the rest of the body need not be read.
        offset: Bytes taken so far.
        durable: Bytes that would survive a crash.
    """

    def __init__(self, acceptor: Acceptor, *, caller: str, jti: str | None, sender: str, bid: str) -> None:
        self._acceptor = acceptor
        self.caller = caller
        self.jti = jti
        self.sender = sender
        self.bid = bid
        self.key = (sender, bid)
        self.done = False
        self.offset = 0
        self.durable = 0
        self._reader = ContainerReader(max_bytes=acceptor.admission.max_bundle_bytes)
        self._sig_kid = ""
        self._known: bundles.BundleRow | None = None
        self._writer: BlobWriter | None = None
        self._parts: list[BlobRef] = []

    @property
    def length(self) -> int | None:
        """Size of the whole container, once the envelope is known."""
        return None if self._reader.envelope is None else self._reader.envelope.container_size

    @property
    def envelope_digest(self) -> str | None:
        """Digest of the envelope, once it is known."""
        return None if self._reader.envelope is None else self._reader.envelope.digest

    @property
    def _envelope(self) -> Envelope:
        if self._reader.envelope is None:
            raise GatewayRefusal("incomplete")
        return self._reader.envelope

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes, in order.

        Raises ``GatewayRefusal`` as soon as a step fails; the intake is then over and kept nothing.
        """
        if self.done:
            return
        try:
            for event in self._reader.feed(chunk):
                if event[0] == "envelope":
                    await self._judge()
                    if self.done:
                        return
                elif event[0] == "part":
                    await self._take(event[1], event[2])
                else:
                    await self._end_part(event[1])
        except Refusal as refusal:
            await self.abort()
            raise from_refusal(refusal) from None
        except BaseException:
            await self.abort()
            raise
        self.offset += len(chunk)

    async def _judge(self) -> None:
        """Steps 3 to 9, before anything but the envelope was taken."""
        acceptor, env = self._acceptor, self._envelope
        if (env.sender, env.bid) != self.key:
            raise Refusal("malformed", "the envelope is another bundle's", step=1)
        known = await acceptor.database.read(lambda c: bundles.find_bundle(c, *self.key))
        envelopes = [] if known is None else await self._envelopes()
        # 3. This very envelope again: the stored answer, byte for byte.
        if known is not None and any(row.sha256 == env.digest for row in envelopes):
            self._known, self.done = known, True
            return
        now = acceptor.clock.now()
        # 4, 5.
        keys = acceptor.directory.keys(env.sender, KeyUse.SIG)
        if not keys:
            raise Refusal("unknown-sender", "not listed", step=4)
        self._sig_kid = acceptor.opener.authenticate(env, keys, now).public.kid
        # 6. The same bundle in another envelope: a re-wrap, or somebody squats the identifier.
        if known is not None:
            self._compare(env, [acceptor.opener.parse(row.jws) for row in envelopes])
            self._known, self.done = known, True
            return
        # 7, 8.
        acceptor.opener.address(env, acceptor.keyring.authority_id, acceptor.keyring.enc_kids(), now)
        # 9.
        acceptor.admission.enter(self.key, caller=self.caller, lane=env.lane, size_bytes=env.container_size)

    async def _envelopes(self) -> list[bundles.EnvelopeRow]:
        return await self._acceptor.database.read(lambda c: bundles.envelopes_of(c, *self.key))

    def _compare(self, env: Envelope, before: list[Envelope]) -> None:
        first = before[0]
        same = (
            env.manifest == first.manifest
            and env.parts == first.parts
            and {wrap.aid for wrap in env.to} == {wrap.aid for wrap in first.to}
        )
        if not same or any(env.rev == other.rev for other in before):
            raise Refusal("bid-conflict", "another bundle has this identifier", step=6)

    async def _take(self, n: int, chunk: memoryview) -> None:
        if self._writer is None:
            self._writer = self._acceptor.blobs.writer(self._envelope.parts[n].size)
        await self._writer.write(chunk)

    async def _end_part(self, n: int) -> None:
        """Step 10: size and digest of the ciphertext, computed while it arrived."""
        writer, self._writer = self._writer, None
        if writer is None:
            raise Refusal("malformed", "an empty part", step=10)
        expected = self._envelope.parts[n]
        try:
            self._parts.append(await writer.finish(expected.sha256, expected.size))
        except ValueError:
            raise Refusal("part-digest", f"part {n}", step=10) from None

    async def suspend(self) -> UploadState:
        """Stop for now: what was taken is made durable and the upload may go on at the returned offset.

        Before the envelope is complete nothing is kept and the offset is 0.
        """
        if self.done:
            self._acceptor.leave(self)
            return UploadState(offset=self.length or 0, length=self.length, complete=True)
        if self._reader.envelope is None:
            await self.abort()
            return UploadState(offset=0, length=None, complete=False)
        try:
            await self._make_durable()
        except BaseException:
            # Not known to be kept: whoever goes on asks the database where.
            await self.let_go()
            self._acceptor.leave(self)
            raise
        self._acceptor.leave(self, paused=True)
        env = self._envelope
        return UploadState(offset=self.offset, length=env.container_size, complete=False, envelope=env.digest)

    async def let_go(self) -> None:
        """Close the file of the unfinished part and leave it where it is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.aclose()

    async def _make_durable(self) -> None:
        env, now = self._envelope, self._acceptor.clock.now()
        row = uploads.UploadRow(
            temporary=await self._writer.sync() if self._writer is not None else None,
            sender=self.sender,
            bid=self.bid,
            envelope_sha256=env.digest,
            envelope=env.jws,
            size_bytes=env.container_size,
            offset_bytes=self.offset,
            lane=env.lane,
            next_action_at=now + _UPLOAD_KEPT,
        )
        kept = [ref for ref in self._parts if ref.data is not None]

        def unit(tx: Transaction) -> None:
            uploads.store_upload(tx, row)
            self._acceptor.blobs.insert(tx, kept)

        await self._acceptor.database.write(unit)
        self.durable = self.offset

    async def restore(self, held: uploads.UploadRow) -> None:
        """Continue what another process had taken; hashes the unfinished part again from the disk."""
        acceptor = self._acceptor
        env = acceptor.opener.parse(held.envelope)
        self._reader = ContainerReader.resume(env, held.offset_bytes)
        now = acceptor.clock.now()
        self._sig_kid = acceptor.opener.authenticate(
            env, acceptor.directory.keys(env.sender, KeyUse.SIG), now
        ).public.kid
        self.offset = self.durable = held.offset_bytes
        for n, ref in enumerate(env.parts):
            start = env.part_offset(n)
            if start + ref.size <= held.offset_bytes:
                self._parts.append(await acceptor.blobs.find(ref.sha256, ref.size))
            elif start < held.offset_bytes:
                await self._restore_part(ref, start, held)

    async def _restore_part(self, ref: PartRef, start: int, held: uploads.UploadRow) -> None:
        """Go on within a part; it may have come to its end since its upload was last made durable."""
        blobs = self._acceptor.blobs
        try:
            offset = held.offset_bytes - start
            self._writer = await blobs.reopen(held.temporary or "", size=ref.size, offset=offset)
        except FileNotFoundError:
            self._parts.append(await blobs.find(ref.sha256, ref.size))
            self.offset = start + ref.size
            self._reader = ContainerReader.resume(self._envelope, self.offset)

    async def load(self) -> bool:
        """Read back a bundle that was stored whole; return whether it still waits to be opened."""
        acceptor = self._acceptor
        row, envelopes = await acceptor.database.read(
            lambda c: (bundles.find_bundle(c, *self.key), bundles.envelopes_of(c, *self.key))
        )
        self._known = row
        env = acceptor.opener.parse(envelopes[-1].jws)
        self._reader = ContainerReader.resume(env, env.container_size)
        self._sig_kid = env.kid
        self._parts = [await acceptor.blobs.find(part.sha256, part.size) for part in env.parts]
        return row is not None and row.state == "relayed"

    async def abort(self) -> None:
        """Give up; nothing was kept."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.discard()
        self._acceptor.leave(self)

    async def finish(self) -> Answer:
        """Open and release the bundle and return the answer; the receipt in it is durable.

        Raises ``GatewayRefusal``: ``incomplete`` and everything the open procedure refuses unsigned.
        """
        try:
            if self.done:
                return await self._stored_answer()
            try:
                self._reader.finish()
            except Refusal as refusal:
                raise from_refusal(refusal) from None
            return await self._conclude_in_time()
        finally:
            self._acceptor.leave(self)

    async def _conclude_in_time(self) -> Answer:
        if self._envelope.container_size <= _INLINE_OPENING_BYTES:
            return await self.conclude()
        work = asyncio.create_task(self._outcome())
        done, _ = await asyncio.wait({work}, timeout=OPENING_PATIENCE_S)
        if done:
            return await self._store(work.result())
        return await self._relay(work)

    async def conclude(self, *, was_relayed: bool = False) -> Answer:
        """Open the bundle, whatever time it takes, and store the outcome."""
        return await self._store(await self._outcome(), was_relayed=was_relayed)

    async def _outcome(self) -> "Opened | _Rejected":
        """Steps 11 to 14: the opened bundle, or why it can never be accepted."""
        manifest_sha256: str | None = None
        try:
            if self._envelope.container_size <= _INLINE_OPENING_BYTES:
                return self._open()
            return await asyncio.to_thread(self._open)
        except Refusal as refusal:
            # A version of the manifest that we do not speak is no defect of the bundle.
            if refusal.code == "version":
                raise from_refusal(refusal) from None
            if refusal.step == 14:
                manifest_sha256 = self._envelope.manifest
            return _Rejected(code=outward_code(refusal.code), manifest_sha256=manifest_sha256)

    def _open(self) -> Opened:
        acceptor, env = self._acceptor, self._envelope
        wrap = next(wrap for wrap in env.to if wrap.aid == acceptor.keyring.authority_id)
        decapsulator = acceptor.keyring.decapsulator(wrap.kid)
        if decapsulator is None:
            raise Refusal("open-failed", "the key is gone", step=11)
        # 11.
        content_key = acceptor.opener.unwrap(env, acceptor.keyring.authority_id, decapsulator, self._sig_kid)
        # 12.
        with acceptor.blobs.open_sync(self._parts[0]) as source:
            manifest = acceptor.opener.open_manifest(env, source.read(), content_key, lane_of=_lane_of)
        # 13. Every part is decrypted and checked; only the form is kept, in memory.
        form_bytes = io.BytesIO()
        for part in manifest.parts:
            if part.n == 1 and part.size > _FORM_LIMIT:
                raise Refusal("form-invalid", "form too long", step=14)
            sink = form_bytes if part.n == 1 else None
            with acceptor.blobs.open_sync(self._parts[part.n]) as source:
                acceptor.opener.check_part(env, manifest, part.n, source, content_key, sink)
        # 14.
        return Opened(
            manifest=manifest, form=_check_contents(manifest, form_bytes.getvalue()), content_key=content_key
        )

    async def _store(self, outcome: "Opened | _Rejected", *, was_relayed: bool = False) -> Answer:
        """Step 15: release or reject, with case, log and receipt in one transaction."""
        now = self._acceptor.clock.now()
        try:
            row = await self._acceptor.database.write(
                lambda tx: self._release(tx, outcome, now, was_relayed=was_relayed)
            )
        except Refusal as refusal:
            # What only the case can tell: the message speaks for another side than its sender's.
            rejected = _Rejected(code=refusal.code, manifest_sha256=self._envelope.manifest)
            return await self._store(rejected, was_relayed=was_relayed)
        except IntegrityError:
            # Somebody else stored this bundle meanwhile, or the token was used before.
            self._known = await self._acceptor.database.read(lambda c: bundles.find_bundle(c, *self.key))
            if self._known is None:
                raise GatewayRefusal("auth-replay") from None
            return await self._stored_answer()
        self._acceptor.casebook.announce(self.key)
        return Answer(status=201, body=await self._acceptor.wire.answer([row]))

    def _release(
        self, tx: Transaction, outcome: "Opened | _Rejected", now: datetime, *, was_relayed: bool
    ) -> ReceiptRow:
        acceptor, env = self._acceptor, self._envelope
        self._spend_token(tx, now)
        released = isinstance(outcome, Opened)
        if was_relayed:
            bundles.set_state(tx, *self.key, "released" if released else "rejected")
        else:
            self._add_bundle(tx, "released" if released else "rejected", now)
        receipt = acceptor.stamp.issue(
            tx,
            ReceiptType.CONSIGNMENT if released else ReceiptType.REJECTION,
            Subject(
                sender=self.sender,
                bid=self.bid,
                envelope=env.digest,
                manifest=env.manifest if isinstance(outcome, Opened) else outcome.manifest_sha256,
                to=self.sender,
            ),
            at=now,
            reason=None if isinstance(outcome, Opened) else outcome.code,
            is_first=not was_relayed,
        )
        if isinstance(outcome, Opened):
            wrapped = acceptor.vault.wrap(outcome.content_key)
            contentkeys.add_content_key(
                tx,
                sender=self.sender,
                bid=self.bid,
                storage_key_id=wrapped.storage_key_id,
                wrapped=wrapped.wrapped,
            )
            acceptor.casebook.take_in(
                tx, Incoming(manifest=outcome.manifest, form=outcome.form, at=receipt.at, stored_at=now)
            )
        if was_relayed:
            acceptor.wire.push(tx, receipt, lane=env.lane, now=now)
        return receipt

    def _add_bundle(self, tx: Transaction, state: str, now: datetime) -> None:
        env = self._envelope
        bundles.add_bundle(
            tx,
            bundles.BundleRow(
                sender=self.sender,
                bid=self.bid,
                direction="in",
                state=state,
                rev=env.rev,
                envelope_sha256=env.digest,
                manifest_sha256=env.manifest,
                lane=env.lane,
                size_bytes=env.container_size,
                created_at=env.created,
                expires_at=env.expires,
                stored_at=now,
            ),
            jws=env.jws,
            parts=[
                bundles.PartRow(n=n, size_bytes=part.size, sha256=part.sha256)
                for n, part in enumerate(env.parts)
            ],
        )
        self._acceptor.blobs.insert(tx, self._parts)
        if self.durable:
            uploads.drop_upload(tx, self.sender, self.bid)

    def _spend_token(self, tx: Transaction, now: datetime) -> None:
        if self.jti is not None:
            peers.use_token(tx, iss=self.caller, jti=self.jti, forget_at=now + _TOKEN_KEPT)

    async def _relay(self, work: "asyncio.Task[Opened | _Rejected]") -> Answer:
        """Answer with a relay receipt, because opening takes long; the consignment follows by itself."""
        now = self._acceptor.clock.now()
        env = self._envelope

        def unit(tx: Transaction) -> ReceiptRow:
            self._spend_token(tx, now)
            self._add_bundle(tx, "relayed", now)
            subject = Subject(
                sender=self.sender, bid=self.bid, envelope=env.digest, manifest=None, to=self.sender
            )
            return self._acceptor.stamp.issue(tx, ReceiptType.RELAY, subject, at=now, is_first=True)

        row = await self._acceptor.database.write(unit)
        self.jti = None
        self._acceptor.keep(self.key, self._conclude_later(work))
        return Answer(status=202, body=await self._acceptor.wire.answer([row]))

    async def _conclude_later(self, work: "asyncio.Task[Opened | _Rejected]") -> None:
        await self._store(await work, was_relayed=True)

    async def _stored_answer(self) -> Answer:
        own = self._acceptor.keyring.authority_id

        def query(connection: Connection) -> list[ReceiptRow]:
            return own_receipts(connection, iss=own, sender=self.sender, bid=self.bid)

        rows = await self._acceptor.database.read(query)
        relayed_only = self._known is not None and self._known.state == "relayed"
        return Answer(status=202 if relayed_only else 200, body=await self._acceptor.wire.answer(rows))


def _lane_of(manifest: Manifest) -> str | None:
    return lane_of(manifest.urgency_level or "", manifest.request_kind)


def _check_contents(manifest: Manifest, form_bytes: bytes) -> Mapping[str, Any]:
    """Step 14: names, media, form against schema as a reader, form against manifest."""
    try:
        for part in manifest.parts:
            check_name(part.name)
    except UnsafeName:
        raise Refusal("name-unsafe", "a part's name", step=14) from None
    try:
        form = strictjson.loads(form_bytes, max_bytes=_FORM_LIMIT)
    except Refusal:
        raise Refusal("form-invalid", "not strict JSON", step=14) from None
    if not isinstance(form, dict):
        raise Refusal("form-invalid", "no object", step=14)
    if check_form(form, "request" if is_request_form(form) else "message", reader=True):
        raise Refusal("form-invalid", "schema", step=14)
    said = strictjson.loads(manifest.raw, max_bytes=_FORM_LIMIT)
    differing = form_matches_manifest(form, said) if isinstance(said, dict) else ["manifest"]
    if differing:
        raise Refusal("form-invalid", "differs from the manifest: " + ", ".join(differing), step=14)
    return form


def _drop(rows: Sequence[uploads.UploadRow], tx: Transaction) -> None:
    for row in rows:
        uploads.drop_upload(tx, row.sender, row.bid)
