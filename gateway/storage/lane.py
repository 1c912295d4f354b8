"""Which lane the present task works for: urgent work has threads of its own and goes first into a group.

A task says it once, at its beginning, and everything it awaits or starts is of the same lane. Whoever says
nothing is routine.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token

_is_urgent: ContextVar[bool] = ContextVar("is_urgent", default=False)


def is_urgent() -> bool:
    """Tell whether the present task works for the urgent lane."""
    return _is_urgent.get()


def working_for(lane: str) -> AbstractContextManager[None]:
    """Let what is done in the block count as work of a lane."""
    return _Work(lane == "urgent")


class _Work:
    """Every bundle passes several of these: a class costs a third of a generator."""

    __slots__ = ("_before", "_urgent")

    def __init__(self, urgent: bool) -> None:
        self._urgent = urgent

    def __enter__(self) -> None:
        self._before: Token[bool] = _is_urgent.set(self._urgent)

    def __exit__(self, *_: object) -> None:
        _is_urgent.reset(self._before)
