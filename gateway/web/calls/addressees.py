"""Addressees: what is asked and answered about one authority, and about to whom a request goes."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from gateway.web.calls.shape import Value

_Code = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,64}$")]


class ResolveParams(Value, kw_only=True):
    """What is known of a request before it has an addressee."""

    state: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2}$", description="requested State, ISO 3166-1")]
    kind: _Code
    instruments: Annotated[
        list[_Code], msgspec.Meta(max_length=16, description="legal bases, the primary one first")
    ] = []
    region: Annotated[str, msgspec.Meta(max_length=128)] = ""
    urgency: Literal["routine", "priority", "urgent", "emergency"] = "routine"
    language: Annotated[str, msgspec.Meta(pattern="^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,16}){0,4})?$")] = ""
    requester: Annotated[
        str, msgspec.Meta(max_length=63, description="authority or State that asks, if not this one")
    ] = ""


class NoteView(Value, kw_only=True):
    """A warning or a task: its code and a sentence."""

    code: str
    sentence: str


class BasisView(Value, kw_only=True):
    """The primary instrument and what is known of it between the two States."""

    instrument: str | None
    binds_both: Annotated[bool | None, msgspec.Meta(description="null: the directory does not say")]
    gaps: list[str]
    others: Annotated[list[str], msgspec.Meta(description="treaties in force for both")]


class RouteView(Value, kw_only=True):
    """One channel, in order."""

    channel: str
    address: str
    carries: Literal["formal", "urgent", "advance_copy"]
    by_gateway: Annotated[bool, msgspec.Meta(description="false: a person's work")]
    condition: str = ""


class LeftOutView(Value, kw_only=True):
    """A channel that may not be used now, and why."""

    channel: str
    sentence: str


class DesignationView(Value, kw_only=True):
    """A task given to an authority under an instrument."""

    instrument: str
    article: str
    role: str
    provisional: bool


class PhoneView(Value, kw_only=True):
    """A telephone number and what it is for."""

    use: str
    number: str


class HoursView(Value, kw_only=True):
    """When the office answers; times with their zone."""

    time_zone: str
    always: bool
    is_open: Annotated[bool | None, msgspec.Meta(description="null: the record does not tell")]
    local_time: datetime | None
    next_opening: datetime | None


class CandidateView(Value, kw_only=True):
    """An authority that may be addressed, why, how, and what stands in the way."""

    authority_id: str
    name: str
    state: str
    region: str
    status: Literal["found", "not_listed", "unverifiable", "stale"]
    role: str
    match: Annotated[Literal["exact", "fallback"], msgspec.Meta(description="fallback: by the role alone")]
    designation: DesignationView | None
    reasons: list[str]
    warnings: list[NoteView]
    tasks: list[NoteView]
    channels: list[RouteView]
    left_out: list[LeftOutView]
    required_channel: str | None
    statement: Annotated[str, msgspec.Meta(description="to be put into the form; empty if not needed")]
    languages: list[str]
    needs_translation: bool | None
    takes_oral: bool | None
    hours: HoursView
    phones: list[PhoneView]
    keeps_contacts: Annotated[
        bool, msgspec.Meta(description="it has contacts that only enrolled authorities get")
    ]
    urgent_procedure: str
    requirements_issue: int | None
    asks_for: list[str]


class PassedOverView(Value, kw_only=True):
    """An authority of the State that is no candidate, and why."""

    authority_id: str
    name: str
    sentence: str


class ResolutionView(Value, kw_only=True):
    """To whom a request goes, as far as the directory tells. Several candidates are never chosen from."""

    source: Annotated[str, msgspec.Meta(description="``sample``: fictional addresses, for a look only")]
    status: Literal["found", "not_listed", "unverifiable", "stale"]
    outcome: Annotated[Literal["one", "ask", "none"], msgspec.Meta(description="ask: a person chooses")]
    lane: Literal["urgent", "routine"]
    state: str
    state_name: str
    basis: BasisView
    candidates: list[CandidateView]
    questions: list[str]
    warnings: list[NoteView]
    passed_over: list[PassedOverView]


class AuthorityParams(Value, kw_only=True):
    """Names one authority."""

    authority_id: Annotated[str, msgspec.Meta(min_length=4, max_length=63)]


class ChannelView(Value, kw_only=True):
    """One channel as the record lists it."""

    channel: str
    priority: int
    use: list[str]
    address: str
    status: str


class ListedKeyView(Value, kw_only=True):
    """One key over all sources, and which of them vouch for it; none does for one that is listed no more."""

    use: str
    alg: str
    kid: str
    nbf: datetime
    exp: datetime
    status: str
    vouchers: list[str]


class ContactView(Value, kw_only=True):
    """An office one can write to."""

    office: str
    email: str
    languages: list[str]


class ResourceView(Value, kw_only=True):
    """A law, a template or an agreement."""

    title: str
    url: str
    note: str


class VoucherView(Value, kw_only=True):
    """Who says so."""

    source: str
    assurance: str


class AuthorityView(Value, kw_only=True):
    """Everything the directory says of one authority."""

    source: str
    status: Literal["found", "not_listed", "unverifiable", "stale"]
    authority_id: str
    state: str
    state_name: str
    region: str
    part: str
    name: str
    name_local: str
    record_status: str
    verified_at: str | None
    is_unconfirmed: bool
    vouchers: list[VoucherView]
    roles: list[str]
    designations: list[DesignationView]
    languages: list[str]
    hours: HoursView
    channels: list[ChannelView]
    keys: list[ListedKeyView]
    requires_paper_original: bool
    accepts_oral_in_urgency: bool
    postal: str
    website: str
    fax: str
    phones: list[PhoneView]
    keeps_contacts: bool
    contacts: list[ContactView]
    forms_of_transmission: list[str]
    forms: dict[str, int]
    texts: Annotated[
        dict[str, dict[str, str]],
        msgspec.Meta(description="urgent_procedure, information_needed, … by language"),
    ]
    legislation: list[ResourceView]
    templates: list[ResourceView]
    agreements: list[ResourceView]
    networks: Annotated[list[str], msgspec.Meta(description="of its State")]
    informal_channels: list[str]
    informal_networks: list[str]
    requirements: Annotated[dict[str, Any] | None, msgspec.Meta(description="as published")]
