"""The request for mutual assistance that follows a preservation: linked by its form, or told of by a notice.

Between the same two authorities the request itself acts on the preservation's thread, with that thread's own
counters; towards any other authority the notice does (docs/preservation.md). Pure but for the rows it reads.
"""

from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayRefusal
from gateway.model.codes import Side, Track
from gateway.model.fields import at, text
from gateway.model.message import wire_time
from gateway.model.preservation_rules import Breach
from gateway.services.casework.acknowledgement import counters
from gateway.services.casework.breaches import refusal
from gateway.services.casework.casefile import resolve
from gateway.services.casework.caserows import requests_of
from gateway.services.preservation.standing import Standing
from gateway.storage import cases, transmissions
from gateway.storage.database import Connection


def notice_about(connection: Connection, ref: str, own: str) -> dict[str, Any]:
    """Return what a follow-up notice says of a request that we sent: reference, authorities, time, channel.

    Raises ``GatewayRefusal`` as ``resolve``; ``rule-broken`` for what is no request of ours for assistance.
    """
    found = resolve(connection, ref)
    case = cases.find_case(connection, found.thread_id, found.peer)
    rows = cases.messages_of(connection, found.thread_id, found.peer)
    request = next(requests_of(rows), None)
    if case is None or request is None or case.side != Side.REQUESTING or case.track != Track.REQUEST:
        raise refusal([Breach(code="follows_preservation", field="mla")])
    sent = transmissions.transmissions_of(connection, request.sender, request.bid)
    return {
        "mla_reference": case.reference_requesting,
        "from_authority": own,
        "to_authority": case.peer,
        "sent_at": wire_time(request.consigned_at or request.stored_at),
        "channel": next((row.channel for row in sent if row.channel), "gateway_https"),
    }


def with_link(form: Mapping[str, Any], standing: Standing, own: str) -> dict[str, Any]:
    """Return a request form that says which preservation it follows; one that says so already is left alone.

    Raises ``GatewayRefusal`` ``form-invalid`` for what is no request, ``rule-broken`` where others asked for
    the preservation.
    """
    case = standing.case
    if "request_kind" not in form:
        raise GatewayRefusal("form-invalid", field="request_kind")
    if standing.side is not Side.REQUESTING:
        raise refusal([Breach(code="act_of_side")])
    named = at(form, "related_references")
    listed = [row for row in named if isinstance(row, dict)] if isinstance(named, list) else []
    link: dict[str, Any] = {"reference": case.reference_requesting, "relation": "follows_preservation"}
    if text(form, "requested_authority", "authority_id") == case.peer:
        ours, theirs = counters(standing.rows, own)
        link |= {"thread_id": case.thread_id, "seq": ours + 1, "seen": theirs}
    if any(
        (row.get("relation"), row.get("reference")) == (link["relation"], link["reference"]) for row in listed
    ):
        return dict(form)
    return {**form, "related_references": [*listed, link]}
