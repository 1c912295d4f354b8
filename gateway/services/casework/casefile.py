"""What a case file shows: which bundle a reference names, where a request stands, what has arrived.

Reads, in the caller's transaction, and shows references and states, never content.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crypto.words import check_words
from gateway.errors import GatewayRefusal
from gateway.model.next_step import sentence_for
from gateway.model.receipt import PROVES, ReceiptType
from gateway.model.request import REQUEST_TYPES
from gateway.storage import bundles, caselists, cases, channels, peers, transmissions
from gateway.storage.database import Connection
from gateway.storage.receipts import ReceiptRow

_FULL_REFERENCE = re.compile(r"([a-z]{2}(?:-[a-z0-9]+)+)/([0-9a-f]{32})\Z")
_BUNDLE_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRef:
    """A bundle here, and the case it belongs to."""

    sender: str
    bid: str
    thread_id: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One incoming message, with what a list may show: references, never content.

    Attributes:
        peer: Whose it is; ``sender`` is ourselves where a reply by mail was recorded (``via``).
    """

    sender: str
    bid: str
    peer: str
    via: str | None
    thread_id: str
    message_type: str
    request_kind: str
    urgency_level: str
    lane: str
    size_bytes: int
    reference_requesting: str | None = field(repr=False)
    reference_requested: str | None = field(repr=False)
    state: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    stored_at: datetime
    opened_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentItem:
    """One request of ours, with what a list may show: references, never content.

    Attributes:
        to: Whom it is for.
        delivery: How far its bundle is: the state of its transmission.
    """

    sender: str
    bid: str
    to: str
    thread_id: str
    request_kind: str
    urgency_level: str
    lane: str
    size_bytes: int
    reference_requesting: str | None = field(repr=False)
    reference_requested: str | None = field(repr=False)
    delivery: str
    channel: str | None
    state: str
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatus:
    """Where a request stands; ``sentence`` says why and who acts next.

    Attributes:
        check_words: Words of the bundle's envelope, to be compared by telephone (docs/carrier.md).
    """

    sender: str
    bid: str
    check_words: str
    thread_id: str
    peer: str
    side: str
    track: str
    request_kind: str
    urgency_level: str
    lane: str
    state: str
    state_at: datetime
    reference_requesting: str | None = field(repr=False)
    reference_requested: str | None = field(repr=False)
    next_actor: str
    next_action: str
    next_action_at: datetime | None
    sentence: str
    transmissions: Sequence["TransmissionStatus"]
    messages: Sequence[cases.MessageRow]
    tasks: Sequence[peers.TaskRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmissionStatus:
    """Where one of our bundles is on its way; ``consents``: what was said to channels of lower protection."""

    to: str
    state: str
    channel: str | None
    attempts: int
    last_code: str | None
    next_action: str
    next_action_at: datetime | None
    owner: str | None
    consents: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptInfo:
    """One receipt with what it proves; ``in_log`` if its place in the issuer's log is known here."""

    type: str
    iss: str
    sender: str
    bid: str
    n: int
    at: datetime
    reason: str | None
    proves: str
    own: bool
    in_log: bool
    jws: str = field(repr=False)
    leaf: str | None = field(repr=False)
    salt: bytes | None = field(repr=False)
    body: str | None = field(repr=False)
    proof: str | None = field(repr=False)


def resolve(connection: Connection, ref: str) -> BundleRef:
    """Return the bundle that a reference names: ``bid``, ``from/bid``, or either side's reference.

    A reference stands for the request of its case. Raises ``GatewayRefusal`` ``not-found`` or
    ``ambiguous-reference``.
    """
    full = _FULL_REFERENCE.match(ref)
    if full is not None:
        return _of_message(connection, [(full[1], full[2])])
    if _BUNDLE_ID.match(ref):
        return _of_message(connection, bundles.find_by_bid(connection, ref))
    # No reference holds control characters, and a database may refuse to be asked for them.
    is_askable = all(ord(letter) >= 32 and not 0xD800 <= ord(letter) <= 0xDFFF for letter in ref)
    named = cases.cases_by_reference(connection, ref) if is_askable else []
    firsts = [first for case in named if (first := _first(connection, case)) is not None]
    if len(named) > 1:
        raise _ambiguous(firsts)
    return _of_message(connection, firsts)


def _first(connection: Connection, case: cases.CaseRow) -> tuple[str, str] | None:
    """Return the bundle of a case's request, otherwise of its first message."""
    rows = cases.messages_of(connection, case.thread_id, case.peer)
    first = next((row for row in rows if row.message_type in REQUEST_TYPES), rows[0] if rows else None)
    return None if first is None else (first.sender, first.bid)


def _ambiguous(found: Sequence[tuple[str, str]]) -> GatewayRefusal:
    return GatewayRefusal("ambiguous-reference", items=[{"bundle": "/".join(bundle)} for bundle in found])


def _of_message(connection: Connection, found: Sequence[tuple[str, str]]) -> BundleRef:
    if len(found) > 1:
        raise _ambiguous(found)
    held = cases.find_message(connection, *found[0]) if found else None
    if held is None:
        raise GatewayRefusal("not-found")
    return BundleRef(sender=held.sender, bid=held.bid, thread_id=held.thread_id, peer=held.peer)


def inbox_item(row: caselists.InboxRow) -> InboxItem:
    """Return what the list of incoming messages shows of one."""
    return InboxItem(
        sender=row.message.sender,
        bid=row.message.bid,
        peer=row.message.peer,
        via=row.message.via,
        thread_id=row.message.thread_id,
        message_type=row.message.message_type,
        request_kind=row.case.request_kind,
        urgency_level=row.case.urgency_level,
        lane=row.lane,
        size_bytes=row.size_bytes,
        reference_requesting=row.case.reference_requesting,
        reference_requested=row.case.reference_requested,
        state=row.case.state,
        next_actor=row.case.next_actor,
        next_action=row.case.next_action,
        next_action_at=row.case.next_action_at,
        stored_at=row.message.stored_at,
        opened_at=row.message.opened_at,
    )


def sent_item(row: caselists.SentRow) -> SentItem:
    """Return what the list of sent requests shows of one."""
    return SentItem(
        sender=row.message.sender,
        bid=row.message.bid,
        to=row.message.peer,
        thread_id=row.message.thread_id,
        request_kind=row.case.request_kind,
        urgency_level=row.case.urgency_level,
        lane=row.lane,
        size_bytes=row.size_bytes,
        reference_requesting=row.case.reference_requesting,
        reference_requested=row.case.reference_requested,
        delivery=row.delivery,
        channel=row.channel,
        state=row.case.state,
        next_actor=row.case.next_actor,
        next_action=row.case.next_action,
        next_action_at=row.case.next_action_at,
        stored_at=row.message.stored_at,
    )


def status_of(connection: Connection, ref: str) -> CaseStatus:
    """Return where a request stands. Raises as ``resolve``."""
    found = resolve(connection, ref)
    case = cases.find_case(connection, found.thread_id, found.peer)
    held = bundles.find_bundle(connection, found.sender, found.bid)
    if case is None or held is None:
        raise GatewayRefusal("not-found")
    sent = transmissions.transmissions_of(connection, found.sender, found.bid)
    return CaseStatus(
        sender=found.sender,
        bid=found.bid,
        check_words=check_words(held.envelope_sha256),
        thread_id=case.thread_id,
        peer=case.peer,
        side=case.side,
        track=case.track,
        request_kind=case.request_kind,
        urgency_level=case.urgency_level,
        lane=held.lane,
        state=case.state,
        state_at=case.state_at,
        reference_requesting=case.reference_requesting,
        reference_requested=case.reference_requested,
        next_actor=case.next_actor,
        next_action=case.next_action,
        next_action_at=case.next_action_at,
        sentence=sentence_for(case.state, case.next_action),
        transmissions=[_transmission(connection, row) for row in sent],
        messages=(rows := cases.messages_of(connection, case.thread_id, case.peer)),
        tasks=_tasks_of(connection, case, rows),
    )


def _tasks_of(
    connection: Connection, case: cases.CaseRow, rows: Sequence[cases.MessageRow]
) -> list[peers.TaskRow]:
    """Return the open tasks of a case and of its messages, oldest first."""
    about = peers.open_tasks_about(connection, sender=case.peer, thread_id=case.thread_id)
    for row in rows:
        about += peers.open_tasks_about(connection, sender=row.sender, bid=row.bid)
    return sorted({task.id: task for task in about}.values(), key=lambda task: task.created_at)


def _transmission(connection: Connection, row: transmissions.TransmissionRow) -> TransmissionStatus:
    return TransmissionStatus(
        to=row.to_aid,
        state=row.state,
        channel=row.channel,
        attempts=row.attempts,
        last_code=row.last_code,
        next_action=row.next_action,
        next_action_at=row.next_action_at,
        owner=row.owner,
        consents=channels.answers_of(connection, row.sender, row.bid, row.to_aid),
    )


def receipt_info(row: ReceiptRow, proof: str | None) -> ReceiptInfo:
    """Return a receipt with what it proves, and with the proof of its place in a log if there is one."""
    known = row.type in set(ReceiptType)
    return ReceiptInfo(
        type=row.type,
        iss=row.iss,
        sender=row.sender,
        bid=row.bid,
        n=row.n,
        at=row.at,
        reason=row.reason,
        proves=PROVES[ReceiptType(row.type)] if known else "",
        own=row.own,
        in_log=proof is not None,
        jws=row.jws,
        leaf=row.leaf,
        salt=row.salt,
        body=row.body,
        proof=proof,
    )
