"""The index of a folder on a medium: which files were whole when it was written; believed in nothing else."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from crypto import strictjson
from crypto.encoding import wire_time
from crypto.errors import Refusal
from gateway.model.medium import INDEX, TEXT_MAX_BYTES, Kind
from gateway.services.carrier.medium import Folder, Written


def make_index(
    folder: Folder, listed: Sequence[tuple[Kind, Written]], *, to: str, sender: str, now: datetime
) -> bytes:
    """Return the index: this export's files, and of earlier exports what still lies there."""
    there = {entry.name: entry.size for entry in folder.entries() if entry.is_file}
    rows: dict[str, dict[str, Any]] = {
        row["name"]: row for row in read_index(folder) if there.get(row["name"]) == row["size"]
    }
    for kind, put in listed:
        rows[put.name] = {"name": put.name, "kind": str(kind), "size": put.size, "sha256": put.sha256}
    value = {"v": 1, "from": sender, "to": to, "made": wire_time(now), "files": list(rows.values())}
    return json.dumps(value, ensure_ascii=True, indent=1).encode() + b"\n"


def read_index(folder: Folder) -> list[dict[str, Any]]:
    """Return the rows of a folder's index that have a name, size and digest; none where it is damaged."""
    data = folder.read(INDEX, most=TEXT_MAX_BYTES)
    try:
        value = strictjson.loads(data or b"", max_bytes=TEXT_MAX_BYTES)
    except Refusal:
        return []
    rows = value.get("files") if isinstance(value, dict) else None
    return [
        row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        and isinstance(row.get("name"), str)
        and isinstance(row.get("sha256"), str)
        and isinstance(row.get("size"), int)
    ]
