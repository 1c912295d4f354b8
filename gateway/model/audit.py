"""Entries of the audit log: which events there are, what each says, and how a leaf is written.

Decides names and fields (docs/audit-events.md lists them; a test compares). A *pending* entry has no place
yet; an *audit entry* has its index and is final. Bodies hold identifiers, digests and codes only: never
content, and facts about persons only in events of their own, so that they can be erased alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from types import MappingProxyType


class FieldKind(Enum):
    """The forms a value in a body may have. None of them has room for a sentence."""

    AUTHORITY = r"(?=.{4,63}\Z)[a-z]{2}(-[a-z0-9]+)+"
    BUNDLE = r"[0-9a-f]{32}"
    DIGEST = r"[0-9a-f]{64}"
    KEY = r"[A-Za-z0-9_-]{43}"
    CODE = r"[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,63}"
    #: A number from 0 on.
    COUNT = r"0|[1-9][0-9]{0,15}"


_A, _B, _D, _K, _C, _N = FieldKind
_PATTERNS = {kind: re.compile(kind.value) for kind in FieldKind}
_BUNDLE = {"from": _A, "bid": _B}
_RECEIPT = {**_BUNDLE, "receipt": _D}
_TO = {**_BUNDLE, "to": _A}
_CASE = {"thread": _B, "peer": _A}

#: Fields an event may leave out.
OPTIONAL_FIELDS = frozenset({"attempt", "basis", "by", "channel", "code", "kid", "network", "receipt", "rev"})

#: Event name → its fields. Fields of ``OPTIONAL_FIELDS`` may be absent; no others may be there.
EVENTS: Mapping[str, Mapping[str, FieldKind]] = MappingProxyType(
    {
        # The gateway itself
        "authority.created": {"authority": _A, "network": _C},
        "service.started": {"version": _C},
        "service.stopped": {"version": _C},
        # Keys
        "key.created": {"use": _C, "kid": _K},
        "key.destroyed": {"use": _C, "kid": _K},
        "key.revoked": {"authority": _A, "kid": _K, "code": _C, "basis": _C},
        "storage_key.created": {"key": _C},
        # Directory
        "directory.published": {"authority": _A, "digest": _D},
        "directory.enrolled": {"authority": _A, "digest": _D, "code": _C},
        "directory.updated": {"authority": _A, "digest": _D},
        "directory.trusted": {"network": _C, "root": _N, "snapshot": _N, "timestamp": _N},
        "directory.refused": {"network": _C, "code": _C},
        "directory.expired": {"network": _C},
        "directory.contradicted": {"authority": _A},
        "directory.reconciled": {"authority": _A},
        # Bundles: each of these but the last is entered with a receipt of our own
        "bundle.submitted": _RECEIPT,
        "bundle.relayed": _RECEIPT,
        "bundle.consigned": _RECEIPT,
        "bundle.rejected": {**_RECEIPT, "code": _C},
        "bundle.handed_over": _RECEIPT,
        "bundle.failed": {**_RECEIPT, "code": _C},
        "bundle.mailed": _RECEIPT,
        "bundle.mail_read": _RECEIPT,
        "bundle.mail_reply": _RECEIPT,
        "bundle.rewrapped": {**_BUNDLE, "envelope": _D, "rev": _N},
        # Transmissions: one bundle to one authority; ``receipt`` is the peer's
        "transmission.attempted": {**_TO, "channel": _C, "attempt": _N, "code": _C},
        "transmission.dispatched": {**_TO, "channel": _C, "attempt": _N},
        "transmission.relayed": {**_TO, "channel": _C, "receipt": _D},
        "transmission.consigned": {**_TO, "channel": _C, "receipt": _D},
        "transmission.handed_over": {**_TO, "channel": _C, "receipt": _D},
        "transmission.rejected": {**_TO, "channel": _C, "receipt": _D, "code": _C},
        "transmission.answered": {**_TO, "channel": _C, "receipt": _D},
        "transmission.overdue": {**_TO, "channel": _C, "attempt": _N},
        "transmission.failed_over": {**_TO, "channel": _C, "attempt": _N},
        "transmission.consent_asked": {**_TO, "channel": _C},
        "transmission.consented": {**_TO, "channel": _C},
        "transmission.consent_refused": {**_TO, "channel": _C},
        "route.confirmed": {**_TO, "code": _C},
        "receipt.received": _RECEIPT,
        "receipt.refused": {**_RECEIPT, "code": _C},
        # Media that a person carries
        "carrier.exported": {"peer": _A, "channel": _C, "digest": _D},
        # Channels of peers
        "channel.probed": {"peer": _A, "channel": _C, "code": _C},
        # Mail
        "mail.noted": {**_TO, "code": _C},
        "mail.set_aside": {"digest": _D, "code": _C},
        "mail.dropped": {"digest": _D, "code": _C},
        "mail.incomplete": {**_BUNDLE, "envelope": _D, "held": _N},
        "mail.refused": {**_BUNDLE, "envelope": _D, "code": _C},
        # Cases: moved by messages, and a preservation by its end or by a decision in a linked case
        "case.opened": {**_CASE, **_BUNDLE},
        "case.advanced": {**_CASE, **_BUNDLE, "state": _C},
        "case.timed": {**_CASE, "state": _C},
        "preservation.warned": {**_CASE, "days": _N},
        "preservation.lapsed": {**_CASE, "item": _N},
        "preservation.restored": {**_CASE, "item": _N},
        "rule.overridden": {**_BUNDLE, "code": _C, "officer": _C},
        "request.checked": {**_BUNDLE, "authority": _A, "issue": _N},
        "message.recorded": {**_BUNDLE, "type": _C, "effect": _C},
        # The urgent lane: while no person has signed that they have a request
        "escalation.started": {**_TO, "level": _C},
        "escalation.stepped": {**_TO, "stage": _C},
        "escalation.unsigned": {**_TO, "assurance": _C},
        "escalation.clock_set_back": {**_TO},
        "escalation.stopped": {**_TO, "code": _C},
        # Whom to believe: a second person for an emergency, and call-backs
        "second_signature.owed": {**_BUNDLE, "peer": _A},
        "second_signature.missed": {**_BUNDLE, "peer": _A},
        "second_signature.closed": {**_BUNDLE, "peer": _A, "code": _C},
        "callback.started": {**_BUNDLE, "peer": _A, "call": _B, "code": _C},
        "callback.recorded": {**_BUNDLE, "peer": _A, "call": _B, "code": _C},
        # Oral requests and their written confirmations
        "oral.noted": {**_CASE, **_BUNDLE},
        "oral.unconfirmed": {**_CASE, "alert": _N, "hours": _N},
        "oral.confirmed": {**_CASE, **_BUNDLE},
        # Drills: tests of channels and people, apart from cases
        "drill.started": {"drill": _B, "network": _C},
        "drill.tested": {**_TO, "channel": _C, "drill": _B},
        "drill.answered": {**_BUNDLE, "drill": _B, "assurance": _C},
        "drill.received": {**_BUNDLE, "thread": _B},
        # Persons, in entries of their own
        "person.acted": {**_BUNDLE, "officer": _C, "assurance": _C},
        "person.drafted": {**_BUNDLE, "officer": _C},
        "person.opened": {**_BUNDLE, "officer": _C, "assurance": _C},
        "person.exported": {**_CASE, "officer": _C},
        "person.decided": {"authority": _A, "source": _C, "officer": _C},
        "person.allowed": {"network": _C, "officer": _C},
        "person.signed_in": {"officer": _C},
        "person.signed_out": {"officer": _C, "by": _C},
        # People at night
        "page.raised": {"page": _B, "peer": _A, "code": _C, "audience": _C, "level": _C},
        "page.rung": {"page": _B, "path": _B, "ring": _N},
        "page.sent": {"page": _B, "path": _B, "ring": _N},
        "page.unsent": {"page": _B, "path": _B, "ring": _N, "code": _C},
        "page.acknowledged": {"page": _B, "officer": _C, "source": _C},
        "page.settled": {"page": _B, "by": _C},
        "alarm.path_added": {"path": _B, "officer": _C, "code": _C, "by": _C},
        "alarm.path_removed": {"path": _B, "officer": _C, "by": _C},
        "alarm.tested": {"path": _B},
        "alarm.answered": {"path": _B, "officer": _C},
        "alarm.silent": {"path": _B},
        "alarm.away": {"seconds": _N},
        "roster.changed": {"officer": _C, "code": _C, "by": _C},
        "roster.handed_over": {"officer": _C},
        # Officers, their passkeys, and acts that wait for a signature
        "officer.invited": {"officer": _C, "by": _C},
        "officer.enrolled": {"officer": _C},
        "officer.confirmed": {"officer": _C, "by": _C},
        "officer.suspended": {"officer": _C, "by": _C},
        "credential.added": {"officer": _C, "credential": _D},
        "credential.confirmed": {"officer": _C, "credential": _D, "by": _C},
        "credential.ended": {"officer": _C, "credential": _D, "by": _C},
        "act.prepared": {**_BUNDLE, "officer": _C},
        "act.ended": {**_BUNDLE, "officer": _C, "code": _C},
        "act.refused": {**_BUNDLE, "code": _C},
        # What needs a person
        "task.raised": {"task": _B, "code": _C},
        "task.closed": {"task": _B, "code": _C},
        "body.erased": {"index": _N, "basis": _C},
    }
)

# The same with what each field is held to, worked out once: name, kind, whether optional, test of the text.
_FIELD_CHECKS = {
    event: tuple(
        (name, kind, name in OPTIONAL_FIELDS, _PATTERNS[kind].fullmatch) for name, kind in fields.items()
    )
    for event, fields in EVENTS.items()
}

_LEAF = re.compile(
    rb'\{"v":1,"t":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"'
    rb',"ev":"([a-z_]{1,40}\.[a-z_]{1,40})","c":"([A-Za-z0-9_-]{43})"\}'
)

_TIME_MEMBER = "t"
# Names and events need no escapes; an encoder for the whole would be made anew for every entry.
_quoted = json.encoder.encode_basestring_ascii


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAuditEntry:
    """Something that happened and is to be recorded with the change it belongs to.

    Attributes:
        event: A name in ``EVENTS``.
        body: The event's fields; optional ones may be left out or None.
        at: When it happened, aware; kept in whole seconds.

    Raises:
        ValueError: the event is unknown, or a field is missing, unknown or not of its kind.
    """

    event: str
    body: Mapping[str, str | int | None]
    at: datetime

    def __post_init__(self) -> None:
        fields = _FIELD_CHECKS.get(self.event)
        if fields is None or self.at.utcoffset() is None:
            raise ValueError(f"no such event, or a time without zone: {self.event}")
        body = self.body
        for name, kind, is_optional, fits in fields:
            value = body.get(name)
            if value is None:
                if not is_optional:
                    raise ValueError(f"{self.event} lacks {name}")
            elif (isinstance(value, int) != (kind is _N)) or not fits(str(value)):
                raise ValueError(f"{self.event}: {name} is not of the kind {kind.name}")
        if not EVENTS[self.event].keys() >= body.keys():
            raise ValueError(f"{self.event} has a field that is not listed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry with its place in the log; durable once its transaction is.

    Attributes:
        index: Position from 0; never changes.
        leaf: Exact bytes that are hashed.
        salt: 32 random bytes that hide the body.
        body: Exact JSON bytes the leaf commits to.
    """

    index: int
    leaf: bytes
    salt: bytes = field(repr=False)
    body: bytes = field(repr=False)


