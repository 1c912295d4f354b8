"""Our follower on a network of 200 States: ``ours_registry build FOLDER`` or ``follow FOLDER``.

``build`` publishes the network once, with a row of later timestamps. ``follow`` prints the mean seconds
of a refresh when the server has nothing at all, and a new timestamp only; those of a first sync and of a
start from disk; and the requests each took.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, Timestamp

from gateway.services.registry.follower import Follower, root_digest
from gateway.services.registry.publisher import Publication
from tests.bench import timing
from tests.gateway.services.registry.networks import NETWORK, Server, begin, enc, holder, key_row, record

STATES = 200
#: New timestamps that vouch for the same state, one per measured refresh.
LATER = 60


def build(folder: Path) -> None:
    """Publish one authority for each of 200 States; three holders of root, one of each State."""
    now = datetime.now(UTC)
    net = begin(folder / "net", now=now)
    sample = record("at-moj", now=now)
    codes = [a + b for a in "abcdefgh" for b in "abcdefghijklmnopqrstuvwxy"][:STATES]
    speakers = {cc: holder(f"Speaker of {cc}") for cc in codes}
    for cc, speaker in speakers.items():
        net.publication.draft_state(cc, [speaker.public], 1, now=now)
    net.sign("targets", net.people, now)
    net.publication.publish(now)
    for cc, speaker in speakers.items():
        own = {"authority_id": f"{cc}-moj", "state": cc.upper(), "keys": [key_row(enc(cc), now)]}
        net.publication.draft_record(cc, sample | own, now=now)
        net.publication.sign(f"state-{cc}", speaker, now)
    net.publication.publish(now)
    net.refresh(now, timestamp_days=14)
    timestamp = Metadata[Timestamp].from_bytes((net.publication.repository / "timestamp.json").read_bytes())
    (folder / "later").mkdir()
    for number in range(LATER):
        timestamp.signed.version += 1
        timestamp.signatures.clear()
        for signer in net.automatic.tuf_signers():
            timestamp.sign(signer, append=True)
        (folder / "later" / f"{number}.json").write_bytes(timestamp.to_bytes())


async def follow(folder: Path) -> dict[str, float]:
    """Return seconds and requests of each kind of refresh."""
    publication = Publication.open(folder / "net")
    root, now = publication.root(), datetime.now(UTC) + timedelta(minutes=1)
    home = Path(tempfile.mkdtemp(dir=folder))
    follower = Follower.pin(home / "f", network=NETWORK, root=root, sha256=root_digest(root))
    server = Server(publication.repository)
    cpu, start = time.process_time(), time.perf_counter()
    found = await follower.refresh(server, now)
    figures = {"first_s": time.perf_counter() - start, "first_cpu_s": time.process_time() - cpu}
    if len(found.records) != STATES or found.refused:
        raise timing.BenchFailure("the network did not arrive whole")
    figures["first_requests"] = len(server.asked)
    figures["bundle_bytes"] = len((publication.repository / "1.bundle").read_bytes())
    later = [(folder / "later" / f"{number}.json").read_bytes() for number in range(LATER)]
    server.asked.clear()
    cpu, start = time.process_time(), time.perf_counter()
    for data in later:
        server.replaced = {"timestamp.json": data}
        await follower.refresh(server, now)
    figures["renewed_s"] = (time.perf_counter() - start) / LATER
    figures["renewed_cpu_s"] = (time.process_time() - cpu) / LATER
    figures["renewed_requests"] = len(server.asked) / LATER
    start = time.perf_counter()
    for _ in range(LATER):
        await follower.refresh(server, now)
    figures["same_s"] = (time.perf_counter() - start) / LATER
    start = time.perf_counter()
    Follower.open(home / "f").load()
    figures["load_s"] = time.perf_counter() - start
    shutil.rmtree(home)
    return figures


def main() -> None:
    """Do what was asked for."""
    folder = Path(sys.argv[2])
    if sys.argv[1] == "build":
        build(folder)
        return
    print(json.dumps(asyncio.run(follow(folder))))


if __name__ == "__main__":
    main()
