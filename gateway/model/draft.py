"""What the rules about contents look at, and what they find.

A draft may be of any shape; ``fields`` reads it without raising.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.model.authority import DirectoryFacts
from gateway.model.codes import CheckResult, Severity
from gateway.model.fields import rows, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a rule may look at."""

    form: Mapping[str, Any]
    facts: DirectoryFacts | None
    documents: Mapping[str, tuple[int, str]] | None
    today: date

    @property
    def kind(self) -> str:
        """The request kind, empty where there is none."""
        return text(self.form, "request_kind")

    @property
    def instruments(self) -> frozenset[str]:
        """Codes of all instruments named."""
        return frozenset(text(row, "code") for _, row in rows(self.form, "instruments"))

    @property
    def primary(self) -> str:
        """Code of the primary instrument; the first one where none is marked."""
        named = [row for _, row in rows(self.form, "instruments")]
        return text(
            next((row for row in named if row.get("primary") is True), named[0] if named else None), "code"
        )

    @property
    def item_types(self) -> list[str]:
        """Types of the items of assistance."""
        return [text(row, "type") for _, row in rows(self.form, "assistance")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something a rule found at one place; severity and source are the rule's where they are empty."""

    field: str
    sentence: str
    severity: Severity | None = None
    source: str = ""
    result: CheckResult = CheckResult.FAILED


def absent(field: str, sentence: str) -> Lack:
    """Return what is missing at a place, with the severity of the rule."""
    return Lack(field=field, sentence=sentence)


def without_directory(what: str) -> list[Lack]:
    """Return that something could not be checked because the directory is not at hand."""
    return [
        Lack(
            field="$.requested_authority",
            sentence=f"{what} could not be checked: the addressee's directory entry is not at hand.",
            result=CheckResult.NOT_CHECKED,
        )
    ]
