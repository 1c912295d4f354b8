"""Followed networks: how they stand, refreshing and importing them, and a person's word on them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.web.calls.shape import Nothing, Officer, Value, call

_Network = Annotated[str, msgspec.Meta(max_length=63, description="name of a network in the settings")]


class NetworkView(Value, kw_only=True):
    """One followed network."""

    name: str
    carried: Annotated[bool, msgspec.Meta(description="not served anywhere: its bundles are imported")]
    state: Annotated[
        Literal["fresh", "grace", "urgent_only", "ended", "unreadable"],
        msgspec.Meta(description="fresh; past its end, in three steps; or nothing of it can be verified"),
    ]
    urgent_allowed: Annotated[bool, msgspec.Meta(description="an operator lets the urgent lane go on")]
    fresh_until: datetime | None
    refreshed_at: datetime | None
    next_at: datetime | None
    code: Annotated[str | None, msgspec.Meta(description="why the last refresh failed")]
    sentence: str | None
    root: int
    snapshot: int
    timestamp: int
    states: int
    authorities: int
    attested: Annotated[int, msgspec.Meta(description="of the authorities: vouched for by the secretariat")]
    refused: Annotated[list[str], msgspec.Meta(description="authorities and States that cannot be believed")]


class ContradictionView(Value, kw_only=True):
    """An authority about whose keys sources contradict each other: nothing goes there and nothing comes."""

    authority_id: str
    sources: Annotated[list[str], msgspec.Meta(description="who lists it, as `directory decide` takes it")]


class EndedKeyView(Value, kw_only=True):
    """A key that holders of its State ended who are named by another network than those that list it."""

    authority_id: str
    use: str
    kid: str
    reason: str
    ended_by: str
    listed_by: list[str]
    at: datetime


class ContestedKeyView(Value, kw_only=True):
    """A key that an authority lists and that is another's, or nobody's: not trusted for whoever lists it."""

    kid: str
    claimed_by: str
    holder: str | None


class NetworksResult(Value, kw_only=True):
    """How the directory stands."""

    enrolled: Annotated[int, msgspec.Meta(description="peers taken by hand, ourselves not counted")]
    networks: list[NetworkView]
    contradicted: list[ContradictionView]
    ended_elsewhere: list[EndedKeyView]
    contested: list[ContestedKeyView]


class RefreshParams(Value, kw_only=True):
    """Which network to ask now; all that are served somewhere if none is named."""

    network: _Network = ""


class ImportParams(Value, kw_only=True):
    """A network's bundle on this machine."""

    path: Annotated[
        str, msgspec.Meta(description="absolute path of a bundle, or of a copy of a repository's folder")
    ]


class DecideParams(Value, kw_only=True):
    """A person's word on a contradiction."""

    authority_id: Annotated[str, msgspec.Meta(max_length=63)]
    source: Annotated[str, msgspec.Meta(max_length=80, description="`bilateral`, or `network:` and its name")]
    officer: Officer = "local"


class AllowParams(Value, kw_only=True):
    """Let the urgent lane go on by a network that is past its end."""

    network: _Network
    officer: Officer = "local"


DIRECTORY_STATUS = call(
    "readNetworks",
    "GET",
    "/v1/directory/networks",
    "How the followed networks stand, and what contradicts",
    params=Nothing,
    result=NetworksResult,
)

DIRECTORY_REFRESH = call(
    "refreshNetworks",
    "POST",
    "/v1/directory/networks/refreshes",
    "Ask networks now, instead of waiting for the hourly refresh",
    params=RefreshParams,
    result=NetworksResult,
    writes=True,
)

DIRECTORY_IMPORT = call(
    "importNetwork",
    "POST",
    "/v1/directory/networks/imports",
    "Take a network's bundle that was carried here, by the same verifier",
    params=ImportParams,
    result=NetworksResult,
    writes=True,
)

DIRECTORY_DECIDE = call(
    "decideAuthority",
    "POST",
    "/v1/directory/decisions",
    "Say which source is right about an authority whose keys sources contradict each other about",
    params=DecideParams,
    result=NetworksResult,
    writes=True,
)

DIRECTORY_ALLOW = call(
    "allowUrgent",
    "POST",
    "/v1/directory/networks/allowances",
    "Let what is urgent go on by a network that is past its end",
    params=AllowParams,
    result=NetworksResult,
    writes=True,
)
