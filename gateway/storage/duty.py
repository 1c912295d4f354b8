"""The roster as it is kept: turns, covers, and the notes of those who hand over, which are sealed."""

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, bindparam, select, update

from gateway.model.paging import Audience
from gateway.model.roster import Cover, Roster, Turn
from gateway.storage.database import Transaction
from gateway.storage.schema import duty_cover, duty_note, duty_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRow:
    """What one shift told the next, sealed."""

    id: str
    officer: str
    sealed: bytes = field(repr=False)
    plain_size: int
    plain_sha256: str
    sealed_sha256: str
    storage_key_id: str
    wrapped: bytes = field(repr=False)
    at: datetime


_TURNS = (
    select(duty_turn).where(duty_turn.c.removed_at.is_(None)).order_by(duty_turn.c.added_at, duty_turn.c.id)
)
_COVERS = (
    select(duty_cover)
    .where(duty_cover.c.removed_at.is_(None))
    .order_by(duty_cover.c.added_at, duty_cover.c.id)
)
_END_TURN = update(duty_turn).where(duty_turn.c.id == bindparam("b_id")).values(removed_at=bindparam("v_at"))
_END_COVER = (
    update(duty_cover).where(duty_cover.c.id == bindparam("b_id")).values(removed_at=bindparam("v_at"))
)
_NOTES = select(duty_note).order_by(duty_note.c.at.desc(), duty_note.c.id).limit(bindparam("b_limit"))


def add_turn(tx: Transaction, turn: Turn, *, at: datetime, by: str) -> None:
    """Enter a turn."""
    tx.insert(
        duty_turn,
        id=turn.id,
        officer=turn.officer,
        part=turn.part,
        time_zone=turn.time_zone,
        days=",".join(map(str, turn.days)),
        begins=turn.begins,
        ends=turn.ends,
        further_days=turn.further_days,
        first_day=turn.first_day.isoformat(),
        last_day=turn.last_day.isoformat() if turn.last_day is not None else None,
        every_weeks=turn.every_weeks,
        added_at=at,
        added_by=by,
        removed_at=None,
    )


def add_cover(tx: Transaction, cover: Cover, *, at: datetime, by: str) -> None:
    """Enter that one officer stands in for another."""
    tx.insert(
        duty_cover,
        id=cover.id,
        officer=cover.officer,
        cover=cover.cover,
        begins_at=cover.begins_at,
        ends_at=cover.ends_at,
        added_at=at,
        added_by=by,
        removed_at=None,
    )


def end_turn(tx: Transaction, turn_id: str, at: datetime) -> None:
    """Take a turn off the roster; that it stood there stays."""
    tx.execute(_END_TURN, {"b_id": turn_id, "v_at": at})


def end_cover(tx: Transaction, cover_id: str, at: datetime) -> None:
    """Take a cover off the roster; that it stood there stays."""
    tx.execute(_END_COVER, {"b_id": cover_id, "v_at": at})


def roster(connection: Connection) -> Roster:
    """Return the roster as it stands, in the order in which it was entered."""
    return Roster(
        turns=tuple(
            Turn(
                id=row.id,
                officer=row.officer,
                part=Audience(row.part),
                time_zone=row.time_zone,
                days=tuple(int(day) for day in row.days.split(",")),
                begins=row.begins,
                ends=row.ends,
                further_days=row.further_days,
                first_day=date.fromisoformat(row.first_day),
                last_day=date.fromisoformat(row.last_day) if row.last_day is not None else None,
                every_weeks=row.every_weeks,
            )
            for row in connection.execute(_TURNS)
        ),
        covers=tuple(
            Cover(
                id=row.id,
                officer=row.officer,
                cover=row.cover,
                begins_at=row.begins_at,
                ends_at=row.ends_at,
            )
            for row in connection.execute(_COVERS)
        ),
    )


def add_note(tx: Transaction, row: NoteRow) -> None:
    """Keep a note."""
    tx.insert(duty_note, **{name: getattr(row, name) for name in NoteRow.__dataclass_fields__})


def notes(connection: Connection, limit: int) -> list[NoteRow]:
    """Return the newest notes, newest first."""
    return [NoteRow(**row._mapping) for row in connection.execute(_NOTES, {"b_limit": limit})]
