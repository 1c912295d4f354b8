"""What the directory says of one authority, as the local API answers it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.codes import Lane
from gateway.model.listing import with_contacts
from gateway.model.profile import Profile, Resource
from gateway.model.record_parts import Designation, Hours
from gateway.model.states import StateRecord
from gateway.services.directory import Directory
from gateway.services.directory.views import OWN
from gateway.web.calls import ChannelLifeView, DirectoryEntryView, OwnRecordResult
from gateway.web.calls.addressees import (
    AuthorityView,
    ChannelView,
    ContactView,
    DesignationView,
    HoursView,
    ListedKeyView,
    PhoneView,
    ResourceView,
    VoucherView,
)


def entry_view(
    entry: DirectoryEntry, *, is_own: bool, today: date, lives: Sequence[ChannelLifeView] = ()
) -> DirectoryEntryView:
    """Return one row of the list of authorities, with what of ``lives`` is about its channels."""
    return DirectoryEntryView(
        authority_id=entry.authority_id,
        state=entry.state,
        name=entry.name_en,
        channels=[channel.channel for channel in entry.channels],
        keys=len(entry.keys),
        own=is_own,
        status=entry.status,
        verified_at=entry.verified_at.isoformat() if entry.verified_at else None,
        is_unconfirmed=entry.is_unconfirmed(today),
        lives=[life for life in lives if life.authority_id == entry.authority_id],
    )


def show(directory: Directory, authority_id: str, *, now: datetime) -> AuthorityView:
    """Return everything about one authority.

    Raises ``GatewayRefusal`` ``not-listed``, or ``directory-stale`` or ``directory-unverifiable`` where it is
    only not known whether anybody lists it.
    """
    merged = directory.view.authorities.get(authority_id)
    if merged is None:
        raise GatewayRefusal(directory.hold(authority_id, Lane.ROUTINE) or "not-listed")
    found = directory.lookup(authority_id)
    # Contradicted records are shown all the same: somebody has to clear them up.
    entry = found.entry or merged.entry(now)
    return authority_view(
        entry,
        source="home",
        status=found.status,
        state=directory.states.get(entry.state),
        vouchers=[(voucher.source, voucher.assurance) for voucher in found.vouchers],
        keys=[
            ListedKeyView(
                use=key.in_force.public.use.value,
                alg=key.in_force.public.alg,
                kid=key.in_force.public.kid,
                nbf=key.in_force.nbf,
                exp=key.in_force.exp,
                status=key.in_force.status,
                vouchers=["own" if v.assurance == OWN else v.source for v in key.vouchers],
            )
            for (aid, _, _), key in directory.view.keys.items()
            if aid == authority_id
        ],
        requirements=directory.requirements(authority_id),
        contacts=directory.contacts(authority_id),
        now=now,
    )


def own_record(directory: Directory) -> OwnRecordResult:
    """Return the own record as it stands, with what is known of the own State and what was published."""
    own = directory.own
    state = directory.states.get(own.state)
    requirements = directory.requirements(own.authority_id)
    return OwnRecordResult(
        record=dict(own.raw),
        state=None if state is None else _state_row(state),
        requirements=None if requirements is None else dict(requirements),
    )


def _state_row(state: StateRecord) -> dict[str, Any]:
    """Return a State in the form of the directory's records."""
    return {
        "state": state.state,
        "name": state.name,
        "accepted_languages": list(state.accepted_languages),
        "participation": {
            code: {"status": row.status, "basis": row.basis, "instrument_in_force": row.in_force}
            for code, row in state.participation.items()
        },
        "networks": list(state.networks),
        "treaty_conditions": dict(state.treaty_conditions),
        "preservation_rules": dict(state.preservation_rules),
    }


def authority_view(
    entry: DirectoryEntry,
    *,
    source: str,
    status: LookupStatus,
    state: StateRecord | None,
    vouchers: Iterable[tuple[str, str]],
    keys: Sequence[ListedKeyView],
    requirements: Mapping[str, Any] | None,
    contacts: Mapping[str, Any] | None,
    now: datetime,
) -> AuthorityView:
    """Return everything about one authority. ``vouchers``: names of sources, each with its assurance."""
    profile = with_contacts(entry, contacts)
    texts = {
        "urgent_procedure": profile.urgent_procedure,
        "information_needed": profile.information_needed,
        "procedural_notes": profile.procedural_notes,
        "legal_basis_notes": profile.legal_basis_notes,
    }
    return AuthorityView(
        source=source,
        status=status.value,
        authority_id=entry.authority_id,
        state=entry.state,
        state_name=state.name if state else "",
        region=entry.region,
        part=entry.part,
        name=entry.name_en,
        name_local=profile.name_local,
        record_status=entry.status,
        verified_at=entry.verified_at.isoformat() if entry.verified_at else None,
        is_unconfirmed=entry.is_unconfirmed(now.date()),
        vouchers=[VoucherView(source=name, assurance=assurance) for name, assurance in vouchers],
        roles=list(entry.raw["roles"]),
        designations=[designation_view(row) for row in entry.designations],
        languages=list(entry.languages),
        hours=hours_view(entry.hours, now),
        channels=[
            ChannelView(
                channel=row.channel,
                priority=row.priority,
                use=sorted(row.use),
                address=row.address,
                status=row.status,
            )
            for row in sorted(entry.channels, key=lambda row: (row.priority, row.channel))
        ],
        keys=list(keys),
        requires_paper_original=entry.requires_paper_original,
        accepts_oral_in_urgency=entry.accepts_oral_in_urgency,
        postal=profile.postal,
        website=profile.website,
        fax=profile.fax,
        phones=phone_views(profile, status),
        keeps_contacts=bool(entry.member_contacts_sha256),
        contacts=[
            ContactView(office=row.office, email=row.email, languages=list(row.languages))
            for row in profile.contacts
        ],
        forms_of_transmission=list(profile.forms_of_transmission),
        forms=dict(entry.forms),
        texts={name: dict(said) for name, said in texts.items() if said},
        legislation=_resources(profile.legislation),
        templates=_resources(profile.templates),
        agreements=_resources(profile.agreements),
        networks=list(state.networks) if state else [],
        informal_channels=list(profile.informal_channels),
        informal_networks=list(profile.informal_networks),
        requirements=None if requirements is None else dict(requirements),
    )


def hours_view(hours: Hours, now: datetime) -> HoursView:
    """Return when an office answers, with the time there at an instant."""
    return HoursView(
        time_zone=hours.time_zone,
        always=hours.always,
        is_open=hours.is_open(now),
        local_time=hours.local(now.astimezone(UTC).replace(microsecond=0)),
        next_opening=hours.next_opening(now),
    )


def designation_view(row: Designation) -> DesignationView:
    """Return one task of an authority."""
    return DesignationView(
        instrument=row.instrument, article=row.article, role=row.role, provisional=row.provisional
    )


def phone_views(profile: Profile, status: LookupStatus) -> list[PhoneView]:
    """Return the telephone numbers of a record; none of one that cannot be verified."""
    # Whoever forged a record would be glad to be telephoned.
    if status is LookupStatus.UNVERIFIABLE:
        return []
    return [PhoneView(use=row.use, number=row.number) for row in profile.phones]


def _resources(rows: Iterable[Resource]) -> list[ResourceView]:
    return [ResourceView(title=row.title, url=row.url, note=row.note) for row in rows]
