"""What stands in the manifest of a bundle for a given form, and whether a received one says the same.

The form is the legal text; the manifest repeats what the gateways route and account by. Where the
two differ the bundle is not accepted (step 14 of the open procedure), because nobody could say
which of them the authority meant. Encoding and limits belong to ``crypto``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from gateway.model.codes import Side
from gateway.model.request import REQUEST_TYPES, CooperationRequest, default_message_type, read_request

FORM_ROLE = "structured_form"
FORM_PART = 1

#: A form is at most this long (docs/bundle.md, limits), whoever reads it.
FORM_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadContext:
    """What a message that is no request repeats from the request of its thread."""

    urgency_level: str
    reference: str = field(repr=False)
    subject: str = field(repr=False)
    confidentiality_level: str

    @classmethod
    def of(cls, request: CooperationRequest) -> "ThreadContext":
        """Return the context that the messages of this request's thread carry."""
        return cls(
            urgency_level=request.urgency_level,
            reference=request.reference,
            subject=request.subject,
            confidentiality_level=request.confidentiality_level,
        )


class ManifestFields(TypedDict):
    """Keyword arguments of ``crypto.bundle.encode_manifest``; meanings in docs/bundle.md section 3."""

    bid: str
    sender: str
    to: tuple[str, ...]
    created: datetime
    thread: str
    seq: int
    seen: int
    re: str | None
    message_type: str
    request_kind: str | None
    instrument: str | None
    provision: str | None
    urgency_level: str
    respond_by: datetime | None
    reference: str
    subject: str
    lang: str
    confidentiality_level: str
    human: Mapping[str, Any] | None
    parts: Sequence[Any]
    salt: bytes
    ext: Mapping[str, Any]


def is_request_form(form: Mapping[str, Any]) -> bool:
    """Say whether this is the request form; the message form names its type at the top."""
    return "message_type" not in form


def manifest_fields(
    form: Mapping[str, Any],
    *,
    salt: bytes,
    created: datetime,
    parts: Sequence[Any],
    human: Mapping[str, Any] | None = None,
    context: ThreadContext | None = None,
) -> ManifestFields:
    """Return the manifest of a checked form, as keyword arguments for the encoder.

    Args:
        form: Request or message form that carries its ``message_id``.
        parts: The parts' entries, the structured form first; passed on unread.
        context: Of the thread's request; needed for every message that is no request.

    Raises ``ValueError`` where the form has no ``message_id`` yet or the context is missing.
    """
    if is_request_form(form):
        request = read_request(form)
        if request.message_id is None or request.thread_id is None:
            raise ValueError("the form has no message_id yet")
        sender, bid = request.message_id.split("/")
        return ManifestFields(
            bid=bid,
            sender=sender,
            to=(request.requested,),
            created=created,
            thread=request.thread_id,
            seq=request.seq,
            seen=request.seen,
            re=request.in_reply_to,
            message_type=request.message_type,
            request_kind=request.request_kind,
            instrument=request.instrument,
            provision=request.provision,
            urgency_level=request.urgency_level,
            respond_by=request.respond_by,
            reference=request.reference,
            subject=request.subject,
            lang=request.language,
            confidentiality_level=request.confidentiality_level,
            human=human,
            parts=parts,
            salt=salt,
            ext={},
        )
    if context is None:
        raise ValueError("a message needs the context of its thread")
    sender, bid = form["message_id"].split("/")
    return ManifestFields(
        bid=bid,
        sender=sender,
        to=(form["addressee"]["authority_id"],),
        created=created,
        thread=form["thread"]["thread_id"],
        seq=form["seq"],
        seen=form["seen"],
        re=form["in_reply_to"],
        message_type=form["message_type"],
        request_kind=None,
        instrument=None,
        provision=None,
        urgency_level=context.urgency_level,
        respond_by=None,
        reference=context.reference,
        subject=context.subject,
        lang=form["language"],
        confidentiality_level=context.confidentiality_level,
        human=human,
        parts=parts,
        salt=salt,
        ext={},
    )


def form_matches_manifest(form: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs between a form and the manifest of its bundle; empty if they agree.

    ``manifest`` is the parsed manifest JSON with its wire names; the form fits its schema as a reader
    sees it. Compared are identity, counters, parties, side, type, kind, urgency and, one to one,
    attachments and parts. A request form without ``thread`` opens one: ``seq`` 1, ``seen`` 0.
    Source: docs/bundle.md section 7, step 14.
    """
    said = _said_by_request(form) if is_request_form(form) else _said_by_message(form)
    wrong = [name for name, value in said.items() if manifest.get(name) != value]
    if not is_request_form(form) and not _speaks_for_its_side(form):
        wrong.append("side")
    message_id, addressee = _identity(form)
    if message_id is not None and message_id != f"{manifest.get('from')}/{manifest.get('bid')}":
        wrong.append("message_id")
    if addressee not in (manifest.get("to") or ()):
        wrong.append("to")
    return wrong + _parts_that_differ(form, manifest)


def _identity(form: Mapping[str, Any]) -> tuple[str | None, str]:
    if is_request_form(form):
        return (form.get("thread") or {}).get("message_id"), form["requested_authority"]["authority_id"]
    return form["message_id"], form["addressee"]["authority_id"]


def _speaks_for_its_side(form: Mapping[str, Any]) -> bool:
    """Say whether the author is the authority of the side it claims: nobody withdraws another's request."""
    thread, side = form["thread"], form["side"]
    if side not in set(Side):
        return False
    return bool(
        form["author"]["authority_id"] == thread[side]["authority_id"]
        and form["addressee"]["authority_id"] == thread[Side(side).other]["authority_id"]
    )


def _said_by_request(form: Mapping[str, Any]) -> dict[str, Any]:
    thread = form.get("thread") or {}
    said = {
        "from": form["requesting_authority"]["authority_id"],
        "seq": thread.get("seq", 1),
        "seen": thread.get("seen", 0),
        "re": thread.get("in_reply_to"),
        "message_type": thread.get("message_type") or default_message_type(form["request_kind"]),
        "request_kind": form["request_kind"],
        "urgency_level": form["urgency"]["level"],
    }
    if "thread_id" in thread:
        said["thread"] = thread["thread_id"]
    return said


def _said_by_message(form: Mapping[str, Any]) -> dict[str, Any]:
    if form["message_type"] in REQUEST_TYPES:
        # A request in the wrong form would slip past every rule about requests.
        return {"message_type": None}
    return {
        "from": form["author"]["authority_id"],
        "thread": form["thread"]["thread_id"],
        "seq": form["seq"],
        "seen": form["seen"],
        "re": form["in_reply_to"],
        "message_type": form["message_type"],
        "request_kind": None,
    }


def _parts_that_differ(form: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Compare attachments and parts by (attachment_id, size, sha256); part 1 is the form itself."""
    parts = [part for part in manifest.get("parts") or () if part.get("n") != 0]
    wrong = []
    first = [part for part in parts if part.get("n") == FORM_PART]
    if len(first) != 1 or first[0].get("role") != FORM_ROLE or first[0].get("attachment_id") is not None:
        wrong.append("structured_form")
    attachments = form.get("attachments") or ()
    ids = [row["attachment_id"] for row in attachments]
    if len(set(ids)) != len(ids):
        wrong.append("attachment_id")
    listed = sorted((row["attachment_id"], row["size_bytes"], row["sha256"]) for row in attachments)
    carried = sorted(
        (str(part.get("attachment_id")), part.get("size"), part.get("sha256"))
        for part in parts
        if part.get("n") != FORM_PART
    )
    if listed != carried:
        wrong.append("attachments")
    return wrong
