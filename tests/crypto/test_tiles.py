"""The edge against the plain tree: same roots, same proofs, and a way back."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.merkle import Frontier, inclusion_path, leaf_hash, verify_inclusion
from crypto.tiles import TILE_BYTES, Edge, NotHeld, Tile, split_tile, tile_rows

HASHES = [leaf_hash(b"%d" % n) for n in range(1200)]
ROOTS = [Frontier().root()]
_growing = Frontier()
for _hashed in HASHES:
    _growing.append(_hashed)
    ROOTS.append(_growing.root())


def grown(size: int) -> tuple[Edge, list[Tile]]:
    edge, tiles = Edge(), []
    for hashed in HASHES[:size]:
        tiles += edge.append(hashed)
    return edge, tiles


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1024, 1199])
def test_root_and_tiles_are_those_of_the_plain_tree(size: int) -> None:
    edge, tiles = grown(size)
    assert edge.view().root() == ROOTS[size]
    assert [(tile.level, tile.n) for tile in tiles] == [(0, n) for n in range(size // 256)]
    for tile in tiles:
        assert split_tile(tile.hashes) == HASHES[tile.n * 256 : tile.n * 256 + 256]


def test_a_tile_of_the_second_level_holds_the_roots_of_the_first() -> None:
    edge, tiles = Edge(), []
    for _ in range(65_536 + 5):
        tiles += edge.append(HASHES[0])
    upper = [tile for tile in tiles if tile.level == 1]
    assert [(tile.n, len(tile.hashes)) for tile in upper] == [(0, TILE_BYTES)]
    assert split_tile(upper[0].hashes) == [tile_rows([HASHES[0]] * 256)[-1][0]] * 256
    plain = Frontier()
    for _ in range(65_536 + 5):
        plain.append(HASHES[0])
    assert edge.view().root() == plain.root()


@pytest.mark.parametrize("size", [1, 2, 100, 256, 257, 600, 1199])
def test_the_last_256_leaves_are_proved_from_memory(size: int) -> None:
    view = grown(size)[0].view()
    for index in range(max(0, size - 256), size):
        path = inclusion_path(index, size, view.node)
        verify_inclusion(index, size, HASHES[index], path, ROOTS[size])


def test_older_and_unborn_nodes_are_not_held() -> None:
    view = grown(700)[0].view()
    for level, index in ((0, 0), (0, 255), (0, 700), (1, 350), (10, 0), (20, 0)):
        with pytest.raises(NotHeld):
            view.node(level, index)


@settings(max_examples=60)
@given(st.integers(0, 1000), st.integers(0, 199), st.integers(0, 199))
def test_a_reset_forgets_exactly_what_came_after_and_older_views_stay_whole(
    size: int, lost: int, kept: int
) -> None:
    edge, _ = grown(size)
    view = edge.view()
    for _ in range(lost):
        edge.append(sha256(b"lost").digest())
    assert view.root() == ROOTS[size]
    edge.reset(view)
    for hashed in HASHES[size : size + kept]:
        edge.append(hashed)
    assert edge.view().root() == ROOTS[size + kept]
    assert view.root() == ROOTS[size]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 1000])
def test_a_stored_tree_is_resumed_from_its_unfinished_tiles(size: int) -> None:
    full = [tile_rows(HASHES[n : n + 256])[-1][0] for n in range(0, size - 255, 256)]
    edge = Edge.resume(size, [HASHES[size - size % 256 : size], full])
    for hashed in HASHES[size : size + 150]:
        edge.append(hashed)
    assert edge.view().root() == ROOTS[size + 150]
    with pytest.raises(ValueError, match="one hash per"):
        Edge.resume(size, [HASHES[: size % 256 + 1], full])


def test_memory_does_not_grow_with_the_log() -> None:
    edge = Edge()
    for _ in range(70_000):
        edge.append(HASHES[0])
    view = edge.view()
    held = sum(len(row) for rows in (*view._filling, *view._filled) if rows for row in rows)
    assert held <= 3 * 2 * 510


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="8192"):
        split_tile(bytes(TILE_BYTES - 1))
