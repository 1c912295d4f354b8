"""Parts: exact sizes, zero padding, constant memory, and one pass for both digests."""

import errno
import io
import os
import threading
import tracemalloc
from collections.abc import Callable
from hashlib import sha256

import pytest

from crypto import parts
from crypto.errors import Refusal
from crypto.parts import (
    manifest_size,
    open_bytes,
    open_part,
    padme,
    part_context,
    seal_bytes,
    seal_part,
    sealed_size,
)
from tests.crypto.chunked import read_chunked

BK, BID = bytes(range(32)), "ab" * 16
MIB = 1 << 20
SIZES = [0, 1, 2, 9, 4096, 16383, 16384, 16385, 100_000]
LARGE = [MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 12_345]


def _seal(plain: bytes, **more: bool) -> tuple[bytes, parts.SealedPart]:
    sink = io.BytesIO()
    facts = seal_part(io.BytesIO(plain), sink, bk=BK, bid=BID, n=1, plain_size=len(plain), **more)
    return sink.getvalue(), facts


def _open(sealed: bytes, plain: bytes, sink: io.BytesIO | None = None, **more: object) -> None:
    how: dict = {"plain_size": len(plain), "plain_sha256": sha256(plain).hexdigest(), **more}
    open_part(io.BytesIO(sealed), sink, bk=BK, bid=BID, n=1, **how)


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (8, 8),
        (9, 10),
        (10, 10),
        (11, 12),
        (100, 104),
        (1000, 1024),
        (10**6, 1015808),
    ],
)
def test_padme_pads_as_published(size: int, padded: int) -> None:
    assert padme(size) == padded


def test_padme_never_costs_more_than_an_eighth_and_never_shrinks() -> None:
    for size in [*range(5000), *(10**power + 7 for power in range(4, 13))]:
        assert size <= padme(size) <= size + size // 8 + 1
        assert padme(padme(size)) == padme(size)
    assert padme((1 << 30) + 1) < (1 << 30) * 1.032


def test_part_0_is_a_multiple_of_4096() -> None:
    assert [manifest_size(length) for length in (0, 1, 4092, 4093, 8188, 8189)] == [
        4096,
        4096,
        4096,
        8192,
        8192,
        12288,
    ]


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", SIZES + LARGE)
def test_what_was_sealed_opens_and_has_the_size_that_was_promised(size: int, pad: bool) -> None:
    plain = os.urandom(size)
    sealed, facts = _seal(plain, pad=pad)
    padded = padme(size) if pad else size
    assert (facts.size, facts.plain_size) == (len(sealed), size)
    assert len(sealed) == sealed_size(padded) == 56 + padded + 16 * (padded // 16384 + 1)
    assert facts.plain_sha256 == sha256(plain).hexdigest()
    assert facts.sha256 == sha256(sealed).hexdigest()
    sink = io.BytesIO()
    _open(sealed, plain, sink, pad=pad, sealed_sha256=facts.sha256)
    assert sink.getvalue() == plain
    _open(sealed, plain, None, pad=pad)


@pytest.mark.parametrize("size", [0, 9, 16384, 100_000, MIB + 1])
def test_an_independent_reader_reads_what_we_seal(size: int) -> None:
    plain = os.urandom(size)
    sealed, _ = _seal(plain)
    assert read_chunked(BK, part_context(BID, 1), sealed) == plain.ljust(padme(size), b"\0")


@pytest.mark.parametrize("size", [0, 1, 500, 16_384, 40_001])
def test_bytes_in_memory_give_what_files_give(size: int) -> None:
    plain = os.urandom(size)
    sealed, facts = seal_bytes(plain, bk=BK, bid=BID, n=1)
    assert facts.sha256 == sha256(sealed).hexdigest()
    assert (facts.size, facts.plain_size, facts.plain_sha256) == (
        len(sealed),
        size,
        sha256(plain).hexdigest(),
    )
    assert open_bytes(sealed, bk=BK, bid=BID, n=1, plain_size=size) == plain
    _open(sealed, plain)
    assert open_bytes(_seal(plain)[0], bk=BK, bid=BID, n=1, plain_size=size) == plain


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "cut by one": lambda sealed: sealed[:-1],
    "cut at a chunk": lambda sealed: sealed[: 56 + 16400],
    "cut to nothing": lambda sealed: b"",
    "a byte more": lambda sealed: sealed + b"\0",
    "header flipped": lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
    "commitment flipped": lambda sealed: sealed[:30] + bytes([sealed[30] ^ 1]) + sealed[31:],
    "chunks swapped": lambda sealed: sealed[:56] + sealed[16456:32856] + sealed[56:16456] + sealed[32856:],
    "chunk left out": lambda sealed: sealed[:56] + sealed[16456:],
    "chunk doubled": lambda sealed: sealed[:16456] + sealed[56:],
    "last byte flipped": lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 128]),
}


@pytest.mark.parametrize("size", [100_000, MIB + 100_000])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_part_is_refused(damage: Damage, size: int) -> None:
    plain = os.urandom(size)
    sealed, _ = _seal(plain)
    with pytest.raises(Refusal) as caught:
        _open(damage(sealed), plain)
    assert caught.value.code == "content-digest"


