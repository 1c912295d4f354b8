"""The envelope: the clear, signed head of a bundle (docs/bundle.md section 4).

Holds digests, sizes and one wrap of the content key per recipient, and no content. Its one
signature covers the plaintext commitment and every ciphertext digest. Leaves to
``crypto.opener`` who signed it and whether that key was in force.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from crypto import hpke, strictjson
from crypto.encoding import (
    b64u,
    is_aid,
    is_bid,
    is_digest,
    is_kid,
    sha256_hex,
    unb64u,
    wire_time,
)
from crypto.errors import Refusal
from crypto.jws import CompactJWS, UnsignedToken, begins_token, parse_compact, unsigned_token
from crypto.keys import GW_HYB1, PublicKey, Signer
from crypto.members import (
    Members,
    bad,
    check_must,
    check_version,
    entries,
    instant,
    integer,
    text,
    texts,
    unknown_members,
)
from crypto.parts import manifest_size, sealed_size
from crypto.strictjson import INTEGER_LIMIT, JSONValue

#: First bytes of a container: not text, not 7-bit clean, shows line-end damage at once.
MAGIC = bytes.fromhex("89475742310d0a1a")
ENVELOPE_TYPE = "gw-env+jws"
ENVELOPE_LIMIT = 512 * 1024
RECIPIENT_LIMIT = 16
#: Highest part number; part 0 comes on top.
PART_LIMIT = 1000
MANIFEST_LIMIT = 1024 * 1024
LONGEST_LIFE = timedelta(days=400)
LANES = frozenset({"routine", "urgent"})

_MEMBERS = frozenset(
    {"v", "must", "bid", "rev", "from", "created", "expires", "lane", "to", "manifest", "parts"}
)
_WRAP_MEMBERS = frozenset({"aid", "kid", "wrap", "must"})
_PART_MEMBERS = frozenset({"n", "size", "sha256", "must"})
_SMALLEST_PART = sealed_size(0)
_NOTHING: Mapping[str, JSONValue] = MappingProxyType({})
_PART_0_SIZES = (sealed_size(manifest_size(0)), sealed_size(manifest_size(MANIFEST_LIMIT)))


@dataclass(frozen=True, slots=True)
class PartRef:
    """One part as the envelope states it: number, bytes of ciphertext, their hex SHA-256."""

    n: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WrapRef:
    """The content key wrapped for one recipient's key."""

    aid: str
    kid: str
    wrap: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope that is well formed; its signature is checked by ``Opener.authenticate``.

    Attributes:
        jws: The exact bytes; every hash and signature is over these.
        digest: Hex SHA-256 of ``jws``: which envelope a receipt means.
        kid: Claimed signing key.
        bid: Bundle identifier; a bundle is known by (sender, bid).
        rev: 0, and one more with each re-wrap.
        sender: Authority that sealed it (``from``).
        created: When this revision was signed, UTC.
        expires: After this no recipient accepts it, UTC.
        lane: ``routine`` or ``urgent``.
        to: One wrap per recipient.
        manifest: Hex SHA-256 of the manifest's JSON bytes.
        parts: Parts 0, 1, 2 … without gap.
        must: Names a reader has to know.
        extra: Members this version does not know.
        container_size: Bytes of the whole container.
    """

    jws: bytes = field(repr=False)
    digest: str
    kid: str
    bid: str
    rev: int
    sender: str
    created: datetime
    expires: datetime
    lane: str
    to: tuple[WrapRef, ...]
    manifest: str
    parts: tuple[PartRef, ...]
    must: tuple[str, ...] = ()
    extra: Mapping[str, JSONValue] = field(default_factory=dict, repr=False)
    token: CompactJWS = field(repr=False, compare=False)
    container_size: int = field(compare=False)

    def part_offset(self, n: int) -> int:
        """Return where part ``n`` begins in the container; for one past the last, where it ends."""
        return _offset(self.jws, self.parts[:n])


def _offset(jws: bytes, parts: Sequence[PartRef]) -> int:
    """Return where a container's next part begins, after its envelope and ``parts``."""
    return len(MAGIC) + 4 + len(jws) + sum([part.size for part in parts])


