"""Reading single fields out of a parsed form of any shape, without ever raising.

The rules of ``contents`` look at drafts, which may lack anything or hold anything; a wrong type
reads as absent. Text that is only white space is absent too.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any

#: Patterns such as ``persons[].names[].script``, taken apart once: key, whether a list stands there, what
#: a text there may be, what lies below.
Tree = tuple[tuple[str, bool, Container[object] | None, "Tree"], ...]

# ``dict`` is asked for before ``Mapping`` everywhere: the check against the abstract class is ten times
# as dear, and the rules about contents make hundreds of them for one form.


def at(node: Any, *path: str) -> Any:
    """Return the value under the members named, or ``None`` where one of them is absent."""
    for key in path:
        if isinstance(node, dict):
            node = node.get(key)
        elif node is None:
            return None
        else:
            node = node.get(key) if isinstance(node, Mapping) else None
    return node


def text(node: Any, *path: str) -> str:
    """Return the text under the members named, without outer white space; empty where there is none."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else at(node, key)
    return node.strip() if isinstance(node, str) else ""


def rows(node: Any, *path: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the objects of a list with their places in it; entries that are no objects are left out."""
    value = at(node, *path) if path else node
    if not isinstance(value, list):
        return []
    return [
        (n, entry)
        for n, entry in enumerate(value)
        if isinstance(entry, dict) or isinstance(entry, Mapping)  # noqa: SIM101 - dict first
    ]


def texts(node: Any, *path: str) -> list[str]:
    """Return the texts of a list; entries that are no text are left out."""
    value = at(node, *path)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def is_given(value: Any) -> bool:
    """Say whether a value says something: not null, not empty, not white space. ``False`` and 0 do."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value != [] and value != {}


def tree_of(fitting: Mapping[str, Container[object]]) -> Tree:
    """Return patterns, each with what a text there may be, as the tree that ``any_outside`` walks."""
    below: dict[tuple[str, bool], dict[str, Container[object]]] = {}
    here: dict[tuple[str, bool], Container[object]] = {}
    for pattern, fits in fitting.items():
        step, _, rest = pattern.partition(".")
        place = step.removesuffix("[]"), step.endswith("[]")
        below.setdefault(place, {})
        if rest:
            below[place][rest] = fits
        else:
            here[place] = fits
    return tuple((*place, here.get(place), tree_of(inner)) for place, inner in below.items())


def any_outside(node: Any, tree: Tree) -> bool:
    """Say whether a text at a place of the patterns is none it may be; ``spread`` gives the places."""
    if not isinstance(node, dict) and not isinstance(node, Mapping):
        return False
    for key, listed, fits, below in tree:
        value = node.get(key)
        if value is None or (listed and not isinstance(value, list)):
            continue
        for one in value if listed else (value,):
            if fits is not None and isinstance(one, str) and one not in fits:
                return True
            if below and any_outside(one, below):
                return True
    return False


def spread(node: Any, pattern: str) -> Iterator[tuple[str, Any]]:
    """Yield path and value of all places of a pattern such as ``persons[].names[].script``."""
    yield from _spread(node, pattern.split("."), "$")


def _spread(node: Any, steps: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield path, node
        return
    key, listed = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    value = at(node, key)
    if value is None:
        return
    if not listed:
        yield from _spread(value, steps[1:], f"{path}.{key}")
    elif isinstance(value, list):
        for n, entry in enumerate(value):
            yield from _spread(entry, steps[1:], f"{path}.{key}[{n}]")
