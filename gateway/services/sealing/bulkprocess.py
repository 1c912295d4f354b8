"""The process that seals or checks one large part: ``python -m gateway.services.sealing.bulkprocess …``.

Its arguments are the numbers of open files it inherits, its standard input says the rest. With a sink it
seals the source into it, reports how far it is and at last what it made; without, it tells whether the sealed
source opens to what was announced. Then it ends; it opens no file and keeps nothing (``bulk``).
"""

import base64
import json
import os
import signal
import sys
from contextlib import suppress
from io import FileIO
from typing import Any

from crypto.errors import Refusal
from crypto.parts import open_part, seal_part

#: What it answers where the document is shorter or longer than was announced.
WRONG_SIZE = "size"

#: The routine lane's place on the processor: behind everything that answers people and peers.
_STEPS_BACK = 10
#: Progress is told for so many bytes at a time.
_TOLD_BYTES = 8 * 1024 * 1024


class _Teller:
    """Says how many bytes were done since it last did."""

    def __init__(self) -> None:
        self._done = 0

    def __call__(self, step: int) -> None:
        self._done += step
        if self._done >= _TOLD_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._done:
            _say(self._done)
            self._done = 0


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what standard input asks for."""
    # An interrupt from the terminal reaches both; the gateway ends this process when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = json.loads(sys.stdin.buffer.read())
    if job["steps_back"]:
        # Where a service may not change its place, it works from where it stands.
        with suppress(OSError):
            os.nice(_STEPS_BACK)
    key = base64.b64decode(job["key"])
    with open(int(sys.argv[1]), "rb", buffering=0) as source:
        if len(sys.argv) == 2:
            _check(job, key, source)
            return
        with open(int(sys.argv[2]), "r+b", buffering=0) as sink:
            _seal(job, key, source, sink)


def _seal(job: dict[str, Any], key: bytes, source: FileIO, sink: FileIO) -> None:
    told = _Teller()
    part_of = {name: job[name] for name in ("bid", "n", "plain_size")}
    try:
        part = seal_part(source, sink, bk=key, progress=told, **part_of)
    except ValueError:
        _say({"error": WRONG_SIZE})
        return
    told.flush()
    members = ("n", "plain_size", "plain_sha256", "size", "sha256")
    _say({name: getattr(part, name) for name in members})


def _check(job: dict[str, Any], key: bytes, source: FileIO) -> None:
    part_of = {name: job[name] for name in ("bid", "n", "plain_size", "plain_sha256", "pad")}
    try:
        open_part(source, None, bk=key, **part_of)
    except Refusal as refusal:
        _say({"refused": refusal.code})
        return
    _say({"refused": None})


if __name__ == "__main__":
    main()
