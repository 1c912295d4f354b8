"""The bare floor of bulk sealing, a process: ``floor_bulk two-thread|apart|both seal|open SOURCE TARGET``.

AES-256-GCM in chunks of 1 MiB on reused buffers, SHA-256 over the plaintext in a second thread.
No signature, no key exchange, no padding.

``two-thread`` is the floor that goal P3 names, a reference program: it fills its pair of buffers again once
both are hashed. It is not the least that two threads need. That is ``apart``, which fills each buffer as soon
as it is hashed itself. ``both`` is ``apart`` with the ciphertext hashed too when it seals, in a third thread:
what a bundle asks for at the very least.
"""

import hashlib
import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 1 << 20
TAG = 16


def main() -> None:
    """Seal or open one file."""
    kind, what, source_name, target_name = sys.argv[1:5]
    start = time.perf_counter()
    sealing = what == "seal"
    size_in, size_out = (CHUNK, CHUNK + TAG) if sealing else (CHUNK + TAG, CHUNK)
    inputs = [memoryview(bytearray(size_in)) for _ in range(2)]
    outputs = [memoryview(bytearray(size_out)) for _ in range(2)]
    cipher = AESGCM(bytes(32))
    digest, sealed_digest = hashlib.sha256(), hashlib.sha256()
    pending: list[list[Future[None]]] = [[], []]
    with (
        open(source_name, "rb", buffering=0) as source,
        open(target_name, "xb", buffering=0) as target,
        ThreadPoolExecutor(1) as hasher,
        ThreadPoolExecutor(1) as second,
    ):
        index = 0
        while True:
            slot = index & 1
            for busy in _to_wait_for(pending, slot, kind):
                busy.result()
            length = source.readinto(inputs[slot])
            if not length:
                break
            piece, nonce = inputs[slot][:length], index.to_bytes(12, "big")
            if sealing:
                pending[slot] = [hasher.submit(digest.update, piece)]
                written = cipher.encrypt_into(nonce, piece, None, outputs[slot][: length + TAG])
                sealed = outputs[slot][:written]
                if kind == "both":
                    pending[slot].append(second.submit(sealed_digest.update, sealed))
                target.write(sealed)
            else:
                plain = outputs[slot][
                    : cipher.decrypt_into(nonce, piece, None, outputs[slot][: length - TAG])
                ]
                pending[slot] = [hasher.submit(digest.update, plain)]
                target.write(plain)
            index += 1
    print(json.dumps({"work_s": time.perf_counter() - start, "sha256": digest.hexdigest()}))


def _to_wait_for(pending: list[list[Future[None]]], slot: int, kind: str) -> list[Future[None]]:
    if kind != "two-thread":
        return pending[slot]
    return [*pending[0], *pending[1]] if slot == 0 else []


if __name__ == "__main__":
    main()
