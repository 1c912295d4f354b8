"""Receipts: signed statements about what happened to a bundle (docs/receipts.md).

A receipt is a compact JWS under ``EdDSA``, so that any JOSE library verifies one. Decides its claims and
their form; which receipt may follow which, and what each proves, is decided in ``gateway.model.receipt``.
Invariants: what was signed is stored and replayed byte for byte; nothing here re-serialises a receipt.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from crypto import strictjson
from crypto.encoding import is_aid, is_bid, is_digest, parse_wire_time, sha256_hex, wire_time
from crypto.errors import Refusal
from crypto.jws import EDDSA, parse_compact, sign_compact
from crypto.keys import KeyUse, PublicKey, Signer
from crypto.members import Members, unknown_members
from crypto.strictjson import JSONValue

TYP = "gw-rcpt+jws"
MAX_BYTES = 8 * 1024

#: Types of version 1. Others are read, kept and shown, because a newer peer may know more.
RECEIPT_TYPES = (
    "submission",
    "submission_refused",
    "relay",
    "rejection",
    "failure",
    "consignment",
    "notified",
    "handover",
    "mailed",
    "mail_read",
    "mail_reply",
)

#: The types whose issuer says why.
TYPES_WITH_REASON = frozenset({"rejection", "failure", "submission_refused"})

#: The types the sender's own gateway issues about its own bundle; all others are the recipient's.
TYPES_OF_SENDER = frozenset(
    {"submission", "submission_refused", "failure", "mailed", "mail_read", "mail_reply"}
)

# 1 to 32 characters, of which one at least is a letter or a digit.
_CODE = re.compile(r"(?=.{1,32}\Z)[_-]*[A-Za-z0-9][A-Za-z0-9_-]*")
_MEMBERS = frozenset(
    {"v", "must", "type", "from", "bid", "envelope", "manifest", "iss", "to", "at", "n", "prev", "reason"}
)
#: Members that are text. Some may be null; they have to be there all the same.
_TEXTS = ("type", "from", "bid", "envelope", "iss", "to", "at", "manifest", "prev", "reason")
_MAY_BE_NULL = frozenset({"manifest", "prev", "reason"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptClaims:
    """What a receipt says.

    Attributes:
        type: One of ``RECEIPT_TYPES``, or a newer peer's.
        sender: Authority that sealed the bundle (``from`` on the wire).
        bid: Identifier of the bundle, unique per sender only.
        envelope: Hex SHA-256 of the envelope the issuer saw.
        manifest: Hex SHA-256 of the manifest; None if the bundle was not opened.
        iss: Authority that signs.
        to: Authority it is for.
        at: When it happened, UTC, whole seconds.
        n: Position in the issuer's chain of receipts for this bundle, from 1.
        prev: ``receipt_digest`` of the one before in that chain; None exactly for the first.
        reason: Code, only for ``TYPES_WITH_REASON``.
        extra: Members of a newer version, kept unread.
    """

    type: str
    sender: str
    bid: str
    envelope: str
    manifest: str | None
    iss: str
    to: str
    at: datetime
    n: int
    prev: str | None
    reason: str | None
    extra: Mapping[str, JSONValue] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise ValueError(f"a receipt cannot say this: {fault}")


def _fault(claims: ReceiptClaims) -> str | None:
    """Return what is wrong with the claims, free of content, or None."""
    if not _is_code(claims.type):
        return "type"
    if not is_aid(claims.sender):
        return "from"
    if not is_bid(claims.bid):
        return "bid"
    if not is_digest(claims.envelope):
        return "envelope"
    if not (claims.manifest is None or is_digest(claims.manifest)):
        return "manifest"
    if not is_aid(claims.iss):
        return "iss"
    if not is_aid(claims.to):
        return "to"
    if claims.at.utcoffset() is None:
        return "at"
    if not 1 <= claims.n <= 1_000_000:
        return "n"
    if not (claims.prev is None if claims.n == 1 else is_digest(claims.prev)):
        return "prev"
    if not _may_give(claims.type, claims.reason):
        return "reason"
    if claims.iss != claims.sender and claims.type in TYPES_OF_SENDER:
        return "iss"
    return None


def _may_give(kind: str, reason: str | None) -> bool:
    """Tell whether a receipt of this type may give this reason, or none; a newer peer's type is free to."""
    if reason is None:
        return kind not in TYPES_WITH_REASON
    return _is_code(reason) and (kind in TYPES_WITH_REASON or kind not in RECEIPT_TYPES)


