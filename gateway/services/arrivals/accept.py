"""The entrance for bundles: who may begin, go on, and ask how far one is; and what was only relayed.

One bundle arrives at most once at a time (``intake``); opening and storing it is ``release``. What leaves
these three modules is a stored receipt, a signed rejection, or a refusal that changed nothing.

Crash points: an upload goes on from what its last segment made durable; a bundle that was only relayed is
opened again by ``resume_relayed`` at the next start.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from crypto.bundle import Opener
from crypto.errors import Refusal
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal, StorageError
from gateway.services.arrivals.admission import Admission
from gateway.services.arrivals.intake import Intake, Reception, UploadState
from gateway.services.arrivals.release import Releaser
from gateway.services.casework.casebook import Casebook
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault
from gateway.services.lanes import Gate, Lanes
from gateway.services.proofs.stamp import Stamp
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.tokens import request_token
from gateway.storage import bundles, uploads
from gateway.storage.blobs import Blobs
from gateway.storage.database import Database, Transaction
from gateway.telemetry import get_log

#: Small routine bundles that are opened and stored at once while nothing is urgent. Batches of them may also
#: have to wait for their turn (``gateway.web.batch``).
_RELEASED_AT_ONCE = 64


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
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._admission = admission
        self._releaser = Releaser(
            database=database,
            blobs=blobs,
            directory=directory,
            keyring=keyring,
            vault=vault,
            stamp=stamp,
            casebook=casebook,
            wire=wire,
            lanes=lanes,
            clock=clock,
            keep=self._keep,
        )
        self._reception = Reception(
            database=database,
            blobs=blobs,
            directory=directory,
            keyring=keyring,
            admission=admission,
            releaser=self._releaser,
            opener=Opener(),
            lanes=lanes,
            gate=Gate(lanes, routine=_RELEASED_AT_ONCE),
            clock=clock,
            leave=self._leave,
        )
        self._running: dict[tuple[str, str], Intake] = {}
        self._paused: dict[tuple[str, str], Intake] = {}
        self._openings: set[asyncio.Task[None]] = set()
        self._opening: set[tuple[str, str]] = set()
        self._log = get_log("accept")

    async def begin(
        self,
        *,
        caller: str,
        jti: str | None,
        exp: datetime | None,
        sender: str,
        bid: str,
        is_by_post: bool = False,
    ) -> Intake:
        """Start taking a bundle from its first byte; no ``jti`` and ``exp`` where we fetched it ourselves.

        ``is_by_post``: no answer goes back on its way, so that its receipt is pushed.

        Raises ``GatewayRefusal`` ``auth-invalid`` if the caller is not the sender, ``busy`` while it arrives.
        """
        token = request_token(caller, jti, exp)
        intake = Intake(
            self._reception, caller=caller, token=token, sender=sender, bid=bid, is_by_post=is_by_post
        )
        self._enter(intake)
        try:
            await self._let_go(intake.key)
        except BaseException:
            # Nobody has it in hand: it must not stay busy.
            self._leave(intake, False)
            raise
        return intake

    async def resume(
        self, *, caller: str, jti: str | None, exp: datetime | None, sender: str, bid: str, offset: int
    ) -> Intake:
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
        intake.token = request_token(caller, jti, exp)
        self._enter(intake)
        return intake

    async def state(self, *, caller: str, sender: str, bid: str) -> UploadState:
        """Return how far a bundle is: complete, partly here, or not at all (offset 0)."""
        if caller != sender:
            raise GatewayRefusal("auth-invalid")
        row = await self._database.read(lambda c: bundles.find_bundle(c, sender, bid))
        if row is not None:
            return UploadState(offset=row.size_bytes, length=row.size_bytes, complete=True)
        live = self._running.get((sender, bid)) or self._paused.get((sender, bid))
        if live is not None:
            return UploadState(
                offset=live.durable, length=live.length, complete=False, envelope=live.envelope_digest
            )
        held = await self._database.read(lambda c: uploads.find_upload(c, sender, bid))
        if held is None:
            return UploadState(offset=0, length=None, complete=False)
        return UploadState(
            offset=held.offset_bytes,
            length=held.size_bytes,
            complete=False,
            envelope=held.envelope_sha256,
        )

    def _enter(self, intake: Intake) -> None:
        if intake.caller != intake.sender:
            raise GatewayRefusal("auth-invalid")
        if intake.key in self._running:
            raise GatewayRefusal("busy")
        self._running[intake.key] = intake

    def _leave(self, intake: Intake, paused: bool) -> None:
        """Forget an intake, or keep it for the next segment."""
        if self._running.get(intake.key) is intake:
            del self._running[intake.key]
        self._admission.leave(intake.key)
        if paused:
            self._paused[intake.key] = intake

    async def _restore(self, caller: str, sender: str, bid: str) -> Intake | None:
        """Return an upload that was under way when this process stopped, hashing again what is durable."""
        held = await self._database.read(lambda c: uploads.find_upload(c, sender, bid))
        if held is None:
            return None
        intake = Intake(self._reception, caller=caller, token=None, sender=sender, bid=bid)
        try:
            await intake.restore(held)
        except (Refusal, OSError):
            # What is on the disk does not fit the row: start over rather than guess.
            await self._database.write(lambda tx: uploads.drop_upload(tx, sender, bid))
            return None
        return intake

    async def resume_relayed(self) -> int:
        """Open every bundle that was only relayed and that nobody is opening; return how many there are.

        For the next start after a crash, and for whenever its outcome could not be stored.
        """
        waiting = [key for key in await self._database.read(bundles.relayed) if key not in self._opening]
        for key in waiting:
            self._keep(key, self._releaser.open_relayed(key))
        return len(waiting)

    def _keep(self, key: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
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
        rows = await self._database.read(lambda c: uploads.expired_uploads(c, now))
        if rows:
            await self._database.write(partial(_drop, rows))
        for row in rows:
            await self._let_go((row.sender, row.bid))
            if row.temporary is not None:
                await self._blobs.discard(row.temporary)
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


def _drop(rows: Sequence[uploads.UploadRow], tx: Transaction) -> None:
    for row in rows:
        uploads.drop_upload(tx, row.sender, row.bid)
