"""What is proved without a gateway that serves: by a home's own log, and by a case that was handed out."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.storage import audit
from gateway.web import calls as api
from gateway.web.operations import perform


async def verify_at_rest(home: Path) -> api.AuditResult:
    """Check the log of a home that nobody serves, as ``rogatory audit verify`` does."""
    from gateway.app import App

    async with App.open(home, writer=False) as app:
        return await perform(app.desk, api.AUDIT_VERIFY, api.Nothing(), lambda done, total: None)


async def channels_in_log(home: Path, bid: str) -> list[str]:
    """Return the channels of all attempts for a bundle, in the order in which the log has them."""
    from gateway.app import App

    async with App.open(home, writer=False) as app:
        end = await app.database.read(audit.log_size)
        rows = await app.database.read(lambda c: audit.entries(c, 0, end))
    bodies = [msgspec.json.decode(row.body) for row in rows if row.body is not None]
    mine = [body for body in bodies if body.get("bid") == bid]
    return [body["channel"] for body in mine if str(body["ev"]) in _ATTEMPTS]


#: What the log calls an attempt that brought nothing yet, one that left, and one that was answered.
_ATTEMPTS = {"transmission.attempted", "transmission.dispatched"}


async def judged_outside(folder: Path) -> Mapping[str, Any]:
    """Return what somebody finds who has nothing but the folder of an exported case: no home, no network.

    As ``rogatory verify --json``, in a process of its own with an empty environment.
    """
    command = (sys.executable, "-m", "gateway", "verify", str(folder), "--json")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    answer, _ = await process.communicate()
    found: Mapping[str, Any] = json.loads(answer)
    return found
