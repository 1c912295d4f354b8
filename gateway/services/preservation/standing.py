"""Where a preservation stands just before an act: its case, its items with their ends, what is open.

Read in the caller's transaction from rows, which hold codes and times only; the folded view decides, so that
what did not take effect counts for nothing here either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import GatewayRefusal
from gateway.model.case import CaseView, Effect
from gateway.model.case_message import CaseMessage
from gateway.model.codes import Side, Track
from gateway.model.preservation_clock import ItemState
from gateway.model.preservation_forms import ACTS
from gateway.model.transitions import transitions, without_transition
from gateway.services.casework.casefile import resolve
from gateway.services.casework.caserows import fold_rows, requests_of
from gateway.services.casework.threadlinks import decisions
from gateway.storage import cases, preservation
from gateway.storage.database import Connection

_BEFORE_REPORT = frozenset({"preservation_requested", "preservation_acknowledged", "preservation_at_risk"})
_TOOK_EFFECT = frozenset({Effect.APPLIED, Effect.IMPLIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A preservation as its messages make it.

    Attributes:
        request: Its opening message, ``None`` while that has not come.
        passed: Ends per item that the clock here has seen pass.
        decided: Follow-ups whose request was decided between the same two authorities, and when.
        now: When it was looked at.
    """

    case: cases.CaseRow
    rows: list[cases.MessageRow] = field(repr=False)
    request: cases.MessageRow | None
    view: CaseView = field(repr=False)
    passed: Mapping[int, datetime]
    decided: Mapping[str, datetime]
    now: datetime

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
        """Return the request for extension that has waited longest for its answer."""
        waiting = {m for c in self.view.clocks.values() if c.state is ItemState.AWAITING for m in c.by}
        return next((e.message for e in self.view.effects if e.message.message_id in waiting), None)

    @property
    def ends(self) -> Mapping[int, datetime]:
        """Per item, the end that was stated last."""
        return {number: clock.ends_at for number, clock in self.view.clocks.items() if clock.ends_at}

    @property
    def effected(self) -> Mapping[int, datetime]:
        """Per item, since when it is kept."""
        return {n: clock.effected_at for n, clock in self.view.clocks.items() if clock.effected_at}

    def acts_now(self) -> list[str]:
        """Return what our side may say now, by message type; a follow-up may also come before the report."""
        table, state = transitions(Track.PRESERVATION), self.view.state
        return [
            act.message_type
            for act in ACTS.values()
            if act.side is self.side
            and (
                (state, act.message_type) in table
                or act.message_type in without_transition()
                or (act.message_type == "mla_follow_up_notice" and state in _BEFORE_REPORT)
            )
        ]

    def with_message(self, said: CaseMessage) -> CaseView:
        """Return what the case would come to with one more message."""
        return fold_rows(self.case, self.rows, said, now=self.now, passed=self.passed, decided=self.decided)


def standing_of(connection: Connection, ref: str, now: datetime) -> Standing:
    """Return where a preservation stands.

    Raises ``GatewayRefusal`` ``not-found``, ``ambiguous-reference``, ``not-a-preservation``.
    """
    found = resolve(connection, ref)
    case = cases.find_case(connection, found.thread_id, found.peer)
    if case is None:
        raise GatewayRefusal("not-found")
    if case.track != Track.PRESERVATION:
        raise GatewayRefusal("not-a-preservation")
    # A request of another thread speaks here only for the side that asked.
    asks = case.side == Side.REQUESTING
    rows = [
        row
        for row in cases.messages_of(connection, case.thread_id, case.peer)
        if row.relation is None or (row.sender != case.peer) == asks
    ]
    clocks = preservation.clocks_of(connection, case.thread_id, case.peer)
    passed = {row.item_no: row.passed_at for row in clocks if row.passed_at is not None}
    decided = decisions(connection, case) if case.has_links else {}
    return Standing(
        case=case,
        rows=rows,
        request=next(requests_of(rows), None),
        view=fold_rows(case, rows, now=now, passed=passed, decided=decided),
        passed=passed,
        decided=decided,
        now=now,
    )
