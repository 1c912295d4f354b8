"""The sequencer on a real database: indices, proofs, crashes, and what it will not sign."""

import asyncio
from pathlib import Path
from shutil import copyfile

import pytest
from sqlalchemy import Connection

from crypto.checkpoint import open_checkpoint
from crypto.leaf import open_leaf
from crypto.proof import verify_tlog_proof
from gateway.errors import StorageUnavailable
from gateway.services.log.headstore import HeadStore
from gateway.services.log.logstate import LogState
from gateway.storage.database import Database, Transaction
from tests.gateway.services.log.loghome import KEYS, NOW, ORIGIN, LogHome, an_entry


@pytest.fixture
def home(tmp_path: Path) -> LogHome:
    return LogHome(tmp_path)


async def test_an_entry_has_its_index_at_once_and_its_proof_after_the_commit(home: LogHome) -> None:
    async with home.opened() as log:
        (entry,) = await log.add()
        text = await log.sequencer.proof(entry.index, 5)
        assert text is not None
        index, head = verify_tlog_proof(text, entry.leaf, ORIGIN, KEYS)
        assert (index, entry.index, head.size, head.signed_at) == (0, 0, 1, NOW)
        assert open_leaf(entry.leaf, entry.salt, entry.body)["bid"] == f"{0:032x}"
        assert home.sql("SELECT idx, leaf FROM audit_leaf") == [(0, entry.leaf)]


async def test_the_head_is_durable_in_the_second_place_before_a_proof_is_given(home: LogHome) -> None:
    async with home.opened() as log:
        (entry,) = await log.add()
        text = await log.sequencer.proof(entry.index, 5)
        stored = log.store.read()
        assert stored is not None
        assert text is not None
        assert text.endswith(stored)
        assert open_checkpoint(stored, ORIGIN, KEYS).size == 1


async def test_all_who_wait_at_one_time_share_one_head(home: LogHome) -> None:
    async with home.opened() as log:
        entries = [
            entry for group in await asyncio.gather(*(log.add() for _ in range(16))) for entry in group
        ]
        texts = await asyncio.gather(*(log.sequencer.proof(entry.index, 5) for entry in entries))
        assert len({text.split("\n\n", 1)[1] for text in texts if text}) == 1
        for entry, text in zip(entries, texts, strict=True):
            assert text is not None
            assert verify_tlog_proof(text, entry.leaf, ORIGIN, KEYS)[0] == entry.index


async def test_a_head_nobody_waits_for_follows_by_itself(home: LogHome) -> None:
    async with home.opened() as log:
        await log.add(3)
        assert log.sequencer.status.head_size == 0
        await log.head_of(3)


async def test_old_entries_are_proved_from_tiles_and_leaves(home: LogHome) -> None:
    async with home.opened() as log:
        entries = [entry for _ in range(7) for entry in await log.add(200)]
        await log.sequencer.proof(entries[-1].index, 5)
        for index in (0, 1, 255, 256, 700, 1023, 1024, 1300, 1399):
            text = await log.sequencer.proof(index, 5)
            assert text is not None
            assert verify_tlog_proof(text, entries[index].leaf, ORIGIN, KEYS)[0] == index
    assert home.sql("SELECT level, n, length(hashes) FROM audit_tile") == [(0, n, 8192) for n in range(5)]


async def test_the_log_goes_on_after_a_restart_at_any_size(home: LogHome) -> None:
    leaves = []
    for count in (1, 1, 253, 1, 1, 255, 1):
        async with home.opened() as log:
            assert log.sequencer.status.state is LogState.SIGNING
            entries = await log.add(count)
            leaves += [entry.leaf for entry in entries]
            text = await log.sequencer.proof(entries[-1].index, 5)
            assert text is not None
            verify_tlog_proof(text, entries[-1].leaf, ORIGIN, KEYS)
    assert [bytes(row[0]) for row in home.sql("SELECT leaf FROM audit_leaf ORDER BY idx")] == leaves
    assert home.alarms == []


