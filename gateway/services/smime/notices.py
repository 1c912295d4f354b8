"""What machines say about letters: delivery notices, and notices of reading.

A delivery notice is a note that anybody could have written; one that reports a failure brings forward what
comes next anyway, and that is all it does. A notice of reading counts only signed by the addressee's
certificate, by a person's own act, about a letter of ours: then it becomes a receipt, and still acknowledges
nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from adapters.mimeread import MimePart
from crypto.encoding import is_bid, lp
from gateway.clock import Clock
from gateway.model.channels import LETTERS, SEALED_MAIL
from gateway.model.dsn import Action, RecipientStatus, StatusUnreadable, parse_delivery_status
from gateway.model.mdn import ReadingNotice, parse_reading_notice
from gateway.model.receipt import ReceiptType
from gateway.model.transmission import TransmissionKey
from gateway.services.delivery import mailbook
from gateway.services.directory import Directory
from gateway.services.proofs.stamp import Stamp
from gateway.services.smime.entityform import OpenedLetter
from gateway.services.smime.letterbox import Letterbox, answers
from gateway.storage import letters, transmissions
from gateway.storage.database import Database, IntegrityError, Transaction
from gateway.storage.letters import ReturnRow

_STATUS, _DISPOSITION = "message/delivery-status", "message/disposition-notification"
_UNKNOWN = "mail-notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a delivery notice is about: our mail on one channel to one authority."""

    key: TransmissionKey
    channel: str
    said: RecipientStatus


class MailNotices:
    """Takes notices. Each method returns ``None``, or the reason for which a mail is to be set aside."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        letterbox: Letterbox,
        stamp: Stamp,
        authority_id: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._letterbox = letterbox
        self._stamp = stamp
        self._authority_id = authority_id
        self._clock = clock

    async def delivery(self, mail: MimePart) -> str | None:
        """Take a delivery notice (RFC 3464); durable when it returns."""
        status = next((part for part in mail.leaves() if part.media == _STATUS), None)
        about = None if status is None else await self._about(status.body())
        if about is None:
            return _UNKNOWN
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            if about.said.action is Action.FAILED:
                mailbook.bounced(tx, about.key, channel=about.channel, now=now)
            _note(tx, about.key, f"dsn-{about.said.action}", now)

        await self._database.write(unit)
        return None

    async def _about(self, body: bytes) -> _About | None:
        """Return what a report is about, ``None`` unless it is a mail of ours to an address of its record."""
        try:
            report = parse_delivery_status(body)
        except StatusUnreadable:
            return None
        bid = report.envelope_id
        if not is_bid(bid):
            return None
        rows = await self._database.read(lambda c: transmissions.transmissions_of(c, self._authority_id, bid))
        for row in rows:
            entry = self._directory.lookup(row.to_aid).entry
            for channel in () if entry is None else entry.channels:
                said = report.about(channel.address)
                if said is not None and channel.channel in (LETTERS, SEALED_MAIL):
                    key = (row.sender, row.bid, row.to_aid)
                    return _About(key=key, channel=channel.channel, said=said)
        return None

    async def reading(self, letter: OpenedLetter, *, mailbox: str) -> str | None:
        """Take a notice of reading that the authority's certificate signed (RFC 8098); durable."""
        part = next((each for each in letter.enclosures if each.media_type == _DISPOSITION), None)
        try:
            notice = None if part is None else parse_reading_notice(part.content)
        except StatusUnreadable:
            notice = None
        if notice is None:
            return _UNKNOWN
        sent = await self._letterbox.to(letter.correspondent.authority_id)
        found = answers(sent, [f"<{notice.message_id}>"], mailbox)
        if len(found) != 1:
            return _UNKNOWN
        key, now = found[0].key, self._clock.now()
        is_read = notice.says_read and await self._is_what_was_sent(key, notice)
        try:
            await self._database.write(lambda tx: self._enter(tx, key, is_read=is_read, now=now))
        except IntegrityError:
            # The same notice, at the same moment.
            return None
        return None

    async def _is_what_was_sent(self, key: TransmissionKey, notice: ReadingNotice) -> bool:
        """Tell whether the digest of what was received, if the notice has one, is that of our mail."""
        if notice.mic is None:
            return True
        if notice.mic.algorithm != "sha256":
            return False
        digest = notice.mic.digest.hex()
        return await self._database.read(lambda c: letters.was_signed(c, key, digest))

    def _enter(self, tx: Transaction, key: TransmissionKey, *, is_read: bool, now: datetime) -> None:
        if not is_read:
            _note(tx, key, "mdn-unproved", now)
            return
        if _add(tx, key, kind="read", code=None, now=now):
            mailbook.issue(tx, self._stamp, ReceiptType.MAIL_READ, key, now=now)


def _note(tx: Transaction, key: TransmissionKey, code: str, now: datetime) -> None:
    """Enter what was said, once for each letter: whoever repeats it fills no log."""
    if _add(tx, key, kind="note", code=code, now=now):
        mailbook.note(tx, key, code, now)


def _add(tx: Transaction, key: TransmissionKey, *, kind: str, code: str | None, now: datetime) -> bool:
    said = lp(kind.encode(), *(each.encode() for each in key), (code or "").encode())
    digest = hashlib.sha256(said).hexdigest()
    if letters.find_return(tx.view(("mail_return", digest)), digest) is not None:
        return False
    row = ReturnRow(
        digest=digest,
        sender=key[0],
        bid=key[1],
        to_aid=key[2],
        kind=kind,
        code=code,
        record=None,
        at=now,
    )
    letters.add_return(tx, row)
    return True
