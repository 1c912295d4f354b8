"""Mail tokens: who sends this mail to which gateway, and exactly what it carries (docs/mail.md section 3).

A compact JWS of ``typ`` ``gw-mail+jws`` under ``EdDSA`` by a key of use ``req``. It names the digest and size
of the mail's one content part and, for a bundle, which stretch of which container that is: so every mail is
known to come from a listed authority before its content is parsed, and nobody else can mix segments in. It
proves nothing about the bundle. No memory of tokens is kept: what a mail carries may come twice, and the
second time changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeGuard

from crypto import strictjson
from crypto.encoding import is_aid, is_bid, is_digest, parse_wire_time, wire_time
from crypto.errors import Refusal
from crypto.jws import EDDSA, parse_compact, sign_compact
from crypto.keys import KeyUse, PublicKey, Signer
from crypto.strictjson import JSONValue

TYP = "gw-mail+jws"
MAX_BYTES = 4 * 1024

#: Mail may lie in queues for days; one from further ahead than this has a wrong clock.
OLDEST = timedelta(days=14)
LEEWAY = timedelta(minutes=5)

#: Segments that one container may have.
MOST_SEGMENTS = 8

FindKey = Callable[[str, str], PublicKey]


class MailKind(StrEnum):
    """What a mail carries. An unknown kind is refused as ``version``."""

    BUNDLE = "bundle"
    RECEIPTS = "receipts"
    NOTICES = "notices"
    PROBE = "probe"
    PROBE_ANSWER = "probe-answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Which stretch of which container a mail carries.

    Attributes:
        bid: Of the bundle; with the sender it is the bundle's identity.
        envelope_sha256: Hex digest of the envelope: a re-wrapped bundle's segments do not mix with older
            ones.
        offset: Of the first byte, in the container.
        total: Bytes of the whole container, at least 1.
        i, n: This is the ``i``-th of ``n`` segments, from 1; ``n`` is at most ``MOST_SEGMENTS``.
    """

    bid: str
    envelope_sha256: str
    offset: int
    total: int
    i: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailClaims:
    """A verified token.

    Attributes:
        sender, to: Authorities.
        sha256, size: Hex digest and bytes of the content part, decoded.
        at: When it was signed, by the signer's clock.
        segment: For kind ``bundle``, and only then.
    """

    sender: str
    to: str
    kind: MailKind
    sha256: str
    size: int
    at: datetime
    segment: Segment | None = None


def sign_mail(
    signer: Signer,
    *,
    sender: str,
    to: str,
    kind: MailKind,
    sha256: str,
    size: int,
    now: datetime,
    segment: Segment | None = None,
) -> str:
    """Return the token of one mail.

    Raises ``ValueError`` for a key of another use, or a bundle without segment.
    """
    if signer.public.use != KeyUse.REQ:
        raise ValueError("mail tokens are signed by a key of use req")
    if (segment is not None) != (kind is MailKind.BUNDLE):
        raise ValueError("a bundle has a segment, and nothing else has")
    payload: dict[str, JSONValue] = {
        "v": 1,
        "from": sender,
        "to": to,
        "kind": kind.value,
        "sha256": sha256,
        "size": size,
        "at": wire_time(now),
    }
    if segment is not None:
        payload |= {
            "bid": segment.bid,
            "envelope": segment.envelope_sha256,
            "offset": segment.offset,
            "total": segment.total,
            "i": segment.i,
            "n": segment.n,
        }
    return sign_compact(strictjson.dumps(payload), alg=EDDSA, typ=TYP, signer=signer).decode("ascii")


def read_mail_token(token: bytes, *, own: str, find_key: FindKey, now: datetime) -> MailClaims:
    """Return what the token of a mail to ``own`` says.

    The caller still owes: the key was in force at ``at``; the content part has this digest and size.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid``, ``not-for-us``, ``clock`` (signed more than 14
            days ago or more than 5 minutes ahead), or what ``find_key`` raises.
    """
    parsed = parse_compact(token, alg=EDDSA, typ=TYP, max_bytes=MAX_BYTES)
    members = strictjson.loads_object(parsed.payload, max_bytes=MAX_BYTES)
    version, sender = members.get("v"), members.get("from")
    if version != 1 or isinstance(version, bool):
        raise Refusal("version", "mail token: another major version")
    if not isinstance(sender, str) or not is_aid(sender):
        raise Refusal("malformed", "mail token: from")
    public = find_key(sender, parsed.kid)
    if public.use != KeyUse.REQ:
        raise Refusal("sig-invalid", "mail token: signed by a key of another use")
    parsed.verify(public)
    if members.get("to") != own:
        raise Refusal("not-for-us", "mail token")
    claims = _claims(members, sender, own)
    if not now - OLDEST <= claims.at <= now + LEEWAY:
        raise Refusal("clock", "mail token")
    return claims


def _claims(members: dict[str, JSONValue], sender: str, own: str) -> MailClaims:
    try:
        kind = MailKind(str(members.get("kind")))
    except ValueError:
        raise Refusal("version", "mail token: unknown kind") from None
    must = members.get("must", [])
    if must != []:
        raise Refusal("version", "mail token: must")
    sha256, size, at = members.get("sha256"), members.get("size"), members.get("at")
    if not isinstance(sha256, str) or not is_digest(sha256) or not _is_count(size) or not isinstance(at, str):
        raise Refusal("malformed", "mail token: members")
    return MailClaims(
        sender=sender,
        to=own,
        kind=kind,
        sha256=sha256,
        size=size,
        at=parse_wire_time(at),
        segment=_segment(members, size) if kind is MailKind.BUNDLE else None,
    )


def _segment(members: dict[str, JSONValue], size: int) -> Segment:
    bid, envelope = members.get("bid"), members.get("envelope")
    offset, total, i, n = (members.get(name) for name in ("offset", "total", "i", "n"))
    if not (isinstance(bid, str) and is_bid(bid) and isinstance(envelope, str) and is_digest(envelope)):
        raise Refusal("malformed", "mail token: bundle")
    if not (_is_count(offset) and _is_count(total) and _is_count(i) and _is_count(n)):
        raise Refusal("malformed", "mail token: segment")
    # First and last are where they must be, so that n segments without a gap are the whole container.
    is_placed = (offset == 0) == (i == 1) and (offset + size == total) == (i == n)
    if not (1 <= i <= n <= MOST_SEGMENTS and size > 0 and offset + size <= total and is_placed):
        raise Refusal("malformed", "mail token: segment")
    return Segment(bid=bid, envelope_sha256=envelope, offset=offset, total=total, i=i, n=n)


def _is_count(value: JSONValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