def container_prefix(jws: bytes) -> bytes:
    """Return what stands before part 0 in a container: magic, length, envelope."""
    return MAGIC + len(jws).to_bytes(4, "big") + jws


def parse_envelope(jws: bytes) -> Envelope:
    """Return the envelope after steps 1 and 2 of the open procedure.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid`` (only for a signature of another length).
    """
    token = parse_compact(jws, alg=GW_HYB1, typ=ENVELOPE_TYPE, max_bytes=ENVELOPE_LIMIT)
    payload = strictjson.loads_object(token.payload, max_bytes=ENVELOPE_LIMIT)
    return _read(bytes(jws), token, payload)


def _read(jws: bytes, token: CompactJWS, payload: Members) -> Envelope:
    check_version(payload, _MEMBERS)
    return _checked(
        jws=jws,
        token=token,
        bid=text(payload, "bid"),
        rev=integer(payload, "rev"),
        sender=text(payload, "from"),
        created=instant(payload, "created"),
        expires=instant(payload, "expires"),
        lane=text(payload, "lane"),
        to=entries(payload, "to", _wrap, minimum=1, maximum=RECIPIENT_LIMIT),
        manifest=text(payload, "manifest"),
        parts=entries(payload, "parts", _part, minimum=1, maximum=PART_LIMIT + 1),
        must=texts(payload.get("must", []), "must"),
        extra=unknown_members(payload, _MEMBERS),
    )


def _checked(
    *,
    jws: bytes,
    token: CompactJWS,
    bid: str,
    rev: int,
    sender: str,
    created: datetime,
    expires: datetime,
    lane: str,
    to: tuple[WrapRef, ...],
    manifest: str,
    parts: tuple[PartRef, ...],
    must: tuple[str, ...],
    extra: Mapping[str, JSONValue],
) -> Envelope:
    """Return the envelope of these values: what a reader demands of them, whoever made them.

    Raises:
        Refusal: ``malformed``.
    """
    if not timedelta(0) < expires - created <= LONGEST_LIFE:
        raise bad("expires")
    if not 1 <= len(to) <= RECIPIENT_LIMIT or len({wrap.aid for wrap in to}) != len(to):
        raise bad("to")
    for wrap in to:
        if not is_aid(wrap.aid) or not is_kid(wrap.kid) or len(wrap.wrap) != hpke.WRAP_SIZE:
            raise bad("to")
    if not 1 <= len(parts) <= PART_LIMIT + 1:
        raise bad("parts")
    for n, part in enumerate(parts):
        if part.n != n or not _SMALLEST_PART <= part.size < INTEGER_LIMIT or not is_digest(part.sha256):
            raise bad("parts")
    if not _PART_0_SIZES[0] <= parts[0].size <= _PART_0_SIZES[1]:
        raise bad("parts[0].size")
    if not is_bid(bid):
        raise bad("bid")
    if not is_aid(sender):
        raise bad("from")
    if not 0 <= rev < INTEGER_LIMIT:
        raise bad("rev")
    if lane not in LANES:
        raise bad("lane")
    if not is_digest(manifest):
        raise bad("manifest")
    return Envelope(
        jws=jws,
        digest=sha256_hex(jws),
        kid=token.kid,
        bid=bid,
        rev=rev,
        sender=sender,
        created=created,
        expires=expires,
        lane=lane,
        to=to,
        manifest=manifest,
        parts=parts,
        must=must,
        extra=extra,
        token=token,
        container_size=_offset(jws, parts),
    )


def _wrap(members: Members) -> WrapRef:
    check_must(members, _WRAP_MEMBERS)
    return WrapRef(text(members, "aid"), text(members, "kid"), unb64u(text(members, "wrap")))


