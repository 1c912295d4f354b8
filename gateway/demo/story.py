"""What happens in the demonstration, in order, and what it found: one exchange per request, then the proof.

Decides the plot and what counts as a good end: every document arrives as it left, both sides come to
the same state, the receipts are there, every log verifies. Reports each step as it happens to a
``Watcher``; how it looks is ``telling``'s matter. Holds no gateway's secrets: it asks like an officer would.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from gateway.config import HomePaths
from gateway.demo.documents import Enclosed
from gateway.demo.network import DemoFailed, LabNetwork, Progress
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import Sample
from gateway.web import calls as api
from gateway.web.calls.networks import RefreshParams
from gateway.web.operations import perform

T = TypeVar("T")

#: Requests under way at the same time; each has two gateways.
PAIRS_AT_ONCE = 2

#: What a request has when the other side has stored it, opened it, and a person there has seen it.
RECEIPTS_OF_A_REQUEST = ("submission", "consignment", "handover")

#: The case's state once the acknowledgement is back, per track of the state machine.
GOOD_END = {"request": "received", "preservation": "preservation_acknowledged"}

_PIECE = 1024 * 1024
_POLL_S = 0.05
#: Patience for one step that needs no bytes moved; every MiB to be moved adds a little.
_STEP_TIMEOUT_S = 60.0
_STEP_TIMEOUT_S_PER_MIB = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one request ended."""

    sample: Sample
    channel: str
    lane: str
    bid: str
    state: str
    receipts: tuple[str, ...]
    size_bytes: int
    seconds: float


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


