"""One request of the demonstration, from submission to its acknowledgement, and what counts as a good end.

Every document arrives as it left, both sides come to the same state, the receipts are there. Asks the
gateways like an officer would and holds none of their secrets; how the bytes travel is the way's matter.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import msgspec

from gateway.demo.documents import Enclosed
from gateway.demo.network import DemoFailed, LabNetwork, Progress
from gateway.demo.samples import Sample
from gateway.web import calls as api

T = TypeVar("T")

#: The case's state once the acknowledgement is back, per track of the state machine.
GOOD_END = {"request": "received", "preservation": "preservation_acknowledged"}

_PIECE = 1024 * 1024
_POLL_S = 0.05
#: Patience for one step that needs no bytes moved; every MiB to be moved adds a little.
_STEP_TIMEOUT_S = 60.0
_STEP_TIMEOUT_S_PER_MIB = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one request ended; ``met`` names what it came across on the way."""

    sample: Sample
    channel: str
    lane: str
    bid: str
    state: str
    receipts: tuple[str, ...]
    size_bytes: int
    seconds: float
    met: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One log, checked from its first entry to its signed head."""

    authority_id: str
    size: int
    root: str
    verified: bool
    faults: tuple[str, ...]


class Watcher(Protocol):
    """Sees what happens while it happens."""

    def begins(self, sample: Sample) -> None:
        """A request sets out."""

    def step(self, sample: Sample, sentence: str, receipt: str | None = None) -> None:
        """One thing has happened; ``{from}`` and ``{to}`` stand for the States, ``receipt`` proves it."""

    def moving(self, sample: Sample, label: str) -> Progress:
        """Return a function that is told (done, total) bytes of a long step."""

    def done(self, outcome: Outcome) -> None:
        """A request has come to its good end."""

    def verified(self, log: Verified) -> None:
        """A log was checked."""


class Carry(Protocol):
    """What people carry between two authorities after one of them has sent something."""

    async def __call__(self, exchange: "Exchange", giver: str, taker: str) -> None:
        """Bring what waits at the giver to the taker."""
        ...


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request on its way there, and the acknowledgement on its way back.

    Attributes:
        opened: Folder for decrypted requests; emptied again after each comparison.
        patience: How many times longer than usual a step may take.
    """

    network: LabNetwork
    request: Enclosed
    opened: Path
    watcher: Watcher
    carry: Carry
    patience: float = 1.0
    met: list[str] = field(default_factory=list)

    #: Receipts without which there is no good end.
    wanted: ClassVar[tuple[str, ...]] = ("submission", "consignment", "handover")

    @property
    def sides(self) -> tuple[str, ...]:
        """The authorities whose gateways say where the request stands."""
        return self.request.sample.requesting, self.request.sample.requested

    async def run(self) -> Outcome:
        """Play the exchange to its good end. Raises ``DemoFailed``."""
        sample, watcher = self.request.sample, self.watcher
        began = time.monotonic()
        watcher.begins(sample)
        sent = await self._submit()
        watcher.step(sample, "{from} checks it by the treaty, signs it and seals it for {to}", "submission")
        await self.deliver()
        await self.acknowledge()
        state = await self.until("for its acknowledgement to come back", self._acknowledged)
        said = state.replace("_", " ")
        says = "both sides say" if len(self.sides) == 2 else "{from} says"
        watcher.step(sample, f"{{to}} acknowledges it as {self.own_reference}; {says}: {said}")
        receipts = await self.until("for its receipts", self._receipts)
        return Outcome(
            sample=sample,
            channel=sent.channel or "",
            lane=sent.lane,
            bid=sent.bid,
            state=state,
            receipts=receipts,
            size_bytes=self.request.size_bytes,
            seconds=round(time.monotonic() - began, 2),
            met=tuple(self.met),
        )

    async def deliver(self) -> None:
        """Bring the request to the other side and open it there."""
        sample = self.request.sample
        await self.carry(self, sample.requesting, sample.requested)
        await self.until("to arrive", self.arrived)
        self.watcher.step(sample, "the gateway of {to} has stored, opened and checked it", "consignment")
        await self._open()
        self.watcher.step(sample, "an officer of {to} opens it: every document as it was sent", "handover")

    async def acknowledge(self) -> None:
        """Let the requested authority acknowledge the request."""
        sample = self.request.sample
        params = api.AcknowledgeParams(
            ref=self._ref,
            officer="officer-1",
            office="International cooperation desk",
            reference=self.own_reference,
        )
        await self.network.request(sample.requested, api.ACKNOWLEDGE, params)
        await self.carry(self, sample.requested, sample.requesting)

    @property
    def _ref(self) -> str:
        return str(self.request.form["thread"]["message_id"])

    @property
    def own_reference(self) -> str:
        """The number under which the requested authority registers the case."""
        return f"{self.request.sample.requested.upper()}/IN/2026/{1000 + self.request.sample.number}"

    async def _submit(self) -> api.SubmissionView:
        files = [
            api.AttachmentFile(filename=enclosure.path.name, path=str(enclosure.path))
            for enclosure in self.request.enclosures
        ]
        params = api.SubmitParams(form=msgspec.Raw(msgspec.json.encode(self.request.form)), attachments=files)
        sample = self.request.sample
        sent = await self.network.request(
            sample.requesting, api.SUBMIT, params, progress=self.watcher.moving(sample, "sealing")
        )
        # The originals stay with the authority in life; here they only take room from the next step.
        for enclosure in self.request.enclosures:
            enclosure.path.unlink()
        return sent

    async def arrived(self) -> bool | None:
        """Return true once the request is in the addressee's inbox."""
        inbox = await self.network.request(self.request.sample.requested, api.INBOX, api.Nothing())
        return any(f"{item.sender}/{item.bid}" == self._ref for item in inbox.items) or None

    async def _open(self) -> None:
        sample = self.request.sample
        folder = self.opened / sample.name
        opened = await self.network.request(
            sample.requested,
            api.OPEN,
            api.OpenParams(ref=self._ref, directory=str(folder)),
            progress=self.watcher.moving(sample, "opening"),
        )
        found = {file.filename: Path(file.path) for file in opened.files}
        for enclosure in self.request.enclosures:
            path = found.get(enclosure.path.name)
            if path is None:
                raise self.failed(f"{enclosure.path.name} is missing on the other side")
            if await asyncio.to_thread(_sha256, path) != enclosure.sha256:
                raise self.failed(f"{enclosure.path.name} arrived with another content")
            path.unlink()

    async def _acknowledged(self) -> str | None:
        """Return the state once both sides agree on the good one, and nothing is left on the way."""
        network = self.network
        sides = [
            await network.request(authority_id, api.STATUS, api.RefParams(ref=self._ref))
            for authority_id in self.sides
        ]
        states = {side.state for side in sides}
        moving = [row for side in sides for row in side.transmissions if row.state not in _ARRIVED]
        good = GOOD_END[sides[0].track]
        return good if states == {good} and not moving else None

    async def _receipts(self) -> tuple[str, ...] | None:
        found = await self.network.request(
            self.request.sample.requesting, api.RECEIPTS, api.RefParams(ref=self._ref)
        )
        types = tuple(receipt.type for receipt in found.receipts)
        return types if set(self.wanted) <= set(types) else None

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look again and again until there is something to see. Raises ``DemoFailed`` after some time."""
        usual = _STEP_TIMEOUT_S + _STEP_TIMEOUT_S_PER_MIB * self.request.size_bytes / 1024**2
        patience = self.patience * usual
        end = time.monotonic() + patience
        while time.monotonic() < end:
            seen = await look()
            if seen is not None:
                return seen
            await asyncio.sleep(_POLL_S)
        raise self.failed(f"it waited {patience:.0f} s {what}")

    def failed(self, why: str) -> DemoFailed:
        """Return the failure of this request, in words."""
        sample = self.request.sample
        return DemoFailed(
            f"Request {sample.number} ({sample.requesting} to {sample.requested}) failed: {why}.",
            authorities=(sample.requesting, sample.requested),
        )


#: States of a transmission that has reached the other side.
_ARRIVED = {"CONSIGNED", "HANDED_OVER", "ANSWERED"}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
