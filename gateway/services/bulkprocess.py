"""The process that seals one large document: ``python -m gateway.services.bulkprocess SOURCE SINK``.

Its arguments are the numbers of two open files it inherits, its standard input says the rest. It writes to
the sink, reports how far it is, at last what it made, and ends; it opens no file and keeps nothing (``bulk``).
"""

import base64
import json
import os
import signal
import sys

from crypto.parts import seal_part

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
    """Seal what standard input asks for."""
    # An interrupt from the terminal reaches both; the gateway ends this process when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = json.loads(sys.stdin.buffer.read())
    if job["steps_back"]:
        os.nice(_STEPS_BACK)
    told = _Teller()
    with (
        open(int(sys.argv[1]), "rb", buffering=0) as source,
        open(int(sys.argv[2]), "r+b", buffering=0) as sink,
    ):
        try:
            part = seal_part(
                source,
                sink,
                bk=base64.b64decode(job["key"]),
                bid=job["bid"],
                n=job["n"],
                plain_size=job["plain_size"],
                progress=told,
            )
        except ValueError:
            _say({"error": WRONG_SIZE})
            return
    told.flush()
    members = ("n", "plain_size", "plain_sha256", "size", "sha256")
    _say({name: getattr(part, name) for name in members})


if __name__ == "__main__":
    main()
