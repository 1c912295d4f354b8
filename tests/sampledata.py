"""The fictional sample requests, messages and directory, parsed; only the messages are not in the package."""

import json
from collections.abc import Mapping
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
def _read(path: str) -> Any:
    folder = FOLDER if path.startswith("messages/") else PACKAGED
    return json.loads((folder / path).read_text(encoding="utf-8"))


def sample(path: str) -> dict[str, Any]:
    """Return a private copy of one sample file."""
    copy: dict[str, Any] = deepcopy(_read(path))
    return copy


def request(number: int) -> dict[str, Any]:
    """Return a private copy of the sample request with this number."""
    return sample(REQUEST_FILES[number - 1])


def entry(authority_id: str) -> Mapping[str, Any]:
    """Return a private copy of an authority's record in the sample directory."""
    rows = _read("directory.json")["authorities"]
    found: Mapping[str, Any] = deepcopy(next(row for row in rows if row["authority_id"] == authority_id))
    return found
