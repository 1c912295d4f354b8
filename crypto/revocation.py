"""Emergency notices: a key is not to be trusted any more (docs/keys.md section 8).

A notice is one or more compact JWS of ``typ`` ``gw-revoke+jws``, one per line, over the same payload:
signed by the key it names, or by holders of the State that vouches for the key. It can only ever remove
trust, so it may come by any channel and from anybody. Decides form and signatures; whose keys a State's
holders have is the directory's business, and what a revoked key is still worth is ``crypto.opener``'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crypto import strictjson
from crypto.encoding import is_aid, is_kid, parse_wire_time, wire_time
from crypto.errors import KeyRefused, Refusal
from crypto.jws import EDDSA, CompactJWS, parse_compact, sign_compact
from crypto.keys import ED25519, GW_HYB1, KeyUse, PublicKey, Signer, key_id

REVOCATION_TYPE = "gw-revoke+jws"

#: Why a key ends; only ``compromise`` says that others may have signed with it.
REASONS = frozenset({"superseded", "cessation", "compromise"})

#: One line is a payload and one hybrid signature.
_TOKEN_LIMIT = 8 * 1024
_MOST_SIGNATURES = 16
NOTICE_LIMIT = _MOST_SIGNATURES * _TOKEN_LIMIT

#: How far the clock of whoever made the notice may be ahead.
_CLOCK_TOLERANCE = timedelta(minutes=5)

_MEMBERS = frozenset({"v", "aid", "kid", "reason", "invalid_since", "at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a notice says.

    Attributes:
        aid, kid: The key.
        reason: One of ``REASONS``.
        invalid_since: Since when others may have signed; for ``compromise`` only, and required there.
        at: When the notice was made, by its signers' clock.
    """

    aid: str
    kid: str
    reason: str
    invalid_since: datetime | None
    at: datetime

    def __post_init__(self) -> None:
        if self.reason not in REASONS or (self.invalid_since is None) == (self.reason == "compromise"):
            raise ValueError("a compromise has a beginning, other reasons have none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """The keys of a State's holders, and how many signatures of them speak for the State.

    Both halves of a holder count, as they do for the directory's own signatures.
    """

    ed25519: frozenset[bytes] = field(repr=False)
    ml_dsa: frozenset[bytes] = field(repr=False)
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that is well formed; nothing in it is verified yet."""

    revocation: Revocation
    text: bytes = field(repr=False)
    _tokens: tuple[CompactJWS, ...] = field(repr=False)

    def verify_by_key(self, public: PublicKey) -> None:
        """Return if the key that the notice names signed it.

        Raises:
            Refusal: ``sig-invalid``.
        """
        if public.kid != self.revocation.kid or len(self._tokens) != 1:
            raise Refusal("sig-invalid", "not by the key itself")
        self._tokens[0].verify(public)

    def verify_by_holders(self, quorum: Quorum) -> None:
        """Return if enough holders signed it, each with both halves.

        Raises:
            Refusal: ``sig-invalid``.
        """
        halves: set[bytes] = set()
        for token in self._tokens:
            halves.update(_holder_halves(token, quorum))
        if not halves or len(halves) < quorum.threshold:
            raise Refusal("sig-invalid", f"{len(halves)} of {quorum.threshold} signatures")


def sign_revocation(revocation: Revocation, signer: Signer) -> bytes:
    """Return one line of a notice. Lines of several holders over the same revocation are joined by newlines.

    Raises:
        ValueError: a key of this kind signs no notices.
    """
    if signer.public.alg not in _TOKEN_ALG:
        raise ValueError(f"a key of use {signer.public.use} signs no notices")
    since = revocation.invalid_since
    payload = {
        "v": 1,
        "aid": revocation.aid,
        "kid": revocation.kid,
        "reason": revocation.reason,
        "invalid_since": None if since is None else wire_time(since),
        "at": wire_time(revocation.at),
    }
    return sign_compact(
        strictjson.dumps(payload),
        alg=_TOKEN_ALG[signer.public.alg],
        typ=REVOCATION_TYPE,
        signer=signer,
    )


#: Algorithm of a key → ``alg`` of its line.
_TOKEN_ALG = {GW_HYB1: GW_HYB1, ED25519: EDDSA}


def join_lines(lines: Sequence[bytes]) -> bytes:
    """Return the notice that several holders signed line by line, each line once."""
    return b"\n".join(dict.fromkeys(line.strip() for line in lines)) + b"\n"


def read_notice(data: bytes, now: datetime) -> Notice:
    """Return the notice, **not verified**.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid`` (length), ``clock`` (made in the future).
    """
    if len(data) > NOTICE_LIMIT:
        raise Refusal("malformed", "notice: too long")
    lines = data.split()
    if not 1 <= len(lines) <= _MOST_SIGNATURES:
        raise Refusal("malformed", "notice: number of signatures")
    tokens = tuple(_token(line) for line in lines)
    if any(token.payload != tokens[0].payload for token in tokens):
        raise Refusal("malformed", "notice: signatures over different statements")
    revocation = _read(tokens[0].payload)
    if revocation.at > now + _CLOCK_TOLERANCE:
        raise Refusal("clock", "made in the future")
    return Notice(revocation=revocation, text=join_lines(lines), _tokens=tokens)


def _token(line: bytes) -> CompactJWS:
    try:
        return parse_compact(line, alg=GW_HYB1, typ=REVOCATION_TYPE, max_bytes=_TOKEN_LIMIT)
    except Refusal as refusal:
        if refusal.code != "version":
            raise
    return parse_compact(line, alg=EDDSA, typ=REVOCATION_TYPE, max_bytes=_TOKEN_LIMIT)


def _read(payload: bytes) -> Revocation:
    claims = strictjson.loads_object(payload, max_bytes=_TOKEN_LIMIT, max_depth=2)
    version = claims.get("v")
    if version != 1 or isinstance(version, bool):
        raise Refusal("version", "notice")
    must = claims.get("must", [])
    if not isinstance(must, list) or not all(name in _MEMBERS for name in must):
        raise Refusal("version", "notice: members that must be understood")
    aid, kid, reason = claims.get("aid"), claims.get("kid"), claims.get("reason")
    at, since = claims.get("at"), claims.get("invalid_since")
    if (
        not claims.keys() >= _MEMBERS
        or not (isinstance(aid, str) and is_aid(aid) and isinstance(kid, str) and is_kid(kid))
        or not (isinstance(reason, str) and isinstance(at, str) and isinstance(since, str | None))
    ):
        raise Refusal("malformed", "notice: members")
    if reason not in REASONS:
        raise Refusal("version", "notice: reason")
    try:
        revocation = Revocation(
            aid=aid,
            kid=kid,
            reason=reason,
            invalid_since=None if since is None else parse_wire_time(since),
            at=parse_wire_time(at),
        )
    except ValueError:
        raise Refusal("malformed", "notice: reason") from None
    if revocation.invalid_since is not None and revocation.invalid_since > revocation.at:
        raise Refusal("malformed", "notice: compromised after it was made")
    return revocation


def _holder_halves(token: CompactJWS, quorum: Quorum) -> tuple[bytes, bytes]:
    """Return the two halves of the holder who signed, refusing whoever is no holder of the State."""
    for classical in quorum.ed25519:
        for lattice in quorum.ml_dsa:
            if token.alg == GW_HYB1 and key_id(KeyUse.SIG, GW_HYB1, classical + lattice) == token.kid:
                try:
                    public = PublicKey.load(KeyUse.SIG, GW_HYB1, classical + lattice)
                except KeyRefused:
                    raise Refusal("sig-invalid", "a holder's key cannot be used") from None
                token.verify(public)
                return classical, lattice
    raise Refusal("sig-invalid", "not by a holder of the State")
