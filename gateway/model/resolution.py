"""To whom a request goes: from State, kind, instruments, region and urgency to candidates with their reasons.

Pure. Never chooses between several: then a person is asked, and the question is named. Says what keeps a
candidate from being the right one as warnings, because a person and not a program decides what the law
allows. Not being listed is told apart from not knowing. Domain rules after UNTOC 18(13), Budapest 27 and 35.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.model import advice, doubts
from gateway.model.addressee import FALLBACK_ROLE, DesignationMatch
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.codes import Lane, code_list
from gateway.model.designated import Holder, holders, in_region, matching_regions
from gateway.model.legal_basis import Basis, Note, about_basis, basis_of
from gateway.model.listing import Listing, Query, Requester, with_contacts
from gateway.model.profile import Profile
from gateway.model.record_parts import Designation
from gateway.model.request import lane_of
from gateway.model.routes import Routes, lists_interpol, routes_for
from gateway.model.states import StateRecord


class Outcome(StrEnum):
    """Whether there is somebody to address."""

    ONE = "one"  # one candidate; its warnings still count
    ASK = "ask"  # a person answers the questions and chooses
    NONE = "none"  # nobody; the warnings say why


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One authority that may be addressed, why, how, and what stands in the way.

    Attributes:
        statement: What the form says when the fallback was used; empty otherwise.
        tasks: What a person does beside the gateway.
        is_open: Whether somebody answers now; ``None`` where the record does not tell.
        takes_oral: Whether both sides take oral requests in urgency; ``None`` where one is not known.
        needs_translation: ``None`` where the language of the request is not known.
        asks_for: What its published requirements ask for this kind.
        profile: Its offices and telephone numbers, with those that only enrolled authorities get.
    """

    entry: DirectoryEntry
    status: LookupStatus
    role: str
    match: DesignationMatch
    designation: Designation | None
    reasons: tuple[str, ...]
    warnings: tuple[Note, ...]
    tasks: tuple[Note, ...]
    routes: Routes
    statement: str
    is_open: bool | None
    takes_oral: bool | None
    needs_translation: bool | None
    requirements: Mapping[str, Any] | None
    asks_for: tuple[str, ...]
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """An authority of the State that is no candidate, and why."""

    entry: DirectoryEntry
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The answer. ``questions`` are what a person decides; they are never empty when several remain."""

    query: Query
    status: LookupStatus
    outcome: Outcome
    lane: Lane
    state: StateRecord | None
    basis: Basis
    candidates: tuple[Candidate, ...]
    questions: tuple[str, ...]
    warnings: tuple[Note, ...]
    passed_over: tuple[PassedOver, ...]


def resolve(query: Query, listing: Listing, *, requester: Requester, now: datetime) -> Resolution:
    """Return to whom a request goes, as far as the directory tells.

    ``now`` decides which offices are open and which records are unconfirmed. Under 1 ms at 200 States
    with five authorities each.
    """
    listed = listing.entries.get(query.state, ())
    state = listing.states.get(query.state)
    lane = lane_of(query.urgency, query.request_kind) or Lane.ROUTINE
    roles = _roles(query.request_kind)
    ours = listing.states.get(requester.state)
    basis = basis_of(query.instruments, ours=ours, theirs=state, their_code=query.state)
    active = [entry for entry in listed if entry.status == "active"]
    known = (entry for entry in listed if entry.status != "withdrawn")
    regions = matching_regions(known, query.region) if query.region else ()
    found = _found(active, regions, roles, query.instruments) if roles else ()
    candidates = tuple(
        _candidate(holder, query, regions, listing, requester, lane, basis, state, now) for holder in found
    )
    questions = _questions(found, regions, query)
    outcome = Outcome.NONE if not found else Outcome.ASK if questions else Outcome.ONE
    return Resolution(
        query=query,
        status=_status(bool(listed) or state is not None, listing.status),
        outcome=outcome,
        lane=lane,
        state=state,
        basis=basis,
        candidates=candidates,
        questions=questions,
        warnings=_warnings(query, roles, listed, found, regions, listing, basis, state),
        passed_over=_passed_over(listed, found, roles, query.instruments, regions),
    )


def _roles(request_kind: str) -> tuple[str, ...]:
    kind = code_list("request_kind").get(request_kind)
    return () if kind is None else kind.roles


def _status(is_listed: bool, directory: LookupStatus) -> LookupStatus:
    if directory is LookupStatus.FOUND and not is_listed:
        return LookupStatus.NOT_LISTED
    return directory


def _found(
    active: Sequence[DirectoryEntry], regions: Sequence[str], roles: Sequence[str], instruments: Sequence[str]
) -> tuple[Holder, ...]:
    """Return the candidates: of the region named, or of the whole State and of every region that differs."""
    if regions:
        named = [holder for region in regions for holder in in_region(active, region, roles, instruments)]
        return tuple({holder.entry.authority_id: holder for holder in named}.values())
    whole = holders((e for e in active if not e.region), roles, instruments)
    special = [
        holder
        for region in dict.fromkeys(e.region for e in active if e.region)
        for holder in in_region(active, region, roles, instruments)
        if holder.entry.region
    ]
    return (*whole, *special)


def _questions(found: Sequence[Holder], regions: Sequence[str], query: Query) -> tuple[str, ...]:
    asked = []
    special = list(dict.fromkeys(h.entry.region for h in found if h.entry.region))
    if special and (len(regions) != 1 or any(not h.entry.region for h in found)):
        names = " and ".join([", ".join(special[:-1]), special[-1]] if special[1:] else special)
        have = "have authorities of their own" if special[1:] else "has an authority of its own"
        asked.append(f"Where is the person, the evidence or the data? {names} {have}.")
    for region in dict.fromkeys(h.entry.region for h in found):
        same = [h for h in found if h.entry.region == region]
        if len(same) < 2:
            continue
        ids = ", ".join(h.entry.authority_id for h in same)
        if len({h.role for h in same}) > 1:
            asked.append(
                "The role looked for first stands under another instrument, a later one under a named one"
                f" ({ids}): which of them is to act?"
            )
        else:
            asked.append(f"Several authorities hold the role ({ids}): which of them is competent?")
    return tuple(asked)


def _warnings(
    query: Query,
    roles: Sequence[str],
    listed: Sequence[DirectoryEntry],
    found: Sequence[Holder],
    regions: Sequence[str],
    listing: Listing,
    basis: Basis,
    state: StateRecord | None,
) -> tuple[Note, ...]:
    """Return what is wrong with the question or the directory, before any one candidate."""
    notes = list(doubts.about_directory(query.state, bool(listed), listing.status))
    if not roles:
        notes.append(doubts.unknown_kind(query.request_kind))
    notes += doubts.unknown_instruments(query.instruments)
    if listed and roles and not found:
        notes.append(doubts.nobody(state.name if state else query.state, roles, query.instruments))
    if query.region and listed and not regions:
        known = sorted({entry.region for entry in listed if entry.region})
        notes.append(doubts.unknown_region(query.region, known))
    elif len(regions) > 1:
        notes.append(doubts.several_regions(query.region, regions))
    if state is not None:
        notes += about_basis(basis, query.request_kind, state)
    notes += doubts.about_kind(query.request_kind, found, listed)
    return tuple(notes)


def _candidate(
    holder: Holder,
    query: Query,
    regions: Sequence[str],
    listing: Listing,
    requester: Requester,
    lane: Lane,
    basis: Basis,
    state: StateRecord | None,
    now: datetime,
) -> Candidate:
    entry = holder.entry
    ours = requester.entry
    routes = routes_for(
        entry, lane, we_list_interpol=None if ours is None else lists_interpol(ours), carried=listing.carried
    )
    requirements = listing.requirements.get(entry.authority_id)
    status = listing.doubtful.get(entry.authority_id, listing.status)
    needs_translation = advice.needs_translation(query.language, entry, requirements, now.date())
    takes_oral: bool | None = entry.accepts_oral_in_urgency
    if takes_oral:
        takes_oral = None if ours is None else ours.accepts_oral_in_urgency
    name = state.name if state else query.state
    return Candidate(
        entry=entry,
        status=status,
        role=holder.role,
        match=holder.match,
        designation=holder.designation,
        reasons=advice.reasons(
            holder,
            query.instruments,
            _roles(query.request_kind),
            lane=lane,
            state_name=name,
            has_point=any(FALLBACK_ROLE in e.roles for e in listing.entries[query.state]),
        ),
        warnings=(
            *advice.about_trust(entry, status, is_attested=entry.authority_id in listing.attested, now=now),
            *advice.about_match(holder, query.instruments),
            *advice.about_region(holder, regions),
            *advice.about_reach(entry, routes, lane, now=now),
            *advice.about_keys(entry, routes, listing.sealable),
            *advice.about_language(needs_translation, query.language, entry),
        ),
        tasks=advice.tasks(entry, routes),
        routes=routes,
        statement=advice.statement(holder, query.instruments, basis, name),
        is_open=entry.hours.is_open(now),
        takes_oral=takes_oral,
        needs_translation=needs_translation,
        requirements=requirements,
        asks_for=advice.asks_for(requirements, query.request_kind, now.date()),
        profile=with_contacts(entry, listing.contacts.get(entry.authority_id)),
    )


def _passed_over(
    listed: Sequence[DirectoryEntry],
    found: Sequence[Holder],
    roles: Sequence[str],
    instruments: Sequence[str],
    regions: Sequence[str],
) -> tuple[PassedOver, ...]:
    chosen = {holder.entry.authority_id for holder in found}
    return tuple(
        PassedOver(entry=entry, sentence=sentence)
        for entry in listed
        if entry.authority_id not in chosen
        and (sentence := advice.passed_over(entry, found, roles, instruments, regions))
    )
