"""The second place: torn writes, other processes, and heads that must not be replaced."""

from pathlib import Path

import pytest

from crypto.checkpoint import Checkpoint, sign_checkpoint
from gateway.services.log.headstore import SLOT_BYTES, HeadConflict, HeadDamaged, HeadStore, read_head_file
from tests.gateway.services.log.loghome import ED, NOW, ORIGIN, PQ


def a_head(size: int, root: bytes = bytes(32)) -> str:
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), ED.signer(), PQ.signer(), NOW)


def test_a_head_is_read_back_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "head"
    store = HeadStore(path)
    assert store.read() is None
    heads = [a_head(size) for size in range(1, 4)]
    for note in heads:
        store.replace(note)
        assert store.read() == note
    store.close()
    assert read_head_file(path) == heads[-1]
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (2 * SLOT_BYTES, 0o600)
    assert read_head_file(tmp_path / "absent") is None


def test_only_a_larger_head_replaces_the_stored_one(tmp_path: Path) -> None:
    store = HeadStore(tmp_path / "head")
    kept = a_head(5)
    store.replace(kept)
    store.replace(a_head(5))
    assert store.read() == kept
    for other in (a_head(4), a_head(5, bytes(31) + b"\x01")):
        with pytest.raises(HeadConflict) as caught:
            store.replace(other)
        assert caught.value.stored == kept
    assert store.read() == kept
    store.close()


def test_two_processes_see_each_others_heads(tmp_path: Path) -> None:
    one, two = HeadStore(tmp_path / "head"), HeadStore(tmp_path / "head")
    one.replace(a_head(1))
    two.replace(a_head(2))
    with pytest.raises(HeadConflict):
        one.replace(a_head(1, b"\x01" * 32))
    assert one.read() == two.read()
    one.close()
    two.close()


@pytest.mark.parametrize("torn_at", [0, 1, 8, 20, 100, 3000])
def test_a_torn_write_leaves_the_head_before(tmp_path: Path, torn_at: int) -> None:
    path = tmp_path / "head"
    store = HeadStore(path)
    first, second = a_head(1), a_head(2)
    store.replace(first)
    before = path.read_bytes()
    store.replace(second)
    after = path.read_bytes()
    changed = next(at for at in (0, SLOT_BYTES) if before[at : at + 8] != after[at : at + 8])
    path.write_bytes(before[:changed] + after[changed : changed + torn_at] + before[changed + torn_at :])
    assert store.read() == first
    store.replace(second)
    assert store.read() == second
    store.close()


def test_a_file_with_nothing_readable_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(b"something else")
    store = HeadStore(path)
    with pytest.raises(HeadDamaged):
        store.read()
    with pytest.raises(HeadDamaged):
        store.replace(a_head(1))
    store.close()
    assert path.read_bytes() == b"something else"


def test_a_note_too_large_for_a_slot_is_refused(tmp_path: Path) -> None:
    store = HeadStore(tmp_path / "head")
    with pytest.raises(ValueError, match="slot"):
        store.replace("x" * SLOT_BYTES)
    store.close()
