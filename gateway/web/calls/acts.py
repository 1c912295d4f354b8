"""An act that waits for its officer's passkey, as calls of several areas hand it out."""

from datetime import datetime

from gateway.web.calls.shape import Secret


class PreparedActView(Secret, kw_only=True):
    """An act that waits for its officer's passkey.

    Attributes:
        digest: SHA-256 of the form, hex.
        challenge: What the passkey signs, base64url (docs/human-acts.md).
        page: Where the officer signs it.
    """

    id: str
    officer: str
    message_type: str
    sender: str
    bid: str
    to: str
    thread_id: str
    lane: str
    digest: str
    challenge: str
    page: str
    prepared_at: datetime
    expires_at: datetime
