"""A transport for tests whose answer comes later: it leaves each container as a file in the peer's box.

It keeps the whole contract of adapters (the conformance suite runs against it), so that what happens between
several channels can be told with more than one, and with one that proves nothing by itself, as mail does.
"""

import asyncio
import errno
from collections.abc import Iterator, Mapping
from pathlib import Path

from adapters.base import Adapter, Endpoint, Outcome, Parcel, ProbeOutcome, Verdict

_SUFFIX = ".gwb"


class DropboxAdapter:
    """Leaves containers in ``root/<address>/``. ``room_bytes`` is what fits into a box."""

    def __init__(self, root: Path, *, scheme: str, room_bytes: int = 1 << 30, idle_s: float = 5.0) -> None:
        self.scheme = scheme
        self._root = root
        self._room = room_bytes
        self._idle_s = idle_s
        #: While it is set, nothing gets through.
        self.is_down = False
        self.attempts = 0

    async def deliver(self, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Leave the container as one file, whole or not at all; the same one again changes nothing."""
        self.attempts += 1
        if self.is_down:
            return Outcome(verdict=Verdict.RETRY, detail="the way is closed")
        box = self._root / endpoint.address
        file = box / f"{parcel.sender}.{parcel.bid}{_SUFFIX}"
        part = file.with_suffix(".part")
        try:
            async with asyncio.timeout(self._idle_s):
                await self._write(part, parcel)
            part.replace(file)
        except (OSError, TimeoutError) as error:
            part.unlink(missing_ok=True) if box.is_dir() else None
            return Outcome(verdict=Verdict.RETRY, detail=type(error).__name__)
        return Outcome(verdict=Verdict.DISPATCHED)

    async def _write(self, part: Path, parcel: Parcel) -> None:
        with part.open("wb") as target:
            async for chunk in parcel.read(0):
                if target.tell() + len(chunk) > self._room:
                    raise OSError(errno.ENOSPC, "the box is full")
                target.write(chunk)

    async def probe(self, endpoint: Endpoint, question: str) -> ProbeOutcome:
        """Leave the question; its answer comes another way."""
        box = self._root / endpoint.address
        if self.is_down or not box.is_dir():
            return ProbeOutcome(is_sent=False)
        (box / "question.probe").write_text(question)
        return ProbeOutcome(is_sent=True)

    async def aclose(self) -> None:
        """Nothing to close."""


def lying_in(box: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield sender, bid and bytes of every container in a box."""
    for file in sorted(box.glob(f"*{_SUFFIX}")):
        sender, bid = file.name.removesuffix(_SUFFIX).split(".")
        yield sender, bid, file.read_bytes()


class DropboxPeer:
    """The conformance suite's peer for the box: it only looks what lies there."""

    FAILURES = ("no box", "a file in its place", "full")
    VERDICT = Verdict.DISPATCHED
    RECEIPTS = 0

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._box = folder / "yy-moj"
        self._room = 1 << 30
        self.endpoint = Endpoint(authority_id="yy-moj", address="yy-moj", certificates=())

    @property
    def received(self) -> Mapping[tuple[str, str], bytes]:
        if not self._box.is_dir():
            return {}
        assert not list(self._box.glob("*.part")), "half a container was left behind"
        return {(sender, bid): data for sender, bid, data in lying_in(self._box)}

    async def start(self, failure: str | None = None) -> None:
        if failure == "a file in its place":
            self._box.write_bytes(b"")
        elif failure != "no box":
            self._box.mkdir()
        if failure == "full":
            self._room = 1000

    async def start_eavesdropped(self) -> None:
        await self.start()

    def adapter(self) -> Adapter:
        return DropboxAdapter(self._root, scheme="dropbox", room_bytes=self._room)

    def quick_adapter(self) -> Adapter:
        return self.adapter()

    def check_seen(self, parcel: Parcel, sealed: bytes, *, urgent: bool) -> None:
        """Nothing but the sealed bytes, under the name of the bundle."""
        assert [(p.name, p.read_bytes()) for p in self._box.iterdir()] == [
            (f"{parcel.sender}.{parcel.bid}{_SUFFIX}", sealed)
        ]

    async def stop(self) -> None:
        """Nothing runs."""
