"""Documents that go with an act: the rows in which its form names them, with size and digest."""

import asyncio
import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.services.sending.handin import Attachment

_CHUNK_BYTES = 1024 * 1024


async def listed(attachments: Sequence[Attachment], role: str, language: str) -> list[Mapping[str, Any]]:
    """Return the form's ``attachments`` for these files, in their order; every file is read once."""
    return [
        {
            "attachment_id": f"A{number}",
            "role": role,
            "filename": attachment.filename,
            "media_type": mimetypes.guess_type(attachment.filename)[0] or "application/octet-stream",
            "language": language,
            "size_bytes": attachment.size,
            "sha256": await asyncio.to_thread(_digest, attachment),
        }
        for number, attachment in enumerate(attachments, 1)
    ]


def _digest(attachment: Attachment) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK_BYTES))
    with attachment.open() as source:
        while count := source.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
