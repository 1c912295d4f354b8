"""What is asked and answered about followed networks: the types of some calls of the local API.

Types of the API's own, as in ``calls``. Imports nothing of the product.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

_Network = Annotated[str, msgspec.Meta(max_length=63, description="name of a network in the settings")]
_Officer = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$", description="pseudonym, never a name")
]


class _Type(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A value of the API."""


class NetworkView(_Type, kw_only=True):
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


class ContradictionView(_Type, kw_only=True):
    """An authority about whose keys sources contradict each other: nothing goes there and nothing comes."""

    authority_id: str
    sources: Annotated[list[str], msgspec.Meta(description="who lists it, as `directory decide` takes it")]


class NetworksResult(_Type, kw_only=True):
    """How the directory stands."""

    enrolled: Annotated[int, msgspec.Meta(description="peers taken by hand, ourselves not counted")]
    networks: list[NetworkView]
    contradicted: list[ContradictionView]


class RefreshParams(_Type, kw_only=True):
    """Which network to ask now; all that are served somewhere if none is named."""

    network: _Network = ""


class ImportParams(_Type, kw_only=True):
    """A network's bundle on this machine."""

    path: Annotated[
        str, msgspec.Meta(description="absolute path of a bundle, or of a copy of a repository's folder")
    ]


class DecideParams(_Type, kw_only=True):
    """A person's word on a contradiction."""

    authority_id: Annotated[str, msgspec.Meta(max_length=63)]
    source: Annotated[str, msgspec.Meta(max_length=80, description="`bilateral`, or `network:` and its name")]
    officer: _Officer = "local"


class AllowParams(_Type, kw_only=True):
    """Let the urgent lane go on by a network that is past its end."""

    network: _Network
    officer: _Officer = "local"
