"""The directory: who is listed, who can be reached, to whom a request goes, what we say of ourselves."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from gateway.web.calls.addressees import AuthorityParams, AuthorityView, ResolutionView, ResolveParams
from gateway.web.calls.shape import Nothing, Value, call


class ChannelLifeView(Value, kw_only=True):
    """When a channel of a peer last showed that somebody is there; ``code`` says why it did not."""

    authority_id: str
    channel: str
    asked_at: Annotated[datetime | None, msgspec.Meta(description="null where the authority calls us")]
    answered_at: Annotated[datetime | None, msgspec.Meta(description="last signed answer or call")]
    code: str | None


class DirectoryEntryView(Value, kw_only=True):
    """One authority of the directory."""

    authority_id: str
    state: str
    name: str
    channels: list[str]
    keys: int
    own: bool
    status: str
    verified_at: Annotated[str | None, msgspec.Meta(description="when its State last confirmed it")] = None
    is_unconfirmed: Annotated[bool, msgspec.Meta(description="not confirmed for 180 days")] = False
    lives: list[ChannelLifeView] = []


class ProbeParams(Value, kw_only=True):
    """Whom to ask; everybody if nobody is named."""

    authorities: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=63)]], msgspec.Meta(max_length=500)
    ] = []


class ProbeResult(Value, kw_only=True):
    """What is known of each channel now."""

    channels: list[ChannelLifeView]


class DirectoryResult(Value, kw_only=True):
    """Every authority listed."""

    source: Annotated[str, msgspec.Meta(description="``sample``: fictional, for a look only")] = "home"
    issue: int
    network: Literal["real", "lab"]
    authorities: list[DirectoryEntryView]


class OwnRecordResult(Value, kw_only=True):
    """What the directory holds of the own authority, to hand to others; no secret."""

    record: dict[str, Any]
    state: Annotated[dict[str, Any] | None, msgspec.Meta(description="what it says of the own State")]
    requirements: Annotated[dict[str, Any] | None, msgspec.Meta(description="as published in a network")]


class EnrolParams(Value, kw_only=True):
    """A peer's enrolment file, its text as it was received."""

    statement: Annotated[str, msgspec.Meta(max_length=1024 * 1024)]
    replace: bool = False


class EnrolResult(Value, kw_only=True):
    """The peer and the words to compare with it by telephone before anything is sent."""

    authority_id: str
    name: str
    words: list[str]
    replaced: bool


class RequirementsParams(Value, kw_only=True):
    """What the own authority asks of requests, as data (requirements.schema.json)."""

    requirements: dict[str, Any]


class RequirementsResult(Value, kw_only=True):
    """The issue that is published now; the enrolment file has to reach the peers."""

    issue: int
    valid_from: str
    enrolment: str


DIRECTORY_LIST = call(
    "listDirectory",
    "GET",
    "/v1/directory",
    "The authorities listed",
    params=Nothing,
    result=DirectoryResult,
)

DIRECTORY_SHOW = call(
    "readAuthority",
    "GET",
    "/v1/directory/authority",
    "Everything the directory says of one authority",
    params=AuthorityParams,
    result=AuthorityView,
)

DIRECTORY_OWN = call(
    "readOwnRecord",
    "GET",
    "/v1/directory/own",
    "The own record and published requirements, as data",
    params=Nothing,
    result=OwnRecordResult,
)

DIRECTORY_RESOLVE = call(
    "resolveAddressee",
    "POST",
    "/v1/directory/resolutions",
    "To whom a request goes: candidates with reasons and channels; nothing is kept",
    params=ResolveParams,
    result=ResolutionView,
)

DIRECTORY_REQUIRE = call(
    "publishRequirements",
    "POST",
    "/v1/directory/requirements",
    "Publish what the own authority asks of requests, and renew the enrolment file",
    params=RequirementsParams,
    result=RequirementsResult,
    writes=True,
)

DIRECTORY_ENROL = call(
    "enrolPeer",
    "POST",
    "/v1/directory/enrolments",
    "Take a peer's enrolment file into the directory",
    params=EnrolParams,
    result=EnrolResult,
    writes=True,
)

DIRECTORY_PROBE = call(
    "probePeers",
    "POST",
    "/v1/directory/probes",
    "Ask peers, channel by channel, whether they can be reached",
    params=ProbeParams,
    result=ProbeResult,
    writes=True,
)
