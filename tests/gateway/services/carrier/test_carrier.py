"""Media that a person carries: written whole, taken in by the same doors, nothing believed unsigned."""

import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.errors import GatewayRefusal
from gateway.model.authority import LookupStatus
from gateway.services.carrier import medium as media
from gateway.services.carrier.export import ExportedFolder
from gateway.services.carrier.takein import TakenIn
from gateway.services.directory import Lookup
from gateway.storage import audit, bundles, receipts, transmissions
from gateway.storage.transmissions import TransmissionRow
from tests.storedcases import all_cases
from tests.world import Faults, World, sample_request

pytestmark = pytest.mark.slow

KE, SG = "ke-ag", "sg-agc"
DAY = timedelta(days=1)


@asynccontextmanager
async def waiting(
    folder: Path, *, size: int = 3000, after: timedelta = timedelta(0)
) -> AsyncIterator[tuple[World, str, Path]]:
    """A request that nothing but a medium carries any more, made some time after the keys, and a medium."""
    async with World.create(folder, KE, SG) as world:
        world.advance(after)
        world.faults[KE] = world.faults[SG] = Faults(lose_request=10**9)
        sent = await world.submit(KE, *sample_request(1, size=size))
        await world.run_for(3 * DAY + timedelta(hours=2), step=timedelta(hours=3))
        medium = folder / "medium"
        medium.mkdir()
        yield world, sent.bid, medium


async def export(
    world: World, medium: Path, *, at: str = KE, peer: str | None = None, by: str = "courier"
) -> Sequence[ExportedFolder]:
    return await world[at].desk.carrier_export.export(
        medium, peer=peer, by=by, officer="op-1", progress=lambda done, total: None
    )


async def take(world: World, medium: Path, *, at: str = SG, answer: bool = False) -> TakenIn:
    return await world[at].desk.carrier_import.take(medium, answer=answer, progress=lambda done, total: None)


async def row_of(world: World, bid: str) -> TransmissionRow:
    row = await world[KE].database.read(lambda c: transmissions.find_transmission(c, KE, bid, SG))
    assert row is not None
    return row


async def tasks(world: World, bid: str) -> list[tuple[str, str]]:
    return sorted((task.code, task.owner) for task in (await world[KE].cases.status(bid)).tasks)


def outcomes(taken: TakenIn) -> list[tuple[str, str, str | None]]:
    return [(Path(file.name).suffix, file.outcome, file.code) for file in taken.files]


async def digest_of(world: World, aid: str) -> list[str]:
    """Return what a gateway has in its log, to see that nothing changed."""
    rows = await world[aid].database.read(lambda c: audit.entries(c, 0, audit.log_size(c)))
    return [hashlib.sha256(row.leaf).hexdigest() for row in rows]


def folder_in(medium: Path) -> Path:
    return medium / f"for-{SG}-from-{KE}"


