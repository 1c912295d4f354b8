"""What an emergency notice does to a directory record: pure, and it can only remove trust.

A notice is sticky: the key it names counts as revoked in every record, until a record says otherwise that
was stated after the notice was made. Who may make one, and how it came here, is decided elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.model.authority import DirectoryEntry
from gateway.model.record_parts import KeyRecord

COMPROMISE = "compromise"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNotice:
    """A verified notice about one key.

    Attributes:
        at: When it was made, by its signers' clock.
        received_at: When it came here: for us the key ended then, whatever ``at`` says, so that nobody can
            take back what was signed long ago.
        invalid_since: Under ``compromise``: since when others may have signed.
        by_state: Signed by holders of the State, not by the key itself.
        source: The network that names these holders.
    """

    aid: str
    kid: str
    reason: str
    at: datetime
    received_at: datetime
    invalid_since: datetime | None
    by_state: bool
    source: str | None = None

    @property
    def weight(self) -> tuple[bool, bool]:
        """How much trust it removes: only a weightier notice about the same key replaces one."""
        return self.reason == COMPROMISE, self.by_state


def with_notices(
    entry: DirectoryEntry, notices: Mapping[tuple[str, str], KeyNotice], stated_at: datetime | None
) -> DirectoryEntry:
    """Return a record in which every key with a notice (by authority and key) is revoked.

    ``stated_at`` is when the record was stated, ``None`` where that is not known.
    """
    if not notices:
        return entry
    keys = tuple(as_revoked(key, notices.get((entry.authority_id, key.kid)), stated_at) for key in entry.keys)
    return entry if keys == entry.keys else replace(entry, keys=keys)


def as_revoked(key: KeyRecord, notice: KeyNotice | None, stated_at: datetime | None = None) -> KeyRecord:
    """Return one key of a record with its notice applied, if it has one that counts."""
    if notice is None or (stated_at is not None and stated_at > notice.at):
        return key
    if key.status == "revoked" and (key.reason == COMPROMISE or notice.reason != COMPROMISE):
        return key
    return replace(
        key,
        status="revoked",
        revoked_at=notice.received_at,
        reason=notice.reason,
        invalid_since=notice.invalid_since,
    )
