"""The same bundle for newer keys of its recipients: a new envelope before parts that stay as they are.

Decides what a re-wrap may change. Who may ask for one, and when, is the caller's.
"""

from collections.abc import Sequence
from datetime import datetime

from crypto.envelope import Envelope, seal_envelope
from crypto.keys import PublicKey, Signer


def rewrap_envelope(
    previous: Envelope,
    *,
    signer: Signer,
    bk: bytes,
    recipients: Sequence[tuple[str, PublicKey]],
    created: datetime,
    expires: datetime,
    rev: int,
) -> Envelope:
    """Return the same bundle for the recipients' present keys: nothing but the first bytes changes.

    Raises:
        ValueError: other recipients than before, or a revision that is not higher.
    """
    if {aid for aid, _ in recipients} != {wrap.aid for wrap in previous.to}:
        raise ValueError("a re-wrap goes to the same authorities")
    if rev <= previous.rev:
        raise ValueError("a re-wrap has a higher revision")
    return seal_envelope(
        signer=signer,
        sender=previous.sender,
        bid=previous.bid,
        rev=rev,
        created=created,
        expires=expires,
        lane=previous.lane,
        bk=bk,
        recipients=recipients,
        manifest_sha256=previous.manifest,
        parts=previous.parts,
        must=previous.must,
        extra=previous.extra,
    )
