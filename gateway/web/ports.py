"""What the peer API asks of the services, and nothing more of them.

The contracts live with the services themselves; here stands the part that the routes use, so that
they can be tried against small stand-ins.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Protocol


class UploadState(Protocol):
    """How far an upload is."""

    @property
    def offset(self) -> int:
        """Bytes that are durable."""

    @property
    def length(self) -> int | None:
        """Of the whole container, once known."""

    @property
    def complete(self) -> bool:
        """Whether everything is here."""

    @property
    def envelope(self) -> str | None:
        """Digest of the envelope under way: a sender that re-wrapped since starts over."""


class Answer(Protocol):
    """What a finished upload is answered with."""

    @property
    def status(self) -> int:
        """200, 201 or 202."""

    @property
    def body(self) -> Mapping[str, Any]:
        """Receipts and what goes with them."""


class Intake(Protocol):
    """One bundle on its way in."""

    done: bool

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""

    async def suspend(self) -> UploadState:
        """Keep what is durable."""

    async def finish(self) -> Answer:
        """Open, store, receipt."""

    async def abort(self) -> None:
        """Keep nothing."""


class Acceptor(Protocol):
    """Takes bundles in."""

    async def begin(self, *, caller: str, jti: str, exp: datetime, sender: str, bid: str) -> Intake:
        """Start from the first byte."""

    async def resume(
        self, *, caller: str, jti: str, exp: datetime, sender: str, bid: str, offset: int
    ) -> Intake:
        """Go on at ``offset``."""

    async def state(self, *, caller: str, sender: str, bid: str) -> UploadState:
        """Tell how far it is."""


class ContainerSource(Protocol):
    """A container that waits in the outbox."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def envelope_sha256(self) -> str:
        """Which envelope it has."""

    def stream(self, offset: int) -> AsyncIterator[bytes]:
        """Give the bytes from ``offset`` to the end."""


class Outbox(Protocol):
    """What waits for authorities that only call out."""

    async def listing(self, *, caller: str, after: int, wait_s: float) -> Mapping[str, Any]:
        """Return a page, waiting for the first item."""

    async def open(self, *, caller: str, bid: str) -> ContainerSource:
        """Return one container."""


class ReceiptDesk(Protocol):
    """Receipts in and out."""

    async def take(self, *, caller: str, jti: str, exp: datetime, body: dict[str, Any]) -> Mapping[str, Any]:
        """Take a peer's receipts and problems."""

    async def for_bundle(self, *, caller: str, sender: str, bid: str, after: int) -> Mapping[str, Any]:
        """Return the receipts of a bundle."""


class NoticeDesk(Protocol):
    """Emergency notices about keys."""

    async def take_all(
        self, *, caller: str, jti: str, exp: datetime, body: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Take what a peer passes on."""


class ProbeDesk(Protocol):
    """Answers to probes."""

    def answer(self, question: str, *, caller: str) -> str:
        """Return the signed answer to a peer's probe."""


class LogReader(Protocol):
    """The own log as peers may see it: hashes only."""

    async def checkpoint(self) -> bytes | None:
        """Return the newest signed checkpoint."""

    async def tile(self, level: int, index: int, width: int) -> bytes | None:
        """Return ``width`` hashes of a tile (C2SP tlog-tiles), or ``None``."""
