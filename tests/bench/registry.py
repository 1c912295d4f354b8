"""P17: following a network of 200 States, beside python-tuf with all records in one role, in turns.

Ours verifies both families of signatures and one role per State; python-tuf, as it comes, one family and
one role. Both read from memory or a local folder, so requests are counted and not timed.
"""

from collections import defaultdict

from tests.bench import places, resolving, timing
from tests.bench.goals import Case, Goal

ROUNDS = 5


def measure(*, quick: bool) -> list[Goal]:
    """Return P17."""
    folder = places.WORK / "registry"
    folder.mkdir(parents=True)
    timing.run([places.PYTHON, "-m", "tests.bench.ours_registry", "build", folder], env=places.environment())
    commands = {
        "python-tuf": [places.PYTHON, "-m", "tests.bench.peer_tuf", folder],
        "ours": [places.PYTHON, "-m", "tests.bench.ours_registry", "follow", folder],
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(2 if quick else ROUNDS):
        for name, command in commands.items():
            for figure, value in timing.run_json(command).items():
                taken[f"{name} {figure}"].append(value)
    seconds = {name: timing.median(values) for name, values in taken.items() if name.endswith("_s")}
    return [
        Goal(
            key="P17",
            title="directory of 200 States",
            cases=[
                Case(
                    name="refresh with nothing new, against python-tuf with one role",
                    value=timing.ratios(taken["ours renewed_cpu_s"], taken["python-tuf refresh_cpu_s"]),
                    must=3,
                    stretch=1.5,
                    at_most=True,
                ),
                Case(
                    name="first sync, requests",
                    value=max(taken["ours first_requests"]),
                    must=5,
                    stretch=2,
                    at_most=True,
                ),
                resolving.case(quick=quick),
            ],
            detail={
                **{f"{name[:-2]}, ms": value * 1e3 for name, value in seconds.items()},
                "python-tuf requests, first sync": taken["python-tuf first_requests"][0],
                "bundle bytes": taken["ours bundle_bytes"][0],
                "in it": "nothing new: a new timestamp over a known snapshot, root verified again; "
                'the very same timestamp is "same"; member-only contacts are a third request',
            },
        )
    ]
