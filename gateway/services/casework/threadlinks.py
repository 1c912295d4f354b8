"""How one thread acts on another: which links a form carries, and whether a linked request was decided.

A request that replaces another, or follows a preservation between the same two authorities, uses a number of
that thread as well; towards other authorities a notice in the preservation's own thread says so. Whether a
request was decided is read from its own messages, so both sides find the same (docs/preservation.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.model.case import CaseView, Effect
from gateway.model.codes import Side, Track
from gateway.model.fields import at, rows, text
from gateway.model.manifest import is_request_form
from gateway.model.request import default_message_type
from gateway.services.casework.caserows import fold_rows
from gateway.storage import cases, preservation
from gateway.storage.database import Connection

#: Relations by which a request acts on another thread.
ACTING = frozenset({"replaces", "follows_preservation"})
#: A form names at most so many threads that it acts on.
MOST_LINKS = 8

#: States of a request that hold a decision on it, or come after one. Source: Budapest Convention 29(7).
_DECISIONS = frozenset({"results_transmitted", "refused", "withdrawn"})
#: Of a message that its own thread did not take any more.
_TOO_LATE = frozenset({Effect.OUT_OF_STATE, Effect.OVERTAKEN, Effect.UNKNOWN, Effect.FORKED})
_AFTER = _DECISIONS | {"results_received", "closed"}


class LinksInvalid(ValueError):
    """A form acts on too many threads, on one twice, or on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """That a request acts on another thread, with the numbers it uses there.

    ``acts_as`` is what it is called there: a request, whatever its own thread calls it (a confirmation
    say); but what asks for preservation itself replaces no request and holds no other preservation (T38, P9).
    """

    acts_as: str
    thread_id: str
    relation: str
    seq: int
    seen: int


def links_in(form: Mapping[str, Any], *, own_thread: str) -> tuple[Link, ...]:
    """Return how a form acts on other threads; nothing for messages that are no requests.

    A reference without a thread is for people to read. Raises ``LinksInvalid``.
    """
    if not is_request_form(form):
        return ()
    references = rows(form, "related_references")
    if not references:
        return ()
    found, acts_as = [], default_message_type(text(form, "request_kind"))
    for _, row in references:
        thread_id, seq, seen = at(row, "thread_id"), at(row, "seq"), at(row, "seen")
        if text(row, "relation") not in ACTING or not isinstance(thread_id, str):
            continue
        if _is_count(seq, least=1) and _is_count(seen, least=0):
            relation = text(row, "relation")
            found.append(Link(acts_as=acts_as, thread_id=thread_id, relation=relation, seq=seq, seen=seen))
    named = {link.thread_id for link in found}
    if len(found) > MOST_LINKS or len(named) < len(found) or own_thread in named:
        raise LinksInvalid("acts on too many threads, on one twice, or on its own")
    return tuple(found)


def _is_count(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def notice_reference(form: Mapping[str, Any], case: cases.CaseRow, own: str) -> str | None:
    """Return the reference of the request that a notice names, if that runs between the same two authorities.

    ``case`` is that of the preservation.
    """
    if text(form, "message_type") != "mla_follow_up_notice":
        return None
    asking, asked = (own, case.peer) if case.side == Side.REQUESTING else (case.peer, own)
    content = at(form, "content")
    reference = text(content, "mla_reference")
    is_theirs = (text(content, "from_authority"), text(content, "to_authority")) == (asking, asked)
    return reference if is_theirs and 0 < len(reference) <= 64 else None


def is_decision(before: str, after: str | None) -> bool:
    """Say whether a request that went from one state to another may have been decided, or so no longer."""
    return before != after and bool({before, after} & _AFTER)


def decided_at(view: CaseView) -> datetime | None:
    """Return when a request was decided: its results came, it was refused, or it was withdrawn."""
    return next((entry.at for entry in view.history if entry.state in _DECISIONS), None)


def decisions(connection: Connection, case: cases.CaseRow) -> dict[str, datetime]:
    """Return which follow-ups of a preservation had their request decided between this pair, and when.

    A reference that several requests bear counts once all of them are decided: until then data is kept.
    """
    found: dict[str, datetime] = {}
    for link in preservation.links_on(connection, case.thread_id, case.peer):
        if link.relation == "replaces":
            continue
        follow_up = f"{link.sender}/{link.bid}"
        if link.of_thread_id:
            times = [_decided(connection, link.of_thread_id, case.peer, follow_up)]
        else:
            threads = _threads(connection, case, link.of_reference)
            times = [_decided(connection, thread, case.peer) for thread in threads]
        known = [moment for moment in times if moment is not None]
        if known and len(known) == len(times):
            found[follow_up] = max(known)
    return found


def _threads(connection: Connection, case: cases.CaseRow, reference: str | None) -> list[str]:
    return preservation.threads_of_reference(connection, case.peer, reference or "", case.side)


def _decided(
    connection: Connection, thread_id: str, peer: str, follow_up: str | None = None
) -> datetime | None:
    """Return when a request was decided; ``follow_up`` is the message of it that a decision has to be about.

    One that came when the request was over, a supplement say, is decided by nothing that was said before.
    """
    case = cases.find_case(connection, thread_id, peer)
    if case is None or case.track != Track.REQUEST:
        return None
    view = fold_rows(case, cases.messages_of(connection, thread_id, peer))
    if any(each.message.message_id == follow_up and each.effect in _TOO_LATE for each in view.effects):
        return None
    return decided_at(view)
