"""The forms of the messages a person's act becomes: built from a case's data, deterministic.

Identifiers and times come in as arguments; nothing is drawn here. A form says who acts (office and
function, never a name) and for which thread; sealing and sending are decided elsewhere. Sentences
and codes are the officer's: no builder accepts, refuses or guesses anything on the merits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from gateway.model.codes import Assurance, Side, Track, is_known

SCHEMA_VERSION = "1.0"


class MessageInvalid(ValueError):
    """The act cannot be put into a form; the text says what to give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An office that speaks for an authority: the form's ``author``."""

    authority_id: str
    office: str
    function: str
    role: str = "operator"
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadParties:
    """The two authorities of a thread with the reference of each; the requested one's is unknown at first."""

    thread_id: str
    requesting: str
    requested: str
    reference_requesting: str = field(repr=False)
    reference_requested: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """Whose act it is, under a pseudonym: the form's ``human``."""

    assurance: Assurance
    officer: str
    assertion: str | None = None

    def as_form(self) -> dict[str, Any]:
        """Return the ``human`` slot of form and manifest."""
        return {"assurance": str(self.assurance), "officer": self.officer, "assertion": self.assertion}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message stands in its thread: the counters of docs/state-machine.md and what it answers.

    Attributes:
        bid: Of the bundle that will carry it, 32 hex digits.
        seq: One above the author's last one.
        seen: Highest ``seq`` of the other side that has been taken in.
    """

    bid: str
    side: Side
    seq: int
    seen: int
    in_reply_to: str | None


def acknowledgement_type(track: Track) -> str:
    """Return the message type by which a person acknowledges a request of this track."""
    return "preservation_acknowledgement" if track is Track.PRESERVATION else "acknowledgement"


def build_acknowledgement(
    *,
    parties: ThreadParties,
    place: Place,
    author: Office,
    now: datetime,
    language: str,
    received_at: datetime,
    human: Human,
    completeness: str = "not_checked",
    paper_original_wanted: bool = False,
    next_step_by: date | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Return the form by which the requested authority acknowledges a request (docs/state-machine.md).

    Raises ``MessageInvalid`` where the reference of the requested authority, its office or its e-mail
    address is missing, or ``completeness`` is no code of its list.
    """
    if not is_known("completeness", completeness):
        raise MessageInvalid("completeness must be complete, incomplete or not_checked")
    if not author.email:
        raise MessageInvalid("give the e-mail address of the office that handles it; the own record has none")
    handling = {"office": author.office, "email": author.email}
    if author.phone:
        handling["phone"] = author.phone
    content: dict[str, Any] = {
        "received_at": wire_time(received_at),
        "handling_office": handling,
        "completeness": completeness,
        "paper_original_wanted": paper_original_wanted,
        "next_step_by": None if next_step_by is None else next_step_by.isoformat(),
    }
    if note:
        content["note"] = note
    _refuse_nameless(parties)
    return build_message(
        "acknowledgement",
        parties=parties,
        place=place,
        author=author,
        now=now,
        language=language,
        content=content,
        human=human,
    )


def build_preservation_acknowledgement(
    *,
    parties: ThreadParties,
    place: Place,
    author: Office,
    now: datetime,
    language: str,
    received_at: datetime,
    read_at: datetime,
    next_report_by: datetime,
    human: Human,
    competent: bool = True,
    forwarded_to: str | None = None,
    blocking_questions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the form by which a duty officer acknowledges a preservation request (Budapest 29, 35).

    Raises ``MessageInvalid`` where the reference of the requested authority is missing, the next
    report is not later than now, or an office that is not competent does not say to whom it forwards.
    """
    if next_report_by <= now:
        raise MessageInvalid("the time of the next report must lie ahead")
    if not competent and not forwarded_to:
        raise MessageInvalid("say to whom the request is forwarded, since this office is not competent")
    content: dict[str, Any] = {
        "received_at": wire_time(received_at),
        "read_at": wire_time(read_at),
        "officer_function": author.function,
        "competent": competent,
        "next_report_by": wire_time(next_report_by),
        "blocking_questions": list(blocking_questions),
    }
    if forwarded_to:
        content["forwarded_to"] = {"name": forwarded_to}
    _refuse_nameless(parties)
    return build_message(
        "preservation_acknowledgement",
        parties=parties,
        place=place,
        author=author,
        now=now,
        language=language,
        content=content,
        human=human,
    )


def wire_time(instant: datetime) -> str:
    """Return ``YYYY-MM-DDTHH:MM:SSZ``; fractions are cut. Raises ``ValueError`` for a naive instant."""
    if instant.tzinfo is None:
        raise ValueError("the instant must be aware")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse_nameless(parties: ThreadParties) -> None:
    if not parties.reference_requested:
        raise MessageInvalid("give the reference of the requested authority; an acknowledgement names both")


def build_message(
    message_type: str,
    *,
    parties: ThreadParties,
    place: Place,
    author: Office,
    now: datetime,
    language: str,
    content: Mapping[str, Any],
    human: Human | None = None,
    attachments: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the form of a message: the envelope of every type around its content.

    Without ``human`` it is filled in where the act is sent. Raises ``MessageInvalid`` where office or
    function is missing, or the office belongs to the other side.
    """
    if not author.office or not author.function:
        raise MessageInvalid("give the office and the function that act")
    own, other = parties.requested, parties.requesting
    if place.side is Side.REQUESTING:
        own, other = other, own
    if author.authority_id != own:
        raise MessageInvalid("the office does not belong to the side that speaks")
    form: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "message_type": message_type,
        "message_id": f"{own}/{place.bid}",
        "thread": {
            "thread_id": parties.thread_id,
            "requesting": {"authority_id": parties.requesting, "reference": parties.reference_requesting},
            "requested": {"authority_id": parties.requested, "reference": parties.reference_requested},
        },
        "in_reply_to": place.in_reply_to,
        "side": str(place.side),
        "seq": place.seq,
        "seen": place.seen,
        "author": {
            "authority_id": own,
            "office": author.office,
            "function": author.function,
            "role": author.role,
        },
        "addressee": {"authority_id": other},
        "created_at": wire_time(now),
        "language": language,
        "translations": [],
        "attachments": [dict(row) for row in attachments],
    }
    if human is not None:
        form["human"] = human.as_form()
    form["content"] = dict(content)
    return form
