"""``rogatory demo``: six sample requests between twelve authorities, on this machine, for real.

Prepares the place, lets the story happen and cleans up. Whatever happens, no process stays behind;
nothing stays on the disk either, unless ``--keep`` names a folder.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli.demonight import NightDemonstration
from gateway.cli.demoplace import ask, check_room, places, stop_signals
from gateway.cli.output import CommandFailed, Common, as_failure, note, print_failure, print_json
from gateway.demo.aside import process_aside
from gateway.demo.carried import CarriedWay
from gateway.demo.documents import Enclosed, parse_size, print_all
from gateway.demo.letterway import LetterWay
from gateway.demo.mailed import FailingWay, MailedWay
from gateway.demo.network import DemoFailed, LabNetwork
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import LARGE_EVIDENCE, read_directory, read_samples, read_states
from gateway.demo.story import Story
from gateway.demo.telling import Teller, as_data
from gateway.demo.ways import Way
from gateway.services.documents.typeset import CannotPrint

Channel = Literal["gateway_https", "email_sealed", "email_smime", "offline_media"]
Failing = Literal["https"]
Night = Literal["preservation"]


def demo(
    *,
    evidence_size: str = "8MiB",
    keep: Path | None = None,
    keep_running: Annotated[bool, Parameter(negative=())] = False,
    channel: Channel | None = None,
    fail: Failing | None = None,
    story: Night | None = None,
    common: Common | None = None,
) -> int:
    """Run six sample requests between twelve authorities on this machine; takes about half a minute.

    Everything in it is fictional. Each authority gets a gateway of its own, in a lab network on loopback.

    Parameters
    ----------
    evidence_size:
        Size of the large attachment of the sixth request: 2GiB, 64MiB, or a number of bytes.
    keep:
        New or empty folder in which every gateway's home stays, as FOLDER/AUTHORITY.
    keep_running:
        Leave all twelve gateways serving until Ctrl-C.
    channel:
        Let all requests take this channel: sealed mail between gateways, mail to people with an ordinary mail
        program, or media carried by hand. Mail goes through Postfix and Dovecot, which must be installed.
    fail:
        Let the HTTPS of one addressee be down: its urgent request goes out by sealed mail in time.
    story:
        Play another story: data preserved at night between two contact points, each act signed with a
        passkey, and held until two central authorities have dealt with the formal request.
    """
    common = common or Common()
    try:
        if common.home is not None:
            raise CommandFailed(
                "usage", "The demonstration makes homes of its own; name a folder with --keep."
            )
        if channel is not None and fail is not None:
            raise CommandFailed("usage", "Name a channel or what fails, not both.")
        if story is not None and (channel is not None or fail is not None or keep_running):
            raise CommandFailed("usage", "This story has a way of its own; only --keep goes with it.")
        size = _size(evidence_size)
        with places(keep) as (work, homes):
            check_room(work, homes, 0 if story is not None else size)
            if story is not None:
                night = NightDemonstration(common, work, homes, kept=keep is not None)
                try:
                    return asyncio.run(night.run())
                finally:
                    night.network.kill()
            way = _way(channel, fail)
            demonstration = _Demonstration(
                common, way, size, work, homes, keep_running, kept=keep is not None
            )
            try:
                return asyncio.run(demonstration.run())
            finally:
                demonstration.network.kill()
    except (KeyboardInterrupt, asyncio.CancelledError):
        note("Stopped. No gateway of the demonstration is left running.")
        return 130
    except Exception as error:
        failure = as_failure(error)
        if failure is None:
            raise
        code = print_failure(common, failure)
        return 2 if failure.code == "usage" else code


def _way(channel: Channel | None, fail: Failing | None) -> Way:
    if fail == "https":
        return FailingWay()
    if channel == "email_sealed":
        return MailedWay()
    if channel == "email_smime":
        return LetterWay()
    if channel == "offline_media":
        return CarriedWay()
    return Way()


class _Demonstration:
    """One run of the command, with everything the person asked for."""

    def __init__(
        self,
        common: Common,
        way: Way,
        size: int,
        work: Path,
        homes: Path,
        keep_running: bool,
        *,
        kept: bool,
    ) -> None:
        self._json = common.json
        self._size = size
        self._work = work
        self._keep_running = keep_running
        self._kept = kept
        #: The directory stays with the homes that follow it.
        self._kept_by = homes if kept else work
        self._directory: DemoDirectory | None = None
        self._samples = read_samples()
        self._way = way
        self.network = LabNetwork(
            homes=homes,
            logs=work / "logs",
            directory=read_directory(),
            ask=ask,
            settings=way.settings,
            channels=way.channels,
        )

    async def run(self) -> int:
        """Play it all; return the exit code."""
        teller = Teller(samples=self._samples, states=read_states(), quiet=self._json)
        teller.begin(evidence_size_bytes=self._size, way=self._way.told)
        story: Story | None = None
        failure: DemoFailed | None = None
        with stop_signals():
            try:
                with teller:
                    enclosed, directory = await self._prepare(teller)
                    await self._way.open(self._work, self.network, directory)
                    story = Story(
                        network=self.network,
                        directory=directory,
                        way=self._way,
                        enclosed=enclosed,
                        opened=self._work / "opened",
                        watcher=teller,
                        keep_running=self._keep_running,
                    )
                    teller.start_requests()
                    await story.tell()
                self.network.measure()
                self._answer(story, None)
                teller.finish(story.outcomes, story.logs, self.network)
                if self._kept or self._keep_running:
                    teller.where_to_look(self.network, story.outcomes, serving=self._keep_running)
                if self._keep_running:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
            except (DemoFailed, CannotPrint) as error:
                failure = error if isinstance(error, DemoFailed) else DemoFailed(str(error))
            finally:
                await self.network.close()
                await self._way.aclose()
                if self._directory is not None:
                    await self._directory.aclose()
        if failure is None:
            return 0
        teller.fail(failure, self.network.log_tails(failure.authorities))
        self._answer(story, failure)
        return 1

    async def _prepare(self, teller: Teller) -> tuple[tuple[Enclosed, ...], DemoDirectory]:
        """Write the documents and publish the directory at the same time."""
        publishing = asyncio.create_task(DemoDirectory.start(self._kept_by / "directory"))
        try:
            enclosed = await self._write_documents(teller)
        except BaseException:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            raise
        self._directory = await publishing
        self.network.follows = self._directory.settings
        return enclosed, self._directory

    async def _write_documents(self, teller: Teller) -> tuple[Enclosed, ...]:
        """Let a process of its own write the documents; how far it is shows in the size of the largest."""
        folder = self._work / "documents"
        name, attachment_id = LARGE_EVIDENCE
        sample = next(sample for sample in self._samples if sample.name == name)
        row = next(row for row in sample.attachments if row["attachment_id"] == attachment_id)
        report = teller.moving(sample, "writing the evidence")
        with process_aside() as pool:
            written = asyncio.get_running_loop().run_in_executor(pool, print_all, folder, self._size)
            while not (await asyncio.wait({written}, timeout=0.2))[0]:
                with contextlib.suppress(FileNotFoundError):
                    report((folder / name / row["filename"]).stat().st_size, self._size)
            enclosed, peak = written.result()
        report(self._size, self._size)
        if peak is not None:
            self.network.peak_rss_mib["documents"] = peak
        return enclosed

    def _answer(self, story: Story | None, failure: DemoFailed | None) -> None:
        if self._json:
            outcomes, logs = (story.outcomes, story.logs) if story is not None else ([], [])
            print_json(as_data(outcomes, logs, self.network.peak_rss_mib, failure))


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise CommandFailed("usage", f"--evidence-size: {error}.") from None
