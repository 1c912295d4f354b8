"""Emergency notices by a State's holders: one starts it, others add their line, on machines of their own.

A notice is text, and needs no network's folder: what holders of a State sign together every gateway believes.
"""

from datetime import datetime

from crypto.errors import Refusal
from crypto.revocation import Revocation, join_lines, read_notice, sign_revocation
from gateway.errors import GatewayRefusal, from_refusal
from gateway.services.registry.holders import HolderKeys


def start_notice(
    keys: HolderKeys, *, authority_id: str, kid: str, reason: str, since: datetime | None, now: datetime
) -> bytes:
    """Return a notice with one holder's line. Raises ``GatewayRefusal`` ``notice-dates`` or ``malformed``."""
    if (since is None) == (reason == "compromise") or (since is not None and since > now):
        raise GatewayRefusal("notice-dates", field="since")
    said = Revocation(aid=authority_id, kid=kid, reason=reason, invalid_since=since, at=now)
    notice = join_lines([sign_revocation(said, keys.private.signer())])
    read_statement(notice, now)
    return notice


def add_line(notice: bytes, keys: HolderKeys, now: datetime) -> bytes:
    """Return the notice with another holder's line. Raises ``GatewayRefusal`` ``malformed`` and the like."""
    said = read_statement(notice, now)
    return join_lines([*notice.split(), sign_revocation(said, keys.private.signer())])


def read_statement(notice: bytes, now: datetime) -> Revocation:
    """Return what a notice says, unverified. Raises ``GatewayRefusal`` ``malformed`` and the like."""
    try:
        return read_notice(notice, now).revocation
    except Refusal as refusal:
        raise from_refusal(refusal) from None
