"""One bundle on its way in: judged before its bytes are taken, counted and digested while they come.

Steps 1 to 10 of the open procedure (docs/bundle.md section 7); steps 3, 6 and 9 are decided here, the rest
goes on in ``release``. Damage in transit is answered with a code to try again and never signed.

Crash points: what ``suspend`` returned is durable, and another process goes on from there with ``restore``;
everything else is unreferenced blobs (swept later), and the sender begins again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from crypto.bundle import ContainerReader, Envelope, Opener, PartRef
from crypto.errors import Refusal
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, from_refusal
from gateway.services.arrivals.admission import Admission
from gateway.services.arrivals.release import Answer, Arrived, Releaser
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.lanes import Gate, Lanes
from gateway.services.tokens import RequestToken
from gateway.storage import bundles, uploads
from gateway.storage.blobs import BlobRef, Blobs, BlobWriter
from gateway.storage.database import Database, Transaction

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
class Reception:
    """What every intake works with; ``leave`` is told that one is over, or (``True``) only paused."""

    database: Database
    blobs: Blobs
    directory: Directory
    keyring: Keyring
    admission: Admission
    releaser: Releaser
    opener: Opener
    lanes: Lanes
    gate: Gate
    clock: Clock
    leave: Callable[["Intake", bool], None]


class Intake:
    """One bundle on its way in. Fed from one task; ends in ``finish``, ``suspend`` or ``abort``.

    Attributes:
        done: The answer is known already (a repeat); the rest of the body need not be read.
        offset: Bytes taken so far.
        durable: Bytes that would survive a crash.
    """

    def __init__(
        self,
        reception: Reception,
        *,
        caller: str,
        token: RequestToken | None,
        sender: str,
        bid: str,
        is_by_post: bool = False,
    ) -> None:
        self._reception = reception
        self._is_by_post = is_by_post
        self.caller = caller
        self.token = token
        self.sender = sender
        self.bid = bid
        self.key = (sender, bid)
        self.done = False
        self.offset = 0
        self.durable = 0
        self._reader = ContainerReader(max_bytes=reception.admission.max_bundle_bytes)
        self._sig_kid = ""
        self._writer: BlobWriter | None = None
        self._whole: bytes | None = None
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
        reception, env = self._reception, self._envelope
        if (env.sender, env.bid) != self.key:
            raise Refusal("malformed", "the envelope is another bundle's", step=1)
        known = await reception.database.read(lambda c: bundles.find_bundle(c, *self.key))
        envelopes = [] if known is None else await self._envelopes()
        # 3. This very envelope again: the stored answer, byte for byte.
        if known is not None and any(row.sha256 == env.digest for row in envelopes):
            self.done = True
            return
        now = reception.clock.now()
        # 4, 5.
        keys = reception.directory.keys(env.sender, KeyUse.SIG)
        if not keys:
            raise Refusal(reception.directory.unknown(env.sender), "no key listed", step=4)
        try:
            self._sig_kid = reception.opener.authenticate(env, keys, now).public.kid
        except Refusal as refusal:
            # A key that is new to us, and a directory that is too old to know: that is our lateness.
            if refusal.code != "unknown-key":
                raise
            raise Refusal(reception.directory.unknown(env.sender), refusal.detail, step=4) from None
        # 6. The same bundle in another envelope: a re-wrap, or somebody squats the identifier.
        if known is not None:
            self._compare(env, [reception.opener.parse(row.jws) for row in envelopes])
            self.done = True
            return
        # 7, 8.
        reception.opener.address(env, reception.keyring.authority_id, reception.keyring.enc_kids(), now)
        # 9.
        reception.admission.enter(self.key, caller=self.caller, lane=env.lane, size_bytes=env.container_size)

    async def _envelopes(self) -> list[bundles.EnvelopeRow]:
        return await self._reception.database.read(lambda c: bundles.envelopes_of(c, *self.key))

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
            expected, blobs = self._envelope.parts[n], self._reception.blobs
            if len(chunk) == expected.size < blobs.inline_limit_bytes:
                # Small and whole at once: it needs no writer.
                self._whole = bytes(chunk)
                return
            self._writer = blobs.writer(expected.size)
        await self._writer.write(chunk)

    async def _end_part(self, n: int) -> None:
        """Step 10: size and digest of the ciphertext, computed while it arrived."""
        expected, writer, whole = self._envelope.parts[n], self._writer, self._whole
        self._writer = self._whole = None
        try:
            if whole is not None:
                ref = self._reception.blobs.hold(whole, expected.sha256)
            elif writer is not None:
                ref = await writer.finish(expected.sha256, expected.size)
            else:
                raise Refusal("malformed", "an empty part", step=10)
        except ValueError:
            raise Refusal("part-digest", f"part {n}", step=10) from None
        self._parts.append(ref)

    async def suspend(self) -> UploadState:
        """Stop for now: what was taken is made durable and the upload may go on at the returned offset.

        Before the envelope is complete nothing is kept and the offset is 0.
        """
        if self.done:
            self._reception.leave(self, False)
            return UploadState(offset=self.length or 0, length=self.length, complete=True)
        if self._reader.envelope is None:
            await self.abort()
            return UploadState(offset=0, length=None, complete=False)
        try:
            await self.keep()
        except BaseException:
            # Not known to be kept: whoever goes on asks the database where.
            await self.let_go()
            self._reception.leave(self, False)
            raise
        self._reception.leave(self, True)
        env = self._envelope
        return UploadState(offset=self.offset, length=env.container_size, complete=False, envelope=env.digest)

    async def let_go(self) -> None:
        """Close the file of the unfinished part and leave it where it is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.aclose()

    async def keep(self) -> None:
        """Make what was taken durable and go on; the envelope must be complete.

        Raises ``StorageUnavailable``; how far the upload then stands the database knows.
        """
        env, now = self._envelope, self._reception.clock.now()
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
            self._reception.blobs.insert(tx, kept)

        await self._reception.database.write(unit)
        self.durable = self.offset

    async def restore(self, held: uploads.UploadRow) -> None:
        """Continue what another process had taken; hashes the unfinished part again from the disk."""
        reception = self._reception
        env = reception.opener.parse(held.envelope)
        self._reader = ContainerReader.resume(env, held.offset_bytes)
        now = reception.clock.now()
        self._sig_kid = reception.opener.authenticate(
            env, reception.directory.keys(env.sender, KeyUse.SIG), now
        ).public.kid
        self.offset = self.durable = held.offset_bytes
        for n, ref in enumerate(env.parts):
            start = env.part_offset(n)
            if start + ref.size <= held.offset_bytes:
                self._parts.append(await reception.blobs.find(ref.sha256, ref.size))
            elif start < held.offset_bytes:
                await self._restore_part(ref, start, held)

    async def _restore_part(self, ref: PartRef, start: int, held: uploads.UploadRow) -> None:
        """Go on within a part; it may have come to its end since its upload was last made durable."""
        blobs = self._reception.blobs
        try:
            offset = held.offset_bytes - start
            self._writer = await blobs.reopen(held.temporary or "", offset=offset)
        except FileNotFoundError:
            self._parts.append(await blobs.find(ref.sha256, ref.size))
            self.offset = start + ref.size
            self._reader = ContainerReader.resume(self._envelope, self.offset)

    async def abort(self) -> None:
        """Give up; nothing was kept."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.discard()
        self._reception.leave(self, False)

    async def finish(self) -> Answer:
        """Open and release the bundle and return the answer; the receipt in it is durable.

        Raises ``GatewayRefusal``: ``incomplete`` and everything the open procedure refuses unsigned.
        """
        try:
            if self.done:
                stored = await self._reception.releaser.stored_answer(self.key)
                if stored is None:
                    raise GatewayRefusal("not-found")
                return stored
            try:
                self._reader.finish()
            except Refusal as refusal:
                await self.abort()
                raise from_refusal(refusal) from None
            arrived = Arrived(
                token=self.token,
                envelope=self._envelope,
                sig_kid=self._sig_kid,
                parts=self._parts,
                had_upload=self.durable > 0,
                is_by_post=self._is_by_post,
            )
            lane = arrived.envelope.lane
            with self._reception.lanes.working(lane):
                if not arrived.is_small:
                    return await self._reception.releaser.answer(arrived)
                async with self._reception.gate.passing(lane):
                    return await self._reception.releaser.answer(arrived)
        finally:
            self._reception.leave(self, False)