async def test_a_rolled_back_group_leaves_no_trace_and_its_neighbours_keep_contiguous_indices(
    home: LogHome,
) -> None:
    def bad(tx: Transaction) -> None:
        tx.audit(an_entry(99))
        raise LookupError("this unit fails")

    async with home.opened() as log:
        first, failed, last = await asyncio.gather(
            log.add(2), log.database.write(bad), log.add(2), return_exceptions=True
        )
        assert isinstance(failed, LookupError)
        assert isinstance(first, list)
        assert isinstance(last, list)
        assert [entry.index for entry in (*first, *last)] == [0, 1, 2, 3]
        text = await log.sequencer.proof(3, 5)
        assert text is not None
        verify_tlog_proof(text, last[-1].leaf, ORIGIN, KEYS)
    assert home.sql("SELECT count(*) FROM audit_body") == [(4,)]


async def test_an_index_nobody_committed_is_never_proved(home: LogHome) -> None:
    async with home.opened() as log:
        await log.add()
        assert await log.sequencer.proof(1, 5) is None
        assert await log.sequencer.proof(0, 0) is None


@pytest.mark.parametrize("kept", [False, True])
async def test_a_commit_of_unknown_outcome_is_found_out_at_the_next_group(home: LogHome, kept: bool) -> None:
    fail = [True]

    def commit(connection: Connection) -> None:
        if not fail or not fail.pop():
            connection.commit()
            return
        if kept:
            connection.commit()
        raise OSError("nobody knows whether this was kept")

    async with home.opened(commit=commit) as log:
        with pytest.raises((OSError, StorageUnavailable)):
            await log.add(3)
        (entry,) = await log.add()
        assert entry.index == (3 if kept else 0)
        text = await log.sequencer.proof(entry.index, 5)
        assert text is not None
        verify_tlog_proof(text, entry.leaf, ORIGIN, KEYS)


async def test_after_a_crash_behind_the_commit_the_head_is_advanced_over_what_was_kept(home: LogHome) -> None:
    await home.fill(10)
    before = home.head_file.read_bytes()
    async with home.opened() as log:
        await log.add(5)
    home.head_file.write_bytes(before)
    async with home.opened() as log:
        assert (log.sequencer.status.size, log.sequencer.status.head_size) == (16, 16)
    assert home.alarms == []


async def test_yesterdays_copy_is_noticed_and_the_log_signs_nothing_but_records(home: LogHome) -> None:
    await home.fill(10)
    copyfile(home.database, home.folder / "yesterday")
    await home.fill(10)
    copyfile(home.folder / "yesterday", home.database)
    for suffix in ("-wal", "-shm"):
        home.database.with_name(home.database.name + suffix).unlink(missing_ok=True)
    head = home.head_file.read_bytes()
    async with home.opened() as log:
        status = log.sequencer.status
        assert (status.state, status.size, status.head_size) == (LogState.WENT_BACK, 11, 22)
        assert "a signed head covers 22 entries, the database holds 11" in status.sentence
        (entry,) = await log.add()
        assert entry.index == 11
        assert await log.sequencer.proof(entry.index, 5) is None
    assert home.head_file.read_bytes() == head
    assert [state for state, _ in home.alarms] == [LogState.WENT_BACK]


async def test_other_entries_under_a_signed_head_are_noticed(home: LogHome) -> None:
    await home.fill(10)
    home.sql("UPDATE audit_leaf SET leaf = replace(leaf, '12:00:00', '12:00:01') WHERE idx = 4")
    async with home.opened() as log:
        assert log.sequencer.status.state is LogState.WENT_BACK
        await log.add()
    assert "first 11 entries" in home.alarms[0][1]


async def test_a_leaf_that_changes_between_commit_and_signing_is_not_signed(home: LogHome) -> None:
    async with home.opened() as log:
        entries = await log.add(2)
        home.sql("UPDATE audit_leaf SET leaf = replace(leaf, '12:00:00', '12:00:01') WHERE idx = 1")
        assert await log.sequencer.proof(entries[0].index, 5) is None
        assert log.sequencer.status.state is LogState.DAMAGED
        assert open_checkpoint(log.store.read() or "", ORIGIN, KEYS).size == 0
    assert "entries 0 to 1" in home.alarms[0][1]


