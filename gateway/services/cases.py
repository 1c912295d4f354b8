"""What officers do with cases: look, open, acknowledge. Every act is entered in the log under a pseudonym.

Opening decrypts into a folder the officer names and nowhere else; the first time it earns the sender a
handover receipt. An acknowledgement is a person's statement for the authority: a message, sealed and sent
like a request, never a receipt.
"""

import errno
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from crypto.bundle import ManifestPart
from gateway.clock import Clock
from gateway.errors import GatewayRefusal, StorageFull
from gateway.model.audit import PendingAuditEntry
from gateway.model.codes import Assurance, Side, Track, code_list
from gateway.model.message import (
    Human,
    MessageInvalid,
    Office,
    Place,
    ThreadParties,
    acknowledgement_type,
    build_acknowledgement,
    build_preservation_acknowledgement,
)
from gateway.model.names import display_name, safe_alias
from gateway.model.next_step import sentence_for
from gateway.model.receipt import PROVES, ReceiptType
from gateway.model.request import REQUEST_TYPES
from gateway.services.directory import Directory
from gateway.services.library import Library, OpenBundle
from gateway.services.stamp import Stamp, Subject
from gateway.services.submit import Submission, Submitter
from gateway.services.wire import ReceiptWire
from gateway.storage import bundles, cases, channels, peers, transmissions
from gateway.storage.database import Connection, Database, Transaction
from gateway.storage.receipts import ReceiptRow, receipts_of

_FULL_REFERENCE = re.compile(r"([a-z]{2}(?:-[a-z0-9]+)+)/([0-9a-f]{32})\Z")
_BUNDLE_ID = re.compile(r"[0-9a-f]{32}\Z")

_INBOX_LIMIT = 1000

