"""The code lists of the domain: which codes are known, and what they mean.

All lists are open. An unknown code is kept as it came, shown raw and routed to a person; it never
changes a state and never counts as a known neighbour. Lists that the program itself decides on
are enumerations below; a test compares them with ``data/enumerations.json``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


class Lane(StrEnum):
    """The two lanes of delivery; they share no worker and no quota."""

    URGENT = "urgent"  # with a deadline and failover
    ROUTINE = "routine"  # everything else


class Track(StrEnum):
    """Which state machine a request runs on."""

    REQUEST = "request"  # assistance, extradition, transfer and their kin
    PRESERVATION = "preservation"  # of electronic data (Budapest 29)


class Side(StrEnum):
    """The two authorities of a thread, in the legal relation."""

    REQUESTING = "requesting"  # asks
    REQUESTED = "requested"  # is asked

    @property
    def other(self) -> "Side":
        """The other side."""
        return Side.REQUESTED if self is Side.REQUESTING else Side.REQUESTING


class Severity(StrEnum):
    """What a failed rule does."""

    E = "E"  # blocks approval
    W = "W"  # warns
    I = "I"  # informs  # noqa: E741 - the code of the domain's list


class CheckResult(StrEnum):
    """How a rule came out."""

    OK = "ok"  # the rule holds
    FAILED = "failed"  # the rule does not hold
    NOT_CHECKED = "not_checked"  # directory or documents are absent; never counts as ok


class Assurance(StrEnum):
    """What vouches for a human act, strongest first."""

    PASSKEY = "passkey"  # the officer's own phishing-resistant key signed the digest
    TOKEN = "token"  # noqa: S105 - the officer's certificate on a card or token
    SECOND_PERSON_TELEPHONE = "second_person_telephone"  # call-back with a second person, both noted
    LOCAL_OPERATOR = "local_operator"  # only the local sign-in vouches


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One entry of a code list.

    Attributes:
        roles: For a request kind: the roles of its addressee, first choice first.
        track: For a request kind: its state machine, else empty.
    """

    code: str
    meaning: str
    source: str
    roles: tuple[str, ...] = ()
    track: str = ""


@cache
def data(name: str) -> Mapping[str, Any]:
    """Return one of the reference files of ``data/``, parsed; callers must not change it."""
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    parsed: Mapping[str, Any] = json.loads(text)
    return parsed


@cache
def code_list(name: str) -> Mapping[str, Code]:
    """Return a list by code, in its order. Raises ``KeyError`` for a list that does not exist."""
    rows = data("enumerations.json")["enumerations"][name]
    return MappingProxyType(
        {
            row["code"]: Code(
                code=row["code"],
                meaning=row["meaning"],
                source=row.get("source", ""),
                roles=tuple(row.get("roles", ())),
                track=row.get("track", ""),
            )
            for row in rows
        }
    )


def is_known(name: str, code: object) -> bool:
    """Say whether this version knows the code. Anything but a string is unknown."""
    return isinstance(code, str) and code in code_list(name)
