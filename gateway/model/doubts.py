"""What is to be known of a question or of the directory, before any candidate is looked at. Pure.

Codes are listed in docs/directory.md.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from gateway.model.authority import DirectoryEntry, LookupStatus
from gateway.model.codes import code_list, is_known
from gateway.model.designated import Holder
from gateway.model.legal_basis import Note


def about_directory(state: str, is_listed: bool, status: LookupStatus) -> Iterator[Note]:
    """Yield what is to be known of the directory; not being listed is not the same as not knowing."""
    if status is LookupStatus.UNVERIFIABLE:
        sentence = "The directory cannot be verified: whether an authority is listed is not known."
        yield Note(code="unverifiable", sentence=sentence)
    elif status is LookupStatus.STALE:
        sentence = "The directory is no longer fresh: refresh it before you conclude anything from it."
        yield Note(code="stale", sentence=sentence)
    elif not is_listed:
        sentence = (
            f"The directory lists no authority of {state}: the gateway cannot send there. Check the code of"
            " the State, or use the diplomatic channel."
        )
        yield Note(code="not-listed", sentence=sentence)


def unknown_kind(kind: str) -> Note:
    """Return that no roles are known for a kind."""
    said = f"The request kind {kind!r} is not known to this version{_similar('request_kind', kind)}"
    return Note(code="unknown-kind", sentence=f"{said}: a person chooses the addressee.")


def unknown_instruments(instruments: Sequence[str]) -> Iterator[Note]:
    """Yield which instruments this version does not know; designations under them are found all the same."""
    for code in instruments:
        if not is_known("instrument", code):
            sentence = f"The instrument {code!r} is not known to this version{_similar('instrument', code)}."
            yield Note(code="unknown-instrument", sentence=sentence)


def _similar(name: str, code: str) -> str:
    close = get_close_matches(code, code_list(name), n=3)
    return f" (similar: {', '.join(close)})" if close else ""


def nobody(state_name: str, roles: Sequence[str], instruments: Sequence[str]) -> Note:
    """Return that nobody of a listed State is designated."""
    sentence = (
        f"No authority of {state_name} is designated as {' or '.join(roles)} under {named(instruments)}:"
        " name another instrument, or ask its central authority whom to address."
    )
    return Note(code="nobody", sentence=sentence)


def unknown_region(region: str, known: Sequence[str]) -> Note:
    """Return that a region is nobody's; nothing was narrowed by it."""
    listed = f"of its own there has only {', '.join(known)}" if known else "there has none of its own"
    sentence = f"No authority is listed for the region {region!r} (an authority {listed}); it was not used."
    return Note(code="unknown-region", sentence=sentence)


def several_regions(region: str, matching: Sequence[str]) -> Note:
    """Return that a region may be one of several."""
    sentence = f"The region {region!r} may be {' or '.join(matching)}: write it out."
    return Note(code="unknown-region", sentence=sentence)


#: What the domain adds for single kinds.
_KINDS = {
    "prosecution_or_enforcement_in_lieu": "It goes to the authority that refused the extradition: make sure"
    " that this is the one.",
    "maritime_flag_state": "maritime_1988_17 is for drugs at sea, maritime_smuggling_migrants for migrants:"
    " make sure which of them this is.",
    "order_given_effect": "It goes to the authority designated under article 8 of the Second Additional"
    " Protocol: check the designation.",
    "epoc": "The gateway carries it as a document between authorities; the order goes by the Union's system.",
    "epoc_pr": "The gateway carries it as a document between authorities; the order goes by the Union's"
    " system.",
}

#: Kinds of which somebody else is told as well: role of that one, and how it is said.
_ALSO_TOLD = {
    "joint_investigation": ("mla_central", "Send a copy to the central authority"),
    "controlled_delivery": ("mla_central", "Send a copy to the central authority"),
    "asset_return_or_sharing": ("asset_recovery_focal_point", "The asset recovery focal point may be told"),
}


def about_kind(kind: str, found: Sequence[Holder], listed: Sequence[DirectoryEntry]) -> Iterator[Note]:
    """Yield what holds for a kind as such."""
    if listed and kind in _KINDS:
        yield Note(code="kind", sentence=_KINDS[kind])
    role, what = _ALSO_TOLD.get(kind, ("", ""))
    chosen = {holder.entry.authority_id for holder in found if role in holder.entry.roles}
    told = [e.authority_id for e in listed if role in e.roles and e.status == "active"]
    if found and told and not chosen:
        yield Note(code="copy", sentence=f"{what}: {', '.join(told)}.")


def named(instruments: Sequence[str]) -> str:
    """Return the instruments as a sentence names them."""
    return " or ".join(instruments) or "any instrument"
