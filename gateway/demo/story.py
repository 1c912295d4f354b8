"""What happens in the demonstration, in order: who meets whom, one exchange per request, then the proof.

Decides the plot around the exchanges (``exchange``): which gateways are up, how they learn of each other, and
that every log verifies at the end. Reports each step as it happens to a ``Watcher``; how it looks is
``telling``'s matter.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config import HomePaths
from gateway.demo.aside import LogChecker, process_aside
from gateway.demo.documents import Enclosed
from gateway.demo.exchange import Outcome, Verified, Watcher
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.ways import Way
from gateway.web import calls as api
from gateway.web.calls.networks import RefreshParams

#: Requests under way at the same time; each has two gateways.
PAIRS_AT_ONCE = 2


@dataclass(slots=True, kw_only=True)
class Story:
    """The plot, with the network it plays in.

    Attributes:
        enclosed: Requests whose documents exist.
        opened: Folder for decrypted requests; emptied again after each comparison.
    """

    network: LabNetwork
    directory: DemoDirectory
    way: Way
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

        alone = [request for request in self.enclosed if request.sample.number in self.way.alone]
        await _all(play(request) for request in self.enclosed if request not in alone)
        for request in alone:
            await play(request)
        self.outcomes.sort(key=lambda outcome: outcome.sample.number)
        with process_aside() as pool:
            checker = LogChecker(pool)
            for request in self.enclosed:
                for authority_id in self.way.gateways(request.sample):
                    await self._verify(authority_id, checker)
            if checker.peak_rss_mib is not None:
                self.network.peak_rss_mib["audit"] = checker.peak_rss_mib

    async def _exchange(self, request: Enclosed) -> None:
        gateways = self.way.gateways(request.sample)
        await _all(self.network.bring_up(authority_id) for authority_id in gateways)
        await self.way.introduce(request.sample)
        await self._introduce(gateways)
        await self.way.acquaint(request.sample)
        outcome = await self.way.play(request, opened=self.opened, watcher=self.watcher)
        self.outcomes.append(outcome)
        self.watcher.done(outcome)
        self.network.measure()
        if not self.keep_running:
            await _all(self.network.stop(authority_id) for authority_id in gateways)

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

    async def _verify(self, authority_id: str, checker: LogChecker) -> None:
        if authority_id in self.network.running:
            found = await self.network.request(authority_id, api.AUDIT_VERIFY, api.Nothing())
        else:
            found = await checker.verify(self.network.home(authority_id))
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
