"""The roster as people keep it: turns, covers, hand-over notes; each change is one transaction and logged.

A note is written by one officer for the next and may say anything, so it is sealed under the storage key like
a case's content and shown to the own people only. Who is on duty is worked out in ``gateway.model.roster``.
"""

import io
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from crypto.parts import open_part, seal_part
from gateway.clock import Clock
from gateway.errors import GatewayRefusal
from gateway.model.audit import PendingAuditEntry
from gateway.model.paging import Audience
from gateway.model.roster import Cover, Roster, Shift, Turn, gaps, on_duty, shifts, turn_fault
from gateway.services.keys.vault import Vault, WrappedKey
from gateway.services.paging.paths import check_officer
from gateway.storage import duty
from gateway.storage.database import Database, Transaction

_NOTE_MAX_BYTES = 8000
_LONGEST_COVER = timedelta(days=366)
_MOST_TURNS = 500
#: Binds the sealed bytes of a note, with its identifier in place of a bundle's.
_PART = 1
#: Random bytes before the text, so that its digest tells nothing of a short note.
_SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one officer left for the next shift."""

    officer: str
    at: datetime
    text: str = field(repr=False)


class Rosters:
    """The roster of one authority."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def roster(self) -> Roster:
        """Return the turns and covers as they stand."""
        return await self._database.read(duty.roster)

    async def on_duty(self, at: datetime | None = None) -> Mapping[Audience, tuple[str, ...]]:
        """Return who has each part, now or at an instant."""
        return on_duty(await self.roster(), at or self._clock.now())

    async def shifts(self, days: int) -> Sequence[Shift]:
        """Return who has which part in the coming days, gaps included; part by part, in order."""
        return await self._coming(days, shifts)

    async def gaps(self, days: int) -> Sequence[Shift]:
        """Return when nobody has a part in the coming days."""
        return await self._coming(days, gaps)

    async def add(
        self,
        officer: str,
        *,
        part: str,
        time_zone: str,
        days: Sequence[int],
        begins: str,
        ends: str,
        further_days: int,
        first_day: date,
        last_day: date | None = None,
        every_weeks: int = 1,
        by: str,
    ) -> Turn:
        """Enter a turn; durable when it returns.

        Raises ``GatewayRefusal`` ``roster-invalid`` with the member that cannot be as ``field``,
        ``roster-twice`` for a turn that stands there already.
        """
        if part not in set(Audience):
            raise GatewayRefusal("roster-invalid", field="part")
        turn = Turn(
            id=secrets.token_hex(16),
            officer=check_officer(officer),
            part=Audience(part),
            time_zone=time_zone,
            days=tuple(sorted(days)),
            begins=begins,
            ends=ends,
            further_days=further_days,
            first_day=first_day,
            last_day=last_day,
            every_weeks=every_weeks,
        )
        fault = turn_fault(turn)
        if fault is not None:
            raise GatewayRefusal("roster-invalid", field=fault)

        def unit(tx: Transaction) -> None:
            entered = duty.roster(tx.view("roster")).turns
            if len(entered) >= _MOST_TURNS:
                raise GatewayRefusal("roster-invalid", field="turns")
            if any(replace(one, id=turn.id) == turn for one in entered):
                raise GatewayRefusal("roster-twice")
            duty.add_turn(tx, turn, at=now, by=by)
            self._log(tx, officer, "turn-added", by, now)

        now = self._clock.now()
        check_officer(by, field="by")
        await self._database.write(unit)
        return turn

    async def cover(
        self, officer: str, *, cover: str, begins_at: datetime, ends_at: datetime, by: str
    ) -> Cover:
        """Let one officer stand in for another for a time of at most a year; durable when it returns.

        Raises ``GatewayRefusal`` ``roster-invalid`` with the member that cannot be as ``field``.
        """
        made = Cover(
            id=secrets.token_hex(16),
            officer=check_officer(officer),
            cover=check_officer(cover, field="cover"),
            begins_at=begins_at,
            ends_at=ends_at,
        )
        now = self._clock.now()
        check_officer(by, field="by")
        if cover == officer:
            raise GatewayRefusal("roster-invalid", field="cover")
        if not begins_at < ends_at <= begins_at + _LONGEST_COVER or ends_at <= now:
            raise GatewayRefusal("roster-invalid", field="ends_at")

        def unit(tx: Transaction) -> None:
            duty.add_cover(tx, made, at=now, by=by)
            self._log(tx, officer, "cover-added", by, now)

        await self._database.write(unit)
        return made

    async def remove(self, entry_id: str, *, by: str) -> Turn | Cover:
        """Take a turn or a cover off the roster, by the beginning of its identifier.

        Raises ``GatewayRefusal`` ``roster-unknown``.
        """
        now = self._clock.now()
        check_officer(by, field="by")

        def unit(tx: Transaction) -> Turn | Cover:
            held = duty.roster(tx.view("roster"))
            entries: list[Turn | Cover] = [*held.turns, *held.covers]
            found = [entry for entry in entries if entry.id.startswith(entry_id)]
            if len(entry_id) < 4 or len(found) != 1:
                raise GatewayRefusal("roster-unknown")
            (entry,) = found
            if isinstance(entry, Turn):
                duty.end_turn(tx, entry.id, now)
            else:
                duty.end_cover(tx, entry.id, now)
            code = "turn-removed" if isinstance(entry, Turn) else "cover-removed"
            self._log(tx, entry.officer, code, by, now)
            return entry

        return await self._database.write(unit)

    async def hand_over(self, officer: str, text: str) -> None:
        """Leave a note for the next shift; sealed, and durable when it returns.

        Raises ``GatewayRefusal`` ``roster-invalid``: more than 8000 bytes, or nothing.
        """
        check_officer(officer)
        if not text.strip() or len(text.encode()) > _NOTE_MAX_BYTES:
            raise GatewayRefusal("roster-invalid", field="text")
        plain = secrets.token_bytes(_SALT_BYTES) + text.encode()
        note_id, key, sink = secrets.token_hex(16), secrets.token_bytes(32), io.BytesIO()
        sealed = seal_part(io.BytesIO(plain), sink, bk=key, bid=note_id, n=_PART, plain_size=len(plain))
        wrapped, now = self._vault.wrap(key), self._clock.now()
        row = duty.NoteRow(
            id=note_id,
            officer=officer,
            sealed=sink.getvalue(),
            plain_size=len(plain),
            plain_sha256=sealed.plain_sha256,
            sealed_sha256=sealed.sha256,
            storage_key_id=wrapped.storage_key_id,
            wrapped=wrapped.wrapped,
            at=now,
        )

        def unit(tx: Transaction) -> None:
            duty.add_note(tx, row)
            tx.audit(PendingAuditEntry(event="roster.handed_over", body={"officer": officer}, at=now))

        await self._database.write(unit)

    async def notes(self, limit: int = 5) -> Sequence[Note]:
        """Return the newest notes, newest first."""
        rows = await self._database.read(lambda c: duty.notes(c, limit))
        return [Note(officer=row.officer, at=row.at, text=self._open(row)) for row in rows]

    def _open(self, row: duty.NoteRow) -> str:
        key = self._vault.unwrap(WrappedKey(storage_key_id=row.storage_key_id, wrapped=row.wrapped))
        sink = io.BytesIO()
        open_part(
            io.BytesIO(row.sealed),
            sink,
            bk=key,
            bid=row.id,
            n=_PART,
            plain_size=row.plain_size,
            plain_sha256=row.plain_sha256,
            sealed_sha256=row.sealed_sha256,
        )
        return sink.getvalue()[_SALT_BYTES:].decode()

    async def _coming(self, days: int, look: "_Look") -> list[Shift]:
        now, held = self._clock.now(), await self.roster()
        return [shift for part in Audience for shift in look(held, part, now, now + timedelta(days=days))]

    @staticmethod
    def _log(tx: Transaction, officer: str, code: str, by: str, now: datetime) -> None:
        body = {"officer": officer, "code": code, "by": by}
        tx.audit(PendingAuditEntry(event="roster.changed", body=body, at=now))


_Look = Callable[[Roster, Audience, datetime, datetime], list[Shift]]
