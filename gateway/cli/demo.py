"""``rogatory demo``: six sample requests between twelve authorities, on this machine, for real.

Prepares the place, lets the story happen and cleans up. Whatever happens, no process stays behind;
nothing stays on the disk either, unless ``--keep`` names a folder.
"""

import asyncio
import contextlib
import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import Parameter

from gateway.cli.output import CommandFailed, Common, as_failure, note, print_failure, print_json
from gateway.cli.session import ask_service
from gateway.demo.carried import CarriedWay
from gateway.demo.documents import Enclosed, free_bytes, parse_size, print_all
from gateway.demo.letterway import LetterWay
from gateway.demo.mailed import FailingWay, MailedWay
from gateway.demo.network import DemoFailed, LabNetwork, Progress
from gateway.demo.registry import DemoDirectory
from gateway.demo.samples import LARGE_EVIDENCE, read_directory, read_samples, read_states
from gateway.demo.story import Story
from gateway.demo.telling import Teller, as_data
from gateway.demo.ways import Way
from gateway.errors import GatewayRefusal
from gateway.services.typeset import CannotPrint
from gateway.web.calls import Call

P = TypeVar("P")
R = TypeVar("R")

Channel = Literal["gateway_https", "email_sealed", "email_smime", "offline_media"]
Failing = Literal["https"]

#: Room per byte of evidence: sealed at the sender, sealed at the recipient, and opened once.
_ROOM_PER_BYTE = 3.4
_ROOM_BYTES = 800 * 1024 * 1024


def demo(
    *,
    evidence_size: str = "8MiB",
    keep: Path | None = None,
    keep_running: Annotated[bool, Parameter(negative=())] = False,
    channel: Channel | None = None,
    fail: Failing | None = None,
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
    """
    common = common or Common()
    try:
        if common.home is not None:
            raise CommandFailed(
                "usage", "The demonstration makes homes of its own; name a folder with --keep."
            )
        if channel is not None and fail is not None:
            raise CommandFailed("usage", "Name a channel or what fails, not both.")
        size = _size(evidence_size)
        with _places(keep) as (work, homes):
            _check_room(work, homes, size)
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
            ask=_ask,
            settings=way.settings,
            channels=way.channels,
        )

    async def run(self) -> int:
        """Play it all; return the exit code."""
        teller = Teller(samples=self._samples, states=read_states(), quiet=self._json)
        teller.begin(evidence_size_bytes=self._size, way=self._way.told)
        story: Story | None = None
        failure: DemoFailed | None = None
        with _stop_signals():
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
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context, initializer=_leave_interrupts_to_us) as pool:
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


def _leave_interrupts_to_us() -> None:
    """In the process that writes the documents: Ctrl-C is for its parent, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _ask(home: Path, asked: Call[P, R], params: P, *, progress: Progress | None = None) -> R:
    """Ask a home's service as every command does; a refusal ends the story."""
    try:
        return await ask_service(home, asked, params, progress or (lambda done, total: None))
    except (CommandFailed, GatewayRefusal) as error:
        refused = as_failure(error)
        if refused is None:
            raise
        items = "".join(
            f" {' – '.join(str(part) for part in item.values() if part)}" for item in refused.items
        )
        raise DemoFailed(
            f"{home.name} refused to {asked.name.replace('_', ' ')} [{refused.code}]: "
            f"{refused.sentence}{items}",
            authorities=(home.name,),
        ) from None


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise CommandFailed("usage", f"--evidence-size: {error}.") from None


@contextmanager
def _places(keep: Path | None) -> Iterator[tuple[Path, Path]]:
    """Give a folder for what passes, which goes away, and one for the homes, which goes unless it is kept."""
    if keep is not None:
        keep = keep.expanduser().absolute()
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise CommandFailed(
                "folder-not-empty", f"{keep} is not an empty folder; name a new one for --keep."
            )
        keep.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="rogatory-demo-"))
    try:
        yield work, keep if keep is not None else work / "homes"
    finally:
        # A second Ctrl-C must not leave half of it.
        interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        shutil.rmtree(work, ignore_errors=True)
        signal.signal(signal.SIGINT, interrupts)


def _check_room(work: Path, homes: Path, size: int) -> None:
    """Refuse before anything is made if the disk cannot hold it."""
    needed = int(size * _ROOM_PER_BYTE) + _ROOM_BYTES
    for place in (work, homes):
        free = free_bytes(place)
        if free < needed:
            raise CommandFailed(
                "storage-full",
                f"About {needed / 1024**3:.1f} GiB are needed in {place}, {free / 1024**3:.1f} GiB are free. "
                "Choose a smaller --evidence-size, or point TMPDIR and --keep at a larger disk.",
            )


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let SIGTERM end the demonstration like Ctrl-C, so that its processes are stopped."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        raise TypeError("must run in a task")
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
