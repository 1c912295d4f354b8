"""Who may stand by an emergency as the second person (D-24), and the message by which it is done.

Looked up in the caller's view of the database. The rules hold for every act that says it stands by something,
whoever wrote its form: a case system's form says no more than the desk's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.model.authority import DirectoryEntry
from gateway.model.codes import Side, Track
from gateway.model.fields import text
from gateway.model.message import Place, ThreadParties, build_message
from gateway.model.officers import AUDITOR
from gateway.model.second_signature import (
    STANDING_BY,
    STANDING_LANGUAGE,
    is_second,
    standing_bid,
    standing_content,
    stood_by,
)
from gateway.services.casework.acknowledgement import counters, own_office, own_reference
from gateway.storage import bundles, cases, trust
from gateway.storage.database import Connection
from gateway.storage.officers import all_officers, find_officer

#: Roles that may be the second person.
_APPROVER, _SHIFT_LEADER = "approver", "shift_leader"


def owed_to(connection: Connection, sender: str, bid: str, officer: str) -> trust.SecondRow:
    """Return what is owed for an emergency, if this officer may be its second person.

    Raises ``GatewayRefusal`` ``second-not-owed``, ``second-same-person``, ``second-not-approver``.
    """
    owed = trust.find_second(connection, sender, bid)
    if owed is None or owed.closed_at is not None:
        raise GatewayRefusal("second-not-owed")
    if not is_second(officer, owed.officer):
        raise GatewayRefusal("second-same-person")
    if _role(connection, officer) is None:
        raise GatewayRefusal("second-not-approver")
    return owed


def refuse_unfit(connection: Connection, form: Mapping[str, Any], officer: str) -> None:
    """Refuse whoever may not act here although no passkey is asked for; a name that nobody bears may.

    Raises ``GatewayRefusal`` ``human-suspended``, ``officer-role`` for an auditor, and as ``stood_for``.
    """
    stood_for(connection, form, officer)
    row = find_officer(connection, officer)
    if row is not None and row.status == "suspended":
        raise GatewayRefusal("human-suspended")
    if row is not None and row.role == AUDITOR:
        raise GatewayRefusal("officer-role")


def stood_for(connection: Connection, form: Mapping[str, Any], officer: str) -> trust.SecondRow | None:
    """Return what a form of ours ends, ``None`` if it stands by nothing.

    Raises as ``owed_to``; ``second-not-owed`` also where it names another thread's emergency, or another
    text than the one that was sent.
    """
    said = stood_by(form)
    if said is None:
        return None
    sender, _, bid = said.message_id.partition("/")
    owed = owed_to(connection, sender, bid, officer)
    held = bundles.find_bundle(connection, sender, bid)
    its_own = (text(form, "thread", "thread_id"), text(form, "addressee", "authority_id"))
    if (owed.thread_id, owed.peer) != its_own or held is None or held.manifest_sha256 != said.manifest_sha256:
        raise GatewayRefusal("second-not-owed")
    return owed


def standing_form(
    connection: Connection, own: DirectoryEntry, owed: trust.SecondRow, *, officer: str, now: datetime
) -> tuple[dict[str, Any], Sequence[cases.MessageRow]]:
    """Return the form by which an officer stands by an emergency, and the messages of its thread.

    Raises ``GatewayRefusal`` ``not-found`` where the emergency's case is not here.
    """
    case = cases.find_case(connection, owed.thread_id, owed.peer)
    held = bundles.find_bundle(connection, owed.sender, owed.bid)
    if case is None or held is None:
        raise GatewayRefusal("not-found")
    rows = cases.messages_of(connection, owed.thread_id, owed.peer)
    ours, theirs = counters(rows, own.authority_id)
    emergency = f"{owed.sender}/{owed.bid}"
    as_approver = _role(connection, officer) == _APPROVER
    form = build_message(
        STANDING_BY,
        parties=ThreadParties(
            thread_id=case.thread_id,
            requesting=own.authority_id,
            requested=case.peer,
            reference_requesting=case.reference_requesting or own_reference(own, case, now),
            reference_requested=case.reference_requested,
        ),
        place=Place(
            bid=standing_bid(emergency, officer),
            side=Side.REQUESTING,
            seq=ours + 1,
            seen=theirs,
            in_reply_to=emergency,
        ),
        author=replace(own_office(own, Track(case.track)), role=_APPROVER if as_approver else "duty_officer"),
        now=now,
        language=STANDING_LANGUAGE,
        content=standing_content(emergency, held.manifest_sha256),
    )
    return form, rows


def _role(connection: Connection, officer: str) -> str | None:
    """Return the role in which an officer may stand by another's act, ``None`` if that may not be."""
    held = find_officer(connection, officer)
    if held is None:
        # Where nobody is enrolled, roles are not known.
        return None if all_officers(connection) else _APPROVER
    fits = held.status == "active" and held.role in {_APPROVER, _SHIFT_LEADER}
    return held.role if fits else None
