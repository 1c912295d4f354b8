"""Request tokens: who sends this HTTP request, to whom, and exactly which (docs/peer-api.md section 2).

A token lives 60 seconds and is bound to method, path and query. Decides form and claims; keeps no memory:
the caller refuses a second use of ``(iss, jti)`` in the transaction that accepts the request. Never use the
token's text or hash as the replay key.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from crypto import strictjson
from crypto.encoding import b64u, is_aid
from crypto.errors import Refusal
from crypto.jws import EDDSA, CompactJWS, parse_compact, sign_compact
from crypto.keys import KeyUse, PublicKey, Signer
from crypto.strictjson import JSONValue

TYP = "gw-req+jwt"
LIFE = timedelta(seconds=60)
LEEWAY = timedelta(seconds=120)
MAX_BYTES = 4 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: End of the year 9998: a later ``iat`` could not be added to without leaving ``datetime``.
_LAST_SECOND = 253_370_764_799
_JTI = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestClaims:
    """What a verified token says beyond the request it came with.

    Attributes:
        iss: Authority that sends.
        jti: 22 characters; with ``iss`` the replay key.
        iat: When it was signed.
        bd: SHA-256 of the body, base64url; None for requests without a JSON body.
        off: Offset of the container bytes in the body.
        len: Their number.
    """

    iss: str
    jti: str
    iat: datetime
    bd: str | None
    off: int | None
    len: int | None


def issue_request_token(
    signer: Signer,
    *,
    iss: str,
    aud: str,
    method: str,
    path_qs: str,
    now: datetime,
    body_digest: bytes | None = None,
    off: int | None = None,
    length: int | None = None,
) -> str:
    """Return a fresh token for one request.

    Args:
        path_qs: Path and query exactly as they go on the wire.
        body_digest: SHA-256 of a JSON body, 32 bytes.
        off, length: Which bytes of a container the body carries.
    """
    if signer.public.use != KeyUse.REQ:
        raise ValueError("request tokens are signed by a key of use req")
    issued = int((now - _EPOCH).total_seconds())
    claims: dict[str, str | int] = {
        "iss": iss,
        "aud": aud,
        "sub": f"{method} {path_qs}",
        "jti": b64u(secrets.token_bytes(16)),
        "iat": issued,
        "exp": issued + 60,
    }
    if body_digest is not None:
        claims["bd"] = b64u(body_digest)
    if off is not None:
        claims["off"] = off
    if length is not None:
        claims["len"] = length
    return sign_compact(strictjson.dumps(claims), alg=EDDSA, typ=TYP, signer=signer).decode("ascii")


def verify_request_token(
    token: str,
    *,
    aud: str,
    method: str,
    path_qs: str,
    now: datetime,
    find_key: Callable[[str, str], PublicKey],
) -> RequestClaims:
    """Return the claims of a token that is good for exactly this request.

    Args:
        find_key: Gives the key of use ``req`` for (iss, kid), or raises ``Refusal`` unknown-sender or
            unknown-key.

    The caller still owes: ``iss`` is the TLS peer; the key was in force at ``iat``; ``(iss, jti)`` is new;
    ``bd`` or ``off`` and ``len`` fit the body.

    Raises:
        Refusal: ``auth-invalid``; ``clock`` for a good signature outside the 120 s leeway; or what
            ``find_key`` raises.
    """
    try:
        parsed = parse_compact(token.encode("ascii"), alg=EDDSA, typ=TYP, max_bytes=MAX_BYTES)
        members = strictjson.loads_object(parsed.payload, max_bytes=MAX_BYTES)
    except (Refusal, UnicodeEncodeError):
        raise Refusal("auth-invalid", "request token: form") from None
    claims = _claims(members)
    _check_signature(parsed, find_key(claims.iss, parsed.kid))
    if members.get("aud") != aud or members.get("sub") != f"{method} {path_qs}":
        raise Refusal("auth-invalid", "request token: made for another request")
    if not claims.iat - LEEWAY <= now <= claims.iat + LIFE + LEEWAY:
        raise Refusal("clock", "request token: outside its time")
    return claims


def _check_signature(parsed: CompactJWS, public: PublicKey) -> None:
    if public.use != KeyUse.REQ:
        raise Refusal("auth-invalid", "request token: signed by a key of another use")
    try:
        parsed.verify(public)
    except Refusal:
        raise Refusal("auth-invalid", "request token: signature") from None


def _claims(members: dict[str, JSONValue]) -> RequestClaims:
    iss, jti, bd = members.get("iss"), members.get("jti"), members.get("bd")
    iat, exp, off, length = (members.get(name) for name in ("iat", "exp", "off", "len"))
    if not isinstance(iss, str) or not is_aid(iss):
        raise Refusal("auth-invalid", "request token: iss")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise Refusal("auth-invalid", "request token: jti")
    if not _is_count(iat) or not _is_count(exp) or iat > _LAST_SECOND or exp != iat + 60:
        raise Refusal("auth-invalid", "request token: iat or exp")
    if bd is not None and (not isinstance(bd, str) or not _DIGEST.fullmatch(bd)):
        raise Refusal("auth-invalid", "request token: bd")
    if (off is not None and not _is_count(off)) or (length is not None and not _is_count(length)):
        raise Refusal("auth-invalid", "request token: off or len")
    return RequestClaims(iss=iss, jti=jti, iat=_EPOCH + timedelta(seconds=iat), bd=bd, off=off, len=length)


def _is_count(value: JSONValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
