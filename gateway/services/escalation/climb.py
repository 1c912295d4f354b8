"""Takes the steps of ladders as they fall due: pages, a task with numbers, an entry in the log; then again.

Never stops before the bundle expires, whatever becomes of its channels. Each step is one transaction that
looks at its row again, so that an acknowledgement filed meanwhile wins, and two processes take it once.

Crash points: before the transaction the step is still due and is taken at the next start; after it all of it
is there. A clock that was set back moves the rows along: no period gets longer by it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model.codes import Lane
from gateway.model.escalation import (
    SET_BACK_FROM,
    Awaits,
    Periods,
    Stage,
    Way,
    called,
    next_due,
    reason_for,
)
from gateway.services.escalation.ladder import (
    ESCALATION_TASK,
    log,
    settle,
    standing,
    with_standing,
)
from gateway.services.escalation.wording import CODES, Wording
from gateway.services.lanes import working_for
from gateway.services.paging.pages import raise_page
from gateway.services.tasks import close_tasks, raise_task
from gateway.storage import escalations
from gateway.storage.database import Database, Transaction
from gateway.storage.escalations import EscalationRow
from gateway.telemetry import get_log

#: Longest sleep, seconds: a row of another process is found by then, and a clock that was set.
_IDLE_S = 15.0

#: Ladders that one look takes a step of.
_AT_ONCE = 200

#: Key of a ladder, its thread, and by how much its clock was set back.
_Move = tuple[escalations.Key, str, timedelta]

_OWNERS = {Stage.TARGET_PASSED: "shift_leader", Stage.EXPIRED: "shift_leader"}


class Escalation:
    """Climbs the ladders of one authority. ``run`` until cancelled."""

    def __init__(
        self,
        *,
        database: Database,
        wording: Wording,
        periods: Mapping[str, Periods],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wording = wording
        self._periods = periods
        self._clock = clock
        self._monotonic = monotonic
        self._last: tuple[datetime, float] | None = None
        self._wake = asyncio.Event()
        #: When the next look is; a ladder that is due later need not wake anybody.
        self._next_look: datetime | None = None
        self._log = get_log("escalation")

    def wake(self, due: datetime) -> None:
        """A ladder has begun, or begun anew, whose next step is due then."""
        if self._next_look is None or due < self._next_look:
            self._wake.set()

    async def run(self) -> None:
        """Take every step as it falls due until cancelled."""
        while True:
            self._wake.clear()
            self._next_look = None
            try:
                await self.look()
                pause = await self._pause()
            except GatewayError as error:
                self._log.warning("escalation.unavailable", code=error.code)
                pause = 1.0
            self._next_look = self._clock.now() + timedelta(seconds=pause)
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _pause(self) -> float:
        due = await self._database.read(escalations.next_escalation)
        if due is None:
            return _IDLE_S
        return min(_IDLE_S, max(0.0, (due - self._clock.now()).total_seconds()))

    async def look(self) -> int:
        """Take the steps that are due now, each in a transaction of its own; return how many."""
        with working_for(Lane.URGENT):
            now = self._clock.now()
            await self._follow_clock(now)
            due = await self._database.read(lambda c: escalations.due_escalations(c, now, _AT_ONCE))
            for row in due:
                await self._database.write(partial(self._step, row.key, row.thread_id, now))
            return len(due)

    def _step(self, key: escalations.Key, thread_id: str, now: datetime, tx: Transaction) -> None:
        held = escalations.lock_escalation(tx.view(("escalation", thread_id)), key)
        if held is None or held.next_action_at is None:
            return
        fate = escalations.fate_of(tx.view(key[:2]), held)
        here = standing(held, expires_at=fate.expires_at, is_stuck=fate.is_stuck)
        due = next_due(here, self._periods[held.level])
        if due.at > now:
            # Somebody else took the step, the bundle lives longer than it did, or its clock began anew.
            escalations.store_escalation(tx, replace(held, next_action_at=due.at))
            return
        log(tx, held, "escalation.stepped", now, stage=due.stage)
        row = with_standing(held, here.stepped(due.stage, now))
        end = "expired" if due.stage is Stage.EXPIRED else None
        if fate.is_stuck and held.awaits == Awaits.CONSIGNMENT:
            # It will never be there: whoever owns the failed transmission has it from here on.
            end = "undeliverable"
        if end is not None:
            settle(tx, held, now)
            row = replace(row, next_action_at=None, stopped_at=now, stopped_by=end)
            log(tx, held, "escalation.stopped", now, code=end)
        else:
            again = next_due(standing(row, expires_at=fate.expires_at), self._periods[held.level])
            row = replace(row, next_action_at=again.at)
        escalations.store_escalation(tx, row)
        self._page(tx, held, due.stage, now)
        if not (fate.is_stuck and due.stage is Stage.NOT_CONSIGNED):
            # Of what was rejected or given up the transmission's own task tells, with the reason.
            self._task(tx, held, due.stage, now, shown_again_at=row.next_action_at)

    @staticmethod
    def _page(tx: Transaction, held: EscalationRow, stage: Stage, now: datetime) -> None:
        for audience in called(Way(held.side), stage):
            raise_page(
                tx,
                peer=held.peer,
                reason=reason_for(standing(held), stage),
                level=held.level,
                audience=audience,
                subject=(held.sender, held.bid),
                thread_id=held.thread_id,
                now=now,
            )

    def _task(
        self,
        tx: Transaction,
        held: EscalationRow,
        stage: Stage,
        now: datetime,
        *,
        shown_again_at: datetime | None,
    ) -> None:
        code = self._wording.code(held, stage)
        close_tasks(tx, kind=ESCALATION_TASK, sender=held.sender, bid=held.bid, codes=CODES - {code}, now=now)
        raise_task(
            tx,
            kind=ESCALATION_TASK,
            sender=held.sender,
            bid=held.bid,
            owner=_OWNERS.get(stage, "duty_officer"),
            code=code,
            now=now,
            shown_again_at=shown_again_at or now + timedelta(days=1),
            sentence=self._wording.sentence(held, stage),
        )

    # A clock that was set back

    async def _follow_clock(self, now: datetime) -> None:
        """Move ladders along with a clock that went back: since the last look, or while nobody looked."""
        last, self._last = self._last, (now, self._monotonic())
        if last is not None:
            lost = timedelta(seconds=self._last[1] - last[1]) - (now - last[0])
            if lost > SET_BACK_FROM:
                rows = await self._database.read(escalations.open_escalations)
                rows = [row for row in rows if row.stage_at <= last[0]]
                await self._move([(row.key, row.thread_id, lost) for row in rows], now)
        ahead = await self._database.read(lambda c: escalations.ahead_of(c, now + SET_BACK_FROM))
        await self._move([(row.key, row.thread_id, row.stage_at - now) for row in ahead], now)

    async def _move(self, moves: list[_Move], now: datetime) -> None:
        if moves:
            self._log.error("escalation.clock_set_back", rows=len(moves))
            await self._database.write(lambda tx: self._moved(tx, moves, now))

    @staticmethod
    def _moved(tx: Transaction, moves: list[_Move], now: datetime) -> None:
        for key, thread_id, by in moves:
            held = escalations.lock_escalation(tx.view(("escalation", thread_id)), key)
            if held is None or held.next_action_at is None:
                continue
            row = with_standing(held, standing(held).moved(by))
            escalations.store_escalation(tx, replace(row, next_action_at=held.next_action_at - by))
            log(tx, held, "escalation.clock_set_back", now)
