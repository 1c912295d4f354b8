"""Finds alarms that would not ring: paths nobody answers, a roster with nobody, and a pager that was away.

A server that takes a notice proves nothing; a test counts only once a person has answered it. Where a test
stays without an answer the path is called silent, others are paged by their paths, and the doctor turns red
until a person answers something that came by it.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import Audience, PageReason, is_test_time
from gateway.model.roster import is_zone, on_duty
from gateway.services.paging.bell import Bell
from gateway.services.paging.pages import raise_page, settle_pages
from gateway.services.paging.tasks import PagingTasks
from gateway.services.paging.times import PagingTimes
from gateway.storage import alarms, duty, officers
from gateway.storage.alarms import NoticeRow, PathRow
from gateway.storage.database import Connection, Database, Transaction

#: Name of the pager's beat, how often it is written, and how long one may be missing.
BEAT = "pager"
BEAT_EVERY = timedelta(minutes=1)
AWAY_AFTER = timedelta(minutes=10)

#: A test that may not ring now is thought of again after this.
_LATER = timedelta(minutes=15)
#: A path that was silent is tested again after this.
_SILENT_AGAIN = timedelta(days=1)


class DeadMan:
    """Tests paths and notices silence, for one authority."""

    def __init__(self, *, database: Database, bell: Bell, times: PagingTimes, tasks: PagingTasks) -> None:
        self._database = database
        self._bell = bell
        self._times = times
        self._tasks = tasks
        self._own = tasks.authority_id

    async def look(self, now: datetime) -> None:
        """Begin the tests that are due, call silent what was not answered, and see that somebody is there."""
        for path in await self._database.read(lambda c: alarms.paths_to_test(c, now)):
            await self._database.write(partial(self._test, path_id=path.id, now=now, is_asked=False))
        latest = now + self._times.latest
        due = await self._database.read(lambda c: alarms.due_notices(c, now, latest))
        await asyncio.gather(
            *(
                self._database.write(partial(self._judge, notice=notice, now=now))
                for notice in due
                if notice.page_id is None
            )
        )
        if await self._database.read(lambda c: self._is_wrong(c, now)):
            await self._database.write(partial(self._see_who_is_there, now=now))

    async def test(self, path_id: str, now: datetime) -> None:
        """Send a test now, whatever the hour: a person asks for it."""
        await self._database.write(partial(self._test, path_id=path_id, now=now, is_asked=True))

    async def resume(self, now: datetime) -> None:
        """Say that nobody looked after pages for a while, where it was so; once, at the start."""
        await self._database.write(partial(self._resumed, now=now))

    async def beat(self, now: datetime) -> None:
        """Write that the pager is there."""
        await self._database.write(lambda tx: alarms.set_beat(tx, BEAT, now))

    # Tests of paths

    def _test(self, tx: Transaction, *, path_id: str, now: datetime, is_asked: bool) -> None:
        connection = tx.view(("path", path_id))
        path = alarms.find_path(connection, path_id)
        if path is None or path.removed_at is not None or path.next_action_at is None:
            return
        if not is_asked:
            if path.next_action_at > now:
                return
            if not self._may_ring(connection, path, now):
                # The time it was due stays what it was, in steps: whoever is never there by day is tested.
                alarms.test_later(tx, path_id, now + _LATER)
                return
        for held in alarms.tests_of(connection, path_id):
            alarms.end_notice(tx, held.id, now)
        alarms.add_notice(tx, self._bell.new_notice(None, path_id, path.officer, now))
        alarms.set_tested(tx, path_id, at=now, again_at=now + self._times.test_every)
        tx.audit(PendingAuditEntry(event="alarm.tested", body={"path": path_id}, at=now))

    def _may_ring(self, connection: Connection, path: PathRow, now: datetime) -> bool:
        """Tell whether a test may ring: the officer is on duty, and it is day there."""
        roster = duty.roster(connection)
        parts = on_duty(roster, now)
        is_there = not roster.turns or any(path.officer in names for names in parts.values())
        known = officers.find_officer(connection, path.officer)
        zone = next((turn.time_zone for turn in roster.turns if turn.officer == path.officer), "UTC")
        if known is not None and is_zone(known.time_zone):
            zone = known.time_zone
        due_at = path.added_at if path.tested_at is None else path.tested_at + self._times.test_every
        return is_there and is_test_time(now.astimezone(ZoneInfo(zone)).hour, waited=now - due_at)

    def _judge(self, tx: Transaction, *, notice: NoticeRow, now: datetime) -> None:
        """Call a path silent whose test was not answered, or could not even leave, in the time to answer."""
        connection = tx.view(("path", notice.path_id))
        held = [test for test in alarms.tests_of(connection, notice.path_id) if test.id == notice.id]
        since = notice.created_at if notice.sent_at is None else notice.sent_at
        if held and notice.sent_at is not None and now < since:
            # The clock was set back: the time to answer begins anew, and gets no longer by it.
            alarms.set_sent(tx, notice.id, at=now, next_action_at=now + self._times.test_answer)
            return
        if not held or now - since < self._times.test_answer:
            return
        alarms.end_notice(tx, notice.id, now)
        path = alarms.find_path(connection, notice.path_id)
        if path is None or path.removed_at is not None:
            return
        alarms.test_later(tx, path.id, now + min(_SILENT_AGAIN, self._times.test_every))
        if path.silent_since is None:
            alarms.set_silent(tx, path.id, now)
            tx.audit(PendingAuditEntry(event="alarm.silent", body={"path": path.id}, at=now))
        self._tasks.say(tx, "alarm-silent", now=now)
        raise_page(
            tx,
            peer=self._own,
            reason=PageReason.ALARM_SILENT,
            level="urgent",
            audience=Audience.BACKUP,
            subject=(self._own, path.id),
            now=now,
        )

    # Who is there

    def _is_wrong(self, connection: Connection, now: datetime) -> bool:
        """Tell whether what is said about the roster differs from what it says."""
        roster = duty.roster(connection)
        is_nobody = bool(roster.turns) and not on_duty(roster, now)[Audience.DUTY]
        return is_nobody != self._tasks.is_said(connection, "no-one-on-duty")

    def _see_who_is_there(self, tx: Transaction, *, now: datetime) -> None:
        connection = tx.view("roster")
        if not self._is_wrong(connection, now):
            return
        if self._tasks.is_said(connection, "no-one-on-duty"):
            self._tasks.done(tx, "no-one-on-duty", now=now)
            settle_pages(tx, peer=self._own, reason=PageReason.NO_ONE_ON_DUTY, now=now, by=None)
            return
        self._tasks.say(tx, "no-one-on-duty", now=now)
        raise_page(
            tx,
            peer=self._own,
            reason=PageReason.NO_ONE_ON_DUTY,
            level="urgent",
            audience=Audience.SHIFT_LEADER,
            now=now,
        )

    # The pager itself

    def _resumed(self, tx: Transaction, *, now: datetime) -> None:
        last = alarms.beat(tx.connection, BEAT)
        alarms.set_beat(tx, BEAT, now)
        if last is None or now - last < AWAY_AFTER or not duty.roster(tx.connection).turns:
            return
        seconds = int((now - last).total_seconds())
        tx.audit(PendingAuditEntry(event="alarm.away", body={"seconds": seconds}, at=now))
        raise_page(
            tx,
            peer=self._own,
            reason=PageReason.ALARM_SILENT,
            level="urgent",
            audience=Audience.DUTY,
            now=now,
        )
