"""P6 and P7: one document of 20 KB in warm processes, one core each, in turns.

Every contender keeps its keys parsed, as a gateway does. Ours is the whole bundle: encrypted
manifest and document, wrap, signed envelope, and back through every check.
"""

import os
from collections import defaultdict

from tests.bench import places, timing
from tests.bench.goals import Case, Goal

SIZE = 20_000
ROUNDS = 5


def measure(*, quick: bool) -> list[Goal]:
    """Return P6 and P7."""
    document = places.WORK / "small.bin"
    document.write_bytes(os.urandom(SIZE))
    seconds = 0.2 if quick else 0.6
    commands = {
        "pyas2lib": [places.PEERS_PYTHON, "-m", "tests.bench.peer_pyas2", document, seconds],
        "xmlsec": [places.PEERS_PYTHON, "-m", "tests.bench.peer_xmlsec", document, seconds],
        "ours": [places.PYTHON, "-m", "tests.bench.ours_small", document, seconds],
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(3 if quick else ROUNDS):
        for name, command in commands.items():
            for figure, value in timing.run_json(command).items():
                taken[f"{name} {figure}"].append(value)
    ours_cpu = _sum(taken["ours seal_cpu_s"], taken["ours open_cpu_s"])
    xmlsec_cpu = _sum(taken["xmlsec seal_cpu_s"], taken["xmlsec open_cpu_s"])
    milliseconds = {
        f"{name}, ms": timing.median(values) * 1e3 for name, values in taken.items() if name.endswith("_s")
    }
    wire = {name: values[0] for name, values in taken.items() if name.endswith("bytes")}
    return [
        Goal(
            key="P6",
            title="seal 20 KB, against pyas2lib build",
            cases=[
                Case(
                    name="with ML-DSA-65",
                    value=timing.ratios(taken["pyas2lib build_s"], taken["ours seal_s"]),
                    must=4,
                    stretch=6,
                ),
                Case(
                    name="without",
                    value=timing.ratios(taken["pyas2lib build_s"], taken["ours seal_without_ml_dsa_s"]),
                    must=20,
                    stretch=35,
                ),
            ],
            detail={
                **milliseconds,
                **wire,
                "in it": "warm processes; 'without' makes the ML-DSA half of the signature a constant",
            },
        ),
        Goal(
            key="P7",
            title="seal and open 20 KB with PQ, CPU, against xmlsec (C)",
            cases=[
                Case(name="20 KB", value=timing.ratios(xmlsec_cpu, ours_cpu), must=1, stretch=1.5),
            ],
            detail={
                "xmlsec CPU, ms": timing.median(xmlsec_cpu) * 1e3,
                "ours CPU, ms": timing.median(ours_cpu) * 1e3,
                "in it": "xmlsec: XML signature RSA-2048 and XML encryption RSA-OAEP, AES-256-GCM",
            },
        ),
    ]


def _sum(first: list[float], second: list[float]) -> list[float]:
    return [a + b for a, b in zip(first, second, strict=True)]
