"""Padded parts over chunked encryption (C2SP, ``cryptography.cobblestone``), both digests in one pass.

Sizes and the context that ties a part to its bundle are in ``crypto.partformat``. The library
makes the salt, so no nonce passes through here; it commits to the key and proves order and
end. Large parts move through the reused buffers and threads of ``crypto.pipeline``, so memory
does not depend on the size.
What ``open_part`` writes is unproven until it returns: quarantine is the caller's.
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
    "SealedPart",
    "decrypt_part",
    "encrypt_part",
    "manifest_size",
    "open_bytes",
    "open_part",
    "padme",
    "part_context",
    "seal_bytes",
    "seal_part",
    "sealed_size",
]

_BUFFER_SIZE = 1 << 20
_SEALED_BUFFER_SIZE = HEADER_SIZE + _BUFFER_SIZE + _BUFFER_SIZE // CHUNK_SIZE * TAG_SIZE
# One slot is filled while one is hashed and written. Opening has more threads, and two more slots keep
# them from waiting for each other. More gained nothing that could be told from noise.
_SLOTS_SEALING, _SLOTS_OPENING = 2, 4

Progress = Callable[[int], None]


def encrypt_part(plain: bytes | memoryview, *, bk: bytes, bid: str, n: int, padding: int = 0) -> bytes:
    """Return the ciphertext of ``plain`` and of ``padding`` zeros behind it, all of it in memory."""
    encryptor = Cobblestone256Encryptor(bk, part_context(bid, n))
    head = encryptor.update(plain)
    if padding:
        head += encryptor.update(bytes(padding))
    return head + encryptor.finalize()


def decrypt_part(sealed: bytes | memoryview, *, bk: bytes, bid: str, n: int, padded: int) -> bytes:
    """Return the plaintext of a part that fits in memory, ``padded`` bytes, padding included.

    Raises:
        Refusal: ``content-digest``: cut short, changed, or of another size.
    """
    decryptor = Cobblestone256Decryptor(bk, part_context(bid, n))
    try:
        plain = decryptor.update(sealed) + decryptor.finalize()
    except InvalidTag:
        raise Refusal("content-digest", "part ends early or does not decrypt") from None
    if len(plain) != padded:
        raise Refusal("content-digest", "part is longer or shorter than its manifest says")
    return plain


def seal_bytes(
    plain: bytes | memoryview, *, bk: bytes, bid: str, n: int, pad: bool = True
) -> tuple[bytes, SealedPart]:
    """Return the sealed part of a document that is in memory, and its facts."""
    size = len(plain)
    sealed = encrypt_part(plain, bk=bk, bid=bid, n=n, padding=padded_size(size, pad) - size)
    return sealed, SealedPart(
        n=n,
        plain_size=size,
        plain_sha256=hashlib.sha256(plain).hexdigest(),
        size=len(sealed),
        sha256=hashlib.sha256(sealed).hexdigest(),
    )


def open_bytes(
    sealed: bytes | memoryview, *, bk: bytes, bid: str, n: int, plain_size: int, pad: bool = True
) -> bytes:
    """Return the document in a sealed part that is in memory; its padding is checked and removed.

    Raises:
        Refusal: ``content-digest``.
    """
    plain = decrypt_part(sealed, bk=bk, bid=bid, n=n, padded=padded_size(plain_size, pad))
    _check_padding(plain[plain_size:], 0)
    return plain[:plain_size]


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

    def hash_and_write(sealed: memoryview) -> None:
        sealed_digest.update(sealed)
        write_all(sink, sealed)

    # Two threads with as much to do each: here reading, encrypting and one digest, there the other
    # digest and writing. On two processors a thread for each is slower by 5 %; on four it may be quicker.
    slots = [Slot(_BUFFER_SIZE, _SEALED_BUFFER_SIZE) for _ in range(_SLOTS_SEALING)]
    with Worker(hash_and_write) as worker:
        for index, start in enumerate(range(0, padded, _BUFFER_SIZE)):
            slot = slots[index % _SLOTS_SEALING]
            slot.wait()
            piece = min(_BUFFER_SIZE, padded - start)
            content = min(piece, left)
            if fill(source, slot.source[:content]) != content:
                raise ValueError("source is shorter than announced")
            slot.source[content:piece] = bytes(piece - content)
            left -= content
            sealed = slot.target[: encryptor.update_into(slot.source[:piece], slot.target)]
            slot.give(worker, sealed)
            plain_digest.update(slot.source[:content])
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
    slots = [Slot(_BUFFER_SIZE, _BUFFER_SIZE + CHUNK_SIZE) for _ in range(_SLOTS_OPENING)]
    with ExitStack() as stack:
        takers = [stack.enter_context(Worker(plain_digest.update))]
        if sink is not None:
            takers.append(stack.enter_context(Worker(partial(write_all, sink))))
        hash_sealed = None
        if sealed_sha256 is not None:
            hash_sealed = stack.enter_context(Worker(sealed_digest.update))
        for index in range(-(-sealed_left // _BUFFER_SIZE) + 1):
            slot = slots[index % _SLOTS_OPENING]
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
    data, sealed = seal_bytes(plain, bk=bk, bid=bid, n=n, pad=pad)
    write_all(sink, memoryview(data))
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
    plain = open_bytes(sealed, bk=bk, bid=bid, n=n, plain_size=plain_size, pad=pad)
    computed = "" if sealed_sha256 is None else hashlib.sha256(sealed).hexdigest()
    _compare(hashlib.sha256(plain).hexdigest(), plain_sha256, computed, sealed_sha256)
    if sink is not None:
        write_all(sink, memoryview(plain))
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