async def test_a_bundle_goes_by_medium_and_its_receipt_comes_back_by_medium(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        assert await tasks(world, bid) == [("carrier-needed", "operator")]
        (made,) = await export(world, medium)
        assert [bundle.bid for bundle in made.bundles] == [bid]
        assert await tasks(world, bid) == [("carrier-awaited", "operator")]
        there = {path.name for path in folder_in(medium).iterdir()}
        assert there == {f"{bid}.gwb", "index.json", made.cover}

        taken = await take(world, medium, answer=True)
        assert outcomes(taken) == [(".gwb", "taken", None)]
        assert taken.files[0].words == made.bundles[0].words
        assert [item.bid for item in await world[SG].cases.inbox()] == [bid]
        assert len(taken.answers) == 1

        home = await take(world, medium, at=KE)
        assert outcomes(home) == [(".gwr", "taken", None), ("", "left", "medium-for-another")]
        row = await row_of(world, bid)
        assert (row.state, row.channel) == ("CONSIGNED", "offline_media")
        assert await tasks(world, bid) == []
        await world.check()


async def test_the_same_medium_again_gives_the_same_receipts_and_no_second_case(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        first = await take(world, medium, answer=True)
        before = await world[SG].database.read(lambda c: receipts.own_receipts(c, iss=SG, sender=KE, bid=bid))
        again = await take(world, medium, answer=True)
        assert outcomes(again)[-1] == (".gwb", "known", None)
        assert again.answers == first.answers
        assert before == await world[SG].database.read(
            lambda c: receipts.own_receipts(c, iss=SG, sender=KE, bid=bid)
        )
        assert len(await world[SG].cases.inbox()) == 1
        for _ in range(2):
            await take(world, medium, at=KE)
        assert [row.type for row in await world[KE].cases.receipts(bid)] == ["submission", "consignment"]
        await world.check()


async def test_the_same_bundle_by_https_and_by_medium_is_one_case_and_one_receipt_chain(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        world.faults.clear()
        await world.run_for(timedelta(hours=3), step=timedelta(hours=1))
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert await tasks(world, bid) == []
        # The courier arrives weeks later, and so does what it takes home.
        world.advance(20 * DAY)
        taken = await take(world, medium, answer=True)
        assert outcomes(taken) == [(".gwb", "known", None)]
        await take(world, medium, at=KE)
        await world.run()
        chain = await world[KE].database.read(lambda c: receipts.receipts_of(c, KE, bid))
        assert [(row.iss, row.type, row.n) for row in chain] == [
            (KE, "submission", 1),
            (SG, "consignment", 1),
        ]
        case_rows = await world[SG].database.read(lambda c: all_cases(c, 10))
        assert len(case_rows) == 1
        await world.check()


async def test_without_answer_nothing_is_written_and_the_receipt_goes_by_any_other_channel(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        before = {path: path.stat().st_mtime_ns for path in medium.rglob("*")}
        await take(world, medium)
        assert {path: path.stat().st_mtime_ns for path in medium.rglob("*")} == before
        world.faults.clear()
        await world[SG].pusher.push_due()
        assert (await row_of(world, bid)).state == "CONSIGNED"


async def test_receipts_go_with_the_next_export_where_no_channel_is_open(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        await take(world, medium)
        back = tmp_path / "back"
        back.mkdir()
        (made,) = await export(world, back, at=SG, peer=KE)
        assert (made.to, made.receipts, len(made.bundles)) == (KE, 1, 0)
        assert outcomes(await take(world, back, at=KE)) == [(".gwr", "taken", None)]
        assert (await row_of(world, bid)).state == "CONSIGNED"
        # Its other channels go on: the same receipt once more does nothing.
        world.faults.clear()
        await world.run()
        await world.check()


async def test_a_run_that_was_broken_off_goes_on_and_writes_the_same(tmp_path: Path) -> None:
    async with waiting(tmp_path, size=200_000) as (world, bid, medium):
        (made,) = await export(world, medium)
        whole = {path.name: path.read_bytes() for path in folder_in(medium).iterdir()}
        # What a kill leaves: a half-written file, and no index yet.
        (folder_in(medium) / f"{bid}.gwb").unlink()
        (folder_in(medium) / "index.json").unlink()
        (folder_in(medium) / f".{bid}.gwb.part").write_bytes(whole[f"{bid}.gwb"][:5000])
        assert outcomes(await take(world, medium))[0] == (".part", "left", "medium-unfinished")
        assert await world[SG].cases.inbox() == []
        (again,) = await export(world, medium)
        assert (again.bundles[0].is_new, again.bundles[0].words) == (True, made.bundles[0].words)
        assert {path.name: path.read_bytes() for path in folder_in(medium).iterdir()} == whole
        (third,) = await export(world, medium)
        assert not third.bundles[0].is_new


async def test_one_damaged_byte_is_refused_exported_again_and_accepted_once(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        file = folder_in(medium) / f"{bid}.gwb"
        whole = file.read_bytes()
        for place in (3, 100, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            before = await digest_of(world, SG)
            assert outcomes(await take(world, medium)) == [(".gwb", "refused", "medium-damaged")], place
            assert await digest_of(world, SG) == before
        assert await world[SG].cases.inbox() == []
        # The sender exports onto the same medium: what differs is written anew.
        (made,) = await export(world, medium)
        assert made.bundles[0].is_new
        assert file.read_bytes() == whole
        assert outcomes(await take(world, medium)) == [(".gwb", "taken", None)]
        assert outcomes(await take(world, medium)) == [(".gwb", "known", None)]
        assert len(await world[SG].cases.inbox()) == 1


async def late(world: World, medium: Path, *, is_listed: bool = True) -> TakenIn:
    """Everybody's keys are rotated after the courier left; he arrives after 75 days."""
    await export(world, medium)
    for aid in (KE, SG):
        await world[aid].desk.upkeep.rotate(["sig", "enc", "req", "rcpt", "tls"])
    world[SG].directory.enrol(world[KE].home.enrolment.read_bytes(), now=world.clock.now())
    world[KE].directory.enrol(world[SG].home.enrolment.read_bytes(), now=world.clock.now())
    world.advance(75 * DAY)
    if not is_listed:
        own = world[SG].directory.own
        unlisted = tuple(c for c in own.channels if c.channel != "offline_media")
        world[SG].upkeep._directory = SimpleNamespace(own=replace(own, channels=unlisted))  # type: ignore[assignment]
    await world[SG].watch.look()
    return await take(world, medium, answer=True)


async def test_a_medium_75_days_under_way_is_accepted_though_all_keys_were_rotated(tmp_path: Path) -> None:
    # The key it is sealed for is near its end when the courier leaves, and past its end by far afterwards.
    async with waiting(tmp_path, after=85 * DAY) as (world, bid, medium):
        assert outcomes(await late(world, medium)) == [(".gwb", "taken", None)]
        await take(world, medium, at=KE)
        assert (await row_of(world, bid)).state == "CONSIGNED"
        assert await tasks(world, bid) == []
        await world.check()


async def test_one_whose_record_lists_no_medium_keeps_its_keys_60_days_and_what_is_late_comes_again(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path, after=85 * DAY) as (world, _, medium):
        refused = await late(world, medium, is_listed=False)
        assert outcomes(refused) == [(".gwb", "refused", "key-expired")]
        assert await world[SG].cases.inbox() == []
        await world[KE].watch.look()
        (made,) = await export(world, medium)
        assert made.bundles[0].is_new
        assert outcomes(await take(world, medium)) == [(".gwb", "taken", None)]
        await world.check()


async def test_a_key_that_was_destroyed_meanwhile_leads_to_another_export_under_the_new_one(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        peer = world[SG]
        peer.keyring.destroy_expired(world.clock.now(), kept=timedelta(days=-10_000))
        await peer.desk.upkeep.rotate(["enc"])
        world[KE].directory.enrol(peer.home.enrolment.read_bytes(), now=world.clock.now())
        assert outcomes(await take(world, medium)) == [(".gwb", "refused", "key-expired")]
        (made,) = await export(world, medium)
        assert made.bundles[0].is_new
        assert outcomes(await take(world, medium)) == [(".gwb", "taken", None)]
        held = await peer.database.read(lambda c: bundles.find_bundle(c, KE, bid))
        assert held is not None
        # Wrapped again when it came to the medium late, and for the new key.
        assert held.rev == 2
        await world.check()


async def test_a_bundle_that_came_to_the_medium_late_lives_180_days_from_its_export(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        assert (await row_of(world, bid)).expires_at < world.clock.now() + 60 * DAY
        (made,) = await export(world, medium)
        assert made.bundles[0].expires >= world.clock.now() + 179 * DAY
        assert (await row_of(world, bid)).expires_at == made.bundles[0].expires


async def test_a_medium_that_brings_no_receipt_is_asked_for_again_and_ends_with_the_bundle(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        await world.run_for(29 * DAY, step=timedelta(days=1))
        assert ("carrier-awaited", "operator") in await tasks(world, bid)
        await world.run_for(2 * DAY, step=timedelta(hours=12))
        assert ("carrier-needed", "operator") in await tasks(world, bid)
        assert (await row_of(world, bid)).state in ("QUEUED", "DISPATCHED")
        await world.run_for(150 * DAY, step=timedelta(days=3))
        row = await row_of(world, bid)
        assert (row.state, row.owner) == ("FAILED", "operator")
        await world.check()


async def test_a_courier_that_goes_there_anyway_takes_what_is_under_way_by_other_channels(
    tmp_path: Path,
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        world.faults[KE] = Faults(lose_request=10**9)
        sent = await world.submit(KE, *sample_request(1))
        await world.run()
        medium = tmp_path / "medium"
        medium.mkdir()
        assert await export(world, medium) == []
        assert list(medium.iterdir()) == []
        (made,) = await export(world, medium, peer=SG)
        assert [bundle.bid for bundle in made.bundles] == [sent.bid]
        assert outcomes(await take(world, medium)) == [(".gwb", "taken", None)]


@pytest.mark.parametrize(
    ("peer", "by", "code"),
    [
        ("xx-nobody", "courier", "not-listed"),
        ("de-bfj", "courier", "carrier-not-listed"),
        (SG, "diplomatic", "way-not-listed"),
    ],
)
async def test_a_medium_for_whom_or_by_what_is_not_listed_is_refused_and_nothing_is_written(
    tmp_path: Path, peer: str, by: str, code: str
) -> None:
    async with World.create(tmp_path, KE, SG, "de-bfj") as world:
        medium = tmp_path / "medium"
        medium.mkdir()
        before = await digest_of(world, KE)
        with pytest.raises(GatewayRefusal, match=code):
            await export(world, medium, peer=peer, by=by)
        assert (list(medium.iterdir()), await digest_of(world, KE)) == ([], before)


async def test_hostile_files_are_left_alone_or_refused_and_change_nothing(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        folder = folder_in(medium)
        container = (folder / f"{bid}.gwb").read_bytes()
        (folder / f"{bid}.gwb").unlink()
        (folder / "index.json").unlink()
        secret = tmp_path / "secret"
        secret.write_bytes(container)
        (folder / "link.gwb").symlink_to(secret)
        (folder / "folder.gwb").symlink_to(tmp_path)
        os.mkfifo(folder / "pipe.gwb")
        (folder / "half.gwb").write_bytes(container[: len(container) // 2])
        (folder / "more.gwb").write_bytes(container + b"\0")
        (folder / "empty.gwb").write_bytes(b"")
        (folder / "noise.gwb").write_bytes(os.urandom(4000))
        (folder / "huge.gwr").write_bytes(b"[" * (5 << 20))
        (folder / "deep.gwr").write_bytes(b"[" * 100_000)
        (folder / "autorun.inf").write_bytes(b"[autorun]")
        (folder / "a\u202egpj.exe").write_bytes(b"MZ")
        (folder / "notices.gwn").write_bytes(b'{"v":1,"notices":["a.b.c"]}')
        (medium / f"for-{SG}-from-zz").symlink_to(tmp_path)
        before = await digest_of(world, SG)
        taken = await take(world, medium)
        found = {Path(file.name).name: (file.outcome, file.code) for file in taken.files}
        assert found == {
            "link.gwb": ("left", "medium-no-file"),
            "folder.gwb": ("left", "medium-no-file"),
            "pipe.gwb": ("left", "medium-no-file"),
            "half.gwb": ("refused", "incomplete"),
            "more.gwb": ("refused", "malformed"),
            "empty.gwb": ("refused", "incomplete"),
            "noise.gwb": ("refused", "malformed"),
            "huge.gwr": ("refused", "too-large"),
            "deep.gwr": ("refused", "malformed"),
            "autorun.inf": ("left", "medium-unknown"),
            "a\\u{202E}gpj.exe": ("left", "medium-unknown"),
            "notices.gwn": ("refused", "malformed"),
            f"for-{SG}-from-zz": ("left", "medium-no-file"),
        }
        assert await digest_of(world, SG) == before
        assert all(file.sentence for file in taken.files)


@pytest.mark.parametrize("is_listed", [True, False], ids=["index lies too", "index tells"])
async def test_a_file_with_a_hole_of_a_tebibyte_is_not_read_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        file, index = folder_in(medium) / f"{bid}.gwb", folder_in(medium) / "index.json"
        os.truncate(file, 1 << 40)
        (folder_in(medium) / "hole.gwr").touch()
        os.truncate(folder_in(medium) / "hole.gwr", 1 << 40)
        value = json.loads(index.read_bytes())
        row = {"name": "hole.gwr", "size": 1 << 40, "sha256": "0" * 64}
        value["files"] = [{**each, "size": 1 << 40 if is_listed else each["size"]} for each in value["files"]]
        index.write_text(json.dumps({**value, "files": [*value["files"], row]}))
        pieces, count = media.Folder.pieces, 0

        async def counted(self: media.Folder, name: str, offset: int) -> AsyncIterator[bytes]:
            nonlocal count
            async for piece in pieces(self, name, offset):
                count += 1
                assert count < 20
                yield piece

        monkeypatch.setattr(media.Folder, "pieces", counted)
        before = await digest_of(world, SG)
        said = ("refused", "malformed" if is_listed else "medium-damaged")
        found = {Path(f.name).name: (f.outcome, f.code) for f in (await take(world, medium)).files}
        assert found == {f"{bid}.gwb": said, "hole.gwr": ("refused", "too-large")}
        assert await digest_of(world, SG) == before


async def test_what_a_peer_may_say_unsigned_is_not_taken_from_a_medium(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        held = await world[KE].database.read(lambda c: bundles.find_bundle(c, KE, bid))
        assert held is not None
        problem = {"from": KE, "bid": bid, "envelope": held.envelope_sha256, "code": "not-for-us"}
        planted = {"v": 1, "from": SG, "to": KE, "receipts": [], "problems": [problem]}
        (medium / "planted.gwr").write_text(json.dumps(planted))
        before, log = await row_of(world, bid), await digest_of(world, KE)
        await take(world, medium, at=KE)
        assert (await row_of(world, bid), await digest_of(world, KE)) == (before, log)


async def test_receipts_of_another_issuer_than_the_file_says_are_refused(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        taken = await take(world, medium, answer=True)
        file = medium / taken.answers[0]
        value = json.loads(file.read_bytes())
        file.write_text(json.dumps({**value, "from": "us-ccips"}))
        found = await take(world, medium, at=KE)
        assert outcomes(found)[0] == (".gwr", "refused", "receipt-mismatch")
        assert (await row_of(world, bid)).state != "CONSIGNED"


async def test_a_medium_pulled_out_while_it_is_read_can_be_taken_in_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, size=300_000) as (world, _, medium):
        await export(world, medium)
        whole = media.Folder.pieces
        calls = 0

        async def pulled_out(self: media.Folder, name: str, offset: int) -> AsyncIterator[bytes]:
            nonlocal calls
            calls += 1
            async for piece in whole(self, name, offset):
                yield piece[:100_000]
                if calls > 1:
                    raise GatewayRefusal("medium-lost")

        monkeypatch.setattr(media.Folder, "pieces", pulled_out)
        assert outcomes(await take(world, medium))[0][1] == "refused"
        monkeypatch.undo()
        assert outcomes(await take(world, medium)) == [(".gwb", "taken", None)]


async def test_both_sides_show_the_same_check_words(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        (made,) = await export(world, medium)
        taken = await take(world, medium)
        words = made.bundles[0].words
        assert len(words.split()) == 6
        assert taken.files[0].words == words
        assert {(await world[aid].cases.status(bid)).check_words for aid in (KE, SG)} == {words}
        sheet = (folder_in(medium) / made.cover).read_bytes()
        assert words.encode() in sheet or sheet.startswith(b"%PDF")


async def test_a_full_or_locked_medium_is_refused_with_a_sentence_and_nothing_is_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, size=300_000) as (world, bid, medium):
        before, log = await row_of(world, bid), await digest_of(world, KE)
        monkeypatch.setattr(media.Folder, "has_room", lambda self, size: size < 300_000)
        with pytest.raises(GatewayRefusal, match="medium-full"):
            await export(world, medium)
        assert list(medium.iterdir()) == []
        monkeypatch.undo()
        for number, code in ((errno.ENOSPC, "medium-full"), (errno.EROFS, "medium-readonly")):

            def fails(handle: int, piece: bytes, number: int = number) -> None:
                raise OSError(number, "no")

            monkeypatch.setattr(media, "_write", fails)
            with pytest.raises(GatewayRefusal, match=code):
                await export(world, medium)
            assert [path for path in medium.rglob("*") if path.is_file()] == []
        monkeypatch.undo()
        assert await row_of(world, bid) == before
        # Nothing was entered but that the bundle has a longer life now.
        assert len(await digest_of(world, KE)) == len(log) + 1
        (made,) = await export(world, medium)
        assert made.bundles[0].is_new


async def test_a_link_in_place_of_the_folder_is_not_written_through(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _, medium):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        folder_in(medium).symlink_to(elsewhere)
        with pytest.raises(GatewayRefusal, match="medium-foreign"):
            await export(world, medium)
        assert list(elsewhere.iterdir()) == []
        folder_in(medium).unlink()
        # A link in place of a file is replaced, and what it led to stays.
        folder_in(medium).mkdir()
        victim = tmp_path / "victim"
        victim.write_text("as it was")
        (folder_in(medium) / "index.json").symlink_to(victim)
        await export(world, medium)
        assert victim.read_text() == "as it was"
        assert not (folder_in(medium) / "index.json").is_symlink()


async def test_a_case_that_is_lost_on_the_way_back_is_answered_again_by_its_repeat(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        await export(world, medium)
        await take(world, medium)
        lost = tmp_path / "lost"
        lost.mkdir()
        entry = world[SG].directory.lookup(KE).entry
        assert entry is not None
        only = tuple(c for c in entry.channels if c.channel == "offline_media")
        unchanged = type(world[SG].directory).lookup
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                type(world[SG].directory),
                "lookup",
                lambda self, aid: (
                    Lookup(status=LookupStatus.FOUND, entry=replace(entry, channels=only))
                    if aid == KE
                    else unchanged(self, aid)
                ),
            )
            (made,) = await export(world, lost, at=SG)
            assert (made.to, made.receipts) == (KE, 1)
            # It left; nothing waits any more.
            assert await export(world, lost, at=SG) == []
            # That medium never comes home. The sender's next one brings the bundle again, and so the receipt.
            await take(world, medium)
            (again,) = await export(world, lost, at=SG)
            assert again.receipts == 1
        assert outcomes(await take(world, lost, at=KE)) == [(".gwr", "taken", None)]
        assert (await row_of(world, bid)).state == "CONSIGNED"


async def test_what_is_written_can_be_read_and_printed_by_others_whatever_the_services_mask(
    tmp_path: Path,
) -> None:
    async with waiting(tmp_path) as (world, _, medium):
        before = os.umask(0o077)
        try:
            (made,) = await export(world, medium)
        finally:
            os.umask(before)
        assert folder_in(medium).stat().st_mode & 0o777 == 0o775
        assert (folder_in(medium) / made.cover).stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(("level", "owner"), [("routine", "operator"), ("urgent", "duty_officer")])
async def test_where_nothing_but_a_medium_is_listed_a_person_is_asked_at_once_and_the_bundle_lives_180_days(
    tmp_path: Path, level: str, owner: str
) -> None:
    async with World.create(tmp_path, KE, SG) as world:
        directory = world[KE].directory
        entry = directory.lookup(SG).entry
        assert entry is not None
        only = tuple(
            replace(c, use=frozenset({"formal", "urgent"}))
            for c in entry.channels
            if c.channel == "offline_media"
        )
        unchanged = directory.lookup

        def lookup(aid: str) -> Lookup:
            found = unchanged(aid)
            return replace(found, entry=replace(entry, channels=only)) if aid == SG else found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(directory, "lookup", lookup)
            form, documents = sample_request(1)
            form["urgency"]["level"] = level
            sent = await world.submit(KE, form, documents)
            assert sent.channel == "offline_media"
            await world.run()
            row = await row_of(world, sent.bid)
            assert (row.state, row.attempts) == ("DISPATCHED", 1)
            assert row.expires_at - row.created_at > timedelta(days=179, hours=23)
            assert ("carrier-needed", owner) in await tasks(world, sent.bid)
            medium = tmp_path / "medium"
            medium.mkdir()
            (made,) = await export(world, medium)
            assert [bundle.bid for bundle in made.bundles] == [sent.bid]
            assert outcomes(await take(world, medium, answer=True)) == [(".gwb", "taken", None)]
            await take(world, medium, at=KE)
            assert (await row_of(world, sent.bid)).state == "CONSIGNED"
            assert await tasks(world, sent.bid) == []


async def test_what_is_for_an_authority_in_doubt_is_not_written_and_said(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, bid, medium):
        directory = world[KE].directory
        unchanged = directory.lookup
        log = await digest_of(world, KE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                directory,
                "lookup",
                lambda aid: (
                    Lookup(status=LookupStatus.UNVERIFIABLE, entry=None) if aid == SG else unchanged(aid)
                ),
            )
            patch.setattr(directory, "hold", lambda aid, lane: "authority-unverifiable")
            (made,) = await export(world, medium)
            (named,) = await export(world, medium, peer=SG)
        assert [(held.bid, held.code) for held in made.held] == [(bid, "authority-unverifiable")]
        assert (made.cover, made.bundles, named.held) == ("", [], made.held)
        assert (list(medium.iterdir()), await digest_of(world, KE)) == ([], log)
