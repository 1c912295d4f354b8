"""The fictional sample requests, messages and directory, parsed; only the messages are not in the package."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import gateway.demo

FOLDER = Path(__file__).parent / "samples"
PACKAGED = Path(gateway.demo.__file__).parent / "samples"
REQUEST_FILES = sorted(path.name for path in PACKAGED.glob("0*.json"))
MESSAGE_FILES = sorted(path.name for path in (FOLDER / "messages").glob("*.json"))


@cache
def _text(path: str) -> str:
    folder = FOLDER if path.startswith("messages/") else PACKAGED
    return (folder / path).read_text(encoding="utf-8")


@cache
def _authorities() -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = sample("directory.json")["authorities"]
    return rows


def sample(path: str) -> dict[str, Any]:
    """Return a private copy of one sample file. Parsing it again takes a quarter of the time of a copy."""
    parsed: dict[str, Any] = json.loads(_text(path))
    return parsed


def request(number: int) -> dict[str, Any]:
    """Return a private copy of the sample request with this number."""
    return sample(REQUEST_FILES[number - 1])


def entry(authority_id: str) -> Mapping[str, Any]:
    """Return a private copy of an authority's record in the sample directory."""
    return deepcopy(next(row for row in _authorities() if row["authority_id"] == authority_id))
