"""Large documents are sealed and checked in a process beside the gateway, few at a time, urgent ones apart.

A thread that works on one shares the interpreter with the event loop and slows everything it does; a process
does not, and one for routine work also steps back on the processor. It holds one document, one content key
and its open files, keeps nothing, and may die: a thread then does the work here. Invariant: what comes back
is what ``seal_part`` or ``check_part`` would have said of the same document.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

from crypto.bundle import Envelope, ManifestPart
from crypto.errors import Refusal
from crypto.parts import Progress, SealedPart
from gateway.model.codes import Lane
from gateway.services.lanes import Gate, Lanes
from gateway.services.sealing.bulkprocess import WRONG_SIZE
from gateway.telemetry import get_log

#: From this size on a process pays: it takes a quarter of a second to begin.
APART_BYTES = 16 * 1024 * 1024

#: Documents of a lane that are sealed apart at once; each keeps a processor busy.
_APART = {"urgent": 2, "routine": 1}

#: Documents of the routine lane that threads of the gateway seal at once.
_IN_THREADS = 2

_log = get_log("bulk")


class BulkGone(Exception):
    """The process did not do its work; the document is as it was."""


class Bulk:
    """Seals large documents of one gateway. Use from one event loop."""

    def __init__(self, *, lanes: Lanes) -> None:
        self._apart = {lane: asyncio.Semaphore(number) for lane, number in _APART.items()}
        self.in_threads = Gate(lanes, routine=_IN_THREADS)

    async def seal(
        self,
        source: int,
        sink: int,
        *,
        lane: str,
        content_key: bytes,
        bid: str,
        n: int,
        plain_size: int,
        progress: Progress | None,
    ) -> SealedPart:
        """Seal the file behind one descriptor into the file behind another.

        Raises ``ValueError`` if the document does not have the size it was announced with; ``BulkGone``.
        """
        job = {
            "key": base64.b64encode(content_key).decode(),
            "bid": bid,
            "n": n,
            "plain_size": plain_size,
            "steps_back": lane != Lane.URGENT,
        }
        async with self._apart[lane]:
            answer = await _ask(json.dumps(job).encode(), source, sink, progress)
        if answer.get("error") == WRONG_SIZE:
            raise ValueError("the document has another size")
        try:
            return SealedPart(**answer)
        except TypeError:
            raise BulkGone from None


def is_checked_apart(env: Envelope, part: ManifestPart, source: object, content_key: bytes) -> bool:
    """Check a large part of a bundle in another process, and wait for it; false where that cannot be done.

    For a thread. Raises ``Refusal`` ``content-digest`` as ``Opener.check_part`` does.
    """
    if part.size < APART_BYTES:
        return False
    try:
        number = descriptor(source)
    except BulkGone:
        return False
    job = {
        "key": base64.b64encode(content_key).decode(),
        "bid": env.bid,
        "n": part.n,
        "plain_size": part.size,
        "plain_sha256": part.sha256,
        "pad": part.pad,
        "steps_back": env.lane != Lane.URGENT,
    }
    try:
        done = subprocess.run(
            [*_program(), str(number)],
            input=json.dumps(job).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(number,),
            env=_environment(),
            check=False,
        )
        refused = json.loads(done.stdout)["refused"]
    except (OSError, ValueError, LookupError, TypeError):
        _log.warning("bulk.alone")
        # The two share one place in the file.
        os.lseek(number, 0, os.SEEK_SET)
        return False
    if refused is not None:
        raise Refusal(str(refused), "a large part", step=13)
    return True


def descriptor(source: object) -> int:
    """Return the descriptor of a file on the disk. Raises ``BulkGone`` for what lies in memory only."""
    try:
        number = source.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        raise BulkGone from None
    return int(number)


def _program() -> tuple[str, ...]:
    return sys.executable, "-P", "-m", "gateway.services.sealing.bulkprocess"


def _environment() -> dict[str, str]:
    """The same packages from the same places, and nothing from the folder we happen to be in."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}


async def _ask(job: bytes, source: int, sink: int, progress: Progress | None) -> dict[str, Any]:
    """Return the last line of a process that was given the job; what comes before it is progress."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(*_program(), str(source), str(sink)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(source, sink),
            env=_environment(),
        )
    except OSError:
        _log.warning("bulk.alone")
        raise BulkGone from None
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(OSError):
            process.stdin.write(job)
            process.stdin.close()
        while line := await process.stdout.readline():
            said = json.loads(line)
            if not isinstance(said, int):
                return dict(said)
            if progress is not None:
                progress(said)
        _log.warning("bulk.ended")
        raise BulkGone
    except ValueError:
        raise BulkGone from None
    finally:
        # It has nothing more to say; and if nobody waits any more, nothing more to do.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
