"""What people answer to our letters: believed by signature or by two persons, and filed with its case.

The code that stood inside the letter shows that somebody opened it; the signature of the directory's
certificate shows who writes. Both make a strong reply, which acknowledges; the code alone waits for two
persons of ours and a telephone. What a machine sent by itself never acknowledges. What cannot be placed is
set aside with a reason, and nothing is changed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from adapters.mimeread import MailUnreadable, MimePart, sole_address
from crypto.encoding import lp
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.codes import Side, Track
from gateway.model.mailtriage import Kind
from gateway.model.message import acknowledgement_type
from gateway.model.receipt import ReceiptType
from gateway.model.request import REQUEST_TYPES
from gateway.services.casework.casebook import Casebook
from gateway.services.casework.casemail import ByMail, record
from gateway.services.delivery import mailbook
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.mail.human import HumanPost
from gateway.services.proofs.stamp import Stamp
from gateway.services.smime.correspondents import correspondents, mailbox_of_entry
from gateway.services.smime.entityform import OpenedLetter
from gateway.services.smime.letterbox import Letterbox, answers, looks_like_a_code
from gateway.services.smime.notices import MailNotices
from gateway.services.smime.opening import open_letter
from gateway.services.smime.record import LETTER_TYPE, Believed, Kept, Recorder, record_form, reply_files
from gateway.services.tasks import raise_task
from gateway.storage import bundles, cases, letters
from gateway.storage.cases import CaseRow, MessageRow
from gateway.storage.database import Connection, Database, IntegrityError, Transaction
from gateway.storage.letters import LetterRow, ReturnRow

#: Replies to one letter that are kept, by whether somebody signed them; more are set aside, where room is
#: bounded.
MOST_KEPT = {True: 200, False: 20}

#: Kind of the task for two persons; its ``bid`` is the letter's.
TASK_KIND = "mail_reply"
UNSIGNED = "mail-unsigned"

SIGNED = "mail_signature"
_UNCONFIRMED = "none"

_SHOWN_AGAIN = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A person's words, however they came."""

    text: str = field(repr=False)
    files: tuple[Kept, ...] = field(repr=False)
    evidence: bytes = field(repr=False)
    #: Identity of what was said: the same words twice are one reply.
    digest: str
    is_signed: bool
    believed: Believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The case of a letter: its row, the letter's own message, and all messages."""

    case: CaseRow
    about: MessageRow
    messages: Sequence[MessageRow]
    lane: str

    @property
    def acknowledges(self) -> str | None:
        """The type by which a reply acknowledges the letter; ``None`` if it is no request, or is already."""
        kind = acknowledgement_type(Track(self.case.track))
        is_open = self.case.side == Side.REQUESTING and self.about.message_type in REQUEST_TYPES
        if not is_open or any(row.message_type == kind for row in self.messages):
            return None
        return kind


