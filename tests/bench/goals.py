"""The goals P1 to P13 and P17: what is compared, the line that must hold and the one we are after.

Numbers are those of docs/performance.md. A goal with several cases holds when every case holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One figure of a goal; ``must`` and ``stretch`` are bounds, from below unless ``at_most``.

    ``must`` is ``None`` where the goals name a line to aim at only.
    """

    name: str
    value: float
    must: float | None
    stretch: float
    at_most: bool = False

    @property
    def ok(self) -> bool:
        """Whether the must line holds."""
        if self.must is None:
            return True
        return self.value <= self.must if self.at_most else self.value >= self.must

    @property
    def reached(self) -> bool:
        """Whether the stretch line holds."""
        return self.value <= self.stretch if self.at_most else self.value >= self.stretch

    def bound(self, limit: float | None) -> str:
        """Return a bound as it is printed."""
        if limit is None:
            return "-"
        return f"{'<=' if self.at_most else '>='} {limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal with its figures of this run and what is and is not in them."""

    key: str
    title: str
    cases: Sequence[Case]
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every case meets its must line."""
        return all(case.ok for case in self.cases)

    @property
    def reached(self) -> bool:
        """Whether every case meets its stretch line."""
        return all(case.reached for case in self.cases)

    def as_json(self) -> dict[str, Any]:
        """Return the goal's entry in ``build/bench.json``."""
        return {
            "title": self.title,
            "value": _one_or_all({case.name: round(case.value, 4) for case in self.cases}),
            "must": _one_or_all({case.name: case.bound(case.must) for case in self.cases}),
            "stretch": _one_or_all({case.name: case.bound(case.stretch) for case in self.cases}),
            "ok": self.ok,
            "reached": self.reached,
            "detail": self.detail,
        }


def _one_or_all(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values
