"""The durable clock of a preservation's items: when each falls due next, and what people are told of an end.

Follows the fold, in the transaction that stores it, so that no deadline is without its row; whatever has come
is told there as well, once. A clock that was set back brings nothing back and forgets nothing: what it showed
too early is told again in its time (docs/preservation.md).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.model.audit import PendingAuditEntry
from gateway.model.case import CaseView
from gateway.model.codes import Side
from gateway.model.preservation_clock import ItemClock, ItemState, Mark, MarkKind, due_marks, marks, next_mark
from gateway.services.casework.notices import Notices
from gateway.storage import cases, preservation
from gateway.storage.database import Transaction
from gateway.storage.preservation import ClockRow

#: A clock that shows so much less than before was set back; less than that is the service of time at work.
SET_BACK = timedelta(hours=1)
#: How often people are reminded of an extension that nobody answered until the end.
_REMINDED_AGAIN = timedelta(days=1)
_ON = frozenset({ItemState.RUNNING, ItemState.AWAITING, ItemState.HELD})


class ClockRows:
    """The clocks of one authority.

    ``zone_of`` returns the IANA zone of an authority's office.
    """

    def __init__(self, *, authority_id: str, zone_of: Callable[[str], str]) -> None:
        self._authority_id = authority_id
        self._zone_of = zone_of

    @staticmethod
    def passed(tx: Transaction, case: cases.CaseRow) -> Mapping[int, datetime]:
        """Return the ends, per item, that a clock here has seen pass."""
        rows = preservation.clocks_of(tx.connection, case.thread_id, case.peer)
        return {row.item_no: row.passed_at for row in rows if row.passed_at is not None}

    def follow(self, tx: Transaction, case: cases.CaseRow, view: CaseView, now: datetime) -> None:
        """Write the clock of every item that has an end, and tell people of what has come since."""
        held = {row.item_no: row for row in preservation.clocks_of(tx.connection, case.thread_id, case.peer)}
        zone = self._zone_of(case.peer if case.side == Side.REQUESTING else self._authority_id)
        notices = Notices(tx, case, own=self._authority_id, now=now)
        rows = []
        for number, clock in view.clocks.items():
            if clock.ends_at is None:
                continue
            before = held.get(number)
            row, come = work_out(case, clock, before, zone=zone, now=now)
            rows.append(row)
            if before is None:
                preservation.add_clock(tx, row)
            else:
                preservation.store_clock(tx, row)
                if before.acted_at > now + SET_BACK:
                    notices.set_back()
            _log(tx, before, row, now)
            for mark in come:
                notices.come(row, mark)
            if row.standing == ItemState.LAPSED and (before is None or before.standing != ItemState.LAPSED):
                notices.lapsed(row)
        for number in held.keys() - {row.item_no for row in rows}:
            row = at_rest(held[number], view.clocks.get(number), now)
            rows.append(row)
            preservation.store_clock(tx, row)
        notices.tell()
        _settle(notices, rows)


def work_out(
    case: cases.CaseRow, clock: ItemClock, before: ClockRow | None, *, zone: str, now: datetime
) -> tuple[ClockRow, tuple[Mark, ...]]:
    """Return the row of an item, and the marks that have come and are to be told now."""
    end = clock.ends_at
    if end is None:
        raise ValueError("an item without an end has no clock")
    found = marks(end, renew_by=clock.renew_by, zone=zone)
    told = before.told_at if before is not None and before.ends_at == end else None
    passed = None if before is None else before.passed_at
    if before is not None and before.acted_at > now + SET_BACK:
        told = _last_until(found, now)
    if clock.state is ItemState.LAPSED:
        passed = end if passed is None else max(passed, end)
    # Entered as lapsed by a clock that was ahead: its end is still watched.
    is_armed = clock.has_deadline or (clock.state is ItemState.LAPSED and now < end)
    come = due_marks(found[:-1], now=now, told=told) if is_armed else ()
    if is_armed and clock.state is ItemState.AWAITING and _is_unanswered(end, told, now):
        come = (Mark(at=now, kind=MarkKind.END, days=0),)
    told = come[-1].at if come else told
    due, next_at = _next(found, clock, told) if is_armed else ("none", None)
    row = ClockRow(
        thread_id=case.thread_id,
        peer=case.peer,
        item_no=clock.item_no,
        standing=str(clock.state),
        ends_at=end,
        renew_by=None if clock.renew_by is None else clock.renew_by.isoformat(),
        zone=zone,
        told_at=told,
        passed_at=passed,
        acted_at=now,
        due=due,
        next_action_at=next_at,
    )
    return row, come


def at_rest(row: ClockRow, clock: ItemClock | None, now: datetime) -> ClockRow:
    """Return the row of an item whose end no message says any more, since one arrived that goes before it."""
    standing = ItemState.OPEN if clock is None else clock.state
    return replace(row, standing=str(standing), acted_at=now, due="none", next_action_at=None)


def _is_unanswered(end: datetime, told: datetime | None, now: datetime) -> bool:
    """Say whether an extension that nobody answered until the end is to be shown, once and then daily."""
    return now > end and (told is None or told < end or now >= told + _REMINDED_AGAIN)


def _next(found: Sequence[Mark], clock: ItemClock, told: datetime | None) -> tuple[str, datetime]:
    following, end = next_mark(tuple(found[:-1]), told=told), found[-1].at
    if following is not None:
        return str(following.kind), following.at
    if clock.state is ItemState.AWAITING and told is not None and told >= end:
        return str(MarkKind.END), told + _REMINDED_AGAIN
    return str(MarkKind.END), end


def _last_until(found: Sequence[Mark], now: datetime) -> datetime | None:
    return max((mark.at for mark in found if mark.at <= now), default=None)


def _log(tx: Transaction, before: ClockRow | None, row: ClockRow, now: datetime) -> None:
    was = None if before is None else before.standing
    event = None
    if row.standing == ItemState.LAPSED and was != ItemState.LAPSED:
        event = "preservation.lapsed"
    elif was == ItemState.LAPSED and row.standing in _ON:
        event = "preservation.restored"
    if event is not None:
        body: dict[str, str | int | None] = {
            "thread": row.thread_id,
            "peer": row.peer,
            "item": row.item_no,
        }
        tx.audit(PendingAuditEntry(event=event, body=body, at=now))


def _settle(notices: Notices, rows: Sequence[ClockRow]) -> None:
    """Take back what no item calls for any more."""
    if not any(row.due != "none" and row.told_at is not None for row in rows):
        notices.no_longer_ending()
    if not any(row.standing == ItemState.AWAITING and row.ends_at < row.acted_at for row in rows):
        notices.no_longer_unanswered()
    if rows and not any(row.standing == ItemState.LAPSED for row in rows):
        notices.no_longer_lapsed()
