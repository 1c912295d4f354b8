"""The legal request: its kind, its basis, its urgency, and what follows from them.

Reads a form that ``services.forms`` has checked; wording and documents stay in the form. What the
treaties require of its contents is decided in ``contents``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

from gateway.model.codes import Lane, Track, code_list

#: Message types whose form is the request form (the others use the message form).
REQUEST_TYPES = frozenset(
    {"request", "written_confirmation", "supplementary_request", "preservation_request"}
)

_URGENT_LEVELS = frozenset({"urgent", "emergency"})
_CALM_LEVELS = frozenset({"routine", "priority"})


def track_of(request_kind: str) -> Track:
    """Return the state machine of a kind; a kind this version does not know runs on the request track."""
    return _tracks().get(request_kind, Track.REQUEST)


@cache
def _tracks() -> Mapping[str, Track]:
    return {kind.code: Track(kind.track) for kind in code_list("request_kind").values() if kind.track}


def lane_of(urgency_level: str, request_kind: str | None) -> Lane | None:
    """Return the lane, or ``None`` where the level is a code we do not know.

    Urgent if the level is urgent or emergency or the kind is a preservation; then the envelope's
    lane stands for an unknown level. Source: docs/bundle.md section 4; UNTOC 18(13).
    """
    if urgency_level in _URGENT_LEVELS or (request_kind and track_of(request_kind) is Track.PRESERVATION):
        return Lane.URGENT
    return Lane.ROUTINE if urgency_level in _CALM_LEVELS else None


def respond_by_instant(form: Mapping[str, Any]) -> datetime | None:
    """Return the end (23:59:59 UTC) of the day the request suggests for the answer, if it suggests one.

    Raises ``ValueError`` for a date that is none. Source: UNTOC 18(24).
    """
    wish = form.get("respond_by")
    if not wish:
        return None
    return datetime.combine(date.fromisoformat(wish["date"]), time(23, 59, 59), UTC)


def primary_basis(form: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return code and first article of the primary instrument; the first one where none is marked."""
    instruments: Sequence[Mapping[str, Any]] = form.get("instruments") or ()
    chosen = next((i for i in instruments if i.get("primary")), instruments[0] if instruments else None)
    if chosen is None:
        return None, None
    articles = chosen.get("articles") or (None,)
    return chosen.get("code"), articles[0]


def default_message_type(request_kind: str) -> str:
    """Return the message type of a request that opens a thread."""
    return "preservation_request" if track_of(request_kind) is Track.PRESERVATION else "request"


def first_thread(request_kind: str, own: str, *, bid: str, thread_id: str) -> dict[str, object]:
    """Return the ``thread`` of a request of our own that opens one."""
    return {
        "message_type": default_message_type(request_kind),
        "message_id": f"{own}/{bid}",
        "thread_id": thread_id,
        "in_reply_to": None,
        "seq": 1,
        "seen": 0,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CooperationRequest:
    """What the product needs to know of a request to seal, route and follow it.

    Attributes:
        message_id, thread_id: ``None`` where the form has no ``thread`` yet.
        lane: Routine for a level we do not know; a person sees it anyway (V28).
    """

    request_kind: str
    message_type: str
    requesting: str
    requested: str
    reference: str = field(repr=False)
    subject: str = field(repr=False)
    language: str
    urgency_level: str
    confidentiality_level: str
    instrument: str | None
    provision: str | None
    respond_by: datetime | None
    message_id: str | None
    thread_id: str | None
    in_reply_to: str | None
    seq: int
    seen: int

    @property
    def track(self) -> Track:
        """The state machine it runs on."""
        return track_of(self.request_kind)

    @property
    def lane(self) -> Lane:
        """The lane it travels on."""
        return lane_of(self.urgency_level, self.request_kind) or Lane.ROUTINE


def read_request(form: Mapping[str, Any]) -> CooperationRequest:
    """Return the request of a form that fits the schema. Raises ``KeyError`` or ``ValueError`` otherwise."""
    thread = form.get("thread") or {}
    kind = form["request_kind"]
    instrument, provision = primary_basis(form)
    return CooperationRequest(
        request_kind=kind,
        message_type=thread.get("message_type") or default_message_type(kind),
        requesting=form["requesting_authority"]["authority_id"],
        requested=form["requested_authority"]["authority_id"],
        reference=form["reference_requesting"],
        subject=form["proceeding"]["subject_matter"],
        language=form["language"],
        urgency_level=form["urgency"]["level"],
        confidentiality_level=form["confidentiality"]["level"],
        instrument=instrument,
        provision=provision,
        respond_by=respond_by_instant(form),
        message_id=thread.get("message_id"),
        thread_id=thread.get("thread_id"),
        in_reply_to=thread.get("in_reply_to"),
        seq=thread.get("seq", 1),
        seen=thread.get("seen", 0),
    )


def requested_items(form: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the numbers of what is asked for, ascending: items of assistance, or data to preserve."""
    if track_of(form["request_kind"]) is Track.PRESERVATION:
        rows = (form.get("kind_details") or {}).get("data_items") or ()
    else:
        rows = form.get("assistance") or ()
    return tuple(sorted({row["item_no"] for row in rows if isinstance(row.get("item_no"), int)}))
