"""What officers do with cases: look, open, acknowledge. Every act is entered in the log under a pseudonym.

Opening decrypts into a folder the officer names and nowhere else; the first time it earns the sender a
handover receipt. An acknowledgement is a person's statement for the authority: a message, sealed and sent
like a request, never a receipt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from crypto.bundle import ManifestPart
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance, Lane, Side, Track
from gateway.model.escalation import is_signed
from gateway.model.message import MessageInvalid, acknowledgement_type
from gateway.model.names import display_name, safe_alias
from gateway.model.receipt import ReceiptType
from gateway.model.request import lane_of
from gateway.services.acts.acts import Acts, PreparedAct
from gateway.services.casework.acknowledgement import acknowledgement
from gateway.services.casework.casefile import (
    BundleRef,
    CaseStatus,
    InboxItem,
    ReceiptInfo,
    SentItem,
    inbox_item,
    receipt_info,
    resolve,
    sent_item,
    status_of,
)
from gateway.services.casework.caserows import requests_of
from gateway.services.casework.library import Library, OpenBundle
from gateway.services.casework.openfolder import create, empty_folder
from gateway.services.directory import Directory
from gateway.services.proofs.stamp import Stamp, Subject
from gateway.services.proofs.wire import ReceiptWire
from gateway.services.sending.submit import Submission
from gateway.storage import caselists, cases
from gateway.storage.database import Database, Transaction
from gateway.storage.receipts import ReceiptRow, receipts_of

#: Rows of a list at most.
_LIST_LIMIT = 1000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """A file that was written: ``path`` is safe; ``filename`` is what its sender called it, made visible."""

    path: str
    filename: str | None = field(repr=False)
    media: str | None
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle in clear, in the folder that was named."""

    sender: str
    bid: str
    message_type: str
    files: Sequence[OpenedFile]


