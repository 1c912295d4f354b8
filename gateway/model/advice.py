"""What is to be known of one candidate: reasons, warnings and tasks, each with a code for programs. Pure.

Says what the directory knows and what a person still has to look up; decides nothing. Codes of warnings and
tasks are listed in docs/directory.md.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from gateway.model.addressee import FALLBACK_ROLE, DesignationMatch
from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.codes import Lane
from gateway.model.designated import Holder
from gateway.model.doubts import named
from gateway.model.legal_basis import Basis, Note
from gateway.model.requirements import asked_for, is_in_force, issue, languages_of
from gateway.model.routes import Carries, Routes
from gateway.model.states import BASES_WITHOUT_TREATY

_CENTRAL = "mla_central"


def reasons(
    holder: Holder,
    instruments: Sequence[str],
    roles: Sequence[str],
    *,
    lane: Lane,
    state_name: str,
    has_point: bool,
) -> tuple[str, ...]:
    """Return why an authority is a candidate. ``has_point``: its State lists a 24/7 point at all."""
    role, held = holder.role, holder.designation
    said = []
    without_point = role == _CENTRAL and FALLBACK_ROLE in roles and not has_point
    if without_point:
        how = ", by its channels for urgent requests" if lane is Lane.URGENT else ""
        said.append(f"{state_name} lists no 24/7 point: its central authority is addressed{how}.")
    if held is None:
        said.append(f"Its record names the role {role}.")
    else:
        article = f", article {held.article}" if held.article[:1].isdigit() else ""
        where = f"Designated as {role} under {held.instrument}{article}"
        said.append(
            where + ("." if holder.match is DesignationMatch.EXACT else f", not {named(instruments)}.")
        )
    earlier = roles[: roles.index(role)]
    if earlier and not without_point:
        said.append(f"Looked for first, and not found under {named(instruments)}: {', '.join(earlier)}.")
    if holder.entry.region:
        said.append(f"It stands for {holder.entry.region} only.")
    return tuple(said)


_ADDRESSED = {_CENTRAL: "central authority", FALLBACK_ROLE: "24/7 point"}


def statement(holder: Holder, instruments: Sequence[str], basis: Basis, state_name: str) -> str:
    """Return what the form says where no designation stands under the named instrument; else nothing."""
    if holder.match is not DesignationMatch.FALLBACK:
        return ""
    to = _ADDRESSED.get(holder.role, "authority")
    legal = basis.instrument
    if not basis.binds_both or legal is None:
        legal = " / ".join((*basis.others, f"domestic law of {state_name}")) + " (choose one)"
    return (
        f"Sent to the {to}; no 24/7 designation under the named instrument ({named(instruments)});"
        f" legal basis: {legal}."
    )


def about_trust(
    entry: DirectoryEntry, status: LookupStatus, *, is_attested: bool, now: datetime
) -> Iterator[Note]:
    """Yield what is to be known of the record itself."""
    if status is LookupStatus.UNVERIFIABLE:
        sentence = (
            "Its record cannot be verified: nothing is sent before a person has cleared that up, by a"
            " telephone number that is not from this record."
        )
        yield Note(code="unverifiable", sentence=sentence)
    elif status is LookupStatus.STALE:
        yield Note(
            code="stale", sentence="The directory is no longer fresh: refresh it, its keys may be old."
        )
    if is_attested:
        sentence = "The network's secretariat vouches for this record, not the State: lower assurance."
        yield Note(code="attested", sentence=sentence)
    if entry.is_unconfirmed(now.date()):
        last = entry.verified_at.isoformat() if entry.verified_at else "never"
        sentence = f"Nobody has confirmed this record for 180 days (last: {last}): ask before you rely on it."
        yield Note(code="unconfirmed", sentence=sentence)


def about_region(holder: Holder, regions: Sequence[str]) -> Iterator[Note]:
    """Yield that an authority of the whole State is named for a region that has one of its own."""
    if regions and not holder.entry.region and holder.role != FALLBACK_ROLE:
        sentence = (
            f"It stands for the whole State; {' or '.join(regions)} has an authority of its own that cannot"
            " be named for this. Ask whether this one acts there."
        )
        yield Note(code="whole-state", sentence=sentence)


def about_match(holder: Holder, instruments: Sequence[str]) -> Iterator[Note]:
    """Yield what is to be known of the designation."""
    held = holder.designation
    if holder.match is DesignationMatch.FALLBACK:
        sentence = (
            f"No 24/7 designation under {named(instruments)}: put the statement into the form, and make sure"
            " that the legal basis binds the requested State."
        )
        yield Note(code="fallback", sentence=sentence)
    if held is not None and held.provisional:
        sentence = f"The designation under {held.instrument} is provisional: that instrument is not in force."
        yield Note(code="provisional", sentence=sentence)
    notes = holder.entry.profile.procedural_notes
    for language, said in notes.items():
        yield Note(code="procedural-note", sentence=f"Its record says{_in(language)}: {said}")


def about_reach(entry: DirectoryEntry, routes: Routes, lane: Lane, *, now: datetime) -> Iterator[Note]:
    """Yield what is to be known before anything is sent to it."""
    if not routes.ordered:
        sentence = f"Its record allows no channel for the {lane} lane: telephone it, or use the other lane."
        yield Note(code="no-channel", sentence=sentence)
    elif not any(route.by_gateway for route in routes.ordered):
        names = ", ".join(route.channel.channel for route in routes.ordered)
        sentence = f"This gateway drives none of its channels for the {lane} lane ({names}): send by hand."
        yield Note(code="by-hand", sentence=sentence)
    if lane is Lane.URGENT and entry.hours.is_open(now) is False:
        opens = entry.hours.next_opening(now)
        again = ""
        if opens is not None:
            again = f" until {opens:%a %Y-%m-%d %H:%M} there ({opens.astimezone(UTC):%a %H:%M} UTC)"
        sentence = f"Its office is closed now{again}: send all the same, and telephone it."
        yield Note(code="closed", sentence=sentence)


def about_keys(entry: DirectoryEntry, routes: Routes, sealable: Collection[str] | None) -> Iterator[Note]:
    """Yield that the gateway cannot seal for it, where it would have to."""
    is_needed = any(route.by_gateway for route in routes.ordered)
    if is_needed and sealable is not None and entry.authority_id not in sealable:
        sentence = "It lists no encryption key in force: the gateway cannot seal for it before it has one."
        yield Note(code="no-key", sentence=sentence)


def needs_translation(
    language: str, entry: DirectoryEntry, requirements: Mapping[str, Any] | None, today: date
) -> bool | None:
    """Return whether a request in the language needs a translation; ``None`` without a language."""
    if not language:
        return None
    accepted = set(entry.languages)
    if requirements is not None and is_in_force(requirements, today):
        accepted |= languages_of(requirements, "accepted")
    return _base(language) not in {_base(one) for one in accepted}


def about_language(needed: bool | None, language: str, entry: DirectoryEntry) -> Iterator[Note]:
    """Yield that a translation, or a waiver that is recorded, is needed (UNTOC 18(14))."""
    if needed:
        accepted = ", ".join(entry.languages)
        sentence = f"It accepts {accepted}, not {language}: attach a translation or record a waiver."
        yield Note(code="translation", sentence=sentence)


def tasks(entry: DirectoryEntry, routes: Routes) -> tuple[Note, ...]:
    """Return what a person does beside the gateway (UNTOC 18(13))."""
    found = []
    if routes.required is not None and not any(
        route.by_gateway for route in routes.ordered if route.channel is routes.required
    ):
        copy = any(route.by_gateway and route.carries is Carries.ADVANCE_COPY for route in routes.ordered)
        ahead = "the gateway sends an advance copy; " if copy else ""
        how = "the diplomatic channel" if routes.required.channel == "diplomatic" else routes.required.channel
        sentence = (
            f"The formal route is {how}: {ahead}send the print set by {how}. The request counts as formally"
            " sent when that is confirmed."
        )
        found.append(Note(code="formal-route", sentence=sentence))
    if entry.requires_paper_original:
        sentence = "It wants a paper original: send it after the request."
        found.append(Note(code="paper-original", sentence=sentence))
    return tuple(found)


def asks_for(requirements: Mapping[str, Any] | None, kind: str, today: date) -> tuple[str, ...]:
    """Return what its published requirements ask for this kind."""
    if requirements is None:
        return ()
    if not is_in_force(requirements, today):
        return (f"Issue {issue(requirements)} of its requirements is not in force yet.",)
    return tuple(asked_for(requirements, kind))


def passed_over(
    entry: DirectoryEntry,
    found: Sequence[Holder],
    roles: Sequence[str],
    instruments: Sequence[str],
    regions: Sequence[str],
) -> str:
    """Return why an authority is no candidate; empty where nobody would look for it."""
    held = [role for role in roles if role in entry.roles or any(d.role == role for d in entry.designations)]
    if not held:
        return _ask_it(entry, found)
    if entry.status != "active":
        return f"It holds the role {held[0]}, and its record is {entry.status}."
    if regions and entry.region and entry.region not in regions:
        return f"It stands for {entry.region} only."
    if regions and not entry.region and any(h.entry.region and h.role in held for h in found):
        return f"It stands for the whole State, and {found[0].entry.region} has an authority of its own."
    under = sorted({d.instrument for d in entry.designations if d.role == held[0]})
    if not BASES_WITHOUT_TREATY.issuperset(instruments) and under and not set(under) & set(instruments):
        return f"It holds the role {held[0]} under {', '.join(under)}, not under {named(instruments)}."
    return f"It holds the role {held[0]}; another role comes first for this kind."


def _ask_it(entry: DirectoryEntry, found: Sequence[Holder]) -> str:
    """Where nobody is designated, the central authority is the one to ask."""
    if found or _CENTRAL not in entry.roles or entry.status != "active":
        return ""
    return "Central authority, not designated for this kind: ask it whom to address."


def _in(language: str) -> str:
    return f" ({language})" if language else ""


def _base(language: str) -> str:
    return language.partition("-")[0].lower()
