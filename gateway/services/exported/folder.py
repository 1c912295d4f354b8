"""The exported folder: which files there are, and the keys that go with them. Everything lies flat.

``index.json`` names the files of each message; ``keys.json`` holds the public keys of whoever signed, as the
directory lists them. Reading takes nothing on trust: names are plain, sizes bounded, keys named anew.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from crypto import strictjson
from crypto.bundle import KeyInForce
from crypto.encoding import b64u, parse_wire_time, unb64u, wire_time
from crypto.errors import Refusal
from crypto.keys import PublicKey
from gateway.errors import GatewayRefusal

INDEX: Final = "index.json"
KEYS: Final = "keys.json"
README: Final = "README.txt"

_LIMITS = {INDEX: 4 * 1024 * 1024, KEYS: 16 * 1024 * 1024}
_MOST_FILE_BYTES = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_MESSAGES, _MOST_PARTS = 10_000, 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedMessage:
    """The files of one message; ``documents`` are parts 2 and up, by number."""

    sender: str
    bid: str
    envelope: str
    manifest: str
    form: str
    documents: Mapping[int, str] = field(default_factory=dict)
    receipts: Sequence[str] = field(default=(), repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``index.json``."""
        return {
            "from": self.sender,
            "bid": self.bid,
            "envelope": self.envelope,
            "manifest": self.manifest,
            "form": self.form,
            "documents": {str(n): name for n, name in self.documents.items()},
            "receipts": list(self.receipts),
        }


def index_bytes(messages: Sequence[ExportedMessage], *, by: str, left_out: int, now: datetime) -> bytes:
    """Return ``index.json``; ``left_out``: messages recorded from mail, for which nobody signed a bundle."""
    index = {
        "v": 1,
        "exported_by": by,
        "exported_at": wire_time(now),
        "messages": [message.as_json() for message in messages],
        "left_out": left_out,
    }
    return strictjson.dumps(index)


def key_rows(authority_id: str, keys: Iterable[KeyInForce]) -> list[dict[str, Any]]:
    """Return the entries of ``keys.json`` for keys of one authority."""
    rows = []
    for key in keys:
        row: dict[str, Any] = {
            "authority_id": authority_id,
            "use": str(key.public.use),
            "alg": key.public.alg,
            "kid": key.public.kid,
            "pub": b64u(key.public.pub),
            "nbf": wire_time(key.nbf),
            "exp": wire_time(key.exp),
            "status": key.status,
        }
        ends = {"revoked_at": key.revoked_at, "invalid_since": key.invalid_since}
        row |= {name: wire_time(at) for name, at in ends.items() if at is not None}
        rows.append(row if key.reason is None else row | {"reason": key.reason})
    return rows


def open_plain(folder: Path, name: str) -> BinaryIO:
    """Return a file of the folder open for reading; a link, a device or a path is none.

    Raises ``OSError`` or ``ValueError``.
    """
    path = folder / name
    if _NAME.fullmatch(name) is None or path.is_symlink() or not path.is_file():
        raise ValueError("no file of this folder")
    return path.open("rb")


def read_small(folder: Path, name: str) -> bytes:
    """Return a file of the folder, bounded. Raises ``GatewayRefusal`` ``export-unreadable``."""
    limit = _LIMITS.get(name, _MOST_FILE_BYTES)
    try:
        with open_plain(folder, name) as file:
            data = file.read(limit + 1)
    except (OSError, ValueError):
        raise GatewayRefusal("export-unreadable", field=name[:100]) from None
    if len(data) > limit:
        raise GatewayRefusal("export-unreadable", field=name)
    return data


def read_index(folder: Path) -> list[ExportedMessage]:
    """Return what ``index.json`` lists. Raises ``GatewayRefusal`` ``export-unreadable``."""
    try:
        index = strictjson.loads_object(read_small(folder, INDEX), max_bytes=_LIMITS[INDEX])
        rows = index.get("messages")
        if index.get("v") != 1 or not isinstance(rows, list) or len(rows) > _MOST_MESSAGES:
            raise ValueError("index")
        return [_message(row) for row in rows]
    except (Refusal, ValueError, TypeError, KeyError, AttributeError):
        raise GatewayRefusal("export-unreadable", field=INDEX) from None


def _message(row: Any) -> ExportedMessage:
    names = [row[member] for member in ("from", "bid", "envelope", "manifest", "form")]
    documents = {int(n): name for n, name in row["documents"].items()}
    receipts = row["receipts"]
    texts = [*names, *documents.values(), *receipts]
    if not all(isinstance(each, str) for each in texts) or len(documents) > _MOST_PARTS:
        raise ValueError("message")
    sender, bid, envelope, manifest, form = names
    return ExportedMessage(
        sender=sender,
        bid=bid,
        envelope=envelope,
        manifest=manifest,
        form=form,
        documents=documents,
        receipts=tuple(receipts),
    )


def read_keys(folder: Path) -> dict[tuple[str, str, str], KeyInForce]:
    """Return the keys of ``keys.json`` by (authority, use, kid), each named anew from its bytes.

    Raises ``GatewayRefusal`` ``export-unreadable``.
    """
    try:
        listed = strictjson.loads_object(read_small(folder, KEYS), max_bytes=_LIMITS[KEYS]).get("keys")
        if not isinstance(listed, list):
            raise ValueError("keys")
        return dict(_key(row) for row in listed)
    except (Refusal, ValueError, TypeError, KeyError, AttributeError):
        raise GatewayRefusal("export-unreadable", field=KEYS) from None


def _key(row: Any) -> tuple[tuple[str, str, str], KeyInForce]:
    public = PublicKey.load(row["use"], row["alg"], unb64u(row["pub"]), kid=row["kid"])

    def at(name: str) -> datetime | None:
        return parse_wire_time(row[name]) if name in row else None

    key = KeyInForce(
        public=public,
        nbf=parse_wire_time(row["nbf"]),
        exp=parse_wire_time(row["exp"]),
        status=str(row["status"]),
        revoked_at=at("revoked_at"),
        reason=row.get("reason"),
        invalid_since=at("invalid_since"),
    )
    return (str(row["authority_id"]), str(public.use), public.kid), key
