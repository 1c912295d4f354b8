"""The merged view as choosing an addressee needs it: the authorities of one State, and what they publish.

Pure. A record that several sources contradict is shown and marked, never left out: an officer must see that
the addressee is there and cannot be trusted now.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from crypto.keys import KeyUse
from gateway.model.authority import LookupStatus
from gateway.model.freshness import Freshness, freshness
from gateway.model.listing import Listing
from gateway.services.directory.views import OWN, MergedView, SourceView


def listing_for(
    view: MergedView, state: str, *, absence: LookupStatus, carried: Collection[str], now: datetime
) -> Listing:
    """Return what the directory says of one State's authorities, and the records of all States.

    Args:
        absence: What it means here that nobody lists an authority of the State.
        carried: Channels this gateway drives by itself.
    """
    prefix = f"{state.lower()}-"
    listed = {
        aid: view.authorities[aid] for aid in sorted(a for a in view.authorities if a.startswith(prefix))
    }
    doubtful = {}
    for aid, merged in listed.items():
        if merged.is_contradicted:
            doubtful[aid] = LookupStatus.UNVERIFIABLE
        elif freshness(merged.fresh_until, now) is not Freshness.FRESH:
            doubtful[aid] = LookupStatus.STALE
    is_absent = LookupStatus.FOUND if absence is LookupStatus.NOT_LISTED else absence
    return Listing(
        entries={state: [merged.entry(now) for merged in listed.values()]} if listed else {},
        states=view.states,
        # What somebody lists, and vouches for now, is found whatever the others do not know.
        status=LookupStatus.FOUND if listed else is_absent,
        doubtful=doubtful,
        attested=frozenset(
            aid for aid, merged in listed.items() if merged.claims[0].voucher.assurance == "attested"
        ),
        requirements={aid: found for aid in listed if (found := requirements_of(view, aid)) is not None},
        contacts={aid: found for aid in listed if (found := contacts_of(view, aid)) is not None},
        sealable=frozenset(
            aid
            for aid in listed
            if any(
                key.status == "active" and key.nbf <= now <= key.exp
                for key in view.by_use.get((aid, KeyUse.ENC), ())
            )
        ),
        carried=carried,
    )


def requirements_of(view: MergedView, authority_id: str) -> Mapping[str, Any] | None:
    """Return what an authority has published about requests, as its best source has it."""
    for source in _sources_of(view, authority_id):
        if authority_id in source.requirements:
            return source.requirements[authority_id]
    return None


def contacts_of(view: MergedView, authority_id: str) -> Mapping[str, Any] | None:
    """Return the contacts of an authority that only enrolled ones get, as its best source has them."""
    for source in _sources_of(view, authority_id):
        if authority_id in source.contacts:
            return source.contacts[authority_id]
    return None


def _sources_of(view: MergedView, authority_id: str) -> list[SourceView]:
    """Return the sources that list an authority, best first; none where they contradict each other.

    Nobody tells us who we are, but what we publish may stand in any of them.
    """
    merged = view.authorities.get(authority_id)
    if merged is None or merged.is_contradicted:
        return []
    listing = [view.by_name[claim.voucher.source] for claim in merged.claims]
    if merged.claims[0].voucher.assurance == OWN:
        listing += [source for source in view.sources if source not in listing]
    return listing
