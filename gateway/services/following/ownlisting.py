"""Whether the networks' directories list the keys that this gateway uses, or is about to use.

A key that is used before others know it breaks traffic, however good it is: the record has to be handed on
in time (docs/join-the-network.md section 8).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.services.directory.views import SourceView
from gateway.services.keys.keyring import HeldKey

#: From here on nobody has much time left to sign a record and to refresh a directory.
_PRESSING = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """A key of ours that a network does not list; ``is_pressing``: it is used now, or within a week."""

    source: str
    use: str
    begins: datetime
    is_pressing: bool


def unlisted_keys(
    authority_id: str, held: Iterable[HeldKey], sources: Sequence[SourceView], now: datetime
) -> tuple[Unlisted, ...]:
    """Return each use of which a network that lists us lacks a key that is good or will be."""
    found: dict[tuple[str, str], Unlisted] = {}
    for source in sources:
        entry = source.entries.get(authority_id)
        if entry is None or source.assurance.get(authority_id) == "own":
            continue
        listed = {key.kid for key in entry.keys}
        for key in held:
            if key.public.kid not in listed and key.status == "active" and key.exp > now and key.file:
                each = Unlisted(
                    source=source.name,
                    use=str(key.public.use),
                    begins=key.begins,
                    is_pressing=key.begins - now < _PRESSING,
                )
                known = found.get((source.name, each.use))
                if known is None or each.begins < known.begins:
                    found[source.name, each.use] = each
    return tuple(found.values())
