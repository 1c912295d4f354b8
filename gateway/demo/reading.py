"""``python -m gateway.demo.reading FILE``: what a person sees of an opened letter, as JSON.

A process of its own, as a mail program is one: the parser of the standard library needs several times the
size of a large letter.
"""

import email
import hashlib
import json
import sys
from email.message import Message
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return ``text``, the first part, and ``files``: name → SHA-256 (hex)."""
    with path.open("rb") as letter:
        parts = [part for part in email.message_from_binary_file(letter).walk() if not part.is_multipart()]
    text = _payload(parts[0]).decode(parts[0].get_content_charset("utf-8"))
    files = {
        str(part.get_filename()): hashlib.sha256(_payload(part)).hexdigest()
        for part in parts
        if part.get_filename()
    }
    return {"text": text.replace("\r\n", "\n"), "files": files}


def _payload(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


if __name__ == "__main__":
    json.dump(read(Path(sys.argv[1])), sys.stdout)
