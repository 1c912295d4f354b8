"""P8 to P12: 4 KB from one node to another over TLS on loopback, receipt checked and stored.

All contenders stand for the whole run, each with two nodes and databases of its own, and take turns
in every round: django-pyas2 in two shapes, the sealed-exchange floor, ours, and ours on a disk whose
every fsync takes 2 ms longer. Rates are compared within a round.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import ours_node, places, timing
from tests.bench.driving import Process
from tests.bench.goals import Case, Goal
from tests.bench.peer_exchange import Pyas2Pair, free_port
from tests.bench.syncshim import SyncCounter

SLOW_SYNC_US = 2000
IN_FLIGHT = (1, 16, 64)
NODES = ("sender", "recipient")

Taken = Mapping[str, list[float]]


class OurPair:
    """Two real gateways; the sender is driven from inside its own process."""

    def __init__(self, folder: Path, *, delay_us: int) -> None:
        folder.mkdir()
        ours_node.make_pair(folder)
        self._syncs = {
            node: SyncCounter(folder / f"{node}.syncs", delay_us=delay_us)
            for node in (ours_node.SENDER, ours_node.RECIPIENT)
        }
        recipient = [places.PYTHON, "-m", "gateway", "serve", "--home", folder / ours_node.RECIPIENT]
        sender = [places.PYTHON, "-m", "tests.bench.ours_exchange", folder / ours_node.SENDER]
        self._recipient = Process(recipient, env=self._environment(ours_node.RECIPIENT))
        try:
            self._sender = Process(sender, env=self._environment(ours_node.SENDER))
        except timing.BenchFailure:
            self._recipient.close()
            raise

    def _environment(self, node: str) -> dict[str, str]:
        return places.environment(**self._syncs[node].environment)

    def round(self, in_flight: int, seconds: float) -> dict[str, float]:
        """Return the figures of one round, with fsyncs and CPU of each node per exchange."""
        syncs = {node: counter.count for node, counter in self._syncs.items()}
        cpu = cpu_seconds(self._recipient.pid)
        figures = self._sender.round(in_flight, seconds)
        for node, name in ((ours_node.SENDER, "sender"), (ours_node.RECIPIENT, "recipient")):
            figures[f"{name}_syncs"] = (self._syncs[node].count - syncs[node]) / figures["count"]
        figures["recipient_cpu_ms"] = (cpu_seconds(self._recipient.pid) - cpu) / figures["count"] * 1e3
        return figures

    def close(self) -> None:
        """Stop both gateways."""
        self._sender.close()
        self._recipient.close()


class FloorPair:
    """Two processes of the sealed-exchange floor."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        folders = {role: folder / role for role in ("serve", "drive")}
        for path in folders.values():
            path.mkdir(parents=True)
        self._processes = [
            Process([places.PYTHON, "-m", "tests.bench.floor_exchange", role, port, path])
            for role, path in folders.items()
        ]

    def round(self, in_flight: int, seconds: float) -> dict[str, float]:
        """Return the figures of one round."""
        recipient, sender = self._processes
        cpu = cpu_seconds(recipient.pid)
        figures = sender.round(in_flight, seconds)
        figures["recipient_cpu_ms"] = (cpu_seconds(recipient.pid) - cpu) / figures["count"] * 1e3
        return figures

    def close(self) -> None:
        """Stop both processes."""
        for process in self._processes:
            process.close()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(*, quick: bool) -> list[Goal]:
    """Return P8 to P12."""
    seconds, rounds = (1.0, 1) if quick else (2.5, 3)
    payload = places.WORK / "exchange.bin"
    payload.write_bytes(os.urandom(ours_node.REQUEST_BYTES))
    taken: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ours = stack.enter_context(_closing(OurPair(places.WORK / "ours", delay_us=0)))
        slow = stack.enter_context(_closing(OurPair(places.WORK / "slow", delay_us=SLOW_SYNC_US)))
        floor = stack.enter_context(_closing(FloorPair(places.WORK / "floor")))
        one_by_one = stack.enter_context(_closing(Pyas2Pair(workers=1, senders=1)))
        together = stack.enter_context(_closing(Pyas2Pair(workers=2, senders=4)))
        for round_number in range(-1, rounds):
            # The first round warms connections, caches and databases up and does not count.
            into = taken if round_number >= 0 else defaultdict(list)
            length = seconds if round_number >= 0 else 0.7
            _note(into, "pyas2 1/1", one_by_one.exchange(payload, 20 if round_number >= 0 else 3))
            _note(into, "pyas2 2/4", together.exchange(payload, 12 if round_number >= 0 else 3))
            for in_flight in IN_FLIGHT:
                _note(into, f"floor x{in_flight}", floor.round(in_flight, length))
                _note(into, f"ours x{in_flight}", ours.round(in_flight, length))
            _note(into, "slow x64", slow.round(64, length))
            print(f"  round {round_number + 1} of {rounds}", file=sys.stderr, flush=True)
    return _goals(taken)


