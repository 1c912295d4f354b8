"""From a sealed bundle to letters that a person's mail program opens: composed just before they leave.

The content is opened with our own storage key, mail after mail, so that only one mail's files are in memory.
The key of the acknowledgement code is durable before the first mail leaves; a repeat makes letters of the
same numbers, identifiers and code. What becomes of a letter is the courier's and ``replies``'.
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters.base import Parcel
from crypto import strictjson
from crypto.bundle import ManifestPart
from crypto.cms import ContentCipher, SignatureForm
from crypto.encoding import lp
from crypto.keys import KeyUse
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry
from gateway.model.codes import code_list
from gateway.model.fields import text
from gateway.model.mail_plan import USUAL_MESSAGE_BYTES, plan_mails
from gateway.model.manifest import FORM_MAX_BYTES
from gateway.model.request import REQUEST_TYPES
from gateway.model.transmission import TransmissionKey
from gateway.services.casework.library import Library, OpenBundle
from gateway.services.directory import Directory
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.services.quotedcode import acknowledgement_code, new_key
from gateway.services.smime.base64lines import Lines, OutgoingFile
from gateway.services.smime.contents import (
    MANIFEST_NAME,
    SEAL_NAME,
    Identity,
    as_enclosure,
    letter_media,
    manifest_bytes,
    own_name,
    readable,
    seal_bytes,
)
from gateway.services.smime.correspondents import mailbox_of_entry, smime_certificates, wishes_of
from gateway.services.smime.entityform import Letter
from gateway.services.smime.letter import Facts, ListedFile, cover_text, subject_of, title_of
from gateway.services.smime.sealing import SealedLetter, seal_letter
from gateway.services.smime.sheet import language_of, make_sheet
from gateway.storage import letters
from gateway.storage.database import Database

_FORM_PART = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """Everything of a letter but the documents of each mail."""

    bundle: OpenBundle
    address: str
    to: str
    facts: Facts = field(repr=False)
    form: bytes = field(repr=False)
    sheet: bytes = field(repr=False)
    sheet_media: str
    manifest: bytes = field(repr=False)
    manifest_name: str
    seal: bytes = field(repr=False)
    seal_name: str
    mails: Sequence[Sequence[int]]
    recipients: Sequence[bytes] = field(repr=False)
    cipher: ContentCipher
    signature: SignatureForm


class LetterDesk:
    """Composes letters from the mailbox of our own record; ``max_message_bytes`` is what our server takes."""

    def __init__(
        self,
        *,
        database: Database,
        library: Library,
        directory: Directory,
        keyring: Keyring,
        vault: Vault,
        clock: Clock,
        max_message_bytes: int,
    ) -> None:
        self._database = database
        self._library = library
        self._directory = directory
        self._keyring = keyring
        self._vault = vault
        self._clock = clock
        self._max_message_bytes = max_message_bytes

    async def parcels(self, key: TransmissionKey, *, address: str, urgent: bool) -> AsyncIterator[Parcel]:
        """Yield the mails of a bundle, each whole and encrypted; to be sent in this order.

        A parcel can be read until the next is asked for: only one mail is in memory.

        Raises ``GatewayRefusal``: ``too-large`` if no five mails can carry it, ``no-mail-certificate``,
        ``mailbox-none``, ``content-erased``; ``KeyringError`` without own keys for mail; ``StorageDamaged``.
        """
        draft = await self._draft(key, address)
        for n, documents in enumerate(draft.mails, 1):
            mail = await self._mail(draft, n, documents)
            try:
                yield _parcel(draft.bundle, mail.lines, urgent=urgent)
            finally:
                mail.lines.close()

    async def _draft(self, key: TransmissionKey, address: str) -> _Draft:
        sender, bid, to = key
        now, entry, own = self._clock.now(), self._directory.lookup(to).entry, self._directory.own
        mailbox = mailbox_of_entry(own)
        if mailbox is None:
            raise GatewayRefusal("mailbox-none")
        listed = smime_certificates(self._directory, to, KeyUse.SMIME_ENC, now)
        if entry is None or not listed:
            raise GatewayRefusal("no-mail-certificate")
        bundle = await self._library.open(sender, bid)
        parts = bundle.manifest.parts
        documents = [part for part in parts if part.n > _FORM_PART]
        wishes = wishes_of(entry)
        limit = min(wishes.max_message_bytes or USUAL_MESSAGE_BYTES, self._max_message_bytes)
        mails = plan_mails(
            [part.size for part in documents], form_bytes=parts[0].size, max_message_bytes=limit
        )
        if mails is None:
            raise GatewayRefusal("too-large")
        form_bytes = await self._read(bundle, _FORM_PART)
        form = strictjson.loads_object(form_bytes, max_bytes=FORM_MAX_BYTES)
        facts = _facts(bundle, form, entry, own=own, address=mailbox)
        facts = replace(facts, code=await self._code(key, now), total=len(mails))
        names = [part.name for part in documents]
        machine = own_name(parts[0].name, names)
        sheet = make_sheet(
            form,
            language=facts.language,
            title=title_of(facts),
            reference=facts.reference,
            form_name=machine,
        )
        ending, media, shown = await readable(sheet)
        readable_name = own_name(machine.removesuffix(".json") + ending, names)
        mail_of = {place: n for n, places in enumerate(mails, 1) for place in places}
        files = [
            ListedFile(name=readable_name, size=len(shown), sha256=_sha256(shown), mail=1),
            ListedFile(name=machine, size=parts[0].size, sha256=parts[0].sha256, mail=1),
            *(
                ListedFile(name=part.name, size=part.size, sha256=part.sha256, mail=mail_of[place])
                for place, part in enumerate(documents)
            ),
        ]
        facts = replace(facts, files=tuple(files), readable=readable_name, machine=machine)
        identity = Identity(
            sender=sender,
            to=to,
            bid=bid,
            envelope=bundle.envelope.digest,
            thread=bundle.manifest.thread,
            message_type=bundle.manifest.message_type,
            reference=facts.reference,
        )
        manifest = manifest_bytes(identity, files, len(mails))
        signer = self._keyring.signer(KeyUse.SIG, now)
        return _Draft(
            bundle=bundle,
            address=address,
            to=to,
            facts=facts,
            form=form_bytes,
            sheet=shown,
            sheet_media=media,
            manifest=manifest,
            manifest_name=own_name(MANIFEST_NAME, names),
            seal=seal_bytes(identity, manifest, files, signer=signer, now=now),
            seal_name=own_name(SEAL_NAME, names),
            mails=mails,
            recipients=(listed[0], self._keyring.current(KeyUse.SMIME_ENC, now).public.pub),
            cipher=wishes.cipher,
            signature=wishes.form,
        )

    async def _mail(self, draft: _Draft, n: int, documents: Sequence[int]) -> SealedLetter:
        parts = [part for part in draft.bundle.manifest.parts if part.n > _FORM_PART]
        forms = [
            as_enclosure(draft.facts.readable, draft.sheet_media, draft.sheet),
            as_enclosure(draft.facts.machine, "application/json", draft.form),
        ]
        proofs = [
            as_enclosure(draft.manifest_name, "application/json", draft.manifest),
            as_enclosure(draft.seal_name, "application/jose", draft.seal),
        ]
        files = [await self._file(draft.bundle, parts[place]) for place in documents]
        now, env = self._clock.now(), draft.bundle.envelope
        letter = Letter(
            sender=draft.facts.sender_address,
            recipient=draft.address,
            subject=subject_of(draft.facts, n, env.bid),
            message_id=letter_message_id(env.sender, env.bid, n, draft.facts.sender_address),
            date=now,
            text=cover_text(draft.facts, n),
            enclosures=(*(forms if n == 1 else []), *files, *proofs),
        )
        mail = await asyncio.to_thread(
            seal_letter,
            letter,
            signer=self._keyring.mail_signer(now),
            recipients=draft.recipients,
            cipher=draft.cipher,
            form=draft.signature,
        )
        key = (env.sender, env.bid, draft.to)
        await self._database.write(lambda tx: letters.add_signed(tx, key, mail.entity_sha256, now))
        return mail

    async def _file(self, bundle: OpenBundle, part: ManifestPart) -> OutgoingFile:
        file = OutgoingFile(name=part.name, media_type=letter_media(part.media), size=part.size)
        await self._library.read_part(bundle, part.n, file)
        return file

    async def _read(self, bundle: OpenBundle, n: int) -> bytes:
        sink = io.BytesIO()
        await self._library.read_part(bundle, n, sink)
        return sink.getvalue()

    async def _code(self, key: TransmissionKey, now: datetime) -> str:
        """Return the acknowledgement code, its key made and durable the first time."""
        row = await self._database.read(lambda c: letters.find_letter(c, key))
        if row is None:
            wrapped = self._vault.wrap(new_key())
            row = letters.LetterRow(
                sender=key[0],
                bid=key[1],
                to_aid=key[2],
                storage_key_id=wrapped.storage_key_id,
                wrapped=wrapped.wrapped,
                made_at=now,
            )
            made = row
            await self._database.write(lambda tx: letters.add_letter(tx, made))
        return code_of(row, self._vault)


def code_of(row: letters.LetterRow, vault: Vault) -> str:
    """Return the acknowledgement code of a letter. Raises ``Refusal`` ``open-failed``."""
    key = vault.unwrap(WrappedKey(storage_key_id=row.storage_key_id, wrapped=row.wrapped))
    return acknowledgement_code(key, sender=row.sender, bid=row.bid, to=row.to_aid)


def letter_message_id(sender: str, bid: str, n: int, mailbox: str) -> str:
    """Return the identifier of a bundle's ``n``-th mail: always the same, and it names no bundle.

    It has the form of every mail of ours, so that one that comes back to us is known as our own.
    """
    digest = hashlib.sha256(lp(b"letter", sender.encode(), bid.encode(), str(n).encode())).hexdigest()
    return f"<gw1.{digest[:32]}@{mailbox.rpartition('@')[2]}>"


def _parcel(bundle: OpenBundle, mail: Lines, *, urgent: bool) -> Parcel:
    async def read(offset: int) -> AsyncIterator[bytes]:
        for stretch in mail.stretches():
            if offset < len(stretch):
                yield stretch[offset:]
            offset = max(offset - len(stretch), 0)

    env = bundle.envelope
    return Parcel(
        sender=env.sender,
        bid=env.bid,
        envelope_sha256=env.digest,
        size_bytes=mail.size,
        urgent=urgent,
        read=read,
    )


def _facts(
    bundle: OpenBundle, form: Any, entry: DirectoryEntry, *, own: DirectoryEntry, address: str
) -> Facts:
    manifest = bundle.manifest
    is_request = manifest.message_type in REQUEST_TYPES
    listed, code = (
        ("request_kind", manifest.request_kind) if is_request else ("message_type", manifest.message_type)
    )
    known = code_list(listed).get(code or "")
    return Facts(
        language=language_of(entry.languages),
        is_request=is_request,
        kind=_plain(f"{known.meaning} ({code})" if known is not None else code or manifest.message_type),
        sender=_plain(text(form, "requesting_authority", "name") or own.name_en),
        sender_address=address,
        recipient=_plain(entry.name_en),
        reference=_plain(manifest.reference or ""),
        created=manifest.created,
        urgency=manifest.urgency_level or "routine",
        answer_by=manifest.respond_by,
        confidentiality=_plain(manifest.confidentiality_level or "normal"),
        code="",
        total=1,
        files=(),
        readable="",
        machine="",
    )


def _plain(said: str) -> str:
    """Return a text on one line: nothing that is only quoted may look like a line of the letter."""
    return " ".join(said.split())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