@dataclass(slots=True, kw_only=True)
class Story:
    """The plot, with the network it plays in.

    Attributes:
        enclosed: Requests whose documents exist.
        opened: Folder for decrypted requests; emptied again after each comparison.
    """

    network: LabNetwork
    directory: DemoDirectory
    enclosed: tuple[Enclosed, ...] = field(repr=False)
    opened: Path
    watcher: Watcher
    keep_running: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    logs: list[Verified] = field(default_factory=list)

    async def tell(self) -> None:
        """Play all requests, then check all logs. Raises ``DemoFailed`` at the first thing that is wrong."""
        gate = asyncio.Semaphore(PAIRS_AT_ONCE)

        async def play(request: Enclosed) -> None:
            async with gate:
                await self._exchange(request)

        await _all(play(request) for request in self.enclosed)
        self.outcomes.sort(key=lambda outcome: outcome.sample.number)
        for request in self.enclosed:
            for authority_id in (request.sample.requesting, request.sample.requested):
                await self._verify(authority_id)

    async def _exchange(self, request: Enclosed) -> None:
        sample = request.sample
        pair = (sample.requesting, sample.requested)
        await _all(self.network.bring_up(authority_id) for authority_id in pair)
        await self._introduce(pair)
        outcome = await _Exchange(story=self, request=request).run()
        self.outcomes.append(outcome)
        self.watcher.done(outcome)
        self.network.measure()
        if not self.keep_running:
            await _all(self.network.stop(authority_id) for authority_id in pair)

    async def _introduce(self, authorities: tuple[str, ...]) -> None:
        """Let States list their authorities, and these read it: they know each other from nowhere else."""
        paths = [HomePaths(self.network.home(authority_id)).enrolment for authority_id in authorities]
        await self.directory.list_authorities([path.read_bytes() for path in paths])
        for authority_id in authorities:
            found = await self.network.request(authority_id, api.DIRECTORY_REFRESH, RefreshParams())
            if found.enrolled or any(network.state != "fresh" or network.code for network in found.networks):
                raise DemoFailed(
                    f"The gateway of {authority_id} could not follow the directory.",
                    authorities=(authority_id,),
                )

    async def _verify(self, authority_id: str) -> None:
        if authority_id in self.network.running:
            found = await self.network.request(authority_id, api.AUDIT_VERIFY, api.Nothing())
        else:
            found = await verify_at_rest(self.network.home(authority_id))
        log = Verified(
            authority_id=authority_id,
            size=found.size,
            root=found.root,
            verified=found.verified,
            faults=tuple(fault.sentence for fault in found.faults),
        )
        self.logs.append(log)
        self.watcher.verified(log)
        if not log.verified:
            raise DemoFailed(f"The log of {authority_id} does not verify: {'; '.join(log.faults)}")


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request on its way there, and the acknowledgement on its way back."""

    story: Story
    request: Enclosed

    async def run(self) -> Outcome:
        """Play the exchange to its good end."""
        sample, network, watcher = self.request.sample, self.story.network, self.story.watcher
        began = time.monotonic()
        watcher.begins(sample)
        sent = await self._submit()
        watcher.step(sample, "{from} checks it by the treaty, signs it and seals it for {to}", "submission")
        await self._until("to arrive", self._arrived)
        watcher.step(sample, "the gateway of {to} has stored, opened and checked it", "consignment")
        await self._open()
        watcher.step(sample, "an officer of {to} opens it: every document as it was sent", "handover")
        await network.request(
            sample.requested,
            api.ACKNOWLEDGE,
            api.AcknowledgeParams(
                ref=self._ref,
                officer="officer-1",
                office="International cooperation desk",
                reference=self._own_reference(),
            ),
        )
        state = await self._until("for its acknowledgement to come back", self._acknowledged)
        said = state.replace("_", " ")
        watcher.step(sample, f"{{to}} acknowledges it as {self._own_reference()}; both sides say: {said}")
        receipts = await self._until("for its receipts", self._receipts)
        return Outcome(
            sample=sample,
            channel=sent.channel or "",
            lane=sent.lane,
            bid=sent.bid,
            state=state,
            receipts=receipts,
            size_bytes=self.request.size_bytes,
            seconds=round(time.monotonic() - began, 2),
        )

    @property
    def _ref(self) -> str:
        return str(self.request.form["thread"]["message_id"])

    def _own_reference(self) -> str:
        """Return the number under which the requested authority registers the case."""
        return f"{self.request.sample.requested.upper()}/IN/2026/{1000 + self.request.sample.number}"

    async def _submit(self) -> api.SubmissionView:
        files = [
            api.AttachmentFile(filename=enclosure.path.name, path=str(enclosure.path))
            for enclosure in self.request.enclosures
        ]
        params = api.SubmitParams(form=msgspec.Raw(msgspec.json.encode(self.request.form)), attachments=files)
        sample = self.request.sample
        sent = await self.story.network.request(
            sample.requesting, api.SUBMIT, params, progress=self.story.watcher.moving(sample, "sealing")
        )
        # The originals stay with the authority in life; here they only take room from the next step.
        for enclosure in self.request.enclosures:
            enclosure.path.unlink()
        return sent

    async def _arrived(self) -> bool | None:
        inbox = await self.story.network.request(self.request.sample.requested, api.INBOX, api.Nothing())
        return any(f"{item.sender}/{item.bid}" == self._ref for item in inbox.items) or None

    async def _open(self) -> None:
        sample = self.request.sample
        folder = self.story.opened / sample.name
        opened = await self.story.network.request(
            sample.requested,
            api.OPEN,
            api.OpenParams(ref=self._ref, directory=str(folder)),
            progress=self.story.watcher.moving(sample, "opening"),
        )
        found = {file.filename: Path(file.path) for file in opened.files}
        for enclosure in self.request.enclosures:
            path = found.get(enclosure.path.name)
            if path is None:
                raise self._failed(f"{enclosure.path.name} is missing on the other side")
            if await asyncio.to_thread(_sha256, path) != enclosure.sha256:
                raise self._failed(f"{enclosure.path.name} arrived with another content")
            path.unlink()

    async def _acknowledged(self) -> str | None:
        """Return the state once both sides agree on the good one, and nothing is left on the way."""
        sample, network = self.request.sample, self.story.network
        sides = [
            await network.request(authority_id, api.STATUS, api.RefParams(ref=self._ref))
            for authority_id in (sample.requesting, sample.requested)
        ]
        states = {side.state for side in sides}
        moving = [row for side in sides for row in side.transmissions if row.state not in _ARRIVED]
        good = GOOD_END[sides[0].track]
        return good if states == {good} and not moving else None

    async def _receipts(self) -> tuple[str, ...] | None:
        found = await self.story.network.request(
            self.request.sample.requesting, api.RECEIPTS, api.RefParams(ref=self._ref)
        )
        types = tuple(receipt.type for receipt in found.receipts)
        return types if set(RECEIPTS_OF_A_REQUEST) <= set(types) else None

    async def _until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look again and again until there is something to see."""
        patience = _STEP_TIMEOUT_S + _STEP_TIMEOUT_S_PER_MIB * self.request.size_bytes / 1024**2
        end = time.monotonic() + patience
        while time.monotonic() < end:
            seen = await look()
            if seen is not None:
                return seen
            await asyncio.sleep(_POLL_S)
        raise self._failed(f"it waited {patience:.0f} s {what}")

    def _failed(self, why: str) -> DemoFailed:
        sample = self.request.sample
        return DemoFailed(
            f"Request {sample.number} ({sample.requesting} to {sample.requested}) failed: {why}.",
            authorities=(sample.requesting, sample.requested),
        )


#: States of a transmission that has reached the other side.
_ARRIVED = {"CONSIGNED", "HANDED_OVER"}


async def verify_at_rest(home: Path) -> api.AuditResult:
    """Check the log of a home that nobody serves, as ``rogatory audit verify`` does."""
    from gateway.app import App

    async with App.open(home, writer=False) as app:
        return await perform(app.desk, api.AUDIT_VERIFY, api.Nothing(), lambda done, total: None)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Run all at once; the first failure cancels the rest, waits for their end, and is raised as it was."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            # Those that are ending already must not be disturbed a second time.
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
