"""To whom a request goes, as the local API answers it."""

from collections.abc import Collection, Iterable
from datetime import datetime

from gateway.errors import GatewayRefusal
from gateway.model import requirements as published
from gateway.model.legal_basis import Note
from gateway.model.listing import Query, Requester
from gateway.model.profile import in_language
from gateway.model.resolution import Candidate, Resolution, resolve
from gateway.services.directory import Directory
from gateway.web.authorities import designation_view, hours_view, phone_views
from gateway.web.calls.addressees import (
    BasisView,
    CandidateView,
    LeftOutView,
    NoteView,
    PassedOverView,
    ResolutionView,
    ResolveParams,
    RouteView,
)


def choose(
    directory: Directory, params: ResolveParams, *, carried: Collection[str], now: datetime
) -> ResolutionView:
    """Return to whom a request of this authority goes, or of the requester named.

    Raises ``GatewayRefusal`` ``not-found`` if the requester is neither a State nor listed.
    """
    query = query_of(params)
    listing = directory.listing(query.state, carried=carried)
    requester = _requester(directory, params.requester.strip())
    return resolution_view(resolve(query, listing, requester=requester, now=now), source="home", now=now)


def _requester(directory: Directory, named: str) -> Requester:
    if not named:
        return Requester(state=directory.own.state, entry=directory.own)
    if len(named) == 2:
        return Requester(state=named.upper())
    entry = directory.lookup(named).entry
    if entry is None:
        raise GatewayRefusal("not-found", field="requester")
    return Requester(state=entry.state, entry=entry)


def query_of(params: ResolveParams) -> Query:
    """Return the question in the model's words."""
    return Query(
        state=params.state.upper(),
        request_kind=params.kind,
        instruments=tuple(dict.fromkeys(params.instruments)),
        region=params.region.strip(),
        urgency=params.urgency,
        language=params.language,
    )


def resolution_view(found: Resolution, *, source: str, now: datetime) -> ResolutionView:
    """Return a resolution as the API answers it."""
    return ResolutionView(
        source=source,
        status=found.status.value,
        outcome=found.outcome.value,
        lane=found.lane.value,
        state=found.query.state,
        state_name=found.state.name if found.state else "",
        basis=BasisView(
            instrument=found.basis.instrument,
            binds_both=found.basis.binds_both,
            gaps=list(found.basis.gaps),
            others=list(found.basis.others),
        ),
        candidates=[_candidate(candidate, now) for candidate in found.candidates],
        questions=list(found.questions),
        warnings=_notes(found.warnings),
        passed_over=[
            PassedOverView(authority_id=row.entry.authority_id, name=row.entry.name_en, sentence=row.sentence)
            for row in found.passed_over
        ],
    )


def _candidate(found: Candidate, now: datetime) -> CandidateView:
    entry, routes = found.entry, found.routes
    return CandidateView(
        authority_id=entry.authority_id,
        name=entry.name_en,
        state=entry.state,
        region=entry.region,
        status=found.status.value,
        role=found.role,
        match="exact" if found.match == "exact" else "fallback",
        designation=None if found.designation is None else designation_view(found.designation),
        reasons=list(found.reasons),
        warnings=_notes(found.warnings),
        tasks=_notes(found.tasks),
        channels=[
            RouteView(
                channel=route.channel.channel,
                address=route.channel.address,
                carries=route.carries.value,
                by_gateway=route.by_gateway,
                condition=route.condition,
            )
            for route in routes.ordered
        ],
        left_out=[LeftOutView(channel=row.channel.channel, sentence=row.sentence) for row in routes.left_out],
        required_channel=None if routes.required is None else routes.required.channel,
        statement=found.statement,
        languages=list(entry.languages),
        needs_translation=found.needs_translation,
        takes_oral=found.takes_oral,
        hours=hours_view(entry.hours, now),
        phones=phone_views(found.profile, found.status),
        keeps_contacts=bool(entry.member_contacts_sha256),
        urgent_procedure=in_language(found.profile.urgent_procedure),
        requirements_issue=None if found.requirements is None else published.issue(found.requirements),
        asks_for=list(found.asks_for),
    )


def _notes(rows: Iterable[Note]) -> list[NoteView]:
    return [NoteView(code=row.code, sentence=row.sentence) for row in rows]