class Replies:
    """Takes mails of people (``services.mail.human``)."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        keyring: Keyring,
        recorder: Recorder,
        casebook: Casebook,
        stamp: Stamp,
        letterbox: Letterbox,
        notices: MailNotices,
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._keyring = keyring
        self._recorder = recorder
        self._casebook = casebook
        self._stamp = stamp
        self._letterbox = letterbox
        self._notices = notices
        self._clock = clock

    async def take(self, post: HumanPost) -> str | None:
        """Deal with a mail, durably; return ``None``, or the reason for which it is to be set aside."""
        if post.kind is Kind.DSN:
            return await self._notices.delivery(post.tree)
        if post.kind is Kind.MDN:
            return "mail-notice"
        if post.kind is Kind.SMIME:
            return await self._take_letter(post)
        return await self._take_unsigned(post)

    async def _take_letter(self, post: HumanPost) -> str | None:
        now, mailbox = self._clock.now(), mailbox_of_entry(self._directory.own)
        if mailbox is None:
            return "mail-human"
        try:
            letter = open_letter(
                post.raw,
                keys=self._keyring.mail_openers(),
                own=mailbox,
                correspondents=correspondents(self._directory, now),
                now=now,
            )
        except GatewayRefusal as refusal:
            return refusal.code
        if letter.report_type is not None:
            return await self._notices.reading(letter, mailbox=mailbox)
        if post.is_automatic:
            return "mail-automatic"
        aid = letter.correspondent.authority_id
        sent = await self._letterbox.to(aid)
        quoted = self._letterbox.quoted(sent, letter.text)
        reply = _signed_reply(letter, post)
        # Headers that nobody signed place nothing: what was written to others would stand in a case of ours.
        references = letter.references if letter.is_protected else ()
        del letter  # large, and its evidence is in the reply
        if quoted:
            return await self._file_all(quoted, reply, has_code=True)
        if looks_like_a_code(reply.text):
            return "mail-code-wrong"
        named = answers(sent, references, mailbox)
        if len(named) != 1:
            return "mail-no-case"
        return await self._file_all(named, reply, has_code=False)

    async def _take_unsigned(self, post: HumanPost) -> str | None:
        """Take a mail that nobody signed: only with the code of a letter to the office it says it is from."""
        address = sole_address(post.tree.header("from") or "")
        entry = None if address is None else self._office(address)
        text = _plain_text(post.tree)
        if entry is None or address is None or not text:
            return "mail-human"
        quoted = self._letterbox.quoted(await self._letterbox.to(entry), text)
        if not quoted:
            return "mail-code-wrong" if looks_like_a_code(text) else "mail-human"
        if post.is_automatic:
            return "mail-automatic"
        believed = Believed(assurance=_UNCONFIRMED, received_at=post.received_at, address=address)
        reply = Reply(
            text=text,
            files=(),
            evidence=post.raw,
            digest=post.sha256,
            is_signed=False,
            believed=believed,
        )
        return await self._file_all(quoted, reply, has_code=True)

    def _office(self, address: str) -> str | None:
        """Return whose office reads a mailbox; ``None`` if nobody's, or that of several."""
        wanted = address.lower()
        found = {
            str(entry.authority_id)
            for entry in self._directory.entries()
            if (mailbox_of_entry(entry) or "").lower() == wanted
        }
        return found.pop() if len(found) == 1 else None

    async def _file_all(self, found: Sequence[LetterRow], reply: Reply, *, has_code: bool) -> str | None:
        """Record a reply with each letter's case; return why it is set aside if one has too many already."""
        kind = "reply" if reply.is_signed else "unsigned"
        most, is_full = MOST_KEPT[reply.is_signed], False
        for letter in found:
            kept = await self._database.read(partial(letters.count_returns, key=letter.key, kind=kind))
            if kept < most:
                await self._file(letter, reply, has_code=has_code)
            is_full = is_full or kept >= most
        return "mail-human" if is_full else None

    async def _file(self, letter: LetterRow, reply: Reply, *, has_code: bool) -> None:
        """Record a reply with its case; the same reply again changes nothing."""
        digest = hashlib.sha256(lp(reply.digest.encode(), letter.bid.encode())).hexdigest()
        if await self._database.read(lambda c: letters.find_return(c, digest)) is not None:
            return
        place = await self._database.read(lambda c: find_place(c, letter.key))
        if place is None:
            raise GatewayRefusal("mail-no-case")
        now = self._clock.now()
        is_proof = has_code and reply.is_signed
        kind = (place.acknowledges if is_proof else None) or LETTER_TYPE
        form = record_form(
            own=letter.sender,
            message_type=kind,
            case=place.case,
            about=place.about,
            believed=reply.believed,
            now=now,
        )
        files = reply_files(reply.text, reply.evidence, is_signed=reply.is_signed, attachments=reply.files)
        sealed = await self._recorder.seal(form, files, case=place.case, lane=place.lane, now=now)
        row = ReturnRow(
            digest=digest,
            sender=letter.sender,
            bid=letter.bid,
            to_aid=letter.to_aid,
            kind="reply" if reply.is_signed else "unsigned",
            code=None,
            record=sealed.envelope.bid,
            at=now,
        )

        def unit(tx: Transaction) -> None:
            letters.add_return(tx, row)
            self._recorder.shelve(tx, sealed, now)
            if is_proof:
                settle(tx, self._stamp, letter, now=now)
            elif not reply.is_signed:
                self._ask_two(tx, letter)
            mail = ByMail(
                form=form,
                peer=letter.to_aid,
                assurance=reply.believed.assurance,
                officer=None,
                to_read=bool(reply.files) or kind == LETTER_TYPE,
                at=now,
            )
            record(self._casebook, tx, mail)

        try:
            await self._database.write(unit)
        except IntegrityError:
            # The same reply, taken at the same moment by another way.
            return

    def _ask_two(self, tx: Transaction, letter: LetterRow) -> None:
        now = self._clock.now()
        raise_task(
            tx,
            kind=TASK_KIND,
            sender=letter.sender,
            bid=letter.bid,
            thread_id=None,
            owner="operator",
            code=UNSIGNED,
            now=now,
            shown_again_at=now + _SHOWN_AGAIN,
        )


def settle(tx: Transaction, stamp: Stamp, letter: LetterRow, *, now: datetime) -> None:
    """Issue the receipt of a matched reply and end the transmission."""
    receipt = mailbook.issue(tx, stamp, ReceiptType.MAIL_REPLY, letter.key, now=now)
    if receipt is not None:
        mailbook.answered(tx, letter.key, receipt, now=now)


def find_place(connection: Connection, key: tuple[str, str, str]) -> Place | None:
    """Return the case that a letter belongs to."""
    found = cases.case_of_message(connection, key[0], key[1])
    held = bundles.find_bundle(connection, key[0], key[1])
    if found is None or held is None:
        return None
    case, rows = found
    about = next(row for row in rows if (row.sender, row.bid) == key[:2])
    return Place(case=case, about=about, messages=rows, lane=held.lane)


def _signed_reply(letter: OpenedLetter, post: HumanPost) -> Reply:
    certificate = letter.correspondent.certificate
    return Reply(
        text=letter.text,
        files=tuple(Kept(name=e.name, media=e.media_type, content=e.content) for e in letter.enclosures),
        evidence=letter.signed,
        # What was signed, whoever wraps it again and however.
        digest=_digest(certificate, letter.entity),
        is_signed=True,
        believed=Believed(
            assurance=SIGNED,
            received_at=post.received_at,
            address=letter.correspondent.address,
            certificate=hashlib.sha256(certificate).hexdigest(),
            signed_at=letter.signed_at,
        ),
    )


def _digest(certificate: bytes, entity: bytes) -> str:
    """Return the digest of ``lp(b"signed", certificate, entity)``, without a copy of what is large."""
    digest = hashlib.sha256(lp(b"signed", certificate))
    digest.update(len(entity).to_bytes(4, "big"))
    digest.update(entity)
    return digest.hexdigest()


def _plain_text(mail: MimePart) -> str:
    """Return the readable text of a mail that nobody signed; nothing else of it is looked at."""
    leaf = next((part for part in mail.leaves() if part.media == "text/plain"), None)
    if leaf is None or leaf.disposition == "attachment":
        return ""
    try:
        return leaf.text()
    except MailUnreadable:
        return ""