async def test_a_missing_leaf_stops_signing_and_not_recording(home: LogHome) -> None:
    await home.fill(10)
    home.sql("DELETE FROM audit_leaf WHERE idx = 7")
    async with home.opened() as log:
        assert log.sequencer.status.state is LogState.DAMAGED
        assert "entry 7 is missing" in log.sequencer.status.sentence
        assert [entry.index for entry in await log.add(2)] == [11, 12]


async def test_a_lost_head_file_is_noticed(home: LogHome) -> None:
    await home.fill(10)
    home.head_file.unlink()
    async with home.opened() as log:
        assert log.sequencer.status.state is LogState.HEAD_LOST
        assert await log.sequencer.proof(0, 5) is None


async def test_a_head_signed_by_other_keys_is_not_gone_on_from(
    home: LogHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.fill(1)
    monkeypatch.setattr("tests.gateway.services.log.loghome.KEYS", KEYS[:1])
    async with home.opened() as log:
        assert log.sequencer.status.state is LogState.HEAD_LOST


async def test_two_processes_share_one_log_and_never_fork_it(home: LogHome) -> None:
    async with home.opened() as one, home.opened() as two:
        leaves = []
        for _ in range(3):
            for log in (one, two):
                (entry,) = await log.add()
                leaves.append(entry.leaf)
                text = await log.sequencer.proof(entry.index, 5)
                assert text is not None
                assert verify_tlog_proof(text, entry.leaf, ORIGIN, KEYS)[0] == len(leaves) - 1
        for index in range(6):
            for log in (one, two):
                text = await log.sequencer.proof(index, 5)
                if text is None:
                    assert index >= log.sequencer.status.size
                else:
                    verify_tlog_proof(text, leaves[index], ORIGIN, KEYS)
    assert home.alarms == []


async def test_what_another_process_appends_never_takes_the_place_of_what_was_rolled_back(
    home: LogHome,
) -> None:
    def bad(tx: Transaction) -> None:
        tx.audit(an_entry(99))
        raise LookupError("this unit fails")

    async with home.opened() as one, home.opened() as two:
        with pytest.raises(LookupError):
            await one.database.write(bad)
        await two.add()
        (entry,) = await one.add()
        assert entry.index == 1
        assert await one.sequencer.proof(1, 5) is not None
    assert home.alarms == []


async def test_a_full_disk_in_the_second_place_delays_proofs_and_loses_nothing(
    home: LogHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.services.log.loghead.RETRY_S", 0.0)
    async with home.opened() as log:
        real = log.store.replace

        def full(note: str) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(log.store, "replace", full)
        (entry,) = await log.add()
        assert await log.sequencer.proof(entry.index, 5) is None
        assert log.sequencer.status.state is LogState.SIGNING
        assert home.alarms
        assert "OSError" in home.alarms[0][1]
        monkeypatch.setattr(log.store, "replace", real)
        await log.head_of(1)
        assert await log.sequencer.proof(entry.index, 5) is not None


async def test_heads_are_kept_in_the_database_with_the_next_group_without_a_commit_of_their_own(
    home: LogHome,
) -> None:
    async with home.opened() as log:
        for _ in range(3):
            (entry,) = await log.add()
            await log.sequencer.proof(entry.index, 5)
    rows = home.sql("SELECT size, note FROM audit_checkpoint ORDER BY size")
    assert [size for size, _ in rows] == [0, 1, 2]
    for size, note in rows:
        assert open_checkpoint(note, ORIGIN, KEYS).size == size


@pytest.mark.parametrize("inline", [True, False])
async def test_a_writer_in_a_thread_works_alike(home: LogHome, inline: bool) -> None:
    store = HeadStore(home.head_file)
    sequencer = home.sequencer(store)
    database = await Database.open(str(home.database), hook=sequencer, inline=inline)
    await sequencer.start(database)
    await asyncio.gather(*(database.write(lambda tx: tx.audit(an_entry(1))) for _ in range(40)))
    texts = await asyncio.gather(*(sequencer.proof(index, 5) for index in range(40)))
    assert all(texts)
    await sequencer.aclose()
    await database.aclose()
    store.close()
