"""P1 to P5: one large file, sealed and opened, file to file, page cache warm, nothing synced.

In every round each contender seals and opens the same file once, in turns that shift by one each round;
before each turn what the one before left behind is written back, and outputs are removed at once.
Against programs whole processes are compared, interpreter start
included; against the floor, which is the same interpreter, the work alone.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.bench import peers, places, timing
from tests.bench.goals import Case, Goal

SMALL, LARGE = 256, 1024
#: Rounds that count.
ROUNDS = 5
#: The file of pyas2lib, which takes 19 times its size in memory.
PYAS2_MIB = 16
#: The kind of ``floor_bulk`` that P3 is set against, and those that are shown beside it.
_FLOOR = "two-thread"
_SHARPER = {
    "apart": "a floor whose threads wait less",
    "both": "a floor with both digests whose threads wait less",
}

Figures = Mapping[str, list[float]]


def measure(*, quick: bool) -> list[Goal]:
    """Return P1 to P5; ``quick`` leaves the large file out, so P1, P3 and P5 lack its cases."""
    sizes = (SMALL,) if quick else (SMALL, LARGE)
    sources = {mib: _source(mib) for mib in (PYAS2_MIB, *sizes)}
    figures: dict[int, Figures] = {mib: _rounds(mib, sources[mib]) for mib in sizes}
    pyas2 = _pyas2_rounds(sources[PYAS2_MIB])
    for source in sources.values():
        timing.forget(source)
    small = figures[SMALL]
    return [
        _p1(figures),
        Goal(
            key="P2",
            title="open and verify, against openssl cms",
            cases=[
                Case(
                    name=f"{SMALL} MiB",
                    value=timing.ratios(small["openssl cms open"], small["ours open"]),
                    must=6,
                    stretch=10,
                )
            ],
            detail={
                **_seconds(small, "openssl cms open", "ours open", "age (no signature) open"),
                "with the ciphertext's digest computed too": timing.ratios(
                    small["openssl cms open"], small["ours open-both"]
                ),
                "in it": "whole processes; steps 1 to 13 of the open procedure but 10 (digests of the "
                "ciphertext, which a gateway computes while it receives)",
            },
        ),
        _p3(figures),
        Goal(
            key="P4",
            title="seal, against gpg and pyas2lib",
            cases=[
                Case(
                    name="gpg",
                    value=timing.ratios(small["gpg seal"], small["ours seal"]),
                    must=1.3,
                    stretch=2,
                ),
                Case(
                    name="pyas2lib",
                    value=timing.ratios(pyas2["pyas2lib"], pyas2["ours"]),
                    must=25,
                    stretch=45,
                ),
            ],
            detail={
                **_seconds(small, "gpg seal", "gpg open", "age (no signature) seal", "ours seal"),
                "gpg opening, we are faster by": timing.ratios(small["gpg open"], small["ours open"]),
                "pyas2lib seconds, 16 MiB": timing.median(pyas2["pyas2lib"]),
                "ours seconds, 16 MiB": timing.median(pyas2["ours"]),
                "in it": "gpg: 256 MiB, whole processes; pyas2lib: 16 MiB in memory, both without start",
            },
        ),
        _p5(figures, pyas2),
    ]


def _p1(figures: Mapping[int, Figures]) -> Goal:
    cases, detail = [], {}
    for mib, taken in figures.items():
        value = timing.ratios(taken["openssl cms seal"], taken["ours seal"])
        cases.append(Case(name=f"{mib} MiB", value=value, must=0.85, stretch=1.2))
        detail[f"{mib} MiB"] = {
            **_seconds(taken, "openssl cms seal", "ours seal", "ours seal, work only"),
            "without our interpreter's start": timing.ratios(
                taken["openssl cms seal"], taken["ours seal, work only"]
            ),
        }
    note = "whole processes; ours: a bundle with encrypted manifest, both digests, hybrid signature and wrap"
    return Goal(key="P1", title="seal, against openssl cms", cases=cases, detail={**detail, "in it": note})


def _p3(figures: Mapping[int, Figures]) -> Goal:
    cases, detail = [], {}
    for mib, taken in figures.items():
        for what in ("seal", "open"):
            ours = taken[f"ours {what}, work only"]
            value = timing.ratios(taken[f"{_FLOOR} {what}, work only"], ours)
            cases.append(Case(name=f"{what} {mib} MiB", value=value, must=0.75, stretch=0.9))
            detail |= {
                f"{mib} MiB {name}": seconds
                for name, seconds in _seconds(
                    taken, *(f"{who} {what}, work only" for who in ("ours", _FLOOR, *_SHARPER))
                ).items()
            }
        ours = taken["ours seal, work only"]
        detail |= {
            f"{mib} MiB ours, sealing, against {name}": timing.ratios(taken[f"{kind} seal, work only"], ours)
            for kind, name in _SHARPER.items()
        }
    note = (
        "work only, interpreter start and loading of keys left out on both sides; the floor hashes one "
        "stream, sealing hashes two (plaintext and ciphertext); the floor fills its two buffers again once "
        "both are hashed, sharper floors are shown beside it"
    )
    return Goal(
        key="P3", title="against the bare two-thread floor", cases=cases, detail={**detail, "in it": note}
    )


def _p5(figures: Mapping[int, Figures], pyas2: Figures) -> Goal:
    peaks = {mib: max(*taken["extra seal"], *taken["extra open"]) for mib, taken in figures.items()}
    peaks[PYAS2_MIB] = max(pyas2["extra"])
    largest = max(peaks)
    return Goal(
        key="P5",
        title="memory beyond the idle process, MiB",
        cases=[
            Case(name="any size", value=max(peaks.values()), must=32, stretch=16, at_most=True),
            Case(
                name=f"{largest} MiB less {PYAS2_MIB} MiB",
                value=peaks[largest] - peaks[PYAS2_MIB],
                must=8,
                stretch=2,
                at_most=True,
            ),
        ],
        detail={f"{mib} MiB": peak for mib, peak in peaks.items()}
        | {"in it": "peak resident memory of a process that seals or opens, less what it had before"},
    )


def _rounds(mib: int, source: Path) -> Figures:
    taken: dict[str, list[float]] = defaultdict(list)
    tools = [peers.openssl_cms(source), peers.gpg(source)]
    if mib == SMALL:
        tools.append(peers.age(source))
    contenders: list[Callable[[dict[str, list[float]]], None]] = [
        partial(_ours, source),
        *(partial(_floor, source, kind) for kind in (_FLOOR, *_SHARPER)),
        # openssl reads all it opens into memory, 20 s for the large file: shown for the small one.
        *(partial(_tool, tool, mib == SMALL) for tool in tools),
    ]
    # The first round only warms caches: files, programs, and the file system's free blocks.
    for round_number in range(-1, ROUNDS):
        into = taken if round_number >= 0 else defaultdict(list)
        for turn in range(len(contenders)):
            # In turns, and with nothing left to write back: what one leaves behind must not slow the next.
            os.sync()
            contenders[(turn + round_number) % len(contenders)](into)
    return taken


def _tool(tool: peers.BulkPeer, is_opened: bool, into: dict[str, list[float]]) -> None:
    into[f"{tool.name} seal"].append(timing.run(tool.seal).wall_s)
    if is_opened:
        into[f"{tool.name} open"].append(timing.run(tool.open).wall_s)
    timing.forget(tool.sealed, tool.opened)


def _ours(source: Path, into: dict[str, list[float]]) -> None:
    _seal_and_open(source, into, "ours", ["tests.bench.ours_bulk"], ("seal", "open", "open-both"))


def _floor(source: Path, kind: str, into: dict[str, list[float]]) -> None:
    # With both digests only what sealing asks for: opening has one to make.
    runs = ("seal",) if kind == "both" else ("seal", "open")
    _seal_and_open(source, into, kind, ["tests.bench.floor_bulk", kind], runs)


def _seal_and_open(
    source: Path, into: dict[str, list[float]], name: str, program: Sequence[str], runs: Sequence[str]
) -> None:
    sealed, opened = places.WORK / f"{name}.sealed", places.WORK / f"{name}.opened"
    for what in runs:
        from_path, to_path = (source, sealed) if what == "seal" else (sealed, opened)
        timing.forget(opened)
        os.sync()
        command = [places.PYTHON, "-m", *program, what, from_path, to_path]
        took = timing.run(command, env=places.environment())
        figures = timing.last_json(took.output)
        into[f"{name} {what}"].append(took.wall_s)
        into[f"{name} {what}, work only"].append(figures["work_s"])
        if "extra_mib" in figures:
            into[f"extra {what}"].append(figures["extra_mib"])
        if to_path == opened and opened.stat().st_size != source.stat().st_size:
            raise timing.BenchFailure(f"{name} did not give the file back")
    timing.forget(opened)
    if sealed.is_dir():
        shutil.rmtree(sealed)
    else:
        timing.forget(sealed)


def _pyas2_rounds(source: Path) -> Figures:
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        theirs = timing.run_json([places.PEERS_PYTHON, "-m", "tests.bench.peer_pyas2", source, 0.01, "build"])
        taken["pyas2lib"].append(theirs["build_s"])
        ours: dict[str, list[float]] = defaultdict(list)
        _ours(source, ours)
        taken["ours"] += ours["ours seal, work only"]
        taken["extra"] += ours["extra seal"] + ours["extra open"]
    return taken


def _source(mib: int) -> Path:
    path = places.WORK / f"{mib}.bin"
    with path.open("wb") as file:
        for _ in range(mib // 16):
            file.write(os.urandom(16 << 20))
        # Written back now, so that the kernel does not do it while others are measured.
        file.flush()
        os.fsync(file.fileno())
    return path


def _seconds(taken: Figures, *names: str) -> dict[str, float]:
    return {f"{name}, s": timing.median(taken[name]) for name in names if name in taken}
