"""Which lane the present task works for: urgent work has threads of its own and goes first into a group.

A task says it once, at its beginning, and everything it awaits or starts is of the same lane. Whoever says
nothing is routine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_urgent: ContextVar[bool] = ContextVar("is_urgent", default=False)


def is_urgent() -> bool:
    """Tell whether the present task works for the urgent lane."""
    return _is_urgent.get()


@contextmanager
def working_for(lane: str) -> Iterator[None]:
    """Let what is done in the block count as work of a lane."""
    token = _is_urgent.set(lane == "urgent")
    try:
        yield
    finally:
        _is_urgent.reset(token)
