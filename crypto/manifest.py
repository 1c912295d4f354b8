"""The manifest: the sealed list of contents, and its encoding as part 0 (docs/bundle.md section 3).

Decides form and types only. Codes are kept as they are, known or not: what they mean is the
product's business. The envelope commits to the exact bytes; the random ``salt`` keeps that
commitment from being guessed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from crypto import strictjson
from crypto.encoding import b64u, is_aid, is_bid, is_digest, sha256_hex, unb64u, wire_time
from crypto.envelope import MANIFEST_LIMIT, PART_LIMIT, RECIPIENT_LIMIT
from crypto.errors import Refusal
from crypto.members import (
    Members,
    bad,
    check_must,
    check_version,
    entries,
    instant,
    integer,
    optional_texts,
    text,
    texts,
    unknown_members,
)
from crypto.parts import SealedPart, decrypt_part, encrypt_part, manifest_size
from crypto.strictjson import JSONValue

SALT_SIZE = 32
_THREAD = re.compile(r"[0-9a-f]{32}")
_PART_MEMBERS = frozenset(
    {"n", "role", "attachment_id", "name", "media", "size", "sha256", "lang", "of", "pad", "must"}
)
_MEMBERS = frozenset(
    {"v", "must", "salt", "bid", "from", "to", "created", "thread", "seq", "seen", "re"}
    | {"message_type", "request_kind", "instrument", "provision", "urgency_level", "respond_by"}
    | {"reference", "subject", "lang", "confidentiality_level", "human", "parts", "ext"}
)
#: Members that are text, null or absent, and are called the same in ``Manifest``.
_OPTIONAL_TEXTS = (
    *("re", "request_kind", "instrument", "provision", "urgency_level"),
    *("reference", "subject", "lang", "confidentiality_level"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPart:
    """One document inside the bundle.

    Attributes:
        n: Part number, from 1.
        role: ``structured_form`` or the document's role, a code.
        attachment_id: Identifier in the structured form; ``None`` for the form itself.
        name: File name as given; for display only.
        media: Media type as stated by the sender.
        size: Bytes before padding.
        sha256: Hex digest before padding.
        lang: Language code or ``None``.
        of: Number of the part this one translates.
        pad: Whether the plaintext is padded.
    """

    n: int
    role: str
    attachment_id: str | None = None
    name: str = field(repr=False)
    media: str
    size: int
    sha256: str
    lang: str | None = None
    of: int | None = None
    pad: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one bundle says and holds. Content: never to be logged.

    ``raw`` is the exact JSON the envelope commits to; ``sender`` is the member ``from``;
    times are aware UTC; ``extra`` holds the members this version does not know, ``members`` all of
    them under their wire names.
    """

    raw: bytes = field(repr=False)
    bid: str
    sender: str
    to: tuple[str, ...]
    created: datetime
    thread: str
    seq: int
    seen: int
    re: str | None
    message_type: str
    request_kind: str | None
    instrument: str | None
    provision: str | None
    urgency_level: str | None
    respond_by: datetime | None
    reference: str | None = field(repr=False)
    subject: str | None = field(repr=False)
    lang: str | None
    confidentiality_level: str | None
    human: Mapping[str, JSONValue] | None = field(repr=False)
    parts: tuple[ManifestPart, ...] = field(repr=False)
    salt: bytes = field(repr=False)
    ext: Mapping[str, JSONValue] = field(repr=False)
    extra: Mapping[str, JSONValue] = field(repr=False)
    members: Mapping[str, JSONValue] = field(repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the JSON bytes."""
        return sha256_hex(self.raw)


def encode_manifest(
    *,
    bid: str,
    sender: str,
    to: Sequence[str],
    created: datetime,
    thread: str,
    seq: int,
    seen: int,
    message_type: str,
    parts: Sequence[ManifestPart],
    salt: bytes,
    re: str | None = None,
    request_kind: str | None = None,
    instrument: str | None = None,
    provision: str | None = None,
    urgency_level: str | None = None,
    respond_by: datetime | None = None,
    reference: str | None = None,
    subject: str | None = None,
    lang: str | None = None,
    confidentiality_level: str | None = None,
    human: Mapping[str, JSONValue] | None = None,
    ext: Mapping[str, JSONValue] = MappingProxyType({}),
    extra: Mapping[str, JSONValue] = MappingProxyType({}),
    must: Sequence[str] = (),
) -> bytes:
    """Return the manifest's JSON bytes. ``salt`` is 32 random bytes, new for every manifest.

    Raises:
        ValueError: a value that a reader would refuse, or more than 1 MiB.
    """
    human_members = None if human is None else dict(human)
    members: Members = {
        "v": 1,
        "must": list(must),
        "salt": b64u(salt),
        "bid": bid,
        "from": sender,
        "to": list(to),
        "created": wire_time(created),
        "thread": thread,
        "seq": seq,
        "seen": seen,
        "re": re,
        "message_type": message_type,
        "request_kind": request_kind,
        "instrument": instrument,
        "provision": provision,
        "urgency_level": urgency_level,
        "respond_by": None if respond_by is None else wire_time(respond_by),
        "reference": reference,
        "subject": subject,
        "lang": lang,
        "confidentiality_level": confidentiality_level,
        "human": human_members,
        "parts": [_part_members(part) for part in parts],
        "ext": dict(ext),
        **extra,
    }
    raw = strictjson.dumps(members)
    try:
        if len(raw) > MANIFEST_LIMIT:
            raise Refusal("malformed", "more than 1 MiB")
        # The reader's own checks, on the members as they were written. Only what may be of any shape is
        # parsed again, at the depth it has in the manifest.
        _read(raw, members)
        if human or ext or extra:
            strictjson.loads(strictjson.dumps({"human": human_members, "ext": dict(ext), **extra}))
    except Refusal as refusal:
        raise ValueError(f"no reader would accept this manifest: {refusal}") from None
    return raw


def _part_members(part: ManifestPart) -> Members:
    members: Members = {
        "n": part.n,
        "role": part.role,
        "attachment_id": part.attachment_id,
        "name": part.name,
        "media": part.media,
        "size": part.size,
        "sha256": part.sha256,
        "lang": part.lang,
        "of": part.of,
    }
    if not part.pad:
        members["pad"] = "none"
    return members


def parse_manifest(raw: bytes) -> Manifest:
    """Return the manifest in ``raw``.

    Raises:
        Refusal: ``version``, or ``manifest-mismatch`` for anything else that is wrong with it.
    """
    try:
        return _read(raw, strictjson.loads_object(raw, max_bytes=MANIFEST_LIMIT))
    except Refusal as refusal:
        if refusal.code == "version":
            raise
        raise Refusal("manifest-mismatch", refusal.detail) from None


def _read(raw: bytes, members: Members) -> Manifest:
    check_version(members, _MEMBERS)
    salt = unb64u(text(members, "salt"))
    if len(salt) != SALT_SIZE:
        raise bad("salt")
    to = texts(members.get("to"), "to")
    if not 1 <= len(to) <= RECIPIENT_LIMIT or len(set(to)) != len(to) or not all(map(is_aid, to)):
        raise bad("to")
    parts = entries(members, "parts", _part, minimum=1, maximum=PART_LIMIT)
    if [part.n for part in parts] != list(range(1, len(parts) + 1)):
        raise bad("parts")
    for part in parts:
        if part.of is not None and (part.of > len(parts) or part.of == part.n):
            raise bad("of")
    human, ext = members.get("human"), members.get("ext", {})
    if not isinstance(ext, dict) or not (human is None or isinstance(human, dict)):
        raise bad("human or ext")
    return Manifest(
        raw=raw,
        bid=text(members, "bid", is_bid),
        sender=text(members, "from", is_aid),
        to=to,
        created=instant(members, "created"),
        thread=text(members, "thread", _is_thread),
        seq=integer(members, "seq", 1),
        seen=integer(members, "seen"),
        message_type=text(members, "message_type", bool),
        respond_by=None if members.get("respond_by") is None else instant(members, "respond_by"),
        human=human,
        parts=parts,
        salt=salt,
        ext=MappingProxyType(ext),
        extra=unknown_members(members, _MEMBERS),
        members=MappingProxyType(members),
        **optional_texts(members, _OPTIONAL_TEXTS),
    )


def _is_thread(value: str) -> bool:
    return _THREAD.fullmatch(value) is not None


def _part(members: Members) -> ManifestPart:
    check_must(members, _PART_MEMBERS)
    pad = members.get("pad")
    if pad not in (None, "none"):
        # Padding decides which bytes are content: an unknown kind cannot be ignored.
        raise Refusal("version", "pad")
    return ManifestPart(
        n=integer(members, "n", 1),
        role=text(members, "role", bool),
        name=text(members, "name"),
        media=text(members, "media", bool),
        size=integer(members, "size"),
        sha256=text(members, "sha256", is_digest),
        of=None if members.get("of") is None else integer(members, "of", 1),
        pad=pad is None,
        **optional_texts(members, ("attachment_id", "lang")),
    )


def seal_manifest(raw: bytes, bk: bytes, bid: str) -> tuple[bytes, SealedPart]:
    """Return part 0 and its facts; ``plain_size`` and ``plain_sha256`` are those of ``raw``.

    Raises:
        ValueError: more than 1 MiB.
    """
    if len(raw) > MANIFEST_LIMIT:
        raise ValueError("a manifest has at most 1 MiB")
    plain = len(raw).to_bytes(4, "big") + raw
    part0 = encrypt_part(plain, bk=bk, bid=bid, n=0, padding=manifest_size(len(raw)) - len(plain))
    return part0, SealedPart(
        n=0, plain_size=len(raw), plain_sha256=sha256_hex(raw), size=len(part0), sha256=sha256_hex(part0)
    )


def open_manifest_part(part: bytes, padded: int, bk: bytes, bid: str) -> bytes:
    """Return the manifest's JSON bytes from part 0, whose plaintext has ``padded`` bytes.

    Raises:
        Refusal: ``manifest-mismatch``.
    """
    try:
        plain = decrypt_part(part, bk=bk, bid=bid, n=0, padded=padded)
    except Refusal as refusal:
        raise Refusal("manifest-mismatch", refusal.detail) from None
    length = int.from_bytes(plain[:4], "big")
    raw, padding = plain[4 : 4 + length], plain[4 + length :]
    if length > MANIFEST_LIMIT or padded != manifest_size(length) or padding != bytes(len(padding)):
        raise Refusal("manifest-mismatch", "length or padding of part 0")
    return raw
