"""Keys that were ended by holders of a State in one network, while only other sources list them.

Pure. Whoever speaks for a State in any followed network can end the keys of its authorities everywhere: a
notice only removes trust, and trust removed too often is mended by a telephone call. So that it does not
happen unseen, these are shown for as long as they hold.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.model.revoked import KeyNotice
from gateway.services.directory.views import MergedView


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedElsewhere:
    """One such key.

    Attributes:
        ended_by: The source whose holders signed the notice; it does not list the key.
        listed_by: The sources that do.
        received_at: When the notice came here, and the key ended.
    """

    authority_id: str
    use: str
    kid: str
    reason: str
    ended_by: str
    listed_by: tuple[str, ...]
    received_at: datetime


def ended_elsewhere(view: MergedView, notices: Iterable[KeyNotice]) -> tuple[EndedElsewhere, ...]:
    """Return the keys that a notice of another source's holders keeps ended, by authority and key."""
    found = []
    for notice in notices:
        merged = view.authorities.get(notice.aid)
        if notice.source is None or merged is None:
            continue
        listing = {
            claim.voucher.source: key
            for claim in merged.claims
            for key in claim.entry.keys
            # A record that was stated later has overtaken the notice.
            if key.kid == notice.kid and key.revoked_at == notice.received_at
        }
        if listing and notice.source not in listing:
            found.append(
                EndedElsewhere(
                    authority_id=notice.aid,
                    use=next(iter(listing.values())).use,
                    kid=notice.kid,
                    reason=notice.reason,
                    ended_by=notice.source,
                    listed_by=tuple(sorted(listing)),
                    received_at=notice.received_at,
                )
            )
    return tuple(sorted(found, key=lambda each: (each.authority_id, each.kid)))
