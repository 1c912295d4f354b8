"""The second person of an emergency (D-24): when one is owed, until when, and what ends it. Pure.

A lone officer can always send: nothing here refuses or delays a sending, and what was sent stands. A second
person signs or calls back afterwards; where nobody does, shift leader and auditor are told, and asked again.
The signature is a message of the emergency's thread in fixed words, so that both sides read it alike.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.model.codes import Assurance
from gateway.model.fields import rows, text
from gateway.model.opening import ORAL_NOTE
from gateway.model.request import REQUEST_TYPES

#: From sending to the second signature or call-back; no treaty gives a figure.
WITHIN = timedelta(minutes=60)

#: Afterwards the question is put again every day: the next approver on duty signs or disowns.
ASKED_AGAIN = timedelta(days=1)

#: Type and language of the message by which a second officer signs; it is filed and moves no case.
STANDING_BY, STANDING_LANGUAGE = "additional_information", "en"

_WORDS = (
    "I am the second officer. I have read the emergency {id} (manifest SHA-256: {digest}) and stand by it."
)
_READ = re.compile(
    re.escape(_WORDS)
    .replace(r"\{id\}", r"(?P<id>[a-z0-9-]{4,63}/[0-9a-f]{32})")
    .replace(r"\{digest\}", r"(?P<digest>[0-9a-f]{64})")
)

EMERGENCY = "emergency"

#: Messages by which the requesting side takes back what it asked for.
DISOWNING = frozenset({"withdrawal", "preservation_release"})


class ClosedBy(StrEnum):
    """What ended it."""

    CALLBACK = "callback"  # a second person of either authority called back, and it was confirmed
    SIGNATURE = "signature"  # an approver signed that he stands by it
    DISOWNED = "disowned"  # another officer took the request back


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodBy:
    """Which emergency a second officer stands by: its message, and the digest of its manifest (hex)."""

    message_id: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSigner:
    """A second officer of the authority that sent an emergency; ``assurance`` is what was verified here."""

    officer: str
    assurance: str
    at: datetime
    message_id: str


def is_owed(form: Mapping[str, Any], message_type: str, assurance: str | None) -> bool:
    """Tell whether a form of our own is an emergency that one person alone has sent."""
    if assurance == Assurance.SECOND_PERSON_TELEPHONE:
        return False
    if message_type == ORAL_NOTE:
        return text(form, "side") == "requesting" and text(form, "content", "urgency_level") == EMERGENCY
    return message_type in REQUEST_TYPES and text(form, "urgency", "level") == EMERGENCY


def due_at(sent_at: datetime) -> datetime:
    """Return until when a second person is to have signed or called back."""
    return sent_at + WITHIN


def is_second(officer: str, sent_by: str) -> bool:
    """Tell whether an officer is another than the one who sent alone; spelling does not make another."""
    return officer.casefold() != sent_by.casefold()


def standing_content(message_id: str, manifest_sha256: str) -> dict[str, Any]:
    """Return the content of the message by which a second officer stands by an emergency."""
    words = _WORDS.format(id=message_id, digest=manifest_sha256)
    return {"answers": [{"point_no": None, "answer": words}]}


def stood_by(form: Mapping[str, Any]) -> StoodBy | None:
    """Return what a message stands by; ``None`` unless it says so, in these words and nothing beside them."""
    said = [row for _, row in rows(form, "content", "answers")]
    if form.get("message_type") != STANDING_BY or form.get("attachments") or len(said) != 1:
        return None
    if said[0] != {"point_no": None, "answer": said[0].get("answer")}:
        return None
    read = _READ.fullmatch(text(said[0], "answer"))
    if read is None or read["id"] != text(form, "in_reply_to"):
        return None
    return StoodBy(message_id=read["id"], manifest_sha256=read["digest"])


def standing_bid(message_id: str, officer: str) -> str:
    """Return the identifier of an officer's second signature: asked for twice, it is the same message."""
    drawn = hashlib.sha256(b"gw/1/second\0" + f"{message_id}\0{officer}".encode())
    return drawn.hexdigest()[:32]


def second_signers(sent_by: str | None, found: Iterable[SecondSigner]) -> tuple[SecondSigner, ...]:
    """Return who else signed, each pseudonym once, the one that vouches most first.

    Where nobody is known to have sent it, nobody is known to be another.
    """
    if sent_by is None:
        return ()
    others: dict[str, SecondSigner] = {}
    for each in sorted(found, key=lambda signer: (signer.assurance != Assurance.PASSKEY, signer.at)):
        if is_second(each.officer, sent_by):
            others.setdefault(each.officer.casefold(), each)
    return tuple(others.values())
