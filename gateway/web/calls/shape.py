"""What a call of the local API is: a name, a route, the types of what is asked and answered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

#: Media type of an answer with progress lines before its last line.
NDJSON = "application/x-ndjson"

Reference = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=128, description="bundle id, from/bid, or either side's reference"),
]

#: Who acts: a pseudonym, never a name, because it is entered in the log.
Officer = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}$", description="pseudonym, never a name")
]

#: A channel of the addressee's record, such as ``email_smime``.
ChannelName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,32}$")]

#: Channels that a person consents to beforehand.
Consents = Annotated[
    list[ChannelName],
    msgspec.Meta(max_length=16, description="channels of lower protection that may be used"),
]


class Value(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A value of the API."""


class Secret(Value, kw_only=True):
    """A value of the API that gives whoever holds it a right: never shown in a log or a trace."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Nothing(Value, kw_only=True):
    """No parameters."""


class Problem(Value, kw_only=True):
    """Why a call was refused (RFC 9457 members are added on the wire). Nothing was changed."""

    code: Annotated[str, msgspec.Meta(description="stable, for programs")]
    sentence: Annotated[str, msgspec.Meta(description="says what to do")]
    field: str | None = None
    items: list[dict[str, str]] = []


P = TypeVar("P")

R = TypeVar("R")

#: Told how many bytes or entries are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[P, R]):
    """One thing that can be asked for.

    Attributes:
        writes: Needs the home's lock where no service runs.
        queues: What it makes travels only while a service runs.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    params: type[P]
    result: type[R]
    writes: bool = False
    queues: bool = False


def call(
    name: str,
    method: Literal["GET", "POST"],
    path: str,
    summary: str,
    *,
    params: type[P],
    result: type[R],
    writes: bool = False,
    queues: bool = False,
) -> Call[P, R]:
    """Return a call, its types taken from ``params`` and ``result``."""
    return Call(
        name=name,
        method=method,
        path=path,
        summary=summary,
        params=params,
        result=result,
        writes=writes,
        queues=queues,
    )
