"""P13: an urgent request from gateway to gateway while routine work is stored, sent, or large.

Two pairs of gateways stand for the whole run and take turns in every round: one with empty databases, whose
urgent requests alone are what everything is compared with, and one with 100,000 routine requests stored. The
stored ones are copies of a few real ones under other identifiers, which share their sealed parts; those that
are being sent are all real. A round's figures are compared within the round, whose idle and stored
seconds alternate in slices: a disk that stalls for a while then stalls for both.
"""

import hashlib
import os
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import ours_node, places, timing
from tests.bench.driving import Process
from tests.bench.goals import Case, Goal

BACKLOG = 100_000
#: Real requests that the stored ones are copies of.
_MODELS = 50
_GIB = 1 << 30
#: Turns of the empty and of the full pair in a round.
_SLICES = 4
#: Whom the stored requests wait for: word from the recipient would make those to it due at once.
_AWAY = "sn-mj"


class UrgentPair:
    """Two real gateways; the sender is driven from inside its own process."""

    def __init__(self, folder: Path, *, backlog: int) -> None:
        folder.mkdir()
        ours_node.make_pair(folder)
        self._folder = folder
        self._start()
        if backlog:
            self.round("sending", 1.0, count=_MODELS)
            self.close()
            for node, mine in ((ours_node.SENDER, True), (ours_node.RECIPIENT, False)):
                multiply(folder / node / "rogatory.db", backlog, waiting=mine)
            self._start()

    def _start(self) -> None:
        homes = {node: self._folder / node for node in (ours_node.SENDER, ours_node.RECIPIENT)}
        serve = [places.PYTHON, "-m", "gateway", "serve", "--home", homes[ours_node.RECIPIENT]]
        drive = [places.PYTHON, "-m", "tests.bench.ours_urgent", homes[ours_node.SENDER]]
        self._recipient = Process(serve)
        try:
            self._sender = Process(drive)
        except timing.BenchFailure:
            self._recipient.close()
            raise

    def round(self, what: str, seconds: float, **more: object) -> dict[str, Any]:
        """Return the figures of one situation."""
        return self._sender.ask({"what": what, "seconds": seconds, **more}, patience_s=seconds + 180)

    def close(self) -> None:
        """Stop both gateways."""
        self._sender.close()
        self._recipient.close()


def multiply(path: Path, count: int, *, waiting: bool) -> None:
    """Fill a database up to ``count`` routine requests with copies of those in it.

    ``waiting``: the copies wait for a peer that has not been heard of for long; else they are history.
    """
    database = sqlite3.connect(path)
    with database:
        found = database.execute("select sender, bid from bundle where lane = 'routine'").fetchall()
        if not found:
            raise timing.BenchFailure("no routine request to copy")
        database.execute("create temp table model as select sender, bid from bundle where lane = 'routine'")
        database.execute("create temp table copy (of text, bid text, thread text, k integer)")
        left, k = count - len(found), 0
        while left > 0:
            share = min(left, len(found))
            database.execute(
                "insert into copy select bid, lower(hex(randomblob(16))), lower(hex(randomblob(16))), ?"
                " from model limit ?",
                (k, share),
            )
            left, k = left - share, k + 1
        for table in ("bundle", "content_key", "message", "transmission", "receipt", "envelope", "part"):
            _copy(database, table, {"bid": "copy.bid"}, waiting)
        threads = "select m.bid from message m where m.thread_id = cases.thread_id and m.peer = cases.peer"
        database.execute(
            f"insert into cases select {_columns(database, 'cases', {'thread_id': 'copy.thread'})}"
            f" from cases join copy on copy.of = ({threads} limit 1)"
        )
    database.execute("analyze")
    database.close()


#: Columns that must differ in every row.
_UNIQUE = {
    "envelope": {"sha256": "lower(hex(randomblob(32)))"},
    "receipt": {"jws_sha256": "lower(hex(randomblob(32)))", "leaf": "null"},
    "message": {"thread_id": "copy.thread"},
    "transmission": {},
}


