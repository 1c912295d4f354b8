"""Identifiers of bundles and threads that this gateway makes.

They begin with the time, as UUIDs of version 7 do (RFC 9562 section 5.7): what is made together stands
together in every index, so that a commit touches a few pages of it and not one for each row. The time is
no secret, an envelope states it; nobody can guess the rest (docs/decisions/0025).
"""

import secrets
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def new_identifier(now: datetime) -> str:
    """Return 32 hex digits: milliseconds since 1970 in 48 bits, then 80 random bits."""
    return f"{(now - _EPOCH) // _MILLISECOND:012x}{secrets.token_hex(10)}"
