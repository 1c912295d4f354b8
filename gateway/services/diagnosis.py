"""What a check of the doctor finds: how bad it is, in a sentence, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One finding; ``action`` is empty where nothing needs doing."""

    check: str
    level: Level
    sentence: str
    action: str = ""


def good(check: str, sentence: str) -> Diagnosis:
    """Return that something is well."""
    return Diagnosis(check=check, level=Level.GREEN, sentence=sentence)