def _part(members: Members) -> PartRef:
    check_must(members, _PART_MEMBERS)
    return PartRef(integer(members, "n"), integer(members, "size"), text(members, "sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedEnvelope:
    """An envelope that lacks nothing but the signature; ``is_plain``: it holds no member beyond the known."""

    rev: int
    is_plain: bool
    to: tuple[WrapRef, ...]
    parts: tuple[PartRef, ...]
    payload: Members = field(repr=False)
    token: UnsignedToken = field(repr=False)

    @property
    def signing_input(self) -> bytes:
        """What is signed."""
        return self.token.signing_input

    def signed(self, signature: bytes) -> Envelope:
        """Return the envelope.

        Raises:
            ValueError: a value that a reader would refuse.
        """
        jws, token = self.token.signed(signature)
        payload = self.payload
        try:
            if len(jws) > ENVELOPE_LIMIT:
                raise Refusal("malformed", "too long")
            if not self.is_plain:
                # Members that this version does not know may be of any shape: only the parser can tell.
                return _read(jws, token, strictjson.loads_object(token.payload, max_bytes=ENVELOPE_LIMIT))
            return _checked(
                jws=jws,
                token=token,
                bid=text(payload, "bid"),
                rev=self.rev,
                sender=text(payload, "from"),
                created=instant(payload, "created"),
                expires=instant(payload, "expires"),
                lane=text(payload, "lane"),
                to=self.to,
                manifest=text(payload, "manifest"),
                parts=self.parts,
                must=(),
                extra=_NOTHING,
            )
        except Refusal as refusal:
            raise ValueError(f"no reader would accept this envelope: {refusal}") from None


def is_envelope_input(message: bytes, kid: str) -> bool:
    """Tell whether ``message`` is what ``kid`` signs for an envelope, and for nothing else."""
    return begins_token(message, alg=GW_HYB1, typ=ENVELOPE_TYPE, kid=kid)


def unsigned_envelope(
    *,
    signing_key: PublicKey,
    sender: str,
    bid: str,
    rev: int,
    created: datetime,
    expires: datetime,
    lane: str,
    bk: bytes,
    recipients: Sequence[tuple[str, PublicKey]],
    manifest_sha256: str,
    parts: Sequence[PartRef],
    must: Sequence[str] = (),
    extra: Mapping[str, JSONValue] = _NOTHING,
) -> UnsignedEnvelope:
    """Wrap the content key for each recipient: all of sealing but the signature.

    Raises:
        ValueError: a key of another use.
    """
    sig_kid = signing_key.kid
    to = tuple(
        WrapRef(aid, key.kid, hpke.wrap_key(bk, key, hpke.wrap_info(bid, sender, sig_kid, aid, key.kid)))
        for aid, key in recipients
    )
    payload: Members = {
        "v": 1,
        "must": list(must),
        "bid": bid,
        "rev": rev,
        "from": sender,
        "created": wire_time(created),
        "expires": wire_time(expires),
        "lane": lane,
        "to": [{"aid": one.aid, "kid": one.kid, "wrap": b64u(one.wrap)} for one in to],
        "manifest": manifest_sha256,
        "parts": [{"n": part.n, "size": part.size, "sha256": part.sha256} for part in parts],
        **extra,
    }
    token = unsigned_token(strictjson.dumps(payload), alg=GW_HYB1, typ=ENVELOPE_TYPE, public=signing_key)
    return UnsignedEnvelope(
        rev=rev, is_plain=not (must or extra), to=to, parts=tuple(parts), payload=payload, token=token
    )


def seal_envelope(
    *,
    signer: Signer,
    sender: str,
    bid: str,
    rev: int,
    created: datetime,
    expires: datetime,
    lane: str,
    bk: bytes,
    recipients: Sequence[tuple[str, PublicKey]],
    manifest_sha256: str,
    parts: Sequence[PartRef],
    must: Sequence[str] = (),
    extra: Mapping[str, JSONValue] = _NOTHING,
) -> Envelope:
    """Wrap the content key for each recipient and sign: the last step of sealing.

    Raises:
        ValueError: a value that a reader would refuse, or a key of another use.
    """
    envelope = unsigned_envelope(
        signing_key=signer.public,
        sender=sender,
        bid=bid,
        rev=rev,
        created=created,
        expires=expires,
        lane=lane,
        bk=bk,
        recipients=recipients,
        manifest_sha256=manifest_sha256,
        parts=parts,
        must=must,
        extra=extra,
    )
    return envelope.signed(signer.sign(envelope.signing_input))
