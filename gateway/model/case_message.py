"""A message of a thread as the fold sees it: counters, type, and codes and numbers, never wording.

The facts are what a database may keep in clear beside a sealed bundle; they are read from a checked
form once and travel as a small JSON object. Unknown codes are kept as they came.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from gateway.model.codes import Side
from gateway.model.fields import at, rows, text
from gateway.model.message import wire_time
from gateway.model.preservation_form_rules import form_breaches
from gateway.model.refusal_grounds import KINDS_WITH_GROUNDS
from gateway.model.request import default_message_type, requested_items
from gateway.model.second_signature import stood_by

#: Ends beyond these are taken as these: a century of warnings before, and room for every sum.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC)
_LEAP_SECOND = re.compile(r"([Tt]\d\d:\d\d:)60")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """What a message says that the fold decides on; absent members are empty.

    Attributes:
        items: Numbers of the items it adds or names.
        coverage: ``all``, ``some`` or ``none``, as its sender saw it.
        decision: ``go_on`` or ``stop``; ``yes`` or ``no`` for an extension report.
        statuses: Outcome or status per item.
        ends_at, effected_at: Of a preservation, per item.
        answer_by: Time limit of a consultation, offer or question.
        relation: ``replaces`` or ``follows_preservation``, where it acts on this thread by that.
        corrects: Message that a correction names.
        integrity: ``ok`` or ``failed``, of a result receipt.
        renew_by: Last day of asking for a renewal, by the requested State's calendar.
        kind: Of a request whose kind has grounds of refusal of its own.
        oral_at: When a request that confirms an oral one was made by word of mouth.
        broken: Rules of preservation that its form breaks by itself.
        stands_by: Digest of the manifest of the emergency that it answers and stands by (D-24).
    """

    items: tuple[int, ...] = ()
    coverage: str | None = None
    decision: str | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)
    ends_at: Mapping[int, datetime] = field(default_factory=dict)
    effected_at: Mapping[int, datetime] = field(default_factory=dict)
    answer_by: datetime | None = None
    ground: str | None = None
    relation: str | None = None
    corrects: str | None = None
    integrity: str | None = None
    instruments: tuple[str, ...] = ()
    kind: str | None = None
    renew_by: date | None = None
    oral_at: datetime | None = None
    broken: tuple[str, ...] = ()
    stands_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON values; ``from_json`` reads them back, times to the second."""
        return {name: _plain(value) for name in _READERS if (value := getattr(self, name))}

    @property
    def has_times(self) -> bool:
        """Whether instants are among them."""
        return bool(self.ends_at or self.effected_at or self.answer_by or self.oral_at)

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "MessageFacts":
        """Return the facts of stored JSON; members of another version are left out."""
        return cls(**{name: _READERS[name](value) for name, value in facts.items() if name in _READERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMessage:
    """One message of either side.

    Attributes:
        seq, seen: Counters of docs/state-machine.md.
        at: When it was made, by its sender's clock.
        consigned_at: Time of the consignment receipt; ``None`` while there is none.
        numbered: ``False`` for what was recorded here from a person's reply by mail: it bears no number of
            its side (``seq`` is 0), and a sealed message of its side and type takes its place.
    """

    message_id: str
    side: Side
    seq: int
    seen: int
    message_type: str
    in_reply_to: str | None
    at: datetime
    consigned_at: datetime | None
    facts: MessageFacts = field(default_factory=MessageFacts)
    numbered: bool = True

    @property
    def counts_at(self) -> datetime:
        """The instant by which time limits are measured: consignment, else when it was made."""
        return self.consigned_at or self.at

    def as_stored(self) -> "CaseMessage":
        """Return it with its facts as they read once they were stored."""
        if not self.facts.has_times:
            return self
        return replace(self, facts=MessageFacts.from_json(self.facts.as_json()))


def case_message(form: Mapping[str, Any], *, message_id: str, consigned_at: datetime | None) -> CaseMessage:
    """Return what the fold needs of a request or message form that fits its schema as a reader sees it."""
    if "message_type" not in form:
        thread = at(form, "thread") or {}
        return CaseMessage(
            message_id=message_id,
            side=Side.REQUESTING,
            seq=thread.get("seq", 1),
            seen=thread.get("seen", 0),
            message_type=thread.get("message_type") or default_message_type(form["request_kind"]),
            in_reply_to=thread.get("in_reply_to"),
            at=_instant(form["created_at"]),
            consigned_at=consigned_at,
            facts=facts_of(form),
        )
    return CaseMessage(
        message_id=message_id,
        side=Side(form["side"]),
        seq=form["seq"],
        seen=form["seen"],
        message_type=form["message_type"],
        in_reply_to=form["in_reply_to"],
        at=_instant(form["created_at"]),
        consigned_at=consigned_at,
        facts=facts_of(form),
    )


def facts_of(form: Mapping[str, Any]) -> MessageFacts:
    """Return the facts of a request or message form that fits its schema."""
    if "message_type" not in form:
        codes = [text(row, "code") for _, row in rows(form, "instruments")]
        return MessageFacts(
            items=requested_items(form),
            instruments=tuple(code for code in codes if code),
            kind=form["request_kind"] if form["request_kind"] in KINDS_WITH_GROUNDS else None,
            oral_at=_optional_instant(text(form, "oral_request", "made_at")),
        )
    content = at(form, "content")
    listed = [row for _, row in rows(content, "items") if isinstance(row.get("item_no"), int)]
    named = at(content, "item_nos")
    numbers = [row["item_no"] for row in listed] + [n for n in named or () if isinstance(n, int)]
    granted = at(content, "granted")
    stood = stood_by(form)
    return MessageFacts(
        items=tuple(sorted(set(numbers))),
        coverage=text(content, "coverage") or None,
        decision=text(content, "decision") or {True: "yes", False: "no"}.get(granted),
        statuses={row["item_no"]: text(row, "outcome") or text(row, "status") for row in listed},
        ends_at=_times(listed, "ends_at"),
        effected_at=_times(listed, "effected_at"),
        answer_by=_optional_instant(text(content, "answer_by")),
        ground=text(content, "ground") or None,
        corrects=text(content, "corrects") or None,
        integrity=text(content, "integrity") or None,
        renew_by=_optional_day(text(content, "renewal_must_be_requested_by")),
        broken=tuple(dict.fromkeys(breach.code for breach in form_breaches(form))),
        stands_by=None if stood is None else stood.manifest_sha256,
    )


def _instant(moment: str) -> datetime:
    """Return an RFC 3339 instant as aware UTC."""
    return datetime.fromisoformat(moment).astimezone(UTC)


def _optional_instant(moment: str) -> datetime | None:
    try:
        return _instant(moment) if moment else None
    except (ValueError, OverflowError):
        # A leap second is well formed and Python has none; without a limit an answer is in time.
        return None


def _optional_day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        return None


def _times(listed: list[Mapping[str, Any]], member: str) -> dict[int, datetime]:
    found = {row["item_no"]: _bounded(text(row, member)) for row in listed}
    return {number: moment for number, moment in found.items() if moment is not None}


def _bounded(moment: str) -> datetime | None:
    """Return a time that can be counted from in both directions; a leap second counts as the one before.

    No end is lost because its spelling is rare: without an end there would be no deadline.
    """
    try:
        return min(max(_instant(_LEAP_SECOND.sub(r"\g<1>59", moment)), _FIRST), _LAST) if moment else None
    except OverflowError:
        return _LAST if moment.startswith("9") else _FIRST
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return value


def _same(value: Any) -> Any:
    return value


def _read_times(value: Mapping[str, str]) -> dict[int, datetime]:
    return {int(key): _instant(moment) for key, moment in value.items()}


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "items": tuple,
    "coverage": _same,
    "decision": _same,
    "statuses": lambda value: {int(key): status for key, status in value.items()},
    "ends_at": _read_times,
    "effected_at": _read_times,
    "answer_by": _instant,
    "ground": _same,
    "relation": _same,
    "corrects": _same,
    "integrity": _same,
    "instruments": tuple,
    "kind": _same,
    "renew_by": date.fromisoformat,
    "oral_at": _instant,
    "broken": tuple,
    "stands_by": _same,
}