#: When the requested authority says it will report next, and when its next step is to be expected.
_NEXT_REPORT = timedelta(hours=2)
_NEXT_STEP = timedelta(days=7)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRef:
    """A bundle here, and the case it belongs to."""

    sender: str
    bid: str
    thread_id: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One incoming message, with what a list may show: references, never content."""

    sender: str
    bid: str
    thread_id: str
    message_type: str
    request_kind: str
    urgency_level: str
    lane: str
    size_bytes: int
    reference_requesting: str | None = field(repr=False)
    reference_requested: str | None = field(repr=False)
    state: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    stored_at: datetime
    opened_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatus:
    """Where a request stands; ``sentence`` says why and who acts next."""

    sender: str
    bid: str
    thread_id: str
    peer: str
    side: str
    track: str
    request_kind: str
    urgency_level: str
    lane: str
    state: str
    state_at: datetime
    reference_requesting: str | None = field(repr=False)
    reference_requested: str | None = field(repr=False)
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    sentence: str
    transmissions: Sequence["TransmissionStatus"]
    messages: Sequence[cases.MessageRow]
    tasks: Sequence[peers.TaskRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmissionStatus:
    """Where one of our bundles is on its way; ``consents``: what was said to channels of lower protection."""

    to: str
    state: str
    channel: str | None
    attempts: int
    last_code: str | None
    next_action: str
    next_action_at: datetime | None
    owner: str | None
    consents: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptInfo:
    """One receipt with what it proves; ``in_log`` if its place in the issuer's log is known here."""

    type: str
    iss: str
    sender: str
    bid: str
    n: int
    at: datetime
    reason: str | None
    proves: str
    own: bool
    in_log: bool
    jws: str = field(repr=False)
    leaf: str | None = field(repr=False)
    salt: bytes | None = field(repr=False)
    body: str | None = field(repr=False)
    proof: str | None = field(repr=False)


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
        submitter: Submitter,
        wire: ReceiptWire,
        clock: Clock,
        on_receipt: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._authority_id = authority_id
        self._stamp = stamp
        self._submitter = submitter
        self._wire = wire
        self._clock = clock
        self._on_receipt = on_receipt

    async def resolve(self, ref: str) -> BundleRef:
        """Return the bundle that a reference names: ``bid``, ``from/bid``, or either side's reference.

        A reference stands for the request of its case. Raises ``GatewayRefusal`` ``not-found`` or
        ``ambiguous-reference``.
        """
        return await self._database.read(lambda c: _resolve(c, ref))

    async def inbox(self) -> list[InboxItem]:
        """Return what has arrived, urgent first, then newest first."""
        rows = await self._database.read_slow(lambda c: cases.inbox(c, _INBOX_LIMIT))
        rows.sort(key=lambda row: row.lane != "urgent")
        return [
            InboxItem(
                sender=row.message.sender,
                bid=row.message.bid,
                thread_id=row.message.thread_id,
                message_type=row.message.message_type,
                request_kind=row.case.request_kind,
                urgency_level=row.case.urgency_level,
                lane=row.lane,
                size_bytes=row.size_bytes,
                reference_requesting=row.case.reference_requesting,
                reference_requested=row.case.reference_requested,
                state=row.case.state,
                next_actor=row.case.next_actor,
                next_action=row.case.next_action,
                next_action_at=row.case.next_action_at,
                stored_at=row.message.stored_at,
                opened_at=row.message.opened_at,
            )
            for row in rows
        ]

    async def status(self, ref: str) -> CaseStatus:
        """Return where a request stands. Raises as ``resolve``."""

        def query(connection: Connection) -> CaseStatus:
            found = _resolve(connection, ref)
            case = cases.find_case(connection, found.thread_id, found.peer)
            held = bundles.find_bundle(connection, found.sender, found.bid)
            if case is None or held is None:
                raise GatewayRefusal("not-found")
            sent = transmissions.transmissions_of(connection, found.sender, found.bid)
            return CaseStatus(
                sender=found.sender,
                bid=found.bid,
                thread_id=case.thread_id,
                peer=case.peer,
                side=case.side,
                track=case.track,
                request_kind=case.request_kind,
                urgency_level=case.urgency_level,
                lane=held.lane,
                state=case.state,
                state_at=case.state_at,
                reference_requesting=case.reference_requesting,
                reference_requested=case.reference_requested,
                next_actor=case.next_actor,
                next_action=case.next_action,
                next_action_at=case.next_action_at,
                sentence=sentence_for(case.state, case.next_action),
                transmissions=[_transmission(connection, row) for row in sent],
                messages=(rows := cases.messages_of(connection, case.thread_id, case.peer)),
                tasks=_tasks_of(connection, case, rows),
            )

        return await self._database.read(query)

    async def receipts(self, ref: str) -> list[ReceiptInfo]:
        """Return every receipt about a bundle, ours and the peers', oldest first."""
        found = await self.resolve(ref)
        rows = await self._database.read(lambda c: receipts_of(c, found.sender, found.bid))
        return [await self._receipt(row) for row in rows]

    async def _receipt(self, row: ReceiptRow) -> ReceiptInfo:
        proof = row.proof
        if row.own and proof is None:
            proof = (await self._wire.receipt(row))["proof"]
        known = row.type in set(ReceiptType)
        return ReceiptInfo(
            type=row.type,
            iss=row.iss,
            sender=row.sender,
            bid=row.bid,
            n=row.n,
            at=row.at,
            reason=row.reason,
            proves=PROVES[ReceiptType(row.type)] if known else "",
            own=row.own,
            in_log=proof is not None,
            jws=row.jws,
            leaf=row.leaf,
            salt=row.salt,
            body=row.body,
            proof=proof,
        )

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

        with _empty_folder(directory):
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
            with _create(unchecked) as sink:
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
    ) -> Submission:
        """Send the acknowledgement of an incoming request: a person says that the authority has it.

        Raises as ``resolve``; ``not-acknowledgeable``, ``already-acknowledged``, ``form-invalid``.
        """
        found = await self.resolve(ref)
        case, rows = await self._database.read(
            lambda c: (
                cases.find_case(c, found.thread_id, found.peer),
                cases.messages_of(c, found.thread_id, found.peer),
            )
        )
        request = next((row for row in rows if row.message_type in REQUEST_TYPES), None)
        if case is None or request is None or case.side != Side.REQUESTED:
            raise GatewayRefusal("not-acknowledgeable")
        kind = acknowledgement_type(Track(case.track))
        if any(row.message_type == kind and row.sender == self._authority_id for row in rows):
            raise GatewayRefusal("already-acknowledged")
        try:
            form = self._acknowledgement(case, request, rows, officer, office, reference)
        except MessageInvalid as invalid:
            raise GatewayRefusal("form-invalid", items=[{"field": "", "sentence": str(invalid)}]) from None
        return await self._submitter.send_message(form, attachments=(), officer=officer)

    def _acknowledgement(
        self,
        case: cases.CaseRow,
        request: cases.MessageRow,
        rows: Sequence[cases.MessageRow],
        officer: str,
        office: str | None,
        reference: str | None,
    ) -> dict[str, object]:
        now = self._clock.now()
        own, theirs = _counters(rows, self._authority_id)
        parties = ThreadParties(
            thread_id=case.thread_id,
            requesting=case.peer,
            requested=self._authority_id,
            reference_requesting=case.reference_requesting or "",
            reference_requested=reference or case.reference_requested or self._reference(case, now),
        )
        place = Place(
            bid=secrets.token_hex(16),
            side=Side.REQUESTED,
            seq=own + 1,
            seen=theirs,
            in_reply_to=f"{request.sender}/{request.bid}",
        )
        received_at = request.consigned_at or request.stored_at
        author = self._office(office, Track(case.track))
        human = Human(assurance=Assurance.LOCAL_OPERATOR, officer=officer)
        if case.track == Track.PRESERVATION:
            return build_preservation_acknowledgement(
                parties=parties,
                place=place,
                author=author,
                now=now,
                language=case.language,
                received_at=received_at,
                read_at=request.opened_at or now,
                next_report_by=now + _NEXT_REPORT,
                human=human,
            )
        return build_acknowledgement(
            parties=parties,
            place=place,
            author=author,
            now=now,
            language=case.language,
            received_at=received_at,
            human=human,
            next_step_by=(now + _NEXT_STEP).date(),
        )

    def _office(self, office: str | None, track: Track) -> Office:
        """Return the office that speaks, as the own directory record names it."""
        entry = self._directory.own
        contacts = entry.raw.get("contacts") or [{}]
        roles = code_list("authority_role")
        role = next((r for r in entry.raw.get("roles", ()) if r in roles), "mla_central")
        return Office(
            authority_id=self._authority_id,
            office=office or contacts[0].get("office") or entry.name_en,
            function=roles[role].meaning,
            role="duty_officer" if track is Track.PRESERVATION else "operator",
            email=contacts[0].get("email") or "",
        )

    def _reference(self, case: cases.CaseRow, now: datetime) -> str:
        """Return a reference of our own for a case that was given none: stable, and naming nobody."""
        return f"{self._authority_id.upper()}/{now.year}/{case.thread_id[:8].upper()}"