# What one unit enters happened at one instant; the bound is what many units of one group may have.
@lru_cache(maxsize=256)
def log_time(at: datetime) -> str:
    """Return the time as leaf and body state it; fractions of a second are cut off."""
    # About four times as fast as strftime.
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="seconds")[:19] + "Z"


def body_bytes(entry: PendingAuditEntry, t: str) -> bytes:
    """Return the JSON the leaf commits to: event, fields as given, and the leaf's time.

    The time stands here too, so that a changed leaf can be told from its neighbours exactly.
    """
    members = [
        f',"{name}":{_quoted(value) if isinstance(value, str) else value}'
        for name, value in entry.body.items()
        if value is not None
    ]
    return f'{{"ev":"{entry.event}"{"".join(members)},"{_TIME_MEMBER}":"{t}"}}'.encode("ascii")


def leaf_bytes(t: str, event: str, commitment_b64u: str) -> bytes:
    """Return the leaf: time, event and commitment, in exactly one spelling (docs/log.md section 2)."""
    return f'{{"v":1,"t":"{t}","ev":"{event}","c":"{commitment_b64u}"}}'.encode("ascii")


def read_leaf(leaf: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return time, event and commitment as one of our own leaves states them; None for another spelling."""
    match = _LEAF.fullmatch(leaf)
    return None if match is None else (match[1], match[2], match[3])


def body_belongs(body: bytes, t: bytes, event: bytes) -> bool:
    """Tell whether a body written by ``body_bytes`` states the leaf's event and time."""
    return body.startswith(b'{"ev":"' + event + b'",') and body.endswith(b',"t":"' + t + b'"}')
