"""Where a demonstration happens: a folder that goes away, a disk with room, signals that end it in order."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gateway.cli.output import CommandFailed, as_failure
from gateway.cli.session import ask_service
from gateway.demo.documents import free_bytes
from gateway.demo.network import DemoFailed, Progress
from gateway.errors import GatewayRefusal
from gateway.web.calls import Call

P = TypeVar("P")
R = TypeVar("R")

#: Room per byte of evidence: sealed at the sender, sealed at the recipient, and opened once.
_ROOM_PER_BYTE = 3.4
_ROOM_BYTES = 800 * 1024 * 1024


async def ask(home: Path, asked: Call[P, R], params: P, *, progress: Progress | None = None) -> R:
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


@contextmanager
def places(keep: Path | None) -> Iterator[tuple[Path, Path]]:
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


def check_room(work: Path, homes: Path, size: int) -> None:
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
def stop_signals() -> Iterator[None]:
    """Let SIGTERM end the demonstration like Ctrl-C, so that its processes are stopped."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        raise TypeError("must run in a task")
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
