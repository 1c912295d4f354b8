"""``result.json``: what became of a folder, in it before it is moved; the same whoever asks again."""

import json
from collections.abc import Mapping
from typing import Any

from crypto.words import check_words
from gateway.clock import Clock
from gateway.errors import GatewayError, GatewayRefusal
from gateway.services.acts.acts import PreparedAct
from gateway.services.carrier.medium import Folder, given
from gateway.services.casework.library import Library

#: The form as it was handed in, what came of it, and the exact form that the officer's passkey signs.
FORM, RESULT, TO_SIGN = "form.json", "result.json", "to-sign.json"


class Results:
    """Makes results and writes them. ``ok`` is null while a folder waits for its officer."""

    def __init__(self, *, library: Library, authority_id: str, clock: Clock) -> None:
        self._library = library
        self._own = authority_id
        self._clock = clock

    async def write(self, folder: Folder, result: Mapping[str, Any]) -> None:
        """Write a result into its folder; durable when it returns."""
        told = {"v": 1, "at": f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}", **result}
        await folder.put(RESULT, given(json.dumps(told, indent=1).encode() + b"\n"))
        await folder.settle()

    async def sent(self, bid: str) -> dict[str, Any]:
        """Return what is told of a submission: the same whether this run made it or one before."""
        held = await self._library.open(self._own, bid)
        return {
            "ok": True,
            "sender": self._own,
            "bid": bid,
            "to": held.manifest.to[0],
            "thread_id": held.manifest.thread,
            "lane": held.envelope.lane,
            "check_words": check_words(held.envelope.digest),
        }

    def waiting(self, act: PreparedAct) -> dict[str, Any]:
        """Return what is told while an act waits: who signs it, where, and until when."""
        return {
            "ok": None,
            "sender": act.sender,
            "bid": act.bid,
            "to": act.to,
            "thread_id": act.thread_id,
            "lane": act.lane,
            "act": act.id,
            "officer": act.officer,
            "digest": act.digest,
            "page": act.page,
            "expires_at": f"{act.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }


def refused(error: GatewayError, *, field: str | None = None) -> dict[str, Any]:
    """Return what is told of a refusal."""
    told: dict[str, Any] = {"code": error.code, "sentence": error.public_detail}
    if isinstance(error, GatewayRefusal):
        if error.field or field:
            told["field"] = error.field or field
        if error.items:
            told["items"] = [dict(item) for item in error.items]
    return {"ok": False, "error": told}
