"""The packages of ``gateway/services`` build on one another and not in circles."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "gateway" / "services"

#: Who was suspended can sign nothing any more, and a notice about a key takes back what waits for a peer:
#: each is one step in one transaction, seen from two rooms.
KNOWN = {("officers", "acts"), ("revocations", "delivery")}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "gateway.services":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway.services."):
            yield (node.module or "").split(".")[2]


def test_the_rooms_of_the_services_stand_on_one_another() -> None:
    below: dict[str, set[str]] = {}
    for path in SERVICES.rglob("*.py"):
        room = path.relative_to(SERVICES).parts[0].removesuffix(".py")
        below.setdefault(room, set()).update(other for other in _imported(path) if other != room)
    assert all(other in below[room] for room, other in KNOWN), "a known circle is gone: take it off the list"
    for room, other in KNOWN:
        below[room].discard(other)
    try:
        order = tuple(TopologicalSorter(below).static_order())
    except CycleError as circle:
        raise AssertionError("a circle: " + " -> ".join(circle.args[1])) from None
    assert order.index("keys") < order.index("casework") < order.index("sending")