def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None


def issue(claims: ReceiptClaims, signer: Signer) -> str:
    """Return the signed receipt.

    ``ValueError`` if the key's use is not ``rcpt``. The caller stores the text and replays exactly it.
    """
    if signer.public.use != KeyUse.RCPT:
        raise ValueError("receipts are signed by a key of use rcpt")
    payload = {
        "v": 1,
        "type": claims.type,
        "from": claims.sender,
        "bid": claims.bid,
        "envelope": claims.envelope,
        "manifest": claims.manifest,
        "iss": claims.iss,
        "to": claims.to,
        "at": wire_time(claims.at),
        "n": claims.n,
        "prev": claims.prev,
        "reason": claims.reason,
    }
    return sign_compact(strictjson.dumps(payload), alg=EDDSA, typ=TYP, signer=signer).decode("ascii")


def read_receipt(jws: str, find_key: Callable[[str, str], PublicKey]) -> ReceiptClaims:
    """Return the claims of a receipt whose signature holds.

    Args:
        find_key: Gives the key of use ``rcpt`` for (iss, kid), or raises ``Refusal`` unknown-sender or
            unknown-key.

    The caller still owes: that the key was in force at ``at``; that the receipt is about a bundle and an
    envelope it knows and comes from one of its recipients (else ``receipt-mismatch``); and the chain.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid``, or what ``find_key`` raises.
    """
    if not jws.isascii():
        raise Refusal("malformed", "receipt: not ASCII")
    token = parse_compact(jws.encode("ascii"), alg=EDDSA, typ=TYP, max_bytes=MAX_BYTES)
    members = strictjson.loads_object(token.payload, max_bytes=MAX_BYTES)
    _check_version(members)
    claims = _claims(members)
    public = find_key(claims.iss, token.kid)
    if public.use != KeyUse.RCPT:
        raise Refusal("sig-invalid", "receipt: signed by a key of another use")
    token.verify(public)
    return claims


def receipt_digest(jws: str) -> str:
    """Return the hex SHA-256 by which chain, log and database name a receipt."""
    return sha256_hex(jws.encode("ascii"))


def _check_version(members: Members) -> None:
    version = members.get("v")
    if version != 1 or isinstance(version, bool):
        raise Refusal("version", "receipt: another major version")
    if "must" not in members:
        return
    must = members["must"]
    if not isinstance(must, list) or any(not isinstance(name, str) or name not in _MEMBERS for name in must):
        raise Refusal("version", "receipt: demands a member unknown here")


def _claims(members: Members) -> ReceiptClaims:
    n = members.get("n")
    if type(n) is not int:
        raise Refusal("malformed", "receipt: n")
    said: dict[str, str] = {}
    for name in _TEXTS:
        value = members.get(name)
        if isinstance(value, str):
            said[name] = value
        elif value is not None or name not in members or name not in _MAY_BE_NULL:
            raise Refusal("malformed", f"receipt: {name}")
    try:
        return ReceiptClaims(
            type=said["type"],
            sender=said["from"],
            bid=said["bid"],
            envelope=said["envelope"],
            manifest=said.get("manifest"),
            iss=said["iss"],
            to=said["to"],
            at=parse_wire_time(said["at"]),
            n=n,
            prev=said.get("prev"),
            reason=said.get("reason"),
            extra=unknown_members(members, _MEMBERS),
        )
    except ValueError as error:
        raise Refusal("malformed", str(error)) from None
