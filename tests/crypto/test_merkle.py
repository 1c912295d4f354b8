"""The tree against the vectors of RFC 6962 and against a plain recursive definition."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Refusal
from crypto.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)

#: The eight leaves used by the Certificate Transparency project, with the roots of trees 1 to 8.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@cache
def naive_root(start: int, end: int) -> bytes:
    """The definition of RFC 6962 §2.1, word for word, over the leaves b"0", b"1", …"""
    if end - start == 0:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\x00" + str(start).encode()).digest()
    split = 1
    while split * 2 < end - start:
        split *= 2
    return sha256(b"\x01" + naive_root(start, start + split) + naive_root(start + split, end)).digest()


def naive_read(size: int) -> Callable[[int, int], bytes]:
    """A reader that fails if asked for a subtree that is not complete."""

    def read(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size
        return naive_root(index << level, (index + 1) << level)

    return read


def test_the_roots_of_the_well_known_eight_leaves() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier.append(leaf_hash(leaf))
        assert frontier.root().hex() == root


def test_a_well_known_inclusion_and_a_well_known_consistency_proof() -> None:
    """From the reference tests of the Certificate Transparency project."""
    hashes = [leaf_hash(leaf) for leaf in LEAVES]

    def read(level: int, index: int) -> bytes:
        if level == 0:
            return hashes[index]
        return node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    assert [node.hex() for node in inclusion_path(5, 8, read)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [node.hex() for node in consistency_path(2, 5, read)] == [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]


@pytest.mark.parametrize("size", range(1, 65))
def test_every_inclusion_proof_of_a_tree_holds_and_no_other(size: int) -> None:
    root = naive_root(0, size)
    for index in range(size):
        path = inclusion_path(index, size, naive_read(size))
        hashed = naive_root(index, index + 1)
        verify_inclusion(index, size, hashed, path, root)
        with pytest.raises(Refusal, match="proof-invalid"):
            verify_inclusion(index, size, hashed, [*path, hashed], root)
        with pytest.raises(Refusal):
            verify_inclusion(index, size, hashed, path, EMPTY_ROOT)
        if path:
            with pytest.raises(Refusal):
                verify_inclusion(index, size, hashed, path[:-1], root)
            with pytest.raises(Refusal):
                verify_inclusion(index, size, root, path, root)
            with pytest.raises(Refusal):
                verify_inclusion(index ^ 1 if index ^ 1 < size else 0, size, hashed, path, root)


@pytest.mark.parametrize("size", range(1, 65))
def test_every_consistency_proof_of_a_tree_holds_and_no_other(size: int) -> None:
    root = naive_root(0, size)
    for old in range(size + 1):
        path = consistency_path(old, size, naive_read(size))
        old_root = naive_root(0, old)
        verify_consistency(old, size, old_root, root, path)
        with pytest.raises(Refusal):
            verify_consistency(old, size, old_root, root, [*path, root])
        with pytest.raises(Refusal):
            verify_consistency(old, size, b"\x01" * 32, root, path)
        if old not in (0, size):
            with pytest.raises(Refusal):
                verify_consistency(old, size, old_root, EMPTY_ROOT, path)
            with pytest.raises(Refusal):
                verify_consistency(old, size, old_root, root, path[:-1])


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_survives_writing_and_reading_and_grows_alike(size: int, more: int) -> None:
    frontier = Frontier()
    for index in range(size):
        frontier.append(naive_root(index, index + 1))
    again = Frontier.from_bytes(frontier.to_bytes())
    twin = frontier.copy()
    for index in range(size, size + more):
        again.append(naive_root(index, index + 1))
    assert again.root() == naive_root(0, size + more)
    assert (twin.size, twin.root()) == (size, naive_root(0, size))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 7, b"\0" * 8 + b"x" * 32, b"\0" * 7 + b"\x01" + b"x" * 31, b"\xff" * 8]
)
def test_a_damaged_frontier_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal, match="malformed"):
        Frontier.from_bytes(data)


def test_a_proof_at_a_million_leaves_is_at_most_640_bytes() -> None:
    path = inclusion_path(123_456, 1_000_000, lambda level, index: bytes(32))
    assert 32 * len(path) <= 640
    worst = max(
        len(consistency_path(old, 1_000_000, lambda level, index: bytes(32)))
        for old in range(1, 1_000_000, 997)
    )
    assert 32 * worst <= 1_248


def test_hostile_sizes_are_refused_before_any_loop() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 4), (0, MAX_SIZE + 1), (2**80, 2**81)):
        with pytest.raises(Refusal):
            verify_inclusion(index, size, EMPTY_ROOT, [], EMPTY_ROOT)
        with pytest.raises(ValueError, match="not in the tree"):
            inclusion_path(index, size, naive_read(1))
    for old, size in ((5, 4), (-1, 4), (1, MAX_SIZE + 1)):
        with pytest.raises(Refusal):
            verify_consistency(old, size, EMPTY_ROOT, EMPTY_ROOT, [])
        with pytest.raises(ValueError, match="smaller"):
            consistency_path(old, size, naive_read(1))


def test_a_subtree_root_needs_complete_subtrees_only() -> None:
    assert subtree_root(0, 0, naive_read(0)) == EMPTY_ROOT
    assert subtree_root(64, 64 + 37, naive_read(101)) == naive_root(64, 101)


def test_a_proof_in_a_smaller_tree_is_none_in_a_larger_one_of_the_same_root() -> None:
    path = inclusion_path(0, 4, naive_read(4))
    verify_inclusion(0, 4, naive_root(0, 1), path, naive_root(0, 4))
    with pytest.raises(Refusal, match="too short"):
        verify_inclusion(0, 8, naive_root(0, 1), path, naive_root(0, 4))
