"""What has arrived is told in ``in``: a small file for each message, in a folder for its case; no content.

Written once: what the case system takes away does not come back. How far it is stands in ``in/.told``, with
what was told in the last minutes, because messages become visible in another order than they were stored.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.model.medium import TEXT_MAX_BYTES
from gateway.model.next_step import sentence_for
from gateway.services.carrier.medium import Folder, given
from gateway.storage import caselists
from gateway.storage.database import Database

_TOLD = ".told"
_AT_ONCE = 500

#: A message may be stored with an earlier time than one that is visible already, by so much at most.
_LOOK_BACK = timedelta(minutes=2)

_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


class Telling:
    """Writes what has arrived."""

    def __init__(self, *, root: Path, database: Database) -> None:
        self._root = root
        self._database = database

    async def look(self) -> int:
        """Tell what arrived since the last look; return how many messages. Durable when it returns."""
        with Folder.open(self._root) as root, root.within("in", create=True) as inside:
            since, told = _read(inside)
            # Beyond what is told already there is always room for something new.
            most = _AT_ONCE + len(told)
            rows = await self._database.read(lambda c: caselists.inbox_since(c, since - _LOOK_BACK, most))
            new = [row for row in rows if _key(row) not in told]
            for row in new:
                with inside.within(row.case.thread_id, create=True) as case:
                    data = json.dumps(_said(row), indent=1).encode() + b"\n"
                    await case.put(f"{row.message.bid}.json", given(data))
                    await case.settle()
                told[_key(row)] = row.message.stored_at
            if new:
                newest = max(told.values())
                kept = {key: at for key, at in told.items() if at >= newest - 2 * _LOOK_BACK}
                await inside.put(_TOLD, given(_written(newest, kept)))
                await inside.settle()
        return len(new)


def _key(row: caselists.InboxRow) -> str:
    return f"{row.message.sender}/{row.message.bid}"


def _said(row: caselists.InboxRow) -> Mapping[str, Any]:
    """Return what is told of a message: references, codes and times."""
    held, case = row.message, row.case
    return {
        "v": 1,
        "sender": held.sender,
        "bid": held.bid,
        "message_type": held.message_type,
        "lane": row.lane,
        "size": row.size_bytes,
        "arrived_at": _time(held.stored_at),
        "thread_id": case.thread_id,
        "side": case.side,
        "request_kind": case.request_kind,
        "urgency_level": case.urgency_level,
        "reference_requesting": case.reference_requesting,
        "reference_requested": case.reference_requested,
        "state": case.state,
        "sentence": sentence_for(case.state, case.next_action),
        "next_actor": case.next_actor,
        "next_action": case.next_action,
        "next_action_at": None if case.next_action_at is None else _time(case.next_action_at),
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _at(said: str) -> datetime:
    """Return a time that can be reckoned with. Raises ``ValueError``."""
    at = datetime.fromisoformat(said)
    if at.tzinfo is None or not _BEGIN.year <= at.year < 9999:
        raise ValueError("no such time")
    return at


def _written(newest: datetime, kept: Mapping[str, datetime]) -> bytes:
    told = {key: _time(at) for key, at in kept.items()}
    return json.dumps({"v": 1, "at": _time(newest), "told": told}).encode() + b"\n"


def _read(inside: Folder) -> tuple[datetime, dict[str, datetime]]:
    """Return how far it is; from the beginning where nothing, or nothing readable, says so."""
    data = inside.read(_TOLD, most=TEXT_MAX_BYTES)
    try:
        value = json.loads(data or b"")
        told = {str(key): _at(at) for key, at in value["told"].items()}
        return _at(value["at"]), told
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _BEGIN, {}
