"""Checking the receipts of peers: who signed, about what, and where it stands in their log.

A receipt that does not check is filed as refused and moves nothing; a proof that does not check is
left out and the receipt still counts, because evidence climbs a ladder and never blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crypto.bundle import KeyInForce, key_verdict
from crypto.encoding import unb64u
from crypto.errors import Refusal
from crypto.keys import KeyUse, PublicKey
from crypto.leaf import check_logged_receipt
from crypto.receipts import ReceiptClaims, read_receipt, receipt_digest
from gateway.services.directory import Directory

#: Bounds of one receipt object as it travels, before anything is parsed.
_PROOF_LIMIT = 64 * 1024
_LEAF_LIMIT = 4096

#: By how much a log's clock may have been set back between a receipt and the head over it.
_SET_BACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlace:
    """A checked place in the issuer's log: exact texts, as they came."""

    leaf: str
    salt: bytes = field(repr=False)
    body: str = field(repr=False)
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReceipt:
    """A receipt whose signature is good; ``place`` is ``None`` where the log proof is absent or wrong."""

    claims: ReceiptClaims
    jws: str = field(repr=False)
    digest: str
    place: LogPlace | None
    proof_fault: str | None


def check_receipt(offered: Mapping[str, Any], directory: Directory, now: datetime) -> CheckedReceipt:
    """Return the receipt after checking signature and log proof; what it is about is the caller's to compare.

    Raises:
        Refusal: ``malformed``, ``version``, ``unknown-*``, ``sig-invalid``, ``sig-revoked``.
    """
    jws = offered.get("jws")
    if not isinstance(jws, str):
        raise Refusal("malformed", "receipt object without jws")
    used: list[KeyInForce] = []

    def find(iss: str, kid: str) -> PublicKey:
        used.append(directory.key_in_force(iss, KeyUse.RCPT, kid))
        return used[-1].public

    claims = read_receipt(jws, find)
    key_verdict(used[0], claims.at, now)
    place, fault = None, None
    if offered.get("proof") is not None:
        try:
            place = _check_place(offered, jws, claims, directory, now)
        except Refusal as refusal:
            fault = refusal.code
    return CheckedReceipt(claims=claims, jws=jws, digest=receipt_digest(jws), place=place, proof_fault=fault)


def _check_place(
    offered: Mapping[str, Any],
    jws: str,
    claims: ReceiptClaims,
    directory: Directory,
    now: datetime,
) -> LogPlace:
    """Check that the leaf is in the issuer's log and commits to this very receipt (docs/receipts.md)."""
    leaf, salt, body, proof = map(offered.get, ("leaf", "salt", "body", "proof"))
    if not (
        isinstance(leaf, str) and isinstance(salt, str) and isinstance(body, str) and isinstance(proof, str)
    ):
        raise Refusal("malformed", "place in the log")
    if len(leaf) > _LEAF_LIMIT or len(body) > _LEAF_LIMIT or len(proof) > _PROOF_LIMIT:
        raise Refusal("malformed", "place in the log: too long")
    keys = [key.public for key in directory.keys(claims.iss, KeyUse.LOG)]
    salt_bytes = unb64u(salt)
    said, head = check_logged_receipt(
        jws, iss=claims.iss, leaf=leaf, salt=salt_bytes, body=body, proof=proof, keys=keys
    )
    if (said.get("from"), said.get("bid")) != (claims.sender, claims.bid):
        raise Refusal("proof-invalid", "the leaf is about another bundle")
    if head.signed_at is None or head.signed_at < claims.at - _SET_BACK:
        # A head holds nothing that came after it: keys whose time is over would place what is new.
        raise Refusal("proof-invalid", "the head was signed before the receipt")
    # By the keys in force when the head was signed: later ones prove nothing about it, past ones still do.
    for kid in head.signed_by:
        key_verdict(directory.key_in_force(claims.iss, KeyUse.LOG, kid), head.signed_at or now, now)
    return LogPlace(leaf=leaf, salt=salt_bytes, body=body, proof=proof)
