"""The acknowledgement of a request: from what the case holds, and what the own record says of our offices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.model.authority import DirectoryEntry
from gateway.model.codes import Assurance, Side, Track, code_list
from gateway.model.message import (
    Human,
    Office,
    Place,
    ThreadParties,
    build_acknowledgement,
    build_preservation_acknowledgement,
)
from gateway.services.identifiers import new_identifier
from gateway.storage import cases

#: When the requested authority says it will report next, and when its next step is to be expected.
_NEXT_REPORT = timedelta(hours=2)
_NEXT_STEP = timedelta(days=7)


def acknowledgement(
    own: DirectoryEntry,
    case: cases.CaseRow,
    request: cases.MessageRow,
    rows: Sequence[cases.MessageRow],
    *,
    officer: str,
    office: str | None,
    reference: str | None,
    email: str | None,
    now: datetime,
) -> dict[str, object]:
    """Return the message by which a person says that the authority has a request.

    ``rows`` are the messages of the case, ``request`` the one among them that is acknowledged. Raises
    ``MessageInvalid``.
    """
    ours, theirs = counters(rows, own.authority_id)
    parties = ThreadParties(
        thread_id=case.thread_id,
        requesting=case.peer,
        requested=own.authority_id,
        reference_requesting=case.reference_requesting or "",
        reference_requested=reference or case.reference_requested or own_reference(own, case, now),
    )
    place = Place(
        bid=new_identifier(now),
        side=Side.REQUESTED,
        seq=ours + 1,
        seen=theirs,
        in_reply_to=f"{request.sender}/{request.bid}",
    )
    received_at = request.consigned_at or request.stored_at
    author = own_office(own, Track(case.track), office=office, email=email)
    human = Human(assurance=Assurance.LOCAL_OPERATOR, officer=officer)
    if case.track == Track.PRESERVATION:
        return build_preservation_acknowledgement(
            parties=parties,
            place=place,
            author=author,
            now=now,
            language=case.language,
            received_at=received_at,
            read_at=request.opened_at or now,
            next_report_by=now + _NEXT_REPORT,
            human=human,
        )
    return build_acknowledgement(
        parties=parties,
        place=place,
        author=author,
        now=now,
        language=case.language,
        received_at=received_at,
        human=human,
        next_step_by=(now + _NEXT_STEP).date(),
    )


def own_office(
    own: DirectoryEntry, track: Track, *, office: str | None = None, email: str | None = None
) -> Office:
    """Return the office that speaks: as it was said, otherwise as the own directory record names it."""
    contacts = own.raw.get("contacts") or [{}]
    roles = code_list("authority_role")
    role = next((r for r in own.raw.get("roles", ()) if r in roles), "mla_central")
    return Office(
        authority_id=own.authority_id,
        office=office or contacts[0].get("office") or own.name_en,
        function=roles[role].meaning,
        role="duty_officer" if track is Track.PRESERVATION else "operator",
        email=email or contacts[0].get("email") or "",
    )


def own_reference(own: DirectoryEntry, case: cases.CaseRow, now: datetime) -> str:
    """Return a reference of our own for a case that was given none: stable, and naming nobody."""
    return f"{own.authority_id.upper()}/{now.year}/{case.thread_id[:8].upper()}"


def counters(rows: Sequence[cases.MessageRow], own: str) -> tuple[int, int]:
    """Return our last ``seq``, and the highest of the other side up to which none is missing."""
    ours = max((row.seq for row in rows if row.sender == own), default=0)
    theirs = {row.seq for row in rows if row.sender != own}
    seen = 0
    while seen + 1 in theirs:
        seen += 1
    return ours, seen
