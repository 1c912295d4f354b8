"""Reading a container as its bytes arrive (docs/bundle.md section 5).

Bounded: holds at most one envelope, never a part. Says what the bytes are, not whether they
are right: the caller judges the envelope at its event, before it takes anything that
follows, and compares each part's digest with the envelope's (step 10).
"""

from typing import Literal

from crypto.envelope import ENVELOPE_LIMIT, MAGIC, Envelope, parse_envelope
from crypto.errors import Refusal

_PREFIX_SIZE = len(MAGIC) + 4

#: ("envelope", jws) once, then ("part", n, chunk) … and ("part_end", n) for each part in order.
Event = (
    tuple[Literal["envelope"], bytes]
    | tuple[Literal["part"], int, memoryview]
    | tuple[Literal["part_end"], int]
)


class ContainerReader:
    """Push parser of one container.

    Chunks in events are views of the bytes that were fed: used before those change, or copied.

    Attributes:
        envelope: The parsed envelope once its event was returned.
    """

    def __init__(self, *, max_bytes: int | None = None) -> None:
        self.envelope: Envelope | None = None
        self._max_bytes = max_bytes
        self._head = bytearray()
        self._n = 0
        self._left = 0

    @classmethod
    def resume(cls, envelope: Envelope, offset: int) -> "ContainerReader":
        """Return a reader that has already taken ``offset`` bytes, at least up to part 0.

        Raises:
            ValueError: the offset lies before part 0 or after the end.
        """
        if not envelope.part_offset(0) <= offset <= envelope.container_size:
            raise ValueError("offset outside the parts")
        reader = cls()
        reader.envelope = envelope
        reader._left = envelope.part_offset(1) - offset
        while reader._left <= 0 and reader._n < len(envelope.parts):
            reader._next_part(after=-reader._left)
        return reader

    def _next_part(self, *, after: int = 0) -> None:
        self._n += 1
        assert self.envelope is not None
        if self._n < len(self.envelope.parts):
            self._left = self.envelope.parts[self._n].size - after

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Return what ``data`` completes, in order.

        Raises:
            Refusal: of steps 1 and 2; ``too-large`` for a container above ``max_bytes``;
                ``malformed`` for bytes after the last part.
        """
        events: list[Event] = []
        view = memoryview(data)
        if self.envelope is None:
            view = self._feed_head(view)
            if self.envelope is None:
                return events
            events.append(("envelope", self.envelope.jws))
        parts = self.envelope.parts
        while view:
            if self._n == len(parts):
                raise Refusal("malformed", "bytes after the last part", step=10)
            chunk = view[: self._left]
            view = view[len(chunk) :]
            self._left -= len(chunk)
            events.append(("part", self._n, chunk))
            if not self._left:
                events.append(("part_end", self._n))
                self._next_part()
        return events

    def _feed_head(self, view: memoryview) -> memoryview:
        head = self._head
        view = self._take(view, _PREFIX_SIZE)
        if head[: len(MAGIC)] != MAGIC[: len(head)]:
            raise Refusal("malformed", "container: magic", step=1)
        if len(head) < _PREFIX_SIZE:
            return view
        length = int.from_bytes(head[len(MAGIC) : _PREFIX_SIZE], "big")
        if length > ENVELOPE_LIMIT:
            raise Refusal("malformed", "container: envelope too long", step=1)
        view = self._take(view, _PREFIX_SIZE + length)
        if len(head) == _PREFIX_SIZE + length:
            envelope = read_envelope(bytes(head[_PREFIX_SIZE:]))
            if self._max_bytes is not None and envelope.container_size > self._max_bytes:
                raise Refusal("too-large", "container", step=9)
            self.envelope = envelope
            self._left = envelope.parts[0].size
            head.clear()
        return view

    def _take(self, view: memoryview, wanted: int) -> memoryview:
        missing = max(wanted - len(self._head), 0)
        self._head += view[:missing]
        return view[missing:]

    def finish(self) -> None:
        """Return if the container is complete.

        Raises:
            Refusal: ``incomplete``.
        """
        if self.envelope is None or self._n < len(self.envelope.parts):
            raise Refusal("incomplete", "container ends early", step=1)


def read_envelope(jws: bytes) -> Envelope:
    """Return the envelope after steps 1 and 2, with the step in the refusal.

    Raises:
        Refusal: ``malformed``, ``version``, ``sig-invalid``.
    """
    try:
        return parse_envelope(jws)
    except Refusal as refusal:
        refusal.step = 1 if refusal.code == "malformed" else 2
        raise
