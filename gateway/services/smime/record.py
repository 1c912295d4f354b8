"""What came by mail, kept as everything is kept: sealed by ourselves, with the evidence of who said it.

A reply becomes a bundle of our own that nobody else is meant to open: a form that says what was recorded and
why it was believed, the text as it was read, the signed object or the mail as it came, and every attachment.
Erasing its content key erases it like any other. What it means for the case is the casebook's.
"""

import asyncio
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crypto.encoding import wire_time
from crypto.keys import KeyUse
from gateway.model.codes import Side
from gateway.model.manifest import ThreadContext
from gateway.model.names import UnsafeName, check_name
from gateway.services.identifiers import new_identifier
from gateway.services.keys.keyring import Keyring
from gateway.services.keys.vault import Vault
from gateway.services.sealing.seal import Document, SealedBundle, encode_form, seal_bundle, seal_documents
from gateway.services.shelf import shelve, shelve_key
from gateway.storage.blobs import Blobs
from gateway.storage.cases import CaseRow, MessageRow
from gateway.storage.database import Transaction

#: A message of this type is no code of the domain: it changes nothing, and a person reads it.
LETTER_TYPE = "mail_reply"

_REPLY_TEXT, _EVIDENCE = "reply.txt", "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file to keep; ``name`` may be anything a sender wrote."""

    name: str = field(repr=False)
    media: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Why something is believed: stands in the form, for whoever reads it years later.

    Attributes:
        assurance: ``mail_signature``, ``second_person_telephone``, or ``none`` for what nobody has confirmed.
        officers: Pseudonyms of our people who confirmed it.
        certificate: SHA-256 of the certificate it was signed with.
    """

    assurance: str
    received_at: datetime
    address: str = field(repr=False)
    officers: tuple[str, ...] = ()
    certificate: str | None = None
    signed_at: datetime | None = None
    confirms: str | None = None

    def as_form(self) -> dict[str, Any]:
        """Return it as the form's ``content``."""
        return {
            "by_mail": {
                "assurance": self.assurance,
                "received_at": wire_time(self.received_at),
                "address": self.address,
                "certificate_sha256": self.certificate,
                "signed_at": None if self.signed_at is None else wire_time(self.signed_at),
                "confirmed_by": list(self.officers),
                "confirms": self.confirms,
            }
        }


def record_form(
    *,
    own: str,
    message_type: str,
    case: CaseRow,
    about: MessageRow,
    believed: Believed,
    now: datetime,
) -> dict[str, Any]:
    """Return the form of what was recorded: the other side speaks, and we state that it did."""
    side = Side(case.side).other
    parties = {Side(case.side): own, side: case.peer}
    return {
        "schema_version": "1.0",
        "message_type": message_type,
        "message_id": f"{own}/{new_identifier(now)}",
        "thread": {
            "thread_id": case.thread_id,
            "requesting": {
                "authority_id": parties[Side.REQUESTING],
                "reference": case.reference_requesting,
            },
            "requested": {"authority_id": parties[Side.REQUESTED], "reference": case.reference_requested},
        },
        "in_reply_to": f"{about.sender}/{about.bid}",
        "side": str(side),
        "seq": 1,
        "seen": about.seq if about.sender == own else about.seen,
        "author": {"authority_id": case.peer},
        "addressee": {"authority_id": own},
        "created_at": wire_time(now),
        "language": case.language,
        "translations": [],
        "attachments": [],
        "human": {"assurance": believed.assurance, "officer": None, "assertion": None},
        "content": believed.as_form(),
    }


class Recorder:
    """Seals what came by mail under a bundle of our own, and shelves it."""

    def __init__(self, *, blobs: Blobs, keyring: Keyring, vault: Vault) -> None:
        self._blobs = blobs
        self._keyring = keyring
        self._vault = vault

    async def seal(
        self, form: Mapping[str, Any], files: Sequence[Kept], *, case: CaseRow, lane: str, now: datetime
    ) -> SealedBundle:
        """Return the sealed record; its parts are in the blob store, and nothing refers to them yet."""
        own, _, bid = form["message_id"].partition("/")
        content_key = secrets.token_bytes(32)
        documents = [_document(n, each) for n, each in enumerate(files, 1)]
        sealed = await seal_documents(
            self._blobs, bid=bid, content_key=content_key, documents=documents, progress=None, lane=lane
        )
        signer = self._keyring.signer(KeyUse.SIG, now)
        context = ThreadContext(
            urgency_level=case.urgency_level,
            reference=case.reference_requesting or "",
            subject="",
            confidentiality_level=case.confidentiality_level,
        )
        return await seal_bundle(
            self._blobs,
            form=form,
            form_bytes=encode_form(form),
            documents=documents,
            sealed=sealed,
            content_key=content_key,
            signing_key=signer.public,
            sign=lambda message: asyncio.to_thread(signer.sign, message),
            recipient=(own, self._keyring.current(KeyUse.ENC, now).public),
            sender=own,
            bid=bid,
            lane=lane,
            human=form["human"] | {"statement": None},
            context=context,
            now=now,
        )

    def shelve(self, tx: Transaction, sealed: SealedBundle, now: datetime) -> None:
        """Enter the record among what has come in."""
        env = sealed.envelope
        shelve(tx, env, sealed.refs, blobs=self._blobs, direction="in", state="released", at=now)
        shelve_key(tx, (env.sender, env.bid), sealed.content_key, vault=self._vault)


def reply_files(text: str, evidence: bytes, *, is_signed: bool, attachments: Sequence[Kept]) -> list[Kept]:
    """Return what is kept of a reply: the text as it was read, the evidence, and its attachments."""
    ending, media = (".p7m", "application/pkcs7-mime") if is_signed else (".eml", "message/rfc822")
    return [
        Kept(name=_REPLY_TEXT, media="text/plain", content=text.encode()),
        Kept(name=f"{_EVIDENCE}{ending}", media=media, content=evidence),
        *attachments,
    ]


def _document(n: int, kept: Kept) -> Document:
    try:
        check_name(kept.name)
        name = kept.name
    except UnsafeName:
        name = f"attachment-{n}"
    return Document(
        attachment_id=f"M{n}",
        role="other",
        name=name,
        media=kept.media,
        lang=None,
        of=None,
        size=len(kept.content),
        open=lambda: io.BytesIO(kept.content),
    )
