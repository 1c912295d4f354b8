"""What goes with a letter beside its text: the request for people and machines, the list, the seal over it.

``manifest.json`` names every file of all mails with its digest; ``gw-mail.jws`` is our bundle signature over
it, so that whoever has a file years later can prove what it belonged to without S/MIME. Own files never take
the name of a document.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from crypto.encoding import wire_time
from crypto.jws import sign_compact
from crypto.keys import GW_HYB1, Signer
from gateway.model.mail_plan import SHEET_BYTES
from gateway.services.documents.typeset import CannotPrint, Typesetter
from gateway.services.smime.entityform import Enclosure
from gateway.services.smime.letter import ListedFile
from gateway.services.smime.sheet import TEMPLATE, Sheet, as_data, as_text, can_be_set, needs_cjk

MANIFEST_NAME = "manifest.json"
SEAL_NAME = "gw-mail.jws"
SEAL_TYP = "gw-letter+jws"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which bundle a letter is."""

    sender: str
    to: str
    bid: str
    envelope: str
    thread: str
    message_type: str
    reference: str = field(repr=False)


def own_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name for a file of ours that no document has, in whatever case."""
    used = {name.casefold() for name in taken}
    name = wanted
    while name.casefold() in used:
        name = f"gw-{name}"
    return name


async def readable(sheet: Sheet) -> tuple[str, str, bytes]:
    """Return the form for people: ending, media type and bytes; as text where it cannot be printed."""
    printed = await asyncio.to_thread(_print, sheet)
    if printed is not None and len(printed) <= SHEET_BYTES:
        return ".pdf", "application/pdf", printed
    return ".txt", "text/plain", as_text(sheet).encode()


def manifest_bytes(identity: Identity, files: Sequence[ListedFile], total: int) -> bytes:
    """Return ``manifest.json``."""
    value: dict[str, Any] = {
        "v": 1,
        "from": identity.sender,
        "to": identity.to,
        "bid": identity.bid,
        "envelope": identity.envelope,
        "thread": identity.thread,
        "message_type": identity.message_type,
        "reference": identity.reference,
        "mails": total,
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256, "mail": f.mail} for f in files],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def seal_bytes(
    identity: Identity, manifest: bytes, files: Sequence[ListedFile], *, signer: Signer, now: datetime
) -> bytes:
    """Return ``gw-mail.jws``: GW-HYB1 over sender, addressee, bundle, manifest and every file."""
    payload = {
        "v": 1,
        "from": identity.sender,
        "to": identity.to,
        "bid": identity.bid,
        "envelope": identity.envelope,
        "manifest": hashlib.sha256(manifest).hexdigest(),
        "files": [each.sha256 for each in files],
        "at": wire_time(now),
    }
    raw = json.dumps(payload, separators=(",", ":")).encode()
    return sign_compact(raw, alg=GW_HYB1, typ=SEAL_TYP, signer=signer)


def letter_media(media: str) -> str:
    """Return the media type under which a letter carries a file; a container of mails goes as plain bytes."""
    plain = media.startswith(("multipart/", "message/")) or not media.isascii()
    return "application/octet-stream" if plain else media.lower()


def as_enclosure(name: str, media: str, content: bytes) -> Enclosure:
    """Return a small file as the letter carries it."""
    return Enclosure(name=name, media_type=letter_media(media), content=content)


def _print(sheet: Sheet) -> bytes | None:
    if not can_be_set(sheet):
        return None
    try:
        return _typesetter(needs_cjk(sheet)).pdf(as_data(sheet))
    except CannotPrint:
        return None


@cache
def _typesetter(cjk: bool) -> Typesetter:
    return Typesetter(TEMPLATE, cjk=cjk)
