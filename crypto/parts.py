"""Padded parts over chunked encryption (C2SP, ``cryptography.cobblestone``), both digests in one pass.

Sizes and the context that ties a part to its bundle are in ``crypto.partformat``. The library
makes the salt, so no nonce passes through here; it commits to the key and proves order and
end. Large parts move through the reused buffers and threads of ``crypto.pipeline``, so memory
does not depend on the size.
What an opener hands out is unproven until ``finish`` returns: quarantine is the caller's.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from crypto.errors import Refusal
from crypto.partformat import (
    CHUNK_SIZE,
    HEADER_SIZE,
    MANIFEST_BLOCK,
    TAG_SIZE,
    SealedPart,
    manifest_size,
    padded_size,
    padme,
    part_context,
    sealed_size,
)
from crypto.pipeline import ByteSink, ByteSource, Slot, Worker, at_end, fill, write_all

__all__ = [
    "CHUNK_SIZE",
    "MANIFEST_BLOCK",
    "ByteSink",
    "ByteSource",
    "PartOpener",
    "PartSealer",
    "SealedPart",
    "manifest_size",
    "open_part",
    "padme",
    "part_context",
    "seal_part",
    "sealed_size",
]

_BUFFER_SIZE = 1 << 20
_SEALED_BUFFER_SIZE = HEADER_SIZE + _BUFFER_SIZE + _BUFFER_SIZE // CHUNK_SIZE * TAG_SIZE
# One slot is filled while one is hashed and written; the others keep the threads from waiting for
# each other. More of them gained nothing that could be told from noise.
_SLOTS = 4

Progress = Callable[[int], None]


class PartSealer:
    """Seals one part from pieces. For parts that fit in memory: ``finish`` returns all padding at once."""

    def __init__(self, bk: bytes, bid_hex: str, n: int, *, plain_size: int, pad: bool = True) -> None:
        self._encryptor = Cobblestone256Encryptor(bk, part_context(bid_hex, n))
        self._n = n
        self._plain_size = plain_size
        self._left = plain_size
        self._size = 0
        self._padding = padded_size(plain_size, pad) - plain_size
        self._plain = hashlib.sha256()
        self._sealed = hashlib.sha256()

    def _emit(self, sealed: bytes) -> bytes:
        self._size += len(sealed)
        self._sealed.update(sealed)
        return sealed

    def update(self, data: bytes | memoryview) -> bytes:
        """Return the ciphertext that ``data`` completes.

        Raises:
            ValueError: more than ``plain_size`` bytes.
        """
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("source is longer than announced")
        self._plain.update(data)
        return self._emit(self._encryptor.update(data))

    def finish(self) -> tuple[bytes, SealedPart]:
        """Return the last ciphertext and the facts about the whole part.

        Raises:
            ValueError: fewer than ``plain_size`` bytes came.
        """
        if self._left:
            raise ValueError("source is shorter than announced")
        tail = self._encryptor.update(bytes(self._padding)) if self._padding else b""
        tail = self._emit(tail + self._encryptor.finalize())
        return tail, SealedPart(
            n=self._n,
            plain_size=self._plain_size,
            plain_sha256=self._plain.hexdigest(),
            size=self._size,
            sha256=self._sealed.hexdigest(),
        )


class PartOpener:
    """Opens one part from pieces; padding is checked and removed."""

    def __init__(self, bk: bytes, bid_hex: str, n: int, *, plain_size: int, pad: bool = True) -> None:
        self._decryptor = Cobblestone256Decryptor(bk, part_context(bid_hex, n))
        self._left = plain_size
        self._padding = padded_size(plain_size, pad) - plain_size
        self._plain = hashlib.sha256()

    def _strip(self, plain: bytes) -> bytes:
        content = plain[: self._left]
        padding = plain[len(content) :]
        self._left -= len(content)
        self._padding -= len(padding)
        _check_padding(padding, self._padding)
        self._plain.update(content)
        return content

    def update(self, data: bytes | memoryview) -> bytes:
        """Return plaintext that is authentic, but whose end is not yet proven.

        Raises:
            Refusal: ``content-digest``.
        """
        try:
            return self._strip(self._decryptor.update(data))
        except InvalidTag:
            raise Refusal("content-digest", "part does not decrypt") from None

    def finish(self) -> tuple[bytes, str]:
        """Return the last plaintext and the hex digest of the whole.

        Raises:
            Refusal: ``content-digest``: cut short, another size, or padding that is not zero.
        """
        try:
            rest = self._strip(self._decryptor.finalize())
        except InvalidTag:
            raise Refusal("content-digest", "part ends early or does not decrypt") from None
        _check_end(self._left, self._padding)
        return rest, self._plain.hexdigest()


def _check_padding(padding: bytes | memoryview, left: int) -> None:
    if left < 0:
        raise Refusal("content-digest", "part is longer than its manifest says")
    if padding != bytes(len(padding)):
        raise Refusal("content-digest", "padding is not zero")


def _check_end(left: int, padding: int) -> None:
    if left or padding:
        raise Refusal("content-digest", "part is shorter than its manifest says")


def seal_part(
    source: ByteSource,
    sink: ByteSink,
    *,
    bk: bytes,
    bid: str,
    n: int,
    plain_size: int,
    pad: bool = True,
    progress: Progress | None = None,
) -> SealedPart:
    """Seal ``source`` into ``sink`` in constant memory; nothing is flushed or synced.

    ``progress`` is called with the number of plaintext bytes done since its last call.

    Raises:
        ValueError: ``source`` does not hold exactly ``plain_size`` bytes.
    """
    padded = padded_size(plain_size, pad)
    if padded < _BUFFER_SIZE:
        return _seal_small(source, sink, bk, bid, n, plain_size, pad, progress)
    encryptor = Cobblestone256Encryptor(bk, part_context(bid, n))
    left, size = plain_size, 0
    plain_digest, sealed_digest = hashlib.sha256(), hashlib.sha256()
    slots = [Slot(_BUFFER_SIZE, _SEALED_BUFFER_SIZE) for _ in range(_SLOTS)]
    with (
        Worker(plain_digest.update) as hash_plain,
        Worker(sealed_digest.update) as hash_sealed,
        Worker(partial(write_all, sink)) as write,
    ):
        for index, start in enumerate(range(0, padded, _BUFFER_SIZE)):
            slot = slots[index % _SLOTS]
            slot.wait()
            piece = min(_BUFFER_SIZE, padded - start)
            content = min(piece, left)
            if fill(source, slot.source[:content]) != content:
                raise ValueError("source is shorter than announced")
            slot.source[content:piece] = bytes(piece - content)
            left -= content
            slot.give(hash_plain, slot.source[:content])
            sealed = slot.target[: encryptor.update_into(slot.source[:piece], slot.target)]
            slot.give(hash_sealed, sealed)
            slot.give(write, sealed)
            size += len(sealed)
            if progress is not None:
                progress(content)
        _refuse_more(source)
    tail = encryptor.finalize()
    sealed_digest.update(tail)
    write_all(sink, memoryview(tail))
    return SealedPart(
        n=n,
        plain_size=plain_size,
        plain_sha256=plain_digest.hexdigest(),
        size=size + len(tail),
        sha256=sealed_digest.hexdigest(),
    )


def open_part(
    source: ByteSource,
    sink: ByteSink | None,
    *,
    bk: bytes,
    bid: str,
    n: int,
    plain_size: int,
    plain_sha256: str,
    pad: bool = True,
    sealed_sha256: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Open ``source`` into ``sink`` (``None``: only check) in constant memory.

    What ``sink`` holds is to be shown to nobody unless this returns. ``sealed_sha256`` has
    the ciphertext's digest checked in the same pass, for a part that nothing has hashed yet.

    Raises:
        Refusal: ``content-digest``, or ``part-digest`` for the digest of the ciphertext.
    """
    padded = padded_size(plain_size, pad)
    if padded < _BUFFER_SIZE:
        _open_small(source, sink, bk, bid, n, plain_size, plain_sha256, pad, sealed_sha256, progress)
        return
    decryptor = Cobblestone256Decryptor(bk, part_context(bid, n))
    content_left, padding_left, sealed_left = plain_size, padded - plain_size, sealed_size(padded)
    plain_digest, sealed_digest = hashlib.sha256(), hashlib.sha256()
    slots = [Slot(_BUFFER_SIZE, _BUFFER_SIZE + CHUNK_SIZE) for _ in range(_SLOTS)]
    with ExitStack() as stack:
        takers = [stack.enter_context(Worker(plain_digest.update))]
        if sink is not None:
            takers.append(stack.enter_context(Worker(partial(write_all, sink))))
        hash_sealed = None
        if sealed_sha256 is not None:
            hash_sealed = stack.enter_context(Worker(sealed_digest.update))
        for index in range(-(-sealed_left // _BUFFER_SIZE) + 1):
            slot = slots[index % _SLOTS]
            slot.wait()
            # The last round reads nothing more and takes what the decryptor held back.
            piece = fill(source, slot.source[: min(_BUFFER_SIZE, sealed_left)])
            if sealed_left and not piece:
                raise Refusal("content-digest", "part ends early")
            if hash_sealed is not None:
                slot.give(hash_sealed, slot.source[:piece])
            opened = _decrypt(decryptor, slot, piece, last=not sealed_left)
            sealed_left -= piece
            content = min(opened, content_left)
            content_left -= content
            padding_left -= opened - content
            _check_padding(slot.target[content:opened], padding_left)
            for taker in takers:
                slot.give(taker, slot.target[:content])
            if progress is not None:
                progress(content)
        if not at_end(source):
            raise Refusal("content-digest", "bytes after the part")
        _check_end(content_left, padding_left)
    _compare(plain_digest.hexdigest(), plain_sha256, sealed_digest.hexdigest(), sealed_sha256)


def _decrypt(decryptor: Cobblestone256Decryptor, slot: Slot, piece: int, *, last: bool) -> int:
    try:
        if not last:
            return decryptor.update_into(slot.source[:piece], slot.target)
        tail = decryptor.finalize()
    except InvalidTag:
        raise Refusal("content-digest", "part does not decrypt") from None
    slot.target[: len(tail)] = tail
    return len(tail)


def _seal_small(
    source: ByteSource,
    sink: ByteSink,
    bk: bytes,
    bid: str,
    n: int,
    plain_size: int,
    pad: bool,
    progress: Progress | None,
) -> SealedPart:
    plain = memoryview(bytearray(plain_size))
    if fill(source, plain) != plain_size:
        raise ValueError("source is shorter than announced")
    _refuse_more(source)
    sealer = PartSealer(bk, bid, n, plain_size=plain_size, pad=pad)
    head = sealer.update(plain)
    tail, sealed = sealer.finish()
    write_all(sink, memoryview(head + tail))
    if progress is not None:
        progress(plain_size)
    return sealed


def _open_small(
    source: ByteSource,
    sink: ByteSink | None,
    bk: bytes,
    bid: str,
    n: int,
    plain_size: int,
    plain_sha256: str,
    pad: bool,
    sealed_sha256: str | None,
    progress: Progress | None,
) -> None:
    size = sealed_size(padded_size(plain_size, pad))
    # One byte more than allowed, so that appended bytes are seen.
    sealed = memoryview(bytearray(size + 1))
    if fill(source, sealed) != size:
        raise Refusal("content-digest", "part has another size")
    sealed = sealed[:size]
    opener = PartOpener(bk, bid, n, plain_size=plain_size, pad=pad)
    head = opener.update(sealed)
    tail, digest = opener.finish()
    computed = "" if sealed_sha256 is None else hashlib.sha256(sealed).hexdigest()
    _compare(digest, plain_sha256, computed, sealed_sha256)
    if sink is not None:
        write_all(sink, memoryview(head + tail))
    if progress is not None:
        progress(plain_size)


def _compare(plain: str, plain_expected: str, sealed: str, sealed_expected: str | None) -> None:
    if sealed_expected is not None and sealed != sealed_expected:
        raise Refusal("part-digest", "ciphertext digest")
    if plain != plain_expected:
        raise Refusal("content-digest", "plaintext digest")


def _refuse_more(source: ByteSource) -> None:
    if not at_end(source):
        raise ValueError("source is longer than announced")
