"""Large documents are sealed in a process beside the gateway, a small number at a time, urgent ones apart.

A thread that seals shares the interpreter with the event loop and slows everything it does; a process does
not, and one for routine work also steps back on the processor. It holds one document, one content key and two
open files, keeps nothing, and may die: the document is then sealed by a thread here. Invariant: what comes
back is what ``seal_part`` would have returned for the same document.
"""

import asyncio
import base64
import json
import os
import sys
from contextlib import suppress
from typing import Protocol

from crypto.parts import Progress, SealedPart
from gateway.model.codes import Lane
from gateway.services.bulkprocess import WRONG_SIZE
from gateway.services.lanes import Gate, Lanes
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


class Files(Protocol):
    """A source and a sink that another process can be handed."""

    def fileno(self) -> int: ...


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


async def _ask(job: bytes, source: int, sink: int, progress: Progress | None) -> dict[str, object]:
    """Return the last line of a process that was given the job; what comes before it is progress."""
    places = os.pathsep.join(place for place in sys.path if place)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gateway.services.bulkprocess", str(source), str(sink)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(source, sink),
            env={**os.environ, "PYTHONPATH": places},
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
