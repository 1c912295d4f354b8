"""Verifying the log of an opened home: head first, then the database, so that a running service does no harm.

The database may be ahead of the head, never behind it; read the other way round, a head signed in between
would look like a log that went back.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.services.keys.keyring import Keyring
from gateway.services.log.headstore import HeadDamaged, read_head_file
from gateway.services.log.logkeys import KeyringLogKeys
from gateway.services.log.verify import AuditReport, verify_log
from gateway.storage.database import Database

#: Stands for a head file that cannot be read, so that the report says so.
_UNREADABLE = "unreadable"


async def audit_home(
    database: Database, *, keyring: Keyring, head_file: Path, progress: Callable[[int, int], None]
) -> AuditReport:
    """Return the report on the own log. ``progress`` may be called from another thread."""
    try:
        note = await asyncio.to_thread(read_head_file, head_file)
    except HeadDamaged:
        note = _UNREADABLE
    keys = KeyringLogKeys(keyring).known()
    return await database.read_slow(
        lambda connection: verify_log(
            connection,
            origin=f"{keyring.authority_id}/log",
            keys=keys,
            head_note=note,
            progress=progress,
        )
    )
