"""What is asked when an addressee is looked for, by whom, and the directory as that needs it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.authority import USABLE_CHANNELS, DirectoryEntry, LookupStatus
from gateway.model.profile import Profile, parse_profile
from gateway.model.states import StateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is known of a request before it has an addressee.

    Attributes:
        state: Requested State, ISO 3166-1 alpha-2.
        instruments: Legal bases, the primary one first; may be empty.
        region: Where the person, the evidence or the data is, if that is a special region (UNTOC 18(13)).
        language: Of the request, if it is known.
    """

    state: str
    request_kind: str
    instruments: tuple[str, ...] = ()
    region: str = ""
    urgency: str = "routine"
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks. Without a directory entry, what needs both sides is a condition and not a fact."""

    state: str
    entry: DirectoryEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The directory as choosing needs it, by State.

    Attributes:
        status: ``found`` while the directory verifies and is fresh: only then is a State not listed.
        doubtful: Authorities whose own look-up is ``unverifiable`` or ``stale``.
        attested: Authorities whose record a secretariat vouches for and not their State.
        requirements: Published requirements by authority.
        contacts: Contacts that only enrolled authorities get, by authority.
        sealable: Authorities with an encryption key in force; ``None`` where nobody would seal anything.
        carried: Channels this gateway drives by itself.
    """

    entries: Mapping[str, Sequence[DirectoryEntry]]
    states: Mapping[str, StateRecord]
    status: LookupStatus = LookupStatus.FOUND
    doubtful: Mapping[str, LookupStatus] = field(default_factory=dict)
    attested: frozenset[str] = frozenset()
    requirements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    contacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    sealable: Collection[str] | None = None
    carried: Collection[str] = USABLE_CHANNELS


def listing_of(
    entries: Iterable[DirectoryEntry],
    states: Mapping[str, StateRecord],
    *,
    requirements: Mapping[str, Mapping[str, Any]] | None = None,
) -> Listing:
    """Return a listing of entries that are all in force."""
    by_state: dict[str, list[DirectoryEntry]] = {}
    for entry in entries:
        by_state.setdefault(entry.state, []).append(entry)
    return Listing(entries=by_state, states=states, requirements=requirements or {})


def with_contacts(entry: DirectoryEntry, contacts: Mapping[str, Any] | None) -> Profile:
    """Return what people read of an authority, with its member-only contacts where there are any."""
    return parse_profile({**entry.raw, **contacts}) if contacts else entry.profile
