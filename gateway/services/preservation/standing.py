"""Where a preservation stands just before an act: its case, its items with their ends, what is open.

Read in the caller's transaction from rows, which hold codes and times only; the folded view decides, so that
what did not take effect counts for nothing here either.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import GatewayRefusal
from gateway.model.case import CaseView, Effect
from gateway.model.case_message import CaseMessage, MessageFacts
from gateway.model.codes import Side, Track
from gateway.model.request import REQUEST_TYPES
from gateway.services.casefile import resolve
from gateway.services.caserows import fold_rows
from gateway.storage import cases
from gateway.storage.database import Connection

_TOOK_EFFECT = frozenset({Effect.APPLIED, Effect.IMPLIED})
_TOLD = frozenset({"preservation_report", "preservation_extension_report"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A preservation as its messages make it.

    Attributes:
        request: Its opening message, ``None`` while that has not come.
        effected, ends: Per item, as the reports that took effect say.
    """

    case: cases.CaseRow
    rows: list[cases.MessageRow] = field(repr=False)
    request: cases.MessageRow | None
    view: CaseView = field(repr=False)
    effected: Mapping[int, datetime]
    ends: Mapping[int, datetime]

    @property
    def side(self) -> Side:
        """Ours."""
        return Side(self.case.side)

    def last(self, message_type: str, *, side: Side | None = None) -> CaseMessage | None:
        """Return the last message of a type that took effect."""
        found = [
            each.message
            for each in self.view.effects
            if each.message.message_type == message_type
            and each.effect in _TOOK_EFFECT
            and (side is None or each.message.side is side)
        ]
        return found[-1] if found else None

    def open_extension(self) -> CaseMessage | None:
        """Return the request for extension that waits for its answer."""
        asked = self.last("preservation_extension_request")
        answer = self.last("preservation_extension_report")
        if asked is None or (answer is not None and answer.seen >= asked.seq):
            return None
        return asked

    def facts_of(self, row: cases.MessageRow) -> MessageFacts:
        """Return what the fold sees of a message."""
        return MessageFacts.from_json(json.loads(row.facts))


def standing_of(connection: Connection, ref: str) -> Standing:
    """Return where a preservation stands.

    Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``, ``not-a-preservation``.
    """
    found = resolve(connection, ref)
    case = cases.find_case(connection, found.thread_id, found.peer)
    if case is None:
        raise GatewayRefusal("not-found")
    if case.track != Track.PRESERVATION:
        raise GatewayRefusal("not-a-preservation")
    rows = cases.messages_of(connection, case.thread_id, case.peer)
    return make_standing(case, rows)


def make_standing(case: cases.CaseRow, rows: list[cases.MessageRow]) -> Standing:
    """Return where a preservation stands by the messages given."""
    view = fold_rows(case, rows)
    effected: dict[int, datetime] = {}
    ends: dict[int, datetime] = {}
    for each in view.effects:
        if each.effect in _TOOK_EFFECT and each.message.message_type in _TOLD:
            effected.update(each.message.facts.effected_at)
            ends.update(each.message.facts.ends_at)
    request = next((row for row in rows if row.message_type in REQUEST_TYPES), None)
    return Standing(case=case, rows=rows, request=request, view=view, effected=effected, ends=ends)