class Cases:
    """The officer's acts."""

    def __init__(
        self,
        *,
        database: Database,
        library: Library,
        directory: Directory,
        authority_id: str,
        stamp: Stamp,
        acts: Acts,
        wire: ReceiptWire,
        clock: Clock,
        on_receipt: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._authority_id = authority_id
        self._stamp = stamp
        self._acts = acts
        self._wire = wire
        self._clock = clock
        self._on_receipt = on_receipt

    async def resolve(self, ref: str) -> BundleRef:
        """Return the bundle that a reference names: ``bid``, ``from/bid``, or either side's reference.

        A reference stands for the request of its case. Raises ``GatewayRefusal`` ``not-found`` or
        ``ambiguous-reference``.
        """
        return await self._database.read(lambda c: resolve(c, ref))

    async def inbox(self) -> list[InboxItem]:
        """Return what has arrived, urgent first, then newest first."""
        rows = await self._database.read_slow(lambda c: caselists.inbox(c, _LIST_LIMIT))
        rows.sort(key=lambda row: row.lane != "urgent")
        return [inbox_item(row) for row in rows]

    async def sent(self) -> list[SentItem]:
        """Return the requests of this authority, newest first, whether they have left or not."""
        rows = await self._database.read_slow(lambda c: caselists.sent(c, _LIST_LIMIT))
        return [sent_item(row) for row in rows]

    async def status(self, ref: str) -> CaseStatus:
        """Return where a request stands. Raises as ``resolve``."""

        return await self._database.read(lambda c: status_of(c, ref))

    async def receipts(self, ref: str) -> list[ReceiptInfo]:
        """Return every receipt about a bundle, ours and the peers', oldest first."""
        found = await self.resolve(ref)
        rows = await self._database.read(lambda c: receipts_of(c, found.sender, found.bid))
        return [await self._receipt(row) for row in rows]

    async def _receipt(self, row: ReceiptRow) -> ReceiptInfo:
        proof = row.proof
        if row.own and proof is None:
            proof = (await self._wire.receipt(row))["proof"]
        return receipt_info(row, proof)

    async def open(
        self, ref: str, directory: Path, *, officer: str = "local", progress: Progress | None = None
    ) -> Opened:
        """Decrypt a bundle into a new or empty folder; the sender of an incoming one gets a handover receipt.

        Files are named safely whatever their sender called them, readable by their owner only, and appear
        only once they were checked; if anything fails, the folder is as it was. Raises as ``resolve``;
        ``folder-not-empty``, ``folder-unusable``, ``content-erased``; ``StorageFull``.
        """
        found = await self.resolve(ref)
        bundle = await self._library.open(found.sender, found.bid)
        total, done = sum(part.size for part in bundle.manifest.parts), 0

        def advance(step: int) -> None:
            nonlocal done
            done += step
            if progress is not None:
                progress(done, total)

        with empty_folder(directory):
            files = [await self._write(bundle, part, directory, advance) for part in bundle.manifest.parts]
            await self._note_opened(found, bundle, officer)
        return Opened(
            sender=found.sender,
            bid=found.bid,
            message_type=bundle.manifest.message_type,
            files=files,
        )

    async def _write(
        self, bundle: OpenBundle, part: ManifestPart, directory: Path, advance: Callable[[int], None]
    ) -> OpenedFile:
        path = directory / safe_alias(part.name, part.n)
        unchecked = directory / f".part-{part.n}"
        try:
            with create(unchecked) as sink:
                await self._library.read_part(bundle, part.n, sink, progress=advance)
        except BaseException:
            unchecked.unlink(missing_ok=True)
            raise
        unchecked.rename(path)
        return OpenedFile(
            path=str(path),
            filename=display_name(part.name),
            media=part.media,
            size_bytes=part.size,
            sha256=part.sha256,
        )

    async def _note_opened(self, found: BundleRef, bundle: OpenBundle, officer: str) -> None:
        """Enter that an officer opened a bundle; the first time, for its sender, with a handover receipt."""
        now, env = self._clock.now(), bundle.envelope

        def unit(tx: Transaction) -> None:
            tx.audit(
                PendingAuditEntry(
                    event="person.opened",
                    body={
                        "from": found.sender,
                        "bid": found.bid,
                        "officer": officer,
                        "assurance": str(Assurance.LOCAL_OPERATOR),
                    },
                    at=now,
                )
            )
            held = cases.find_message(tx.view((found.sender, found.bid)), found.sender, found.bid)
            if held is None or held.opened_at is not None or found.sender == self._authority_id:
                return
            cases.set_opened(tx, found.sender, found.bid, now)
            subject = Subject(
                sender=found.sender,
                bid=found.bid,
                envelope=env.digest,
                manifest=env.manifest,
                to=found.sender,
            )
            receipt = self._stamp.issue(tx, ReceiptType.HANDOVER, subject, at=now)
            self._wire.push(tx, receipt, lane=env.lane, now=now)
            tx.after_commit(self._on_receipt)

        await self._database.write(unit)

    async def acknowledge(
        self,
        ref: str,
        *,
        officer: str,
        office: str | None = None,
        reference: str | None = None,
        email: str | None = None,
        consents: Sequence[str] = (),
    ) -> Submission | PreparedAct:
        """Acknowledge an incoming request: a person says that the authority has it.

        A thread may hold several; meant is the one that ``ref`` names, the first one otherwise. An officer
        with a passkey gets the act to sign, the same one as long as the thread stands still.
        ``consents`` as for ``Submitter.submit``. Raises as ``resolve`` and ``Acts.perform``;
        ``not-acknowledgeable``, ``already-acknowledged``, ``form-invalid``, ``consent-not-needed``.
        """
        signs = await self._acts.are_signed()
        form, stored_at = await self._acknowledgement(ref, officer, office, reference, email, signs=signs)
        for act in await self._acts.waiting(officer):
            if (act.thread_id, act.message_type) == (form["thread"]["thread_id"], form["message_type"]):
                if stored_at is not None and act.prepared_at >= stored_at:
                    return act
                await self._acts.withdraw(act.id)
        return await self._acts.perform(form, officer=officer, consents=consents)

    async def acknowledge_by_telephone(
        self,
        ref: str,
        *,
        officer: str,
        second: str,
        office: str | None = None,
        reference: str | None = None,
        email: str | None = None,
        consents: Sequence[str] = (),
    ) -> Submission:
        """Acknowledge for an officer whose phone is lost and whom ``second`` rang back; marked low.

        Raises as ``acknowledge`` and ``Acts.send``.
        """
        form, _ = await self._acknowledgement(ref, officer, office, reference, email, signs=True)
        return await self._acts.send(
            form,
            officer=officer,
            assurance=Assurance.SECOND_PERSON_TELEPHONE,
            second_officer=second,
            consents=consents,
        )

    async def _acknowledgement(
        self,
        ref: str,
        officer: str,
        office: str | None,
        reference: str | None,
        email: str | None,
        *,
        signs: bool,
    ) -> tuple[Mapping[str, Any], datetime | None]:
        """Return the form, and when the last message of its thread was stored.

        ``None`` where an act that waits may acknowledge another request of the thread.
        """
        found = await self.resolve(ref)
        case, rows = await self._database.read(
            lambda c: (
                cases.find_case(c, found.thread_id, found.peer),
                cases.messages_of(c, found.thread_id, found.peer),
            )
        )
        asked = list(requests_of(rows))
        if case is None or not asked or case.side != Side.REQUESTED:
            raise GatewayRefusal("not-acknowledgeable")
        request = next((row for row in asked if (row.sender, row.bid) == (found.sender, found.bid)), asked[0])
        kind, about = acknowledgement_type(Track(case.track)), {None, f"{request.sender}/{request.bid}"}
        held = [
            row
            for row in rows
            if row.message_type == kind and row.sender == self._authority_id and row.in_reply_to in about
        ]
        if held and not (signs and _may_be_signed(case, held)):
            raise GatewayRefusal("already-acknowledged")
        try:
            form = acknowledgement(
                self._directory.own,
                case,
                request,
                rows,
                officer=officer,
                office=office,
                reference=reference,
                email=email,
                now=self._clock.now(),
            )
        except MessageInvalid as invalid:
            raise GatewayRefusal("form-invalid", items=[{"field": "", "sentence": str(invalid)}]) from None
        return form, max(row.stored_at for row in rows) if len(asked) == 1 else None


def _may_be_signed(case: cases.CaseRow, held: Sequence[cases.MessageRow]) -> bool:
    """Tell whether an urgent request was acknowledged with nobody's signature: a person may still sign."""
    is_urgent = lane_of(case.urgency_level, case.request_kind) is Lane.URGENT
    return is_urgent and not any(is_signed(row.assurance) for row in held)
