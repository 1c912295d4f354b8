"""``rogatory demo``: six sample requests between twelve authorities, on this machine, for real.

Prepares the place, lets the story happen and cleans up. Whatever happens, no process stays behind;
nothing stays on the disk either, unless ``--keep`` names a folder.
"""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter

from gateway.cli.output import CommandFailed, Common, as_failure, print_failure, print_json
from gateway.cli.session import ask_service
from gateway.demo.documents import CannotPrint, Enclosed, Press, enclose, free_bytes, parse_size
from gateway.demo.network import DemoFailed, LabNetwork, Progress
from gateway.demo.samples import Sample, read_directory, read_samples
from gateway.demo.story import Story
from gateway.demo.telling import Teller, as_data
from gateway.errors import GatewayRefusal
from gateway.web.operations import Operation

P = TypeVar("P")
R = TypeVar("R")

#: These authorities have no server that others could reach; they fetch what waits for them.
PULL_ONLY = frozenset({"tn-mj", "gh-ag"})

#: Room per byte of evidence: sealed at the sender, sealed at the recipient, and opened once.
_ROOM_PER_BYTE = 3.4
_ROOM_BYTES = 800 * 1024 * 1024


def demo(
    *,
    evidence_size: str = "8MiB",
    keep: Path | None = None,
    keep_running: Annotated[bool, Parameter(negative=())] = False,
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
    """
    common = common or Common()
    try:
        if common.home is not None:
            raise CommandFailed(
                "usage", "The demonstration makes homes of its own; name a folder with --keep."
            )
        size = _size(evidence_size)
        with _places(keep) as (work, homes):
            _check_room(work, homes, size)
            return asyncio.run(
                _Demonstration(common, size, work, homes, keep_running, kept=keep is not None).run()
            )
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        failure = as_failure(error)
        if failure is None:
            raise
        return print_failure(common, failure)


class _Demonstration:
    """One run of the command, with everything the person asked for."""

    def __init__(
        self, common: Common, size: int, work: Path, homes: Path, keep_running: bool, *, kept: bool
    ) -> None:
        self._json = common.json
        self._size = size
        self._work = work
        self._keep_running = keep_running
        self._kept = kept
        self._samples = read_samples()
        self._network = LabNetwork(
            homes=homes, logs=work / "logs", directory=read_directory(), ask=_ask, pull_only=PULL_ONLY
        )

    async def run(self) -> int:
        """Play it all; return the exit code."""
        teller = Teller(samples=self._samples, quiet=self._json)
        teller.begin(evidence_size_bytes=self._size)
        story: Story | None = None
        failure: DemoFailed | None = None
        with _stop_signals():
            try:
                with teller:
                    story = Story(
                        network=self._network,
                        enclosed=await self._write_documents(teller),
                        opened=self._work / "opened",
                        watcher=teller,
                        keep_running=self._keep_running,
                    )
                    teller.start_requests()
                    await story.tell()
                self._network.measure()
                self._answer(story, None)
                teller.finish(story.outcomes, story.logs, self._network)
                if self._kept or self._keep_running:
                    teller.where_to_look(self._network, story.outcomes, serving=self._keep_running)
                if self._keep_running:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
            except (DemoFailed, CannotPrint) as error:
                failure = error if isinstance(error, DemoFailed) else DemoFailed(str(error))
            finally:
                await self._network.close()
        if failure is None:
            return 0
        teller.fail(failure, self._network.log_tails(failure.authorities))
        self._answer(story, failure)
        return 1

    async def _write_documents(self, teller: Teller) -> tuple[Enclosed, ...]:
        total = sum(len(sample.attachments) for sample in self._samples)
        with teller.phase("Writing the documents", total) as phase:
            press = Press()
            made = []
            for sample in self._samples:
                made.append(await asyncio.to_thread(self._enclose, sample, press, teller))
                phase.advance(len(sample.attachments))
        return tuple(made)

    def _enclose(self, sample: Sample, press: Press, teller: Teller) -> Enclosed:
        report = teller.moving(sample, "writing the evidence")
        written = 0

        def progress(count: int) -> None:
            nonlocal written
            written += count
            report(min(written, self._size), self._size)

        folder = self._work / "documents" / sample.name
        return enclose(sample, folder, press=press, evidence_size_bytes=self._size, progress=progress)

    def _answer(self, story: Story | None, failure: DemoFailed | None) -> None:
        if self._json:
            outcomes, logs = (story.outcomes, story.logs) if story is not None else ([], [])
            print_json(as_data(outcomes, logs, self._network.peak_rss_mib, failure))


async def _ask(home: Path, operation: Operation[P, R], params: P, *, progress: Progress | None = None) -> R:
    """Ask a home's service as every command does; a refusal ends the story."""
    try:
        return await ask_service(home, operation, params, progress or (lambda done, total: None))
    except (CommandFailed, GatewayRefusal) as error:
        refused = as_failure(error)
        if refused is None:
            raise
        items = "".join(
            f" {' – '.join(str(part) for part in item.values() if part)}" for item in refused.items
        )
        raise DemoFailed(
            f"{home.name} refused to {operation.name.replace('_', ' ')} [{refused.code}]: "
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
        shutil.rmtree(work, ignore_errors=True)


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
