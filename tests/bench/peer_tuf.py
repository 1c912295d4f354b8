"""python-tuf as it comes, on 200 records in one role: ``peer_tuf``.

Ed25519 alone, two of three holders for root and targets, one key each for snapshot and timestamp, files
in memory for a server. Prints the mean seconds of a refresh with nothing new and those of a first sync.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater

from tests.gateway.services.registry.networks import enc, key_row, record

RECORDS = 200
TIMES = 60
_BASE = "memory:///"


class Files(FetcherInterface):
    """A server in memory that counts."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.asked += 1
        data = self.files.get(url.removeprefix(_BASE))
        if data is None:
            raise DownloadHTTPError("not there", 404)
        return iter((data,))


def publish(now: datetime) -> tuple[dict[str, bytes], bytes]:
    """Return the repository and its root."""
    people = [CryptoSigner.generate_ed25519() for _ in range(3)]
    machine = CryptoSigner.generate_ed25519()
    keys = {signer.public_key.keyid: signer.public_key for signer in [*people, machine]}
    ids = [signer.public_key.keyid for signer in people]
    alone = Role([machine.public_key.keyid], 1)
    roles = {"root": Role(ids, 2), "targets": Role(ids, 2), "snapshot": alone, "timestamp": alone}
    expires = now + timedelta(days=30)
    files: dict[str, bytes] = {}

    def put(name: str, signed: Any, signers: list[CryptoSigner]) -> bytes:
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        files[name] = metadata.to_bytes()
        return files[name]

    root = put("1.root.json", Root(expires=expires, keys=keys, roles=roles), people[:2])
    sample, listed = record("at-moj", now=now), {}
    for number in range(RECORDS):
        path = f"{number}.json"
        data = json.dumps(sample | {"keys": [key_row(enc(path), now)]}).encode()
        listed[path] = TargetFile.from_data(path, data, ["sha256"])
        files[f"{listed[path].hashes['sha256']}.{path}"] = data
    targets = put("1.targets.json", Targets(expires=expires, targets=listed), people[:2])
    meta = {"targets.json": MetaFile.from_data(1, targets, ["sha256"])}
    snapshot = put("1.snapshot.json", Snapshot(expires=expires, meta=meta), [machine])
    meta_file = MetaFile.from_data(1, snapshot, ["sha256"])
    put("timestamp.json", Timestamp(expires=expires, snapshot_meta=meta_file), [machine])
    return files, root


def main() -> None:
    """Sync once, then refresh with nothing new."""
    files, root = publish(datetime.now(UTC))
    fetcher = Files(files)
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
        folder = Path(name)

        def updater() -> Updater:
            return Updater(str(folder), _BASE, str(folder), _BASE, fetcher=fetcher, bootstrap=root)

        cpu, start = time.process_time(), time.perf_counter()
        first = updater()
        first.refresh()
        for number in range(RECORDS):
            info = first.get_targetinfo(f"{number}.json")
            if info is None:
                raise SystemExit("a record is missing")
            first.download_target(info)
        figures = {"first_s": time.perf_counter() - start, "first_cpu_s": time.process_time() - cpu}
        figures["first_requests"], fetcher.asked = fetcher.asked, 0
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(TIMES):
            updater().refresh()
        figures["refresh_s"] = (time.perf_counter() - start) / TIMES
        figures["refresh_cpu_s"] = (time.process_time() - cpu) / TIMES
        figures["refresh_requests"] = fetcher.asked / TIMES
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
