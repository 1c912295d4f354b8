"""What is wrong with a value, in words and without the pattern by which a machine found it."""

from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, get_args, get_type_hints

import msgspec
import pytest

from gateway.config import sections
from gateway.model.described import described
from gateway.web import calls
from gateway.web.calls import CALLS


class Turn(msgspec.Struct):
    begins: Annotated[str, msgspec.Meta(pattern="^[0-2][0-9]:[0-5][0-9]$")]
    by: Annotated[str, msgspec.Meta(min_length=2)] = "xx"
    other: Annotated[str, msgspec.Meta(pattern="^[a-f]$")] | None = None


def problem(value: object) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(value, Turn)
    return described(str(refused.value))


def test_a_pattern_that_is_not_met_is_told_as_what_to_write() -> None:
    assert problem({"begins": "08:00", "by": ""}) == "$.by: too short, write at least 2 letters or digits"
    assert problem({"begins": "8pm"}) == "$.begins: write hours and minutes, such as 08:00 or 20:30"


def test_what_is_not_known_here_stays_as_it_was_found() -> None:
    assert problem({}) == "Object missing required field `begins`"
    assert "'^[a-f]$'" in problem({"begins": "08:00", "other": "x"})


def _patterns(kind: object) -> Iterator[str]:
    if isinstance(kind, msgspec.Meta) and kind.pattern is not None:
        yield kind.pattern
    for inner in (*get_args(kind), *getattr(kind, "__metadata__", ())):
        yield from _patterns(inner)


def _fields(module: ModuleType) -> Iterator[object]:
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, msgspec.Struct):
            yield from get_type_hints(found, include_extras=True).values()


def test_every_pattern_of_a_setting_or_a_call_is_known() -> None:
    kinds = [*_fields(sections), *_fields(calls)]
    for call in CALLS:
        kinds += get_type_hints(call.params, include_extras=True).values()
    for pattern in {pattern for kind in kinds for pattern in _patterns(kind)}:
        told = described(f"Expected `str` matching regex {pattern!r} - at `$.x`")
        assert told.startswith("$.x: write "), pattern
