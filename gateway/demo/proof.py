"""What a home's own log proves once nobody serves it: that it verifies, and what it tells of one bundle."""

from pathlib import Path

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
