"""How well an addressee fits a request, and what the rules about contents need to know of it.

Looks at one authority that somebody has chosen; choosing it is ``resolution``'s work.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.model.authority import DirectoryEntry
from gateway.model.codes import code_list
from gateway.model.fields import rows, text
from gateway.model.states import BASES_WITHOUT_TREATY, StateRecord, both_bound

#: Kinds whose addressee is looked for by role alone when no 24/7 point stands under the instrument.
FALLBACK_ROLE = "contact_24_7"


class DesignationMatch(StrEnum):
    """How the addressee's designation fits the request (UNTOC 18(13), Budapest 35)."""

    EXACT = "exact"  # role and instrument match
    FALLBACK = "fallback"  # role matches under another instrument or network
    NONE = "none"  # no matching role


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """What the rules of ``contents`` need to know from the directory about one request.

    Attributes:
        accepted_languages: Of the addressee.
        both_bound: Whether the primary instrument is in force for both States, or needs no treaty;
            ``None`` where the directory does not say.
        both_accept_oral: Whether both sides take oral requests in urgency; ``None`` where unknown.
        requirements: The addressee's published requirements, if there are any.
    """

    accepted_languages: frozenset[str]
    both_bound: bool | None
    designation: DesignationMatch
    requires_paper_original: bool
    requires_diplomatic_channel: bool
    both_accept_oral: bool | None
    requirements: Mapping[str, Any] | None = field(default=None, repr=False)


def match_designation(
    entry: DirectoryEntry, request_kind: str, instruments: Iterable[str]
) -> DesignationMatch:
    """Return how the authority is designated for a kind under the instruments named (UNTOC 18(13))."""
    kind = code_list("request_kind").get(request_kind)
    if kind is None:
        return DesignationMatch.NONE
    named = set(instruments)
    roles = set(kind.roles)
    if any(d.role in roles and d.instrument in named for d in entry.designations):
        return DesignationMatch.EXACT
    held = {d.role for d in entry.designations} | entry.roles
    # A basis that is no treaty with a register of authorities designates nobody: the role decides.
    if named <= BASES_WITHOUT_TREATY and roles & held:
        return DesignationMatch.EXACT
    if FALLBACK_ROLE in roles and roles & held:
        return DesignationMatch.FALLBACK
    return DesignationMatch.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form says that the directory is asked about; any text may stand in it.

    Attributes:
        instruments: Codes of the legal bases, in the form's order, and the ``primary`` one among them.
        state: Of the requesting authority.
    """

    kind: str
    instruments: tuple[str, ...]
    primary: str | None
    state: str

    @property
    def is_known(self) -> bool:
        """Whether nothing but codes stands in it, as far as the kind and the legal bases go."""
        instruments = code_list("instrument")
        return self.kind in code_list("request_kind") and all(
            code in instruments for code in self.instruments
        )


def asked_in(form: Mapping[str, Any]) -> Asked:
    """Return what the directory is asked about for a form of any shape."""
    listed = [(code, row) for _, row in rows(form, "instruments") if (code := text(row, "code"))]
    codes = tuple([code for code, _ in listed])
    return Asked(
        kind=text(form, "request_kind"),
        instruments=codes,
        primary=next((code for code, row in listed if row.get("primary")), codes[0] if codes else None),
        state=text(form, "requesting_authority", "state"),
    )


def facts_about(
    asked: Asked,
    requested: DirectoryEntry,
    *,
    requesting: DirectoryEntry | None = None,
    states: Mapping[str, StateRecord] | None = None,
    requirements: Mapping[str, Any] | None = None,
) -> DirectoryFacts:
    """Return what the directory says about an addressee, for ``contents.check_contents``."""
    known = states or {}
    return DirectoryFacts(
        accepted_languages=frozenset(requested.languages),
        both_bound=both_bound(asked.primary, known.get(asked.state), known.get(requested.state)),
        designation=match_designation(requested, asked.kind, asked.instruments),
        requires_paper_original=requested.requires_paper_original,
        requires_diplomatic_channel=requested.requires_diplomatic_channel,
        both_accept_oral=(
            None
            if requesting is None
            else requesting.accepts_oral_in_urgency and requested.accepts_oral_in_urgency
        ),
        requirements=requirements,
    )
