"""A way on which relay receipts are lost, so that a sender's chain of receipts has a gap."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.services.arrivals import release
from gateway.services.delivery.receipts import ReceiptDesk
from tests.hostile import _unb64


def said(jws: str) -> dict[str, Any]:
    """Return what a receipt says."""
    claims: dict[str, Any] = json.loads(_unb64(jws.split(".")[1]))
    return claims


def lose_relays(patch: pytest.MonkeyPatch) -> None:
    """Let every bundle be relayed first, and every relay receipt that is posted be lost on the way.

    One that is pulled arrives.
    """
    patch.setattr(release, "OPENING_PATIENCE_S", 0)
    patch.setattr(release, "_INLINE_OPENING_BYTES", 0)
    take = ReceiptDesk.take

    async def without(desk: ReceiptDesk, *, body: Mapping[str, Any], **call: Any) -> Any:
        came = body.get("receipts", [])
        if call.get("about") is None:
            came = [row for row in came if said(row["jws"])["type"] != "relay"]
        return await take(desk, body={**body, "receipts": came}, **call)

    patch.setattr(ReceiptDesk, "take", without)