@pytest.mark.parametrize("size", [5000, MIB + 5000])
def test_a_part_of_another_bundle_number_or_key_is_refused(size: int) -> None:
    plain = os.urandom(size)
    sealed, facts = _seal(plain)
    right: dict = {"bk": BK, "bid": BID, "n": 1, "plain_size": size, "plain_sha256": facts.plain_sha256}
    open_part(io.BytesIO(sealed), None, **right)
    for wrong in (
        {"bk": bytes(32)},
        {"bid": "cd" * 16},
        {"n": 2},
        {"plain_size": size - 1},
        {"plain_size": size + 1},
        {"plain_size": 10 * size},
        {"pad": False},
        {"plain_sha256": "0" * 64},
    ):
        with pytest.raises(Refusal) as caught:
            open_part(io.BytesIO(sealed), None, **(right | wrong))
        assert caught.value.code == "content-digest", wrong
    with pytest.raises(Refusal, match="part-digest"):
        open_part(io.BytesIO(sealed), None, **right, sealed_sha256="0" * 64)


@pytest.mark.parametrize("size", [10_000, MIB + 10_000])
@pytest.mark.parametrize("position", [0, -1])
def test_bytes_hidden_in_the_padding_are_refused(size: int, position: int) -> None:
    padding = bytearray(padme(size) - size)
    padding[position] = 1
    sealed, _ = _seal(bytes(size) + bytes(padding), pad=False)
    with pytest.raises(Refusal, match="padding"):
        _open(sealed, bytes(size))


@pytest.mark.parametrize("padded", [10_000, 10_239, 10_241, 20_000])
def test_bytes_with_another_amount_of_padding_are_refused(padded: int) -> None:
    sealed, _ = _seal(bytes(padded), pad=False)
    with pytest.raises(Refusal, match="than its manifest says"):
        open_bytes(sealed, bk=BK, bid=BID, n=1, plain_size=10_000)


@pytest.mark.parametrize("size", [10_000, MIB + 10_000])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_source_that_changed_its_size_is_not_sealed(size: int, difference: int) -> None:
    with pytest.raises(ValueError, match="than announced"):
        seal_part(io.BytesIO(bytes(size + difference)), io.BytesIO(), bk=BK, bid=BID, n=1, plain_size=size)


def test_no_two_parts_share_a_salt() -> None:
    salts = {_seal(b"same")[0][:24] for _ in range(2000)}
    assert len(salts) == 2000


class _Trickle(io.RawIOBase):
    """A source that gives, and a sink that takes, less than it was offered."""

    def __init__(self, data: bytes = b"") -> None:
        self._source = io.BytesIO(data)
        self.taken = bytearray()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._source.readinto(buffer[:70_001])

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        self.taken += data[:99_991]
        return min(len(data), 99_991)


def test_short_reads_and_writes_lose_nothing() -> None:
    plain = os.urandom(MIB + 77)
    sink = _Trickle()
    facts = seal_part(_Trickle(plain), sink, bk=BK, bid=BID, n=1, plain_size=len(plain))
    assert sha256(sink.taken).hexdigest() == facts.sha256
    opened = _Trickle()
    open_part(
        _Trickle(bytes(sink.taken)),
        opened,
        bk=BK,
        bid=BID,
        n=1,
        plain_size=len(plain),
        plain_sha256=facts.plain_sha256,
    )
    assert opened.taken == plain


class _Full:
    """A sink that takes ``room`` bytes and then fails as a full disk does."""

    def __init__(self, room: int) -> None:
        self._room = room

    def write(self, data: memoryview, /) -> int:
        if self._room < len(data):
            raise OSError(errno.ENOSPC, "no space")
        self._room -= len(data)
        return len(data)


@pytest.mark.parametrize("room", [0, 2 * MIB, 9 * MIB])
def test_a_sink_that_fails_at_the_start_in_between_or_near_the_end_fails_the_call(room: int) -> None:
    plain = bytes(9 * MIB)
    sealed, facts = _seal(plain)
    before = threading.active_count()
    with pytest.raises(OSError, match="no space"):
        seal_part(io.BytesIO(plain), _Full(room), bk=BK, bid=BID, n=1, plain_size=len(plain))
    with pytest.raises(OSError, match="no space"):
        open_part(
            io.BytesIO(sealed),
            _Full(min(room, 9 * MIB - 1)),
            bk=BK,
            bid=BID,
            n=1,
            plain_size=len(plain),
            plain_sha256=facts.plain_sha256,
        )
    assert threading.active_count() == before


def test_a_source_that_fails_fails_the_call_and_leaves_no_thread() -> None:
    class Broken(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            if self.tell() >= 3 * MIB:
                raise OSError(errno.EIO, "broken")
            return super().readinto(buffer)

    before = threading.active_count()
    with pytest.raises(OSError, match="broken"):
        seal_part(Broken(bytes(9 * MIB)), io.BytesIO(), bk=BK, bid=BID, n=1, plain_size=9 * MIB)
    assert threading.active_count() == before


def test_progress_adds_up_to_the_file() -> None:
    for size in (0, 1000, 2 * MIB + 5):
        plain, seen = bytes(size), []
        sink = io.BytesIO()
        facts = seal_part(io.BytesIO(plain), sink, bk=BK, bid=BID, n=1, plain_size=size, progress=seen.append)
        assert sum(seen) == size
        seen.clear()
        _open(sink.getvalue(), plain, plain_sha256=facts.plain_sha256, progress=seen.append)
        assert sum(seen) == size


class _Zeros:
    """A file of zeros that needs no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), self._left)
        buffer[:size] = bytes(size)
        self._left -= size
        return size


class _Nowhere:
    def write(self, data: memoryview, /) -> int:
        return len(data)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    peaks = []
    for size in (8 * MIB, 128 * MIB):
        tracemalloc.start()
        seal_part(_Zeros(size), _Nowhere(), bk=BK, bid=BID, n=1, plain_size=size)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 10 * MIB
    assert peaks[1] - peaks[0] < MIB
