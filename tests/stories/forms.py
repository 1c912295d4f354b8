"""Sample requests with documents that a story makes itself: small files, truly stated in the form."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests import sampledata


def write_request(number: int, folder: Path, documents: dict[str, bytes]) -> tuple[Path, list[Path]]:
    """Write a sample request that encloses exactly these documents; return the form's path and theirs.

    A name that no file can have is listed in the form and not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    form = sampledata.request(number)
    template = form["attachments"][0]
    paths, rows = [], []
    for n, (name, data) in enumerate(documents.items(), start=1):
        rows.append(listed(template, n, name, data))
        if name not in {"", ".", ".."} and not {"/", "\0"} & set(name) and len(name.encode()) <= 255:
            path = folder / name
            path.write_bytes(data)
            paths.append(path)
    form["attachments"], form["translations"] = rows, []
    request = folder.parent / f"{folder.name}.json"
    request.write_text(json.dumps(form))
    return request, paths


def listed(template: dict[str, Any], n: int, name: str, data: bytes) -> dict[str, Any]:
    """Return the row of a form for one document."""
    return {
        **template,
        "attachment_id": f"A{n}",
        "filename": name,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