@contextmanager
def _empty_folder(directory: Path) -> Iterator[None]:
    """Make the folder, readable by its owner only, or refuse one that holds anything; empty it on failure."""
    try:
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        if not made and (not directory.is_dir() or any(directory.iterdir())):
            raise GatewayRefusal("folder-not-empty")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError):
        raise GatewayRefusal("folder-unusable", field="directory") from None
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            for path in directory.iterdir():
                path.unlink()
            for path in made:
                path.rmdir()
        if not isinstance(error, OSError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from None
        raise GatewayRefusal("folder-unusable", field="directory") from None


def _create(path: Path) -> io.FileIO:
    """Return a new file that only its owner may read; one that is there already is never followed."""
    return io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def _counters(rows: Sequence[cases.MessageRow], own: str) -> tuple[int, int]:
    """Return our last ``seq``, and the highest of the other side up to which none is missing."""
    ours = max((row.seq for row in rows if row.sender == own), default=0)
    theirs = {row.seq for row in rows if row.sender != own}
    seen = 0
    while seen + 1 in theirs:
        seen += 1
    return ours, seen


def _tasks_of(
    connection: Connection, case: cases.CaseRow, rows: Sequence[cases.MessageRow]
) -> list[peers.TaskRow]:
    """Return the open tasks of a case and of its messages, oldest first."""
    about = peers.open_tasks_about(connection, sender=case.peer, thread_id=case.thread_id)
    for row in rows:
        about += peers.open_tasks_about(connection, sender=row.sender, bid=row.bid)
    return sorted({task.id: task for task in about}.values(), key=lambda task: task.created_at)


def _transmission(connection: Connection, row: transmissions.TransmissionRow) -> TransmissionStatus:
    return TransmissionStatus(
        to=row.to_aid,
        state=row.state,
        channel=row.channel,
        attempts=row.attempts,
        last_code=row.last_code,
        next_action=row.next_action,
        next_action_at=row.next_action_at,
        owner=row.owner,
        consents=channels.answers_of(connection, row.sender, row.bid, row.to_aid),
    )


def _resolve(connection: Connection, ref: str) -> BundleRef:
    full = _FULL_REFERENCE.match(ref)
    if full is not None:
        return _of_message(connection, [(full[1], full[2])])
    if _BUNDLE_ID.match(ref):
        return _of_message(connection, bundles.find_by_bid(connection, ref))
    # No reference holds control characters, and a database may refuse to be asked for them.
    is_askable = all(ord(letter) >= 32 and not 0xD800 <= ord(letter) <= 0xDFFF for letter in ref)
    named = cases.cases_by_reference(connection, ref) if is_askable else []
    if len(named) > 1:
        raise GatewayRefusal("ambiguous-reference")
    rows = cases.messages_of(connection, named[0].thread_id, named[0].peer) if named else []
    first = next((row for row in rows if row.message_type in REQUEST_TYPES), rows[0] if rows else None)
    return _of_message(connection, [] if first is None else [(first.sender, first.bid)])


def _of_message(connection: Connection, found: Sequence[tuple[str, str]]) -> BundleRef:
    if len(found) > 1:
        raise GatewayRefusal("ambiguous-reference")
    held = cases.find_message(connection, *found[0]) if found else None
    if held is None:
        raise GatewayRefusal("not-found")
    return BundleRef(sender=held.sender, bid=held.bid, thread_id=held.thread_id, peer=held.peer)
