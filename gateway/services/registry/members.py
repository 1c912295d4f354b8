"""Member-only contacts: telephone numbers that only enrolled gateways of the network read.

One file on the same static server, sealed for every ``enc`` key in force. It is believed entry by entry:
each must be the one whose digest its State signed in the public record.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from crypto.audience import AUDIENCE_LIMIT, open_for, seal_for
from crypto.errors import KeyRefused, Refusal
from crypto.keys import Decapsulator, KeyUse, PublicKey
from crypto.strictjson import dumps, loads_object
from gateway.model.authority import parse_entry
from gateway.services.registry.records import member_entry

MEMBERS_FILE = "members.sealed"
MEMBERS_LIMIT = AUDIENCE_LIMIT


def seal_members(
    network: str, entries: Mapping[str, bytes], records: Iterable[Mapping[str, Any]], now: datetime
) -> bytes:
    """Return the file of these entries, readable by every authority of ``records`` with a key in force."""
    readers: dict[str, PublicKey] = {}
    for record in records:
        for key in parse_entry(record).keys:
            if key.use == KeyUse.ENC and key.status == "active" and key.nbf <= now <= key.exp:
                public = PublicKey.load(key.use, key.alg, key.material, kid=key.kid)
                readers[public.kid] = public
    texts = {aid: entry.decode("utf-8") for aid, entry in sorted(entries.items())}
    return seal_for(dumps({"v": 1, "entries": texts}), readers.values(), network.encode("ascii"))


def open_members(
    data: bytes,
    network: str,
    records: Mapping[str, Mapping[str, Any]],
    decapsulators: Mapping[str, Decapsulator],
) -> dict[str, dict[str, Any]]:
    """Return the contacts that the signed records vouch for; empty if the file is not for us or damaged."""
    try:
        plain = open_for(data, decapsulators, network.encode("ascii"))
        entries: Any = {} if plain is None else loads_object(plain, max_bytes=MEMBERS_LIMIT).get("entries")
    except (Refusal, KeyRefused):
        return {}
    if not isinstance(entries, dict):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for aid, text in entries.items():
        if aid in records and isinstance(text, str):
            entry = member_entry(records[aid], text.encode("utf-8"))
            if entry is not None:
                found[aid] = entry
    return found
