"""The process that signs envelopes beside a gateway: ``python -m gateway.services.sealing.signingprocess …``.

Its standard input is a socket to the gateway. It reads the keys of the folder itself, signs nothing but
envelopes, answers in the order it was asked, and ends with the gateway or at the first thing that is wrong:
the gateway then signs for itself (``signing``). It keeps nothing and writes nothing.
"""

import signal
import socket
import sys
from pathlib import Path

from crypto.bundle import ENVELOPE_LIMIT, is_envelope_input
from crypto.keys import GW_HYB1, Signer
from gateway.services.keys.keyring import Keyring

#: Said once, when keys can be read and questions be asked.
READY = b"+"

#: Characters of a key identifier, and bytes that state the length of what is to be signed.
KID_SIZE, LENGTH_SIZE = 43, 4
_HEAD_SIZE = KID_SIZE + LENGTH_SIZE
_READ_BYTES = 128 * 1024


def question(kid: str, message: bytes) -> bytes:
    """Return the request to sign a message: identifier of the key, length, message."""
    return kid.encode("ascii") + len(message).to_bytes(LENGTH_SIZE, "big") + message


class _Keys:
    """The signers of a folder; it is read again for a key that is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signers: dict[str, Signer] = {}

    def signer(self, kid: str) -> Signer:
        found = self._signers.get(kid)
        if found is None:
            found = self._signers[kid] = Keyring.open(self._folder).signer_of(kid)
        return found


def _sign(keys: _Keys, kid: str, message: bytes) -> bytes:
    signer = keys.signer(kid)
    if signer.public.alg != GW_HYB1 or not is_envelope_input(message, kid):
        raise ValueError("this is no envelope")
    return signer.sign(message)


def serve(folder: Path, gateway: socket.socket) -> None:
    """Answer until the gateway closes the connection.

    What waits is answered together: what was sealed together is then stored together as well.

    Raises:
        ValueError: the gateway asked for something else than the signature of an envelope.
    """
    keys, waiting = _Keys(folder), bytearray()
    gateway.sendall(READY)
    while received := gateway.recv(_READ_BYTES):
        waiting += received
        answers = bytearray()
        while len(waiting) >= _HEAD_SIZE:
            size = int.from_bytes(waiting[KID_SIZE:_HEAD_SIZE], "big")
            if size > ENVELOPE_LIMIT:
                raise ValueError("an envelope is not that long")
            if len(waiting) < _HEAD_SIZE + size:
                break
            kid = waiting[:KID_SIZE].decode("ascii")
            answers += _sign(keys, kid, bytes(waiting[_HEAD_SIZE : _HEAD_SIZE + size]))
            del waiting[: _HEAD_SIZE + size]
        gateway.sendall(answers)


def main() -> None:
    """Serve the gateway that started this process."""
    # An interrupt from the terminal reaches both; the gateway closes the connection when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=0) as gateway:
        serve(Path(sys.argv[1]), gateway)


if __name__ == "__main__":
    main()
