"""How the keys of a record follow those of the one before: none given back, none cut off, none forgotten."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crypto.encoding import wire_time
from gateway.errors import GatewayRefusal


def following_keys(
    known: Mapping[str, Any], record: Mapping[str, Any], *, keys_lost: bool, now: datetime
) -> list[dict[str, Any]]:
    """Return the keys of a record that follows another; old ones stay listed, for old evidence.

    Raises ``GatewayRefusal`` ``key-given-back``, or ``keys-no-overlap`` unless ``keys_lost`` says that the
    authority has none of its former keys.
    """
    had = {row["kid"]: row for row in known["keys"]}
    has = {row["kid"]: row for row in record.get("keys", ())}
    _refuse_given_back(known, record)
    trusted = {kid for kid, row in had.items() if row["use"] == "sig" and row["status"] == "active"}
    if trusted and not trusted & has.keys() and not keys_lost:
        raise GatewayRefusal("keys-no-overlap")
    at = wire_time(now)
    gone = {"status": "revoked", "revoked_at": at, "reason": "cessation"}
    kept = [
        row if row["status"] == "revoked" else {**row, **gone} for kid, row in had.items() if kid not in has
    ]
    return [*kept, *has.values()]


def refuse_broken_line(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> None:
    """Return if the keys of every record that was changed elsewhere follow those published.

    Raises ``GatewayRefusal`` ``key-given-back``, or ``keys-no-overlap`` where a key is listed no more.
    """
    for aid, record in after.items():
        had = {row["kid"] for row in before.get(aid, {}).get("keys", ())}
        if had - {row["kid"] for row in record["keys"]}:
            raise GatewayRefusal("keys-no-overlap", field=aid)
        if had:
            _refuse_given_back(before[aid], record)


def _refuse_given_back(known: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    ended = {row["kid"] for row in known["keys"] if row["status"] == "revoked"}
    for row in record.get("keys", ()):
        if row["kid"] in ended and row["status"] == "active":
            raise GatewayRefusal("key-given-back", field=row["kid"])