def _copy(database: sqlite3.Connection, table: str, changed: dict[str, str], waiting: bool) -> None:
    changes = {**changed, **_UNIQUE.get(table, {})}
    if table == "transmission" and waiting:
        changes |= {"state": "'QUEUED'", "next_action": "'attempt'", "attempts": "1"}
        changes |= {"next_action_at": "9000000000000 + copy.k", "lease_owner": "null", "lease_until": "null"}
        changes |= {"outbox_no": "null", "to_aid": f"'{_AWAY}'"}
    columns = _columns(database, table, changes)
    database.execute(f"insert into {table} select {columns} from {table} join copy on copy.of = {table}.bid")


def _columns(database: sqlite3.Connection, table: str, changes: Mapping[str, str]) -> str:
    names = [row[1] for row in database.execute(f"pragma table_info({table})")]
    return ", ".join(changes.get(name, f"{table}.{name}") for name in names)


def measure(*, quick: bool) -> list[Goal]:
    """Return P13."""
    seconds, rounds, backlog = (4.0, 1, 10_000) if quick else (8.0, 5, BACKLOG)
    size, due = (_GIB // 4, 1_500) if quick else (_GIB, 3_000)
    document = places.WORK / "evidence.bin"
    sha256 = _make_document(document, size)
    taken: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with ExitStack() as stack:
        empty = UrgentPair(places.WORK / "empty", backlog=0)
        stack.callback(empty.close)
        full = UrgentPair(places.WORK / "full", backlog=backlog)
        stack.callback(full.close)
        for pair in (empty, full):
            pair.round("alone", 2.0)
        for number in range(rounds):
            slices = defaultdict(list)
            for _ in range(_SLICES):
                slices["idle"].append(empty.round("alone", seconds / _SLICES))
                slices["stored"].append(full.round("alone", seconds / _SLICES))
            slices["sent"].append(full.round("sending", seconds, count=due))
            if not slices["sent"][0]["routine_left"]:
                raise timing.BenchFailure(
                    "every routine request had left while the urgent ones were measured"
                )
            slices["bulk"].append(empty.round("bulk", seconds, path=str(document), sha256=sha256))
            for name, figures in slices.items():
                taken[name].append(_together(figures))
            print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    document.unlink()
    return [_goal(taken, backlog, size)]


def _together(slices: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of one situation of a round: percentiles over all its requests."""
    taken = [latency for part in slices for latency in part["taken_ms"]]
    others = {name: sum(part[name] for part in slices) for name in slices[0] if name != "taken_ms"}
    return {
        "count": len(taken),
        "p50_ms": timing.median(taken),
        "p99_ms": timing.percentile(taken, 0.99),
        "max_ms": max(taken),
        **others,
    }


def _make_document(path: Path, size: int) -> str:
    """Write a document that does not compress, and return its digest."""
    digest, block = hashlib.sha256(), os.urandom(places.MIB)
    with path.open("wb") as file:
        for _ in range(size // places.MIB):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def _goal(taken: Mapping[str, list[dict[str, Any]]], backlog: int, size: int) -> Goal:
    def p99(name: str) -> list[float]:
        return [figures["p99_ms"] for figures in taken[name]]

    cases = (
        (f"{backlog} routine stored", "stored", 1.5, 1.2),
        ("while they are being sent", "sent", 3.0, 2.0),
        (f"beside a transfer of {size // places.MIB} MiB", "bulk", 3.0, 2.0),
    )
    detail = {
        f"{name} {figure}": timing.median([float(figures[figure]) for figures in rounds])
        for name, rounds in taken.items()
        for figure in rounds[0]
    }
    return Goal(
        key="P13",
        title="urgent p99, against an empty and idle system",
        cases=[
            Case(
                name=title,
                value=timing.ratios(p99(name), p99("idle")),
                must=must,
                stretch=stretch,
                at_most=True,
            )
            for title, name, must, stretch in cases
        ],
        detail={
            **detail,
            "in it": "a request of 4 KiB each 15 ms, from the submit service to the consignment checked and "
            "stored, as in P8, with its ladder and the page at the other end; SQLite; both gateways, and the "
            "program that drives the sender, on the same cores",
        },
    )
