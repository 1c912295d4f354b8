"""Bytes on their way through reused buffers and a few threads; knows no format and no key.

A producer fills buffers in turn and hands pieces of them to workers, which hash them and write them
to the sink, since SHA-256 and the copy into a file are the cost. Each worker keeps the order
given; a buffer is filled again only when all are done with it, so memory does not depend on the size.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Protocol


class ByteSource(Protocol):
    """What a part is read from: any binary file object."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


class ByteSink(Protocol):
    """Where a part is written to: any binary file object; may be called from another thread."""

    def write(self, data: memoryview, /) -> int | None: ...


def fill(source: ByteSource, buffer: memoryview) -> int:
    """Read until the buffer is full or the source ends; return the number of bytes read."""
    done = 0
    while done < len(buffer):
        count = source.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


def at_end(source: ByteSource) -> bool:
    """Tell whether the source has nothing more; takes a byte from it if it has."""
    return not fill(source, memoryview(bytearray(1)))


def write_all(sink: ByteSink, data: memoryview) -> None:
    """Write everything, also to a raw file, which may take less than it is given."""
    while data:
        data = data[sink.write(data) or 0 :]


class Slot:
    """A pair of buffers that may be filled again once no worker needs them."""

    def __init__(self, source_size: int, target_size: int) -> None:
        self.source = memoryview(bytearray(source_size))
        self.target = memoryview(bytearray(target_size))
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._given = 0

    def give(self, worker: "Worker", piece: memoryview) -> None:
        """Have ``worker`` take a piece of these buffers after all that it was given before."""
        self._given += 1
        worker.put(piece, self)

    def wait(self) -> None:
        """Wait until the buffers are free; raise what a worker that had them raised."""
        while self._given:
            self._given -= 1
            failure = self.done.get()
            if failure is not None:
                raise failure


class Worker:
    """Does one thing with every piece in a thread of its own, which ends with the ``with`` block.

    After a failure it does nothing more; the failure is raised where its slot is waited for, or
    at the end of the block. If the block itself fails, pieces that wait are passed over.
    """

    def __init__(self, work: Callable[[memoryview], object]) -> None:
        self._work = work
        self._given: SimpleQueue[tuple[memoryview, Slot] | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="part", daemon=True)

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._stopped = kind is not None
        self._given.put(None)
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def put(self, piece: memoryview, slot: Slot) -> None:
        """Queue a piece; ``slot`` is told when it was done or passed over."""
        self._given.put((piece, slot))

    def _run(self) -> None:
        while (item := self._given.get()) is not None:
            piece, slot = item
            if self._failure is None and not self._stopped:
                try:
                    self._work(piece)
                except BaseException as failure:
                    self._failure = failure
            slot.done.put(self._failure)
