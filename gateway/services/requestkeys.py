"""Finds the key by which a peer calls, and says afterwards whether it was in force when it signed."""

from datetime import datetime

from crypto.keys import KeyUse, PublicKey
from crypto.opener import key_verdict
from gateway.services.directory import Directory


class RequestKeys:
    """Finds one ``req`` key of an authority; one object for each token that is read."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._used: tuple[str, str] | None = None

    def __call__(self, authority_id: str, kid: str) -> PublicKey:
        self._used = authority_id, kid
        return self._directory.key(authority_id, KeyUse.REQ, kid)

    def check(self, signed_at: datetime, now: datetime) -> None:
        """Return if the key was in force when it signed. Raises ``Refusal`` ``sig-revoked``."""
        assert self._used is not None
        key_verdict(self._directory.key_in_force(self._used[0], KeyUse.REQ, self._used[1]), signed_at, now)
