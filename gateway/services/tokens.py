"""The request token behind a call: accepted once, remembered until it would be refused for its age anyway.

It is spent in the transaction that accepts what it brought, so that a call whose storing failed may be
repeated as it is. What we fetched ourselves came with no token.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.storage import peers
from gateway.storage.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestToken:
    """A token that was verified; from ``exp`` on nobody accepts it any more."""

    iss: str
    jti: str
    exp: datetime

    def spend(self, tx: Transaction) -> None:
        """Record it as used; a second use is an IntegrityError."""
        peers.use_token(tx, iss=self.iss, jti=self.jti, forget_at=self.exp)


def request_token(iss: str, jti: str | None, exp: datetime | None) -> RequestToken | None:
    """Return the token of a call, ``None`` for what we fetched ourselves; ``ValueError`` for half of one."""
    if jti is None and exp is None:
        return None
    if jti is None or exp is None:
        raise ValueError("a request token has an identifier and an end")
    return RequestToken(iss=iss, jti=jti, exp=exp)
