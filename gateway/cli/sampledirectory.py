"""Answers from the sample directory that comes with the product: 43 States, fictional addresses, no keys."""

from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.cli.output import CommandFailed
from gateway.demo.samples import read_sample_directory, read_sample_requirements
from gateway.errors import sentence_of
from gateway.model import resolution
from gateway.model.authority import DirectoryEntry, LookupStatus, parse_entry
from gateway.model.listing import Listing, Requester, listing_of
from gateway.model.states import parse_state
from gateway.web import authorities, choosing
from gateway.web.calls import DirectoryResult
from gateway.web.calls.addressees import AuthorityView, ResolutionView, ResolveParams

_SOURCE = "sample"


def resolve(params: ResolveParams) -> ResolutionView:
    """Return to whom a request goes. Raises ``CommandFailed`` ``not-listed`` for an unknown requester."""
    entries, listing = _read()
    named, now = params.requester.strip(), datetime.now(UTC)
    own = _entry(entries, named) if len(named) > 2 else None
    requester = Requester(state=own.state if own else named.upper(), entry=own)
    found = resolution.resolve(choosing.query_of(params), listing, requester=requester, now=now)
    return choosing.resolution_view(found, source=_SOURCE, now=now)


def show(authority_id: str) -> AuthorityView:
    """Return everything about one authority. Raises ``CommandFailed`` ``not-listed``."""
    entries, listing = _read()
    entry = _entry(entries, authority_id)
    return authorities.authority_view(
        entry,
        source=_SOURCE,
        status=LookupStatus.FOUND,
        state=listing.states.get(entry.state),
        vouchers=[],
        keys=[],
        requirements=listing.requirements.get(authority_id),
        contacts=None,
        now=datetime.now(UTC),
    )


def list_() -> DirectoryResult:
    """Return every authority."""
    entries, _ = _read()
    today = datetime.now(UTC).date()
    rows = [
        authorities.entry_view(entry, is_own=False, today=today)
        for entry in sorted(entries, key=lambda entry: entry.authority_id)
    ]
    return DirectoryResult(source=_SOURCE, issue=0, network="lab", authorities=rows)


def _read() -> tuple[list[DirectoryEntry], Listing]:
    rows = read_sample_directory()
    entries = [parse_entry(row) for row in rows["authorities"]]
    states = {row["state"]: parse_state(row) for row in rows["states"]}
    return entries, listing_of(entries, states, requirements=read_sample_requirements())


def _entry(entries: Iterable[DirectoryEntry], authority_id: str) -> DirectoryEntry:
    for entry in entries:
        if entry.authority_id == authority_id:
            return entry
    raise CommandFailed("not-listed", sentence_of("not-listed"))