@contextmanager
def _closing(pair: "OurPair | FloorPair | Pyas2Pair") -> "Iterator[OurPair | FloorPair | Pyas2Pair]":
    try:
        yield pair
    finally:
        pair.close()


def _note(into: dict[str, list[float]], name: str, figures: Mapping[str, float]) -> None:
    for figure, value in figures.items():
        into[f"{name} {figure}"].append(value)


def _goals(taken: Taken) -> list[Goal]:
    peer_best = [max(pair) for pair in zip(taken["pyas2 1/1 per_s"], taken["pyas2 2/4 per_s"], strict=True)]
    in_it = (
        "ours: request form checked against the law and the directory, sealed (hybrid), stored with case, "
        "receipt and audit entries, delivered over mutual TLS 1.3 with a request token, opened and checked, "
        "stored, consignment receipt with log proof back, checked, stored; bundles that are ready together "
        "share a request; submitted through the submit "
        "service inside the sender's process, so without the local API; receipts' own push, directory "
        "refresh and people are not in it"
    )
    return [
        Goal(
            key="P8",
            title="4 KB end to end, messages/s, against the best django-pyas2",
            cases=[
                Case(
                    name="16 in flight",
                    value=timing.ratios(taken["ours x16 per_s"], peer_best),
                    must=12,
                    stretch=20,
                ),
                Case(
                    name="64 in flight",
                    value=timing.ratios(taken["ours x64 per_s"], peer_best),
                    must=None,
                    stretch=25,
                ),
            ],
            detail={**_medians(taken, "per_s"), **_medians(taken, "cpu_ms"), "in it": in_it},
        ),
        Goal(
            key="P9",
            title="the same against the sealed-exchange floor with ML-DSA",
            cases=[
                Case(
                    name=f"{n} in flight",
                    value=timing.ratios(taken[f"ours x{n} per_s"], taken[f"floor x{n} per_s"]),
                    must=0.5 if n == 16 else None,
                    stretch=0.8,
                )
                for n in (16, 64)
            ],
            detail={
                "1 in flight": timing.ratios(taken["ours x1 per_s"], taken["floor x1 per_s"]),
                "in it": "the floor seals, signs and verifies with both halves, commits on both sides and "
                "sends a JWS receipt; it has no forms, directory, cases, audit log, proofs or request tokens",
            },
        ),
        Goal(
            key="P10",
            title="one in flight, p50, against django-pyas2",
            cases=[
                Case(
                    name="django-pyas2",
                    value=timing.ratios(taken["ours x1 p50_ms"], taken["pyas2 1/1 p50_ms"]),
                    must=round(1 / 7, 3),
                    stretch=round(1 / 15, 3),
                    at_most=True,
                )
            ],
            detail={**_medians(taken, "p50_ms"), **_medians(taken, "p99_ms"), "Synapse": "not measured"},
        ),
        Goal(
            key="P11",
            title="fsync slowed by 2 ms, 64 in flight, against the same without",
            cases=[
                Case(
                    name="64 in flight",
                    value=timing.ratios(taken["slow x64 per_s"], taken["ours x64 per_s"]),
                    must=0.7,
                    stretch=0.95,
                )
            ],
            detail={"in it": "both nodes under a preloaded library; it loads before the gateways start"},
        ),
        Goal(
            key="P12",
            title="fsyncs per exchange, the busier node",
            cases=[
                Case(
                    name=name,
                    value=max(timing.median(taken[f"ours x{n} {node}_syncs"]) for node in NODES),
                    must=must,
                    stretch=stretch,
                    at_most=True,
                )
                for name, n, must, stretch in (("alone", 1, 3, 2), ("64 in flight", 64, 0.5, 0.25))
            ],
            detail=_medians(taken, "syncs"),
        ),
    ]


def _medians(taken: Taken, suffix: str) -> dict[str, float]:
    return {name: timing.median(values) for name, values in taken.items() if name.endswith(suffix)}
