"""Mails that nobody took: sealed, few, kept for a time, never lost in silence and never kept twice."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app import App
from gateway.errors import GatewayRefusal, StorageDamaged
from gateway.services.mail import quarantine
from gateway.storage import audit, peers
from tests.hostile import unchanged
from tests.postoffice import MailWorld, mail_world

pytestmark = pytest.mark.slow
KE = "ke-ag"
LETTER = b"From: clerk@justice.example\r\nTo: gw@ke-ag.example.org\r\nSubject: Hello\r\n\r\nSecret words.\r\n"
AWAY = b"From: x@y.example\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nAway %d.\r\n"


@asynccontextmanager
async def one(folder: Path) -> AsyncIterator[tuple[MailWorld, App]]:
    async with mail_world(folder, KE) as world:
        yield world, world[KE]


def staged(app: App) -> list[Path]:
    return [*(app.home.root / "blobs" / "mail").iterdir()]


async def events(app: App) -> list[str]:
    rows = await app.database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return [event for row in rows for event in ("mail.set_aside", "mail.dropped") if event in str(row.body)]


async def test_a_persons_mail_is_set_aside_sealed_and_a_person_is_told(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, app):
        await app.mail.take(LETTER)
        [mail] = await app.quarantine.listing()
        assert (mail.reason, mail.automatic, mail.size) == ("mail-human", False, len(LETTER))
        [file] = staged(app)
        assert b"Secret" not in file.read_bytes()
        assert b"Secret" not in app.home.database.read_bytes()
        assert file.stat().st_mode & 0o777 == 0o600
        assert [task.code for task in await app.database.read(peers.open_tasks)] == ["mail-set-aside"]

        shown = await app.quarantine.show(mail.name[:8])
        assert shown.raw == LETTER
        assert (shown.said["subject"], shown.said["to"]) == ("Hello", "gw@ke-ag.example.org")


async def test_the_same_mail_again_changes_nothing(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, app):
        await app.mail.take(LETTER)
        async with unchanged(app):
            await app.mail.take(LETTER)
        assert len(staged(app)) == 1


async def test_discarding_ends_the_task_with_the_last_one_and_is_entered(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, app):
        await app.mail.take(LETTER)
        await app.mail.take(LETTER + b"And more.\r\n")
        first, second = await app.quarantine.listing()
        await app.quarantine.discard(first.name)
        assert await app.database.read(peers.count_open_tasks) == 1
        await app.quarantine.discard(second.name)
        assert await app.database.read(peers.count_open_tasks) == 0
        assert not staged(app)
        assert await events(app) == ["mail.set_aside"] * 2 + ["mail.dropped"] * 2
        with pytest.raises(GatewayRefusal, match="mail-unknown"):
            await app.quarantine.discard(first.name)


async def test_what_a_machine_sent_raises_no_task_and_makes_room_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quarantine.MOST, True, 3)
    async with one(tmp_path) as (world, app):
        await app.mail.take(LETTER)
        for number in range(5):
            world.advance(timedelta(minutes=1))
            await app.mail.take(AWAY % number)
        mails = await app.quarantine.listing()
        assert [mail.reason for mail in mails] == ["mail-human", *["mail-automatic"] * 3]
        assert (await app.quarantine.show(mails[-1].name)).raw == AWAY % 4
        assert len(staged(app)) == 4
        assert await app.database.read(peers.count_open_tasks) == 1
        assert (await events(app)).count("mail.dropped") == 2


async def test_where_there_is_no_room_a_persons_mail_stays_in_its_mailbox_and_a_task_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quarantine.MOST, False, 1)
    async with one(tmp_path) as (world, app):
        await app.mail.take(LETTER)
        world.advance(timedelta(minutes=1))
        with pytest.raises(GatewayRefusal, match="mail-full"):
            await app.mail.take(LETTER + b"And more.\r\n")
        assert len(await app.quarantine.listing()) == len(staged(app)) == 1
        codes = {task.code for task in await app.database.read(peers.open_tasks)}
        assert codes == {"mail-set-aside", "mail-full"}
        # What a machine sent finds its own place all the same.
        await app.mail.take(AWAY % 1)

        await app.quarantine.discard((await app.quarantine.listing())[0].name)
        await app.mail.take(LETTER + b"And more.\r\n")
        assert {task.code for task in await app.database.read(peers.open_tasks)} == {"mail-set-aside"}


async def test_a_mail_is_dropped_at_its_time_and_entered(tmp_path: Path) -> None:
    async with one(tmp_path) as (world, app):
        await app.mail.take(LETTER)
        await app.mail.take(AWAY % 1)
        world.advance(timedelta(days=13))
        await app.watch.look()
        assert len(await app.quarantine.listing()) == 2
        world.advance(timedelta(days=2))
        await app.watch.look()
        assert [mail.reason for mail in await app.quarantine.listing()] == ["mail-human"]
        world.advance(timedelta(days=76))
        await app.watch.look()
        assert not await app.quarantine.listing()
        assert not staged(app)
        assert await app.database.read(peers.count_open_tasks) == 0


async def test_a_changed_file_is_never_shown(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, app):
        await app.mail.take(LETTER)
        [file] = staged(app)
        data = bytearray(file.read_bytes())
        data[60] ^= 1
        file.write_bytes(data)
        [mail] = await app.quarantine.listing()
        with pytest.raises(StorageDamaged):
            await app.quarantine.show(mail.name)


async def test_a_file_that_a_crash_left_is_swept_and_the_others_stay(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, app):
        await app.mail.take(LETTER)
        left = app.home.root / "blobs" / "mail" / ("ab" * 16)
        left.write_bytes(b"half")
        for file in staged(app):
            os.utime(file, (0, 0))
        assert await app.watch.sweep() == 1
        assert not left.exists()
        [mail] = await app.quarantine.listing()
        assert (await app.quarantine.show(mail.name)).raw == LETTER
