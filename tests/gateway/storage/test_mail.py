"""Rows about mail, on both engines: stretches and their bounds, mails set aside, answers given once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gateway.storage import mail as store
from gateway.storage.database import Database, IntegrityError

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SEGMENT = store.SegmentRow(
    sender="ke-ag",
    bid="0" * 32,
    envelope_sha256="a" * 64,
    i=1,
    n=3,
    total_bytes=300,
    offset_bytes=0,
    size_bytes=100,
    file="f" * 32,
    signed_at=NOW,
    next_action_at=NOW + 7 * DAY,
)
ASIDE = store.AsideRow(
    sha256="b" * 64,
    reason="mail-human",
    automatic=False,
    size_bytes=10,
    file="e" * 32,
    sealed_sha256="c" * 64,
    storage_key_id="d" * 32,
    wrapped=b"wrapped",
    received_at=NOW,
    next_action_at=NOW + 90 * DAY,
)


async def test_stretches_are_found_counted_dropped_by_envelope_and_in_time(database: Database) -> None:
    second = replace(SEGMENT, i=2, offset_bytes=100, file="1" * 32)
    other = replace(SEGMENT, envelope_sha256="9" * 64, sender="sg-agc", file="2" * 32)
    for row in (second, SEGMENT, other):
        await database.write(partial(store.add_segment, row=row))
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: store.add_segment(tx, replace(SEGMENT, file="3" * 32)))
    assert await database.read(lambda c: store.segments_of(c, "ke-ag", "0" * 32)) == [SEGMENT, second]
    assert await database.read(store.held_segments) == store.Held(count=3, size_bytes=300)
    assert await database.read(lambda c: store.held_segments(c, "ke-ag")) == store.Held(
        count=2, size_bytes=200
    )
    assert await database.read(store.staged_files) == {"f" * 32, "1" * 32, "2" * 32}

    assert await database.read(lambda c: store.late_bundles(c, NOW + 6 * DAY)) == []
    late = await database.read(lambda c: store.late_bundles(c, NOW + 7 * DAY))
    assert sorted(late) == [("ke-ag", "0" * 32), ("sg-agc", "0" * 32)]
    await database.write(lambda tx: store.drop_segments(tx, "ke-ag", "0" * 32, "9" * 64))
    assert (await database.read(store.held_segments)).count == 3
    await database.write(lambda tx: store.drop_segments(tx, "ke-ag", "0" * 32))
    assert await database.read(store.staged_files) == {"2" * 32}


async def test_a_mail_set_aside_is_found_by_its_digest_and_kept_once(database: Database) -> None:
    machine = replace(ASIDE, sha256="7" * 64, automatic=True, next_action_at=NOW + DAY, file="8" * 32)
    for row in (ASIDE, machine):
        await database.write(partial(store.set_aside, row=row))
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: store.set_aside(tx, replace(ASIDE, file="6" * 32)))
    assert await database.read(lambda c: store.find_aside(c, ASIDE.sha256)) == ASIDE
    assert len(await database.read(store.all_aside)) == 2
    assert await database.read(lambda c: store.all_aside(c, late_by=NOW + DAY)) == [machine]
    assert await database.read(lambda c: store.oldest_aside(c, automatic=True)) == machine
    held = await database.read(lambda c: store.held_aside(c, automatic=False))
    assert held == store.Held(count=1, size_bytes=10)
    assert await database.write(lambda tx: store.drop_aside(tx, ASIDE.sha256))
    assert not await database.write(lambda tx: store.drop_aside(tx, ASIDE.sha256))


async def test_an_answer_is_given_once_for_each_subject_and_seldom_to_each_peer(database: Database) -> None:
    async def may(subject: str, at: datetime, *, peer: str = "ke-ag", most: int = 2) -> bool:
        return await database.write(
            lambda tx: store.note_answer(
                tx,
                authority_id=peer,
                kind="probe",
                subject=subject,
                at=at,
                forget_at=at + DAY,
                again_after=at - timedelta(minutes=10),
                since=at - timedelta(hours=1),
                most=most,
            )
        )

    assert await may("1" * 64, NOW)
    assert not await may("1" * 64, NOW + timedelta(minutes=9))
    assert await may("1" * 64, NOW + timedelta(minutes=11))
    assert await may("2" * 64, NOW + timedelta(minutes=12))
    assert not await may("3" * 64, NOW + timedelta(minutes=13))
    assert await may("3" * 64, NOW + timedelta(minutes=13), peer="sg-agc")
    assert await may("3" * 64, NOW + timedelta(minutes=80))
    assert not await database.read(lambda c: store.is_answer_late(c, NOW))
    await database.write(lambda tx: store.forget_answers(tx, NOW + 3 * DAY))
    assert not await database.read(lambda c: store.is_answer_late(c, NOW + 3 * DAY))
