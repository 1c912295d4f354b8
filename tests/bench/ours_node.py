"""Homes of two real gateways that know each other, and the 4 KB request one sends the other.

The homes are made as ``rogatory init`` makes them, with the settings a new home gets, in a lab
network (loopback). The request is the fictional sample 1 cut down to what the law demands, its facts
as long as makes exactly 4,096 bytes of JSON.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.app import make_home
from gateway.config import AuthoritySettings, HomePaths, PeerSettings, Settings
from gateway.services.directory import Directory
from gateway.services.home import HomePlan, plan_record
from gateway.services.identifiers import new_identifier
from gateway.services.keys.keyring import Keyring
from tests import sampledata
from tests.bench import places, timing
from tests.bench.peer_exchange import free_port

SENDER, RECIPIENT = "ke-ag", "sg-agc"
REQUEST_BYTES = 4096
# Stand in the template for what is new in every request.
_BID, _THREAD = b"b" * 32, b"e" * 32
_OPTIONAL = (
    "thread",
    "special_circumstances",
    "assurances",
    "costs",
    "dual_criminality_note",
    "link_to_requested_state",
    "scope",
    "respond_by",
)


def make_pair(folder: Path) -> None:
    """Make both homes under ``folder``, named after their authorities, each enrolled with the other."""
    # In a process of its own, so that a hang there is a failure and not the end of the run.
    timing.run([places.PYTHON, "-m", "tests.bench.ours_node", folder], env=places.environment())


async def _make_pair(folder: Path) -> None:
    now = datetime.now(UTC)
    directory = sampledata.sample("directory.json")
    for authority_id in (SENDER, RECIPIENT):
        listen = f"127.0.0.1:{free_port()}"
        row = sampledata.entry(authority_id)
        settings = Settings(
            authority=AuthoritySettings(
                id=authority_id, state=row["state"], name=row["name_en"], network="lab"
            ),
            peer=PeerSettings(listen=listen),
        )
        record, state = plan_record(settings=settings, address=f"https://{listen}", given=directory)
        plan = HomePlan(settings=settings, record=record, state=state)
        await make_home(HomePaths(folder / authority_id), plan)
    for own, peer in ((SENDER, RECIPIENT), (RECIPIENT, SENDER)):
        paths = HomePaths(folder / own)
        keyring = Keyring.open(paths.keys)
        opened = Directory.open(paths.directory, keyring=keyring)
        opened.enrol(HomePaths(folder / peer).enrolment.read_bytes(), now=now)


def template(*, level: str | None = None) -> bytes:
    """Return the JSON of a valid request of 4,096 bytes, with places for what ``numbered`` puts in.

    ``level`` of urgency; the sample's own travels on the routine lane.
    """
    form = {name: value for name, value in sampledata.request(1).items() if name not in _OPTIONAL}
    form["attachments"] = []
    if level is not None:
        form["urgency"] = {**form["urgency"], "level": level}
    form["assistance"] = form["assistance"][:1]
    form["persons"] = form["persons"][:1]
    form["reference_requesting"] = f"BENCH/{_BID.decode()[:12]}"
    form["thread"] = {
        "message_type": "request",
        "message_id": f"{SENDER}/{_BID.decode()}",
        "thread_id": _THREAD.decode(),
        "in_reply_to": None,
        "seq": 1,
        "seen": 0,
    }
    facts = form.pop("facts_summary")
    room = REQUEST_BYTES - len(_json({**form, "facts_summary": ""}))
    return _json({**form, "facts_summary": (facts * 2)[:room]})


def numbered(form: bytes) -> tuple[str, bytes]:
    """Return the bid and the JSON of one more request like ``form``: a new bundle of a new thread."""
    now = datetime.now(UTC)
    bid, thread = new_identifier(now).encode(), new_identifier(now).encode()
    one = form.replace(_BID, bid).replace(_BID[:12], bid[-12:]).replace(_THREAD, thread)
    return bid.decode(), one


def _json(form: dict[str, Any]) -> bytes:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()


if __name__ == "__main__":
    asyncio.run(_make_pair(Path(sys.argv[1])))
